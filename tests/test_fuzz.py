"""Odd texts through every family of tokenizers: offsets, one tag a word, the right pieces."""

from __future__ import annotations

import time
import tracemalloc
import unicodedata
from functools import cache
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nertune import Document, Tagger, schemes
from nertune.bundle import TaggerSettings
from nertune.config import WindowSettings
from nertune.encoding import NO_PIECE, Encoder, normalise_tokenizer
from nertune.errors import DocumentError
from nertune.splitting import split
from nertune.testing import (
    FAMILIES,
    LONE_SURROGATES,
    FakeRuntime,
    Family,
    giant_texts,
    odd_texts,
    offset_faults,
    piece_faults,
    tiny_tokenizer,
    varied_logits,
)

N_TEXTS = 2000
all_families = pytest.mark.parametrize("family", FAMILIES)
few_families = pytest.mark.parametrize("family", ["bert", "roberta", "unigram"])

ODD_PARTS = sorted({part for text in odd_texts(1, 300) for part in text.split()}, key=len)[:600]
SPACES = (" ", "\n", "\t", "\u00a0", "\r\n", "\u2028", "\x1f", "")
shrinking_texts = st.lists(
    st.one_of(st.sampled_from(ODD_PARTS), st.sampled_from(SPACES), st.text(max_size=3)),
    max_size=25,
).map("".join)


@cache
def documents() -> list[Document]:
    """The odd texts, divided into words."""
    return [split(Document.from_text(text)) for text in odd_texts(0, N_TEXTS)]


@cache
def all_words() -> list[str]:
    return list(chain.from_iterable(document.words for document in documents()))


def tagger_of(family: Family, pieces: int = 48) -> Tagger:
    """A tagger without a network, whose short windows divide sentences and cut words."""
    tags = tuple(schemes.tag_set(["LOC", "PER"], schemes.SCHEMES["IOB2"]))
    window = WindowSettings(pieces=pieces, context=1)
    runtime = FakeRuntime(len(tags), varied_logits(len(tags)))
    chosen = TaggerSettings(tags=tags, scheme="IOB2", window=window)
    return Tagger(runtime, chosen, normalise_tokenizer(tiny_tokenizer(family)))


@cache
def shared_tagger(family: Family) -> Tagger:
    return tagger_of(family)


@cache
def tagged(family: Family) -> tuple[Tagger, list[Document]]:
    tagger = tagger_of(family)
    return tagger, list(tagger.tag(documents()))


# --- two thousand texts ---


def test_the_texts_hold_what_breaks_offsets() -> None:
    texts = list(odd_texts(0, N_TEXTS))
    assert texts == list(odd_texts(0, N_TEXTS)), "the same seed gives the same texts"
    assert len(set(texts)) > 0.9 * N_TEXTS
    characters = set("".join(texts))
    kinds = {unicodedata.category(char) for char in characters}
    assert kinds >= {"Cc", "Cf", "Cn", "Co", "Mc", "Me", "Mn", "Lo", "Lt", "Nd", "Nl", "Zs", "Zl"}
    assert characters >= set("\ufeff\u200b\u200c\u200d\u00a0\u202e\ufe0f\u2028\x00\t\r\n\x85")
    assert characters >= set("🏽東قกदि𝐋")
    together = "".join(all_words())
    assert together == "".join("".join(texts).split()), "no visible character is lost"


@all_families
def test_offsets_and_tags_of_odd_texts(family: Family) -> None:
    _, found = tagged(family)
    faults = [
        f"{document.text!a}: {fault}"
        for before, document in zip(documents(), found, strict=True)
        for fault in offset_faults(before.text, document)
    ]
    assert not faults, faults[:3]
    entities = [entity for document in found for entity in document.entities]
    assert len(entities) > 2500
    assert any(" " in entity.text for entity in entities)


@all_families
def test_words_without_pieces_get_o_and_are_counted(family: Family) -> None:
    tagger, found = tagged(family)
    encoded = tagger.encoder.encode(documents())
    tags = [tag for document in found for tag in document.tags or ()]
    assert len(tags) == encoded.n_words == len(all_words())
    lost = [
        tag for tag, place in zip(tags, encoded.word_piece, strict=True) if place == NO_PIECE
    ]
    assert set(lost) <= {"O"}
    assert bool(lost) == (family not in ("roberta", "roberta-prefix", "modernbert"))
    stats = tagger.stats
    assert (stats.documents, stats.words) == (N_TEXTS, len(tags))
    assert stats.words_without_pieces == len(lost) == stats.words - stats.predicted_words
    assert stats.cut_pieces == encoded.n_cut_pieces > 0
    assert (stats.windows, stats.pieces) == (encoded.n_windows, len(encoded.ids))


