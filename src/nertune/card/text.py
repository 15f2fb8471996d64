"""Text of data as text of a card: it can break neither Markdown nor a line."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

# What opens emphasis, code, links, HTML, entities, cells, formulas or headings; an underscore does
# only at the edge of a word.
_SPECIAL = re.compile(
    r"[\\`*\[\]<>&|$~#]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.", re.IGNORECASE
)
# Renderers do not agree on these behind a backslash.
_ENTITIES = {"|": "&#124;", "\\": "&#92;", "<": "&lt;", "&": "&amp;"}
_TURNS_LINE = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

_CLOSING = frozenset(".,;:!?)]}»%…")
_OPENING = frozenset("([{«¿¡")
_CLITICS = frozenset(("'s", "'re", "'ve", "'ll", "'d", "'m", "n't"))


def one_line(text: str) -> str:
    """Text without line ends, and with a sign in place of what would act instead of being seen."""
    return "".join(
        "\ufffd" if char in _TURNS_LINE or unicodedata.category(char) == "Cc" else char
        for char in " ".join(text.split())
    )


def plain(text: str) -> str:
    """Text that Markdown shows as it is, in a cell of a table too."""
    return _SPECIAL.sub(lambda sign: _ENTITIES.get(sign[0], f"\\{sign[0]}"), one_line(text))


def readable(words: Sequence[str]) -> str:
    """Words as running text: punctuation stands where it stands in print."""
    text, glued = "", True
    for word in words:
        closes = _CLOSING.issuperset(word) or word.lower() in _CLITICS
        text += word if glued or closes else f" {word}"
        glued = _OPENING.issuperset(word)
    return one_line(text)


def listed(items: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join(filter(None, (", ".join(items[:-1]), *items[-1:])))


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1) -> str:
    """A table of cells that are Markdown already; the first `texts` columns hold text."""
    rule = ["---" if i < texts else "---:" for i in range(len(columns))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (columns, rule, *rows))
