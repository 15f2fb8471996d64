"""Which tag each piece is trained on."""

from __future__ import annotations

import numpy as np
import pytest

from nertune import schemes
from nertune.config import WindowSettings
from nertune.documents import Document
from nertune.encoding import (
    IGNORED,
    NO_PIECE,
    SHAPES,
    Encoder,
    align,
    normalise_tokenizer,
    piece_labels,
    word_shape,
)
from nertune.testing import TEXT, tiny_tokenizer

WORDS = ["Presidente", "Lovelace", "visited", "\u0007", "Málaga"]
TAGS = ["B-PER", "I-PER", "O", "O", "B-LOC"]
NAMES = schemes.tag_set(["LOC", "PER"], schemes.SCHEMES["IOB2"])
IDS = np.array([NAMES.index(tag) for tag in TAGS])


def encoder(pieces: int = 64, shapes: bool = False) -> Encoder:
    return Encoder(normalise_tokenizer(tiny_tokenizer()), WindowSettings(pieces=pieces), shapes)


def owners(words: list[str]) -> list[int | None]:
    """The word of each piece, as the tokenizer itself says."""
    tokenizer = normalise_tokenizer(tiny_tokenizer())
    return tokenizer.encode(words, is_pretokenized=True).word_ids


def test_first_pieces_carry_the_tag_and_nothing_else_does() -> None:
    labels = piece_labels(encoder().encode([Document.from_words(WORDS)]), IDS, NAMES)
    of = owners(WORDS)
    expected = [
        IGNORED if word is None or of.index(word) != i else IDS[word] for i, word in enumerate(of)
    ]
    assert labels.tolist() == expected
    assert len(of) > len(WORDS) + 2, "some word must have several pieces"


def test_all_pieces_carry_the_tag_and_begin_is_continued_as_inside() -> None:
    iob2 = schemes.SCHEMES["IOB2"]
    labels = piece_labels(encoder().encode([Document.from_words(WORDS)]), IDS, NAMES, iob2)
    of = owners(WORDS)
    expected = []
    for i, word in enumerate(of):
        if word is None:
            expected.append("ignored")
        elif of.index(word) == i:
            expected.append(TAGS[word])
        else:
            expected.append(TAGS[word].replace("B-", "I-"))
    assert ["ignored" if i == IGNORED else NAMES[i] for i in labels] == expected
    assert "I-LOC" in expected


@pytest.mark.parametrize("name", list(schemes.SCHEMES))
def test_a_word_of_many_pieces_goes_on_inside_the_entity_in_every_scheme(name: str) -> None:
    scheme = schemes.SCHEMES[name]
    document = Document.from_words(["Presidente"], entities=[(0, 1, "PER")])
    tags = document.tags_in(scheme)
    names = schemes.tag_set(["PER"], scheme)
    labels = piece_labels(
        encoder().encode([document]), np.array([names.index(tags[0])]), names, scheme
    )
    first, *others = [names[i] for i in labels if i != IGNORED]
    assert first == tags[0]
    assert others
    inner = schemes.encode([(0, 3, "PER")], 3, scheme)[1]
    assert set(others) == {inner}


@pytest.mark.parametrize("pieces", [8, 9, 13, 30])
def test_each_word_counts_in_the_loss_once_however_short_the_window(pieces: int) -> None:
    words = " ".join(TEXT).split()
    short = encoder(pieces)
    encoded = short.encode([Document.from_words(words)])
    names = [f"I-{i}" for i in range(len(words))]
    ids = np.arange(len(words))
    labels = piece_labels(encoded, ids, names)
    assert sorted(labels[labels != IGNORED]) == list(range(len(words)))
    every = piece_labels(encoded, ids, names, schemes.SCHEMES["IO"])
    counted = np.bincount(every[every != IGNORED], minlength=len(words))
    assert counted.tolist() == encoded.word_sizes.tolist()
    assert encoded.n_windows > 3


def test_context_is_not_trained_on() -> None:
    window = WindowSettings(pieces=40, sentences=1, context=1)
    with_context = Encoder(normalise_tokenizer(tiny_tokenizer()), window)
    document = Document.from_words(["fox", "dog", "May"], sentences=[(0, 1), (1, 2), (2, 3)])
    encoded = with_context.encode([document])
    labels = piece_labels(encoded, np.array([0, 1, 2]), ["O", "B-X", "I-X"])
    windows = np.split(labels, encoded.window_starts[1:-1])
    assert [[i for i in window.tolist() if i != IGNORED] for window in windows] == [[0], [1], [2]]
    assert [len(window) for window in windows] == [5, 7, 5]


def test_align_shows_every_piece_of_a_sentence_with_its_word_and_tags() -> None:
    document = Document.from_words(
        ["Hola", ".", *WORDS[:3], *WORDS[4:]],
        ["O", "O", *TAGS[:3], *TAGS[4:]],
        sentences=[(0, 2), (2, 6)],
    )
    own = encoder(shapes=True)
    rows = align(document, 1, schemes.SCHEMES["IOB2"], own)
    words, tags = document.words[2:], ["B-PER", "I-PER", "O", "B-LOC"]
    of = owners(words)
    encoding = own.tokenizer.encode(words, is_pretokenized=True)
    assert [row.piece for row in rows] == encoding.tokens
    assert [row.word for row in rows] == [None if w is None else words[w] for w in of]
    assert [row.tag for row in rows] == [None if w is None else tags[w] for w in of]
    assert [row.shape for row in rows] == [
        "" if w is None else SHAPES[word_shape(words[w])] for w in of
    ]
    firsts = [w is not None and of.index(w) == i for i, w in enumerate(of)]
    assert [row.first for row in rows] == [
        tags[w] if first else None for first, w in zip(firsts, of, strict=True)
    ]
    assert [row.all for row in rows] == [
        None if w is None else tags[w] if first else tags[w].replace("B-", "I-")
        for first, w in zip(firsts, of, strict=True)
    ]
    assert rows[0].piece == "[CLS]"
    assert rows[0].all is rows[-1].all is None


def test_align_writes_the_tags_of_the_scheme_asked_for() -> None:
    document = Document.from_words(["Ada", "Lovelace"], ["I-PER", "I-PER"])
    rows = align(document, 0, schemes.SCHEMES["IOBES"], encoder())
    assert [row.first for row in rows if row.first] == ["B-PER", "E-PER"]


def test_align_of_a_sentence_that_is_not_there_is_an_index_error() -> None:
    with pytest.raises(IndexError):
        align(Document.from_words(["fox"]), 1, schemes.SCHEMES["IOB2"], encoder())


def test_a_word_without_pieces_has_no_label() -> None:
    encoded = encoder().encode([Document.from_words(WORDS)])
    assert encoded.word_piece[3] == NO_PIECE
    labels = piece_labels(encoded, np.array([1, 1, 1, 2, 1]), NAMES)
    assert 2 not in labels
