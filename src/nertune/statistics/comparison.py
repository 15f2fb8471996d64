"""Two systems on the same units: is one better?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from nertune.errors import DataError
from nertune.scoring import Ints
from nertune.statistics.bootstrap import (
    F1,
    GOLD,
    PRECISION,
    RECALL,
    Floats,
    Interval,
    averages,
    blocks,
    check_settings,
    checked,
    quantiles,
    resampled,
    summed,
)

Measure = Literal["f1", "precision", "recall", "macro_f1"]


@dataclass(frozen=True)
class Comparison:
    """Two systems, A and B, on the same units: fractions from 0 to 1.

    difference: B minus A, and `interval` its paired bootstrap interval at `level`. p: of a
    difference at least this large, either way, if it did not matter which system a unit came from.
    """

    measure: Measure
    a: float
    b: float
    interval: Interval
    p: float
    level: float
    n_units: int
    n_resamples: int

    @property
    def difference(self) -> float:
        """B minus A."""
        return self.b - self.a

    @property
    def shown(self) -> bool:
        """Whether test and interval both show a difference at the level."""
        return self.p < 1 - self.level and 0 not in self.interval

    def verdict(self, name_a: str = "A", name_b: str = "B") -> str:
        """The outcome in words; differences in points, hundredths of the measure.

        `B is better by 0.7 F1, 95 % interval 0.2 to 1.2, p = 0.004`, or `no difference shown
        between A and B (B minus A: 0.1 F1, 95 % interval -0.4 to 0.6, p = 0.7)`.
        """
        low, high = self.interval.low, self.interval.high
        if self.shown and self.difference < 0:
            return f"{name_a} is better by {self._found(-self.difference, -high, -low)}"
        found = self._found(self.difference, low, high)
        if self.shown:
            return f"{name_b} is better by {found}"
        why = ""
        if 0 not in self.interval:
            why = f"; the interval leaves out 0, but p is not below {1 - self.level:.2g}"
        return (
            f"no difference shown between {name_a} and {name_b} ({name_b} minus {name_a}: "
            f"{found}{why})"
        )

    def _found(self, difference: float, low: float, high: float) -> str:
        what = {"f1": "F1", "macro_f1": "macro F1"}.get(self.measure, self.measure)
        # A difference that is there must not be printed as 0.0.
        digits = 1 if abs(difference) >= 0.001 or not self.shown else 2
        # Adding 0 makes -0.0 a 0.0.
        points = (round(100 * x, digits) + 0.0 for x in (difference, low, high))
        value, low_text, high_text = (f"{x:.{digits}f}" for x in points)
        p = "p < 0.001" if self.p < 0.001 else f"p = {round(self.p, 3):g}"
        level = f"{100 * self.level:.4g} % interval"
        return f"{value} {what}, {level} {low_text} to {high_text}, {p}"

    def to_dict(self) -> dict[str, object]:
        """Ready for JSON; fractions from 0 to 1."""
        interval = [self.interval.low, self.interval.high]
        return {**vars(self), "interval": interval, "difference": self.difference}


def compare(
    a: Ints,
    b: Ints,
    measure: Measure = "f1",
    n_resamples: int = 9999,
    level: float = 0.95,
    seed: int = 1,
) -> Comparison:
    """Compare two systems by their counts on the same units, both (n_units, 3[, n_labels]).

    p: approximate randomisation (Noreen 1989; Yeh 2000). In each of n_resamples shufflings every
    unit is swapped between A and B with probability 1/2; p is (n + 1) / (n_resamples + 1), n of
    them having a difference at least as large as the real one, either way. The interval: paired
    percentile bootstrap. Raises DataError where the units are not the same, as shown by gold.
    """
    check_settings(n_resamples, level)
    if measure not in get_args(Measure):
        names = ", ".join(get_args(Measure))
        raise DataError(f"unknown measure {measure!r}; expected one of {names}")
    a, b = checked(a), checked(b)
    if a.shape != b.shape or (a[:, GOLD] != b[:, GOLD]).any():
        raise DataError(
            f"A has counts {a.shape} and B {b.shape}, or their gold counts differ; expected both "
            "systems on the same units, in the same order, with the same gold annotation"
        )
    if measure != "macro_f1":
        # Labels do not matter here, and fewer kinds of unit are drawn without them.
        a, b = a.sum(2, keepdims=True), b.sum(2, keepdims=True)
    rng = np.random.default_rng(seed)
    score_a, score_b = _measured(np.stack([a.sum(0), b.sum(0)]), measure).tolist()
    # One rounding apart is equal: differences of equal fractions can come out so.
    least = abs(score_b - score_a) - 1e-12
    shuffled = _shuffled(a, b, measure, n_resamples, rng)
    n_as_large = sum(int((np.abs(part) >= least).sum()) for part in shuffled)
    pairs = resampled(np.concatenate([a, b], axis=1), n_resamples, rng)
    drawn = [_differences(sums[:, :3], sums[:, 3:], measure) for sums in pairs]
    return Comparison(
        measure,
        score_a,
        score_b,
        quantiles(np.concatenate(drawn), level),
        (n_as_large + 1) / (n_resamples + 1),
        level,
        len(a),
        n_resamples,
    )


def _shuffled(
    a: Ints, b: Ints, measure: Measure, n_resamples: int, rng: np.random.Generator
) -> Iterator[Floats]:
    """Differences, some at a time, where units were swapped at random."""
    total_a, total_b = a.sum(0), b.sum(0)
    apart = (b - a).reshape(len(a), -1)
    kinds, sizes = np.unique(apart[apart.any(axis=1)], axis=0, return_counts=True)
    for n in blocks(n_resamples, len(kinds)):
        swapped = rng.binomial(sizes, 0.5, size=(n, len(sizes)))
        moved = summed(swapped, kinds).reshape(n, *total_a.shape)
        yield _differences(total_a + moved, total_b - moved, measure)


def _differences(a: Ints, b: Ints, measure: Measure) -> Floats:
    return _measured(b, measure) - _measured(a, measure)


def _measured(sums: Ints, measure: Measure) -> Floats:
    """One score, (...), of counts (..., 3, n_labels)."""
    micro, macro, _ = averages(sums)
    columns = {
        "precision": micro[..., PRECISION],
        "recall": micro[..., RECALL],
        "f1": micro[..., F1],
        "macro_f1": macro[..., F1],
    }
    return columns[measure]