@all_families
def test_every_word_has_the_pieces_that_the_tokenizer_gives_it_alone(family: Family) -> None:
    encoder = tagged(family)[0].encoder
    faults = piece_faults(all_words(), encoder.encode(documents()), encoder)
    assert not faults, faults[:3]


@all_families
def test_plain_words_have_the_pieces_of_running_text(family: Family) -> None:
    published = tiny_tokenizer(family)
    published.no_truncation()
    published.no_padding()
    own = {token.content for token in published.get_added_tokens_decoder().values()}
    words = [
        word
        for word in dict.fromkeys(all_words())
        if is_plain(word) and not any(token in word for token in own)
    ]
    assert len(words) > 1000
    encoder = Encoder(normalise_tokenizer(published), WindowSettings(pieces=100_000))
    encoded = encoder.encode([Document.from_words(words)])
    inner = encoded.ids[len(encoder.before) : -len(encoder.after)].tolist()
    assert inner == published.encode(" " + " ".join(words), add_special_tokens=False).ids


def is_plain(word: str) -> bool:
    """Whether a word is the same in any surroundings: no marks, nothing invisible or composed."""
    visible = all(char.isalnum() or unicodedata.category(char)[0] == "P" for char in word)
    return visible and unicodedata.is_normalized("NFKC", word)


@all_families
def test_a_document_alone_gets_what_it_gets_among_others(family: Family) -> None:
    _, together = tagged(family)
    tagger = shared_tagger(family)
    for document in together[::19]:
        [alone] = tagger.tag([Document.from_text(document.text)])
        assert alone.tags == document.tags
        assert alone.label_spans == document.label_spans


# --- texts that shrink ---


@all_families
@settings(deadline=None, max_examples=40)
@given(several=st.lists(shrinking_texts, min_size=1, max_size=3))
def test_any_text_keeps_its_offsets(family: Family, several: list[str]) -> None:
    tagger = shared_tagger(family)
    found = list(tagger.tag(map(Document.from_text, several)))
    for text, document in zip(several, found, strict=True):
        assert offset_faults(text, document) == []
        [alone] = tagger.tag([Document.from_text(text)])
        assert alone.tags == document.tags


@pytest.mark.parametrize("text", LONE_SURROGATES)
def test_lone_surrogates_are_refused(text: str) -> None:
    with pytest.raises(DocumentError, match="lone surrogate"):
        shared_tagger("bert")(text)
    with pytest.raises(DocumentError, match="lone surrogate"):
        Document.from_words(["Ada", text])


# --- a megabyte without white space ---


@all_families
def test_a_giant_word_has_the_first_pieces_of_the_whole(family: Family) -> None:
    encoder = Encoder(normalise_tokenizer(tiny_tokenizer(family)), WindowSettings(pieces=16))
    for text in giant_texts(8_000).values():
        document = split(Document.from_text(text))
        encoded = encoder.encode([document])
        assert piece_faults(document.words, encoded, encoder) == []


@all_families
def test_the_pieces_cut_off_a_giant_word_are_estimated(family: Family) -> None:
    tokenizer = normalise_tokenizer(tiny_tokenizer(family))
    word = giant_texts(20_000)["letters at random"]
    whole = tokenizer.encode([word], is_pretokenized=True, add_special_tokens=False)
    encoder = Encoder(tokenizer, WindowSettings(pieces=16))
    encoded = encoder.encode([Document.from_words([word])])
    assert encoded.n_cut_pieces == pytest.approx(max(0, len(whole.ids) - encoder.room), rel=0.05)


@few_families
@pytest.mark.parametrize("kind", ["letters", "CJK", "emoji", "digits and punctuation"])
def test_a_megabyte_without_white_space_is_tagged_in_seconds(family: Family, kind: str) -> None:
    text = giant_texts(1_000_000)[kind]
    tagger = tagger_of(family, pieces=192)
    start = time.process_time()
    [document] = tagger.tag([Document.from_text(text)])
    assert time.process_time() - start < 20, "0.1 to 3 s where time is linear"
    assert offset_faults(text, document) == []


def test_giant_words_do_not_stay_in_memory() -> None:
    encoder = tagger_of("roberta").encoder
    tracemalloc.start()
    try:
        for number in range(20):
            encoder.encode([Document.from_words([f"{'z' * 1_000_000}{number}"])])
        encoder.encode([Document.from_words(["Lisbon"])])
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 8e6
