"""Column files: every rule, every fault with its place, each way to settle it."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nertune.config import ReadSettings
from nertune.data import FORMATS, ReadReport, guess_format, read, read_stream
from nertune.errors import DataError, TagError

ROME = "in O\nRome B-LOC\n\nMario B-PER\nRossi I-PER\n"


def words(documents):
    return [document.words for document in documents]


def test_each_sentence_is_a_document_where_there_are_no_marks(reading):
    documents = reading(ROME)
    assert words(documents) == [["in", "Rome"], ["Mario", "Rossi"]]
    assert [[(e.text, e.label) for e in d.entities] for d in documents] == [
        [("Rome", "LOC")], [("Mario Rossi", "PER")],
    ]
    assert documents[1].tags == ("B-PER", "I-PER")
    assert reading.report.to_dict() == {
        "documents": 2, "sentences": 2, "words": 4, "comments": 0, "skipped": {}, "repaired": {},
        "ignored_keys": {}, "other_languages": {}, "first": {},
    }


@pytest.mark.parametrize(
    "content",
    [
        ROME.rstrip("\n"),
        ROME.replace("\n", "\r\n"),
        b"\xef\xbb\xbf" + ROME.encode(),
        ROME.replace("\n\n", "\n \t \n\n\t\n"),
        "\n\n" + ROME + "\n\n\n",
        ROME.replace(" ", " \t "),
        ROME.replace("Mario", "  Mario").replace("I-PER", "I-PER \t"),
    ],
    ids=["no final newline", "CRLF", "BOM", "blank lines of white space", "more blank lines",
         "mixed white space", "white space at the edges of lines"],
)
def test_line_ends_and_white_space_make_no_difference(reading, content):
    assert reading(content) == reading(ROME)


@pytest.mark.parametrize("char", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\xa0"])
def test_only_a_newline_ends_a_line(reading, char):
    documents = reading(f"a{char}b O\nRome B-LOC\n")
    assert words(documents) == [[f"a{char}b", "Rome"]]
    assert documents[0].entities[0].start == 4


@pytest.mark.parametrize("mark", [
    "-DOCSTART-", "-DOCSTART- O", "-DOCSTART- -X- O O", "#DOCSTART", "# DOCSTART 7",
    "# newdoc id = 3", "0\t-DOCSTART-\tO",
])
def test_a_mark_begins_a_document(reading, mark):
    documents = reading(f"{mark}\n\na O\n\nb O\n\n{mark}\n\nc O\n")
    assert words(documents) == [["a", "b"], ["c"]]
    assert documents[0].sentences == ((0, 1), (1, 2))
    assert documents[0].text == "a\nb"


def test_sentences_before_the_first_mark_are_one_document(reading):
    assert words(reading("a O\n\nb O\n\n-DOCSTART- O\n\nc O\n")) == [["a", "b"], ["c"]]


def test_a_mark_after_which_nothing_comes_makes_no_document(reading):
    content = "-DOCSTART- O\n\n-DOCSTART- O\n\na O\n\n-DOCSTART- O\n"
    assert words(reading(content)) == [["a"]]


def test_a_mark_ends_a_sentence_without_a_blank_line(reading):
    assert words(reading("-DOCSTART- O\na O\n-DOCSTART- O\nb O\n")) == [["a"], ["b"]]


def test_in_a_stream_sentences_are_documents_until_the_first_mark():
    class Pipe(io.BytesIO):
        def seekable(self):
            return False

    content = b"a O\n\nb O\n\n-DOCSTART- O\n\nc O\n\nd O\n"
    assert words(read_stream(Pipe(content))) == [["a"], ["b"], ["c", "d"]]
    rewindable = io.BytesIO(content)
    assert words(read_stream(rewindable)) == [["a", "b"], ["c", "d"]]
    assert not rewindable.closed


def test_a_mark_is_found_across_the_blocks_of_the_first_look(reading, monkeypatch):
    monkeypatch.setattr("nertune.data.columns._SCAN_BYTES", 80)
    for shift in range(30):
        content = f"a{'x' * shift} O\n\n" + "b O\n\n" * 13 + "-DOCSTART- O\n\nc O\n"
        assert len(reading(content)) == 2


class TestComments:
    """The word # must stay a word, a comment must not become one."""

    def test_comments_before_and_between_sentences(self, reading):
        content = (
            "# about this file\n\n# global.columns = form ner\n# x = 1\na O\n\n# text = b\nb O\n"
        )
        assert words(reading(content)) == [["a"], ["b"]]
        assert reading.report.comments == 4
        assert reading.report.lines()[-1] == "passed over 4 comment lines"

    @pytest.mark.parametrize("content", [
        "a NN O\n# NN O\nb NN B-X\n",
        "# NN O\na NN O\nb NN B-X\n",
        "x NN O\n\n# NN O\na NN O\n",
        "# NN O\n\na NN O\nb NN O\n",
        "#1 NN O\nx NN O\n\n#tag NN O\n",
    ])
    def test_a_row_of_the_word_hash_is_no_comment(self, reading, content):
        expected = [line.split()[0] for line in content.split("\n") if line]
        assert [*chain.from_iterable(words(reading(content)))] == expected
        assert reading.report.comments == 0

    def test_a_comment_with_as_many_columns_as_the_rows(self, reading):
        content = "# id 3a domain=en\na N N O\n\n# sent_id = s2 x\nb N N O\n"
        assert words(reading(content)) == [["a"], ["b"]]
        assert reading.report.comments == 2

    @pytest.mark.parametrize("line", [
        "#Ukraine b-loc", "#Ukraine", "#Ukraine B-LOC X", "# b-loc",
    ])
    def test_a_faulty_row_is_no_comment(self, reading, line):
        content = f"a O\n\n{line}\nb O\n"
        assert reading.fails(content, DataError).startswith("file:3: ")
        word = line.split()[0]
        assert words(reading(content, on_error="repair")) == [["a"], [word, "b"]]

    def test_words_that_look_like_metadata_or_come_before_all_others(self, reading):
        assert words(reading("#newdoc O\n#id B-X\n\n#x O\n")) == [["#newdoc", "#id"], ["#x"]]
        assert words(reading("#x O\n\n#\n# c d\na O\n")) == [["#x"], ["a"]]
        assert reading.report.comments == 2

    def test_the_word_hash_with_an_index_before_it(self, reading):
        documents = reading("0\t#\tO\n1\tNO1\tB-X\n", word_column=1, tag_column=2)
        assert words(documents) == [["#", "NO1"]]

    def test_hash_without_tags(self, reading):
        content = "# a comment of words\n#\n#tag\nword\n"
        assert words(reading(content, tag_column=None)) == [["#", "#tag", "word"]]

    def test_a_comment_inside_a_sentence_is_a_fault(self, reading):
        message = reading.fails("a NN O\n# what\nb NN O\n", DataError)
        assert message.startswith("file:2: 2 columns in '# what'; expected 3 as in line 1")


