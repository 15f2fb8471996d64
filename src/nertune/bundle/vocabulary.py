"""The tokenizer of a model folder: `tokenizer.json`, or built from the vocabulary beside it.

Many checkpoints hold only what the tokenizers of old read: `vocab.txt` (WordPiece), or `vocab.json`
and `merges.txt` (byte-level BPE). Built here they give the ids that transformers gives.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)

from nertune.bundle.files import SAVE_TOKENIZER, check_names, names_in, read_json
from nertune.bundle.findings import Findings, Place
from nertune.encoding.tokenizer import normalise_in_place

_BERT = {"unk": "[UNK]", "sep": "[SEP]", "pad": "[PAD]", "cls": "[CLS]", "mask": "[MASK]"}
_ROBERTA = {"unk": "<unk>", "sep": "</s>", "pad": "<pad>", "cls": "<s>", "mask": "<mask>"}


@dataclass(frozen=True)
class _Kind:
    """How tokenizers of some classes are built: the files they need, and their special pieces."""

    files: tuple[str, ...]
    special: dict[str, str]
    build: Callable[[Path, dict[str, Any], dict[str, str]], Any]


def _word_pieces(folder: Path, config: dict[str, Any], special: dict[str, str]) -> Any:
    with (folder / "vocab.txt").open(encoding="utf-8") as handle:
        vocabulary = {line.rstrip("\n"): i for i, line in enumerate(handle)}
    tokenizer: Any = Tokenizer(models.WordPiece(vocabulary, unk_token=special["unk"]))
    tokenizer.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=config.get("tokenize_chinese_chars", True),
        strip_accents=config.get("strip_accents"),
        lowercase=config.get("do_lower_case", True),
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def _byte_pairs(folder: Path, config: dict[str, Any], _: dict[str, str]) -> Any:
    vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    lines = (folder / "merges.txt").read_text(encoding="utf-8").split("\n")
    merges: Any = [tuple(line.split(" ")) for line in lines if line and line[:8] != "#version"]
    # No unknown piece: every byte has one.
    tokenizer: Any = Tokenizer(models.BPE(vocabulary, merges))
    prefix = bool(config.get("add_prefix_space", False))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


_WORD_PIECES = _Kind(("vocab.txt",), _BERT, _word_pieces)
_BYTE_PAIRS = _Kind(("vocab.json", "merges.txt"), _ROBERTA, _byte_pairs)
_BYTE_PAIRS_BERT = _Kind(("vocab.json", "merges.txt"), _BERT, _byte_pairs)

_KINDS = {
    **dict.fromkeys(
        ("bert", "convbert", "distilbert", "electra", "ernie", "layoutlm", "lxmert",
         "megatronbert", "mobilebert", "nezha", "retribert", "squeezebert"),
        _WORD_PIECES,
    ),
    **dict.fromkeys(
        ("bart", "data2vectext", "ibert", "led", "longformer", "roberta", "robertaprelayernorm"),
        _BYTE_PAIRS,
    ),
    "deberta": _BYTE_PAIRS_BERT,
}  # fmt: skip
"""By the name of the tokenizer's class or the model's type, in lower case without dashes."""


def read_tokenizer(folder: Path) -> Tokenizer:
    """The folder's tokenizer, normalised (see `encoding.normalise_tokenizer`).

    Raises BundleError where there is none that can be read.
    """
    found = Findings()
    tokenizer = None
    check_names(folder, {"model.safetensors", *names_in(folder)}, found)
    if not found:
        tokenizer = tokenizer_in(folder, found)
    found.settle(folder)
    assert tokenizer is not None
    return normalise_in_place(tokenizer)


def tokenizer_in(folder: Path, found: Findings) -> Tokenizer | None:
    """The folder's tokenizer as published; None where it cannot be read, which is an error."""
    path = folder / "tokenizer.json"
    if path.is_file():
        return _made(lambda: Tokenizer.from_str(path.read_text(encoding="utf-8")), path, found)
    return _built(folder, found)


def _made(make: Callable[[], Any], path: Path, found: Findings) -> Tokenizer | None:
    try:
        return make()  # type: ignore[no-any-return]
    except Exception as error:  # noqa: BLE001 - tokenizers raises bare Exception for a broken file
        found.error(
            Place("tokenizer", path),
            f"is no valid tokenizer file ({error})",
            f"copy it again from its source, or {SAVE_TOKENIZER}",
        )
        return None


