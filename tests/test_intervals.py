"""Counts by unit against whole scores; bootstrap intervals against all resamples and simulation."""

from __future__ import annotations

import json
from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nertune import schemes
from nertune.errors import DataError
from nertune.scoring import Counts, Ints, Reading, Scores, score_ids
from nertune.statistics import Interval, counts_by_unit, intervals
from nertune.statistics.bootstrap import averages, fractions, resampled

many = settings(deadline=None, max_examples=150)

TAGS = ["O", "B-X", "I-X", "B-Y", "I-Y", "B-Z", "I-Z"]


def random_counts(seed: int, n_units: int = 300, n_labels: int = 3) -> Ints:
    """Counts such as sentences have: 0 to 3 entities, most of them right."""
    draw = np.random.default_rng(seed)
    gold = draw.integers(0, 4, (n_units, n_labels))
    correct = draw.binomial(gold, 0.8)
    predicted = correct + draw.binomial(1, 0.2, (n_units, n_labels))
    return np.stack([correct, predicted, gold], axis=1)


# --- counts by unit ---


@pytest.mark.parametrize("scheme", [None, schemes.SCHEMES["IOB2"], schemes.SCHEMES["IOB1"]])
@many
@given(seed=st.integers(0, 2**32 - 1), n_words=st.integers(0, 60), n_units=st.integers(1, 9))
def test_counts_of_units_add_up_to_the_scores(
    scheme: schemes.Scheme | None, seed: int, n_words: int, n_units: int
) -> None:
    draw = np.random.default_rng(seed)
    gold = draw.integers(0, len(TAGS), n_words)
    predicted = np.where(draw.random(n_words) < 0.7, gold, draw.integers(0, len(TAGS), n_words))
    starts = draw.random(n_words) < 0.2
    starts[:1] = True
    units = draw.integers(0, n_units, n_words)
    reading = Reading(TAGS, starts, "strict" if scheme else "conlleval", scheme)
    counts = counts_by_unit(gold, predicted, reading, units)
    assert counts.shape == (units.max(initial=-1) + 1, 3, 3)
    rows = counts.sum(0).T.tolist()
    added = {name: Counts(*row) for name, row in zip("XYZ", rows, strict=True) if any(row)}
    assert added == score_ids(gold, predicted, TAGS, starts, reading.mode, scheme).labels


def test_an_entity_counts_in_the_unit_it_is_in() -> None:
    gold = np.array([1, 2, 0, 3, 0, 1])
    predicted = np.array([1, 2, 0, 1, 0, 0])
    starts = np.array([True, False, False, True, False, True])
    counts = counts_by_unit(gold, predicted, Reading(TAGS[:5], starts), np.cumsum(starts) - 1)
    assert counts.tolist() == [
        [[1, 0], [1, 0], [1, 0]],
        [[0, 0], [1, 0], [0, 1]],
        [[0, 0], [0, 0], [1, 0]],
    ]


@many
@given(st.tuples(*[st.integers(0, 9)] * 3))
def test_fractions_are_those_of_counts(extra: tuple[int, int, int]) -> None:
    correct, spurious, missed = extra
    counts = Counts(correct, correct + spurious, correct + missed)
    found = fractions(np.array([counts.correct, counts.predicted, counts.gold]))
    assert found.tolist() == pytest.approx([counts.precision, counts.recall, counts.f1], abs=1e-15)


def test_averages_are_those_of_scores() -> None:
    counts = random_counts(0).sum(0)
    counts[:, 1] = 0  # a label that does not occur
    scores = Scores(
        {n: Counts(*c) for n, c in zip("XYZ", counts.T.tolist(), strict=True) if any(c)}
    )
    micro, macro, _ = averages(counts)
    mean = scores.average(weighted=False)
    assert micro.tolist() == pytest.approx(
        [scores.micro.precision, scores.micro.recall, scores.micro.f1]
    )
    assert macro.tolist() == pytest.approx([mean["precision"], mean["recall"], mean["f1"]])


# --- the bootstrap ---


def test_resamples_of_three_units_come_as_often_as_they_should() -> None:
    counts = np.array([[1, 1, 1], [0, 1, 2], [1, 1, 1]])[:, :, None]
    # All 27 ways to draw three units of three; two units are alike.
    wanted = Counter(
        tuple(counts[list(drawn), :, 0].sum(0).tolist()) for drawn in product(range(3), repeat=3)
    )
    n = 20_000
    sums = np.concatenate(list(resampled(counts, n, np.random.default_rng(1))))
    found = Counter(map(tuple, sums[:, :, 0].tolist()))
    assert found.keys() == wanted.keys()
    for drawn, ways in wanted.items():
        share = ways / 27
        assert abs(found[drawn] / n - share) < 4 * (share * (1 - share) / n) ** 0.5


