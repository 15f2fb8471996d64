"""nertune doctor."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from nertune.bundle import LEVELS, Finding
from nertune.cli import render
from nertune.cli.options import Json, Model
from nertune.data.text import read_text
from nertune.doctor import examine
from nertune.documents import Document
from nertune.errors import DataError

_COLOURS = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def doctor(
    model: Model,
    text: Annotated[
        str | None,
        typer.Argument(help="Text to try the tokenizer on, a document a line; '-': input."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell what is wrong with a model or its tokenizer, and the cure.

    Ends with 1 where there are errors, for which the model is refused; with 0 otherwise.

    [dim]Examples:[/]

    nertune doctor runs/quickstart

    nertune doctor dslim/bert-base-NER news.txt
    """
    findings = examine(model, _documents(text) if text is not None else None)
    if as_json:
        render.print_json({
            "model": model,
            **_numbers(findings),
            "findings": [asdict(one) for one in findings],
        })
    else:
        _print(model, findings)
    if any(one.level == "error" for one in findings):
        raise typer.Exit(1)


def _documents(path: str) -> Iterator[Document]:
    if path == "-":
        yield from read_text(sys.stdin.buffer)
        return
    try:
        with Path(path).open("rb") as stream:
            yield from read_text(stream, name=path)
    except OSError as error:
        raise DataError(
            f"cannot be read ({error.strerror}); expected a text file, or '-' for standard input",
            path,
        ) from None


def _numbers(findings: Sequence[Finding]) -> dict[str, int]:
    levels = Counter(one.level for one in findings)
    return {f"{level}s": levels[level] for level in LEVELS}


def _print(model: str, findings: Sequence[Finding]) -> None:
    numbers = _numbers(findings).items()
    counted = ", ".join(f"{n} {name[:-1] if n == 1 else name}" for name, n in numbers)
    head = Text.assemble((render.clean(model), "bold"), f": {counted}")
    render.out.print(head, soft_wrap=True)
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for one in findings:
        table.add_row()
        table.add_row(Text(one.level, _COLOURS[one.level]), _told(one))
    render.out.print(table)


def _told(one: Finding) -> Text:
    """The file, where it is one; what is wrong; on a line of its own the cure."""
    where = Path(one.where).name if Path(one.where).suffix == ".json" else one.about
    told = Text.assemble((f"{where}: ", "bold"), render.clean(one.what))
    if one.cure:
        told.append("\n")
        told.append("cure: ", "green")
        told.append(render.clean(one.cure))
    return told
