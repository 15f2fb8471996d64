"""Files to streams of Document: the table of formats, and the one door to them."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from nertune.config import ReadSettings
from nertune.data.columns import has_marks, looks_like_columns, read_columns
from nertune.data.json_array import read_json_array
from nertune.data.jsonl import read_jsonl
from nertune.data.report import ReadReport
from nertune.data.source import BOM, Source
from nertune.documents import Document
from nertune.errors import DataError

_BUFFER = 1 << 16
_OBJECT = re.compile(rb"\s*\{\s*[\"}]")
_ARRAY = re.compile(rb"\s*\[\s*[{\]]")


@dataclass(frozen=True)
class Format:
    """One way to write annotations: its name in the settings, its reader, its file endings."""

    name: str
    read: Callable[[Source], Iterator[Document]]
    endings: tuple[str, ...]


FORMATS: dict[str, Format] = {
    format_.name: format_
    for format_ in (
        Format(
            "columns", read_columns,
            (".conll", ".conllu", ".conllup", ".iob", ".iob2", ".bio", ".bioes", ".tsv", ".col"),
        ),
        Format("jsonl", read_jsonl, (".jsonl", ".ndjson")),
        Format("json", read_json_array, (".json",)),
    )
}


def read(
    path: str | Path,
    settings: ReadSettings | None = None,
    report: ReadReport | None = None,
) -> Iterator[Document]:
    """Stream the documents of one file; memory does not grow with it.

    What was read, skipped and repaired is counted in `report`. Raises DataError where the file is
    missing, cannot be read, holds no document, or is faulty and on_error is stop.
    """
    with _opened(path) as stream:
        yield from read_stream(stream, settings, report, str(path))


def read_stream(
    stream: BinaryIO,
    settings: ReadSettings | None = None,
    report: ReadReport | None = None,
    name: str = "<stdin>",
) -> Iterator[Document]:
    """Stream the documents of an open binary stream, for instance `sys.stdin.buffer`.

    A stream that cannot be rewound is not looked through for document marks beforehand: each
    sentence of a column file is its own document until the first mark comes. The stream stays open.
    """
    settings = settings or ReadSettings()
    report = ReadReport() if report is None else report
    before = report.documents, sum(report.skipped.values())
    with _buffered(stream) as buffered:
        source = _source(buffered, settings, report, name)
        try:
            for document in FORMATS[source.settings.format].read(source):
                report.documents += 1
                report.sentences += len(document.sentences)
                report.words += document.n_words
                yield document
        except OSError as error:
            raise _unreadable(name, error) from error
    if report.documents == before[0]:
        raise _empty(source, sum(report.skipped.values()) - before[1])


def guess_format(name: str | Path, head: bytes, separator: str | None = None) -> str:
    """The format of a file, from its ending and how it begins.

    Raises DataError for a .txt file that does not look like columns.
    """
    ending = Path(name).suffix.lower()
    if ending in FORMATS["columns"].endings:
        return "columns"
    if _OBJECT.match(head):
        return "jsonl"
    if _ARRAY.match(head):
        return "json"
    for format_ in FORMATS.values():
        if ending in format_.endings:
            return format_.name
    if ending == ".txt" and head.strip():
        # The last line may be cut.
        lines = head.decode(errors="replace").rpartition("\n")[0] or head.decode(errors="replace")
        if not looks_like_columns(lines, separator):
            raise DataError(
                "cannot tell the format: a .txt file is read as columns if each line has as many "
                "columns as the others, at least two; expected annotations as columns, jsonl or "
                "json. Name the format: format: columns (--set data.format=columns), with "
                "separator if the columns are divided by something other than white space",
                name,
            )
    return "columns"


@contextmanager
def open_source(
    path: str | Path, settings: ReadSettings, report: ReadReport | None = None
) -> Iterator[Source]:
    """An open file with its format settled, for readers that look at more than documents."""
    with _opened(path) as stream:
        yield _source(stream, settings, report or ReadReport(), str(path))


def _source(
    stream: io.BufferedReader, settings: ReadSettings, report: ReadReport, name: str
) -> Source:
    """The source with the format settled, the byte order mark passed over and marks looked for."""
    head = stream.peek(_BUFFER)
    if head.startswith(BOM):
        stream.read(len(BOM))
        head = head[len(BOM) :]
    if settings.format == "auto":
        found = guess_format(name, head, settings.separator)
        settings = settings.model_copy(update={"format": found})
    marked = False
    if settings.format == "columns" and stream.seekable():
        start = stream.tell()
        marked = has_marks(stream)
        stream.seek(start)
    return Source(stream, name, settings, report, marked)


@contextmanager
def _opened(path: str | Path) -> Iterator[io.BufferedReader]:
    try:
        stream = open(path, "rb", buffering=_BUFFER)  # noqa: SIM115 - closed below
    except OSError as error:
        raise _unreadable(path, error) from error
    with stream:
        yield cast(io.BufferedReader, stream)


@contextmanager
def _buffered(stream: BinaryIO) -> Iterator[io.BufferedReader]:
    """The stream as one that can be peeked into; the caller's stays open."""
    if isinstance(stream, io.BufferedReader):
        yield stream
        return
    wrapped = cast(io.BufferedReader, io.BufferedReader(cast(io.RawIOBase, stream), _BUFFER))
    try:
        yield wrapped
    finally:
        wrapped.detach()


def _unreadable(path: str | Path, error: OSError) -> DataError:
    if isinstance(error, FileNotFoundError):
        return DataError("no such file; check the path and the folder it starts from", path)
    if isinstance(error, IsADirectoryError):
        return DataError("is a folder; expected a file: name one of those in it", path)
    what = f"cannot be read ({error.strerror or error})"
    return DataError(f"{what}; check its permissions, or read a copy of it", path)


def _empty(source: Source, skipped: int) -> DataError:
    if skipped:
        reason, number = source.report.skipped.most_common(1)[0]
        return DataError(
            f"no document is left: {skipped} faulty sentences or rows were skipped, most often for "
            f"'{reason}' ({number}, first at {source.report.first[reason]}); expected some without "
            "faults; check format, separator, word_column and tag_column",
            source.name,
        )
    return DataError(
        f"holds no document (read as {source.settings.format}); expected at least one; is it the "
        "right file, and is it whole?",
        source.name,
    )
