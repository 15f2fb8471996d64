"""A file written over hours: unseen until it is whole, and gone on with after a kill.

Beside `FILE` stand, while it is written, `.FILE.partial` (what there is of it), `.FILE.journal`
(how much of that is safe, and made from what) and `.FILE.lock`; none of them is left afterwards.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from nertune.errors import OutputError
from nertune.files import output_error, refuse_stream, whole_file

_SECONDS_BETWEEN_SYNCS = 5.0


@dataclass(frozen=True)
class _Journal:
    """What is safe of a partial file: its first `n_bytes`, made from `made_from`; `state` is the
    writer's own."""

    made_from: Mapping[str, str]
    n_bytes: int
    state: Mapping[str, Any]


class PartialFile:
    """The text written so far. `state` is what `keep` was given last, in this try or before.

    changed: why an earlier try was not gone on with; empty where it was, or where there was none.
    """

    def __init__(
        self, path: Path, made_from: Mapping[str, str], or_from: Mapping[str, str] | None = None
    ) -> None:
        self._path = _beside(path, "partial")
        self._journal_path = _beside(path, "journal")
        self._made_from = dict(made_from)
        self._kept: _Journal | None = None
        self._synced = time.monotonic()
        found = _read_journal(self._journal_path, self._path)
        self.changed = [] if found is None else _differences(found.made_from, self._made_from)
        if found is not None and found.made_from == or_from:
            self.changed = []
        elif self.changed:
            found = None
        self._begin(found)
        self.state: Mapping[str, Any] = found.state if found else {}

    def _begin(self, found: _Journal | None) -> None:
        n_bytes = found.n_bytes if found else 0
        if not n_bytes:
            self._journal_path.unlink(missing_ok=True)
        with self._path.open("ab") as handle:
            handle.truncate(n_bytes)
        self.handle: IO[str] = self._path.open("a", encoding="utf-8", newline="\n")

    def keep(self, state: Mapping[str, Any]) -> None:
        """What is written so far may be gone on from, with `state`.

        It is on the disk a few seconds later at the most, and when the program ends in any way but
        a kill.
        """
        self.handle.flush()
        n_bytes = os.fstat(self.handle.fileno()).st_size
        self.state = dict(state)
        self._kept = _Journal(self._made_from, n_bytes, self.state)
        if time.monotonic() - self._synced > _SECONDS_BETWEEN_SYNCS:
            self._sync()

    def _sync(self) -> None:
        os.fsync(self.handle.fileno())
        self._write_journal()
        self._synced = time.monotonic()

    def _write_journal(self) -> None:
        """After the text is safe: the journal never speaks of more than there is."""
        with whole_file(self._journal_path) as handle:
            json.dump(vars(self._kept), handle)

    def finish(self, path: Path) -> None:
        """Give the file its name."""
        self.handle.flush()
        os.fsync(self.handle.fileno())
        self.handle.close()
        os.replace(self._path, path)
        self._journal_path.unlink(missing_ok=True)

    def break_off(self) -> None:
        """Leave what can be gone on with, and nothing else; raises nothing."""
        with suppress(OSError):  # a full disk fails again when the rest of the buffer is flushed
            self.handle.close()
        with suppress(OSError, OutputError):
            if self._kept is not None:
                with self._path.open("r+b") as handle:
                    handle.truncate(self._kept.n_bytes)
                    os.fsync(handle.fileno())
                self._write_journal()
            elif not self._journal_path.exists():
                self._path.unlink(missing_ok=True)


@contextmanager
def partial_file(
    path: Path, made_from: Mapping[str, str], or_from: Mapping[str, str] | None = None
) -> Iterator[PartialFile]:
    """A UTF-8 text file that takes its final name when the block ends without an exception.

    made_from: everything the content follows from, name to value. Where the journal of an earlier
    try names the same (or what is in `or_from`), what that try kept stands in the file already. A
    link stays, and what it points to is written. Raises OutputError where the file cannot be
    written, or another program is writing it.
    """
    given = path
    try:
        refuse_stream(path)
        path = Path(os.path.realpath(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(21, "it is a folder, a file was expected")
        with tempfile.TemporaryFile(dir=path.parent):  # before the lock, which would only wait
            pass
        with _locked(path, given):
            part = PartialFile(path, made_from, or_from)
            try:
                yield part
                part.finish(path)
            except BaseException:
                part.break_off()
                raise
    except OSError as error:
        if isinstance(error, BrokenPipeError):  # of the caller's own output
            raise
        raise output_error(given, error) from error


@contextmanager
def _locked(path: Path, given: Path) -> Iterator[None]:
    place = _beside(path, "lock")
    lock = FileLock(str(place))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise OutputError(
            f"{given}: another nertune is writing this file; wait for it, or choose another --out"
        ) from None
    try:
        yield
    finally:
        place.unlink(missing_ok=True)  # while it is held: nobody else can have it
        lock.release()


def _beside(path: Path, what: str) -> Path:
    return path.with_name(f".{path.name}.{what}")


def _read_journal(path: Path, partial: Path) -> _Journal | None:
    """The journal of an earlier try; None where there is none that can be trusted."""
    try:
        journal = _Journal(**json.loads(path.read_text(encoding="utf-8")))
        return journal if 0 < journal.n_bytes <= partial.stat().st_size else None
    except (OSError, ValueError, TypeError):
        return None


def _differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return [
        f"{name} was {before.get(name, 'not there')}, is {now.get(name, 'not there')}"
        for name in dict.fromkeys((*before, *now))
        if before.get(name) != now.get(name)
    ]
