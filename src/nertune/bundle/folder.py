"""A model folder read whole: every fault of it is found, and a sound one is a Bundle."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from nertune.bundle import checks
from nertune.bundle.files import (
    ONNX_FILES,
    TAGGER_FILE,
    WEIGHT_FILES,
    check_names,
    check_weights,
    names_in,
    read_json,
)
from nertune.bundle.findings import Findings, Place
from nertune.bundle.labels import raw_names, read_names
from nertune.bundle.settings import TaggerSettings, guess_settings, read_settings
from nertune.bundle.vocabulary import tokenizer_in
from nertune.errors import BundleError

_NO_CONFIG = (
    "expected a model folder (config.json, model.safetensors, tokenizer.json) or a run folder with "
    "one in model/"
)


@dataclass(frozen=True)
class Bundle:
    """A verified model directory: its folder, settings and normalised tokenizer."""

    folder: Path
    settings: TaggerSettings
    tokenizer: Tokenizer
    config: dict[str, Any]

    @property
    def weights(self) -> Path | None:
        """The weights of the network; None in a folder that holds a graph alone."""
        found = (self.folder / name for name in WEIGHT_FILES)
        return next((path for path in found if path.is_file()), None)

    @property
    def graphs(self) -> dict[str, Path]:
        """The ONNX graphs there are, by the name of the runtime."""
        paths = {name: self.folder / file for name, file in ONNX_FILES.items()}
        return {name: path for name, path in paths.items() if path.is_file()}

    @property
    def trained_here(self) -> bool:
        """Whether nertune saved it, and not another tool."""
        return "nertune" in self.config


@dataclass(frozen=True)
class Contents:
    """What could be read of a model folder; None where a part is missing or broken."""

    folder: Path
    config: dict[str, Any] | None
    settings: TaggerSettings | None
    tokenizer: Tokenizer | None
    findings: Findings


def load_bundle(path: str | Path, elsewhere: Collection[str] = ()) -> Bundle:
    """Read and check a model folder, or the run folder that holds one as `model/`.

    elsewhere: files of the model that were left where it comes from; messages speak of them.
    Raises BundleError that names what is missing and how to get it. Warnings that mean other
    entities are logged.
    """
    folder = model_folder(path)
    read = read_folder(folder, elsewhere)
    read.findings.settle(folder)
    assert read.config is not None
    assert read.settings is not None
    assert read.tokenizer is not None
    return Bundle(folder, read.settings, read.tokenizer, read.config)


def read_folder(folder: Path, elsewhere: Collection[str] = ()) -> Contents:
    """Everything that can be read of a model folder, and everything that is wrong with it."""
    found = Findings()
    names = {*names_in(folder), *elsewhere}
    config = None
    if (folder / "config.json").is_file():
        config = read_json(folder / "config.json", "files", found)
    else:
        found.error(Place("files", folder), "holds no config.json", _NO_CONFIG)
    check_names(folder, names, found)
    tokenizer = tokenizer_in(folder, found) if _has_tokenizer(found) else None
    n_tags, settings = _settings(folder, config, found) if config is not None else (None, None)
    check_weights(folder, n_tags, found)
    if config is not None:
        checks.check_length(folder, settings, config, found)
    if settings and config is not None:
        checks.check_settings(folder, settings, found)
        if not (folder / TAGGER_FILE).is_file():
            checks.check_guess(folder, settings, found)
        checks.check_window(folder, settings, config, found)
    if tokenizer:
        checks.check_published(folder, tokenizer, found)
        checks.check_words(folder, tokenizer, found)
        checks.check_vocabulary(folder, tokenizer, config or {}, found)
    return Contents(folder, config, settings, tokenizer, found)


def _has_tokenizer(found: Findings) -> bool:
    return not any(one.about == "tokenizer" for one in found.errors)


def _settings(
    folder: Path, config: dict[str, Any], found: Findings
) -> tuple[int | None, TaggerSettings | None]:
    """How many tags there are, and the settings: those of `tagger.json`, or guessed ones."""
    names = raw_names(config, folder / "config.json", found)
    n_tags = len(names) if names else None
    path = folder / TAGGER_FILE
    if path.is_file():
        # Its tags must be right as they stand; how others would read the names is no fault.
        tags = read_names(names, folder, Findings()) if names else None
        return n_tags, read_settings(path, names, tags, found) if names else None
    if "nertune" in config:
        found.error(
            Place("files", folder),
            f"lacks {TAGGER_FILE}, which nertune wrote beside config.json",
            "copy the whole model folder",
        )
        return n_tags, None
    tags = read_names(names, folder, found) if names else None
    return n_tags, guess_settings(tags, config) if tags else None


def find_folder(path: str | Path) -> Path:
    """The folder meant by `path`: itself, or its `model/` where it is a run folder."""
    folder = Path(path)
    if not folder.exists():
        raise BundleError(
            f"{folder}: there is no such model folder; expected one written by 'nertune train', or "
            "one saved by transformers"
        )
    if not folder.is_dir():
        raise BundleError(f"{folder}: is a file; expected the model folder that holds it")
    if not (folder / "config.json").is_file() and (folder / "model" / "config.json").is_file():
        return folder / "model"
    if (folder / "seeds.json").is_file():
        raise BundleError(
            f"{folder}: holds one run for each seed; name one of them, as {folder / 'seed-1'}"
        )
    return folder


def model_folder(path: str | Path) -> Path:
    """The same, which must hold a model's configuration. Raises BundleError."""
    folder = find_folder(path)
    if not (folder / "config.json").is_file():
        raise BundleError(f"{folder}: holds no config.json; {_NO_CONFIG}")
    return folder
