"""Tables and coloured text for the terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from nertune.data.inspection import FileInspection, Inspection, Lengths
from nertune.documents import Document
from nertune.encoding import AlignedPiece
from nertune.scoring import Scores

out = Console()
errors = Console(stderr=True)

_COLOURS = ("cyan", "yellow", "green", "magenta", "blue", "red")
_N_TAGS_SHOWN = 40


def print_json(value: Any) -> None:
    """JSON as it is, uncoloured and unwrapped, for other programs."""
    out.file.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def warn(line: str) -> None:
    """One warning on standard error."""
    errors.print(Text.assemble(("warning: ", "yellow"), line), soft_wrap=True)


def print_scores(scores: Scores, title: str) -> None:
    """Whole entities by label, then single tags."""
    table = _score_table(f"{title}: whole entities, as conlleval counts them", "label")
    rows = scores.to_dict()
    labels: Any = rows["labels"]
    for label, row in labels.items():
        _add_score(table, label, row)
    table.add_section()
    for name in ("micro", "macro", "weighted"):
        _add_score(table, name, rows[name], style="bold" if name == "micro" else "")
    out.print(table)
    tags: Any = rows["tags"]
    table = _score_table("single tags, word by word", "tag")
    for tag, row in tags.items():
        if tag != "accuracy":
            _add_score(table, tag, row)
    out.print(table)
    out.print(
        f"accuracy {100 * scores.accuracy:.2f} of {scores.n_words:,} words. An entity is right "
        "only with all its words and its label;\na tag is right by itself, so this table is kinder.",
        style="dim",
        highlight=False,
    )


def highlighted(document: Document) -> Text:
    """The text with its entities in colour, each followed by its label."""
    text = Text()
    position = 0
    for entity in document.entities:
        text.append(document.text[position : entity.start])
        colour = _colour(entity.label)
        text.append(entity.text, style=f"bold {colour}")
        text.append(f" {entity.label}", style=f"dim {colour}")
        position = entity.end
    text.append(document.text[position:])
    return text


def print_inspection(inspection: Inspection) -> None:
    """What each file holds, side by side where that is possible."""
    files = inspection.files
    table = Table(title="files", title_justify="left", show_edge=False)
    table.add_column("file", overflow="fold")
    for name in ("format", "documents", "sentences", "words", "entities", "scheme"):
        table.add_column(name, justify="left" if name in ("format", "scheme") else "right")
    for file in files:
        table.add_row(
            file.path,
            file.format,
            *(f"{n:,}" for n in (file.documents, file.sentences, file.words)),
            f"{sum(file.entities.values()):,}",
            _scheme(file),
        )
    out.print(table)
    names = [str(i + 1) for i in range(len(files))] if len(files) > 1 else ["count"]
    _print_counts("entities by label", names, [file.entities for file in files])
    _print_counts("tags", names, [file.tags for file in files])
    for number, file in zip(names, files, strict=True):
        _print_details(file, number if len(files) > 1 else "")
    for line in inspection.warnings:
        out.print(f"[yellow]warning:[/] {line}", highlight=False)


def print_alignment(pieces: Sequence[AlignedPiece]) -> None:
    """One row a piece; a word's text only beside its first piece."""
    table = Table(show_edge=False)
    for name in ("word", "shape", "tag", "piece", "loss: first piece", "loss: all pieces"):
        table.add_column(name)
    begins = ""
    for piece in pieces:
        first = piece.first is not None or piece.word is None
        begins = piece.word or ""
        table.add_row(
            Text(begins if first else ""),
            piece.shape if first else "",
            (piece.tag or "") if first else "",
            Text(piece.piece, style="dim" if piece.word is None else ""),
            piece.first or "[dim]ignored[/]",
            piece.all or "[dim]ignored[/]",
        )
    out.print(table)


def _score_table(title: str, first: str) -> Table:
    table = Table(title=title, title_justify="left", show_edge=False)
    table.add_column(first)
    for name in ("precision", "recall", "F1", "support"):
        table.add_column(name, justify="right")
    return table


def _add_score(table: Table, name: str, row: Any, style: str = "") -> None:
    numbers = [f"{100 * row[key]:.2f}" for key in ("precision", "recall", "f1")]
    table.add_row(name, *numbers, f"{row['support']:,}", style=style)


def _colour(label: str) -> str:
    known = {"PER": "cyan", "ORG": "yellow", "LOC": "green", "MISC": "magenta"}
    return known.get(label, _COLOURS[sum(label.encode()) % len(_COLOURS)])


def _scheme(file: FileInspection) -> str:
    if file.scheme is None:
        return "-"
    broken = f" ({file.violations} break it)" if file.violations else ""
    return f"{file.scheme}{broken}"


def _print_counts(title: str, names: list[str], counts: Iterable[dict[str, int]]) -> None:
    columns = list(counts)
    keys = sorted({key for column in columns for key in column})
    if not keys:
        return
    table = Table(title=title, title_justify="left", show_edge=False)
    table.add_column("")
    for name in names:
        table.add_column(name, justify="right")
    for key in keys[:_N_TAGS_SHOWN]:
        table.add_row(key, *(f"{column.get(key, 0):,}" for column in columns))
    out.print()
    out.print(table)
    if len(keys) > _N_TAGS_SHOWN:
        out.print(f"... and {len(keys) - _N_TAGS_SHOWN} more; --json shows all", style="dim")


def _print_details(file: FileInspection, number: str) -> None:
    out.print()
    out.print(Text(f"{number} {file.path}".strip(), style="bold"))
    if file.columns:
        cells = "  ".join(f"{i}: {cell}" for i, cell in enumerate(file.columns))
        out.print(Text(f"columns  {cells}"))
    for name, lengths in (
        ("words a sentence", file.sentence_lengths),
        ("sentences a document", file.document_lengths),
    ):
        if lengths:
            out.print(f"{name}  {_lengths(lengths)}", highlight=False)
    if file.cut_entities:
        out.print(f"{file.cut_entities} entities begin or end inside a word", highlight=False)
    for line in file.report.lines()[1:]:
        out.print(line, highlight=False)
    for example in file.examples:
        names = ", ".join(f"{text} {label}" for text, label in example.entities)
        out.print(Text(f"e.g.  {example.text}"))
        out.print(Text(f"      {names}", style="dim"))


def _lengths(lengths: Lengths) -> str:
    return (
        f"min {lengths.min}, median {lengths.median}, mean {lengths.mean:.1f}, "
        f"95 % {lengths.p95}, max {lengths.max}"
    )
