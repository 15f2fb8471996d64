"""Entities compared as SemEval-2013 task 9.1 does: how near the wrong ones are.

Gold and predicted entities that share a character (or word) are paired one to one, and each falls
in one of five classes, named by MUC (Chinchor and Sundheim 1993): correct, incorrect, partial,
missed (gold, not paired), spurious (predicted, not paired). Four criteria say which pairs are
correct (Segura-Bedmar, Martínez and Herrero-Zazo 2013; the readings are nervaluate's):

    strict   same boundaries and same label      other pairs are incorrect
    exact    same boundaries, any label          other pairs are incorrect
    partial  same boundaries, any label          other pairs are partial, and count one half
    type     any boundaries, same label          other pairs are incorrect

Of all pairings, the one with most correct pairs is taken, and of these one with most pairs. This
fixes the counts, whatever the order of the annotations; no choice is left to a tie-break.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from math import inf
from operator import index

import numpy as np

from nertune import schemes
from nertune.errors import DataError
from nertune.scoring.counts import harmonic, ratio
from nertune.scoring.reading import Bools, Entities, Ints

CRITERIA = ("strict", "exact", "partial", "type")


@dataclass(frozen=True)
class SemevalCounts:
    """Entities by class under one criterion; possible are those of gold, actual those predicted."""

    correct: int = 0
    incorrect: int = 0
    partial: int = 0
    missed: int = 0
    spurious: int = 0

    def __add__(self, other: SemevalCounts) -> SemevalCounts:
        sums = zip(asdict(self).values(), asdict(other).values(), strict=True)
        return SemevalCounts(*(a + b for a, b in sums))

    @property
    def possible(self) -> int:
        """How many entities gold has."""
        return self.correct + self.incorrect + self.partial + self.missed

    @property
    def actual(self) -> int:
        """How many entities were predicted."""
        return self.correct + self.incorrect + self.partial + self.spurious

    @property
    def precision(self) -> float:
        """Share of the predicted that is correct, partial ones by half; 0/0 is 0."""
        return ratio(self.correct + 0.5 * self.partial, self.actual)

    @property
    def recall(self) -> float:
        """Share of gold that was found, partial ones by half; 0/0 is 0."""
        return ratio(self.correct + 0.5 * self.partial, self.possible)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return harmonic(self.precision, self.recall)

    def to_dict(self) -> dict[str, float]:
        """Counts and fractions from 0 to 1, ready for JSON."""
        names = ("possible", "actual", "precision", "recall", "f1")
        return {**asdict(self), **{name: getattr(self, name) for name in names}}


ByCriterion = Mapping[str, SemevalCounts]


@dataclass(frozen=True)
class SemevalScores:
    """Counts by criterion, of all entities and of each label by itself.

    A label's counts compare its own gold and predicted entities alone, as nervaluate does, so its
    precision is that of what was predicted with this label. They do not add up to the overall
    counts: a wrong label is incorrect there, and here missed under one label, spurious under the
    other.
    """

    overall: ByCriterion = field(default_factory=dict)
    labels: Mapping[str, ByCriterion] = field(default_factory=dict)

    def __add__(self, other: SemevalScores) -> SemevalScores:
        names = dict.fromkeys([*self.labels, *other.labels])
        return SemevalScores(
            _added(self.overall, other.overall),
            {n: _added(self.labels.get(n, {}), other.labels.get(n, {})) for n in names},
        )

    def to_dict(self) -> dict[str, object]:
        """The JSON form: fractions from 0 to 1, unrounded; labels sorted."""
        labels = {name: _dicts(self.labels[name]) for name in sorted(self.labels)}
        return {"overall": _dicts(self.overall), "labels": labels}


@dataclass(frozen=True)
class Spans:
    """Entities of a corpus as arrays (n_entities,), in any order.

    documents: which document each is in, from 0. starts, ends: half-open, in characters or words.
    labels: places in a list of names that gold and prediction share. Raises DataError where an
    entity is empty or begins before 0.
    """

    documents: Ints
    starts: Ints
    ends: Ints
    labels: Ints

    def __post_init__(self) -> None:
        for i in np.flatnonzero((self.starts < 0) | (self.starts >= self.ends)).tolist():
            raise DataError(
                f"document {self.documents[i] + 1} has an entity from {self.starts[i]} to "
                f"{self.ends[i]}; expected 0 <= start < end, the end not included"
            )

    @classmethod
    def of_words(cls, entities: Entities) -> Spans:
        """The entities of `Reading.entities`, the corpus being one document of words."""
        first, last, label = entities
        return cls(np.zeros_like(first), first, last + 1, label)

    @classmethod
    def of_lists(
        cls, documents: Sequence[Iterable[schemes.Span]], places: Mapping[str, int]
    ) -> Spans:
        """Lists of (start, end, label), one a document; places: of the labels' names."""
        rows = [
            (i, index(start), index(end), places[label])
            for i, entities in enumerate(documents)
            for start, end, label in entities
        ]
        return cls(*np.array(rows, dtype=np.int64).reshape(-1, 4).T)


