"""What a report consists of, before it becomes text, Markdown or HTML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

FEW = 30
"""With fewer gold entities than this a score is more chance than skill."""
FEW_MARK = "*"
FEW_NOTE = f"{FEW_MARK} fewer than {FEW} gold entities: another text could easily say otherwise."

# Characters that mean something in GitHub's Markdown; an underscore only at the edge of a word.
_MARKDOWN = re.compile(r"[\\`*\[\]<>&|~$#]|(?<!\w)_|_(?!\w)")


@dataclass(frozen=True)
class Table:
    """A table: its caption, names of the columns, rows of cells.

    The first column is text, the others are numbers. totals: rows to stress. text_columns: further
    columns of text. faint: rows of few entities, shown grey and with a mark. shares: (n_rows,
    n_columns - 1), from 0 to 1, how strongly the page colours each number. finds: what a number
    counts, so that the page can list just that: "kind" by label and kind of error, "pair" by gold
    and predicted label.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    totals: frozenset[int] = frozenset()
    text_columns: frozenset[int] = frozenset()
    faint: frozenset[int] = frozenset()
    shares: Sequence[Sequence[float]] = ()
    finds: str = ""

    def name_of(self, row: int) -> str:
        """The first cell of a row, marked where it speaks of few entities."""
        name = self.rows[row][0]
        return f"{name} {FEW_MARK}" if row in self.faint else name

    @property
    def note(self) -> str:
        """What stands below the table."""
        return FEW_NOTE if self.faint else ""


@dataclass(frozen=True)
class Plot:
    """A drawing (SVG; only the HTML page shows it) and what one sees there."""

    svg: str
    caption: str = ""


@dataclass(frozen=True)
class Section:
    """A heading with paragraphs, tables and plots; as many plots as tables stand beside them."""

    name: str
    text: Sequence[str] = ()
    tables: Sequence[Table] = ()
    plots: Sequence[Plot] = ()
    folded: bool = False

    @property
    def key(self) -> str:
        """The name as the target of a link."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")


def percent(fraction: float) -> str:
    """A fraction from 0 to 1 in per cent, two decimals."""
    return f"{100 * fraction:.2f}"


def span(low: float, high: float) -> str:
    """An interval of fractions, in per cent."""
    return f"{100 * low:.1f} to {100 * high:.1f}"


def few(supports: Sequence[int]) -> frozenset[int]:
    """The rows with too few gold entities to trust."""
    return frozenset(i for i, support in enumerate(supports) if support < FEW)


def escaped(text: str) -> str:
    """Text of a file as Markdown that shows it as it is, in one line."""
    return _MARKDOWN.sub(r"\\\g<0>", re.sub(r"\s+", " ", text))


def markdown_table(table: Table) -> str:
    """A table in GitHub's Markdown."""
    head = "| " + " | ".join(map(escaped, table.columns)) + " |"
    texts = {0, *table.text_columns}
    rule = "|" + "|".join("---" if i in texts else "---:" for i in range(len(table.columns))) + "|"
    lines = [head, rule]
    for i, row in enumerate(table.rows):
        cells = [escaped(cell) for cell in (table.name_of(i), *row[1:])]
        if i in table.totals:
            cells = [f"**{cell}**" if cell else "" for cell in cells]
        lines.append("| " + " | ".join(cells) + " |")
    if table.caption:
        lines = [f"**{escaped(table.caption)}**", "", *lines]
    if table.note:
        lines += ["", escaped(table.note)]
    return "\n".join(lines)


def markdown(sections: Sequence[Section]) -> str:
    """Sections as Markdown, plots left out; what the page folds is folded on GitHub too."""
    return "\n\n".join(map(_markdown_section, sections))


def _markdown_section(section: Section) -> str:
    parts = [*map(escaped, section.text), *map(markdown_table, section.tables)]
    if section.folded:
        head = f"<details><summary>{escaped(section.name)}</summary>"
        return "\n\n".join([head, *parts, "</details>"])
    return "\n\n".join([f"## {section.name}", *parts])
