"""A JSON array of objects, read element by element: memory does not grow with the file."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import NoReturn

from nertune.data.rows import document_of_row
from nertune.data.source import Fault, Source, UniqueKeys, not_utf8
from nertune.documents import Document
from nertune.errors import DataError

_CHUNK = 1 << 16
_SPACE = re.compile(r"[ \t\n\r]*")
_UNDECODED = re.compile("[\udc80-\udcff]")
# An error so near the end of what has been read may be cured by reading on: the longest token that
# can be cut is a pair of \uXXXX escapes.
_MARGIN = 16


def read_json_array(source: Source) -> Iterator[Document]:
    """The documents of a JSON array.

    Raises DataError with path and line of the element where on_error is stop; broken JSON is raised
    in any case, because nobody can tell where the next element begins.
    """
    text = _Text(source)
    if text.next_char() != "[":
        text.fail("expected a JSON array that begins with [; one object a line is format jsonl")
    text.position += 1
    if text.next_char() != "]":
        yield from _elements(text, source)
    text.position += 1
    if text.next_char():
        text.fail("something follows the end of the array; expected one array and nothing else")


def _elements(text: _Text, source: Source) -> Iterator[Document]:
    while True:
        if text.next_char() == "]":
            text.fail("a comma before the closing ]; take it away")
        line = text.line()
        value, fault = text.element()
        if fault:
            source.settle([fault])
        else:
            document = document_of_row(value, line, source)
            if document is not None:
                yield document
        after = text.next_char()
        if after == "]":
            return
        if after != ",":
            text.fail("expected , or ] after an element" if after else _CUT_OFF)
        text.position += 1


class _Text:
    """The part of a file that is in memory, and where in it we are.

    Bytes that are not UTF-8 come as lone surrogates (surrogateescape), so that only the element in
    which they stand is faulty.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._keys = UniqueKeys()
        self._json = json.JSONDecoder(object_pairs_hook=self._keys)
        self._buffer = ""
        self._ended = False
        self._line = 1
        self._counted = 0
        self.position = 0

    def next_char(self) -> str:
        """The next character that is not white space, not taken; empty at the end."""
        while True:
            match = _SPACE.match(self._buffer, self.position)
            self.position = match.end() if match else self.position
            if self.position < len(self._buffer) or not self._more():
                return self._buffer[self.position : self.position + 1]

    def element(self) -> tuple[object, Fault | None]:
        """Take one JSON value."""
        while True:
            self._keys.twice = None
            try:
                value, end = self._json.raw_decode(self._buffer, self.position)
            except json.JSONDecodeError as error:
                if self._could_go_on(error) and self._more():
                    continue
                self._fail_at(error)
            except (ValueError, RecursionError) as error:
                self.fail(f"an element that cannot be read: {error}")
            # A number or word at the very end may be cut.
            if end < len(self._buffer) or not self._more():
                break
        fault = self._undecoded(end) or self._keys.fault(self.line())
        self.position = end
        return value, fault

    def line(self) -> int:
        """The number of the line at `position`, from 1."""
        self._line += self._buffer.count("\n", self._counted, self.position)
        self._counted = self.position
        return self._line

    def fail(self, message: str) -> NoReturn:
        """Raise DataError here."""
        raise DataError(message, self._source.name, self.line())

    def _could_go_on(self, error: json.JSONDecodeError) -> bool:
        near_end = error.pos >= len(self._buffer) - _MARGIN
        return near_end or error.msg.startswith("Unterminated string")

    def _fail_at(self, error: json.JSONDecodeError) -> NoReturn:
        cut_off = self._ended and self._could_go_on(error)
        begin = self._buffer.rfind("\n", 0, error.pos)
        self.position = max(self.position, error.pos)
        self.fail(_CUT_OFF if cut_off else f"not JSON: {error.msg} at column {error.pos - begin}")

    def _more(self) -> bool:
        """Read on; as much as is held already, so that a large element is parsed in linear time."""
        if self._ended:
            return False
        self.line()
        held = self._buffer[self.position :]
        data = self._source.stream.read(max(_CHUNK, len(held)))
        self._ended = not data
        self._buffer = held + self._decoder.decode(data, final=self._ended)
        self.position = self._counted = 0
        return True

    def _undecoded(self, end: int) -> Fault | None:
        match = _UNDECODED.search(self._buffer, self.position, end)
        if match is None:
            return None
        begin = self._buffer.rfind("\n", 0, match.start()) + 1
        raw = self._buffer[begin : match.start() + 1].encode(errors="surrogateescape")
        line = self.line() + self._buffer.count("\n", self.position, match.start())
        return not_utf8(raw, len(raw) - 1, line)


_CUT_OFF = "the array is not closed: the file ends too early; expected ] at its end; fetch it anew"
