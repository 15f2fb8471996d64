"""Documents as a table: a row an entity, a word, a sentence or a document.

`to_frame` makes one of any documents; `Texts` is how `Tagger.table` reads what it is given and
gives a table back. What a row holds is said once, in LEVELS, for the tables on Spark too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isnan
from numbers import Real
from typing import Any, Literal, cast

from nertune import schemes
from nertune.documents import Document
from nertune.errors import DependencyError, DocumentError

Level = Literal["entity", "word", "sentence", "document"]
Row = tuple[Any, ...]

_MISSING = ("NAType", "NaTType")
_RENAME = "rename them, as frame.rename(columns={'label': 'category'})"


# --- levels ---


@dataclass(frozen=True)
class Rows:
    """What a table of one level holds: its columns with their types in pandas, and its rows.

    of_missing: the rows of a text that is missing.
    """

    columns: Mapping[str, str]
    of: Callable[[Document], Iterator[Row]]
    of_missing: Callable[[], list[Row]] = list


def rows_of(level: str) -> Rows:
    """What a table of that level holds. Raises DocumentError for another word."""
    if level not in tuple(LEVELS):  # what is asked for may be no name at all
        names = ", ".join(f"'{name}'" for name in LEVELS)
        raise DocumentError(f"level is {level!r}; expected one of {names}")
    return LEVELS[level]


def to_dicts(document: Document) -> list[dict[str, Any]]:
    """The entities as `{"start", "end", "label", "text", "score"}`; gold ones have score None."""
    return [asdict(entity) for entity in document.entities]


def _entity_rows(document: Document) -> Iterator[Row]:
    for e in document.entities:
        yield e.start, e.end, e.label, e.text, e.score


def _word_rows(document: Document) -> Iterator[Row]:
    _check_split(document)
    tags = document.tags
    if tags is None:
        tags = tuple(document.tags_in(schemes.SCHEMES["IOB2"]))
    scores: list[float | None] = [None] * document.n_words
    for entity, (first, last, _) in zip(document.entities, document.label_spans, strict=True):
        scores[first:last] = [entity.score] * (last - first)
    words, spans = document.words, document.word_spans
    for number, (first, last) in enumerate(document.sentences):
        for i in range(first, last):
            yield number, i, *spans[i], words[i], tags[i], scores[i]


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


_INT, _REAL, _ANY = "int64", "float64", "object"
_PLACE = {"start": _INT, "end": _INT}

LEVELS: Mapping[Level, Rows] = {
    "entity": Rows({**_PLACE, "label": _ANY, "text": _ANY, "score": _REAL}, _entity_rows),
    "word": Rows(
        {"sentence": _INT, "word": _INT, **_PLACE, "text": _ANY, "tag": _ANY, "score": _REAL},
        _word_rows,
    ),
    "sentence": Rows(
        {"sentence": _INT, **_PLACE, "text": _ANY, "n_words": _INT, "n_entities": _INT},
        _sentence_rows,
    ),
    "document": Rows(
        {"text": _ANY, "n_sentences": _INT, "n_words": _INT, "n_entities": _INT, "entities": _ANY},
        _document_rows,
        lambda: [(None, 0, 0, 0, [])],
    ),
}
"""The levels of a table by name."""


# --- documents to tables ---


def to_frame(documents: Iterable[Document], level: Level = "entity") -> Any:
    """A pandas DataFrame with one row an entity, a word, a sentence or a document.

    Every level: `document`, the place of the document in the stream, from 0, and its `id`.
    entity: `start`, `end`, `label`, `text`, `score` (NaN for gold).
    word: `sentence`, `word` (places in the document), `start`, `end`, `text`, `tag` (as predicted
    or read, else IOB2), `score` (of the entity that it belongs to, else NaN).
    sentence: `sentence`, `start`, `end`, `text`, `n_words`, `n_entities` (that begin in it).
    document: `text`, `n_sentences`, `n_words`, `n_entities`, `entities` (see `to_dicts`).
    Offsets are characters of the document. Raises DocumentError for another level, and for raw text
    where words are asked for; DependencyError without pandas.
    """
    kind = rows_of(level)
    pd = _pandas()
    rows = [
        (place, document.id, *row)
        for place, document in enumerate(documents)
        for row in kind.of(document)
    ]
    return pd.DataFrame(_columns(pd, {"document": _INT, "id": _ANY, **kind.columns}, rows))


def _columns(
    pd: Any, types: Mapping[str, str], rows: Sequence[Row], index: Any = None
) -> dict[str, Any]:
    """Rows as Series by name, of these types whatever they hold."""
    columns = list(zip(*rows, strict=True)) or [()] * len(types)
    named = zip(types.items(), columns, strict=True)
    return {name: pd.Series(list(cells), index, dtype=kind) for (name, kind), cells in named}


def _pandas() -> Any:
    try:
        import pandas
    except ModuleNotFoundError as error:
        raise DependencyError(error.name or "pandas", "frames", "Making a table") from error
    return pandas


# --- texts to tables ---


@dataclass(frozen=True)
class Texts:
    """Texts that a table is to be made of.

    values: a string, or None where it is missing, for each row. beside: a DataFrame with the same
    rows, its index that of the input, its columns those to be carried along.
    """

    values: list[str | None]
    beside: Any

    @classmethod
    def of(cls, data: Any, level: str, column: str) -> Texts:
        """The texts of a string, several strings, a pandas Series, or a column of a DataFrame.

        Raises DocumentError for what is none of these, for a row that is neither text nor missing,
        and for a column that the table of that level has too; DependencyError without pandas.
        """
        kind = rows_of(level)
        pd = _pandas()
        if isinstance(data, pd.DataFrame):
            names = list(data.columns)
            check_column(names, column, "column")
            check_apart(names, column, kind.columns, _RENAME)
            values, beside = list(data[column]), data.drop(columns=column)
        elif isinstance(data, pd.Series):
            values, beside = list(data), pd.DataFrame(index=data.index)
        else:
            values = _listed(data)
            beside = pd.DataFrame(index=pd.RangeIndex(len(values)))
        return cls([_checked(value, i, beside.index) for i, value in enumerate(values)], beside)

    @property
    def present(self) -> Iterator[str]:
        """Those that are not missing."""
        return (value for value in self.values if value is not None)

    def frame(self, tagged: Iterable[Document], level: str) -> Any:
        """The table of the level; tagged: the documents of `present`, in order."""
        kind, pd = rows_of(level), _pandas()
        documents = iter(tagged)
        owners: list[int] = []
        rows: list[Row] = []
        for i, value in enumerate(self.values):
            found = kind.of_missing() if value is None else list(kind.of(next(documents)))
            owners += [i] * len(found)
            rows += found
        next(documents, None)  # without a text, too, what the tagger was asked for is checked
        base = self.beside.iloc[owners]
        return base.assign(**_columns(pd, kind.columns, rows, base.index))


def _listed(data: Any) -> list[Any]:
    if isinstance(data, str):
        return [data]
    if isinstance(data, bytes | Mapping) or not isinstance(data, Iterable):
        raise DocumentError(
            f"a table is made of texts, got {type(data).__name__}; expected a string, several "
            "strings, a pandas Series, or a pandas DataFrame with a column of them"
        )
    return list(data)


def check_column(there: Sequence[Any], column: str, argument: str) -> None:
    """Raise DocumentError where a frame has no column of that name, or several.

    argument: the one that names the column.
    """
    if there.count(column) != 1:
        what = "several columns" if column in there else "no column"
        raise DocumentError(
            f"the frame has {what} '{column}'; expected one, of texts. It has: "
            f"{', '.join(map(str, there))}. Name it with {argument}='...'"
        )


def check_apart(there: Sequence[Any], column: str, ours: Iterable[str], cure: str) -> None:
    """Raise DocumentError where a column of a frame, but that of the texts, is one of ours too."""
    both = [name for name in ours if name in there and name != column]
    if both:
        names = ", ".join(f"'{name}'" for name in both)
        raise DocumentError(
            f"the frame has columns that the table has too: {names}; expected others. Drop them, "
            f"or {cure}"
        )


def _checked(value: Any, row: int, index: Any) -> str | None:
    """A text, or None for a missing one."""
    if is_missing(value):
        return None
    if fault := text_fault(value):
        raise DocumentError(
            f"row {row} of the texts (index {index[row]!r}, rows count from 0) {fault}; expected "
            "a string, or None where it is missing"
        )
    return cast(str, value)


def is_missing(value: object) -> bool:
    """Whether a value is one by which pandas says that there is none."""
    if value is None or type(value).__name__ in _MISSING:
        return True
    return isinstance(value, Real) and isnan(value)


def text_fault(value: object) -> str | None:
    """Why a value is no text that can be tagged; None where it is one."""
    if isinstance(value, str):
        try:
            Document.from_text(value)
        except DocumentError as error:
            return f"cannot be read ({error})"
        return None
    return "is missing" if is_missing(value) else f"is of type {type(value).__name__}"
