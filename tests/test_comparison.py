"""Paired tests against all swaps tried one by one, closed cases, and simulation."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest

from nertune.errors import DataError
from nertune.scoring import Ints
from nertune.statistics import Comparison, Interval, Measure, compare
from nertune.statistics.bootstrap import averages, fractions

MEASURES: tuple[Measure, ...] = ("f1", "precision", "recall", "macro_f1")


def two_systems(
    seed: int, n_units: int, better: float = 0.0, n_labels: int = 2
) -> tuple[Ints, Ints]:
    """Two systems on the same units; B finds `better` more of gold."""
    draw = np.random.default_rng(seed)
    gold = draw.integers(0, 3, (n_units, n_labels))
    sides = []
    for share in (0.7, 0.7 + better):
        correct = draw.binomial(gold, share)
        predicted = correct + draw.binomial(1, 0.2, gold.shape)
        sides.append(np.stack([correct, predicted, gold], axis=1))
    return sides[0], sides[1]


def measured(sums: Ints, measure: Measure) -> float:
    micro, macro, _ = averages(sums)
    place = {"precision": micro[0], "recall": micro[1], "f1": micro[2], "macro_f1": macro[2]}
    return float(place[measure])


def exact_p(a: Ints, b: Ints, measure: Measure) -> float:
    """The share of all 2 ** n_units swaps with a difference as large, either way."""
    real = abs(measured(b.sum(0), measure) - measured(a.sum(0), measure))
    as_large = 0
    for swaps in product((False, True), repeat=len(a)):
        swapped = np.array(swaps)[:, None, None]
        one, other = np.where(swapped, b, a).sum(0), np.where(swapped, a, b).sum(0)
        as_large += abs(measured(other, measure) - measured(one, measure)) >= real - 1e-12
    return as_large / 2 ** len(a)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("seed", range(3))
def test_p_is_that_of_all_swaps_tried_one_by_one(measure: Measure, seed: int) -> None:
    a, b = two_systems(seed, 9, 0.15)
    wanted, m = exact_p(a, b, measure), 9999
    found = compare(a, b, measure, m).p
    assert abs(found - wanted) < 4 * (wanted * (1 - wanted) / m) ** 0.5 + 1 / m


@pytest.mark.parametrize("n_units", [1, 4, 8])
def test_where_one_system_finds_what_the_other_misses_p_is_2_to_the_1_minus_n(n_units: int) -> None:
    # Only none swapped and all swapped differ as much.
    a = np.tile([0, 0, 1], (n_units, 1))
    b = np.tile([1, 1, 1], (n_units, 1))
    shared = np.tile([1, 1, 1], (50, 1))
    found = compare(np.concatenate([a, shared]), np.concatenate([b, shared]), n_resamples=9999)
    wanted = 2.0 ** (1 - n_units)
    assert found.p == pytest.approx(wanted, abs=4 * (wanted / 9999) ** 0.5)
    assert found.difference == pytest.approx(1 - fractions(np.array([50, 50, 50 + n_units]))[2])


def test_p_is_never_0() -> None:
    a, b = two_systems(1, 500, 0.25)
    assert compare(a, b, n_resamples=99).p == 1 / 100


def test_a_system_against_itself_shows_nothing() -> None:
    a, _ = two_systems(1, 100)
    found = compare(a, a)
    assert (found.p, found.difference, found.interval) == (1, 0, Interval(0, 0))
    assert not found.shown
    assert found.verdict("one", "two") == (
        "no difference shown between one and two (two minus one: 0.0 F1, "
        "95 % interval 0.0 to 0.0, p = 1)"
    )


def test_systems_whose_differences_cancel_show_nothing() -> None:
    a = np.array([[1, 1, 1], [0, 1, 1]] * 10)
    assert compare(a, a[::-1]).p == 1


def test_a_clear_difference_is_shown_and_turns_with_the_sides() -> None:
    a, b = two_systems(1, 800, 0.1)
    forth, back = compare(a, b), compare(b, a)
    assert forth.shown
    assert back.shown
    assert forth.difference == -back.difference > 0
    assert forth.difference in forth.interval
    assert forth.verdict("A", "B").startswith("B is better by ")
    assert back.verdict("B", "A").startswith("B is better by ")
    assert back.interval.low == pytest.approx(-forth.interval.high, abs=0.005)


def test_the_interval_is_paired() -> None:
    # Sentences are hard or easy for both: the difference varies less than the scores do.
    draw = np.random.default_rng(1)
    gold = draw.integers(1, 6, 400)
    correct = draw.integers(0, gold + 1)
    a = np.stack([correct, gold, gold], axis=1)
    more = np.minimum(correct + (draw.random(400) < 0.3), gold)
    b = np.stack([more, gold, gold], axis=1)
    interval = compare(a, b).interval
    assert 0 < interval.low < interval.high
    assert interval.high - interval.low < 0.03


def test_under_no_difference_small_p_is_as_rare_as_it_says() -> None:
    found = [compare(*two_systems(seed, 60), n_resamples=199) for seed in range(400)]
    small = np.mean([one.p <= 0.05 for one in found])
    # 5 % are due; three standard deviations of 400 tries are 3.3 points.
    assert 0.017 < small < 0.083
    assert np.mean([one.shown for one in found]) <= small


def test_the_interval_of_the_difference_holds_the_true_one_about_as_often_as_it_says() -> None:
    kinds = np.array(
        [[1, 1, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 1], [0, 1, 0, 0, 0, 0]]
    )
    chances = np.array([0.6, 0.2, 0.1, 0.1])
    means = chances @ kinds
    true = fractions(means[3:])[2] - fractions(means[:3])[2]
    draw, held = np.random.default_rng(1), []
    for _ in range(300):
        drawn = kinds[draw.choice(4, 200, p=chances)]
        held.append(true in compare(drawn[:, :3], drawn[:, 3:], n_resamples=299).interval)
    assert 0.90 < np.mean(held) < 0.99


def test_the_seed_decides_and_blocks_of_draws_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = two_systems(1, 200, 0.03)
    whole = compare(a, b, n_resamples=999)
    assert compare(a, b, n_resamples=999) == whole
    assert compare(a, b, n_resamples=999, seed=2) != whole
    monkeypatch.setattr("nertune.statistics.bootstrap._BLOCK", 1000)
    assert compare(a, b, n_resamples=999) == whole


@pytest.mark.parametrize(
    ("a", "b", "interval", "p", "words"),
    [
        (0.90, 0.907, (0.002, 0.012), 0.004,
         "B is better by 0.7 F1, 95 % interval 0.2 to 1.2, p = 0.004"),
        (0.907, 0.90, (-0.012, -0.002), 0.0001,
         "A is better by 0.7 F1, 95 % interval 0.2 to 1.2, p < 0.001"),
        (0.90, 0.9004, (0.0001, 0.0007), 0.0432,
         "B is better by 0.04 F1, 95 % interval 0.01 to 0.07, p = 0.043"),
        (0.90, 0.901, (-0.004, 0.006), 0.7,
         "no difference shown between A and B (B minus A: 0.1 F1, "
         "95 % interval -0.4 to 0.6, p = 0.7)"),
        # The test alone does not do, nor the interval alone.
        (0.90, 0.901, (-0.0001, 0.006), 0.04,
         "no difference shown between A and B (B minus A: 0.1 F1, "
         "95 % interval 0.0 to 0.6, p = 0.04)"),
        (0.90, 0.901, (0.001, 0.006), 0.06,
         "no difference shown between A and B (B minus A: 0.1 F1, "
         "95 % interval 0.1 to 0.6, p = 0.06; the interval leaves out 0, but p is not below 0.05)"),
    ],
)  # fmt: skip
def test_the_verdict_in_words(
    a: float, b: float, interval: tuple[float, float], p: float, words: str
) -> None:
    assert Comparison("f1", a, b, Interval(*interval), p, 0.95, 100, 9999).verdict() == words


def test_the_verdict_names_the_measure_and_the_level() -> None:
    found = Comparison("macro_f1", 0.5, 0.6, Interval(0.05, 0.15), 0.001, 0.9, 100, 9999)
    assert found.verdict("old", "new") == (
        "new is better by 10.0 macro F1, 90 % interval 5.0 to 15.0, p = 0.001"
    )


def test_the_summary_is_json() -> None:
    found = compare(*two_systems(1, 50), n_resamples=99)
    summary = json.loads(json.dumps(found.to_dict()))
    assert summary["difference"] == summary["b"] - summary["a"]
    assert summary["interval"] == [found.interval.low, found.interval.high]
    assert (summary["measure"], summary["n_units"]) == ("f1", 50)


def test_other_units_are_an_error() -> None:
    a, b = two_systems(1, 20)
    with pytest.raises(DataError, match="expected both systems on the same units"):
        compare(a, b[:-1])
    with pytest.raises(DataError, match="expected both systems on the same units"):
        compare(a, b[::-1])


def test_an_unknown_measure_is_an_error_that_names_the_known() -> None:
    a, b = two_systems(1, 20)
    with pytest.raises(DataError, match="'accuracy'; expected one of f1, precision"):
        compare(a, b, "accuracy")  # type: ignore[arg-type]
