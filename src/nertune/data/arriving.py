"""Pipes and terminals, where what is asked for may be long in coming."""

from __future__ import annotations

import io
import os
import select
import stat
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from nertune.documents import Document

_BUFFER_BYTES = 1 << 16
_PATIENCE_SECONDS = 0.02  # a program at the other end of a pipe fills it in less


class ArrivingStream(io.BufferedReader):
    """A pipe or a terminal that says when all that has come in is read.

    Reads the stream's file descriptor: nothing may have been read from it before.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._source = _Counting(stream.fileno())
        super().__init__(self._source, _BUFFER_BYTES)

    def is_dry(self) -> bool:
        """Whether to read on would be to wait."""
        if self.tell() < self._source.n_read:
            return False
        return not select.select([self._source.descriptor], [], [], _PATIENCE_SECONDS)[0]


class _Counting(io.RawIOBase):
    """A file descriptor, and how many bytes came out of it."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.n_read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        some = os.read(self.descriptor, len(buffer))
        buffer[: len(some)] = some
        self.n_read += len(some)
        return len(some)

    def tell(self) -> int:
        """Where a BufferedReader counts from."""
        return self.n_read


def can_wait(stream: BinaryIO) -> bool:
    """Whether reading may have to wait, and the system can tell."""
    try:
        mode = os.fstat(stream.fileno()).st_mode
        select.select([stream], [], [], 0)
    except (OSError, ValueError):  # no file of the system's; Windows selects only sockets
        return False
    return not stat.S_ISREG(mode)


def with_pauses(
    documents: Iterable[Document], stream: ArrivingStream
) -> Iterator[Document | None]:
    """The documents read from a stream, with None wherever the next has not come in yet."""
    for document in documents:
        yield document
        if stream.is_dry():
            yield None
