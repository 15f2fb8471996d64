"""Spark NLP's reading of a folder told anew from its sources, and tiny models to be read.

Nothing here is of nertune but what makes the models: BertClassification.scala,
BasicTokenizer.scala, WordpieceEncoder.scala and XXXForClassification.scala, in Python. Letters are
those of ASCII and what is composed with them; other scripts are not told.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from tokenizers import Tokenizer, processors
from transformers import AutoConfig, AutoModelForTokenClassification

from nertune.bundle import Bundle, load_bundle
from nertune.config import WindowSettings
from nertune.encoding import normalise_tokenizer
from nertune.export import SparkNlpModel
from nertune.model import save_model
from nertune.testing import tiny_bundle, tiny_tokenizer

WINDOW = WindowSettings(pieces=64, sentences=1)


def is_punctuation(char: str) -> bool:
    return char.isascii() and char.isprintable() and not char.isalnum() and char != " "


def basic_tokens(word: str, case_sensitive: bool) -> list[str]:
    """BasicTokenizer.tokenize: parts between punctuation, without accents."""
    parts, now = [], ""
    for char in word if case_sensitive else word.lower():
        if is_punctuation(char):
            parts += [now, char]
            now = ""
        else:
            now += char
    return [
        "".join(c for c in unicodedata.normalize("NFD", part) if not "\u0300" <= c <= "\u036f")
        for part in [*parts, now]
        if part
    ]


def word_pieces(part: str, vocabulary: dict[str, int]) -> list[str]:
    """WordpieceEncoder.encode: the longest piece first."""
    pieces, start = [], 0
    while start < len(part):
        end = len(part)
        while end > start and ("##" if start else "") + part[start:end] not in vocabulary:
            end -= 1
        if end == start:
            return ["[UNK]"]
        pieces.append(("##" if start else "") + part[start:end])
        start = end
    return pieces


@dataclass(frozen=True)
class SparkNlp:
    """A folder read as BertForTokenClassification.loadSavedModel and its relatives read it."""

    session: Any
    vocabulary: dict[str, int]
    labels: list[str]
    case_sensitive: bool
    ends: tuple[str, str]
    padding: int

    @classmethod
    def load(cls, made: SparkNlpModel, ends: tuple[str, str], padding: int) -> SparkNlp:
        lines = {
            name: (made.folder / "assets" / name).read_text("utf-8").splitlines()
            for name in ("vocab.txt", "labels.txt")
        }
        return cls(
            onnxruntime.InferenceSession(str(made.folder / "model.onnx")),
            {piece: i for i, piece in enumerate(lines["vocab.txt"])},
            lines["labels.txt"],
            made.case_sensitive,
            ends,
            padding,
        )

    def pieces(self, word: str) -> list[str]:
        """The pieces of a token: those of its first part alone."""
        parts = basic_tokens(word, self.case_sensitive)
        return word_pieces(parts[0], self.vocabulary) if parts else []

    def scores(self, sentences: Sequence[Sequence[int]]) -> Any:
        """XXXForClassification.encode and getRawScoresWithOnnx: pads, and hides piece 0 only."""
        longest = max(map(len, sentences))
        first, last = (self.vocabulary[end] for end in self.ends)
        ids = np.array(
            [[first, *s, last, *[self.padding] * (longest - len(s))] for s in sentences], np.int64
        )
        given = {
            "input_ids": ids,
            "attention_mask": (ids != 0).astype(np.int64),
            "token_type_ids": np.zeros_like(ids),
        }
        names = [one.name for one in self.session.get_inputs()]
        return self.session.run(["logits"], {name: given[name] for name in names})[0]

    def tags(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        """The likeliest label of the first piece of each token."""
        pieces = [[self.pieces(word) for word in words] for words in sentences]
        scores = self.scores([[self.vocabulary[p] for ps in s for p in ps] for s in pieces])
        places = [np.cumsum([1, *map(len, s[:-1])]) for s in pieces]
        best = [row[place].argmax(-1) for row, place in zip(scores, places, strict=True)]
        return [[self.labels[i] for i in row] for row in best]


def mpnet(folder: Path) -> Path:
    """A tiny MPNet, whose vocabulary begins like RoBERTa's and goes on like BERT's."""
    state = json.loads(tiny_tokenizer("bert").to_str())
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "[UNK]"]
    pieces += [piece for piece in state["model"]["vocab"] if piece[0] != "["]
    state["model"]["vocab"] = {piece: i for i, piece in enumerate(pieces)}
    return _saved(folder, "mpnet", state, {piece: i for i, piece in enumerate(pieces[:5])})


def camembert(folder: Path) -> Path:
    """A tiny CamemBERT, whose pieces begin with four of fairseq's."""
    state = json.loads(tiny_tokenizer("unigram").to_str())
    special = ["<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED", "<s>", "</s>"]
    state["model"]["vocab"] = [*([piece, 0.0] for piece in special), *state["model"]["vocab"][4:]]
    return _saved(folder, "camembert", state, {piece: i for i, piece in enumerate(special)})