def test_intervals_are_the_quantiles_of_a_plain_bootstrap() -> None:
    counts = random_counts(1)
    found = intervals(counts, n_resamples=4000)
    draw = np.random.default_rng(2)
    chosen = draw.integers(0, len(counts), (4000, len(counts)))
    sums = np.stack([counts[one].sum(0) for one in chosen])
    micro, macro, labels = averages(sums)
    for values, bands in (
        (micro, found.micro),
        (macro, found.macro),
        (labels[:, 2], found.labels[2]),
    ):
        for i, band in enumerate((bands.precision, bands.recall, bands.f1)):
            low, high = np.quantile(values[:, i], [0.025, 0.975])
            assert band.low == pytest.approx(low, abs=0.003)
            assert band.high == pytest.approx(high, abs=0.003)


@pytest.mark.parametrize("seed", range(5))
def test_intervals_hold_the_score_and_grow_with_the_level(seed: int) -> None:
    counts = random_counts(seed)
    micro, macro, labels = averages(counts.sum(0))
    narrow, wide = intervals(counts, level=0.5), intervals(counts, level=0.99)
    rows = [(micro, narrow.micro, wide.micro), (macro, narrow.macro, wide.macro)]
    rows += zip(labels, narrow.labels, wide.labels, strict=True)
    for scores, inner, outer in rows:
        for score, small, large in zip(
            scores, vars(inner).values(), vars(outer).values(), strict=True
        ):
            assert score in large
            assert large.low < small.low < small.high < large.high


def test_the_interval_holds_the_true_score_about_as_often_as_it_says() -> None:
    # A population whose F1 is known: each unit is one of these, with these chances.
    kinds = np.array([[1, 1, 1], [0, 1, 1], [2, 2, 2], [0, 0, 1], [0, 1, 0], [0, 0, 0]])
    chances = np.array([0.3, 0.1, 0.1, 0.08, 0.07, 0.35])
    true = fractions(chances @ kinds)[2]
    draw = np.random.default_rng(1)
    samples = [draw.choice(len(kinds), 200, p=chances) for _ in range(400)]
    held = [true in intervals(kinds[sample], 400).micro.f1 for sample in samples]
    # 95 % are due; three standard deviations of 400 tries are 3.3 points.
    assert 0.91 < np.mean(held) < 0.985


def test_the_seed_decides_and_blocks_of_draws_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = random_counts(3)
    whole = intervals(counts, 300)
    assert intervals(counts, 300) == whole
    assert intervals(counts, 300, seed=2) != whole
    monkeypatch.setattr("nertune.statistics.bootstrap._BLOCK", 1000)
    assert intervals(counts, 300) == whole


def test_counts_without_labels_are_as_those_of_one_label() -> None:
    counts = random_counts(4, n_labels=1)
    assert intervals(counts[:, :, 0]) == intervals(counts)
    assert intervals(counts).labels == (intervals(counts).micro,)


def test_where_all_is_right_the_interval_is_a_point() -> None:
    right = np.ones((20, 3, 2), dtype=np.int64)
    assert intervals(right, 50).macro.f1 == Interval(1, 1)


@pytest.mark.parametrize("n_labels", [0, 1, 2])
def test_where_nothing_is_to_find_the_interval_is_0(n_labels: int) -> None:
    found = intervals(np.zeros((5, 3, n_labels), dtype=np.int64), 50)
    assert found.micro.f1 == found.macro.recall == Interval(0, 0)


def test_a_label_that_does_not_occur_does_not_move_the_macro_mean() -> None:
    counts = random_counts(5, n_labels=2)
    wider = np.concatenate([counts, np.zeros((len(counts), 3, 1), dtype=np.int64)], axis=2)
    assert intervals(wider).macro == intervals(counts).macro
    assert intervals(wider).labels[2].f1 == Interval(0, 0)


def test_a_single_unit_has_no_spread() -> None:
    assert intervals(np.array([[1, 2, 2]]), 20).micro.precision == Interval(0.5, 0.5)


@pytest.mark.parametrize("shape", [(0, 3), (4,), (4, 2), (4, 3, 2, 1)])
def test_counts_of_another_shape_are_an_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="counts have the shape"):
        intervals(np.zeros(shape, dtype=np.int64))


@pytest.mark.parametrize(("n_resamples", "level"), [(0, 0.95), (10, 95.0), (10, 0.0)])
def test_settings_out_of_range_are_an_error(n_resamples: int, level: float) -> None:
    with pytest.raises(DataError, match="n_resamples is"):
        intervals(random_counts(1), n_resamples, level)


def test_the_summary_is_json() -> None:
    summary = json.loads(json.dumps(intervals(random_counts(1), 50).to_dict(["A", "B", "C"])))
    assert summary["level"] == 0.95
    assert (summary["n_units"], summary["n_resamples"]) == (300, 50)
    low, high = summary["labels"]["C"]["recall"]
    assert 0 < low < high < 1