def semeval(
    gold: Sequence[Iterable[schemes.Span]], predicted: Sequence[Iterable[schemes.Span]]
) -> SemevalScores:
    """Compare lists of (start, end, label), one list a document, in any order within it.

    start and end: half-open, in characters or words, the same on both sides. Entities may overlap
    and repeat. Raises DataError for another number of documents, and for an empty entity.
    """
    if len(gold) != len(predicted):
        raise DataError(
            f"{len(predicted)} predicted documents for {len(gold)} gold ones; expected the same "
            "documents in the same order"
        )
    sides = [[list(entities) for entities in side] for side in (gold, predicted)]
    every = chain.from_iterable(chain.from_iterable(sides))
    names = sorted({label for _, _, label in every})
    places = {name: i for i, name in enumerate(names)}
    true, found = (Spans.of_lists(side, places) for side in sides)
    return semeval_arrays(true, found, names)


def semeval_arrays(gold: Spans, predicted: Spans, names: Sequence[str]) -> SemevalScores:
    """Compare entities as arrays; names: of the labels."""
    pairs = OverlappingPairs.of(gold, predicted)
    overall = _by_criterion(pairs, np.zeros_like(gold.labels), np.zeros_like(predicted.labels), 1)
    own = pairs.where(pairs.same_label)
    by_label = _by_criterion(own, gold.labels, predicted.labels, len(names))
    labels = {name: row for name, row in zip(names, by_label, strict=True) if _occurs(row)}
    return SemevalScores(overall[0], labels)


