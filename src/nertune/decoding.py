"""Emissions to tags to entities with scores: once, in numpy, for every runtime.

The sentence is a linear chain: the score of a tag sequence is the sum of its emissions, and
sequences that the scheme forbids have no probability. `best_tags` is the Viterbi path of that
chain. The score of an entity is its posterior: the summed probability of all allowed tag
sequences in which exactly this stretch of words is one entity with this label (forward-backward,
Rabiner 1989), so scores of rival readings never add up to more than 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nertune import schemes
from nertune.encoding import NEVER, Floats, Ints

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Decoder:
    """Reads emissions for one list of tags.

    scheme None allows every sequence (plain argmax). temperature divides emissions before scores
    are computed; it never changes which tags win.
    """

    tags: tuple[str, ...]
    scheme: schemes.Scheme | None
    temperature: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "_tables", schemes.transitions(self.tags, self.scheme))

    @property
    def tables(self) -> schemes.Transitions:
        """Which tag may follow which."""
        tables: schemes.Transitions = object.__getattribute__(self, "_tables")
        return tables

    @property
    def outside(self) -> int:
        """The place of O, or of the first tag in a list without O."""
        return self.tags.index(schemes.OUTSIDE) if schemes.OUTSIDE in self.tags else 0

    def best_tags(self, emissions: Floats, sentence_starts: Ints) -> Ints:
        """The most probable allowed tags of every sentence: (n_words,) places in `tags`.

        emissions: (n_words, n_tags). sentence_starts: (n_sentences + 1,), in words. A sentence
        whose plain argmax is allowed already has its best path; only the others need Viterbi.
        """
        best = emissions.argmax(axis=1) if len(emissions) else np.zeros(0, np.int64)
        for sentence in self._forbidden(best, sentence_starts):
            start, end = sentence_starts[sentence], sentence_starts[sentence + 1]
            best[start:end] = viterbi(emissions[start:end], self.tables)
        return best

    def entity_scores(
        self, emissions: Floats, tag_ids: Ints, sentence_starts: Ints
    ) -> list[list[float]]:
        """For each sentence the posterior of each of its entities, in order.

        tag_ids: (n_words,), as `best_tags` gives them.
        """
        ends = sentence_starts[1:]
        in_entity = np.array([tag != schemes.OUTSIDE for tag in self.tags])[tag_ids]
        filled = np.unique(np.searchsorted(ends, np.flatnonzero(in_entity), "right"))
        scores: list[list[float]] = [[] for _ in ends]
        for sentence in filled.tolist():
            start, end = sentence_starts[sentence], sentence_starts[sentence + 1]
            scores[sentence] = self._posteriors(
                emissions[start:end].astype(np.float64) / self.temperature, tag_ids[start:end]
            )
        return scores

    def _forbidden(self, tag_ids: Ints, sentence_starts: Ints) -> list[int]:
        """The sentences whose tags break the scheme."""
        if not len(tag_ids):
            return []
        starts = np.zeros(len(tag_ids), dtype=bool)
        starts[sentence_starts[:-1]] = True
        broken = np.flatnonzero(self.tables.broken(tag_ids, starts))
        return [int(i) for i in np.unique(np.searchsorted(sentence_starts, broken, "right") - 1)]

    @np.errstate(divide="ignore")  # log(0): what is forbidden
    def _posteriors(self, emissions: Doubles, tag_ids: Ints) -> list[float]:
        tables = self.tables
        forward, backward = _forward(emissions, tables), _backward(emissions, tables)
        log_total = _log_sum(forward[-1] + np.where(tables.end, 0.0, -np.inf))
        labels = np.array([schemes.split_tag(tag)[1] for tag in self.tags])
        scores = []
        for start, end, label in schemes.decode([self.tags[i] for i in tag_ids]):
            paths = np.where(labels == label, _into(forward, emissions, tables, start), -np.inf)
            for i in range(start + 1, end):
                paths = _log_dot(paths, tables.allowed & tables.continues) + emissions[i]
            score = _log_sum(paths + _out_of(backward, emissions, tables, end))
            # A tag list that allows no sequence at all gives no reading any probability.
            scores.append(0.0 if score == -np.inf else float(np.exp(min(0.0, score - log_total))))
        return scores


def viterbi(emissions: Floats, tables: schemes.Transitions) -> Ints:
    """The best allowed path through (n_words, n_tags) emissions.

    A forbidden step costs 10 000, so that a tag list which allows no path at all (one without O)
    still gets the least bad one.
    """
    steps = np.where(tables.allowed, 0.0, NEVER)
    emissions = emissions.astype(np.float64)  # single precision would lose digits in long sentences
    best = emissions[0] + np.where(tables.start, 0.0, NEVER)
    origins = np.zeros(emissions.shape, dtype=np.int64)
    for i in range(1, len(emissions)):
        paths = best[:, None] + steps
        origins[i] = paths.argmax(axis=0)
        best = paths.max(axis=0) + emissions[i]
    best = best + np.where(tables.end, 0.0, NEVER)
    path = np.empty(len(emissions), dtype=np.int64)
    path[-1] = best.argmax()
    for i in range(len(emissions) - 1, 0, -1):
        path[i - 1] = origins[i, path[i]]
    return path


def log_softmax(emissions: npt.NDArray[np.floating]) -> Doubles:
    """Log probabilities over the last axis, in double precision."""
    shifted = emissions.astype(np.float64) - emissions.max(axis=-1, keepdims=True)
    result: Doubles = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


def cross_entropy(emissions: Floats, gold: Sequence[int] | Ints) -> float:
    """The summed negative log probability of the gold tags: the training loss times the words."""
    if not len(emissions):
        return 0.0
    return float(-log_softmax(emissions)[np.arange(len(emissions)), gold].sum())


def _forward(emissions: Doubles, tables: schemes.Transitions) -> Doubles:
    """(n_words, n_tags): log weight of all beginnings that end in a tag at a word, it included."""
    forward = np.empty_like(emissions)
    forward[0] = emissions[0] + np.where(tables.start, 0.0, -np.inf)
    for i in range(1, len(emissions)):
        forward[i] = _log_dot(forward[i - 1], tables.allowed) + emissions[i]
    return forward


def _backward(emissions: Doubles, tables: schemes.Transitions) -> Doubles:
    """(n_words, n_tags): log weight of all endings that follow a tag at a word, it left out."""
    backward = np.empty_like(emissions)
    backward[-1] = np.where(tables.end, 0.0, -np.inf)
    for i in range(len(emissions) - 2, -1, -1):
        backward[i] = _log_dot(backward[i + 1] + emissions[i + 1], tables.allowed.T)
    return backward


def _into(
    forward: Doubles, emissions: Doubles, tables: schemes.Transitions, start: int
) -> Doubles:
    """(n_tags,): log weight of all beginnings after which a tag at word `start` opens an entity."""
    paths: Doubles = forward[0]
    if start > 0:
        opens = tables.allowed & ~tables.continues
        paths = _log_dot(forward[start - 1], opens) + emissions[start]
    return paths


def _out_of(
    backward: Doubles, emissions: Doubles, tables: schemes.Transitions, end: int
) -> Doubles:
    """(n_tags,): log weight of all endings in which a tag at word `end - 1` ends its entity."""
    paths: Doubles = backward[-1]
    if end < len(emissions):
        closes = tables.allowed & ~tables.continues
        paths = _log_dot(backward[end] + emissions[end], closes.T)
    return paths


def _log_dot(weights: Doubles, allowed: npt.NDArray[np.bool_]) -> Doubles:
    """log of (exp(weights) @ allowed), shifted column by column so that nothing vanishes."""
    paths = np.where(allowed, weights[:, None], -np.inf)
    top = np.maximum(paths.max(axis=0), -1e300)
    result: Doubles = np.log(np.exp(paths - top).sum(axis=0)) + top
    return result


def _log_sum(weights: Doubles) -> float:
    if not len(weights) or np.isneginf(weights.max()):
        return -np.inf
    top = weights.max()
    return float(np.log(np.exp(weights - top).sum()) + top)
