"""How Spark NLP reads a model: what is refused, what is warned of, which files it gets."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from nertune import Document
from nertune.bundle import Bundle
from nertune.config import WindowSettings
from nertune.errors import ExportError
from nertune.export import export_for_spark_nlp
from nertune.export.annotators import ANNOTATORS, assets_of, warnings_for
from nertune.testing import TEXT
from spark_nlp_reading import made_bundle

DOCUMENTS = [Document.from_words(text.split()) for text in TEXT]


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return made_bundle(tmp_path, "bert")


# --- what is warned of ---


@pytest.mark.parametrize(
    ("family", "change", "warning"),
    [
        ("bert", {}, None),
        ("bert-cased", {}, "reads 'É' as 'É', Spark NLP as 'E'"),
        ("distilbert", {}, "reads 'É' as 'É', Spark NLP as 'E'"),
        ("roberta", {}, "as if no space stood before it"),
        ("bert", {"window": WindowSettings(pieces=64)}, "each alone, and without a Sentence"),
        ("bert", {"window": WindowSettings(pieces=600, sentences=1)}, "600 pieces; Spark NLP cuts"),
        ("bert", {"scheme": "IOB1"}, "tags are IOB1; Spark NLP's NerConverter makes one entity"),
        ("bert", {"scheme": None}, "tags are of no known scheme"),
    ],
)
def test_what_differs_is_said(tmp_path, family, change, warning):
    bundle = made_bundle(tmp_path, family)
    bundle = replace(bundle, settings=bundle.settings.model_copy(update=change))
    found = list(warnings_for(bundle, ANNOTATORS[bundle.config["model_type"]]))
    assert len(found) == (warning is not None)
    assert warning is None or warning in found[0]


# --- what is refused ---


@pytest.mark.parametrize(
    ("family", "message"),
    [
        ("electra", "encoder electra cannot go to Spark NLP: Spark NLP has no class"),
        ("modernbert", "encoder modernbert cannot go to Spark NLP: Spark NLP has no class"),
        ("deberta", "adds 1 to the number of every piece"),
    ],
)
def test_families_that_spark_nlp_does_not_read_rightly(tmp_path, family, message):
    bundle = made_bundle(tmp_path, family)
    with pytest.raises(ExportError, match=message) as raised:
        export_for_spark_nlp(bundle, DOCUMENTS, tmp_path / "out")
    assert "nertune.spark" in str(raised.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("tags", "scheme", "message"),
    [
        ("O B-PER I-PER L-PER U-PER", "BILOU", r"begin with L-, U- \(scheme BILOU\)"),
        ("O B-PER I-PER E-PER S-PER", "IOBES", r"begin with E-, S- \(scheme IOBES\)"),
        ("B-PER I-PER B-LOC I-LOC B-ORG", "IOB2", "none of its tags is O"),
        ("O O B-PER I-PER B-LOC", "IOB2", "several outputs of the network mean O"),
        ("O B-PER I-PER B-A\nB I-LOC", "IOB2", r"the tag 'B-A\\nB' holds a line break"),
        ("O B-PER I-PER B-A\ud800 I-LOC", "IOB2", r"the tag 'B-A\\ud800' holds half a character"),
    ],
)
def test_labels_that_spark_nlp_cannot_read(bundle, tmp_path, tags, scheme, message):
    settings = bundle.settings.model_copy(update={"tags": tuple(tags.split(" ")), "scheme": scheme})
    with pytest.raises(ExportError, match=message):
        export_for_spark_nlp(replace(bundle, settings=settings), DOCUMENTS, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def changed(bundle: Bundle, change: Callable[[dict[str, Any]], Any]) -> Bundle:
    """The bundle with another tokenizer."""
    state = json.loads(bundle.tokenizer.to_str())
    change(state)
    return replace(bundle, tokenizer=Tokenizer.from_str(json.dumps(state)))


def holed(state: dict[str, Any]) -> None:
    vocabulary = state["model"]["vocab"]
    vocabulary["London9"] = len(vocabulary) + 7


def broken(state: dict[str, Any]) -> None:
    vocabulary = state["model"]["vocab"]
    vocabulary["a\nb"] = len(vocabulary)


def moved(state: dict[str, Any]) -> None:
    vocabulary = state["model"]["vocab"]
    vocabulary["[PAD]"], vocabulary["[MASK]"] = 4, 0
    for token in state["added_tokens"]:
        token["id"] = vocabulary[token["content"]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (holed, r"has no piece number \d+, but later ones"),
        (broken, r"the piece 'a\\nb' holds a line break"),
        (moved, r"expects the piece \[PAD\] with the number 0, the tokenizer has it with 4"),
        (lambda s: s["model"].update(continuing_subword_prefix="_"), "cuts words by WordPiece"),
        (lambda s: s["model"].update(unk_token="[PAD]"), "cuts words by WordPiece"),
        (lambda s: s.update(post_processor=None), "cuts words by WordPiece"),
    ],
)
def test_tokenizers_that_spark_nlp_would_take_for_others(bundle, tmp_path, change, message):
    with pytest.raises(ExportError, match=message):
        export_for_spark_nlp(changed(bundle, change), DOCUMENTS, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_another_kind_of_tokenizer_than_the_encoders_own(tmp_path):
    bundle = made_bundle(tmp_path, "roberta")
    other = replace(bundle, config={**bundle.config, "model_type": "bert"})
    with pytest.raises(ExportError, match=r"expects the piece \[CLS\] with any number, .* None"):
        export_for_spark_nlp(other, DOCUMENTS, tmp_path / "out")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (None, r"holds no sentencepiece\.bpe\.model, which XlmRoBerta.*Copy it there"),
        (lambda content: content[:-40], "is no SentencePiece file"),
        (lambda _: b"\x07\xff\xff\xff", "is no SentencePiece file"),
        (lambda _: b"", "belongs to another tokenizer"),
        (lambda content: content.replace("▁The".encode(), "▁Thy".encode()), "piece '▁Thy' has"),
    ],
)
def test_a_sentencepiece_file_that_is_missing_or_another(tmp_path, spoil, message):
    bundle = made_bundle(tmp_path, "unigram")
    path = bundle.folder / "sentencepiece.bpe.model"
    content = path.read_bytes()
    path.unlink() if spoil is None else path.write_bytes(spoil(content))
    with pytest.raises(ExportError, match=message):
        export_for_spark_nlp(bundle, DOCUMENTS, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_camembert_asks_for_its_own_numbers(tmp_path):
    bundle = made_bundle(tmp_path, "unigram")
    other = replace(bundle, config={**bundle.config, "model_type": "camembert"})
    with pytest.raises(ExportError, match=r"expects the piece <s> with the number 5"):
        export_for_spark_nlp(other, DOCUMENTS, tmp_path / "out")


def test_pieces_added_to_a_vocabulary_are_lines_too(bundle):
    bundle.tokenizer.add_tokens(["München9"])
    lines = assets_of(bundle, ANNOTATORS["bert"])["vocab.txt"].decode().splitlines()
    assert lines[bundle.tokenizer.token_to_id("München9")] == lines[-1] == "München9"
