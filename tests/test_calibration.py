"""Calibration and thresholds against plain loops and scikit-learn."""

from __future__ import annotations

import json

import numpy as np
import pytest
import sklearn.calibration
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from nertune.errors import DataError
from nertune.scoring import Counts
from nertune.statistics import reliability, thresholds

many = settings(deadline=None, max_examples=150)

entities = st.lists(
    st.tuples(
        st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.1, 0.3, 0.7, 1.0])), st.booleans()
    ),
    max_size=40,
).map(lambda rows: (np.array([s for s, _ in rows], float), np.array([r for _, r in rows], bool)))

Entities = tuple[np.ndarray, np.ndarray]


@many
@given(entities, st.sampled_from([1, 3, 10, 15]))
def test_bins_and_error_are_those_of_a_plain_loop(rows: Entities, n_bins: int) -> None:
    scores, is_right = rows
    table = reliability(scores, is_right, n_bins)
    error = 0.0
    for i in range(n_bins):
        low, high = table.edges[i], table.edges[i + 1]
        inside = (scores > low) & (scores <= high) | (scores == 0) * (i == 0)
        assert table.n[i] == inside.sum()
        if inside.any():
            assert table.mean_score[i] == pytest.approx(scores[inside].mean())
            assert table.share_right[i] == pytest.approx(is_right[inside].mean())
            error += inside.mean() * abs(scores[inside].mean() - is_right[inside].mean())
        else:
            assert np.isnan(table.mean_score[i])
            assert np.isnan(table.share_right[i])
    assert table.n.sum() == len(scores)
    assert table.error == pytest.approx(error)


def test_the_table_is_that_of_scikit_learn() -> None:
    draw = np.random.default_rng(1)
    scores = draw.random(500)
    is_right = draw.random(500) < scores
    table = reliability(scores, is_right, 10)
    share, mean = sklearn.calibration.calibration_curve(is_right, scores, n_bins=10)
    assert table.share_right == pytest.approx(share)
    assert table.mean_score == pytest.approx(mean)


def test_scores_that_say_what_they_are_have_a_small_error_and_sure_ones_a_large_one() -> None:
    draw = np.random.default_rng(1)
    scores = draw.random(20_000)
    is_right = draw.random(20_000) < scores
    assert reliability(scores, is_right).error < 0.02
    # All sure, half of them right.
    assert reliability(np.ones(100), np.arange(100) % 2 == 0).error == pytest.approx(0.5)


def test_an_example_by_hand() -> None:
    table = reliability(np.array([0.9, 0.8, 0.2, 1.0]), np.array([True, False, False, True]), 2)
    assert table.edges.tolist() == [0, 0.5, 1]
    assert table.n.tolist() == [1, 3]
    assert table.mean_score.tolist() == pytest.approx([0.2, 0.9])
    assert table.share_right.tolist() == pytest.approx([0, 2 / 3])
    assert table.error == pytest.approx(0.25 * 0.2 + 0.75 * (0.9 - 2 / 3))


def test_without_entities_the_error_is_0_and_the_table_is_json() -> None:
    table = reliability(np.zeros(0), np.zeros(0, bool), 2)
    assert table.error == 0
    summary = json.loads(json.dumps(table.to_dict()))
    assert summary["bins"][0] == {
        "above": 0, "up_to": 0.5, "n": 0, "mean_score": None, "share_right": None,
    }  # fmt: skip


def test_a_sum_of_probabilities_that_rounds_to_more_than_1_is_1() -> None:
    table = reliability(np.array([1 + 1e-7, -1e-9]), np.array([True, False]), 2)
    assert table.mean_score.tolist() == [0, 1]


# --- thresholds ---


@many
@given(entities, st.integers(0, 5))
def test_thresholds_keep_what_scores_at_least_as_much(rows: Entities, n_missed: int) -> None:
    scores, is_right = rows
    n_gold = int(is_right.sum()) + n_missed
    for row in thresholds(scores, is_right, n_gold):
        kept = scores >= row.threshold
        assert row.counts == Counts(int((kept & is_right).sum()), int(kept.sum()), n_gold)


def test_precision_and_recall_are_those_of_scikit_learn() -> None:
    draw = np.random.default_rng(1)
    scores, is_right = np.round(draw.random(300), 2), draw.random(300) < 0.6
    precision, recall, at = sklearn.metrics.precision_recall_curve(is_right, scores)
    rows = thresholds(scores, is_right, int(is_right.sum()), at.tolist())
    assert [row.counts.precision for row in rows] == pytest.approx(precision[:-1])
    assert [row.counts.recall for row in rows] == pytest.approx(recall[:-1])


def test_the_first_threshold_keeps_all_and_rows_are_json() -> None:
    rows = thresholds(np.array([0.5, 0.99]), np.array([False, True]), 2)
    assert rows[0].counts == Counts(1, 2, 2)
    assert rows[-1].counts == Counts(1, 1, 2)
    assert json.loads(json.dumps(rows[-1].to_dict())) == {
        "threshold": 0.99, "predicted": 1, "precision": 1, "recall": 0.5, "f1": 2 / 3, "support": 2,
    }  # fmt: skip


@pytest.mark.parametrize("score", [1.5, -0.1, float("nan")])
def test_a_score_that_is_no_probability_is_an_error(score: float) -> None:
    with pytest.raises(DataError, match="expected probabilities"):
        reliability(np.array([score]), np.array([True]))


def test_arrays_that_do_not_fit_are_an_error() -> None:
    with pytest.raises(DataError, match=r"the shape \(2,\) and is_right \(1,\)"):
        thresholds(np.zeros(2), np.zeros(1, bool), 1)


def test_no_bin_is_an_error() -> None:
    with pytest.raises(DataError, match="n_bins is 0"):
        reliability(np.zeros(1), np.zeros(1, bool), 0)


def test_fewer_gold_entities_than_right_ones_are_an_error() -> None:
    with pytest.raises(DataError, match="n_gold is 1"):
        thresholds(np.ones(2), np.ones(2, bool), 1)


def test_right_and_wrong_as_numbers_are_refused():
    with pytest.raises(DataError, match="is_right holds int64; expected True and False"):
        thresholds(np.array([0.9, 0.1]), np.array([1, 0]), 2)
