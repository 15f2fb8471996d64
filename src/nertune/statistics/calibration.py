"""Are scores what they say? Entity scores against which entities were right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nertune.errors import DataError
from nertune.scoring import Bools, Counts, Ints
from nertune.statistics.bootstrap import Floats

DEFAULT_THRESHOLDS = (*(i / 20 for i in range(20)), 0.98, 0.99)
_ROUNDING = 1e-6  # by how much a sum of probabilities may miss 1


@dataclass(frozen=True)
class Reliability:
    """Scores in bins of equal width, (n_bins,), and how often those in a bin were right.

    edges: (n_bins + 1,), from 0 to 1; a bin holds what is above its lower edge, up to its upper
    one, and the first holds 0 too. n: how many scores. mean_score and share_right: nan where n = 0.
    """

    edges: Floats
    n: Ints
    mean_score: Floats
    share_right: Floats

    @property
    def error(self) -> float:
        """The expected calibration error: |share right - mean score|, a mean weighted by n.

        From 0 (scores are what they say) to 1; 0 where there is no score. Guo et al. 2017, eq. 3.
        """
        filled = self.n > 0
        apart = np.abs(self.share_right - self.mean_score)[filled]
        return float((apart * self.n[filled]).sum() / max(1, self.n.sum()))

    def to_dict(self) -> dict[str, object]:
        """Ready for JSON: null where a bin is empty."""
        columns = zip(
            self.edges[:-1].tolist(), self.edges[1:].tolist(), self.n.tolist(),
            self.mean_score.tolist(), self.share_right.tolist(), strict=True,
        )  # fmt: skip
        bins = [
            {"above": low, "up_to": high, "n": n, "mean_score": mean if n else None,
             "share_right": share if n else None}
            for low, high, n, mean, share in columns
        ]  # fmt: skip
        return {"expected_calibration_error": self.error, "bins": bins}


def reliability(scores: Floats, is_right: Bools, n_bins: int = 15) -> Reliability:
    """The reliability table of predicted entities (Guo et al. 2017; their 15 bins by default).

    scores: (n_entities,), from 0 to 1. is_right: (n_entities,), whether the entity is in gold.
    Raises DataError where the two do not fit, a score is out of range, or there is no bin.
    """
    scores = _checked(scores, is_right)
    if n_bins < 1:
        raise DataError(f"n_bins is {n_bins}; expected at least 1")
    edges = np.linspace(0, 1, n_bins + 1)
    place = np.maximum(np.searchsorted(edges, scores, side="left") - 1, 0)
    n, scored, right = (
        np.bincount(place, weights=weights, minlength=n_bins)
        for weights in (None, scores, is_right.astype(np.float64))
    )
    with np.errstate(invalid="ignore"):
        return Reliability(edges, n.astype(np.int64), scored / n, right / n)


@dataclass(frozen=True)
class Threshold:
    """What is left of the predicted entities with at least this score."""

    threshold: float
    counts: Counts

    def to_dict(self) -> dict[str, float]:
        """Ready for JSON; fractions from 0 to 1."""
        fractions = self.counts.to_dict()
        return {"threshold": self.threshold, "predicted": self.counts.predicted, **fractions}


def thresholds(
    scores: Floats, is_right: Bools, n_gold: int, at: Sequence[float] = DEFAULT_THRESHOLDS
) -> list[Threshold]:
    """Precision, recall and F1 where only entities with a score of at least `at` are kept.

    scores, is_right: (n_entities,), as in `reliability`. n_gold: how many entities gold has, found
    or not. Raises DataError as `reliability` does, and where more are right than gold has.
    """
    scores = _checked(scores, is_right)
    if is_right.sum() > n_gold:
        raise DataError(
            f"{is_right.sum()} predicted entities are right, but n_gold is {n_gold}; expected the "
            "number of all gold entities"
        )
    ordered = np.sort(scores)
    right = np.sort(scores[is_right])
    rows = []
    for threshold in at:
        kept, correct = (len(s) - int(np.searchsorted(s, threshold)) for s in (ordered, right))
        rows.append(Threshold(float(threshold), Counts(correct, kept, n_gold)))
    return rows


def _checked(scores: Floats, is_right: Bools) -> Floats:
    if scores.shape != is_right.shape or scores.ndim != 1:
        raise DataError(
            f"scores have the shape {scores.shape} and is_right {is_right.shape}; expected "
            "(n_entities,) of both"
        )
    if is_right.dtype != np.bool_:
        raise DataError(f"is_right holds {is_right.dtype}; expected True and False, dtype bool")
    if not ((scores >= -_ROUNDING) & (scores <= 1 + _ROUNDING)).all():
        raise DataError(
            f"scores run from {scores.min()} to {scores.max()}; expected probabilities, from 0 to 1"
        )
    return np.clip(scores.astype(np.float64), 0, 1)
