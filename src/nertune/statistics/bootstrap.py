"""Counts by unit, and bootstrap intervals of the scores made of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nertune.errors import DataError
from nertune.scoring import Ints, Reading, right_entities

Floats = npt.NDArray[np.float64]

CORRECT, PREDICTED, GOLD = 0, 1, 2
PRECISION, RECALL, F1 = 0, 1, 2
_BLOCK = 1 << 22  # numbers drawn at once: bounds the memory, changes no result


def counts_by_unit(gold: Ints, predicted: Ints, reading: Reading, units: Ints) -> Ints:
    """Counts of whole entities by unit and label, (n_units, 3, n_labels).

    gold, predicted: (n_words,), places in `reading.tags`. units: (n_words,), the unit of each word,
    from 0; an entity belongs to the unit of its first word. Labels are in the order of
    `reading.labels`; the sums over the units are the labels of `scoring.score_ids`.
    """
    true, found = reading.entities(gold), reading.entities(predicted)
    right = right_entities(true, found)
    n_units, n_labels = int(units.max(initial=-1)) + 1, len(reading.labels)

    def count(first: Ints, label: Ints) -> Ints:
        cells = np.bincount(units[first] * n_labels + label, minlength=n_units * n_labels)
        return cells.reshape(n_units, n_labels)

    columns = (true[0][right], true[2][right]), (found[0], found[2]), (true[0], true[2])
    return np.stack([count(*column) for column in columns], axis=1)


def fractions(sums: npt.NDArray[np.generic]) -> Floats:
    """Precision, recall and F1, (..., 3), of counts correct, predicted, gold, (..., 3)."""
    correct, predicted, gold = np.moveaxis(sums.astype(np.float64), -1, 0)
    # F1 = 2c / (p + g) is exact up to one rounding, so equal scores compare equal.
    pairs = (correct, predicted), (correct, gold), (2 * correct, predicted + gold)
    return np.stack([_divided(part, whole) for part, whole in pairs], axis=-1)


def _divided(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def averages(sums: npt.NDArray[np.generic]) -> tuple[Floats, Floats, Floats]:
    """Micro (..., 3), macro (..., 3) and labels (..., n_labels, 3) of counts (..., 3, n_labels).

    Macro is the mean over the labels that gold or prediction has, as in `Scores.average`.
    """
    by_label = np.moveaxis(sums, -1, -2)
    labels = fractions(by_label)
    occurs = (by_label.sum(-1) > 0)[..., None]
    macro = _divided((labels * occurs).sum(-2), occurs.sum(-2) * np.ones(3))
    return fractions(by_label.sum(-2)), macro, labels


@dataclass(frozen=True)
class Interval:
    """From low to high, both included; fractions from 0 to 1 where it is of a score."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Bands:
    """The intervals of one row of a report."""

    precision: Interval
    recall: Interval
    f1: Interval

    def to_dict(self) -> dict[str, list[float]]:
        """`[low, high]` by name, fractions from 0 to 1."""
        return {name: [band.low, band.high] for name, band in vars(self).items()}


@dataclass(frozen=True)
class Intervals:
    """Intervals of all entities together (micro), of the mean over labels (macro), by label.

    labels: in the order of the counts' last axis.
    """

    micro: Bands
    macro: Bands
    labels: tuple[Bands, ...]
    level: float
    n_units: int
    n_resamples: int

    def to_dict(self, names: Sequence[str]) -> dict[str, object]:
        """Ready for JSON; names: of the labels."""
        rows = zip(names, self.labels, strict=True)
        return {
            "level": self.level,
            "n_units": self.n_units,
            "n_resamples": self.n_resamples,
            "micro": self.micro.to_dict(),
            "macro": self.macro.to_dict(),
            "labels": {name: bands.to_dict() for name, bands in rows},
        }


def intervals(
    counts: Ints, n_resamples: int = 1000, level: float = 0.95, seed: int = 1
) -> Intervals:
    """Percentile bootstrap intervals of precision, recall and F1 (Efron and Tibshirani 1993).

    counts: (n_units, 3) or (n_units, 3, n_labels). Units are drawn with replacement, as many as
    there are; the interval runs between the quantiles (1 - level) / 2 and (1 + level) / 2 of the
    scores of the resamples, interpolated. A label that a resample lacks is left out of its macro
    mean. Raises DataError where there is no unit, or an argument is out of range.
    """
    check_settings(n_resamples, level)
    counts = checked(counts)
    sums = np.concatenate(list(resampled(counts, n_resamples, np.random.default_rng(seed))))
    micro, macro, labels = averages(sums)
    return Intervals(
        _bands(micro, level),
        _bands(macro, level),
        tuple(_bands(labels[:, i], level) for i in range(labels.shape[1])),
        level,
        len(counts),
        n_resamples,
    )


def checked(counts: Ints) -> Ints:
    """(n_units, 3, n_labels), whether there were labels or not."""
    if counts.ndim not in (2, 3) or counts.shape[1] != 3 or not len(counts):
        raise DataError(
            f"counts have the shape {counts.shape}; expected (n_units, 3) or "
            "(n_units, 3, n_labels) with at least one unit"
        )
    least = np.minimum(counts[:, PREDICTED], counts[:, GOLD])
    if not np.issubdtype(counts.dtype, np.integer) or not (counts[:, CORRECT] >= 0).all() or (
        counts[:, CORRECT] > least
    ).any():
        raise DataError(
            "counts are no counts; expected whole numbers with 0 <= correct <= predicted, gold"
        )
    return counts[:, :, None] if counts.ndim == 2 else counts


def check_settings(n_resamples: int, level: float) -> None:
    if n_resamples < 1 or not 0 < level < 1:
        raise DataError(
            f"n_resamples is {n_resamples} and level {level}; expected at least 1, and a share "
            "between 0 and 1 such as 0.95"
        )


def resampled(counts: Ints, n_resamples: int, rng: np.random.Generator) -> Iterator[Ints]:
    """Sums of resamples, some at a time: (n, *counts.shape[1:]).

    Most sentences are alike in their counts. To draw how often each kind of unit comes is to draw
    the units, and takes a tenth of the time.
    """
    kinds, sizes = np.unique(counts.reshape(len(counts), -1), axis=0, return_counts=True)
    for n in blocks(n_resamples, len(kinds)):
        drawn = rng.multinomial(len(counts), sizes / len(counts), size=n)
        yield summed(drawn, kinds).reshape(n, *counts.shape[1:])


def summed(times: Ints, rows: Ints) -> Ints:
    """times @ rows in floating point, where the library is quick; exact below 2**53."""
    product = times.astype(np.float64) @ rows.astype(np.float64)
    return np.rint(product).astype(np.int64)


def blocks(n_resamples: int, width: int) -> Iterator[int]:
    most = max(1, _BLOCK // max(1, width))
    for start in range(0, n_resamples, most):
        yield min(most, n_resamples - start)


def quantiles(values: Floats, level: float) -> Interval:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2]).tolist()
    return Interval(low, high)


def _bands(values: Floats, level: float) -> Bands:
    return Bands(*(quantiles(values[:, i], level) for i in (PRECISION, RECALL, F1)))
