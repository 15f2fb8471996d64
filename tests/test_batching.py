"""Batches within a budget of pieces."""

from __future__ import annotations

from itertools import chain, pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nertune.batching import plan

lengths = st.lists(st.integers(0, 60), max_size=60).map(lambda sizes: np.array(sizes, np.int64))
budgets = st.integers(1, 200)
seeds = st.none() | st.integers(0, 2**32)


def as_lists(batches: list[np.ndarray]) -> list[list[int]]:
    return [batch.tolist() for batch in batches]


@given(lengths, budgets, seeds)
def test_every_window_is_in_one_batch(sizes: np.ndarray, budget: int, seed: int | None) -> None:
    batches = as_lists(plan(sizes, budget, seed))
    assert sorted(chain.from_iterable(batches)) == list(range(len(sizes)))
    assert all(batches)


@given(lengths, budgets, seeds)
def test_padded_size_keeps_to_the_budget_unless_one_window_is_longer(
    sizes: np.ndarray, budget: int, seed: int | None
) -> None:
    for batch in plan(sizes, budget, seed):
        longest = int(sizes[batch].max())
        assert len(batch) * longest <= budget or len(batch) == 1


@given(lengths, budgets)
def test_batches_are_full(sizes: np.ndarray, budget: int) -> None:
    batches = plan(sizes, budget)
    for batch, following in pairwise(batches):
        longest = max(1, int(sizes[batch].max()))
        assert (len(batch) + 1) * longest > budget
        assert sizes[following].max() <= sizes[batch].min()


@given(lengths, budgets, st.integers(0, 1000), st.integers(0, 1000))
def test_a_seed_changes_the_order_but_not_the_number_or_sizes(
    sizes: np.ndarray, budget: int, one: int, other: int
) -> None:
    shapes = [
        sorted(sorted(sizes[batch].tolist()) for batch in plan(sizes, budget, seed))
        for seed in (None, one, other)
    ]
    assert shapes[0] == shapes[1] == shapes[2]


@given(lengths, budgets, seeds)
def test_the_same_seed_gives_the_same_batches(
    sizes: np.ndarray, budget: int, seed: int | None
) -> None:
    assert as_lists(plan(sizes, budget, seed)) == as_lists(plan(sizes, budget, seed))


def test_different_seeds_mix_windows_of_equal_length_differently() -> None:
    sizes = np.full(40, 8)
    plans = [as_lists(plan(sizes, 32, seed)) for seed in (None, 1, 2)]
    assert len({str(sorted(map(sorted, batches))) for batches in plans}) == 3


def test_without_a_seed_the_longest_come_first() -> None:
    sizes = np.array([3, 9, 5, 9, 1])
    assert as_lists(plan(sizes, 18)) == [[1, 3], [2, 0, 4]]


def test_no_windows_make_no_batches() -> None:
    assert plan(np.zeros(0, np.int64), 10) == []
    assert plan(np.zeros(0, np.int64), 10, seed=1) == []


@given(
    lengths=st.lists(st.integers(1, 200), max_size=60),
    budget=st.integers(1, 600),
    most=st.integers(0, 100),
)
def test_no_batch_holds_more_padding_than_allowed(lengths, budget, most):
    sizes = np.array(lengths, dtype=np.int64)
    batches = plan(sizes, budget, most_padding=most)
    assert sorted(i for batch in batches for i in batch.tolist()) == list(range(len(lengths)))
    for batch in batches:
        assert sizes[batch].max() * len(batch) - sizes[batch].sum() <= most
        assert len(batch) == 1 or sizes[batch].max() * len(batch) <= budget