def test_columns_are_chosen_by_number_from_either_end(reading):
    content = "0 x B-A in I-B\n1 y I-A Rome O\n"
    documents = reading(content, word_column=-2, tag_column=2)
    assert documents[0].words == ["in", "Rome"]
    assert documents[0].tags == ("B-A", "I-A")


def test_a_separator_is_taken_exactly(reading):
    documents = reading("New York\tB-LOC\nis\tO\n", separator="\t")
    assert documents[0].words == ["New York", "is"]
    documents = reading("Rome ; NP ; B-LOC\r\nis;;O\r\n", separator=";")
    assert documents[0].words == ["Rome", "is"]
    assert documents[0].tags == ("B-LOC", "O")


def test_without_a_tag_column_documents_have_no_tags(reading):
    documents = reading("in\nRome\n\nx\n", tag_column=None)
    assert words(documents) == [["in", "Rome"], ["x"]]
    assert documents[0].tags is None


def test_a_word_prefix_is_taken_off_where_it_stands(reading):
    documents = reading("en:in O\nRome B-LOC\nen:: O\n", word_prefix="en:")
    assert words(documents) == [["in", "Rome", ":"]]


@pytest.mark.parametrize(
    ("content", "given", "message"),
    [
        ("a\nb\n", {}, "file:1: one column only; expected a word and its tag. If the file has no "
         "tags, set tag_column: null (--set data.tag_column=null)"),
        ("a B O\n", {"word_column": 3}, "file:1: word_column is 3, but this line has 3 columns; "
         "set word_column to a number from 0 to 2"),
        ("# c\n\na O\n", {"tag_column": 2}, "file:3: tag_column is 2, but this line has 2 columns"),
        ("a O\n", {"tag_column": -3}, "file:1: tag_column is -3, but this line has 2 columns"),
        ("a O\n", {"word_column": 1}, "file:1: word_column and tag_column both mean column 1 of 2"),
    ],
)
@pytest.mark.parametrize("on_error", ["stop", "skip", "repair"])
def test_columns_that_do_not_exist_always_stop(reading, content, given, message, on_error):
    assert reading.fails(content, DataError, on_error=on_error, **given).startswith(message)


