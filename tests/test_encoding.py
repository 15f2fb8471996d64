"""Words to pieces and back: the tokenizer made fit for words, shapes, real words in windows."""

from __future__ import annotations

import json
import random
from functools import cache
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

import nertune
from nertune.config import WindowSettings
from nertune.documents import Document
from nertune.encoding import (
    NEVER,
    NO_PIECE,
    SHAPES,
    Encoder,
    normalise_tokenizer,
    special_pieces,
    stitch,
    word_shape,
)
from nertune.encoding import encoder as encoder_module
from nertune.errors import EncodingError
from nertune.splitting import split
from nertune.testing import FAMILIES, TEXT, FakeRuntime, Family, odd_texts, tiny_tokenizer

quick = settings(deadline=None, max_examples=60)
all_families = pytest.mark.parametrize("family", FAMILIES)
SAMPLES = Path(nertune.__file__).parent / "samples"
DROPPED = ("\u0007", "\u200b")

ODD_WORDS = sorted({word for text in odd_texts(2, 200) for word in text.split()}, key=len)[:400]
words = st.one_of(
    st.sampled_from(" ".join(TEXT).split()),
    st.sampled_from(ODD_WORDS),
    st.text(max_size=12).map(str.strip).filter(bool),
)


@cache
def raw(family: Family) -> Tokenizer:
    """A tokenizer as it is published."""
    return tiny_tokenizer(family)


@cache
def tokenizer(family: Family) -> Tokenizer:
    return normalise_tokenizer(raw(family))


def reference(family: Family) -> PreTrainedTokenizerFast:
    """transformers' own way to read words: independent of `normalise_tokenizer`."""
    own = tiny_tokenizer(family)
    own.no_truncation()
    own.no_padding()
    if family in ("roberta", "roberta-prefix", "modernbert"):
        own.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    return PreTrainedTokenizerFast(tokenizer_object=own)


# --- pieces ---


@all_families
def test_pieces_of_a_word_do_not_depend_on_how_many_words_are_new(family: Family) -> None:
    pool = [f"{word}{'x' * (i % 40)}{i}" for i, word in enumerate(" ".join(TEXT).split() * 40)]
    pool = [*pool[:300], *DROPPED, "[SEP]", "</s>", *pool[300:700], "\u200b\u200b"]
    settings = WindowSettings(pieces=16)
    document = Document.from_words(pool)
    together = Encoder(tokenizer(family), settings)
    one_by_one = Encoder(tokenizer(family), settings)
    for word in pool:
        one_by_one.encode([Document.from_words([word])])
    found, expected = together.encode([document]), one_by_one.encode([document])
    assert found.n_cut_pieces == expected.n_cut_pieces > 0
    for name in ("ids", "types", "window_starts", "word_piece", "word_sizes"):
        assert getattr(found, name).tolist() == getattr(expected, name).tolist()


@all_families
@quick
@given(sentence=st.lists(words, min_size=1, max_size=30))
def test_pieces_are_those_of_the_fast_tokenizer_of_transformers(
    family: Family, sentence: list[str]
) -> None:
    encoder = Encoder(tokenizer(family), WindowSettings(pieces=5000))
    encoded = encoder.encode([Document.from_words(sentence)])
    expected = reference(family)(sentence, is_split_into_words=True)
    assert encoded.ids.tolist() == expected["input_ids"]
    firsts = {word: i for i, word in reversed(list(enumerate(expected.word_ids())))}
    assert encoded.word_piece.tolist() == [firsts.get(i, NO_PIECE) for i in range(len(sentence))]


@all_families
def test_pieces_of_real_text_are_those_of_transformers(family: Family) -> None:
    lines = (SAMPLES / "train.jsonl").read_text(encoding="utf-8").splitlines()
    documents = [split(Document.from_text(json.loads(line)["text"])) for line in lines]
    encoder = Encoder(tokenizer(family), WindowSettings(pieces=100_000, sentences=1))
    encoder.encode(documents)  # from here on every word is in the table
    encoded = encoder.encode(documents)
    sentences = [
        document.words[start:end] for document in documents for start, end in document.sentences
    ]
    expected = reference(family)(sentences, is_split_into_words=True)["input_ids"]
    assert encoded.n_words > 9000
    assert encoded.ids.tolist() == list(chain.from_iterable(expected))


@all_families
@quick
@given(sentence=st.lists(words, min_size=1, max_size=30))
def test_windows_and_stitch_change_nothing_where_the_text_fits(
    family: Family, sentence: list[str]
) -> None:
    encoder = Encoder(tokenizer(family), WindowSettings(pieces=5000))
    encoded = encoder.encode([Document.from_words(sentence)])
    runtime = FakeRuntime(3)
    emissions = stitch(runtime.logits(encoder.pad(encoded, [0]))[0], encoded)
    whole = tokenizer(family).encode(sentence, is_pretokenized=True)
    logits = runtime._by_id(np.array(whole.ids))
    for word in range(len(sentence)):
        if word in whole.word_ids:
            assert emissions[word].tolist() == logits[whole.word_ids.index(word)].tolist()


