"""SemEval-2013 counts against all pairings tried one by one, and against nervaluate."""

from __future__ import annotations

import json
import random
from itertools import combinations, permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nervaluate.evaluator import Evaluator

from nertune.errors import DataError
from nertune.schemes import Span
from nertune.scoring import (
    CRITERIA,
    Reading,
    SemevalCounts,
    SemevalScores,
    Spans,
    score_ids,
    semeval,
    semeval_arrays,
)

many = settings(deadline=None, max_examples=120)

Documents = list[list[Span]]
NERVALUATE = {"strict": "strict", "exact": "exact", "partial": "partial", "type": "ent_type"}

spans = st.tuples(st.integers(0, 7), st.integers(1, 5), st.sampled_from("ABC")).map(
    lambda s: (s[0], s[0] + s[1], s[2])
)
documents = st.lists(st.tuples(*[st.lists(spans, max_size=4)] * 2), max_size=3).map(
    lambda pairs: ([a for a, _ in pairs], [b for _, b in pairs])
)


def overlap(a: Span, b: Span) -> bool:
    return a[0] < b[1] and b[0] < a[1]


# --- all pairings, one by one ---


def is_right(criterion: str, a: Span, b: Span) -> bool:
    same_bounds, same_label = a[:2] == b[:2], a[2] == b[2]
    return {
        "strict": same_bounds and same_label,
        "exact": same_bounds,
        "partial": same_bounds,
        "type": same_label,
    }[criterion]


def best_of_all(criterion: str, gold: list[Span], predicted: list[Span]) -> SemevalCounts:
    """Of all pairings of overlapping entities the most right pairs, then the most pairs."""
    best = (0, 0)
    for n in range(min(len(gold), len(predicted)) + 1):
        for some in combinations(gold, n):
            for others in permutations(predicted, n):
                pairs = list(zip(some, others, strict=True))
                if all(overlap(a, b) for a, b in pairs):
                    best = max(best, (sum(is_right(criterion, a, b) for a, b in pairs), n))
    right, paired = best
    wrong = (0, paired - right) if criterion == "partial" else (paired - right, 0)
    return SemevalCounts(right, *wrong, len(gold) - paired, len(predicted) - paired)


def slow(gold: Documents, predicted: Documents) -> SemevalScores:
    def of(label: str | None) -> dict[str, SemevalCounts]:
        def kept(document: list[Span]) -> list[Span]:
            return [span for span in document if label in (None, span[2])]

        pairs = [(kept(a), kept(b)) for a, b in zip(gold, predicted, strict=True)]
        return {c: sum((best_of_all(c, *p) for p in pairs), SemevalCounts()) for c in CRITERIA}

    labels = sorted({span[2] for document in gold + predicted for span in document})
    return SemevalScores(of(None), {label: of(label) for label in labels})


@many
@given(documents)
def test_counts_are_those_of_the_best_of_all_pairings(both: tuple[Documents, Documents]) -> None:
    assert semeval(*both) == slow(*both)


@many
@given(documents, st.randoms(use_true_random=False))
def test_the_order_of_annotations_does_not_matter(
    both: tuple[Documents, Documents], draw: random.Random
) -> None:
    shuffled = [[draw.sample(document, len(document)) for document in side] for side in both]
    assert semeval(*shuffled) == semeval(*both)


@many
@given(documents)
def test_swapping_the_sides_swaps_missed_and_spurious(both: tuple[Documents, Documents]) -> None:
    forth, back = semeval(*both), semeval(both[1], both[0])
    for criterion, counts in forth.overall.items():
        other = back.overall[criterion]
        assert (counts.missed, counts.spurious) == (other.spurious, other.missed)
        assert (counts.precision, counts.recall) == (other.recall, other.precision)


@many
@given(documents, documents)
def test_scores_of_documents_add_up(
    one: tuple[Documents, Documents], other: tuple[Documents, Documents]
) -> None:
    assert semeval(*one) + semeval(*other) == semeval(one[0] + other[0], one[1] + other[1])
    assert semeval(*one) + SemevalScores() == semeval(*one)


# --- nervaluate ---


def nervaluate(gold: Documents, predicted: Documents) -> SemevalScores:
    """nervaluate's counts; its ends belong to the entity."""
    sides = [
        [[{"start": a, "end": b - 1, "label": label} for a, b, label in d] for d in side]
        for side in (gold, predicted)
    ]
    found = Evaluator(*sides, tags=["A", "B", "C"], loader="dict").evaluate()
    if not found["overall"]:
        return SemevalScores(dict.fromkeys(CRITERIA, SemevalCounts()))
    return SemevalScores(
        counts_of(found["overall"]),
        {label: counts_of(rows) for label, rows in found["entities"].items()},
    )


