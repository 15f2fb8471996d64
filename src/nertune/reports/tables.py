"""What a report consists of, before it becomes text, Markdown or HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Table:
    """A table: its caption, names of the columns, rows of cells; `totals` are rows to stress.

    The first column is text, the others are numbers. text_columns: further columns of text.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    totals: frozenset[int] = frozenset()
    text_columns: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Section:
    """A heading with paragraphs, tables, and plots (SVG; only the HTML page shows them)."""

    name: str
    text: Sequence[str] = ()
    tables: Sequence[Table] = ()
    plots: Sequence[str] = field(default=())
    folded: bool = False


def percent(fraction: float) -> str:
    """A fraction from 0 to 1 in per cent, two decimals."""
    return f"{100 * fraction:.2f}"


def span(low: float, high: float) -> str:
    """An interval of fractions, in per cent."""
    return f"{100 * low:.1f} to {100 * high:.1f}"


def escape_cell(text: str) -> str:
    """Text for a cell of a Markdown table."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")


def markdown_table(table: Table) -> str:
    """A table in GitHub's Markdown."""
    head = "| " + " | ".join(map(escape_cell, table.columns)) + " |"
    texts = {0, *table.text_columns}
    rule = "|" + "|".join("---" if i in texts else "---:" for i in range(len(table.columns))) + "|"
    rows = []
    for i, row in enumerate(table.rows):
        cells = [escape_cell(cell) for cell in row]
        if i in table.totals:
            cells = [f"**{cell}**" if cell else "" for cell in cells]
        rows.append("| " + " | ".join(cells) + " |")
    caption = [f"{table.caption}", ""] if table.caption else []
    return "\n".join([*caption, head, rule, *rows])


def markdown(sections: Sequence[Section]) -> str:
    """Sections as Markdown, plots left out."""
    parts = []
    for section in sections:
        parts.append(f"## {section.name}")
        parts += list(section.text)
        parts += [markdown_table(table) for table in section.tables]
    return "\n\n".join(parts) + "\n"
