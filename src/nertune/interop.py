"""Documents for other libraries: named converters to the shapes that their users know.

One document: `to_dicts`, `to_pipeline`, `to_displacy`, `to_gradio`. A column of texts: `tag_column`
(pandas, pyarrow). Many documents as a table: `to_frame` (pandas).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import compress, islice
from typing import Any, Literal, cast, get_args

import numpy as np

from nertune import schemes
from nertune.documents import Document
from nertune.engine import Tagger
from nertune.errors import DependencyError, DocumentError

OnError = Literal["stop", "skip"]
Level = Literal["entity", "word", "sentence", "document"]
Found = Iterator[list[dict[str, Any]] | None]
Row = tuple[Any, ...]

_BLOCK = 10_000


def to_dicts(document: Document) -> list[dict[str, Any]]:
    """The entities as `{"start", "end", "label", "text", "score"}`; gold ones have score None."""
    return [asdict(entity) for entity in document.entities]


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
        fault = _fault(value)
        if fault and on_error == "stop":
            raise DocumentError(
                f"{source.row_name(row)} {fault}; expected a string: mend it, or leave such rows "
                "null with on_error='skip'"
            )
        good.append(fault is None)
    return good


def _fault(value: object) -> str | None:
    if isinstance(value, str):
        try:
            Document.from_text(value)
        except DocumentError as error:
            return f"cannot be read ({error})"
        return None
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return "is missing"
    if isinstance(value, float | np.floating) and np.isnan(value):
        return "is missing"
    return f"is of type {type(value).__name__}"


# --- tables ---


def to_frame(documents: Iterable[Document], level: Level = "entity") -> Any:
    """A pandas DataFrame with one row an entity, a word, a sentence or a document.

    Every level: `document`, the place of the document in the stream, from 0, and its `id`.
    entity: `start`, `end`, `label`, `text`, `score` (NaN for gold).
    word: `sentence`, `word` (places in the document), `start`, `end`, `text`, `tag` (as predicted
    or read, else IOB2).
    sentence: `sentence`, `start`, `end`, `text`, `n_words`, `n_entities` (that begin in it).
    document: `text`, `n_sentences`, `n_words`, `n_entities`, `entities` (see `to_dicts`).
    Offsets are characters of the document. Raises DocumentError for another level, and for raw text
    where words are asked for; DependencyError without pandas.
    """
    if level not in _LEVELS:
        names = ", ".join(f"'{name}'" for name in _LEVELS)
        raise DocumentError(f"level is {level!r}; expected one of {names}")
    pd = _pandas()
    kinds, rows_of = _LEVELS[level]
    rows = [
        (place, document.id, *row)
        for place, document in enumerate(documents)
        for row in rows_of(document)
    ]
    columns = list(zip(*rows, strict=True)) or [()] * (len(kinds) + 2)
    named = zip(({"document": "int64", "id": "object"} | kinds).items(), columns, strict=True)
    return pd.DataFrame({name: pd.Series(list(cells), dtype=t) for (name, t), cells in named})


def _pandas() -> Any:
    try:
        import pandas
    except ModuleNotFoundError as error:
        raise DependencyError(error.name or "pandas", "frames", "Making a table") from error
    return pandas


def _entity_rows(document: Document) -> Iterator[Row]:
    for e in document.entities:
        yield e.start, e.end, e.label, e.text, e.score


def _word_rows(document: Document) -> Iterator[Row]:
    _check_split(document)
    tags = document.tags
    if tags is None:
        tags = tuple(document.tags_in(schemes.SCHEMES["IOB2"]))
    words, spans = document.words, document.word_spans
    for number, (first, last) in enumerate(document.sentences):
        for i in range(first, last):
            yield number, i, *spans[i], words[i], tags[i]


def _sentence_rows(document: Document) -> Iterator[Row]:
    _check_split(document)
    spans, begun = document.word_spans, [entity.start for entity in document.entities]
    counted = 0
    for number, (first, last) in enumerate(document.sentences):
        start, end = spans[first][0], spans[last - 1][1]
        reached = counted
        while reached < len(begun) and begun[reached] < end:
            reached += 1
        yield number, start, end, document.text[start:end], last - first, reached - counted
        counted = reached


def _document_rows(document: Document) -> Iterator[Row]:
    counts = (len(document.sentences), document.n_words, len(document.entities))
    yield document.text, *counts, to_dicts(document)


def _check_split(document: Document) -> None:
    if not document.split and document.text.strip():
        raise DocumentError(
            f"the document {document.text[:40]!r} is raw text without words; expected words: tag "
            "it, or divide it with nertune.splitting.split"
        )


_PLACE = {"start": "int64", "end": "int64"}
_LEVELS: dict[str, tuple[dict[str, str], Callable[[Document], Iterator[Row]]]] = {
    "entity": (
        {**_PLACE, "label": "object", "text": "object", "score": "float64"},
        _entity_rows,
    ),
    "word": (
        {"sentence": "int64", "word": "int64", **_PLACE, "text": "object", "tag": "object"},
        _word_rows,
    ),
    "sentence": (
        {"sentence": "int64", **_PLACE, "text": "object", "n_words": "int64"}
        | {"n_entities": "int64"},
        _sentence_rows,
    ),
    "document": (
        {"text": "object", "n_sentences": "int64", "n_words": "int64", "n_entities": "int64"}
        | {"entities": "object"},
        _document_rows,
    ),
}
