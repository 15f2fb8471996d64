"""The corpus on disk: what each word is trained on, however the text is divided into chunks."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from nertune import corpus as corpus_module
from nertune import schemes
from nertune.config import ReadSettings, WindowSettings
from nertune.corpus import Corpus, Source, training_corpus
from nertune.data import read
from nertune.encoding import IGNORED, Encoder, normalise_tokenizer
from nertune.testing import tiny_tokenizer

IOB2 = "Ann B-PER\nLee I-PER\nleft O\nRome B-LOC\n\nBob B-PER\nstayed O\n\n"
IOB1 = "Ann I-PER\nLee I-PER\nBob B-PER\nleft O\n\nRome I-LOC\n\n"
BROKEN = "in O\nRome I-LOC\nItaly I-LOC\n\n"
UNTAGGED = {"text": "Ann Lee left Rome.", "entities": [{"start": 0, "end": 7, "label": "PER"}]}
TEXTS = {
    "valid": (IOB2 * 40, {}),
    "with documents": (("-DOCSTART- O\n\n" + IOB2 * 5) * 8, {}),
    "broken here and there": ((IOB2 * 5 + BROKEN) * 8, {}),
    "another scheme": (IOB1 * 40, {}),
    "without tags": ((json.dumps(UNTAGGED) + "\n") * 40, {"format": "jsonl"}),
}


@pytest.fixture
def encoder() -> Encoder:
    return Encoder(normalise_tokenizer(tiny_tokenizer()), WindowSettings(pieces=40), shapes=True)


def built(folder: Path, name: str, encoder: Encoder, scheme: str = "IOB2") -> Corpus:
    text, given = TEXTS[name]
    path = folder / "text"
    path.write_text(text, encoding="utf-8")
    source = Source([str(path)], ReadSettings(**given), schemes.SCHEMES[scheme])
    return training_corpus(source, encoder, folder / "cache", rebuild=True)


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("scheme", ["IOB2", "IOBES"])
def test_every_word_is_trained_on_its_tag_in_the_scheme_asked_for(
    tmp_path: Path, encoder: Encoder, name: str, scheme: str
) -> None:
    corpus = built(tmp_path, name, encoder, scheme)
    found = [corpus.tags[label] for label in corpus.labels.tolist() if label != IGNORED]
    if name == "without tags":
        expected = {"IOB2": ["B-PER", "I-PER"], "IOBES": ["B-PER", "E-PER"]}[scheme]
        assert found == [*expected, "O", "O", "O"] * 40
        return
    documents = list(read(tmp_path / "text"))
    assert found == [tag for d in documents for tag in d.tags_in(schemes.SCHEMES[scheme])]
    assert corpus.facts.labels == Counter(e.label for d in documents for e in d.entities)
    assert corpus.facts.words == len(found) == corpus.window_words.sum()


@pytest.mark.parametrize("name", TEXTS)
def test_the_same_is_stored_whatever_the_chunks(
    tmp_path: Path, encoder: Encoder, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = built(tmp_path, name, encoder)
    kept = {field: np.array(getattr(whole, field)) for field in ("ids", "types", "labels")}
    monkeypatch.setattr(corpus_module, "_CHUNK_WORDS", 23)
    parts = built(tmp_path, name, encoder)
    assert all((getattr(parts, field) == array).all() for field, array in kept.items())
    assert parts.window_starts.tolist() == whole.window_starts.tolist()
    assert (parts.tags, parts.facts) == (whole.tags, whole.facts)
