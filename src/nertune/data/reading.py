"""Files and data sets to streams of Document: the table of formats, and the one door to them."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from nertune.config import ReadSettings
from nertune.data import hub
from nertune.data.columns import has_marks, looks_like_columns, read_columns
from nertune.data.json_array import read_json_array
from nertune.data.jsonl import read_jsonl
from nertune.data.parquet import PARQUET_MAGIC, read_parquet
from nertune.data.report import ReadReport
from nertune.data.source import BOM, Origin, Source
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
        Format("parquet", read_parquet, (".parquet",)),
    )
}


def read(
    path: str | Path,
    settings: ReadSettings | None = None,
    report: ReadReport | None = None,
) -> Iterator[Document]:
    """Stream the documents of one file; memory does not grow with it.

    Where `settings.dataset` names a data set, `path` is one of its splits.
    What was read, skipped and repaired is counted in `report`. Raises DataError where the file is
    missing, cannot be read, holds no document, or is faulty and on_error is stop.
    """
    if settings is not None and settings.dataset is not None:
        report = ReadReport() if report is None else report
        report.format, report.columns = "data set", ()
        origin = Origin(f"{settings.dataset}[{path}]", settings, report)
        yield from _counted(hub.read_split(str(path), origin), origin)
        return
    with opened(path) as stream:
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
    if isinstance(cast(object, stream), io.TextIOBase) or not hasattr(stream, "read"):
        raise DataError(
            f"is of type {type(stream).__name__}; expected a binary stream, as open(path, 'rb') or "
            "sys.stdin.buffer gives it",
            name,
        )
    with _buffered(stream) as buffered:
        source = _source(buffered, settings, report, name)
        report.format, report.columns = source.settings.format, ()
        yield from _counted(FORMATS[source.settings.format].read(source), source)


def _counted(documents: Iterator[Document], origin: Origin) -> Iterator[Document]:
    """The documents, counted in the report; DataError where there are none."""
    report = origin.report
    before, n_skipped = report.documents, report.skipped.total()
    n_others = report.other_languages.total()
    try:
        for document in documents:
            report.documents += 1
            report.sentences += len(document.sentences)
            report.words += document.n_words
            yield document
    except OSError as error:
        raise unreadable(origin.name, error) from error
    if report.documents == before:
        n_others = report.other_languages.total() - n_others
        raise _empty(origin, report.skipped.total() - n_skipped, n_others)


def guess_format(name: str | Path, head: bytes, separator: str | None = None) -> str:
    """The format of a file, from its ending and how it begins.

    Raises DataError for a .txt file that does not look like columns.
    """
    ending = Path(name).suffix.lower()
    if ending in FORMATS["columns"].endings:
        return "columns"
    if head.startswith(PARQUET_MAGIC):
        return "parquet"
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
                "columns as the others, at least two; expected annotations as columns, jsonl, "
                "json or parquet. Name the format: format: columns (--set data.format=columns), "
                "with separator if the columns are divided by something other than white space",
                name,
            )
    return "columns"


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
    if settings.format == "columns" and settings.languages:
        raise DataError(
            "languages is set, but this is read as a column file, which names no language; "
            "expected rows with one; leave languages out",
            name,
        )
    if settings.format == "columns" and stream.seekable():
        start = stream.tell()
        marked = has_marks(stream)
        stream.seek(start)
    return Source(name, settings, report, stream, marked)


@contextmanager
def opened(path: str | Path) -> Iterator[io.BufferedReader]:
    """A file open for reading; DataError with the reason where it cannot be."""
    try:
        stream = open(path, "rb", buffering=_BUFFER)  # noqa: SIM115 - closed below
    except OSError as error:
        raise unreadable(path, error) from error
    except (TypeError, ValueError) as error:
        raise DataError(f"is no path ({error}); expected the path of a file", repr(path)) from error
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


def unreadable(path: str | Path, error: OSError) -> DataError:
    """The teaching error for an input that the system refused."""
    if isinstance(error, FileNotFoundError):
        return DataError("no such file; check the path and the folder it starts from", path)
    if isinstance(error, IsADirectoryError):
        if hub.is_saved(Path(path)):
            return DataError(
                "is a data set written by save_to_disk; expected a file. Set data.dataset to this "
                "folder (--dataset), and name its splits where files are named",
                path,
            )
        return DataError(
            "is a folder; expected a file: name one of those in it, or set data.dataset to the "
            "folder of a data set",
            path,
        )
    what = f"cannot be read ({error.strerror or error})"
    return DataError(f"{what}; check its permissions, or read a copy of it", path)


def _empty(origin: Origin, skipped: int, others: int) -> DataError:
    report, settings = origin.report, origin.settings
    if others:
        return DataError(
            f"no row is in {' or '.join(settings.languages)}; expected some; the languages are "
            f"{report.languages_left_out()}. Set languages to some of them",
            origin.name,
        )
    if skipped:
        reason, number = report.skipped.most_common(1)[0]
        return DataError(
            f"no document is left: {skipped} faulty sentences or rows were skipped, most often for "
            f"'{reason}' ({number}, first at {report.first[reason]}); expected some without "
            f"faults; check {_WHAT_TO_CHECK.get(settings.format, 'tokens_key and tags_key')}",
            origin.name,
        )
    kind = settings.format if settings.dataset is None else "a data set"
    return DataError(
        f"holds no document (read as {kind}); expected at least one; is it the right one, and is "
        "it whole?",
        origin.name,
    )


_WHAT_TO_CHECK = {"columns": "format, separator, word_column and tag_column"}
