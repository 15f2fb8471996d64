"""A tokenizer made fit for words one by one, and the shapes of words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tokenizers import Tokenizer, normalizers, pre_tokenizers

from nertune.errors import EncodingError

SHAPES = (
    "unknown", "lower", "capitalised", "capitals", "one capital", "mixed",
    "digits", "number", "letters and digits", "punctuation",
)  # fmt: skip
"""Word shapes; a shape's place in this tuple is its `token_type_id`. 0 is what a word without
letters of two cases gets, and every special piece."""


_PROBES = ("a of", "the London", "in 1999")
"""Words in running text; the second must get the pieces it gets by itself."""


def word_shape(word: str) -> int:
    """The place of a word's shape in SHAPES."""
    if word.isdigit():
        return 6
    has_digit = any(char.isdigit() for char in word)
    letters = [char for char in word if char.isalpha()]
    if not letters:
        return 7 if has_digit else 9
    if has_digit:
        return 8
    n_upper = sum(char.isupper() for char in letters)
    if n_upper == 0:
        return 1 if any(char.islower() for char in letters) else 0
    if n_upper == len(letters):
        return 4 if n_upper == 1 else 3
    return 2 if letters[0].isupper() and n_upper == 1 else 5


def normalise_tokenizer(tokenizer: Tokenizer) -> Tokenizer:
    """A copy that neither cuts nor pads and gives every word its initial space.

    Byte-level BPE writes a word after a space with other pieces than one at the start of a text;
    words given one by one must all be written as after a space.
    """
    return normalise_in_place(Tokenizer.from_str(tokenizer.to_str()))


def normalise_in_place(tokenizer: Tokenizer) -> Tokenizer:
    """The same for a tokenizer that nobody else holds: a copy of a large one takes a second."""
    tokenizer.no_truncation()
    tokenizer.no_padding()
    splitter = _state(tokenizer.pre_tokenizer)
    before = json.dumps(splitter)
    for place, step in enumerate(_steps(splitter)):
        if step["type"] == "Metaspace" and step.get("prepend_scheme") == "never":
            step["prepend_scheme"] = "always"
        if step["type"] != "ByteLevel" or step["add_prefix_space"]:
            continue
        if place == 0:
            step["add_prefix_space"] = True
        else:  # here it would put a space before every part of a word that was cut before
            spaced = _with_space(_state(tokenizer.normalizer))
            tokenizer.normalizer = _from_state(normalizers.Sequence([]), spaced)
    if splitter and json.dumps(splitter) != before:
        tokenizer.pre_tokenizer = _from_state(pre_tokenizers.Sequence([]), splitter)
    return tokenizer


def _state(part: Any) -> dict[str, Any] | None:
    """A part of a tokenizer as it stands in `tokenizer.json`."""
    return json.loads(part.__getstate__()) if part is not None else None


def _from_state(part: Any, state: dict[str, Any]) -> Any:
    """The part that a state describes, whatever kind `part` is of."""
    part.__setstate__(json.dumps(state).encode())
    return part


def check_word_start(tokenizer: Tokenizer) -> None:
    """Raise EncodingError for a tokenizer that writes a word alone otherwise than in a text."""
    for probe in _PROBES:
        whole = tokenizer.encode(probe, add_special_tokens=False).ids
        words = [[word] for word in probe.split()]
        parts = tokenizer.encode_batch(words, is_pretokenized=True, add_special_tokens=False)
        if whole != [piece for part in parts for piece in part.ids]:
            raise EncodingError(
                f"this tokenizer writes the words of {probe!r} one by one with other pieces than "
                "in running text, and nertune does not know how to make it mark the beginning of "
                "a word. Expected a WordPiece, byte-level BPE or SentencePiece tokenizer of the "
                "usual make"
            )


def _with_space(normalizer: dict[str, Any] | None) -> dict[str, Any]:
    """The normaliser, made to put a space before each word; once, however often it is called."""
    space = {"type": "Prepend", "prepend": " "}
    inner = normalizer.get("normalizers") if normalizer else []
    steps = inner if isinstance(inner, list) else [normalizer]
    return {"type": "Sequence", "normalizers": [*(s for s in steps if s != space), space]}


def _steps(step: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    if step is None:
        return
    inner = step.get("pretokenizers")
    if isinstance(inner, list):
        for part in inner:
            yield from _steps(part)
    else:
        yield step


def special_pieces(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """The pieces that the tokenizer puts before and after a text, as `[CLS]` and `[SEP]`."""
    encoding = tokenizer.encode("a", add_special_tokens=True)
    mask = encoding.special_tokens_mask
    n_before = mask.index(0) if 0 in mask else len(mask)
    n_after = mask[::-1].index(0) if 0 in mask else 0
    ids = encoding.ids
    return ids[:n_before], ids[len(ids) - n_after :]
