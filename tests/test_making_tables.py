"""Tables of documents, and of texts by a tagger: levels, columns, missing values, faults."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nertune import Document, Tagger, schemes
from nertune.bundle import TaggerSettings
from nertune.config import WindowSettings
from nertune.encoding import normalise_tokenizer
from nertune.errors import DependencyError, DocumentError
from nertune.splitting import split
from nertune.tables import LEVELS, to_dicts, to_frame
from nertune.testing import FakeRuntime, odd_texts, tiny_tokenizer, varied_logits

GOLD = Document.from_words(
    ["Ada", "left", "New", "York", ".", "Bob", "stayed"],
    ["B-PER", "O", "B-LOC", "I-LOC", "O", "B-PER", "O"],
    [(0, 5), (5, 7)],
    id="a1",
)
PREDICTED = GOLD.with_tags(GOLD.tags or (), [0.9, 0.5, 0.25])
TAGS = tuple(schemes.tag_set(["LOC", "PER"], schemes.SCHEMES["IOB2"]))
TEXTS = ["Ada met Charles in Lisbon . He left", "", "the fox", " \n ", *odd_texts(seed=3, n=8)]


def finds_many() -> Tagger:
    """A tagger that finds entities everywhere."""
    chosen = TaggerSettings(tags=TAGS, scheme="IOB2", window=WindowSettings())
    runtime = FakeRuntime(len(TAGS), varied_logits(len(TAGS)))
    return Tagger(runtime, chosen, normalise_tokenizer(tiny_tokenizer()))


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    return finds_many()


# --- documents ---


def test_a_row_an_entity() -> None:
    frame = to_frame([Document.from_text(""), PREDICTED])
    assert list(frame) == ["document", "id", "start", "end", "label", "text", "score"]
    assert frame.to_numpy().tolist() == [
        [1, "a1", 0, 3, "PER", "Ada", 0.9],
        [1, "a1", 9, 17, "LOC", "New York", 0.5],
        [1, "a1", 20, 23, "PER", "Bob", 0.25],
    ]
    assert to_frame([GOLD])["score"].isna().all()


def test_a_row_a_word() -> None:
    frame = to_frame([PREDICTED], "word")
    assert list(frame)[:5] == ["document", "id", "sentence", "word", "start"]
    assert list(frame)[5:] == ["end", "text", "tag", "score"]
    assert frame["text"].tolist() == PREDICTED.words
    assert frame["tag"].tolist() == list(PREDICTED.tags or ())
    assert frame["score"].fillna(-1).tolist() == [0.9, -1, 0.5, 0.5, -1, 0.25, -1]
    assert to_frame([GOLD], "word")["score"].isna().all()
    assert frame["sentence"].tolist() == [0] * 5 + [1] * 2
    assert frame["word"].tolist() == list(range(7))
    for start, end, text in zip(frame["start"], frame["end"], frame["text"], strict=True):
        assert PREDICTED.text[start:end] == text


def test_words_of_text_that_was_never_tagged_get_tags_of_its_entities() -> None:
    document = split(Document.from_text("Ada left", [(0, 3, "PER")]))
    assert to_frame([document], "word")["tag"].tolist() == ["B-PER", "O"]


def test_a_row_a_sentence() -> None:
    frame = to_frame([PREDICTED, PREDICTED], "sentence")
    assert (
        frame.drop(columns=["document", "id"]).to_numpy().tolist()
        == [
            [0, 0, 19, "Ada left New York .", 5, 2],
            [1, 20, 30, "Bob stayed", 2, 1],
        ]
        * 2
    )
    assert list(frame)[2:] == ["sentence", "start", "end", "text", "n_words", "n_entities"]


def test_a_row_a_document() -> None:
    frame = to_frame(iter([PREDICTED, Document.from_text("")]), "document")
    assert list(frame)[2:] == ["text", "n_sentences", "n_words", "n_entities", "entities"]
    assert frame.iloc[0].tolist() == [0, "a1", GOLD.text, 2, 7, 3, to_dicts(PREDICTED)]
    assert frame.iloc[1].tolist() == [1, None, "", 0, 0, 0, []]


@pytest.mark.parametrize("level", ["entity", "word", "sentence", "document"])
def test_columns_have_their_types_with_and_without_rows(level: Any) -> None:
    empty, full = to_frame([], level), to_frame([PREDICTED], level)
    assert empty.dtypes.to_dict() == full.dtypes.to_dict()
    assert len(empty) == 0
    assert full["document"].dtype == "int64"


@pytest.mark.parametrize("level", ["word", "sentence"])
def test_raw_text_has_no_rows_of_words(level: Any) -> None:
    with pytest.raises(DocumentError, match=r"'Ada left' is raw text without words.*split"):
        to_frame([Document.from_text("Ada left")], level)
    assert to_frame([Document.from_text("  ")], level).empty


def test_another_level_is_refused() -> None:
    with pytest.raises(DocumentError, match="level is 'token'; expected one of 'entity', 'word'"):
        to_frame([], "token")  # type: ignore[arg-type]


def test_a_table_without_pandas_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(DependencyError, match=r"'pandas'.*pip install 'nertune\[frames\]'"):
        to_frame([GOLD])


# --- texts ---


def rows(frame: Any) -> list[Any]:
    """Rows with None for NaN, so that they compare."""
    return frame.astype(object).where(frame.notna(), None).to_numpy().tolist()


@pytest.mark.parametrize("level", LEVELS)
def test_a_table_of_texts_is_that_of_their_documents(tagger: Tagger, level: Any) -> None:
    found = tagger.table(TEXTS, level)
    expected = to_frame(tagger.tag_texts(TEXTS), level).drop(columns="id")
    assert len(expected) > 10
    assert list(found.index) == list(expected["document"])
    pd.testing.assert_frame_equal(
        found.reset_index(drop=True), expected.drop(columns="document"), check_exact=True
    )


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "given",
    [list, tuple, iter, np.array, pd.Series, lambda texts: pd.Series(texts, dtype="string")],
)
def test_every_kind_of_several_texts_gives_the_same(tagger: Tagger, level: Any, given: Any) -> None:
    assert rows(tagger.table(given(TEXTS), level)) == rows(tagger.table(TEXTS, level))
    one = tagger.table(TEXTS[0], level)
    assert rows(one) == rows(tagger.table([TEXTS[0]], level)) != []


def test_offsets_are_those_of_the_text(tagger: Tagger) -> None:
    for level in ("entity", "word", "sentence"):
        for i, row in tagger.table(TEXTS, level).iterrows():
            assert TEXTS[i][row["start"] : row["end"]] == row["text"]


def test_the_index_tells_the_row_and_other_columns_come_along(tagger: Tagger) -> None:
    frame = pd.DataFrame(
        {"id": [7, 8, 9], "text": ["Ada met Charles", None, "the fox"], "when": pd.NaT},
        index=["x", "y", "x"],
    )
    found = tagger.table(frame, "word")
    assert list(found)[:2] == ["id", "when"]
    assert list(found)[2:] == list(LEVELS["word"].columns)
    assert list(zip(found.index, found["id"], found["text"], strict=True)) == [
        ("x", 7, "Ada"), ("x", 7, "met"), ("x", 7, "Charles"), ("x", 9, "the"), ("x", 9, "fox"),
    ]  # fmt: skip
    assert found.dtypes[["id", "when"]].equals(frame.dtypes[["id", "when"]])
    other = tagger.table(frame.rename(columns={"text": "body"}), "word", column="body")
    pd.testing.assert_frame_equal(found, other)
    series = tagger.table(frame["text"], "word")
    assert list(series.index) == list(found.index)
    assert list(series) == list(LEVELS["word"].columns)


@pytest.mark.parametrize("missing", [None, float("nan"), np.float32("nan"), pd.NA, pd.NaT])
def test_missing_texts_have_no_rows_and_an_empty_document(tagger: Tagger, missing: Any) -> None:
    texts = ["Ada met Charles", missing, "the fox"]
    for level in ("entity", "word", "sentence"):
        assert set(tagger.table(texts, level).index) <= {0, 2}
        assert tagger.table([missing], level).empty
    found = tagger.table(texts, "document")
    assert found.iloc[1].tolist() == [None, 0, 0, 0, []]
    assert found["n_words"].tolist() == [3, 0, 2]


@given(
    texts=st.lists(st.sampled_from([*TEXTS, None]), max_size=8), level=st.sampled_from(list(LEVELS))
)
@settings(deadline=None, max_examples=30)
def test_every_row_is_that_of_its_text_alone(texts: list[str | None], level: Any) -> None:
    tagger = finds_many()
    found = tagger.table(texts, level)
    for i, text in enumerate(texts):
        alone = rows(tagger.table([text], level))
        assert len(alone) == (found.index == i).sum()
        for row, other in zip(rows(found[found.index == i]), alone, strict=True):
            assert [one for one in row if not isinstance(one, float | list)] == [
                one for one in other if not isinstance(one, float | list)
            ]


def test_threshold_and_labels_are_those_of_the_tagger(tagger: Tagger) -> None:
    everything = tagger.table(TEXTS)
    some = tagger.table(TEXTS, threshold=0.5, labels=["PER"])
    kept = everything[(everything["score"] >= 0.5) & (everything["label"] == "PER")]
    assert 0 < len(some) < len(everything)
    pd.testing.assert_frame_equal(some, kept)
    words = tagger.table(TEXTS, "word", labels=["PER"])
    assert set(words["tag"]) == {"O", "B-PER", "I-PER"}
    assert (words["score"].isna() == (words["tag"] == "O")).all()


@pytest.mark.parametrize("level", LEVELS)
def test_types_do_not_depend_on_what_is_found(tagger: Tagger, level: Any) -> None:
    full = tagger.table(TEXTS, level)
    for nothing in ([], [None], pd.Series([], dtype=object), pd.DataFrame({"text": []})):
        assert tagger.table(nothing, level).dtypes.to_dict() == full.dtypes.to_dict()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (5, "got int; expected a string, several strings"),
        (None, "got NoneType"),
        (b"the fox", "got bytes"),
        ({"text": "the fox"}, "got dict"),
        ([["the", "fox"]], r"row 0 of the texts \(index 0, .*is of type list; expected a string"),
        (["a", 3], "row 1 of the texts .*is of type int; expected a string, or None"),
        (pd.Series(["a", b"b"], index=["x", "y"]), "row 1 of the texts .index 'y'.* type bytes"),
        (["fox \ud800"], "row 0 .*cannot be read .*lone surrogate"),
        ([Document.from_text("a")], "row 0 .*is of type Document"),
        (
            pd.DataFrame({"body": ["a"]}),
            "has no column 'text'; expected one, of texts. It has: bod",
        ),
        (pd.DataFrame([["a", "b"]], columns=["text", "text"]), "has several columns 'text'"),
        (
            pd.DataFrame({"text": ["a"], "label": [1], "score": [1]}),
            "has columns that the table has too: 'label', 'score'; .*rename",
        ),
    ],
)
def test_what_is_no_text_is_told_before_anything_is_tagged(
    tagger: Tagger, data: Any, told: str
) -> None:
    documents = tagger.stats.documents
    with pytest.raises(DocumentError, match=told):
        tagger.table(data)
    assert tagger.stats.documents == documents


@pytest.mark.parametrize("data", [["the fox"], [], [None]])
@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"level": "token"}, "level is 'token'; expected one of 'entity', 'word'"),
        ({"threshold": 2}, "threshold"),
        ({"labels": "PER"}, "labels='PER'"),
        ({"labels": ["XYZ"]}, "does not know the label 'XYZ'"),
    ],
)
def test_faulty_arguments_are_told_whatever_the_texts(
    tagger: Tagger, data: Any, given: Any, told: str
) -> None:
    with pytest.raises(DocumentError, match=told):
        tagger.table(data, **given)


def test_a_table_of_texts_without_pandas_names_the_extra(
    tagger: Tagger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(DependencyError, match=r"'pandas'.*pip install 'nertune\[frames\]'"):
        tagger.table(["the fox"])
