"""Streams of Document to files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import IO, Any, NoReturn

from nertune import schemes
from nertune.data.columns import is_unreadable
from nertune.documents import Document, Entity
from nertune.errors import DataError

TagColumns = Sequence[Sequence[str]]
"""The tag columns of one document, each with one tag a word."""

_SPACE = re.compile(r"[ \t\r\n]")


def write_columns(
    documents: Iterable[Document],
    handle: IO[str],
    columns: Iterable[TagColumns] | None = None,
    *,
    separator: str = " ",
    marks: bool | None = None,
) -> None:
    """One word a line, then its tags; a blank line after each sentence.

    columns: for each document its tag columns, for instance gold and predicted tags; none given:
    the tags as read, or the entities in IOB2 where there are none. marks: whether a -DOCSTART- line
    goes before each document; none given: where any document has several sentences (for that the
    documents are held in memory). Raises DataError for a word that could not be read back, for raw
    text that has not been split, and for a column that is too short or too long.
    """
    if marks is None:
        documents = list(documents)
        marks = any(len(document.sentences) > 1 for document in documents)
    given = repeat(None) if columns is None else columns
    for document, tag_columns in zip(documents, given, strict=columns is not None):
        written = [_own_tags(document)] if tag_columns is None else tag_columns
        rows = _rows(document, written, separator)
        if marks:
            handle.write(separator.join(["-DOCSTART-", *["O"] * len(written)]) + "\n\n")
        for start, end in document.sentences:
            handle.write("\n".join(rows[start:end]) + "\n\n")


def write_jsonl(documents: Iterable[Document], handle: IO[str]) -> None:
    """One object a line: text, entities, and the id where there is one.

    Reading it back gives the same text, entities, scores and ids, not yet split into words.
    """
    for document in documents:
        row: dict[str, Any] = {"text": document.text, "entities": [*map(_row, document.entities)]}
        if document.id is not None:
            row = {"id": document.id, **row}
        handle.write(json.dumps(row, ensure_ascii=False) + "\n")


def _row(entity: Entity) -> dict[str, Any]:
    row = {"start": entity.start, "end": entity.end, "label": entity.label, "text": entity.text}
    return row if entity.score is None else {**row, "score": entity.score}


def _own_tags(document: Document) -> Sequence[str]:
    if document.tags is not None:
        return document.tags
    return document.tags_in(schemes.SCHEMES["IOB2"])


def _rows(document: Document, columns: TagColumns, separator: str) -> list[str]:
    """One line a word."""
    name = "a document" if document.id is None else f"the document '{document.id}'"
    if not document.split:
        raise DataError(
            f"{name} is raw text without words; expected words for a column file; divide it with "
            "nertune.splitting.split, or write JSONL"
        )
    words = document.words
    for column in columns:
        if len(column) != len(words):
            raise DataError(f"{len(column)} tags for the {len(words)} words of {name}")
    for word in words:
        _check_word(word, separator, name)
    rows = [separator.join(cells) for cells in zip(words, *columns, strict=True)]
    for word, row in zip(words, rows, strict=True):
        if is_unreadable(row):
            _refuse(word, name, "would be read as the beginning of a document, or not at all")
    return rows


def _check_word(word: str, separator: str, name: str) -> None:
    if _SPACE.search(word):
        _refuse(word, name, "holds white space, which divides columns")
    if separator in word:
        _refuse(word, name, f"holds the separator {separator!r}")


def _refuse(word: str, name: str, what: str) -> NoReturn:
    raise DataError(
        f"the word {word!r} of {name} {what}; expected words that a column file can hold; "
        "write JSONL"
    )
