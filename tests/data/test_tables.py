"""Tables: Parquet files and data sets with every fault, names of tag ids, languages, memory."""

from __future__ import annotations

import io
import json
import sys
import tracemalloc

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nertune.config import ReadSettings
from nertune.data import ReadReport, guess_format, read, read_stream
from nertune.data.inspection import inspect_files
from nertune.documents import Document
from nertune.errors import DataError, DependencyError, TagError

NAMES = ["O", "B-LOC", "I-LOC"]
IDS = pa.list_(pa.int64())
STRINGS = pa.list_(pa.string())
GOOD = {"tokens": ["in", "Rome"], "ner_tags": [0, 1]}


def table(*rows, tags=IDS, **columns):
    """A table of rows with tokens and ner_tags, and whatever else is given."""
    fields = {"tokens": STRINGS, "ner_tags": tags, **columns}
    return pa.table({
        name: pa.array([row.get(name) for row in rows], kind) for name, kind in fields.items()
    })  # fmt: skip


class Tables:
    """A table in a file and as a data set; both must be read alike."""

    def __init__(self, folder):
        self.folder = folder
        self.report = ReadReport()

    def __call__(self, content, **settings):
        path = self.folder / "file.parquet"
        pq.write_table(content, path)
        self.report = ReadReport()
        return list(read(path, ReadSettings(**settings), self.report))

    def saved(self, content, **settings):
        folder = self.folder / "saved"
        datasets.Dataset(content).save_to_disk(folder)
        self.report = ReadReport()
        return list(read("train", ReadSettings(dataset=str(folder), **settings), self.report))

    def fails(self, content, error=DataError, **settings):
        with pytest.raises(error) as caught:
            self(content, **settings)
        with pytest.raises(error) as again:
            self.saved(content, **settings)
        message = str(caught.value).replace(f"{self.folder}/", "")
        assert str(again.value).replace(f"{self.folder}/", "") == message.replace(
            "file.parquet", "saved[train]"
        )
        return message


@pytest.fixture
def tables(tmp_path):
    datasets.disable_progress_bars()
    yield Tables(tmp_path)
    datasets.enable_progress_bars()


def named(content, key="ner_tags", style="List"):
    """The table with names of ids beside its schema, as versions of datasets have written them."""
    label = {"names": NAMES, "_type": "ClassLabel"}
    kind = [label] if style == "list" else {"feature": label, "_type": style}
    features = json.dumps({"info": {"features": {key: kind}}})
    return content.replace_schema_metadata({"huggingface": features})


