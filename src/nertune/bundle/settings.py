"""What nertune decides about a model: `tagger.json`, or what a plain checkpoint says instead."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError
from tokenizers import Tokenizer

from nertune import schemes
from nertune.bundle.files import OTHER_MODEL, TAGGER_FILE, read_json
from nertune.bundle.findings import Findings, Place
from nertune.bundle.labels import scheme_of_tags
from nertune.config import Settings, WindowSettings

FORMAT_VERSION = 1
LONGEST_GUESS = 512
"""Pieces in a window of a checkpoint of another tool: what those are trained on."""

_ROBERTA_FAMILY = (
    "camembert", "data2vec-text", "ibert", "longformer", "luke", "mpnet", "roberta",
    "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod",
)  # fmt: skip


class TaggerSettings(Settings):
    """The content of `tagger.json`."""

    format_version: Literal[1] = 1
    tags: tuple[str, ...] = Field(min_length=1)
    scheme: str | None
    window: WindowSettings
    shapes: bool = False
    temperature: float = Field(1.0, gt=0, allow_inf_nan=False)
    language: str | None = None
    nertune_version: str = ""


def write_settings(folder: Path, settings: TaggerSettings, tokenizer: Tokenizer) -> None:
    """Write `tagger.json` and the normalised `tokenizer.json` into a model folder."""
    text = settings.model_dump_json(indent=2) + "\n"
    (folder / TAGGER_FILE).write_text(text, encoding="utf-8")
    tokenizer.save(str(folder / "tokenizer.json"))


def read_settings(
    path: Path, names: Sequence[str], tags: Sequence[str] | None, found: Findings
) -> TaggerSettings | None:
    """`tagger.json`; its tags must be those of `id2label`: its names, or what they are read as."""
    at = Place("files", path)
    raw = read_json(path, at.about, found)
    if raw is None:
        return None
    version = raw.get("format_version")
    if version != FORMAT_VERSION:
        found.error(
            at,
            f"has format version {version!r}, this nertune knows {FORMAT_VERSION}",
            "install a newer nertune",
        )
        return None
    try:
        settings = TaggerSettings.model_validate(raw)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, f['loc']))}: {f['msg']}" for f in error.errors())
        found.error(at, f"is not valid ({faults})", "correct it, or copy it again from its source")
        return None
    if settings.tags not in (tuple(names), tags):
        found.error(at, "names other tags than id2label in config.json", OTHER_MODEL)
        return None
    return settings


def guess_settings(tags: tuple[str, ...], config: dict[str, Any]) -> TaggerSettings:
    """Settings for a checkpoint of another tool: each sentence alone, as those are trained."""
    limit = position_limit(config) or LONGEST_GUESS
    return TaggerSettings(
        tags=tags,
        scheme=scheme_of_tags(tags),
        window=WindowSettings(pieces=min(limit, LONGEST_GUESS), sentences=1),
    )


def position_limit(config: dict[str, Any]) -> int | None:
    """The longest window an encoder can read, in pieces; None where it has no limit of its own."""
    limit = config.get("max_position_embeddings")
    if not isinstance(limit, int) or config.get("position_embedding_type") == "relative":
        return None
    # The RoBERTa family counts positions from padding_idx + 1.
    return limit - 2 if config.get("model_type") in _ROBERTA_FAMILY else limit


def scheme_known(scheme: str | None) -> schemes.Scheme | None:
    """The scheme of that name; None stands for none. Raises TagError."""
    return schemes.scheme_named(scheme) if scheme else None