FAULTS = {
    "few": ("a NN O\n\nb NN O\nRome B-LOC\n\nc NN O\n", DataError, "too few columns",
            "file:4: 2 columns in 'Rome B-LOC'; expected 3 as in line 1; correct it, or read on "
            "with on_error skip or repair (--on-error)"),
    "many": ("a O\nb O\n\nNew York B-LOC\n\nc O\n", DataError, "too many columns",
             "file:4: 3 columns in 'New York B-LOC'; expected 2 as in line 1"),
    "tag": ("a O\n\nb NN\n\nc O\n", TagError, "unknown tag",
            "file:3: the tag 'NN' has an unknown prefix; expected O or one of B-, E-"),
    "bare": ("a O\n\nb B-\n\nc O\n", TagError, "unknown tag",
             "file:3: the tag 'B-' has a prefix without a label"),
    "case": ("a O\n\nb o\n\nc O\n", TagError, "unknown tag", "file:3: the tag 'o' has"),
    "space": ("a O\n\n\xa0 O\nx O\n\nc O\n", DataError, "empty word",
              "file:3: no word in '\\xa0 O'"),
    "latin1": ("a O\n\nno O\nétude O\n\nc O\n".encode("latin1"), DataError, "not UTF-8",
               "file:4: not UTF-8 (byte 0xE9 at column 1); expected UTF-8; convert it, e.g. iconv "
               "-f latin1 -t utf8"),
    "label": ("a O\n\nb B-PER\u200b\n\nc O\n", TagError, "unknown tag",
              "file:3: the label of a tag is 'PER\\u200b'; expected printable"),
    "nul": ("a O\n\nb\0 O\n\nc O\n", DataError, "NUL character",
            "file:3: a NUL character in 'b\\x00 O'"),
    "mac": ("a O\n\nb O\rx O\n\nc O\n", DataError, "carriage return inside a line",
            "file:3: a carriage return inside the line"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_stops_with_its_place(reading, name):
    content, error, _, message = FAULTS[name]
    assert reading.fails(content, error).startswith(message)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_can_be_skipped_and_is_counted(reading, name):
    content, _, reason, message = FAULTS[name]
    documents = reading(content, on_error="skip")
    assert [document.words[0] for document in documents] == ["a", "c"]
    assert reading.report.skipped == {reason: 1}
    assert reading.report.first[reason].endswith(message.split(": ")[0])
    assert not reading.report.clean
    place = f"{reading.path.parent}/{message.split(': ')[0]}"
    assert f"skipped once: {reason} (first at {place})" in reading.report.lines()


@pytest.mark.parametrize(
    ("name", "sentence", "tags"),
    [
        ("few", ["b", "Rome"], ("O", "O")),
        ("many", ["New"], ("B-LOC",)),
        ("tag", ["b"], ("O",)),
        ("bare", ["b"], ("O",)),
        ("label", ["b"], ("O",)),
        ("space", ["x"], ("O",)),
    ],
)
def test_repair_keeps_what_can_be_kept_and_counts(reading, name, sentence, tags):
    content, _, reason, _ = FAULTS[name]
    documents = reading(content, on_error="repair")
    assert documents[1].words == sentence
    assert documents[1].tags == tags
    assert len(documents) == 3
    assert reading.report.repaired == {reason: 1}
    assert not reading.report.skipped


@pytest.mark.parametrize("name", ["latin1", "mac", "nul"])
def test_what_cannot_be_repaired_is_skipped(reading, name):
    content, _, reason, _ = FAULTS[name]
    assert len(reading(content, on_error="repair")) == 2
    assert reading.report.skipped == {reason: 1}


def test_repair_takes_the_tag_only_from_its_own_column(reading):
    content = "a NN X O\n\nRome NN\nB-LOC\n \xa0\nb NN B-PER\n\nc NN X B-PER\n"
    documents = reading(content, on_error="repair")
    assert words(documents) == [["a"], ["Rome", "B-LOC", "b"], ["c"]]
    assert documents[1].tags == ("O", "O", "O")
    assert reading.report.repaired == {"too few columns": 4}
    documents = reading("a O x\n\nRome B-LOC\n", on_error="repair", tag_column=1)
    assert documents[1].tags == ("B-LOC",)


def test_a_word_that_is_only_the_prefix_is_faulty(reading):
    content = "en:a O\nen: O\n"
    message = reading.fails(content, DataError, word_prefix="en:")
    assert message.startswith("file:2: no word in 'en: O'; expected one in column 0 after the pref")
    assert words(reading(content, word_prefix="en:", on_error="repair")) == [["a"]]
    assert reading.report.repaired == {"empty word": 1}


def test_an_empty_cell_is_an_empty_word(reading):
    assert reading.fails("a\tO\n\tO\n", DataError, separator="\t").startswith("file:2: no word in")
    assert reading.fails("a\tO\nb\t\n", TagError, separator="\t").startswith("file:2: the tag ''")


def test_the_expected_number_of_columns_is_the_usual_one_of_the_first_sentence(reading):
    message = reading.fails("only\na NN O\nb NN O\n", DataError)
    assert message.startswith("file:1: 1 column in 'only'; expected 3 as in line 2")


def test_a_skipped_sentence_takes_no_other_of_its_document_along(reading):
    content = "-DOCSTART- O\n\na O\n\nb NN\n\nc O\n"
    documents = reading(content, on_error="skip")
    assert words(documents) == [["a", "c"]]
    assert documents[0].sentences == ((0, 1), (1, 2))


def test_several_faults_of_a_sentence_are_skipped_once_but_repaired_each(reading):
    content = "x O\n\na X\nb Y\n"
    reading(content, on_error="skip")
    assert reading.report.skipped == {"unknown tag": 1}
    reading(content, on_error="repair")
    assert reading.report.repaired == {"unknown tag": 2}


def test_utf16_is_recognised(reading):
    message = reading.fails("a O\n".encode("utf-16"), DataError)
    assert message.startswith("file:1: not UTF-8 (byte 0xFF at column 1)")
    assert "iconv -f utf16" in message


class TestFiles:
    """Files that give nothing at all."""

    def test_no_such_file(self, tmp_path):
        with pytest.raises(DataError, match=r"x\.conll: no such file; check the path"):
            next(read(tmp_path / "x.conll"))

    def test_a_folder(self, tmp_path):
        with pytest.raises(DataError, match="is a folder; expected a file"):
            next(read(tmp_path))

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_no_permission(self, tmp_path):
        path = tmp_path / "x"
        path.write_text("a O\n")
        path.chmod(0)
        with pytest.raises(DataError, match="cannot be read"):
            next(read(path))

    def test_a_file_that_fails_while_it_is_read(self):
        class Broken(io.BytesIO):
            def readinto(self, buffer):
                if self.tell() >= 4:
                    raise OSError(5, "Input/output error")
                return super().readinto(memoryview(buffer)[:4])

            def seekable(self):
                return False

        with pytest.raises(DataError, match=r"b: cannot be read \(Input/output error\)"):
            list(read_stream(Broken(b"a O\n\nb O\n"), name="b"))

    @pytest.mark.parametrize("content", ["", "\n \n", "# c\n", "\ufeff", "-DOCSTART- O\n"])
    def test_an_empty_file(self, reading, content):
        message = reading.fails(content, DataError)
        assert message.startswith("file: holds no document (read as columns); expected at least")

    def test_a_file_of_which_everything_was_skipped(self, reading):
        message = reading.fails("a NN\n\nb NN\n\nc VB\n", DataError, on_error="skip")
        assert message.startswith(
            "file: no document is left: 3 faulty sentences or rows were skipped, most often for "
            "'unknown tag' (3, first at file:1)"
        )


class TestFormats:
    """What auto takes a file for."""

    @pytest.mark.parametrize(
        ("name", "head", "expected"),
        [
            ("esp.train", "a O\n", "columns"),
            ("x.conll", '{ "a" }', "columns"),
            ("x", '\n {"text": ""}', "jsonl"),
            ("x.json", '{"text": ""}', "jsonl"),
            ("x.jsonl", "text", "jsonl"),
            ("x.json", "", "json"),
            ("x.train", '[\n  {"tokens"', "json"),
            ("x.jsonl", "[]", "json"),
            ("x.train", "[ -LRB- O\n", "columns"),
            ("x.train", "{ -LCB- O\n", "columns"),
            ("x.txt", "a O\nb B-X\n\n# comment of words\n-DOCSTART-\nc O\nd", "columns"),
            ("x.TXT", '{"text": ""}', "jsonl"),
        ],
    )
    def test_guess(self, name, head, expected):
        assert guess_format(name, head.encode()) == expected

    @pytest.mark.parametrize("head", ["A sentence of words.\nAnd another\n", "word\nword\n"])
    def test_a_txt_file_that_is_no_column_file(self, reading, head):
        message = reading.fails(head, DataError, name="x.txt")
        assert message.startswith("x.txt: cannot tell the format")
        assert "--set data.format=columns" in message
        assert guess_format("x.txt", b"a;O\nb c;O\n", ";") == "columns"

    def test_a_format_asked_for_is_not_guessed(self, reading):
        assert len(reading("[ O\n", name="x.json", format="columns")) == 1

    def test_the_table_names_the_formats_of_the_settings(self):
        assert set(FORMATS) == {"columns", "jsonl", "json", "parquet"}
        for name in FORMATS:
            assert ReadSettings(format=name).format == name


def test_a_column_file_names_no_language(reading):
    message = reading.fails("a O\n", DataError, languages=["it"])
    assert message.startswith("file: languages is set, but this is read as a column file")


def test_reports_of_several_files_add_up(reading):
    reading("a O\n\nb X\n", on_error="skip")
    report = reading.report
    list(read(reading.path, ReadSettings(on_error="repair"), report))
    assert (report.documents, report.words) == (3, 3)
    assert report.skipped == {"unknown tag": 1}
    assert report.repaired == {"unknown tag": 1}
    assert report.lines()[0] == "read 3 documents, 3 sentences, 3 words"
    list(read(reading.path, ReadSettings(on_error="skip"), report))
    assert report.skipped == {"unknown tag": 2}
    assert report.lines()[1].startswith("skipped 2 times: unknown tag (first at ")


def test_reading_is_lazy(tmp_path):
    path = tmp_path / "x"
    path.write_text("a O\n\nb X\n")
    documents = read(path)
    assert next(documents).words == ["a"]
    with pytest.raises(TagError):
        next(documents)


LINES = st.lists(st.sampled_from([
    "a O", "b B-X", "c NN O", "# x", "#", "# text = y", "-DOCSTART- O", "", " ", "\t", "x",
    "# newdoc", "\xa0 O", "d\xa0 I-X", "\u2028", "a O\r", "e\rf O", "# O",
]), max_size=12)


@settings(max_examples=150, deadline=None)
@given(lines=LINES, separator=st.sampled_from([None, " ", "\t"]), cut=st.booleans())
def test_no_data_line_is_ever_lost_unseen(lines, separator, cut):
    """Each line that is not blank is a word, a mark, a comment or a counted fault."""
    content = "\n".join(lines).encode() + b"\n" * cut
    report = ReadReport()
    given = ReadSettings(format="columns", separator=separator, on_error="repair")
    try:
        n_words = sum(d.n_words for d in read_stream(io.BytesIO(content), given, report))
    except DataError:
        return
    filled = [line for line in lines if not line.encode().isspace() and line]
    marks = sum(line.startswith(("-DOCSTART-", "# newdoc")) for line in lines)
    dropped = len(filled) - marks - report.comments - n_words
    assert dropped >= 0
    assert dropped == 0 or report.repaired or report.skipped


@settings(max_examples=150, deadline=None)
@given(content=st.binary(max_size=60), on_error=st.sampled_from(["stop", "skip", "repair"]),
       format=st.sampled_from(["auto", *FORMATS]))
def test_any_bytes_give_documents_or_a_data_error(content, on_error, format):
    given = ReadSettings(format=format, on_error=on_error)
    with suppress(DataError):
        assert list(read_stream(io.BytesIO(content), given))


def test_a_path_may_be_a_string(tmp_path):
    path = tmp_path / "x"
    path.write_text("a O\n")
    assert list(read(str(path))) == list(read(Path(path)))


@pytest.mark.parametrize("mark", ["", "-DOCSTART- O\n\n"])
def test_a_byte_order_mark_where_files_were_joined(reading, mark):
    content = f"{mark}a O\n\n\ufeff{mark}b O\n"
    line = 3 if not mark else 5
    assert reading.fails(content, DataError).startswith(f"file:{line}: a byte order mark inside")
    assert words(reading(content, on_error="repair")) == [["a"], ["b"]]
    assert reading.report.repaired == {"byte order mark inside a file": 1}
    assert words(reading("a O\n\ufeffb O\n", on_error="repair")) == [["a"], ["b"]]


def test_what_is_no_path_and_no_binary_stream():
    for path in (None, "a\0b"):
        with pytest.raises(DataError, match="is no path"):
            next(read(path))
    for stream in (io.StringIO("a O"), None):
        with pytest.raises(DataError, match="expected a binary stream"):
            next(read_stream(stream))
