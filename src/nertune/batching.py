"""Token-budget batches: a batch costs its longest member times its size."""

from __future__ import annotations

import numpy as np

from nertune.encoding import Ints


def plan(
    lengths: Ints, budget: int, seed: int | None = None, most_padding: int | None = None
) -> list[Ints]:
    """Batches of like length whose padded size stays within `budget` pieces.

    lengths: (n,), pieces of each window. A window longer than the budget gets a batch of its own.
    most_padding: how many pieces of a batch may be padding; none given: any number.
    Returns index arrays, longest batch first, that hold every window once. With a seed, windows of
    equal length are shuffled among each other and so are the batches; how many batches there are
    depends on the lengths alone, so that every epoch has the same number.
    """
    generator = None if seed is None else np.random.default_rng(seed)
    ties = np.arange(len(lengths)) if generator is None else generator.permutation(len(lengths))
    order = np.lexsort((ties, -lengths))
    sums = np.concatenate([[0], np.cumsum(lengths[order])])
    batches = []
    start = 0
    while start < len(order):
        longest = max(1, int(lengths[order[start]]))
        end = min(len(order), start + max(1, budget // longest))
        if most_padding is not None:
            # The padding of the first 1, 2, ... windows, which only grows.
            held = sums[start + 1 : end + 1] - sums[start]
            padding = longest * np.arange(1, end - start + 1) - held
            end = start + max(1, int(np.searchsorted(padding, most_padding, "right")))
        batches.append(order[start:end])
        start = end
    if generator is not None:
        batches = [batches[i] for i in generator.permutation(len(batches))]
    return batches
