"""Documents: offsets, words and sentences that fit each other, and every refusal."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from itertools import pairwise
from operator import attrgetter
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nertune.documents import Document, Entity
from nertune.errors import DocumentError, TagError
from nertune.schemes import SCHEMES, Span
from nertune.splitting import split

WORDS = ["Ann", "Lee", "left", "New", "York", ".", "Bob", "stayed"]
TAGS = ["B-PER", "I-PER", "O", "B-LOC", "I-LOC", "O", "B-PER", "O"]
SENTENCES = [(0, 6), (6, 8)]
TEXT = "Ann Lee left New York .\nBob stayed"
SPANS = [(0, 2, "PER"), (3, 5, "LOC"), (6, 7, "PER")]
ENTITY_RANGES = [(0, 7, "PER"), (13, 21, "LOC"), (24, 27, "PER")]
ENTITIES = (
    Entity(0, 7, "PER", "Ann Lee"),
    Entity(13, 21, "LOC", "New York"),
    Entity(24, 27, "PER", "Bob"),
)


@pytest.fixture
def document() -> Document:
    return Document.from_words(WORDS, TAGS, SENTENCES, id="a1")


def test_words_and_tags_make_a_text_with_entities(document: Document) -> None:
    assert document.text == TEXT
    assert document.words == WORDS
    assert document.n_words == 8
    assert document.sentences == tuple(SENTENCES)
    assert document.entities == ENTITIES
    assert document.tags == tuple(TAGS)
    assert list(document.sentence_tags()) == [tuple(TAGS[:6]), tuple(TAGS[6:])]
    assert document.id == "a1"
    assert document.split
    assert document.cut_entities == []


def test_words_and_word_ranges_make_the_same_document_without_tags(document: Document) -> None:
    other = Document.from_words(WORDS, None, SENTENCES, reversed(SPANS), id="a1")
    assert other == dataclasses.replace(document, tags=None)
    assert list(other.sentence_tags()) == []


def test_text_and_character_ranges_make_the_same_entities() -> None:
    raw = Document.from_text(TEXT, [(24, 27, "PER"), (0, 7, "PER"), (13, 21, "LOC")])
    assert raw.entities == ENTITIES
    assert not raw.split
    assert (raw.word_spans, raw.sentences, raw.tags) == ((), (), None)
    assert split(raw).label_spans == SPANS


def test_without_sentences_all_words_are_one_sentence() -> None:
    assert Document.from_words(["a", "b"]).sentences == ((0, 2),)
    assert Document.from_words([]) == Document("")
    assert Document.from_words(["a"], sentences=[[0, 1]]).sentences == ((0, 1),)  # type: ignore[list-item]


def test_an_entity_of_tags_never_crosses_the_end_of_a_sentence() -> None:
    document = Document.from_words(["a", "b"], ["B-X", "I-X"], [(0, 1), (1, 2)])
    assert document.label_spans == [(0, 1, "X"), (1, 2, "X")]
    document = Document.from_words(["a", "b"], None, [(0, 1), (1, 2)], [(0, 2, "X")])
    assert document.entities[0].text == "a\nb"
    assert document.tags_in(SCHEMES["IOB2"]) == ["B-X", "B-X"]


def test_a_word_may_hold_white_space() -> None:
    document = Document.from_words(["1 000", "francs"], ["B-X", "O"])
    assert document.entities == (Entity(0, 5, "X", "1 000"),)


@pytest.mark.parametrize("name", SCHEMES)
def test_tags_in_every_scheme_spell_the_same_entities(document: Document, name: str) -> None:
    tags = document.tags_in(SCHEMES[name])
    assert document.with_tags(tags).entities == document.entities
    assert {tag[0] for tag in tags} <= {"O", *SCHEMES[name].letters}


def test_tags_in_writes_the_scheme(document: Document) -> None:
    assert " ".join(document.tags_in(SCHEMES["IOBES"])) == "B-PER E-PER O B-LOC E-LOC O S-PER O"


def test_entities_that_begin_or_end_inside_a_word_are_counted_and_widened() -> None:
    raw = Document.from_text("Anglo-Dutch firm", [(0, 5, "MISC"), (6, 11, "MISC"), (12, 16, "X")])
    document = split(raw)
    assert document.words == ["Anglo-Dutch", "firm"]
    assert [entity.text for entity in document.cut_entities] == ["Anglo", "Dutch"]
    assert document.label_spans == [(0, 1, "MISC"), (0, 1, "MISC"), (1, 2, "X")]
    assert document.tags_in(SCHEMES["IOB2"]) == ["B-MISC", "B-X"]


def test_an_entity_that_shares_its_first_word_begins_with_the_next() -> None:
    raw = Document.from_text("Anglo-Dutch firm", [(0, 5, "MISC"), (6, 16, "ORG")])
    assert split(raw).tags_in(SCHEMES["IOB2"]) == ["B-MISC", "B-ORG"]


def test_with_tags_replaces_entities_and_adds_scores(document: Document) -> None:
    other = document.with_tags(["O"] * 6 + ["B-LOC", "I-LOC"], [0.5])
    assert other.entities == (Entity(24, 34, "LOC", "Bob stayed", 0.5),)
    assert other.tags == ("O",) * 6 + ("B-LOC", "I-LOC")
    assert (other.text, other.words, other.id) == (document.text, document.words, "a1")
    assert document.with_tags(["O"] * 8).entities == ()


def spelled(document: Document) -> list[tuple[str, str]]:
    return [(entity.text, entity.label) for entity in document.entities]


def test_only_some_entities_stay_and_the_words_of_others_get_o(document: Document) -> None:
    scored = document.with_tags(TAGS, [0.9, 0.5, 0.4])
    assert spelled(scored.only(0.5)) == [("Ann Lee", "PER"), ("New York", "LOC")]
    assert scored.only(0.5).tags == (*TAGS[:6], "O", "O")
    assert spelled(scored.only(labels=["LOC"])) == [("New York", "LOC")]
    assert scored.only(labels={"LOC"}).tags == ("O", "O", "O", "B-LOC", "I-LOC", "O", "O", "O")
    assert spelled(scored.only(0.5, ("PER",))) == [("Ann Lee", "PER")]
    assert scored.only(labels=[]) == document.with_tags(["O"] * 8)


def test_only_leaves_out_nothing_that_was_not_asked_for(document: Document) -> None:
    assert document.only() is document
    assert document.only(1.0) is document, "gold has no score"
    assert document.only(labels=["PER", "LOC", "ORG"]) is document
    assert spelled(Document.from_text(TEXT, ENTITY_RANGES).only(labels=["LOC"])) == [
        ("New York", "LOC")
    ]


def test_only_keeps_the_tag_of_a_word_that_an_entity_left_out_shares() -> None:
    entities = (Entity(0, 5, "MISC", "Anglo"), Entity(6, 16, "ORG", "Dutch firm"))
    document = Document("Anglo-Dutch firm", ((0, 11), (12, 16)), ((0, 2),), entities)
    document = dataclasses.replace(document, tags=("B-ORG", "I-ORG"))
    assert document.only(labels=["ORG"]).tags == ("B-ORG", "I-ORG")
    assert document.only(labels=["MISC"]).tags == ("B-ORG", "O")


def test_only_refuses_a_single_string_of_labels(document: Document) -> None:
    with pytest.raises(DocumentError, match=r"labels is the string 'PER'.*labels=\['PER'\]"):
        document.only(labels="PER")


@given(st.data())
@settings(deadline=None, max_examples=100)
def test_tags_and_entities_agree_after_only(data: st.DataObject) -> None:
    words, tags, sentences = data.draw(articles())
    scores = st.lists(st.floats(0, 1), min_size=len(words), max_size=len(words))
    document = Document.from_words(words, tags, sentences)
    document = document.with_tags(tags, data.draw(scores)[: len(document.entities)])
    labels = data.draw(st.none() | st.sets(st.sampled_from("AB")))
    threshold = data.draw(st.floats(0, 1))
    found = document.only(threshold, labels)
    assert found.entities == tuple(
        entity
        for entity in document.entities
        if (entity.score or 0) >= threshold and (labels is None or entity.label in labels)
    )
    assert found.tags is not None
    again = Document.from_words(words, found.tags, sentences)
    assert spelled(again) == spelled(found)


def test_documents_are_frozen(document: Document) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        document.text = ""  # type: ignore[misc]
    assert hash(document) == hash(dataclasses.replace(document))


@st.composite
def articles(draw: st.DrawFn) -> tuple[list[str], list[str], list[tuple[int, int]]]:
    """Words of any characters, any tags for them, and sentences that cover them."""
    visible = st.text(min_size=1, max_size=4).filter(lambda word: word == word.strip())
    words = draw(st.lists(visible, max_size=12))
    tag = st.sampled_from(["O", "B-A", "I-A", "I-B", "E-A", "S-B", "L-A", "U-A", "M-B"])
    tags = draw(st.lists(tag, min_size=len(words), max_size=len(words)))
    ends = sorted(draw(st.sets(st.integers(1, len(words))))) if words else []
    edges = [0, *[end for end in ends if end < len(words)], *([len(words)] if words else [])]
    return words, tags, list(pairwise(edges))


@given(articles())
@settings(deadline=None, max_examples=200)
def test_offsets_name_what_stands_in_the_text(
    article: tuple[list[str], list[str], list[tuple[int, int]]],
) -> None:
    words, tags, sentences = article
    document = Document.from_words(words, tags, sentences)
    assert document.words == words
    lines = [" ".join(words[start:end]) for start, end in sentences]
    assert document.text == "\n".join(lines)
    for entity, (start, end, label) in zip(document.entities, document.label_spans, strict=True):
        assert document.text[entity.start : entity.end] == entity.text
        assert entity.label == label
        assert entity.start == document.word_spans[start][0]
        assert entity.end == document.word_spans[end - 1][1]
    assert document.cut_entities == []
    iob2 = document.tags_in(SCHEMES["IOB2"])
    assert document.with_tags(iob2).entities == document.entities


READERS: dict[str, Callable[[Document], object]] = {
    name: cast("Callable[[Document], object]", attrgetter(name))
    for name in ("text", "word_spans", "entities", "words", "n_words", "label_spans", "tags")
} | {"hash": hash, "repr": repr}


@given(articles(), st.sampled_from(sorted(READERS)), st.booleans())
@settings(deadline=None, max_examples=200)
def test_it_cannot_be_seen_that_the_text_is_worked_out_later(
    article: tuple[list[str], list[str], list[tuple[int, int]]], first: str, tagged: bool
) -> None:
    words, tags, sentences = article
    given = tags if tagged else None
    made = Document.from_words(words, given, sentences, id="a")
    whole = Document(*(getattr(made, f.name) for f in dataclasses.fields(made)))

    def late() -> Document:
        return Document.from_checked(tuple(words), given, tuple(sentences), "a")

    assert READERS[first](late()) == READERS[first](whole)
    assert late() == whole == late()
    assert (hash(late()), repr(late())) == (hash(whole), repr(whole))
    assert dataclasses.asdict(late()) == dataclasses.asdict(whole)
    for copied in (pickle.loads(pickle.dumps(late())), copy.copy(late()), copy.deepcopy(late())):
        assert copied == whole
        assert (copied.words, copied.n_words) == (words, len(words))
    renamed = dataclasses.replace(late(), id="b")
    assert renamed == dataclasses.replace(whole, id="b")
    assert renamed.words == words


def test_a_document_is_frozen_before_its_text_is_worked_out() -> None:
    words = ["a", "b"]
    document = Document.from_words(words, ["B-X", "O"])
    words[0] = "c"
    document.words[0] = "c"
    assert (document.words, document.text) == (["a", "b"], "a b")
    for name in ("text", "entities", "tags"):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(document, name, "")
    for name in ("texts", "_spans", "__len__"):
        with pytest.raises(AttributeError, match=f"has no attribute '{name}'"):
            getattr(document, name)


@given(st.text(), st.data())
@settings(deadline=None, max_examples=200)
def test_splitting_raw_text_keeps_its_entities(text: str, data: st.DataObject) -> None:
    position = st.integers(0, len(text))
    start, end = sorted((data.draw(position), data.draw(position)))
    part = text[start:end]
    if not part or part != part.strip():
        with pytest.raises(DocumentError):
            Document.from_text(text, [(start, end, "X")])
        return
    document = split(Document.from_text(text, [(start, end, "X")]))
    assert document.entities == (Entity(start, end, "X", part),)
    [(first, last, _)] = document.label_spans
    assert first < last
    assert document.word_spans[first][0] <= start
    assert document.word_spans[last - 1][1] >= end


def from_words(*arguments: Any, **named: Any) -> Callable[[], Document]:
    return lambda: Document.from_words(*arguments, **named)


def from_text(text: str, *spans: Span) -> Callable[[], Document]:
    return lambda: Document.from_text(text, spans)


TWO = Document.from_words(["a", "b"])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (from_words("a b"), "words is a string; expected a list"),
        (from_words(["a", ""]), "word 1 is ''"),
        (from_words([" a"]), "word 0 is ' a'"),
        (from_words(["a\u00a0"]), "word 0 is"),
        (from_words(["a", "\ud83d"]), "lone surrogate"),
        (from_words(["a", "b"], ["O"]), "1 tags for 2 words"),
        (from_words(["a"], ["O"], None, []), "tags or entities, not both"),
        (from_words(["a", "b"], sentences=[(0, 1)]), "do not cover the 2 words"),
        (from_words(["a", "b"], sentences=[(0, 1), (0, 2)]), "do not cover"),
        (from_words(["a", "b"], sentences=[(0, 0), (0, 2)]), "do not cover"),
        (from_words(["a", "b"], sentences=[(0, 3)]), "do not cover"),
        (from_words(["a", "b"], sentences=[]), "do not cover"),
        (from_words([], sentences=[(0, 1)]), "do not cover the 0 words"),
        (from_words(["a"], entities=[(0, 2, "X")]), r"\(0, 2, X\) leaves a document of 1 words"),
        (from_words(["a"], entities=[(-1, 1, "X")]), "leaves a document"),
        (from_words(["a"], entities=[(1, 1, "X")]), "leaves a document"),
        (from_words(["a", "b"], entities=[(1, 2, "X"), (0, 2, "Y")]), "'a b' and 'b' overlap"),
        (from_text("a\ud83d"), "character 1 of .* lone surrogate"),
        (from_text("abc", (1, 4, "X")), "leaves a text of 3 characters"),
        (from_text("abc", (-1, 2, "X")), "leaves a text"),
        (from_text("abc", (2, 2, "X")), "leaves a text"),
        (from_text("a b", (0, 2, "X")), "'a ' at 0 begins or ends with white space"),
        (from_text("a b", (1, 3, "X")), "' b' at 1 begins or ends with white space"),
        (from_text("abc", (1, 3, "X"), (0, 2, "Y")), "'ab' and 'bc' overlap at character 1"),
        (from_text("abc", (0, 1, "")), "label of the entity at 0 is ''; expected a string"),
        (from_text("abc", (0, 1, None)), "label of the entity at 0 is None"),
        (from_text("abc", (0, 1, "X\u200b")), r"is 'X\\u200b'; expected printable"),
        (from_text("abc", (0, 1, "X Y")), "'X Y'; expected printable"),
        (from_text("abc", (0, 1, "\ud83d")), "expected printable"),
        (from_text("abc", (0, 1)), "no .start, end, label."),
        (from_text("abc", ("0", "1", "X")), "no .start, end, label."),
        (from_text("abc", None), "no .start, end, label."),
        (lambda: Document.from_text("abc", None), "no .start, end, label."),
        (from_text(None), "text is of type NoneType; expected a string"),
        (from_text(b"a"), "text is of type bytes"),
        (from_words(["a"], entities=[(0, 1, "")]), "label of the entity at 0 is ''"),
        (from_words(["a"], ["B-\u200b"]), "expected printable"),
        (from_words(["a"] * 3, ["O", "B-X", "I-\u200b"]), "label of the entity at word 2 is"),
        (from_words(None), "words is of type NoneType; expected a list"),
        (from_words(b"a"), "words is of type bytes"),
        (from_words([b"a"]), "word 0 is b'a'; expected a string"),
        (from_words(["a", None]), "word 1 is None; expected a string"),
        (from_words(["a"], [None]), "tag 0 is None; expected a string"),
        (from_words(["a"], 3), "tags is of type int"),
        (from_words(["a"], sentences=[1]), "sentences are no ranges"),
        (lambda: TWO.with_tags(["O", 1]), "tag 1 is 1; expected a string"),
        (lambda: TWO.with_tags(["O"]), "1 tags for 2 words"),
        (lambda: TWO.with_tags(["O", "B-X"], [0.1, 0.2]), "2 scores for 1 entities"),
    ],
)
def test_parts_that_contradict_each_other_are_refused(
    make: Callable[[], Document], message: str
) -> None:
    with pytest.raises(DocumentError, match=message):
        make()


def test_a_tag_of_no_scheme_is_refused() -> None:
    with pytest.raises(TagError, match="'NNP'"):
        Document.from_words(["a"], ["NNP"])


def test_integers_of_numpy_and_any_iterable_are_taken() -> None:
    two = np.arange(2)
    document = Document.from_text("abc", [(two[0], two[1], "X")])
    assert document == Document.from_text("abc", [(0, 1, "X")])
    assert type(document.entities[0].start) is int
    assert Document.from_words((w for w in "ab"), (t for t in "OO")) == Document.from_words(
        ["a", "b"], ["O", "O"]
    )
