"""Promise 1: every word is predicted, whatever the length of the text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from nertune import Document, Tagger, schemes
from nertune.bundle import MINILM, TaggerSettings, encoder_source, read_tokenizer
from nertune.config import WindowSettings
from nertune.testing import TEXT, FakeRuntime, tiny_bundle

N_WORDS = 500
PLACES = (0, 1, 120, 127, 128, 129, 250, 400, N_WORDS - 1)
TAGS = tuple(schemes.tag_set(["LOC"], schemes.SCHEMES["IOB2"]))


@pytest.fixture(scope="module")
def minilm() -> Path:
    return Path(encoder_source(MINILM))


def finds_lisbon(tokenizer: Tokenizer, pieces: int) -> Tagger:
    """A tagger that marks every `Lisbon` whose first piece it is shown."""
    [piece] = tokenizer.encode("Lisbon", add_special_tokens=False).ids

    def script(ids: Any) -> Any:
        return np.eye(3, dtype=np.float32)[(ids == piece).astype(int)] * 20

    settings = TaggerSettings(
        tags=TAGS, scheme="IOB2", window=WindowSettings(pieces=pieces)
    )
    return Tagger(FakeRuntime(len(TAGS), script), settings, tokenizer)


def test_the_published_tokenizer_would_cut(minilm: Path) -> None:
    published = Tokenizer.from_file(str(minilm / "tokenizer.json"))
    assert len(published.encode(["fox"] * N_WORDS, is_pretokenized=True).ids) == 128


@pytest.mark.parametrize("pieces", [8, 128, 192, 512])
def test_a_sentence_of_500_words_keeps_every_entity(minilm: Path, pieces: int) -> None:
    tagger = finds_lisbon(read_tokenizer(minilm), pieces)
    words = ["Lisbon" if i in PLACES else "unquestionably" for i in range(N_WORDS)]
    text = " ".join(words)
    starts = [len(" ".join(words[:i])) + (i > 0) for i in PLACES]
    found = tagger(text)
    # Neighbours are two entities: each begins with B-.
    assert [(e.start, e.end, e.text) for e in found] == [(s, s + 6, "Lisbon") for s in starts]
    assert (tagger.stats.words, tagger.stats.predicted_words) == (N_WORDS, N_WORDS)
    assert tagger.stats.cut_pieces == tagger.stats.words_without_pieces == 0


def test_a_sentence_of_nothing_but_entities_keeps_them_all(minilm: Path) -> None:
    tagger = finds_lisbon(read_tokenizer(minilm), 192)
    [document] = tagger.tag([Document.from_words(["Lisbon"] * N_WORDS)])
    assert len(document.entities) == N_WORDS
    assert document.tags == ("B-LOC",) * N_WORDS


@pytest.mark.parametrize("family", ["bert", "roberta", "modernbert", "unigram"])
def test_a_network_tags_every_word_of_a_long_sentence(tmp_path: Path, family: str) -> None:
    words = (" ".join(TEXT).split() * 10)[:N_WORDS]
    tagger = Tagger.load(tiny_bundle(tmp_path / "b", family), device="cpu")
    [document] = tagger.tag([Document.from_words(words)])
    assert document.words == words
    assert document.tags is not None
    assert len(document.tags) == N_WORDS
    assert tagger.stats.predicted_words == N_WORDS
    # A random network tags something everywhere, beyond piece 128 too.
    length = document.word_spans[-1][1]
    assert {10 * e.start // length for e in document.entities} == set(range(10))


def test_every_word_of_many_documents_of_any_length_is_counted(minilm: Path) -> None:
    tagger = finds_lisbon(read_tokenizer(minilm), 64)
    lengths = [0, 1, 62, 63, 64, 300, 2]
    documents = [Document.from_words(["Lisbon"] * n) for n in lengths]
    assert [len(d.entities) for d in tagger.tag(documents)] == lengths
    assert tagger.stats.predicted_words == sum(lengths)
