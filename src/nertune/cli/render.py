"""Tables and coloured text for the terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from nertune.data.inspection import FileInspection, Inspection, Lengths
from nertune.documents import Document
from nertune.encoding import AlignedPiece
from nertune.reports import Section
from nertune.reports import Table as ReportTable
from nertune.reports.tables import span
from nertune.scoring import Mode, Scores
from nertune.statistics import Bands

out = Console()
errors = Console(stderr=True)

_COLOURS = ("cyan", "yellow", "green", "magenta", "blue", "red")
_N_ROWS = 70
# Control characters could make a terminal do anything; those that turn the direction of writing
# could show a name where it does not stand. Tabs and newlines stay.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """Text of a file as a terminal may show it: control characters replaced, newlines kept."""
    return _CONTROL.sub("\ufffd", text.replace("\r\n", "\n"))


def print_json(value: Any) -> None:
    """JSON as it is, uncoloured and unwrapped, for other programs."""
    out.file.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def say(text: str) -> None:
    """Text as it stands: no markup, no wrapping."""
    out.print(_text(text), soft_wrap=True)


def say_aside(text: str) -> None:
    """The same on standard error, where it does not mix with what other programs read."""
    errors.print(_text(text), soft_wrap=True)


def warn(line: str) -> None:
    """One warning on standard error."""
    errors.print(Text.assemble(("warning: ", "yellow"), clean(line)), soft_wrap=True)


_COUNTED = {
    "conlleval": "whole entities, as conlleval counts them",
    "strict": "whole entities that do not break their scheme",
}


def print_scores(
    scores: Scores,
    title: str,
    bands: Mapping[str, Bands] | None = None,
    mode: Mode = "conlleval",
) -> None:
    """Whole entities by label, with the interval of F1 where it is known; then single tags."""
    table = _score_table(f"{title}: {_COUNTED[mode]}", "label")
    if bands:
        table.add_column("95 % of F1", justify="right")
    rows: Any = scores.to_dict()
    averages = {name: rows[name] for name in ("micro", "macro", "weighted")}
    for name, row in {**rows["labels"], **averages}.items():
        if name == "micro":
            table.add_section()
        interval = bands.get(name) if bands else None
        more = [span(interval.f1.low, interval.f1.high)] if interval else []
        _add_score(table, name, row, "bold" if name == "micro" else "", more)
    out.print(table)
    tags: Any = rows["tags"]
    out.print()
    table = _score_table("single tags, word by word", "tag")
    for tag, row in tags.items():
        if tag != "accuracy":
            _add_score(table, tag, row)
    out.print(table)
    out.print(
        f"accuracy {100 * scores.accuracy:.2f} of {scores.n_words:,} words\n"
        "An entity is right only with all its words and its label; a tag is right by itself,\n"
        "so this table looks kinder.",
        style="dim",
        highlight=False,
        soft_wrap=True,
    )


def print_sections(sections: Sequence[Section]) -> None:
    """Headings, sentences and tables of a report."""
    for section in sections:
        out.print(_text(section.name, "bold"))
        for line in section.text:
            out.print(_text(line))
        for one in section.tables:
            _print_table(one)
        out.print()


def _print_table(one: ReportTable) -> None:
    if one.caption:
        out.print(_text(one.caption, "italic"))
    table = Table(show_edge=False)
    for i, name in enumerate(one.columns):
        if i == 0 or i in one.text_columns:
            table.add_column(_text(name), overflow="fold")
        else:
            table.add_column(_text(name), justify="right", no_wrap=True)
    for i, row in enumerate(one.rows):
        style = "bold" if i in one.totals else "dim" if i in one.faint else ""
        table.add_row(*map(_text, (one.name_of(i), *row[1:])), style=style)
    out.print(table)
    if one.note:
        out.print(_text(one.note, "dim"))


def print_spreads(title: str, rows: dict[str, tuple[float, float]]) -> None:
    """Figures with mean and standard deviation, in per cent."""
    out.print(Text(title, style="italic"))
    table = Table(show_edge=False)
    table.add_column("")
    table.add_column("mean", justify="right")
    table.add_column("deviation", justify="right")
    for name, (mean, deviation) in rows.items():
        table.add_row(name, f"{100 * mean:.2f}", f"{100 * deviation:.2f}")
    out.print(table)


def print_highlighted(document: Document, console: Console) -> None:
    """The text with its entities in colour, each followed by its label; in brackets without.

    Without colour: in a file or a pipe, on a terminal that has none, or where NO_COLOR is set.
    """
    coloured = console.color_system is not None and not console.no_color
    text = Text()
    position = 0
    for entity in document.entities:
        if entity.start < position:  # overlaps the one before: never show a character twice
            continue
        text.append(clean(document.text[position : entity.start]))
        colour = _colour(entity.label)
        if coloured:
            text.append(clean(entity.text), style=f"bold {colour}")
            text.append(clean(f" {entity.label}"), style=f"dim {colour}")
        else:
            text.append(clean(f"[{entity.text} {entity.label}]"))
        position = entity.end
    text.append(clean(document.text[position:]))
    console.print(text, soft_wrap=True)


def print_inspection(inspection: Inspection) -> None:
    """What each file holds, one column a file; then what cannot stand in a table."""
    files = inspection.files
    names = [Path(file.path).name for file in files]
    facts = {
        "format": [file.format for file in files],
        **{
            name: [f"{getattr(file, name):,}" for file in files]
            for name in ("documents", "sentences", "words")
        },
        "entities": [f"{sum(file.entities.values()):,}" for file in files],
        "tag scheme": [_scheme(file) for file in files],
        "words a sentence": [_lengths(file.sentence_lengths) for file in files],
        "sentences a document": [_lengths(file.document_lengths) for file in files],
    }
    _print_columns("", names, facts)
    _print_columns("entities", names, _counts([file.entities for file in files]))
    _print_columns("tags", names, _counts([file.tags for file in files]))
    out.print("lengths: shortest / median / longest", style="dim", highlight=False)
    for file in files:
        _print_details(file)
    for line in inspection.warnings:
        warn(line)


def print_alignment(pieces: Sequence[AlignedPiece]) -> None:
    """One row a piece, with the tag it is trained on when only first pieces count, or all do."""
    table = Table(show_edge=False)
    for name in ("word", "shape", "tag", "piece", "first piece", "all pieces"):
        table.add_column(name)
    begins = ""
    for piece in pieces:
        first = piece.first is not None or piece.word is None
        begins = piece.word or ""
        table.add_row(
            _text(begins if first else ""),
            piece.shape if first else "",
            _text((piece.tag or "") if first else ""),
            _text(piece.piece, style="dim" if piece.word is None else ""),
            _text(piece.first) if piece.first else "[dim]ignored[/]",
            _text(piece.all) if piece.all else "[dim]ignored[/]",
        )
    out.print(table)


def _text(text: str, style: str = "") -> Text:
    return Text(clean(text), style)


def _score_table(title: str, first: str) -> Table:
    out.print(Text(title, style="italic"))
    table = Table(show_edge=False)
    table.add_column(first)
    for name in ("precision", "recall", "F1", "support"):
        table.add_column(name, justify="right")
    return table


def _add_score(
    table: Table, name: str, row: Any, style: str = "", more: Sequence[str] = ()
) -> None:
    numbers = [f"{100 * row[key]:.2f}" for key in ("precision", "recall", "f1")]
    table.add_row(_text(name), *numbers, f"{row['support']:,}", *more, style=style)


def _colour(label: str) -> str:
    known = {"PER": "cyan", "ORG": "yellow", "LOC": "green", "MISC": "magenta"}
    return known.get(label, _COLOURS[sum(label.encode()) % len(_COLOURS)])


def _scheme(file: FileInspection) -> str:
    if file.scheme is None:
        return "-"
    return f"{file.scheme}, {file.violations} broken" if file.violations else file.scheme


def _counts(counts: Sequence[dict[str, int]]) -> dict[str, list[str]]:
    """One row a name, one cell a file."""
    keys = sorted({key for column in counts for key in column})
    return {key: [f"{column.get(key, 0):,}" for column in counts] for key in keys}


def _print_columns(title: str, names: Sequence[str], rows: dict[str, list[str]]) -> None:
    """A table with one column a file."""
    if not rows:
        return
    table = Table(show_edge=False)
    table.add_column(title)
    for name in names:
        table.add_column(_text(name), justify="right", overflow="fold")
    for key, cells in list(rows.items())[:_N_ROWS]:
        table.add_row(_text(key), *cells)
    out.print(table)
    if len(rows) > _N_ROWS:
        out.print(f"... and {len(rows) - _N_ROWS} more; --json shows all", style="dim")
    out.print()


def _print_details(file: FileInspection) -> None:
    out.print()
    out.print(_text(file.path, style="bold"))
    if file.columns:
        cells = "  ".join(f"{i}: {cell}" for i, cell in enumerate(file.columns))
        out.print(_text(f"columns of a typical line  {cells}"))
    if file.cut_entities:
        out.print(f"{file.cut_entities} entities begin or end inside a word", highlight=False)
    for line in file.report.lines()[1:]:
        out.print(_text(line), soft_wrap=True)
    for example in file.examples:
        names = ", ".join(f"{text} {label}" for text, label in example.entities)
        out.print(_text(f"e.g.  {example.text}"))
        out.print(_text(f"      {names}", style="dim"))


def _lengths(lengths: Lengths | None) -> str:
    return f"{lengths.min} / {lengths.median} / {lengths.max}" if lengths else "-"
