"""Outputs that appear under their final name only when they are whole."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from nertune.errors import OutputError


def make_folder(folder: Path) -> Path:
    """Make `folder` and prove that it can be written to.

    Raises OutputError where it is a file, read-only or on a full disk.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise output_error(folder, error) from error
    return folder


@contextmanager
def whole_file(path: Path) -> Iterator[IO[str]]:
    """A UTF-8 text file that takes its final name only if the block ends without an exception.

    A link stays, and what it points to is written.
    """
    handle, given = None, path
    try:
        refuse_stream(path)
        path = Path(os.path.realpath(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(21, "it is a folder, a file was expected")
        handle = tempfile.NamedTemporaryFile(  # noqa: SIM115 - closed and renamed below
            "w",
            encoding="utf-8",
            newline="\n",
            dir=path.parent,
            prefix=f".{path.name}.",
            delete=False,
        )
        os.chmod(handle.name, 0o666 & ~_umask())
        yield handle
        handle.flush()
        os.fsync(handle.fileno())
        handle.close()
        os.replace(handle.name, path)
    except BaseException as error:
        if handle is not None:
            _discard(handle)
        if isinstance(error, OSError):
            raise output_error(given, error) from error
        raise


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill; it replaces `folder` only if the block ends without an exception.

    A link stays, and what it points to is replaced.
    """
    staging, given = None, folder
    try:
        folder = Path(os.path.realpath(folder))
        folder.parent.mkdir(parents=True, exist_ok=True)
        if folder.exists() and not folder.is_dir():
            raise NotADirectoryError(20, "it is a file, a folder was expected")
        staging = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        os.chmod(staging, 0o777 & ~_umask())
        yield staging
        for path in staging.rglob("*"):  # some writers leave files that only their owner may read
            os.chmod(path, (0o777 if path.is_dir() else 0o666) & ~_umask())
        _put_in_place(staging, folder)
    except BaseException as error:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)
        if isinstance(error, OSError):
            raise output_error(given, error) from error
        raise


def _put_in_place(staging: Path, folder: Path) -> None:
    """Move `staging` to `folder`; where that fails, what stood there stands there again."""
    aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.old."))
    old = aside / "old"
    try:
        if folder.exists():
            os.replace(folder, old)
        os.replace(staging, folder)
    except BaseException:
        if old.exists() and not folder.exists():
            os.replace(old, folder)
        shutil.rmtree(aside, ignore_errors=True)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def refuse_stream(path: Path) -> None:
    """Raise OutputError for what no file of its own can replace: a device, a pipe."""
    if _is_stream(path):
        raise OutputError(
            f"{path}: is a device, a pipe or standard output, a file of its own was expected; "
            "leave --out out and redirect"
        )


def _is_stream(path: Path) -> bool:
    """Whether to write to `path` is to write to a device, a pipe, or where standard output goes."""
    try:
        found = path.stat()
    except OSError:
        return False
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        return True
    try:
        return os.path.samestat(found, os.fstat(1))
    except OSError:  # standard output is closed
        return False


def _discard(handle: IO[str]) -> None:
    try:
        handle.close()
    except OSError:  # a full disk fails again when the rest of the buffer is flushed
        pass
    finally:
        Path(handle.name).unlink(missing_ok=True)


def output_error(path: Path, error: OSError) -> OutputError:
    """The teaching error for an output that the system refused."""
    return OutputError(
        f"{path}: cannot be written ({error.strerror or error}); "
        "choose another place with --out, or free it and run again"
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