def _built(folder: Path, found: Findings) -> Tokenizer | None:
    """A tokenizer made of its vocabulary and of what the configurations say about it."""
    before = len(found.errors)
    config = _optional(folder / "tokenizer_config.json", found)
    special_map = _optional(folder / "special_tokens_map.json", found)
    added = _added(_optional(folder / "added_tokens.json", found), config)
    kind = _kind(folder, config, found)
    if kind is None or len(found.errors) > before:
        return None
    path = folder / kind.files[0]
    special = _special(kind, special_map, config)
    tokenizer: Any = _made(lambda: kind.build(folder, config, special), path, found)
    if tokenizer is None:
        return None
    ends = {role: tokenizer.token_to_id(special[role]) for role in ("cls", "sep", "unk")}
    missing = [special[role] for role, place in ends.items() if place is None]
    if missing:
        found.error(
            Place("tokenizer", path),
            f"lacks the special pieces {', '.join(missing)}",
            f"name them as they are in tokenizer_config.json (cls_token, ...), or {SAVE_TOKENIZER}",
        )
        return None
    known = [one for one in special.values() if tokenizer.token_to_id(one) is not None]
    tokenizer.add_special_tokens([AddedToken(one, normalized=False) for one in known])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{special['cls']} $A {special['sep']}",
        special_tokens=[(special[role], ends[role]) for role in ("cls", "sep")],
    )
    _add(tokenizer, added, folder, found)
    return tokenizer  # type: ignore[no-any-return]


def _optional(path: Path, found: Findings) -> dict[str, Any]:
    return (read_json(path, "tokenizer", found) or {}) if path.is_file() else {}


def _kind(folder: Path, config: dict[str, Any], found: Findings) -> _Kind | None:
    """How to build the tokenizer, by the class that is named; by the files where none is."""
    of_model = _optional(folder / "config.json", Findings())
    named = config.get("tokenizer_class") or of_model.get("tokenizer_class")
    name = str(named or of_model.get("model_type") or "")
    kind = _KINDS.get(_plain(name))
    if kind is None and not name:
        kind = _WORD_PIECES if (folder / "vocab.txt").is_file() else _BYTE_PAIRS
    if kind is None:
        found.error(
            Place("tokenizer", folder),
            f"holds no tokenizer.json, and nertune cannot build a tokenizer of the kind '{name}' "
            "from its vocabulary",
            SAVE_TOKENIZER,
        )
        return None
    missing = [file for file in kind.files if not (folder / file).is_file()]
    if missing:
        found.error(
            Place("tokenizer", folder),
            f"holds neither tokenizer.json nor {missing[0]}, which tokenizers of the kind '{name}' "
            "are read from",
            SAVE_TOKENIZER,
        )
        return None
    return kind


def _plain(name: str) -> str:
    return name.removesuffix("Fast").removesuffix("Tokenizer").replace("-", "").lower()


def _special(kind: _Kind, *sources: dict[str, Any]) -> dict[str, str]:
    """The special pieces by their roles; a later source is believed before an earlier one."""
    special = dict(kind.special)
    for source in sources:
        for role in special:
            value = source.get(f"{role}_token")
            value = value.get("content") if isinstance(value, dict) else value
            if isinstance(value, str):
                special[role] = value
    return special


def _added(file: dict[str, Any], config: dict[str, Any]) -> list[tuple[int, AddedToken]]:
    """Pieces added to the vocabulary later, by their ids."""
    added = {int(place): AddedToken(content, normalized=True) for content, place in file.items()}
    decoder = config.get("added_tokens_decoder")
    flags = ("single_word", "lstrip", "rstrip", "normalized", "special")
    for place, one in (decoder if isinstance(decoder, dict) else {}).items():
        chosen = {flag: bool(one[flag]) for flag in flags if flag in one}
        added[int(place)] = AddedToken(one["content"], **chosen)
    return sorted(added.items(), key=lambda pair: pair[0])


def _add(
    tokenizer: Any, added: list[tuple[int, AddedToken]], folder: Path, found: Findings
) -> None:
    for place, token in added:
        if tokenizer.token_to_id(token.content) == place and token.content in _texts(tokenizer):
            continue
        tokenizer.add_tokens([token])
        got = tokenizer.token_to_id(token.content)
        if got != place:
            found.error(
                Place("tokenizer", folder),
                f"wants the added piece '{token.content}' to have the id {place}, but its "
                f"vocabulary gives it {got}",
                f"the files belong to different models; or {SAVE_TOKENIZER}",
            )


def _texts(tokenizer: Any) -> set[str]:
    return {token.content for token in tokenizer.get_added_tokens_decoder().values()}
