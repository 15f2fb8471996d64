"""Documents for other libraries: named converters to the shapes that their users know.

One document: `to_dicts`, `to_pipeline`, `to_displacy`, `to_gradio`. A column of texts: `tag_column`
(pandas, pyarrow). Many documents as a table: `to_frame` (pandas).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import compress, islice
from typing import Any, Literal, cast, get_args

from nertune.documents import Document
from nertune.engine import Tagger
from nertune.errors import DocumentError
from nertune.tables import text_fault, to_dicts, to_frame

__all__ = [
    "OnError",
    "tag_column",
    "to_dicts",
    "to_displacy",
    "to_frame",
    "to_gradio",
    "to_pipeline",
]

OnError = Literal["stop", "skip"]
Found = Iterator[list[dict[str, Any]] | None]

_BLOCK = 10_000


def to_pipeline(document: Document) -> list[dict[str, Any]]:
    """The entities as the `token-classification` pipeline of transformers aggregates them.

    Each is `{"entity_group", "score", "word", "start", "end"}`. `word` is the text as it stands,
    where the pipeline puts its pieces together anew (in lower case for an uncased tokenizer).
    Raises DocumentError for an entity without a score, which the pipeline never gives.
    """
    for entity in document.entities:
        if entity.score is None:
            raise DocumentError(
                f"the entity '{entity.text}' at {entity.start} has no score, as gold annotation "
                "has none; expected predictions: tag the document first, or use to_dicts"
            )
    return [
        {"entity_group": e.label, "score": e.score, "word": e.text, "start": e.start, "end": e.end}
        for e in document.entities
    ]


def to_displacy(document: Document) -> dict[str, Any]:
    """What `spacy.displacy.render(..., style="ent", manual=True)` draws."""
    ents = [{"start": e.start, "end": e.end, "label": e.label} for e in document.entities]
    return {"text": document.text, "ents": ents, "title": None}


def to_gradio(document: Document) -> dict[str, Any]:
    """A value for `gradio.HighlightedText`."""
    found = [{"entity": e.label, "start": e.start, "end": e.end} for e in document.entities]
    return {"text": document.text, "entities": found}


# --- columns ---


def tag_column(
    tagger: Tagger,
    column: Any,
    threshold: float = 0.0,
    labels: Collection[str] | None = None,
    on_error: OnError = "stop",
) -> Any:
    """The entities of every text of a column, row by row, in a column of the same library.

    A pandas Series gives a Series of lists of dictionaries (see `to_dicts`) with the same index and
    name. A pyarrow Array or ChunkedArray of strings gives one of the same length and chunks, of
    type `list<struct<start: int64, end: int64, label: string, text: string, score: double>>`.
    threshold, labels: as in `tagger.tag`. on_error: what to do about a row that is no text
    (missing, of another type, with a lone surrogate): stop before anything is tagged, or skip it,
    which gives null.
    Raises DocumentError that names the row, or for what is no such column.
    """
    if on_error not in get_args(OnError):
        raise DocumentError(f"on_error is {on_error!r}; expected 'stop' or 'skip'")
    source = _source(column)
    good = _good_rows(source, on_error)
    texts = cast("Iterator[str]", compress(source.values(), good))
    found = map(to_dicts, tagger.tag(map(Document.from_text, texts), threshold, labels))
    return source.filled(next(found) if is_good else None for is_good in good)


def _source(column: Any) -> _Series | _Arrow:
    """How to read the column; no library is imported that did not make the column itself."""
    libraries = {base.__module__.partition(".")[0] for base in type(column).__mro__}
    if "pandas" in libraries:
        import pandas as pd

        if isinstance(column, pd.Series):
            return _Series(column)
    elif "pyarrow" in libraries:
        import pyarrow as pa

        if isinstance(column, pa.Array | pa.ChunkedArray):
            return _Arrow(_strings(column))
    raise DocumentError(
        f"tag_column(...) reads a pandas Series or a pyarrow Array, got {type(column).__name__}; "
        "pick one column of a table, and for other collections of texts use tagger.tag_texts"
    )


@dataclass(frozen=True)
class _Series:
    """A pandas Series of texts."""

    column: Any

    def values(self) -> Iterator[object]:
        return iter(self.column)

    def row_name(self, row: int) -> str:
        return f"row {row} of the column (index {self.column.index[row]!r}, rows count from 0)"

    def filled(self, rows: Found) -> Any:
        import pandas as pd

        column = self.column
        return pd.Series(list(rows), index=column.index, name=column.name, dtype=object)


@dataclass(frozen=True)
class _Arrow:
    """A pyarrow Array or ChunkedArray of texts."""

    column: Any

    def values(self) -> Iterator[object]:
        for start in range(0, len(self.column), _BLOCK):
            yield from self.column.slice(start, _BLOCK).to_pylist()

    def row_name(self, row: int) -> str:
        return f"row {row} of the column (rows count from 0)"

    def filled(self, rows: Found) -> Any:
        import pyarrow as pa

        fields = {"start": pa.int64(), "end": pa.int64(), "label": pa.string(), "text": pa.string()}
        kind = pa.list_(pa.struct({**fields, "score": pa.float64()}))
        if isinstance(self.column, pa.Array):
            return pa.array(list(rows), kind)
        chunks = [pa.array(list(islice(rows, len(one))), kind) for one in self.column.chunks]
        return pa.chunked_array(chunks, kind)


def _strings(column: Any) -> Any:
    """The column without its dictionary; DocumentError where it holds no strings, or bad ones."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kinds = (pa.string(), pa.large_string(), pa.string_view(), pa.null())
    if column.type not in kinds:
        raise DocumentError(
            f"the column is of type {column.type}; expected string or large_string: convert it "
            "with column.cast('string')"
        )
    try:
        column.validate(full=True)
    except pa.ArrowInvalid as error:
        raise DocumentError(
            f"the column is damaged ({error}); expected strings in UTF-8: read it as binary and "
            "decode it with its real encoding"
        ) from None
    return column


def _good_rows(source: _Series | _Arrow, on_error: OnError) -> list[bool]:
    """For each row whether it is a text; with "stop" the first that is none is refused."""
    good = []
    for row, value in enumerate(source.values()):
        fault = text_fault(value)
        if fault and on_error == "stop":
            raise DocumentError(
                f"{source.row_name(row)} {fault}; expected a string: mend it, or leave such rows "
                "null with on_error='skip'"
            )
        good.append(fault is None)
    return good
