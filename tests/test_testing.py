"""What others test with: families that behave as published, texts, checks that find faults."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

import nertune.testing
from nertune import Document, Entity, Tagger
from nertune.bundle import load_bundle, position_limit
from nertune.config import ModelSettings, WindowSettings
from nertune.encoding import Batch, Encoder, normalise_tokenizer
from nertune.errors import BundleError, NertuneError, RecipeError
from nertune.model import new_model, new_tokenizer
from nertune.testing import (
    FAMILIES,
    TEXT,
    FakeRuntime,
    Family,
    offset_faults,
    piece_faults,
    tiny_bundle,
    tiny_encoder,
    tiny_tokenizer,
    varied_logits,
)

all_families = pytest.mark.parametrize("family", FAMILIES)
WITHOUT_TYPES = ("distilbert", "modernbert", "deberta")
MODEL_TYPES = {
    "bert-cased": "bert",
    "roberta-prefix": "roberta",
    "unigram": "xlm-roberta",
    "deberta": "deberta-v2",
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("families")
    return {family: tiny_bundle(root / family, family) for family in FAMILIES}


# --- without torch ---


def test_all_but_the_networks_come_without_torch() -> None:
    code = (
        "import sys\n"
        "sys.modules['torch'] = sys.modules['transformers'] = None\n"
        "from nertune.testing import FakeRuntime, TEXT, odd_texts, tiny_tokenizer\n"
        "from nertune.encoding import Batch\n"
        "import numpy as np\n"
        "ids = np.zeros((2, 3), int)\n"
        "assert FakeRuntime(5).logits(Batch(ids, ids, ids)).shape == (2, 3, 5)\n"
        "assert tiny_tokenizer('deberta').encode(TEXT[0]).ids\n"
        "try: from nertune.testing import tiny_bundle\n"
        "except ImportError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "torch" in done.stdout


def test_every_public_name_is_there() -> None:
    for name in nertune.testing.__all__:
        assert getattr(nertune.testing, name) is not None
    with pytest.raises(AttributeError, match="'tiny_bundel'"):
        nertune.testing.tiny_bundel  # noqa: B018


# --- families ---


@all_families
def test_a_bundle_of_every_family_is_that_of_its_kind(
    folders: dict[str, Path], family: Family
) -> None:
    bundle = load_bundle(folders[family])
    assert bundle.config["model_type"] == MODEL_TYPES.get(family, family)
    roberta = family in ("roberta", "roberta-prefix", "unigram")
    assert position_limit(bundle.config) == (256 if roberta else 258)


@all_families
def test_the_longest_window_that_a_family_reads_works(tmp_path: Path, family: Family) -> None:
    limit = 256 if family in ("roberta", "roberta-prefix", "unigram") else 258
    folder = tiny_bundle(tmp_path / "b", family, window=WindowSettings(pieces=limit))
    tagger = Tagger.load(folder, device="cpu")
    words = " ".join(TEXT).split() * 20
    [document] = tagger.tag([Document.from_words(words)])
    assert len(document.tags or ()) == len(words)
    assert document.entities
    with pytest.raises(BundleError, match=f"at most {limit}"):
        load_bundle(tiny_bundle(tmp_path / "c", family, window=WindowSettings(pieces=limit + 1)))


@all_families
def test_plain_transformers_reads_every_family_with_the_same_pieces_and_logits(
    folders: dict[str, Path], family: Family
) -> None:
    words = " ".join(TEXT).split()[:40]
    tokenizer: Any = AutoTokenizer.from_pretrained(str(folders[family]))
    model: Any = AutoModelForTokenClassification.from_pretrained(str(folders[family]))
    tagger = Tagger.load(folders[family], device="cpu")
    encoder = Encoder(tagger.encoder.tokenizer, WindowSettings(pieces=250))
    encoded = encoder.encode([Document.from_words(words)])
    inputs = tokenizer(words, is_split_into_words=True, return_tensors="pt")
    assert inputs["input_ids"][0].tolist() == encoded.ids.tolist()
    inputs = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    with torch.inference_mode():
        expected = model(**inputs).logits[0].numpy()
    [found] = tagger.runtime.logits(encoder.pad(encoded, [0]))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@all_families
def test_shapes_are_refused_where_there_is_no_input_for_them(
    tmp_path: Path, family: Family
) -> None:
    if family not in WITHOUT_TYPES:
        bundle = load_bundle(tiny_bundle(tmp_path / "b", family, shapes=True))
        assert bundle.settings.shapes
        return
    with pytest.raises(BundleError, match=r"model\.shapes=false"):
        tiny_bundle(tmp_path / "b", family, shapes=True)
    settings = ModelSettings(encoder=str(tiny_encoder(tmp_path / "e", family)), shapes=True)
    with pytest.raises(NertuneError, match=r"model\.shapes"):
        new_model(settings, ("O", "B-PER"), WindowSettings(pieces=64))


@all_families
def test_an_encoder_of_every_family_can_be_fine_tuned(tmp_path: Path, family: Family) -> None:
    settings = ModelSettings(encoder=str(tiny_encoder(tmp_path / "e", family)))
    model: Any = new_model(settings, ("O", "B-PER"), WindowSettings(pieces=64)).train()
    ids = torch.tensor([new_tokenizer(settings).encode(TEXT[0]).ids])
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(8):
        loss = model(**inputs, labels=(ids % 2)).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    with pytest.raises(RecipeError, match="reads at most"):
        new_model(settings, ("O", "B-PER"), WindowSettings(pieces=300))


@pytest.mark.parametrize(
    ("family", "word", "pieces"),
    [
        ("bert", "MÁLAGA", "mala ##ga"),
        ("bert-cased", "Málaga", "Mála ##ga"),
        ("electra", "Ada", "a ##d ##a"),
        ("roberta", "é", "Ġ Ã ©"),
        ("roberta-prefix", "é", "Ġ Ã ©"),
        ("roberta", "e\u0301", "Ġ e Ì ģ"),
        ("modernbert", "e\u0301", "Ġ Ã ©"),
        ("unigram", "Ｌondon", "▁London"),
        ("unigram", "Ma\u0301laga", "▁Málaga"),
        ("deberta", "\u0001Málaga", "▁Málaga"),
        ("deberta", "\u200b", "▁"),
    ],
)
def test_pieces_are_written_as_the_published_tokenizers_write_them(
    family: Family, word: str, pieces: str
) -> None:
    tokenizer = normalise_tokenizer(tiny_tokenizer(family))
    found = tokenizer.encode([word], is_pretokenized=True, add_special_tokens=False)
    assert found.tokens == pieces.split(" ")


# --- the fake runtime and the checks ---


def test_varied_logits_depend_on_a_piece_and_the_next() -> None:
    runtime = FakeRuntime(3, varied_logits(3))
    ids = np.array([[1, 2, 3, 1, 2, 4]])
    [found] = runtime.logits(Batch(ids, ids, ids))
    assert found[0].tolist() == found[3].tolist()
    assert found[1].tolist() != found[4].tolist()


TEXT_AND_TAGS = ("Ada met Jo", ("B-PER", "O", "B-PER"))


def tagged() -> Document:
    text, tags = TEXT_AND_TAGS
    return Document.from_words(text.split()).with_tags(tags)


def test_a_well_tagged_text_has_no_faults() -> None:
    assert offset_faults("Ada met Jo", tagged()) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"text": "Ada met J"}, "the text has become"),
        ({"tags": ("B-PER", "O")}, "3 words have 2 tags"),
        ({"tags": None}, "3 words have 0 tags"),
        ({"tags": ("B-PER", "O", "O")}, "the tags spell"),
        ({"entities": (Entity(0, 3, "PER", "ada"), Entity(8, 10, "PER", "Jo"))}, "reads 'Ada'"),
        ({"entities": (Entity(0, 2, "PER", "Ad"), Entity(8, 10, "PER", "Jo"))}, "inside a word"),
        ({"entities": (Entity(8, 10, "PER", "Jo"), Entity(0, 3, "PER", "Ada"))}, "overlaps"),
        ({"word_spans": ((0, 3), (4, 6), (8, 10))}, "visible characters"),
        ({"word_spans": ((0, 3), (2, 7), (8, 10))}, "words overlap"),
        ({"sentences": ((0, 1), (2, 3))}, "sentences do not cover"),
    ],
)
def test_what_is_wrong_with_a_tagged_text_is_found(change: dict[str, Any], fault: str) -> None:
    broken = replace(tagged())
    for name, value in change.items():
        object.__setattr__(broken, name, value)
    assert any(fault in found for found in offset_faults("Ada met Jo", broken))


def test_wrong_pieces_are_found() -> None:
    encoder = Encoder(normalise_tokenizer(tiny_tokenizer()), WindowSettings(pieces=16))
    words = ["Lisbon", "\u0007", "London"]
    encoded = encoder.encode([Document.from_words(words)])
    assert piece_faults(words, encoded, encoder) == []
    shifted = replace(encoded, word_piece=encoded.word_piece + (encoded.word_piece >= 0))
    assert len(piece_faults(words, shifted, encoder)) == 2
    assert len(piece_faults(["London", "\u0007", "Lisbon"], encoded, encoder)) == 2
