"""Forward and backward sums over many sentences at once (Rabiner 1989), in log space.

A sentence is a linear chain: a tag sequence weighs the sum of its emissions, and sequences that
the scheme forbids weigh nothing. Sentences of like length are padded to a block, so that a step of
the recursion is one matrix product for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nertune.encoding import Floats, Ints
from nertune.schemes import Transitions

Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_BLOCK = 1 << 18  # emissions in a block: some megabytes
_VANISHING = 1e-250


@dataclass(frozen=True)
class Block:
    """Sentences padded to the longest, with their forward and backward sums.

    sentences: (n,), which ones; lengths: (n,), in words. emissions, forward, backward:
    (n, n_words, n_tags); forward weighs all beginnings that end in a tag at a word, the word
    included, backward all endings that follow it, the word left out. total: (n,), the weight of all
    sequences. What stands beyond a sentence's end means nothing.
    """

    sentences: Ints
    lengths: Ints
    tables: Transitions
    emissions: Doubles
    forward: Doubles
    backward: Doubles
    total: Doubles

    def word_probabilities(self) -> Doubles:
        """(n, n_words, n_tags): how probable each tag is at each word."""
        return _share(self.forward + self.backward, self.total[:, None, None])

    def entity_probabilities(self, rows: Ints, spans: Ints, inside: Bools) -> Doubles:
        """(n_entities,): how probable it is that exactly this stretch is one entity.

        rows: (n_entities,), places in `sentences`. spans: (n_entities, 2), half-open, in words.
        inside: (n_entities, n_tags), the tags of the entity's label.
        """
        allowed, continues = self.tables.allowed, self.tables.continues
        starts, ends = spans.T
        before = log_dot(self.forward[rows, starts - 1], allowed & ~continues)
        paths = before + self.emissions[rows, starts]
        paths = np.where((starts == 0)[:, None], self.forward[rows, 0], paths)
        paths = np.where(inside, paths, -np.inf)
        for k in range(1, int((ends - starts).max(initial=0))):
            longer = np.flatnonzero(starts + k < ends)
            words = starts[longer] + k
            step = log_dot(paths[longer], allowed & continues)
            paths[longer] = step + self.emissions[rows[longer], words]
        at_end = ends == self.lengths[rows]
        following = np.minimum(ends, self.emissions.shape[1] - 1)
        after = log_dot(
            self.backward[rows, following] + self.emissions[rows, following],
            (allowed & ~continues).T,
        )
        after = np.where(at_end[:, None], self.backward[rows, ends - 1], after)
        return _share(log_sum(paths + after), self.total[rows])


def blocks(
    emissions: Floats,
    sentence_starts: Ints,
    sentences: Ints,
    tables: Transitions,
    temperature: float = 1.0,
) -> Iterator[Block]:
    """Some sentences, none of them empty, in blocks of like length.

    emissions: (n_words, n_tags) of all sentences, divided by `temperature` here.
    sentence_starts: (n_sentences + 1,), in words.
    """
    lengths = (sentence_starts[1:] - sentence_starts[:-1])[sentences]
    order = np.argsort(lengths, kind="stable")
    first = 0
    while first < len(order):
        # The longest of a block stands last; how many fit follows from the shortest ones first.
        ends = lengths[order[first:]] * np.arange(1, len(order) - first + 1) * emissions.shape[1]
        last = first + max(1, int(np.searchsorted(ends, _BLOCK, "right")))
        chosen = order[first:last]
        yield _block(
            (sentences[chosen], lengths[chosen]),
            _padded(emissions, sentence_starts[sentences[chosen]], lengths[chosen]) / temperature,
            tables,
        )
        first = last


def log_dot(weights: Doubles, allowed: Bools) -> Doubles:
    """log of (exp(weights) @ allowed), (n, n_tags), where nothing vanishes.

    Rows are shifted by their greatest weight; a sum that is nearly lost beside it is done again,
    shifted by the greatest of its own terms.
    """
    with np.errstate(divide="ignore"):
        top = np.maximum(weights.max(axis=-1, keepdims=True), -1e300)
        sums = np.exp(weights - top) @ allowed.astype(np.float64)
        result: Doubles = np.log(sums) + top
        rows, columns = np.nonzero(sums < _VANISHING)
        if len(rows):
            terms = np.where(allowed.T[columns], weights[rows], -np.inf)
            result[rows, columns] = log_sum(terms)
    return result


def log_sum(weights: Doubles) -> Doubles:
    """log of the sum of exp(weights) over the last axis."""
    with np.errstate(divide="ignore"):
        top = np.maximum(weights.max(axis=-1), -1e300)
        result: Doubles = np.log(np.exp(weights - top[..., None]).sum(axis=-1)) + top
    return result


def _share(weights: Doubles, total: Doubles) -> Doubles:
    """exp(weights - total); 0 where a tag list allows no sequence at all, and total is log(0)."""
    possible = np.where(np.isneginf(total), 0.0, total)
    result: Doubles = np.exp(np.minimum(weights - possible, 0.0))
    return result


def _padded(emissions: Floats, starts: Ints, lengths: Ints) -> Doubles:
    """(n, n_words, n_tags)."""
    columns = np.arange(lengths.max(initial=0))
    places = np.where(columns < lengths[:, None], starts[:, None] + columns, 0)
    result: Doubles = emissions[places].astype(np.float64)
    return result


def _block(chosen: tuple[Ints, Ints], emissions: Doubles, tables: Transitions) -> Block:
    sentences, lengths = chosen
    forward, backward = np.empty_like(emissions), np.empty_like(emissions)
    forward[:, 0] = emissions[:, 0] + np.where(tables.start, 0.0, -np.inf)
    for i in range(1, emissions.shape[1]):
        forward[:, i] = log_dot(forward[:, i - 1], tables.allowed) + emissions[:, i]
    ending = np.where(tables.end, 0.0, -np.inf)
    backward[:, -1] = ending
    for i in range(emissions.shape[1] - 2, -1, -1):
        step = log_dot(backward[:, i + 1] + emissions[:, i + 1], tables.allowed.T)
        backward[:, i] = np.where((lengths == i + 1)[:, None], ending, step)
    total = log_sum(forward[np.arange(len(lengths)), lengths - 1] + ending)
    return Block(sentences, lengths, tables, emissions, forward, backward, total)