def _saved(folder: Path, kind: str, state: dict[str, Any], special: dict[str, int]) -> Path:
    """A model of that kind with random weights and this tokenizer."""
    state["added_tokens"] = [
        {"id": i, "content": piece, "special": True, "single_word": False, "lstrip": False,
         "rstrip": False, "normalized": False}
        for piece, i in special.items()
    ]  # fmt: skip
    state["post_processor"] = None
    tokenizer: Any = Tokenizer.from_str(json.dumps(state))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[(end, special[end]) for end in ("<s>", "</s>")]
    )
    settings = load_bundle(tiny_bundle(folder / "bert", window=WINDOW)).settings
    tags = dict(enumerate(settings.tags))
    configurations: Any = AutoConfig
    config = configurations.for_model(
        kind, vocab_size=tokenizer.get_vocab_size(), hidden_size=16, num_hidden_layers=2,
        num_attention_heads=2, intermediate_size=32, max_position_embeddings=258, pad_token_id=1,
        initializer_range=0.5, id2label=tags, label2id={tag: i for i, tag in tags.items()},
    )  # fmt: skip
    torch.manual_seed(0)
    networks: Any = AutoModelForTokenClassification
    network = networks.from_config(config).eval()
    save_model(folder / "model", network, settings, normalise_tokenizer(tokenizer))
    return folder / "model"


def sentencepiece_file(tokenizer: Tokenizer, n_special: int) -> bytes:
    """The SentencePiece file that the tokenizer would have been made of.

    n_special: how many of the tokenizer's pieces stand before those of the file.
    """
    names = [tokenizer.id_to_token(i) for i in range(tokenizer.get_vocab_size())]
    pieces = ["<unk>", "<s>", "</s>", *(name for name in names[n_special:] if name != "<mask>")]

    def field(number: int, content: bytes) -> bytes:
        size = len(content)
        parts = [size & 0x7F | 0x80, size >> 7] if size > 127 else [size]
        return bytes([number << 3 | 2, *parts]) + content

    score = bytes([2 << 3 | 5, 0, 0, 128, 191])  # a float, as real files have one
    kind = bytes([3 << 3 | 0, 1])
    written = [field(1, field(1, piece.encode()) + score + kind) for piece in pieces]
    return b"".join(written) + field(2, b"trainer")


def made_bundle(folder: Path, family: str, **settings: Any) -> Bundle:
    """A tiny model, with its SentencePiece file where it has one."""
    makers = {"mpnet": mpnet, "camembert": camembert}
    if family in makers:
        place = makers[family](folder)
    else:
        place = tiny_bundle(folder / "model", family, window=WINDOW, **settings)  # type: ignore[arg-type]
    n_special = {"unigram": 4, "camembert": 7}.get(family)
    if n_special:
        content = sentencepiece_file(load_bundle(place).tokenizer, n_special)
        (place / "sentencepiece.bpe.model").write_bytes(content)
    return load_bundle(place)
