"""For tests, ours and yours: tiny random models made offline, and a runtime that plays a script."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import (
    BertConfig,
    BertForTokenClassification,
    ModernBertConfig,
    ModernBertForTokenClassification,
    PreTrainedModel,
    RobertaConfig,
    RobertaForTokenClassification,
    XLMRobertaConfig,
    XLMRobertaForTokenClassification,
)

from nertune import schemes
from nertune.bundle import TaggerSettings
from nertune.config import WindowSettings
from nertune.encoding import Batch, Floats, normalise_tokenizer
from nertune.model import add_shapes, quiet, save_model

Family = Literal["bert", "roberta", "modernbert", "unigram"]

TEXT = (
    "The quick brown fox jumps over the lazy dog near Lisbon and Nairobi on 12 May 1999 .",
    "Ada Lovelace met Charles Babbage in London ; they spoke of engines , numbers and music .",
    "El presidente de la Comisión visitó Bogotá , São Paulo y Málaga ( España ) el martes .",
    "U.N. officials won't say whether the 1,000.50 dollars were paid to O'Neill & Sons Ltd .",
)
"""What the tiny tokenizers are trained on."""


class FakeRuntime:
    """A runtime whose logits come from a function of the piece ids.

    script: (n_windows, n_pieces) ids to (n_windows, n_pieces, n_tags) logits. `batches` keeps the
    shapes it was given.
    """

    def __init__(self, n_tags: int, script: Callable[[Any], Floats] | None = None) -> None:
        self.n_tags = n_tags
        self.batches: list[tuple[int, int]] = []
        self._script = script or self._by_id

    def _by_id(self, ids: Any) -> Floats:
        # Any fixed function of the piece will do: the same piece always gets the same logits.
        tags = np.arange(self.n_tags)
        logits: Floats = np.sin(ids[..., None] * 12.9898 + tags * 78.233).astype(np.float32) * 4
        return logits

    def logits(self, batch: Batch) -> Floats:
        """Play the script for one batch."""
        self.batches.append((batch.ids.shape[0], batch.ids.shape[1]))
        return self._script(batch.ids)


def tiny_tokenizer(family: Family = "bert", text: Sequence[str] = TEXT) -> Tokenizer:
    """A small tokenizer of a family.

    bert: WordPiece, uncased. roberta, modernbert: byte-level BPE without a space before the first
    word, as published. unigram: SentencePiece's Unigram, as XLM-RoBERTa has it.
    """
    makers = {
        "bert": _wordpiece,
        "roberta": _roberta_pieces,
        "modernbert": _modernbert_pieces,
        "unigram": _unigram,
    }
    return makers[family](text)


def tiny_model(
    tags: Sequence[str], tokenizer: Tokenizer, family: Family = "bert", seed: int = 0
) -> PreTrainedModel:
    """A random network of 2 layers and 16 dimensions, in evaluation mode.

    It finds something almost everywhere: over all pieces no tag is likelier than another.
    """
    size: dict[str, Any] = {
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 258,
        "initializer_range": 0.5,
        "id2label": dict(enumerate(tags)),
        "label2id": {tag: i for i, tag in enumerate(tags)},
    }
    torch.manual_seed(seed)
    special: dict[str, Any] = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
    model: Any
    config: Any
    if family == "bert":
        model = BertForTokenClassification(BertConfig(**size))
    elif family == "roberta":
        model = RobertaForTokenClassification(RobertaConfig(**size, **special, type_vocab_size=1))
    elif family == "unigram":
        config = XLMRobertaConfig(**size, **special, type_vocab_size=1)
        model = XLMRobertaForTokenClassification(config)
    else:
        places: dict[str, Any] = {"cls_token_id": 2, "sep_token_id": 3}
        places |= {"bos_token_id": 2, "eos_token_id": 3}
        config = ModernBertConfig(**size, **places, pad_token_id=0)
        model = ModernBertForTokenClassification(config)
    model.eval()
    with torch.no_grad():
        mean = model(input_ids=torch.arange(size["vocab_size"])[:, None]).logits.mean((0, 1))
        model.classifier.bias -= mean
    return model  # type: ignore[no-any-return]


def tiny_bundle(
    folder: Path,
    family: Family = "bert",
    labels: Sequence[str] = ("LOC", "PER"),
    window: WindowSettings | None = None,
    shapes: bool = False,
) -> Path:
    """A whole bundle with random weights at `folder`, which is returned."""
    tokenizer = normalise_tokenizer(tiny_tokenizer(family))
    tags = tuple(schemes.tag_set(labels, schemes.SCHEMES["IOB2"]))
    model = tiny_model(tags, tokenizer, family)
    if shapes:
        add_shapes(model)
    settings = TaggerSettings(
        tags=tags, scheme="IOB2", window=window or WindowSettings(pieces=64), shapes=shapes
    )
    save_model(folder, model, settings, tokenizer)
    return folder


def tiny_encoder(folder: Path, family: Family = "bert") -> Path:
    """An encoder to fine-tune: what `model.encoder` of a recipe may name."""
    tokenizer = tiny_tokenizer(family)
    model: Any = tiny_model(("O",), tokenizer, family)
    with torch.no_grad():  # layers that hardly change what they are given: it learns fast
        for layer in model.modules():
            if isinstance(layer, torch.nn.Linear):
                layer.weight.mul_(0.2)
    folder.mkdir(parents=True, exist_ok=True)
    with quiet():
        model.base_model.save_pretrained(str(folder))
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def _wordpiece(text: Sequence[str]) -> Tokenizer:
    normalizer: Any = normalizers.BertNormalizer(lowercase=True)
    splitter: Any = pre_tokenizers.BertPreTokenizer()
    lines = map(normalizer.normalize_str, text)
    words = {word for line in lines for word, _ in splitter.pre_tokenize_str(line)}
    # Letters, short words, and two parts of the others: a trainer would order them anew each time.
    pieces = {letter for word in words for char in word for letter in (char, f"##{char}")}
    pieces |= {piece for word in words for piece in (word[:4], f"##{word[4:]}") if word[4:]}
    pieces |= {word for word in words if len(word) < 6}
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {piece: i for i, piece in enumerate([*special, *sorted(pieces)])}
    tokenizer: Any = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = splitter
    tokenizer.add_special_tokens(special)
    ids = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ids
    )
    tokenizer.decoder = decoders.WordPiece()
    # As in many published files: what training must undo.
    tokenizer.enable_truncation(128)
    tokenizer.enable_padding(length=128)
    return tokenizer  # type: ignore[no-any-return]


def _byte_level(text: Sequence[str], special: list[str]) -> Any:
    tokenizer: Any = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(text, trainer)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _roberta_pieces(text: Sequence[str]) -> Tokenizer:
    tokenizer = _byte_level(text, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return tokenizer  # type: ignore[no-any-return]


def _modernbert_pieces(text: Sequence[str]) -> Tokenizer:
    tokenizer = _byte_level(text, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer  # type: ignore[no-any-return]


def _unigram(text: Sequence[str]) -> Tokenizer:
    words = sorted({word for line in text for word in line.split()})
    letters = sorted({letter for word in words for letter in word})
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    pieces = [(piece, 0.0) for piece in special]
    pieces += [(f"▁{word}", -5.0) for word in words if len(word) > 1]
    pieces += [(word[2:], -7.0) for word in words if len(word) > 5]
    pieces += [(piece, -9.0) for letter in letters for piece in (letter, f"▁{letter}")]
    tokenizer: Any = Tokenizer(models.Unigram(list(dict(pieces).items()), unk_id=3))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.add_special_tokens([*special, "<mask>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer  # type: ignore[no-any-return]
