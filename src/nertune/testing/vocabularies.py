"""Small tokenizers of every family, each with the steps of the published ones."""

from __future__ import annotations

import struct
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any, Literal, get_args

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from nertune.testing.texts import TEXT

Family = Literal[
    "bert", "bert-cased", "electra", "distilbert", "roberta", "roberta-prefix", "modernbert",
    "unigram", "deberta",
]  # fmt: skip
FAMILIES: tuple[Family, ...] = get_args(Family)
"""All of them."""


def tiny_tokenizer(family: Family = "bert", text: Sequence[str] = TEXT) -> Tokenizer:
    """A small tokenizer of a family.

    bert: WordPiece, lower case, accents stripped. bert-cased, distilbert: WordPiece that keeps
    both. electra: as bert, and most words in many pieces. roberta, modernbert: byte-level BPE
    without a space before the first word, as published; modernbert composes characters first.
    roberta-prefix: with that space. unigram: SentencePiece's Unigram, as XLM-RoBERTa has it;
    deberta: the same as DeBERTa v3 has it.
    """
    return _MAKERS[family](text)


def _wordpiece(text: Sequence[str], lowercase: bool, letters_only: bool = False) -> Tokenizer:
    normalizer: Any = normalizers.BertNormalizer(lowercase=lowercase)
    splitter: Any = pre_tokenizers.BertPreTokenizer()
    lines = map(normalizer.normalize_str, text)
    words = {word for line in lines for word, _ in splitter.pre_tokenize_str(line)}
    # Letters, short words, and two parts of the others: a trainer would order them anew each time.
    pieces = {letter for word in words for char in word for letter in (char, f"##{char}")}
    if not letters_only:
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


def _byte_level(text: Sequence[str], special: list[str], prefix: bool = False) -> Any:
    tokenizer: Any = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(text, trainer)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _roberta_pieces(text: Sequence[str], prefix: bool) -> Tokenizer:
    tokenizer = _byte_level(text, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"], prefix)
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), add_prefix_space=prefix
    )
    return tokenizer  # type: ignore[no-any-return]


def _modernbert_pieces(text: Sequence[str]) -> Tokenizer:
    tokenizer = _byte_level(text, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.add_tokens([AddedToken("  ", normalized=False), AddedToken("    ", normalized=False)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer  # type: ignore[no-any-return]


def _unigram(text: Sequence[str]) -> Tokenizer:
    tokenizer = _sentencepiece(text, ["<s>", "<pad>", "</s>", "<unk>"], "<mask>")
    tokenizer.normalizer = sentencepiece_normalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer  # type: ignore[no-any-return]


def _deberta_pieces(text: Sequence[str]) -> Tokenizer:
    tokenizer = _sentencepiece(text, ["[PAD]", "[CLS]", "[SEP]", "[UNK]"], "[MASK]")
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Strip(),
            sentencepiece_normalizer(),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace()])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 1), ("[SEP]", 2)],
    )
    return tokenizer  # type: ignore[no-any-return]


def _sentencepiece(text: Sequence[str], special: list[str], mask: str) -> Any:
    """Unigram pieces without the steps before them; the unknown piece is the fourth."""
    words = sorted({word for line in text for word in line.split()})
    letters = sorted({letter for word in words for letter in word})
    pieces = [(piece, 0.0) for piece in special]
    pieces += [(f"▁{word}", -5.0) for word in words if len(word) > 1]
    pieces += [(word[2:], -7.0) for word in words if len(word) > 5]
    pieces += [(piece, -9.0) for letter in letters for piece in (letter, f"▁{letter}")]
    pieces += [("▁", -9.5)]
    tokenizer: Any = Tokenizer(models.Unigram(list(dict(pieces).items()), unk_id=3))
    tokenizer.add_special_tokens([*special, AddedToken(mask, lstrip=True, special=True)])
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer


_MAKERS: dict[Family, Callable[[Sequence[str]], Tokenizer]] = {
    "bert": partial(_wordpiece, lowercase=True),
    "bert-cased": partial(_wordpiece, lowercase=False),
    "electra": partial(_wordpiece, lowercase=True, letters_only=True),
    "distilbert": partial(_wordpiece, lowercase=False),
    "roberta": partial(_roberta_pieces, prefix=False),
    "roberta-prefix": partial(_roberta_pieces, prefix=True),
    "modernbert": _modernbert_pieces,
    "unigram": _unigram,
    "deberta": _deberta_pieces,
}


# --- SentencePiece's normaliser ---


def sentencepiece_normalizer() -> normalizers.Normalizer:
    """A part of SentencePiece's `nmt_nfkc`, in the form that published files hold it.

    Controls vanish, joiners that separate become a space, and compatibility forms their letters.
    """
    compiled: Any = normalizers.Precompiled
    return compiled(_charsmap(_nmt_nfkc()))  # type: ignore[no-any-return]


def _nmt_nfkc() -> dict[str, str]:
    controls = [*range(1, 9), 0x0B, *range(0x0E, 0x20), 0x7F, 0x8F, 0x9F]
    spaces = [9, 10, 12, 13, 0xA0, 0x1680, *range(0x2000, 0x2010), 0x2028, 0x2029, 0x202F, 0x205F]
    spaces += [0x2060, 0x3000, 0xFEFF, 0xFFFD]
    rules = {chr(code): "" for code in controls}
    rules |= {chr(code): " " for code in spaces}
    blocks = [(0xA0, 0x180), (0x2100, 0x2190), (0x2460, 0x24FF), (0xFB00, 0xFB07)]
    blocks += [(0xFF01, 0xFFE0), (0x1D400, 0x1D800)]
    for code in chain.from_iterable(range(*block) for block in blocks):
        composed = unicodedata.normalize("NFKC", chr(code))
        if composed != chr(code):
            rules.setdefault(chr(code), composed)
    for letter in "aeiouncAEIOUNC":  # and what is composed of two characters
        for mark in "\u0300\u0301\u0303\u0308\u0327":
            composed = unicodedata.normalize("NFKC", letter + mark)
            if len(composed) == 1:
                rules[letter + mark] = composed
    return rules


def _charsmap(rules: Mapping[str, str]) -> bytes:
    """Replacements as SentencePiece compiles them: a double-array trie of UTF-8, then the texts.

    Source: darts-clone, whose units hold a label, an offset and whether a key ends there.
    """
    texts, places = b"", {}
    for text in dict.fromkeys(rules.values()):
        places[text] = len(texts)
        texts += text.encode() + b"\0"
    keys = {key.encode(): places[text] for key, text in rules.items()}
    inner = dict.fromkeys(key[:n] for key in keys for n in range(len(key)))
    # A node's children lie in a block of its own, at their bytes; leaves share blocks of values,
    # which are marked by their highest bit and so are never taken for a child.
    bases = {node: 256 * (i + 1) for i, node in enumerate(inner)}
    leaves = [key for key in keys if key not in inner]
    bases |= {leaf: 256 * (len(inner) + 1) + i for i, leaf in enumerate(leaves)}
    units = [0] * (256 * (len(inner) + 2 + len(leaves) // 256))
    for node, base in bases.items():
        place = bases[node[:-1]] + node[-1] if node else 0
        units[place] = (place ^ base) << 10 | (node in keys) << 8 | (node[-1] if node else 0)
        if node in keys:
            units[base] = keys[node] | 1 << 31
    trie = struct.pack(f"<{len(units)}I", *units)
    return struct.pack("<I", len(trie)) + trie + texts