class TestParquet:
    def test_a_file_by_its_ending_or_by_how_it_begins(self, tables):
        assert guess_format("x.parquet", b"") == guess_format("x", b"PAR1...") == "parquet"

    @pytest.mark.parametrize("style", ["List", "Sequence", "LargeList", "list"])
    def test_names_that_the_file_carries(self, tables, style):
        content = named(table(GOOD), style=style)
        assert tables(content) == [Document.from_words(["in", "Rome"], ["O", "B-LOC"])]

    @pytest.mark.parametrize("metadata", ["{", "[]", '{"info": 1}', '{"info": {"features": {}}}'])
    def test_odd_metadata_names_nothing(self, tables, metadata):
        content = table(GOOD).replace_schema_metadata({"huggingface": metadata})
        with pytest.raises(DataError, match="carries no names of theirs"):
            tables(content)

    @pytest.mark.parametrize("size", [pa.int8(), pa.uint16(), pa.int32()])
    @pytest.mark.parametrize("text", [pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
    def test_types_of_columns(self, tables, size, text):
        content = table(GOOD, tokens=pa.large_list(text), tags=pa.large_list(size))
        assert tables(content, label_names=NAMES)[0].tags == ("O", "B-LOC")

    def test_strings_are_taken_as_they_are(self, tables):
        row = {"tokens": ["a"], "ner_tags": ["U-X"], "id": 7}
        content = table(row, tags=STRINGS, id=pa.int32())
        expected = [Document.from_words(["a"], ["U-X"], id="7")]
        assert tables(content, label_names=NAMES) == tables.saved(content) == expected

    def test_columns_under_other_names(self, tables):
        content = table(GOOD).rename_columns(["words", "labels"])
        settings = {"tokens_key": "words", "tags_key": "labels", "label_names": NAMES}
        assert len(tables(content, **settings)) == 1
        content = table(GOOD).rename_columns(["tokens", "tags"])
        assert tables(content, label_names=NAMES)[0].tags == ("O", "B-LOC")

    def test_without_tags(self, tables):
        content = table(GOOD, {"tokens": [], "ner_tags": [0]}).drop_columns("ner_tags")
        assert tables(content, tag_column=None) == [Document.from_words(["in", "Rome"])]
        assert tables.fails(content).startswith(
            "file.parquet: there is no column 'ner_tags'; the columns are tokens. Name"
        )

    def test_the_prefix_is_taken_off(self, tables):
        content = table({"tokens": ["en:in", "en:Rome"], "ner_tags": [0, 1]})
        found = tables(content, label_names=NAMES, word_prefix="en:")
        assert found[0].words == ["in", "Rome"]

    def test_inspection_names_the_columns(self, tables):
        tables(table(GOOD), label_names=NAMES)
        path = tables.folder / "file.parquet"
        (found,) = inspect_files([path], ReadSettings(label_names=NAMES)).files
        assert (found.format, found.columns) == ("parquet", ("tokens", "ner_tags"))

    def test_a_stream_stays_open_and_a_pipe_is_refused(self):
        class Pipe(io.BytesIO):
            def seekable(self):
                return False

        stream = io.BytesIO()
        pq.write_table(table(GOOD), stream)
        data = stream.getvalue()
        stream.seek(0)
        settings = ReadSettings(label_names=NAMES)
        assert len(list(read_stream(stream, settings))) == 1
        assert not stream.closed
        with pytest.raises(DataError, match="<stdin>: a Parquet file cannot be read from a pipe"):
            list(read_stream(Pipe(data), settings))

    @pytest.mark.parametrize("content", [b"PAR1", b"PAR1" + bytes(99) + b"\x10\0\0\0PAR1", b""])
    def test_a_broken_file(self, tmp_path, content):
        path = tmp_path / "x.parquet"
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"not a whole Parquet file \(.*\); fetch or write"):
            list(read(path))

    def test_without_the_package(self, tables, monkeypatch):
        monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
        path = tables.folder / "x.parquet"
        path.write_bytes(b"PAR1")
        with pytest.raises(DependencyError, match="reading a Parquet file needs the package"):
            list(read(path))


class TestColumns:
    def test_ids_without_names_name_both_cures(self, tables):
        assert tables.fails(table(GOOD)) == (
            "file.parquet: 'ner_tags' holds integers, the numbers of classes, and carries no names "
            "of theirs; give the names in id order, as label_names: [O, B-PER, I-PER], or save the "
            'data set anew with ner_tags as List(ClassLabel(names=["O", "B-PER", "I-PER"]))'
        )

    def test_names_of_the_settings_and_of_the_data(self, tables):
        content = named(table(GOOD))
        assert "label_names has 2 names, but 'ner_tags' carries 3: O, B-LOC, I-LOC." in (
            tables.fails(content, label_names=NAMES[:2])
        )
        assert tables(content, label_names=["O", "B-X", "I-X"])[0].tags == ("O", "B-X")

    @pytest.mark.parametrize(
        ("columns", "settings", "message"),
        [
            ({"tokens": pa.string()}, {}, "the column 'tokens' holds string; expected lists of st"),
            ({"tokens": IDS}, {}, "the column 'tokens' holds lists of int64; expected"),
            ({"tags": pa.int64()}, {}, "'ner_tags' holds int64; expected lists of strings or of"),
            ({"tags": pa.list_(pa.float32())}, {}, "'ner_tags' holds lists of float; exp"),
            ({}, {"tokens_key": "words"},
             "there is no column 'words'; the columns are tokens, ner_tags. Name"),
            ({}, {"tags_key": "tags"}, "there is no column 'tags'"),
            ({}, {"languages": ["it"]}, "there is no column 'lang'"),
            ({"lang": pa.int8()}, {"languages": ["it"]}, "the column 'lang' holds int8"),
        ],
    )
    def test_columns_that_are_not_as_expected(self, tables, columns, settings, message):
        content = table({}, **columns)
        assert message in tables.fails(content, label_names=NAMES, **settings)


ROWS = {
    "no words": ({"ner_tags": [0]}, "tokens are no strings",
                 "'tokens' is missing or null; expected a list of strings", None),
    "null word": ({"tokens": ["a", None], "ner_tags": [0, 0]}, "tokens are no strings",
                  "'tokens' is a list with null in it", None),
    "no tags": ({"tokens": ["a"]}, "no tags",
                "'ner_tags' is null; expected a list with one tag a word", None),
    "null tag": ({"tokens": ["a"], "ner_tags": [None]}, "tags are no strings",
                 "'ner_tags' is a list with null in it", None),
    "lengths": ({"tokens": ["a", "b"], "ner_tags": [0]}, "numbers of words and tags differ",
                "1 ner_tags for 2 tokens; expected one tag a token", None),
    "only tags": ({"tokens": [], "ner_tags": [0]}, "numbers of words and tags differ",
                  "1 ner_tags for 0 tokens", None),
    "high id": ({"tokens": ["a", "b"], "ner_tags": [1, 3]}, "tag id without a name",
                "tag 1 has the id 3, but there are 3 names; expected an id from 0 to 2",
                (["a", "b"], ["B-LOC", "O"])),
    "padding": ({"tokens": ["a"], "ner_tags": [-100]}, "tag id without a name",
                "tag 0 has the id -100", (["a"], ["O"])),
    "empty word": ({"tokens": ["a", ""], "ner_tags": [1, 2]}, "empty word",
                   "token 1 is ''; expected a word", (["a"], ["B-LOC"])),
    "white space": ({"tokens": ["\xa0a "], "ner_tags": [1]}, "white space at a word's edge",
                    "token 0 is '\\xa0a '; expected 'a'", (["a"], ["B-LOC"])),
}  # fmt: skip


class TestRows:
    @pytest.mark.parametrize("name", ROWS)
    def test_a_fault_stops_with_its_row(self, tables, name):
        row, _, message, _ = ROWS[name]
        found = tables.fails(table(GOOD, row, GOOD), label_names=NAMES)
        assert found.startswith(f"file.parquet:2: {message}")

    @pytest.mark.parametrize("name", ROWS)
    def test_a_fault_is_skipped_or_repaired_and_counted(self, tables, name):
        row, reason, _, mended = ROWS[name]
        content = table(GOOD, row, GOOD)
        for load, place in ((tables, "file.parquet:2"), (tables.saved, "saved[train]:2")):
            assert len(load(content, label_names=NAMES, on_error="skip")) == 2
            assert tables.report.skipped == {reason: 1}
            assert tables.report.first == {reason: f"{tables.folder}/{place}"}
            found = load(content, label_names=NAMES, on_error="repair")
            assert found[1:-1] == ([Document.from_words(*mended)] if mended else [])
            counts = tables.report.repaired, tables.report.skipped
            assert counts == (({reason: 1}, {}) if mended else ({}, {reason: 1}))

    def test_an_unknown_tag(self, tables):
        content = table({"tokens": ["a"], "ner_tags": ["X"]}, tags=STRINGS)
        assert "file.parquet:1: the tag 'X' has an unknown" in tables.fails(content, TagError)
        assert tables(content, on_error="repair")[0].tags == ("O",)

    @pytest.mark.parametrize("on_error", ["stop", "skip", "repair"])
    def test_rows_without_words_are_left_out_and_counted(self, tables, on_error):
        empty = {"tokens": [], "ner_tags": []}
        found = tables(table(empty, GOOD, empty), label_names=NAMES, on_error=on_error)
        assert len(found) == 1
        assert tables.report.skipped == {"no words in the row": 2}

    def test_a_row_of_which_no_word_is_left(self, tables):
        content = table({"tokens": [" "], "ner_tags": [0]}, GOOD)
        assert len(tables(content, label_names=NAMES, on_error="repair")) == 1
        assert tables.report.repaired == {"empty word": 1}
        assert tables.report.skipped == {"no words in the row": 1}

    def test_bytes_that_are_not_utf8(self, tables):
        words = pa.array([["ok"], ["caf\xe9".encode("latin1")]], pa.list_(pa.binary()))
        content = table(GOOD, GOOD).set_column(
            0, "tokens", pa.ListArray.from_arrays([0, 1, 2], words.values.view(pa.string()))
        ).set_column(1, "ner_tags", pa.array([[1], [0]]))  # fmt: skip
        assert "file.parquet:2: 'utf-8' codec can't decode byte 0xe9" in (
            tables.fails(content, label_names=NAMES)
        )
        assert len(tables(content, label_names=NAMES, on_error="skip")) == 1

    def test_an_empty_table(self, tables):
        with pytest.raises(DataError, match=r"holds no document \(read as parquet\)"):
            tables(table(), label_names=NAMES)
        empty = table({"tokens": []})
        with pytest.raises(DataError, match="most often for 'no words in the row'"):
            tables.saved(empty, label_names=NAMES)

    def test_nothing_is_left(self, tables):
        content = table({"tokens": ["a"], "ner_tags": [9]})
        message = tables.fails(content, label_names=NAMES, on_error="skip")
        assert message.endswith("check tokens_key and tags_key")

    def test_places_far_down(self, tables):
        content = table(*[GOOD] * 2500, {"tokens": ["a"], "ner_tags": [3]})
        assert "file.parquet:2501: tag 0" in tables.fails(content, label_names=NAMES)


class TestLanguages:
    ROWS = tuple(
        {**GOOD, "lang": lang, "langs": [lang, "xx"] if lang else []}
        for lang in ("it", "en", None, "it", "de", "de")
    )

    @pytest.mark.parametrize("column", [{"lang": pa.string()}, {"langs": STRINGS}])
    def test_rows_in_other_languages_are_left_out_and_counted(self, tables, column):
        content = table(*self.ROWS, **column)
        for load in (tables, tables.saved):
            assert len(load(content, label_names=NAMES, languages=["it", "en"])) == 3
            assert tables.report.other_languages == {"de": 2, "none": 1}
            assert tables.report.clean
            assert tables.report.lines()[1:] == [
                "left out 3 rows in other languages (de 2, none 1)"
            ]
            assert len(load(content, label_names=NAMES, languages=[])) == 6

    def test_the_key_of_the_language(self, tables):
        content = table({**GOOD, "lang": "it", "code": "ro"}, lang=pa.string(), code=pa.string())
        settings = {"label_names": NAMES, "language_key": "code"}
        assert len(tables(content, languages=["ro"], **settings)) == 1
        assert tables.report.ignored_keys == {"lang": 1}
        assert tables.fails(content, languages=["it"], **settings).startswith(
            "file.parquet: no row is in it; expected some; the languages are ro 1. Set languages"
        )

    def test_places_are_those_of_the_whole_table(self, tables):
        bad = {"tokens": ["a"], "ner_tags": [3], "lang": "it"}
        content = table(*self.ROWS, bad, lang=pa.string())
        assert "parquet:7:" in tables.fails(content, label_names=NAMES, languages=["it"])
        assert len(tables(content, label_names=NAMES, languages=["de"])) == 2


@pytest.mark.parametrize("n_rows", [10_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_memory_stays_flat(tmp_path, n_rows):
    """Never more than a few batches are held, neither by Python nor by Arrow."""
    words = [f"word{i}" for i in range(5)]
    ends = pa.array(range(0, 5 * n_rows + 1, 5), pa.int32())
    content = pa.table({
        "tokens": pa.ListArray.from_arrays(ends, pa.array(words * n_rows)),
        "ner_tags": pa.ListArray.from_arrays(ends, pa.array([0, 1, 2, 0, 0] * n_rows)),
    })  # fmt: skip
    datasets.disable_progress_bars()
    datasets.Dataset(content).save_to_disk(tmp_path / "saved")
    pq.write_table(content, tmp_path / "file.parquet", row_group_size=n_rows // 10)
    size = content.nbytes
    del content
    settings = ReadSettings(dataset=str(tmp_path / "saved"), label_names=NAMES)
    alone = ReadSettings(label_names=NAMES)
    for path, chosen in (("train", settings), (tmp_path / "file.parquet", alone)):
        held = pa.total_allocated_bytes()
        tracemalloc.start()
        most = n_documents = 0
        for n_documents, _ in enumerate(read(path, chosen), 1):
            if n_documents % 1000 == 500:
                most = max(most, pa.total_allocated_bytes() - held)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert n_documents == n_rows
        assert most < size / 4
        assert peak < 6_000_000
