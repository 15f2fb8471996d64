"""Encoded documents in flat arrays, and logits back to emissions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

NO_PIECE = -1
"""Stands in `Encoded.word_piece` for a word of which the tokenizer leaves nothing."""

NEVER = np.float32(-1e4)
"""The emission of a tag that a word cannot have."""


class Windows(Protocol):
    """Windows one after another: what a batch is cut from."""

    @property
    def ids(self) -> npt.NDArray[np.int32]:
        """(n_pieces,)."""

    @property
    def types(self) -> npt.NDArray[np.uint8]:
        """(n_pieces,)."""

    @property
    def window_starts(self) -> Ints:
        """(n_windows + 1,)."""


@dataclass(frozen=True)
class Encoded:
    """Documents as windows of pieces, in flat arrays.

    ids, types: (n_pieces,), all windows one after another; `types` holds the word shapes (0 where
    the model has none). window_starts: (n_windows + 1,). word_piece: (n_words,), where in `ids`
    the first piece of each word stands, in the window that predicts the word, or NO_PIECE.
    word_sizes: (n_words,), how many pieces the word has there. sentence_starts: (n_sentences + 1,)
    and document_starts: (n_documents + 1,), in words. n_cut_pieces: pieces left out of single words
    longer than a whole window (the word is predicted all the same); of giant words an estimate.
    """

    ids: npt.NDArray[np.int32]
    types: npt.NDArray[np.uint8]
    window_starts: Ints
    word_piece: Ints
    word_sizes: Ints
    sentence_starts: Ints
    document_starts: Ints
    n_cut_pieces: int = 0

    @property
    def n_windows(self) -> int:
        """How many windows there are."""
        return len(self.window_starts) - 1

    @property
    def n_words(self) -> int:
        """How many words there are, each of them predicted once."""
        return len(self.word_piece)

    @property
    def window_lengths(self) -> Ints:
        """(n_windows,), pieces of each window, special ones included."""
        return np.diff(self.window_starts)


def stitch(logits: Floats, encoded: Encoded, outside: int = 0) -> Floats:
    """Emissions from the logits of all pieces: the logits of each word's first piece.

    logits: (n_pieces, n_tags), in the order of `encoded.ids`. Returns (n_words, n_tags). A word
    without a piece can only be `outside`, the place of O among the tags.
    """
    emissions = logits[np.maximum(encoded.word_piece, 0)] if len(logits) else logits
    lost = encoded.word_piece == NO_PIECE
    if lost.any():
        if not len(logits):
            emissions = np.empty((encoded.n_words, logits.shape[1]), np.float32)
        emissions[lost] = NEVER
        emissions[lost, outside] = 0
    return emissions


def starts_of(sizes: Sequence[int] | Ints) -> Ints:
    """Where each of several stretches begins, and where the last ends: (n + 1,)."""
    return np.concatenate([[0], np.cumsum(np.asarray(sizes, dtype=np.int64))]).astype(np.int64)


def ranges_of(starts: Ints, sizes: Ints) -> Ints:
    """The numbers `start .. start + size` of all stretches, one after another."""
    ends = np.cumsum(sizes)
    total = int(ends[-1]) if len(ends) else 0
    places: Ints = np.arange(total) + np.repeat(starts - (ends - sizes), sizes)
    return places
