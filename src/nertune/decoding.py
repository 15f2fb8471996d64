"""Emissions to tags to entities with scores: once, in numpy, for every runtime.

The sentence is a linear chain: the score of a tag sequence is the sum of its emissions, and
sequences that the scheme forbids have no probability. `best_tags` is the Viterbi path of that
chain. The score of an entity is its posterior: the summed probability of all allowed tag
sequences in which exactly this stretch of words is one entity with this label, so scores of rival
readings never add up to more than 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from nertune import posteriors, schemes
from nertune.encoding import NEVER, Floats, Ints
from nertune.posteriors import Doubles
from nertune.scoring.reading import entity_arrays


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
        starts = _first_words(len(tag_ids), sentence_starts)
        first, last, label = entity_arrays(tag_ids, self.tags, starts)
        owner = np.searchsorted(sentence_starts, first, "right") - 1
        spans = np.stack([first, last + 1], axis=1) - sentence_starts[owner][:, None]
        names = schemes.labels_of(self.tags)
        labels = np.array([schemes.split_tag(tag)[1] for tag in self.tags])
        of_label = np.array([labels == name for name in names]).reshape(-1, len(labels))
        found = np.empty(len(first))
        filled = np.unique(owner)
        for block in self._blocks(emissions, sentence_starts, filled):
            mine = np.flatnonzero(np.isin(owner, block.sentences))
            order = np.argsort(block.sentences)
            rows = order[np.searchsorted(block.sentences, owner[mine], sorter=order)]
            found[mine] = block.entity_probabilities(rows, spans[mine], of_label[label[mine]])
        edges = np.searchsorted(owner, np.arange(len(sentence_starts)))
        scores = found.tolist()
        return [scores[a:b] for a, b in pairwise(edges.tolist())]

    def word_probabilities(self, emissions: Floats, sentence_starts: Ints) -> Doubles:
        """(n_words, n_tags): how probable each tag is at each word, over allowed sequences."""
        found = np.zeros(emissions.shape)
        filled = np.flatnonzero(np.diff(sentence_starts))
        for block in self._blocks(emissions, sentence_starts, filled):
            columns = np.arange(block.emissions.shape[1])
            inside = columns < block.lengths[:, None]
            places = sentence_starts[block.sentences][:, None] + columns
            found[places[inside]] = block.word_probabilities()[inside]
        return found

    def _blocks(
        self, emissions: Floats, sentence_starts: Ints, sentences: Ints
    ) -> Iterator[posteriors.Block]:
        return posteriors.blocks(
            emissions, sentence_starts, sentences, self.tables, self.temperature
        )

    def _forbidden(self, tag_ids: Ints, sentence_starts: Ints) -> list[int]:
        """The sentences whose tags break the scheme."""
        if not len(tag_ids):
            return []
        starts = _first_words(len(tag_ids), sentence_starts)
        broken = np.flatnonzero(self.tables.broken(tag_ids, starts))
        return [int(i) for i in np.unique(np.searchsorted(sentence_starts, broken, "right") - 1)]


def _first_words(n_words: int, sentence_starts: Ints) -> npt.NDArray[np.bool_]:
    """(n_words,): True at the first word of each sentence; empty ones at the end have none."""
    starts = np.zeros(n_words, dtype=bool)
    starts[sentence_starts[sentence_starts < n_words]] = True
    return starts


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