@dataclass(frozen=True)
class OverlappingPairs:
    """Pairs of a gold and a predicted entity that overlap, (n_pairs,): places, and what agrees."""

    gold: Ints
    predicted: Ints
    same_bounds: Bools
    same_label: Bools

    @classmethod
    def of(cls, gold: Spans, predicted: Spans) -> OverlappingPairs:
        """All of them, in order of the gold entities."""
        # One document after the other on one axis, where none reaches the next.
        stride = 1 + max(side.ends.max(initial=0) for side in (gold, predicted))
        gold_start, gold_end, start, end = (
            side.documents * stride + bound
            for side in (gold, predicted)
            for bound in (side.starts, side.ends)
        )
        order = np.argsort(start, kind="stable")
        # What begins before a gold entity ends comes first; what ends after it begins is found
        # from the place on where any does. Of what lies between, some may still end too early.
        until = np.searchsorted(start[order], gold_end, "left")
        since = np.searchsorted(np.maximum.accumulate(end[order]), gold_start, "right")
        lengths = np.maximum(until - since, 0)
        i = np.repeat(np.arange(len(lengths)), lengths)
        within = np.arange(len(i)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        j = order[np.repeat(since, lengths) + within]
        same_bounds = (gold_start[i] == start[j]) & (gold_end[i] == end[j])
        pairs = cls(i, j, same_bounds, gold.labels[i] == predicted.labels[j])
        return pairs.where(end[j] > gold_start[i])

    def where(self, kept: Bools) -> OverlappingPairs:
        """Some of the pairs."""
        return OverlappingPairs(
            self.gold[kept], self.predicted[kept], self.same_bounds[kept], self.same_label[kept]
        )


def _by_criterion(
    pairs: OverlappingPairs, gold_labels: Ints, predicted_labels: Ints, n_labels: int
) -> list[dict[str, SemevalCounts]]:
    """Counts by criterion for each label; labels: (n_entities,) of each side."""

    def count(labels: Ints) -> Ints:
        return np.bincount(labels, minlength=n_labels)

    bounds, label = pairs.same_bounds, pairs.same_label
    right_pairs = {"strict": bounds & label, "exact": bounds, "partial": bounds, "type": label}
    possible, actual = count(gold_labels), count(predicted_labels)
    rows: list[dict[str, SemevalCounts]] = [{} for _ in range(n_labels)]
    for criterion, right in right_pairs.items():
        chosen = best_pairs(pairs.gold, pairs.predicted, right)
        label_of = gold_labels[pairs.gold]
        paired, correct = count(label_of[chosen]), count(label_of[chosen & right])
        other, none = paired - correct, np.zeros_like(paired)
        wrong = (none, other) if criterion == "partial" else (other, none)
        columns = (correct, *wrong, possible - paired, actual - paired)
        for row, numbers in zip(rows, np.stack(columns, axis=1).tolist(), strict=True):
            row[criterion] = SemevalCounts(*numbers)
    return rows


def best_pairs(gold: Ints, predicted: Ints, right: Bools) -> Bools:
    """Which pairs to keep so that no entity is in two: most right ones, then most of all.

    gold, predicted: (n_pairs,), the two entities of each pair. Returns (n_pairs,). Where several
    choices are equally good the order of the pairs decides which is taken; the numbers of right
    ones and of all are the same.
    """
    chosen: Bools = (np.bincount(gold)[gold] == 1) & (np.bincount(predicted)[predicted] == 1)
    rest = np.flatnonzero(~chosen)
    # One right pair more outweighs all the others.
    weights = np.where(right[rest], len(rest) + 1, 1)
    edges = zip(gold[rest].tolist(), predicted[rest].tolist(), weights.tolist(), strict=True)
    chosen[rest[_heaviest_matching(list(edges))]] = True
    return chosen


_Edge = tuple[int, int, int]
"""A gold entity, a predicted one, and the weight of the pair."""


def _heaviest_matching(edges: Sequence[_Edge]) -> list[int]:
    """A matching of most weight in a bipartite graph, as places in `edges`.

    Gold entities are added one by one, and each time the best alternating path from the new one
    (Bellman and Ford's search) turns the matching into a heaviest one again.
    """
    of_gold: defaultdict[int, list[int]] = defaultdict(list)
    for place, (gold, _, _) in enumerate(edges):
        of_gold[gold].append(place)
    # The edge by which each predicted entity is matched.
    matched: dict[int, int] = {}
    for gold in of_gold:
        for place in _best_path(gold, edges, of_gold, matched):
            matched[edges[place][1]] = place
    return list(matched.values())


def _best_path(
    root: int, edges: Sequence[_Edge], of_gold: Mapping[int, list[int]], matched: Mapping[int, int]
) -> list[int]:
    """The edges to take in so that `root` is matched with most gain; none where nothing is gained.

    Each takes a predicted entity from its gold one, which the next edge matches anew; the last
    takes a free one, or leaves its gold entity without.
    """
    gains, came_by = {root: 0}, dict[int, int]()
    best_gain, best_end = 0, -1
    queue = deque([root])
    while queue:
        gold = queue.popleft()
        for place in of_gold[gold]:
            _, predicted, weight = edges[place]
            rival = matched.get(predicted, -1)
            if rival == place:
                continue
            gain = gains[gold] + weight - (edges[rival][2] if rival >= 0 else 0)
            if gain > best_gain:
                best_gain, best_end = gain, place
            loser = edges[rival][0] if rival >= 0 else root
            if rival >= 0 and gain > gains.get(loser, -inf):
                gains[loser], came_by[loser] = gain, place
                queue.append(loser)
    path: list[int] = []
    while best_end >= 0:
        path.append(best_end)
        best_end = came_by.get(edges[best_end][0], -1)
    return path


def _occurs(row: ByCriterion) -> bool:
    """Whether there is an entity on either side."""
    return row["strict"].possible + row["strict"].actual > 0


def _added(left: ByCriterion, right: ByCriterion) -> dict[str, SemevalCounts]:
    none = SemevalCounts()
    names = dict.fromkeys([*left, *right])
    return {name: left.get(name, none) + right.get(name, none) for name in names}


def _dicts(row: ByCriterion) -> dict[str, dict[str, float]]:
    return {criterion: counts.to_dict() for criterion, counts in row.items()}
