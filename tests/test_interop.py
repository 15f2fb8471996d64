"""Converters: other libraries get the same entities, in the shapes that they know."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nertune import Document, Tagger, schemes
from nertune.bundle import TaggerSettings
from nertune.config import WindowSettings
from nertune.encoding import normalise_tokenizer
from nertune.errors import DocumentError
from nertune.interop import (
    tag_column,
    to_dicts,
    to_displacy,
    to_gradio,
    to_pipeline,
)
from nertune.testing import TEXT, FakeRuntime, tiny_bundle, tiny_tokenizer

GOLD = Document.from_words(
    ["Ada", "left", "New", "York", ".", "Bob", "stayed"],
    ["B-PER", "O", "B-LOC", "I-LOC", "O", "B-PER", "O"],
    [(0, 5), (5, 7)],
    id="a1",
)
PREDICTED = GOLD.with_tags(GOLD.tags or (), [0.9, 0.5, 0.25])
KIND = pa.list_(
    pa.struct(
        {
            "start": pa.int64(),
            "end": pa.int64(),
            "label": pa.string(),
            "text": pa.string(),
            "score": pa.float64(),
        }
    )
)


def scripted() -> Tagger:
    """A tagger that is sure of Lisbon (LOC), less so of fox (PER), and finds nothing else."""
    tokenizer = tiny_tokenizer()
    lisbon, fox = (tokenizer.encode(word).ids[1] for word in ("Lisbon", "fox"))
    tags = tuple(schemes.tag_set(["LOC", "PER"], schemes.SCHEMES["IOB2"]))

    def script(ids: Any) -> Any:
        found = np.where(ids == lisbon, tags.index("B-LOC"), 0)
        found = np.where(ids == fox, tags.index("B-PER"), found)
        return np.eye(5, dtype=np.float32)[found] * np.where(ids == fox, 2, 20)[..., None]

    chosen = TaggerSettings(tags=tags, scheme="IOB2", window=WindowSettings())
    return Tagger(FakeRuntime(len(tags), script), chosen, normalise_tokenizer(tokenizer))


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    return scripted()


# --- one document ---


def test_dicts_hold_all_of_an_entity() -> None:
    assert to_dicts(PREDICTED)[1] == {
        "start": 9,
        "end": 17,
        "label": "LOC",
        "text": "New York",
        "score": 0.5,
    }
    assert to_dicts(GOLD)[0]["score"] is None


def test_pipeline_shape_is_that_of_transformers(tmp_path: Any) -> None:
    from transformers import AutoModelForTokenClassification, AutoTokenizer
    from transformers.pipelines import TokenClassificationPipeline

    text = " ".join(TEXT[:2])
    folder = str(tiny_bundle(tmp_path / "model"))
    theirs = TokenClassificationPipeline(
        model=AutoModelForTokenClassification.from_pretrained(folder),
        tokenizer=AutoTokenizer.from_pretrained(folder),
        aggregation_strategy="first",
    )(text)
    [tagged] = Tagger.load(folder, device="cpu").tag([Document.from_text(text)])
    mine = to_pipeline(tagged)
    assert len(mine) > 3
    assert all(list(row) == list(theirs[0]) for row in mine)
    for name, value in theirs[0].items():
        expected = float if isinstance(value, np.floating) else type(value)
        assert type(mine[0][name]) is expected
    both = {(row["start"], row["end"]): row["word"] for row in theirs}
    words = {(row["start"], row["end"]): row["word"] for row in mine}
    assert both.keys() & words.keys(), "a random network, but the same one"
    for place in both.keys() & words.keys():
        assert both[place] == words[place].lower(), "theirs comes from an uncased tokenizer"
    json.dumps(mine)


def test_pipeline_words_are_the_text_itself() -> None:
    assert to_pipeline(PREDICTED)[1] == {
        "entity_group": "LOC",
        "score": 0.5,
        "word": "New York",
        "start": 9,
        "end": 17,
    }


def test_pipeline_refuses_gold_which_has_no_score() -> None:
    with pytest.raises(DocumentError, match=r"'Ada' at 0 has no score.*tag the document first"):
        to_pipeline(GOLD)


def test_displacy_gets_text_and_ranges() -> None:
    assert to_displacy(GOLD.only(labels=["PER"])) == {
        "text": GOLD.text,
        "ents": [
            {"start": 0, "end": 3, "label": "PER"},
            {"start": 20, "end": 23, "label": "PER"},
        ],
        "title": None,
    }


def test_gradio_gets_text_and_ranges() -> None:
    assert to_gradio(GOLD.only(labels=["LOC"])) == {
        "text": GOLD.text,
        "entities": [{"entity": "LOC", "start": 9, "end": 17}],
    }


@pytest.mark.parametrize("convert", [to_dicts, to_pipeline])
def test_no_entities_give_an_empty_list(convert: Any) -> None:
    assert convert(Document.from_text("nothing")) == []


# --- columns ---

TEXTS = ["the fox", "", "Lisbon, Lisbon", "nothing"]
NAMES = [["fox"], [], ["Lisbon", "Lisbon"], []]


def names(rows: Any) -> list[Any]:
    return [row if row is None else [entity["text"] for entity in row] for row in rows]


@pytest.mark.parametrize("dtype", ["object", "string", "category", "string[pyarrow]"])
def test_a_series_gives_a_series_with_its_index_and_name(tagger: Tagger, dtype: str) -> None:
    column = pd.Series(TEXTS, index=[7, 7, 5, 3], name="body", dtype=dtype)
    found = tag_column(tagger, column)
    assert isinstance(found, pd.Series)
    assert list(found.index) == [7, 7, 5, 3]
    assert found.name == "body"
    assert names(found) == NAMES
    [one] = found.iloc[0]
    assert one == to_dicts(next(tagger.tag([Document.from_text("the fox")])))[0]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_an_array_gives_an_array_of_structs(tagger: Tagger, kind: pa.DataType) -> None:
    found = tag_column(tagger, pa.array(TEXTS, kind))
    assert found.type == KIND
    assert names(found.to_pylist()) == NAMES
    assert found[0].as_py() == tag_column(tagger, pd.Series(TEXTS))[0]


def test_a_chunked_array_keeps_its_chunks(tagger: Tagger) -> None:
    column = pa.chunked_array([TEXTS[:1], [], TEXTS[1:]], pa.string())
    found = tag_column(tagger, column)
    assert [len(chunk) for chunk in found.chunks] == [1, 0, 3]
    assert found.type == KIND
    assert names(found.to_pylist()) == NAMES
    table = pa.table({"text": column}).append_column("entities", found)
    assert table.num_rows == 4


@given(
    texts=st.lists(st.none() | st.sampled_from(TEXTS), max_size=8),
    cuts=st.lists(st.integers(0, 8), max_size=3),
)
@settings(deadline=None, max_examples=40)
def test_every_row_keeps_its_place(texts: list[str | None], cuts: list[int]) -> None:
    tagger = scripted()
    expected = [None if text is None else NAMES[TEXTS.index(text)] for text in texts]
    edges = [0, *sorted(min(cut, len(texts)) for cut in cuts), len(texts)]
    chunks = [texts[a:b] for a, b in pairwise(edges)]
    column = pa.chunked_array(chunks, pa.string())
    found = tag_column(tagger, column, on_error="skip")
    assert names(found.to_pylist()) == expected
    assert [len(chunk) for chunk in found.chunks] == [len(chunk) for chunk in chunks]
    assert names(tag_column(tagger, column.combine_chunks(), on_error="skip").to_pylist()) == (
        expected
    )
    series = pd.Series(texts, dtype=object)
    assert names(tag_column(tagger, series, on_error="skip")) == expected


def test_a_slice_of_an_array_is_read_where_it_begins(tagger: Tagger) -> None:
    found = tag_column(tagger, pa.array(TEXTS).slice(2))
    assert names(found.to_pylist()) == NAMES[2:]


def test_an_array_with_a_dictionary_is_read_as_its_strings(tagger: Tagger) -> None:
    found = tag_column(tagger, pa.array(TEXTS).dictionary_encode())
    assert names(found.to_pylist()) == NAMES


def test_threshold_and_labels_are_those_of_the_tagger(tagger: Tagger) -> None:
    column = pd.Series(["the fox near Lisbon"])
    assert names(tag_column(tagger, column, labels=["LOC"])) == [["Lisbon"]]
    assert names(tag_column(tagger, column)) == [["fox", "Lisbon"]]
    assert names(tag_column(tagger, column, threshold=0.9)) == [["Lisbon"]]
    assert names(tag_column(tagger, column, threshold=0.9, labels=["PER"])) == [[]]


def test_an_empty_column_stays_empty(tagger: Tagger) -> None:
    assert len(tag_column(tagger, pd.Series([], dtype=object))) == 0
    assert tag_column(tagger, pa.array([], pa.string())).type == KIND
    assert tag_column(tagger, pa.chunked_array([], pa.string())).type == KIND


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (None, "is missing"),
        (float("nan"), "is missing"),
        (np.float32("nan"), "is missing"),
        (pd.NA, "is missing"),
        (pd.NaT, "is missing"),
        (3, "is of type int"),
        (b"fox", "is of type bytes"),
        (["fox"], "is of type list"),
        (np.zeros(2), "is of type ndarray"),
        ("fox \ud800", "cannot be read .*lone surrogate"),
    ],
)
def test_a_row_that_is_no_text_is_named_or_left_null(
    tagger: Tagger, value: Any, fault: str
) -> None:
    column = pd.Series(["the fox", value, "Lisbon"], index=["a", "b", "c"], dtype=object)
    documents = tagger.stats.documents
    with pytest.raises(
        DocumentError, match=rf"row 1 of the column \(index 'b', .*{fault}.*on_error='skip'"
    ):
        tag_column(tagger, column)
    assert tagger.stats.documents == documents, "a fault is told before any work is done"
    assert names(tag_column(tagger, column, on_error="skip")) == [["fox"], None, ["Lisbon"]]


def test_a_null_in_an_array_is_named_or_left_null(tagger: Tagger) -> None:
    column = pa.chunked_array([["the fox"], [None, "Lisbon"]])
    with pytest.raises(DocumentError, match=r"row 1 of the column .* is missing"):
        tag_column(tagger, column)
    found = tag_column(tagger, column, on_error="skip")
    assert names(found.to_pylist()) == [["fox"], None, ["Lisbon"]]
    assert found.null_count == 1


def test_a_column_of_nothing_but_nulls_can_be_skipped(tagger: Tagger) -> None:
    found = tag_column(tagger, pa.nulls(2), on_error="skip")
    assert (found.type, found.to_pylist()) == (KIND, [None, None])


@pytest.mark.parametrize(
    ("column", "got"),
    [
        (["the fox"], "got list"),
        ("the fox", "got str"),
        (np.array(["the fox"]), "got ndarray"),
        (pd.DataFrame({"a": ["the fox"]}), "got DataFrame"),
        (pa.table({"a": ["the fox"]}), "got Table"),
        (None, "got NoneType"),
    ],
)
def test_what_is_no_column_is_refused(tagger: Tagger, column: Any, got: str) -> None:
    with pytest.raises(DocumentError, match=f"{got}; pick one column"):
        tag_column(tagger, column)


@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_an_array_of_another_type_is_refused(tagger: Tagger, on_error: Any) -> None:
    with pytest.raises(DocumentError, match=r"of type int64; expected string.*cast\('string'\)"):
        tag_column(tagger, pa.array([1, 2]), on_error=on_error)


def test_an_array_that_is_no_utf8_is_refused(tagger: Tagger) -> None:
    buffers = pa.array([b"ok", b"\xff\xfe"], pa.binary()).buffers()
    broken = pa.Array.from_buffers(pa.string(), 2, buffers)
    with pytest.raises(DocumentError, match="damaged"):
        tag_column(tagger, broken, on_error="skip")


def test_another_word_for_on_error_is_refused(tagger: Tagger) -> None:
    with pytest.raises(DocumentError, match="on_error is 'ignore'; expected 'stop' or 'skip'"):
        tag_column(tagger, pd.Series(TEXTS), on_error="ignore")  # type: ignore[arg-type]
