"""A document as HTML for notebooks: the text as it stands, its entities marked.

Every style stands in the element, since notebooks drop style sheets; the colour of the text is the
notebook's own, so that it can be read on a light and on a dark page.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nertune.documents.document import Document, Entity

N_CHARACTERS = 10_000
N_ENTITIES = 500

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# White space kept; each line begins on the side of its first letter, Arabic ones on the right.
_TEXT = (
    "white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:plaintext;text-align:start;"
    "line-height:1.7"
)
_NOTE = "opacity:.7;font-size:.85em"
_LABEL = (
    "font-size:.7em;font-weight:700;letter-spacing:.03em;color:#fff;border-radius:.25em;"
    "padding:.1em .35em;margin:0 .35em;white-space:nowrap;user-select:none"
)
_KNOWN_HUES = {"PER": 200, "ORG": 30, "LOC": 140, "MISC": 290}
_N_HUES = 24


def to_html(
    document: Document, n_characters: int = N_CHARACTERS, n_entities: int = N_ENTITIES
) -> str:
    """A `<div>` with the text and its marked entities; all of the document's own text is escaped.

    A longer text, or one with more entities, is cut, and a note says what is not shown.
    """
    text, entities = document.text, document.entities
    limit = min(len(text), n_characters)
    if len(entities) > n_entities:
        limit = min(limit, entities[n_entities].start)
    parts, position, shown = [], 0, 0
    for entity in entities:
        if entity.start >= limit:
            break
        if entity.start < position:  # overlaps the one before, so cannot be marked beside it
            continue
        end = min(entity.end, limit)
        parts.append(_plain(text[position : entity.start]))
        parts.append(_marked(entity, text[entity.start : end]))
        position, shown = end, shown + 1
    parts.append(_plain(text[position:limit]))
    if limit < len(text):
        parts.append("…")
    head = "" if document.id is None else f'<div style="{_NOTE}">{_plain(str(document.id))}</div>'
    body = f'<div style="{_TEXT}">{"".join(parts)}</div>' if text else ""
    note = "" if text else "no text"
    if limit < len(text):
        note = (
            f"{limit:,} of {len(text):,} characters shown, with {shown:,} of {len(entities):,} "
            "entities; document.text and document.entities hold all"
        )
    tail = f'<div style="{_NOTE}">{note}</div>' if note else ""
    return f'<div style="margin:.4em 0">{head}{body}{tail}</div>'


def _plain(text: str) -> str:
    """Text as HTML; control characters, which HTML cannot hold, as �."""
    return escape(_CONTROL.sub("\ufffd", text.replace("\r\n", "\n")))


def _marked(entity: Entity, text: str) -> str:
    score = "" if entity.score is None else f", score {entity.score:.3f}"
    title = f"{entity.label}{score}, characters {entity.start} to {entity.end}"
    hue = _hue(entity.label)
    style = (
        f"color:inherit;background:hsla({hue},80%,50%,.2);border-radius:.3em;padding:.15em .2em;"
        f"border-bottom:2px solid hsl({hue},65%,45%);box-decoration-break:clone;"
        "-webkit-box-decoration-break:clone"
    )
    # The mark after the label, invisible, keeps it at the end of the name in text that runs
    # from right to left, too.
    label = (
        f'<span style="user-select:none"><bdi style="{_LABEL};background:hsl({hue},70%,28%)">'
        f"{escape(entity.label)}</bdi>{_direction(text)}</span>"
    )
    return f'<mark title="{escape(title)}" style="{style}">{_plain(text)}{label}</mark>'


def _direction(text: str) -> str:
    """The invisible mark of the direction in which a text ends; none where it has no letter."""
    for char in reversed(text):
        kind = unicodedata.bidirectional(char)
        if kind in ("R", "AL"):
            return "&rlm;"
        if kind == "L":
            return "&lrm;"
    return ""


def _hue(label: str) -> int:
    """The same colour for the same label, in every document and every session."""
    known = _KNOWN_HUES.get(label)
    return zlib.crc32(label.encode()) % _N_HUES * (360 // _N_HUES) if known is None else known
