"""Rows through a tagger: a stream that outlives the rows that fail."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from nertune.documents import Document

Found = TypeVar("Found")
Find = Callable[[Iterator[Document]], Iterator[Found]]
"""What a tagger finds in each document of a stream, in order."""

Prepared = tuple[bytes | None, list[int], list[Document] | str]
"""A row's key, where each of its documents begins, and the documents; or why there are none."""


@dataclass(frozen=True)
class Outcome:
    """A row that failed: its place in the partition, its key, and why."""

    number: int
    key: bytes | None
    reason: str


def tag_rows(
    find: Find[Found], rows: Iterator[Prepared]
) -> Iterator[tuple[list[int], list[Found]] | Outcome]:
    """For each row, in order, what is found in its documents, or what became of it.

    The tagger is given the documents of all rows as one stream, so that it makes its own chunks and
    batches of them. Where it fails, the rows it had before it are tagged one by one, and those that
    fail again are told; then the stream goes on.
    """
    waiting: deque[tuple[int, Prepared]] = deque()
    stream = _Stream(rows, waiting)
    while True:
        found = find(stream.documents())
        try:
            while waiting or stream.fetch():
                number, (key, begins, documents) = waiting[0]
                if isinstance(documents, str):
                    result: tuple[list[int], list[Found]] | Outcome
                    result = Outcome(number, key, documents)
                else:
                    result = begins, [next(found) for _ in documents]
                waiting.popleft()
                yield result
            return
        except Exception:
            if stream.broken:
                raise
            stream.unread.clear()
            while waiting:
                yield _alone(find, *waiting.popleft())


def _alone(
    find: Find[Found], number: int, row: Prepared
) -> tuple[list[int], list[Found]] | Outcome:
    key, begins, documents = row
    if isinstance(documents, str):
        return Outcome(number, key, documents)
    try:
        return begins, list(find(iter(documents)))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this row's
        return Outcome(number, key, f"{type(error).__name__}: {error}")


class _Stream:
    """The rows, kept until they are answered, as a stream of their documents."""

    def __init__(self, rows: Iterator[Prepared], waiting: deque[tuple[int, Prepared]]) -> None:
        self.broken = False
        self._rows = enumerate(rows)
        self._waiting = waiting
        self.unread: deque[Document] = deque()

    def fetch(self) -> bool:
        """Wait for one more row; whether there is one."""
        try:
            row = next(self._rows, None)
        except BaseException:  # Spark's own: nothing to do with a row of ours
            self.broken = True
            raise
        if row is None:
            return False
        self._waiting.append(row)
        documents = row[1][2]
        if not isinstance(documents, str):
            self.unread.extend(documents)
        return True

    def documents(self) -> Iterator[Document]:
        """The documents of the rows to come."""
        while self.unread or self.fetch():
            if self.unread:
                yield self.unread.popleft()
