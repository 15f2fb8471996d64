"""Models by name: a folder, or a repository of the Hub, which is downloaded to its cache."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from nertune.bundle import (
    ONNX_FILES,
    TAGGER_FILE,
    TOKENIZER_FILES,
    WEIGHT_FILES,
    Bundle,
    load_bundle,
)
from nertune.errors import BundleError
from nertune.modelhub.client import Hub
from nertune.modelhub.faults import NO_ANSWER, NOT_LOADED

NEEDED = (
    "config.json", *WEIGHT_FILES, "model-*.safetensors", *ONNX_FILES.values(), *TOKENIZER_FILES,
    TAGGER_FILE,
)  # fmt: skip
"""Files that a model is loaded from."""

_log = logging.getLogger(__name__)


def open_bundle(model: str | Path, revision: str | None = None) -> Bundle:
    """A model from a folder, a run folder or, where there is no such folder, the Hub.

    Raises BundleError that names what is missing and how to get it.
    """
    found = locate(model, revision)
    try:
        return load_bundle(found.folder, found.names)
    except BundleError as error:
        if found.folder == Path(model):
            raise
        told = str(error).replace(str(found.folder), f"{model} (in {found.folder})")
        raise BundleError(told) from None


def find_model(model: str | Path, revision: str | None = None) -> Path:
    """The folder of a model; one that is on the Hub only is downloaded.

    model: `user/name` and `user/name@revision` are ids of the Hub; a Path is always a folder.
    """
    return locate(model, revision).folder


@dataclass(frozen=True)
class Located:
    """Where a model is, and the files there are of it on the Hub, those too that none needs."""

    folder: Path
    names: frozenset[str] = frozenset()


def locate(model: str | Path, revision: str | None = None) -> Located:
    """The same as `find_model`, and what the Hub has besides; nothing where it was not asked."""
    name, _, tag = str(model).partition("@")
    if isinstance(model, Path) or Path(model).exists() or not is_hub_id(name):
        if revision and Path(model).exists():
            raise BundleError(f"{model}: is a folder, which has no revision; leave revision out")
        return Located(Path(model))
    if revision and tag:
        raise BundleError(
            f"{model}: names a revision, and revision={revision!r} another; expected one of them"
        )
    return _fetched(name, revision or tag or None)


def is_hub_id(name: str) -> bool:
    """Whether a repository may have this name; `./x`, `/x` and `a/b/c` can only be paths."""
    from huggingface_hub import utils
    from huggingface_hub.errors import HFValidationError

    named: Any = utils
    try:
        named.validate_repo_id(name)
    except HFValidationError:
        return False
    return True


def download(repo: str, revision: str | None = None) -> Path:
    """The folder in the Hub's cache that holds a model, downloaded where it is not there yet.

    Where the Hub cannot be reached, which is logged, or must not be asked (HF_HUB_OFFLINE=1), a
    whole copy in the cache is taken. Raises BundleError.
    """
    return _fetched(repo, revision).folder


def _fetched(repo: str, revision: str | None) -> Located:
    with Hub() as hub:
        found = hub.find(repo, revision)
        folder = _current(repo, revision, found) or _snapshot(repo, revision)
        return Located(folder, frozenset(file.rfilename for file in found.siblings or ()))
    fault = hub.fault
    if fault.kind in NO_ANSWER:
        with Hub():
            folder = _snapshot(repo, revision, cached=True)
            if fault.kind != "offline":
                _log.warning(
                    "%s: the Hub cannot be asked (%s); commit %s is taken from the cache",
                    repo, fault.said, folder.name,
                )  # fmt: skip
            return Located(folder)
    raise BundleError(fault.message(repo, revision, NOT_LOADED))


def _current(repo: str, revision: str | None, found: Any) -> Path | None:
    """The folder in the cache, where it holds what the Hub holds; nothing need be asked then."""
    with Hub(quiet=True):
        folder = _snapshot(repo, revision, cached=True)
        names = matching((file.rfilename for file in found.siblings or ()), NEEDED)
        if folder.name == found.sha and all((folder / name).exists() for name in names):
            return folder
    return None


def matching(names: Iterable[str], patterns: tuple[str, ...]) -> tuple[str, ...]:
    """Names that fit one of the patterns, in order; a star stands for no folder."""
    return tuple(
        sorted(
            name
            for name in names
            if name in patterns
            or ("/" not in name and any(fnmatchcase(name, pattern) for pattern in patterns))
        )
    )


def _snapshot(repo: str, revision: str | None, cached: bool = False) -> Path:
    from huggingface_hub import snapshot_download

    return Path(
        snapshot_download(
            repo, revision=revision, allow_patterns=list(NEEDED), local_files_only=cached
        )
    )