def counts_of(rows: dict[str, Any]) -> dict[str, SemevalCounts]:
    return {
        ours: SemevalCounts(
            rows[theirs].correct,
            rows[theirs].incorrect,
            rows[theirs].partial,
            rows[theirs].missed,
            rows[theirs].spurious,
        )
        for ours, theirs in NERVALUATE.items()
    }


def uncontested(gold: Documents, predicted: Documents) -> Documents:
    """The predicted entities, those left out that overlap a gold one which is overlapped already.

    nervaluate gives each predicted entity in turn the first gold one that is right, or else the
    first that is free. That is best where no two predicted entities overlap the same gold one: what
    one of them takes, no other could have had.
    """
    kept: Documents = []
    for true, found in zip(gold, predicted, strict=True):
        kept.append([])
        for span in found:
            touched = [g for g in true if overlap(g, span)]
            if not any(overlap(g, other) for g in touched for other in kept[-1]):
                kept[-1].append(span)
    return kept


@many
@given(documents)
def test_counts_are_those_of_nervaluate_where_no_gold_entity_is_contested(
    both: tuple[Documents, Documents],
) -> None:
    gold, predicted = both[0], uncontested(*both)
    assert semeval(gold, predicted) == nervaluate(gold, predicted)


@many
@given(documents)
def test_no_criterion_is_worse_than_with_nervaluate(both: tuple[Documents, Documents]) -> None:
    ours, theirs = semeval(*both), nervaluate(*both)
    for criterion, counts in ours.overall.items():
        other = theirs.overall[criterion]
        assert (counts.correct, -counts.missed) >= (other.correct, -other.missed)
        assert (counts.possible, counts.actual) == (other.possible, other.actual)


@many
@given(documents)
def test_fractions_are_those_of_nervaluate(both: tuple[Documents, Documents]) -> None:
    gold, predicted = both[0], uncontested(*both)
    sides = [
        [[{"start": a, "end": b - 1, "label": label} for a, b, label in d] for d in side]
        for side in (gold, predicted)
    ]
    theirs = Evaluator(*sides, tags=["A", "B", "C"], loader="dict").evaluate()["overall"]
    for ours, name in NERVALUATE.items() if theirs else ():
        row = semeval(gold, predicted).overall[ours].to_dict()
        for field in ("precision", "recall", "f1", "possible", "actual"):
            assert row[field] == getattr(theirs[name], field)


def test_nervaluate_depends_on_the_order_where_two_predictions_want_one_entity() -> None:
    gold = [[(0, 10, "A")]]
    predicted = [[(0, 3, "B"), (4, 9, "A")]]
    turned = [predicted[0][::-1]]
    assert nervaluate(gold, predicted).overall["type"] == SemevalCounts(incorrect=1, spurious=1)
    assert nervaluate(gold, turned).overall["type"] == SemevalCounts(correct=1, spurious=1)
    assert semeval(gold, predicted).overall["type"] == SemevalCounts(correct=1, spurious=1)
    assert semeval(gold, turned) == semeval(gold, predicted)


def test_nervaluate_gives_an_entity_away_that_the_next_prediction_needs() -> None:
    # The first prediction overlaps both, and takes the one that is all the second could have.
    gold = [[(0, 4, "A"), (5, 9, "A")]]
    predicted = [[(3, 6, "A"), (0, 2, "A")]]
    assert nervaluate(gold, predicted).overall["partial"] == SemevalCounts(
        partial=1, missed=1, spurious=1
    )
    assert semeval(gold, predicted).overall["partial"] == SemevalCounts(partial=2)


# --- by hand, and edges ---


def test_the_five_classes_by_hand() -> None:
    gold = [[(0, 2, "PER"), (3, 5, "LOC"), (6, 9, "ORG"), (10, 11, "PER")]]
    predicted = [[(0, 2, "PER"), (3, 5, "ORG"), (7, 9, "ORG"), (12, 13, "LOC")]]
    overall = semeval(gold, predicted).overall
    assert overall == {
        "strict": SemevalCounts(1, 2, 0, 1, 1),
        "exact": SemevalCounts(2, 1, 0, 1, 1),
        "partial": SemevalCounts(2, 0, 1, 1, 1),
        "type": SemevalCounts(2, 1, 0, 1, 1),
    }
    partial = overall["partial"]
    assert (partial.possible, partial.actual) == (4, 4)
    assert (partial.precision, partial.recall, partial.f1) == (0.625, 0.625, 0.625)