@all_families
@quick
@given(
    sentences=st.lists(st.lists(words, min_size=1, max_size=40), min_size=1, max_size=4),
    pieces=st.integers(8, 80),
)
def test_real_words_keep_their_first_piece_however_short_the_window(
    family: Family, sentences: list[list[str]], pieces: int
) -> None:
    ends = np.cumsum([0, *map(len, sentences)]).tolist()
    flat = [word for sentence in sentences for word in sentence]
    document = Document.from_words(flat, sentences=list(pairwise(ends)))
    encoded = Encoder(tokenizer(family), WindowSettings(pieces=pieces)).encode([document])
    for word, place in zip(flat, encoded.word_piece.tolist(), strict=True):
        expected = tokenizer(family).encode([word], is_pretokenized=True, add_special_tokens=False)
        first = encoded.ids[place] if place != NO_PIECE else None
        assert first == (expected.ids[0] if expected.ids else None)
    assert encoded.window_lengths.max() <= pieces


def test_words_that_the_tokenizer_drops_have_no_piece_and_can_only_be_outside() -> None:
    sentence = ["Lisbon", DROPPED[0], "May", DROPPED[1]]
    encoder = Encoder(tokenizer("bert"), WindowSettings(pieces=16))
    encoded = encoder.encode([Document.from_words(sentence), Document.from_words(["\u0007"])])
    assert (encoded.word_piece == NO_PIECE).tolist() == [False, True, False, True, True]
    emissions = stitch(np.ones((len(encoded.ids), 2), np.float32), encoded, outside=1)
    assert emissions.tolist() == [[1, 1], [NEVER, 0], [1, 1], [NEVER, 0], [NEVER, 0]]


def test_a_word_longer_than_a_window_is_predicted_and_what_is_cut_is_counted() -> None:
    word = "z" * 50
    n_pieces = len(tokenizer("roberta").encode([word], is_pretokenized=True).ids) - 2
    encoder = Encoder(tokenizer("roberta"), WindowSettings(pieces=12))
    encoded = encoder.encode([Document.from_words(["a", word, "b"])])
    assert NO_PIECE not in encoded.word_piece
    assert encoded.n_cut_pieces == n_pieces - 10 > 0
    assert encoded.window_lengths.max() == 12


def test_no_documents_and_empty_documents_give_no_windows() -> None:
    encoder = Encoder(tokenizer("bert"), WindowSettings())
    for documents in ([], [Document.from_words([])] * 2):
        encoded = encoder.encode(documents)
        assert (encoded.n_windows, encoded.n_words, len(encoded.ids)) == (0, 0, 0)
        assert encoded.document_starts.tolist() == [0] * (len(documents) + 1)
        assert stitch(np.zeros((0, 3), np.float32), encoded).shape == (0, 3)


def test_pieces_of_a_word_are_the_same_when_it_comes_again() -> None:
    encoder = Encoder(tokenizer("roberta"), WindowSettings())
    document = Document.from_words(["won't", "pay", "O'Neill", "won't"])
    first = encoder.encode([document])
    encoder.encode([Document.from_words(["Bogotá"])])
    assert encoder.encode([document]).ids.tolist() == first.ids.tolist()


@pytest.mark.parametrize(
    "bound", ["_CACHED_WORDS", "_CACHED_PIECES", "_CACHED_CHARACTERS", "_CHARACTERS_AT_ONCE"]
)
def test_what_the_table_of_words_forgets_changes_nothing(
    bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(0)
    pool = [*" ".join(TEXT).split(), *ODD_WORDS, "z" * 100_000]
    runs = [[Document.from_words(draw.choices(pool, k=40))] for _ in range(60)]
    never = Encoder(tokenizer("roberta"), WindowSettings(pieces=16), shapes=True)
    expected = [never.encode(run) for run in runs]
    monkeypatch.setattr(encoder_module, bound, 100)
    often = Encoder(tokenizer("roberta"), WindowSettings(pieces=16), shapes=True)
    for run, right in zip(runs, expected, strict=True):
        found = often.encode(run)
        assert found.n_cut_pieces == right.n_cut_pieces
        for name in ("ids", "types", "window_starts", "word_piece", "word_sizes"):
            assert getattr(found, name).tolist() == getattr(right, name).tolist()


def test_the_table_keeps_what_was_learned_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_module, "_CACHED_WORDS", 100)
    encoder = Encoder(tokenizer("bert"), WindowSettings())
    encoder.encode([Document.from_words(["Lisbon", "Ada"])])
    for number in range(30):
        encoder.encode([Document.from_words([f"w{number}x{i}" for i in range(10)])])
        assert 2 <= len(encoder._rows) <= 110
    assert list(encoder._rows)[:2] == ["Lisbon", "Ada"]


