"""nertune predict."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import IO, Annotated, Any, BinaryIO, Literal, cast, get_args

import typer
from rich.console import Console

from nertune.cli import render
from nertune.cli.options import (
    Model,
    OnErrorOption,
    Separator,
    WordColumn,
    WordPrefix,
    read_settings,
)
from nertune.config import ReadSettings
from nertune.data import FORMATS, ReadReport, read, read_stream, write_columns, write_jsonl
from nertune.data.columns import has_marks
from nertune.documents import Document
from nertune.engine import Stats, Tagger
from nertune.errors import DataError, DocumentError
from nertune.files import whole_file

Input = Literal["text", "columns", "jsonl"]
Output = Literal["jsonl", "conll", "pretty"]


def predict(
    model: Model,
    files: Annotated[
        list[str] | None, typer.Argument(help="Files to read; '-' or none: standard input.")
    ] = None,
    input: Annotated[
        Input | None,
        typer.Option(
            help="text: a document a line; columns: a word a line; jsonl: native.",
            show_default="by the file's ending, else text",
        ),
    ] = None,
    format: Annotated[
        Output | None,
        typer.Option(help="What to write.", show_default="pretty on a terminal, else jsonl"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write to this file when all is done.")] = None,
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Leave out entities with a lower score.")
    ] = 0.0,
    separator: Separator = None,
    word_column: WordColumn = 0,
    word_prefix: WordPrefix = "",
    on_error: OnErrorOption = "stop",
) -> None:
    """Find the entities in text, one document a line, and write them in the same order.

    [dim]Examples:[/]

    echo 'Ada Lovelace lived in London.' | nertune predict runs/quickstart -

    nertune predict runs/quickstart news.txt --format jsonl --out news.jsonl

    nertune predict me/my-ner@v2 news.txt
    """
    report = ReadReport()
    paths = files or ["-"]
    settings = read_settings(separator, word_column, None, word_prefix, on_error)
    documents = chain.from_iterable(
        _documents(path, input or _by_ending(path), settings, report) for path in paths
    )
    tagger = Tagger.load(model)
    chosen = format or ("pretty" if out is None and sys.stdout.isatty() else "jsonl")
    tagged = tagger.tag(documents, threshold)
    with whole_file(out) if out else nullcontext(sys.stdout) as handle:
        if chosen == "conll":
            marks = any(
                (input or _by_ending(path)) != "columns" or _has_marks(path) for path in paths
            )
            write_columns(tagged, handle, marks=marks)
        else:
            _WRITERS[chosen](tagged, handle)
    _tell(tagger.stats, report)


def _tell(stats: Stats, report: ReadReport) -> None:
    """What was not seen, skipped or mended."""
    if stats.words_without_pieces or stats.cut_pieces:
        render.warn(
            f"{stats.words_without_pieces} words are unknown to the tokenizer and got O; "
            f"{stats.cut_pieces} pieces of over-long words were not seen"
        )
    if not report.clean:
        for line in report.lines()[1:]:
            render.warn(line)


def _by_ending(path: str) -> Input:
    """How a file is read when nothing is said: what is not plainly annotated text is raw text."""
    ending = Path(path).suffix.lower()
    named = next((name for name, one in FORMATS.items() if ending in one.endings), "text")
    if named not in get_args(Input):
        raise DataError(
            f"is a {named} file by its ending; expected text, columns or JSONL. Convert it, or say "
            "how to read it with --input",
            path,
        )
    return cast(Input, named)


def _documents(
    path: str, input: Input, settings: ReadSettings, report: ReadReport
) -> Iterator[Document]:
    if input == "text":
        with nullcontext(sys.stdin.buffer) if path == "-" else _opened(path) as stream:
            yield from _lines(stream, path, settings, report)
        return
    of_format = settings.model_copy(update={"format": input})
    if path == "-":
        yield from read_stream(sys.stdin.buffer, of_format, report)
    else:
        yield from read(path, of_format, report)


def _lines(
    stream: BinaryIO, name: str, settings: ReadSettings, report: ReadReport
) -> Iterator[Document]:
    """One document a line; empty lines stay, so that the output has as many lines as the input."""
    place = "<stdin>" if name == "-" else name
    for number, raw in enumerate(stream, start=1):
        try:
            text = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            yield Document.from_text(text)
        except (UnicodeDecodeError, DocumentError) as error:
            fault = f"is not UTF-8 ({error}); expected UTF-8, convert it with iconv"
            if settings.on_error == "stop":
                raise DataError(fault, place, number) from None
            report.skip("a line that is not UTF-8", f"{place}:{number}")


def _opened(path: str) -> io.BufferedReader:
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise DataError(
            f"cannot be read ({error.strerror}); expected a text file, or '-' for standard input",
            path,
        ) from None


def _write_pretty(documents: Iterable[Document], handle: IO[str]) -> None:
    console = Console(file=handle) if handle is not sys.stdout else render.out
    for document in documents:
        render.print_highlighted(document, console)


def _has_marks(path: str) -> bool:
    """Whether a column file has document marks; a stream, or a pipe, can be read only once."""
    if not Path(path).is_file():
        return False
    with _opened(path) as stream:
        return has_marks(stream)


_WRITERS: dict[str, Callable[[Iterable[Document], Any], None]] = {
    "jsonl": write_jsonl,
    "pretty": _write_pretty,
}
