"""Data sets of the Hugging Face Hub and local copies of them: the only import of `datasets`.

A data set is a Hub id, a folder written by `save_to_disk`, or a folder of Parquet, JSON or Arrow
files as the Hub holds them. Its tables are memory-mapped, so that memory does not grow with it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nertune.config import ReadSettings
from nertune.data.source import Origin
from nertune.data.tables import BATCH_ROWS, documents, find_columns
from nertune.documents import Document
from nertune.errors import DataError, DependencyError

_SAVED = ("dataset_dict.json", "state.json")
_TOKEN = re.compile(r"hf_\w{6,}")
_LONGEST = 400


def read_split(split: str, origin: Origin) -> Iterator[Document]:
    """The documents of one split of the data set that `origin.settings` name.

    Raises DataError where the data set or the split cannot be had, where columns or names of tags
    are missing, and with the row of the first fault where on_error is stop.
    """
    table = _split(split, origin.settings)
    columns = find_columns(table.features.arrow_schema, origin)
    narrow = table.select_columns(columns.used).with_format("arrow")
    batches = (
        batch
        for part in narrow.iter(batch_size=BATCH_ROWS)
        for batch in part.combine_chunks().to_batches()
    )
    yield from documents(batches, columns, origin)


def fingerprint(split: str, settings: ReadSettings) -> str:
    """A name for what a split holds: another one where its source files are others."""
    return str(_split(split, settings)._fingerprint)


def is_saved(folder: Path) -> bool:
    """Whether a folder was written by `save_to_disk`."""
    return any((folder / name).is_file() for name in _SAVED)


def _split(split: str, settings: ReadSettings) -> Any:
    splits = _splits(settings)
    if split not in splits:
        raise DataError(
            f"there is no split '{split}'; the splits are {', '.join(splits)}. With a data set "
            "these are what train, dev and test name, in place of files",
            settings.dataset,
        )
    return splits[split]


def _splits(settings: ReadSettings) -> Mapping[str, Any]:
    """All splits by name."""
    try:
        import datasets
    except ModuleNotFoundError:
        raise DependencyError("datasets", "train", "reading a data set") from None
    name = str(settings.dataset)
    saved = is_saved(Path(name))
    _check_local(name, saved, settings)
    try:
        if saved:
            loaded = datasets.load_from_disk(name)
        else:
            loaded = datasets.load_dataset(
                name,
                name=settings.config,
                revision=settings.revision,
                data_files=settings.data_files or None,
            )
    except Exception as error:
        # Each of a dozen packages below has errors of its own.
        raise DataError(_explained(error), name) from error
    if isinstance(loaded, datasets.Dataset):
        return {str(loaded.split or "train"): loaded}
    splits: Mapping[str, Any] = loaded
    return splits


def _check_local(name: str, saved: bool, settings: ReadSettings) -> None:
    """Raise DataError for a path that is none, and for settings that a folder cannot have."""
    path = Path(name)
    if not path.exists() and (name.startswith((".", "/", "~")) or name.count("/") > 1):
        raise DataError("no such folder; check the path and where it starts from", name)
    if path.is_file():
        raise DataError(
            "is a file; expected a folder or the id of a data set. A file is named without "
            "dataset, as data.train",
            name,
        )
    for key in ("config", "data_files") if saved else ():
        if getattr(settings, key):
            raise DataError(f"is a folder of save_to_disk, which has no {key}; leave it out", name)
    if settings.revision and path.is_dir():
        raise DataError("is a folder, which has no revision; leave revision out", name)


def _explained(error: Exception) -> str:
    """What is wrong and how to cure it, in one line, without the user's token."""
    causes = [error, *filter(None, (error.__cause__, error.__context__))]
    said = " ".join(" ".join(f"{type(cause).__name__}: {cause}" for cause in causes).split())
    cure = next((cure for sign, cure in _CURES if sign.search(said)), _OTHER_CURE)
    shown = " ".join(str(error).split()) or type(error).__name__
    if error.__cause__ is not None:
        shown += f" ({' '.join(str(error.__cause__).split())})"
    return f"cannot be loaded: {_without_token(shown)[:_LONGEST]}; {cure}"


def _without_token(text: str) -> str:
    token = os.environ.get("HF_TOKEN")
    return _TOKEN.sub("hf_***", text.replace(token, "***") if token else text)


_SAVE = "there save it with save_to_disk, and set dataset to the folder here"
_OTHER_CURE = "check dataset, config, revision and data_files, and that the disk is not full"
_CURES = tuple(
    (re.compile(sign, re.IGNORECASE), cure)
    for sign, cure in (
        (
            "scripts are no longer supported",
            "it is a script, which datasets no longer runs. The Hub keeps a copy of most as "
            "Parquet files: set revision to refs/convert/parquet",
        ),
        (
            r"gated|\b401\b|\b403\b|unauthorized|forbidden|not authenticated",
            "access must be granted: ask for it on the page of the data set, and set HF_TOKEN to "
            "your access token",
        ),
        (
            "OfflineModeIsEnabled",
            "HF_HUB_OFFLINE is set and no copy is in the cache: unset it, or go to a machine with "
            f"a network, {_SAVE}",
        ),
        (
            r"couldn't reach|connect|timed? ?out|name resolution|LocalEntryNotFound",
            f"the Hub is out of reach: check the network, or go to a machine that has one, {_SAVE}"
            " (HF_HUB_OFFLINE=1 takes what is in the cache and does not wait)",
        ),
        ("config name is missing|BuilderConfig", "set config to one of these"),
        ("RevisionNotFound|invalid rev", "check revision: a branch, a tag or a commit"),
        (
            "data ?files?",
            "expected Parquet, JSON, CSV or Arrow files; check dataset and data_files (patterns "
            "inside the data set)",
        ),
        (
            "DatasetNotFound|RepositoryNotFound|repo id|404",
            "check the id, as lhoestq/conll2003; for a private one set HF_TOKEN to your access "
            "token",
        ),
    )
)
