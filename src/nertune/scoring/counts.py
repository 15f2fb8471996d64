"""Counts, and the fractions made of them.

Counts are integers that add up, so the score of a corpus is the sum of the scores of its parts. A
fraction whose denominator is 0 is 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from nertune import schemes


@dataclass(frozen=True)
class Counts:
    """How many were right, predicted, and in the gold annotation."""

    correct: int = 0
    predicted: int = 0
    gold: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.correct + other.correct, self.predicted + other.predicted, self.gold + other.gold
        )

    @property
    def precision(self) -> float:
        """Share of the predicted that is right."""
        return ratio(self.correct, self.predicted)

    @property
    def recall(self) -> float:
        """Share of the gold that was found."""
        return ratio(self.correct, self.gold)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return harmonic(self.precision, self.recall)

    def to_dict(self) -> dict[str, float]:
        """Fractions from 0 to 1, and the support: how many there are in the gold annotation."""
        return {
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "support": self.gold,
        }


@dataclass(frozen=True)
class Scores:
    """Counts of whole entities by label and of single tags by tag.

    n_words and n_correct_words give the accuracy of the tags.
    """

    labels: Mapping[str, Counts] = field(default_factory=dict)
    tags: Mapping[str, Counts] = field(default_factory=dict)
    n_words: int = 0
    n_correct_words: int = 0

    def __add__(self, other: Scores) -> Scores:
        return Scores(
            _added(self.labels, other.labels),
            _added(self.tags, other.tags),
            self.n_words + other.n_words,
            self.n_correct_words + other.n_correct_words,
        )

    @property
    def micro(self) -> Counts:
        """All entities together: the headline of conlleval."""
        return sum(self.labels.values(), Counts())

    @property
    def accuracy(self) -> float:
        """Share of words with the right tag."""
        return ratio(self.n_correct_words, self.n_words)

    def average(self, weighted: bool) -> dict[str, float]:
        """Mean over the labels of gold or prediction, plain (macro) or weighted by support.

        0 where there is no label, or no support to weigh by.
        """
        counts = [self.labels[label] for label in sorted(self.labels)]
        weights = [c.gold if weighted else 1 for c in counts]

        def mean(name: str) -> float:
            # numpy adds up in an order of its own: only so is the last digit that of seqeval.
            values = [getattr(c, name) for c in counts]
            return float(np.average(values, weights=weights)) if any(weights) else 0.0

        means = {name: mean(name) for name in ("precision", "recall", "f1")}
        return {**means, "support": self.micro.gold}

    def to_dict(self) -> dict[str, object]:
        """The JSON form that every command writes; fractions from 0 to 1, unrounded."""
        return {
            "micro": self.micro.to_dict(),
            "macro": self.average(weighted=False),
            "weighted": self.average(weighted=True),
            "labels": {label: self.labels[label].to_dict() for label in sorted(self.labels)},
            "tags": {
                **{tag: self.tags[tag].to_dict() for tag in sorted(self.tags, key=_tag_order)},
                "accuracy": self.accuracy,
            },
        }


def _added(left: Mapping[str, Counts], right: Mapping[str, Counts]) -> dict[str, Counts]:
    names = dict.fromkeys([*left, *right])
    return {name: left.get(name, Counts()) + right.get(name, Counts()) for name in names}


def _tag_order(tag: str) -> tuple[bool, str, str]:
    prefix, label = schemes.split_tag(tag)
    return prefix == schemes.OUTSIDE, label, prefix


def ratio(part: float, whole: float) -> float:
    """part / whole; 0 where there is no whole."""
    return part / whole if whole else 0.0


def harmonic(a: float, b: float) -> float:
    """The harmonic mean, 0 where both are 0; multiplied in this order, as seqeval does."""
    return 2 * a * b / (a + b) if a + b else 0.0
