"""The files of a batch: how each is read, how much there is, how far reading has come."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, cast, get_args

from nertune.config import ReadSettings
from nertune.data import FORMATS, ReadReport, read_stream
from nertune.data.arriving import ArrivingStream, can_wait, with_pauses
from nertune.data.columns import has_marks
from nertune.data.reading import opened, unreadable
from nertune.data.text import read_text
from nertune.documents import Document
from nertune.errors import DataError

Input = Literal["text", "columns", "jsonl"]
_STDIN = "-"
_END_BYTES, _N_ENDS = 4096, 1000


class Inputs:
    """Files and standard input (`-`), read one after the other.

    input: how all of them are read; None: each by its ending.
    Raises DataError for one that cannot be read, before hours are spent on those before it.
    """

    def __init__(
        self, paths: Sequence[str], input: Input | None, settings: ReadSettings
    ) -> None:
        self.paths = tuple(paths)
        self.settings = settings
        self.report = ReadReport()
        self._input = input
        self._n_bytes_before = 0
        self._n_documents = 0
        self._ends: deque[tuple[int, int]] = deque([(0, 0)], _N_ENDS)
        self._stream: io.BufferedReader | None = None
        sizes = [_size(path) for path in self.paths]
        known = [size for size in sizes if size is not None]
        self.n_bytes = sum(known) if len(known) == len(sizes) else None
        for path in self.paths:
            self.kind(path)

    @property
    def are_files(self) -> bool:
        """Whether they can be read once more, from the beginning."""
        return self.n_bytes is not None and _STDIN not in self.paths

    def n_bytes_of(self, n_documents: int) -> int:
        """About how many bytes of files the first documents take.

        The tagger reads ahead, so that this is less than what has been read. Asked for fewer
        documents than before it may answer too much.
        """
        ends = self._ends
        while len(ends) > 1 and ends[1][0] <= n_documents:
            ends.popleft()
        return ends[0][1]

    @property
    def _position(self) -> int:
        return self._n_bytes_before + (self._stream.tell() if self._stream else 0)

    def _mark(self) -> None:
        """Remember where one more document ends, if that is some way from the last one."""
        self._n_documents += 1
        position = self._position
        if position - self._ends[-1][1] >= _END_BYTES:
            self._ends.append((self._n_documents, position))

    def kind(self, path: str) -> Input:
        """How a file is read: what is not plainly annotated text is raw text."""
        if self._input is not None:
            return self._input
        ending = Path(path).suffix.lower()
        named = next((name for name, one in FORMATS.items() if ending in one.endings), "text")
        if named not in get_args(Input):
            raise DataError(
                f"is a {named} file by its ending; expected text, columns or JSONL. Convert it, or "
                "say how to read it with --input",
                path,
            )
        return cast(Input, named)

    def have_marks(self) -> bool:
        """Whether any document may have several sentences, so that marks must stand between them.

        A stream, or a pipe, can be read only once: its sentences are documents until a mark comes.
        """
        return any(self.kind(path) != "columns" or _has_marks(path) for path in self.paths)

    def documents(self) -> Iterator[Document | None]:
        """All documents, with None wherever a pipe or a terminal lets one wait for the next."""
        for path in self.paths:
            try:
                with self._opened(path) as stream:
                    for document in self._read(path, stream):
                        if document is not None:
                            self._mark()
                        yield document
            except OSError as error:
                raise unreadable(path, error) from error

    def _read(self, path: str, stream: io.BufferedReader) -> Iterator[Document | None]:
        kind = self.kind(path)
        name = "<stdin>" if path == _STDIN else path
        if kind == "text":
            documents = read_text(stream, self.settings, self.report, name)
        else:
            settings = self.settings.model_copy(update={"format": kind})
            documents = read_stream(stream, settings, self.report, name)
        if isinstance(stream, ArrivingStream):
            return with_pauses(documents, stream)
        return documents

    @contextmanager
    def _opened(self, path: str) -> Iterator[io.BufferedReader]:
        with _stdin() if path == _STDIN else opened(path) as stream:
            if can_wait(stream):
                yield ArrivingStream(stream)
                return
            self._stream = stream if stream.seekable() else None
            try:
                yield stream
            finally:
                self._n_bytes_before = self._position
                self._stream = None


@contextmanager
def _stdin() -> Iterator[io.BufferedReader]:
    """Standard input, which stays open."""
    yield cast(io.BufferedReader, sys.stdin.buffer)


def _size(path: str) -> int | None:
    """How many bytes a file has, None for a pipe; DataError where it could not be read later."""
    try:
        if path == _STDIN:
            found = os.fstat(sys.stdin.fileno())
        else:
            found = os.stat(path)
            if not stat.S_ISFIFO(found.st_mode):
                os.close(os.open(path, os.O_RDONLY))
    except io.UnsupportedOperation:  # no file of the system's
        return None
    except OSError as error:
        raise unreadable(path, error) from error
    if stat.S_ISDIR(found.st_mode):
        raise DataError(
            f"is a folder; expected a file: name those in it, as {Path(path) / '*.txt'}", path
        )
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _has_marks(path: str) -> bool:
    if not Path(path).is_file():
        return False
    with opened(path) as stream:
        return has_marks(stream)
