"""Models by name: a folder, a name of `modelnames`, or a repository of the Hub.

What is on the Hub is downloaded to its cache.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from nertune.bundle import (
    ONNX_FILES,
    TAGGER_FILE,
    TOKENIZER_FILES,
    WEIGHT_FILES,
    Bundle,
    find_folder,
    load_bundle,
)
from nertune.errors import BundleError
from nertune.modelhub.client import Hub
from nertune.modelhub.faults import NO_ANSWER, NOT_LOADED
from nertune.modelnames import NamedModel, named_model, no_model

NEEDED = (
    "config.json", *WEIGHT_FILES, "model-*.safetensors", *ONNX_FILES.values(), *TOKENIZER_FILES,
    TAGGER_FILE,
)  # fmt: skip
"""Files that a model is loaded from."""

_log = logging.getLogger(__name__)


def open_bundle(model: str | Path, revision: str | None = None) -> Bundle:
    """A model from a folder, a run folder or, where there is no such folder, by name or Hub id.

    Raises BundleError that names what is missing and how to get it.
    """
    found = locate(model, revision)
    try:
        return load_bundle(found.folder, found.names)
    except BundleError as error:
        if found.folder == Path(model):
            raise
        told = str(error).replace(str(found.folder), f"{found.meant or model} (in {found.folder})")
        raise BundleError(told) from None


def find_model(model: str | Path, revision: str | None = None) -> Path:
    """The folder of a model; one that is on the Hub only is downloaded.

    model: a folder; else a name of `modelnames`; else `user/name`, an id of the Hub. The last two
    may end with `@revision`. A Path is always a folder.
    """
    return locate(model, revision).folder


@dataclass(frozen=True)
class Located:
    """Where a model is, and the files there are of it on the Hub, those too that none needs.

    meant: the name that it was found by, if it was one.
    """

    folder: Path
    names: frozenset[str] = frozenset()
    meant: NamedModel | None = None


def locate(model: str | Path, revision: str | None = None) -> Located:
    """The same as `find_model`, and what the Hub has besides; nothing where it was not asked."""
    if isinstance(model, Path) or Path(model).exists():
        return _folder(model, revision)
    word, _, tag = model.partition("@")
    meant = named_model(word)
    if meant is not None:
        return _meant(meant, _one_of(model, tag, revision))
    if not is_hub_id(word):
        return Located(Path(model))
    try:
        return _fetched(word, _one_of(model, tag, revision))
    except BundleError as error:
        if "/" in word:
            raise
        told = no_model(word, str(error))
    raise BundleError(told)


def _folder(model: str | Path, revision: str | None) -> Located:
    if revision and Path(model).exists():
        raise BundleError(f"{model}: is a folder, which has no revision; leave revision out")
    return Located(Path(model))


def _meant(meant: NamedModel, revision: str | None) -> Located:
    """What a name stands for. Raises BundleError that says what that is and where it is said."""
    repo, _, tag = meant.model.partition("@")
    try:
        if meant.is_folder:
            found = _folder(find_folder(meant.model), revision)
        else:
            found = _fetched(repo, _one_of(meant.model, tag, revision))
    except BundleError as error:
        absent = f". There is no folder {meant.absent} either" if meant.absent else ""
        told = f"{meant}: {error}{absent}"
    else:
        return replace(found, meant=meant)
    raise BundleError(told)


def _one_of(model: str, tag: str, revision: str | None) -> str | None:
    """The revision that is asked for in one place or the other, if it is; not in both."""
    if revision and tag:
        raise BundleError(
            f"{model}: names a revision, and revision={revision!r} another; expected one of them"
        )
    return revision or tag or None


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