def test_a_label_is_compared_by_itself() -> None:
    scores = semeval([[(0, 2, "PER")]], [[(0, 2, "ORG")]])
    assert scores.overall["type"] == SemevalCounts(incorrect=1)
    assert scores.labels["PER"]["type"] == SemevalCounts(missed=1)
    assert scores.labels["ORG"]["type"] == SemevalCounts(spurious=1)


def test_entities_that_touch_do_not_overlap() -> None:
    assert semeval([[(0, 2, "A")]], [[(2, 4, "A")]]).overall["type"] == SemevalCounts(0, 0, 0, 1, 1)


def test_entities_of_different_documents_do_not_meet() -> None:
    scores = semeval([[(0, 99, "A")], []], [[], [(0, 99, "A")]])
    assert scores.overall["strict"] == SemevalCounts(missed=1, spurious=1)


def test_a_repeated_entity_is_matched_once() -> None:
    scores = semeval([[(0, 2, "A")]], [[(0, 2, "A")] * 3])
    assert scores.overall["strict"] == SemevalCounts(correct=1, spurious=2)


@pytest.mark.parametrize("n_documents", [0, 2])
def test_where_there_is_nothing_every_fraction_is_0(n_documents: int) -> None:
    scores = semeval([[]] * n_documents, [[]] * n_documents)
    assert scores.labels == {}
    assert scores.overall == dict.fromkeys(CRITERIA, SemevalCounts())
    assert set(scores.overall["partial"].to_dict().values()) == {0}


def test_another_number_of_documents_is_an_error() -> None:
    with pytest.raises(DataError, match="1 predicted documents for 2 gold ones"):
        semeval([[], []], [[]])


@pytest.mark.parametrize("span", [(3, 3, "A"), (4, 3, "A"), (-1, 3, "A")])
def test_an_empty_entity_is_an_error_that_names_the_document(span: Span) -> None:
    with pytest.raises(DataError, match=f"document 2 has an entity from {span[0]} to 3"):
        semeval([[], [span]], [[], []])


def test_the_summary_is_json() -> None:
    scores = semeval([[(0, 2, "B"), (3, 4, "A")]], [[(0, 1, "B")]])
    summary = json.loads(json.dumps(scores.to_dict()))
    assert list(summary["overall"]) == list(CRITERIA)
    assert list(summary["labels"]) == ["A", "B"]
    assert summary["overall"]["partial"]["precision"] == 0.5
    assert summary["overall"]["partial"]["possible"] == 2


@many
@given(st.integers(0, 2**32 - 1))
def test_strict_correct_entities_of_tags_are_those_of_conlleval(seed: int) -> None:
    draw = np.random.default_rng(seed)
    tags = ["O", "B-X", "I-X", "B-Y", "I-Y"]
    gold, starts = draw.integers(0, 5, 40), draw.random(40) < 0.2
    predicted = np.where(draw.random(40) < 0.7, gold, draw.integers(0, 5, 40))
    starts[0] = True
    reading = Reading(tags, starts)
    sides = [Spans.of_words(reading.entities(ids)) for ids in (gold, predicted)]
    scores = semeval_arrays(sides[0], sides[1], reading.labels)
    micro = score_ids(gold, predicted, tags, starts).micro
    strict = scores.overall["strict"]
    assert (strict.correct, strict.actual, strict.possible) == (
        micro.correct,
        micro.predicted,
        micro.gold,
    )
    assert strict.f1 == micro.f1


def test_a_long_chain_of_overlaps_is_paired_whole() -> None:
    n = 300
    gold = [[(10 * i, 10 * i + 8, "A") for i in range(n)]]
    # Each prediction reaches into two gold entities, the first into one only.
    predicted = [[(10 * i - 3 if i else 0, 10 * i + 2, "A") for i in range(n)][::-1]]
    assert semeval(gold, predicted).overall["partial"] == SemevalCounts(partial=n)


def test_one_prediction_over_everything_is_paired_once() -> None:
    gold = [[(i, i + 1, "A") for i in range(2000)]]
    scores = semeval(gold, [[(0, 2000, "B")]])
    assert scores.overall["type"] == SemevalCounts(incorrect=1, missed=1999)
