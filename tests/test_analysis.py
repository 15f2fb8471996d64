"""Kinds of errors, confusion and parts: each entity is counted once, wherever it falls."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertune.analysis import (
    KINDS,
    NONE,
    Judged,
    TrainingText,
    confusion,
    entity_errors,
    slices,
)
from nertune.documents import Document
from nertune.scoring import score

TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG"]


def judged(*sentences: tuple[str, str], words: list[list[str]] | None = None, **options) -> Judged:
    """Sentences as (gold, predicted) tags; the words are made up unless given."""
    gold = [tag for side, _ in sentences for tag in side.split()]
    found = [tag for _, side in sentences for tag in side.split()]
    starts = np.zeros(len(gold), dtype=bool)
    starts[np.cumsum([0, *(len(side.split()) for side, _ in sentences)])[:-1]] = True
    text = [word for sentence in words for word in sentence] if words else list("w" * len(gold))
    options.setdefault("document_starts", starts)
    return Judged(
        text,
        TAGS,
        np.array([TAGS.index(tag) for tag in gold]),
        np.array([TAGS.index(tag) for tag in found]),
        starts,
        **options,
    )


@pytest.mark.parametrize(
    ("gold", "predicted", "kinds"),
    [
        ("B-PER I-PER O", "B-PER I-PER O", []),
        ("B-PER I-PER O", "B-PER O O", ["boundary"]),
        ("B-PER I-PER O", "B-LOC I-LOC O", ["type"]),
        ("B-PER I-PER O", "O B-LOC I-LOC", ["both"]),
        ("B-PER I-PER O", "O O O", ["missed"]),
        ("O O O", "O B-LOC O", ["spurious"]),
        ("O O B-LOC", "B-LOC O O", ["spurious", "missed"]),
        # One long prediction over two gold entities: the one of its label is a wrong boundary.
        ("B-PER B-LOC I-LOC", "B-LOC I-LOC I-LOC", ["boundary", "missed"]),
        # What is right is never paired with anything else.
        ("B-PER O B-PER", "B-PER O B-LOC", ["type"]),
    ],
)
def test_an_error_has_the_kind_of_what_is_wrong_with_it(gold, predicted, kinds):
    assert [error.kind for error in entity_errors(judged((gold, predicted)))] == kinds


def test_an_error_says_where_it_is_and_what_was_read():
    found = judged(
        ("O B-PER", "O B-PER"), ("B-ORG I-ORG O", "B-LOC I-LOC O"), scores=np.array([0.9, 0.4])
    )
    [error] = entity_errors(found)
    assert error.sentence == 1
    assert error.gold == (0, 2, "ORG")
    assert error.predicted == (0, 2, "LOC")
    assert error.score == 0.4


def test_entities_that_touch_across_a_sentence_end_are_not_paired():
    errors = entity_errors(judged(("O B-PER", "O O"), ("O O", "B-PER O")))
    assert [error.kind for error in errors] == ["missed", "spurious"]


tag_rows = st.lists(
    st.lists(st.tuples(st.sampled_from(TAGS), st.sampled_from(TAGS)), min_size=1, max_size=9),
    min_size=1,
    max_size=5,
)


def of_rows(rows) -> tuple[Judged, list[list[str]], list[list[str]]]:
    gold = [[tag for tag, _ in row] for row in rows]
    found = [[tag for _, tag in row] for row in rows]
    sentences = [(" ".join(a), " ".join(b)) for a, b in zip(gold, found, strict=True)]
    return judged(*sentences), gold, found


@given(tag_rows)
def test_every_entity_is_right_or_in_exactly_one_error(rows):
    split, gold, found = of_rows(rows)
    micro = score(gold, found).micro
    kinds = Counter(error.kind for error in entity_errors(split))
    paired = kinds["boundary"] + kinds["type"] + kinds["both"]
    assert micro.gold == micro.correct + paired + kinds["missed"]
    assert micro.predicted == micro.correct + paired + kinds["spurious"]
    assert set(kinds) <= set(KINDS)


@given(tag_rows)
def test_a_confusion_adds_up_to_the_entities_of_each_label(rows):
    split, gold, found = of_rows(rows)
    scores = score(gold, found)
    table = confusion(split, entity_errors(split))
    counts = np.array(table.counts)
    assert table.labels[-1] == NONE
    for i, label in enumerate(table.labels[:-1]):
        assert counts[i].sum() == scores.labels[label].gold
        assert counts[:, i].sum() == scores.labels[label].predicted
        assert counts[i, i] >= scores.labels[label].correct
    assert counts[-1, -1] == 0


@given(tag_rows)
def test_the_parts_of_every_slice_add_up_to_the_whole(rows):
    split, gold, found = of_rows(rows)
    micro = score(gold, found).micro
    for one in slices(split, TrainingText()):
        assert sum((counts for _, counts in one.parts), type(micro)()) == micro, one.name


def test_slices_tell_what_training_held_and_what_is_in_capitals():
    words = [["Ada", "Byron", "sang"], ["OSLO", "1996-08-22"], ["Kim", "sang"]]
    train = TrainingText().add(
        [Document.from_words(["Ada", "Byron", "spoke"], ["B-PER", "I-PER", "O"]),
         Document.from_words(["Kim", "sang"], ["O", "O"])]
    )  # fmt: skip
    split = judged(
        ("B-PER I-PER O", "B-PER I-PER O"), ("B-LOC O", "O O"), ("B-PER O", "B-PER O"), words=words
    )
    found = {one.name: dict(one.parts) for one in slices(split, train)}
    assert {part: counts.gold for part, counts in found["surface form in training"].items()} == {
        "not seen": 2, "seen as an entity": 1}  # fmt: skip
    assert {part: counts.gold for part, counts in found["sentence in training"].items()} == {
        "not seen": 2, "seen": 1}  # fmt: skip
    capitals = found["capitals"]
    assert capitals["all-capitals sentence"].recall == 0
    assert capitals["other sentence"].f1 == 1
    assert list(found["words of the entity"]) == ["1", "2"]


def test_a_bootstrap_draws_documents_only_where_there_are_enough_of_several_sentences():
    sentences = [("B-PER O", "B-PER O")] * 80
    every_second = np.arange(160) % 4 == 0
    name, units = judged(*sentences, document_starts=every_second).units()
    assert name == "documents"
    assert units[-1] == 39
    few = np.arange(160) % 80 == 0
    for starts in (few, np.arange(160) % 2 == 0):
        name, units = judged(*sentences, document_starts=starts).units()
        assert name == "sentences"
        assert units[-1] == 79



def test_a_label_named_none_is_a_label_like_others():
    split = Judged(
        ["a", "b", "c"], ["O", "B-none", "B-X"], np.array([1, 0, 2]), np.array([1, 1, 0]),
        np.array([True, False, False]), np.array([True, False, False]),
    )  # fmt: skip
    table = confusion(split, entity_errors(split))
    assert table.labels == ["X", "none", NONE]
    assert table.counts == [[0, 0, 1], [0, 1, 0], [0, 1, 0]]
