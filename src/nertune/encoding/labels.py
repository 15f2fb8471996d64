"""Which tag each piece is trained on, and a table that shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nertune import schemes
from nertune.documents import Document
from nertune.encoding.arrays import NO_PIECE, Encoded, Ints
from nertune.encoding.encoder import Encoder
from nertune.encoding.tokenizer import SHAPES

IGNORED = -100
"""The label of a piece that does not count in the loss."""


def piece_labels(
    encoded: Encoded, tag_ids: Ints, tags: Sequence[str], all_of: schemes.Scheme | None = None
) -> Ints:
    """(n_pieces,): the tag id that each piece is trained on, IGNORED where it does not count.

    The first piece of a word carries the word's tag, in the one window that predicts the word. With
    `all_of`, the scheme of the tags, the word's other pieces carry the continued tag, which must be
    among `tags`.
    """
    labels = np.full(len(encoded.ids), IGNORED, np.int64)
    known = encoded.word_piece != NO_PIECE
    labels[encoded.word_piece[known]] = tag_ids[known]
    if all_of:
        inner = np.array([tags.index(schemes.continued(tag, all_of)) for tag in tags])
        for k in range(1, int(encoded.word_sizes.max(initial=0))):
            more = known & (encoded.word_sizes > k)
            labels[encoded.word_piece[more] + k] = inner[tag_ids[more]]
    return labels


@dataclass(frozen=True)
class AlignedPiece:
    """One piece of a window: the word it belongs to (None for a special piece) and its tags.

    `tag` is the word's; `first` and `all` are the tags the piece is trained on when only first
    pieces count and when all do, None where it does not count.
    """

    word: str | None
    piece: str
    shape: str
    tag: str | None
    first: str | None
    all: str | None


def align(
    document: Document, sentence: int, scheme: schemes.Scheme, encoder: Encoder
) -> list[AlignedPiece]:
    """How one sentence of a document lines up: words, pieces and tags, special pieces included.

    Raises IndexError where the document has no such sentence.
    """
    start, end = document.sentences[sentence]
    tags = document.tags_in(scheme)[start:end]
    alone = Document.from_words(document.words[start:end], tags)
    encoded = encoder.encode([alone])
    names = schemes.tag_set(schemes.labels_of(tags), scheme)
    ids = np.array([names.index(tag) for tag in tags], dtype=np.int64)
    first = piece_labels(encoded, ids, names)
    every = piece_labels(encoded, ids, names, scheme)
    owner = np.full(len(encoded.ids), NO_PIECE)
    for word, (place, size) in enumerate(zip(encoded.word_piece, encoded.word_sizes, strict=True)):
        if place != NO_PIECE:
            owner[place : place + size] = word
    return [
        AlignedPiece(
            alone.words[word] if word >= 0 else None,
            encoder.tokenizer.id_to_token(int(piece)) or "",
            SHAPES[shape] if word >= 0 else "",
            tags[word] if word >= 0 else None,
            names[one] if one != IGNORED else None,
            names[many] if many != IGNORED else None,
        )
        for piece, shape, word, one, many in zip(
            encoded.ids, encoded.types, owner, first, every, strict=True
        )
    ]
