"""Lines of a column file: taken many at a time, by blocks between blank ones, and cell by cell."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from io import BufferedReader, BytesIO

from nertune.data.source import HELP_ON_ERROR, Fault, not_utf8, shown

_BLANKS = re.compile(r"[ \t]+")
_CONVERT = "if it is UTF-16, convert it: iconv -f utf16 -t utf8"
_STRETCH_BYTES = 1 << 13  # more is slower: its rows no longer fit the cache

Stretch = tuple[int, bytes]
"""Lines up to a blank one or the end of the file, with the number of the first (from 1)."""
Block = tuple[int, list[bytes]]
"""Lines between blank ones, with the number of the first (from 1)."""


def stretches(stream: BufferedReader) -> Iterator[Stretch]:
    """A whole file; each stretch as soon as its last line has come in, as in a pipe."""
    number = 1
    begun: list[bytes] = []
    while some := stream.read1(_STRETCH_BYTES):
        if not some.endswith(b"\n"):
            some += stream.readline()
        end = _after_last_blank(some)
        if end:
            whole = b"".join([*begun, some[:end]])
            yield number, whole
            number += whole.count(b"\n")
            begun = []
        begun.append(some[end:])
    yield number, b"".join(begun)


def _after_last_blank(lines: bytes) -> int:
    """Where the last blank line ends; 0 where there is none."""
    end = len(lines)
    while end:
        start = lines.rfind(b"\n", 0, end - 1) + 1
        if lines[start:end].isspace():
            return end
        end = start
    return 0


def blocks(stretch: Stretch) -> Iterator[Block]:
    """The blocks of a stretch."""
    first, lines = stretch
    block: list[bytes] = []
    number = first - 1
    for number, raw in enumerate(BytesIO(lines), first):
        if not raw.isspace():
            block.append(raw)
        elif block:
            yield number - len(block), block
            block = []
    if block:
        yield number - len(block) + 1, block


def decoded(raw: bytes, number: int) -> tuple[str, Fault | None]:
    """A line and its fault; empty where nothing of it can be used."""
    try:
        line = raw.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        return "", not_utf8(raw, error.start, number)
    if "\r" in line:
        message = (
            "a carriage return inside the line; expected lines that end in a newline (with or "
            "without one before it); convert the file, e.g. with dos2unix -c mac"
        )
        return "", Fault("carriage return inside a line", message, number, mendable=False)
    if "\0" in line:
        message = f"a NUL character in {shown(line)}; expected text in UTF-8; {_CONVERT}"
        return "", Fault("NUL character", message, number, mendable=False)
    if line.startswith("\ufeff"):
        message = f"a byte order mark inside the file, as where files were joined; {HELP_ON_ERROR}"
        return line.lstrip("\ufeff"), Fault("byte order mark inside a file", message, number)
    return line, None


def cells_of(line: str, separator: str | None) -> list[str]:
    """The columns of a line; white space around a cell is no part of it."""
    if separator is None:
        return [cell.strip() for cell in _BLANKS.split(line.strip(" \t\r\n"))]
    return [cell.strip() for cell in line.split(separator)]


def cell(cells: Sequence[str], column: int, n_columns: int) -> str:
    """The cell asked for; empty where a short line has none.

    From the right only a line of at least `n_columns` is counted: in a shorter one the last cell is
    not the tag.
    """
    if column < 0 and len(cells) < n_columns:
        column += n_columns
    return cells[column] if -len(cells) <= column < len(cells) else ""