def test_a_window_that_holds_special_pieces_only_is_refused() -> None:
    crowded = tiny_tokenizer()
    crowded.post_processor = processors.TemplateProcessing(
        single="[CLS] " * 4 + "$A" + " [SEP]" * 4,
        special_tokens=[(name, crowded.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    with pytest.raises(EncodingError, match="8 pieces leaves no room"):
        Encoder(normalise_tokenizer(crowded), WindowSettings(pieces=8))


# --- the tokenizer ---


@all_families
def test_normalised_tokenizer_neither_cuts_nor_pads(family: Family) -> None:
    published = tiny_tokenizer(family)
    published.enable_truncation(128)
    published.enable_padding(length=128)
    assert len(published.encode(["fox"] * 500, is_pretokenized=True).ids) == 128
    normalised = normalise_tokenizer(published)
    one = normalised.encode(["fox"], is_pretokenized=True, add_special_tokens=False).ids
    many = normalised.encode(["fox"] * 500, is_pretokenized=True).ids
    assert many[1:-1] == one * 500
    assert normalised.encode("fox").ids == [many[0], *one, many[-1]]
    assert published.truncation is not None, "the tokenizer given must stay as it was"


@quick
@given(sentence=st.lists(words, min_size=1, max_size=10))
def test_byte_level_words_are_written_as_after_a_space(sentence: list[str]) -> None:
    assume(all(raw("roberta").token_to_id(word) is None or len(word) == 1 for word in sentence))
    found = tokenizer("roberta").encode(sentence, is_pretokenized=True, add_special_tokens=False)
    expected = [
        piece
        for word in sentence
        for piece in raw("roberta").encode(f" {word}", add_special_tokens=False).ids
    ]
    assert found.ids == expected


@cache
def cut_first() -> Tokenizer:
    """Byte-level pieces of parts that a pattern has cut before, as in Llama's tokenizer."""
    plain = Tokenizer(models.BPE())
    pattern = Regex(r"'t|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+|\s+")
    plain.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(pattern, "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    plain.train_from_iterator(TEXT, trainer)
    return plain


@quick
@given(sentence=st.lists(words, min_size=1, max_size=10))
def test_a_word_cut_before_its_bytes_gets_one_space_not_one_a_part(sentence: list[str]) -> None:
    normalised = normalise_tokenizer(cut_first())
    expected = [piece for word in sentence for piece in cut_first().encode(f" {word}").ids]
    assert normalised.encode(sentence, is_pretokenized=True).ids == expected


@pytest.mark.parametrize(
    "tokenizer", [raw("bert"), raw("roberta"), cut_first()], ids=["bert", "roberta", "cut first"]
)
def test_normalising_twice_changes_nothing_more(tokenizer: Tokenizer) -> None:
    once = normalise_tokenizer(tokenizer)
    assert normalise_tokenizer(once).to_str() == once.to_str()


def test_special_pieces_are_those_around_a_text() -> None:
    for family, names in (("bert", ("[CLS]", "[SEP]")), ("roberta", ("<s>", "</s>"))):
        before, after = (raw(family).token_to_id(name) for name in names)
        assert special_pieces(tokenizer(family)) == ([before], [after])
    assert special_pieces(cut_first()) == ([], [])


# --- shapes and batches ---


@pytest.mark.parametrize(
    ("word", "shape"),
    [
        ("lisbon", "lower"),
        ("o'neill", "lower"),
        ("Lisbon", "capitalised"),
        ("O'neill", "capitalised"),
        ("Él", "capitalised"),
        ("UN", "capitals"),
        ("U.N.", "capitals"),
        ("A", "one capital"),
        ("J.", "one capital"),
        ("McDonald", "mixed"),
        ("iPhone", "mixed"),
        ("1999", "digits"),
        ("٣", "digits"),
        ("1,000.50", "number"),
        ("12%", "number"),
        ("G7", "letters and digits"),
        ("3rd", "letters and digits"),
        (",", "punctuation"),
        ("--", "punctuation"),
        ("東京", "unknown"),
        ("القاهرة", "unknown"),
    ],
)
def test_word_shape(word: str, shape: str) -> None:
    assert SHAPES[word_shape(word)] == shape


@given(words)
def test_every_word_has_a_shape(word: str) -> None:
    assert word_shape(word) in range(len(SHAPES))


@all_families
def test_every_piece_of_a_word_carries_its_shape(family: Family) -> None:
    sentence = ["Lovelace", "met", "1,000.50", "東京"]
    encoder = Encoder(tokenizer(family), WindowSettings(), shapes=True)
    encoded = encoder.encode([Document.from_words(sentence)])
    owners = tokenizer(family).encode(sentence, is_pretokenized=True).word_ids
    expected = [0 if owner is None else word_shape(sentence[owner]) for owner in owners]
    assert encoded.types.tolist() == expected
    assert len(set(expected)) == 4


def test_without_shapes_all_types_are_0() -> None:
    encoder = Encoder(tokenizer("bert"), WindowSettings())
    assert not encoder.encode([Document.from_words(["Lisbon", "1999"])]).types.any()


@pytest.mark.parametrize(("family", "name"), [("bert", "[PAD]"), ("roberta", "<pad>")])
def test_rows_are_filled_with_the_padding_piece(family: Family, name: str) -> None:
    encoder = Encoder(tokenizer(family), WindowSettings())
    assert encoder.pad_id == raw(family).token_to_id(name)
