"""Tables of Arrow and Parquet files: each row a document of one sentence, by columns in batches.

Whole batches are taken apart at once. A row that is not as it should be goes through `rows`, so
that its faults are found, counted and mended as those of a JSON row.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nertune import schemes
from nertune.data.rows import NAMES_OF_IDS, NO_LANGUAGE, document_of_row, language_key, tag_keys
from nertune.data.source import Fault, Origin, check_tag
from nertune.documents import Document
from nertune.errors import DataError, DocumentError

BATCH_ROWS = 1000
_EMPTY = "no words in the row"


@dataclass(frozen=True)
class _Lists:
    """A batch: all words and tags one after another, and where each row ends, (n_rows + 1,)."""

    words: list[str]
    tags: list[str] | None
    ends: list[int]
    ids: list[str | int | None] | None


@dataclass(frozen=True)
class Columns:
    """The columns of a table that are read; `names` are those of the tag ids."""

    tokens: str
    tags: str | None
    language: str | None
    id: str | None
    names: tuple[str, ...]
    ignored: tuple[str, ...]

    @property
    def used(self) -> list[str]:
        """Their names, each once."""
        keys = (self.tokens, self.tags, self.language, self.id)
        return list(dict.fromkeys(key for key in keys if key))


def find_columns(schema: Any, origin: Origin) -> Columns:
    """The columns asked for, in a pyarrow schema.

    Raises DataError where one is missing or of a wrong type, and for tag ids without names.
    """
    import pyarrow as pa

    settings = origin.settings
    kinds = {field.name: field.type for field in schema}
    origin.report.columns = tuple(kinds)
    tags = _tags_column(kinds, origin)
    language = language_key(kinds, settings) or settings.language_key if settings.languages else ""
    for key in (settings.tokens_key, tags, language):
        if key and key not in kinds:
            raise DataError(
                f"there is no column '{key}'; the columns are {', '.join(kinds)}. Name the right "
                "one with tokens_key, tags_key or language_key",
                origin.name,
            )
    _expect(kinds, settings.tokens_key, "lists of strings", origin)
    names: tuple[str, ...] = ()
    if tags and _is_list(kinds[tags], pa.types.is_integer):
        names = _names_of_ids(schema, tags, origin)
    elif tags:
        _expect(kinds, tags, "lists of strings or of integers", origin)
    if language and not _is_string(kinds[language]):
        _expect(kinds, language, "strings or lists of strings", origin)
    has_id = "id" in kinds and (_is_string(kinds["id"]) or pa.types.is_integer(kinds["id"]))
    columns = Columns(
        settings.tokens_key, tags, language or None, "id" if has_id else None, names, ()
    )
    return replace(columns, ignored=tuple(key for key in kinds if key not in columns.used))


def documents(batches: Iterable[Any], columns: Columns, origin: Origin) -> Iterator[Document]:
    """The documents of pyarrow record batches that hold the columns used, in order.

    Raises DataError with the row (from 1) of the first fault where on_error is stop. Rows without
    words are skipped and counted in any case.
    """
    reader = _Batches(columns, origin)
    first = 1
    for batch in batches:
        numbers = np.arange(first, first + batch.num_rows)
        first += batch.num_rows
        if columns.language:
            keep = reader.in_language(batch.column(columns.language))
            numbers, batch = numbers[keep.to_numpy(zero_copy_only=False)], batch.filter(keep)
        if batch.num_rows:
            for key in columns.ignored:
                origin.report.ignore(key, origin.place(int(numbers[0])), batch.num_rows)
            yield from reader.documents(batch, numbers.tolist())


class _Batches:
    """Batches of one table to documents."""

    def __init__(self, columns: Columns, origin: Origin) -> None:
        self._columns = columns
        self._origin = origin
        self._names = np.array(columns.names, dtype=object)
        self._known = {schemes.OUTSIDE, *columns.names}
        self._prefix = origin.settings.word_prefix
        # A faulty row is looked at as a JSON row whose language has been found right.
        settings = origin.settings.model_copy(
            update={"label_names": list(columns.names), "languages": []}
        )
        self._rows = replace(origin, settings=settings)

    def in_language(self, column: Any) -> Any:
        """Which rows are in one of the languages asked for; the others are counted."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not _is_string(column.type):
            first = pc.list_slice(column, 0, 1, return_fixed_size_list=True)
            column = pc.list_element(first, 0)
        wanted = pa.array(self._origin.settings.languages, pa.string())
        keep = pc.is_in(column.cast(pa.string()), value_set=wanted)
        for count in pc.value_counts(column.filter(pc.invert(keep))).to_pylist():
            language = count["values"] or NO_LANGUAGE
            self._origin.report.other_languages[language] += count["counts"]
        return keep

    def documents(self, batch: Any, numbers: Sequence[int]) -> Iterator[Document]:
        """The documents of a batch; numbers: (n_rows,), the places of its rows in the table."""
        lists = self._lists(batch)
        for i, number in enumerate(numbers):
            document = self._plain(lists, i) if lists else None
            if document is None:
                document = self._careful(batch, i, number)
            if document is not None:
                yield document

    def _lists(self, batch: Any) -> _Lists | None:
        """The batch as flat lists; None: something in it is not as it should be."""
        columns = self._columns
        words = batch.column(columns.tokens)
        tags = None if columns.tags is None else batch.column(columns.tags)
        ends = _ends(words)
        if ends is None or (tags is not None and not np.array_equal(ends, _ends(tags))):
            return None
        try:
            flat = words.flatten().to_pylist()
            named = None if tags is None else self._named(tags.flatten())
            ids = None if columns.id is None else batch.column(columns.id).to_pylist()
        except UnicodeDecodeError:
            return None
        if tags is not None and named is None:
            return None
        if self._prefix:
            flat = [word.removeprefix(self._prefix) for word in flat]
        return _Lists(flat, named, ends.tolist(), ids)

    def _named(self, tags: Any) -> list[str] | None:
        """The names of tags or of their ids; None: one is unknown."""
        if len(self._names):
            ids = tags.to_numpy(zero_copy_only=False)
            if len(ids) and not 0 <= ids.min() <= ids.max() < len(self._names):
                return None
            named: list[str] = self._names[ids].tolist()
            return named
        found: list[str] = tags.to_pylist()
        new = set(found) - self._known
        if any(check_tag(tag, 0) for tag in new):
            return None
        self._known |= new
        return found

    def _plain(self, lists: _Lists, i: int) -> Document | None:
        """A row of the batch; None: it has no words, or some that are not as they should be."""
        start, end = lists.ends[i], lists.ends[i + 1]
        name = None if lists.ids is None else lists.ids[i]
        if start == end:
            return None
        try:
            return Document.from_words(
                lists.words[start:end],
                None if lists.tags is None else lists.tags[start:end],
                id=None if name is None else str(name),
            )
        except DocumentError:
            return None

    def _careful(self, batch: Any, i: int, number: int) -> Document | None:
        """The document of a row with its faults settled; None where it is left out."""
        columns, origin = self._columns, self._origin
        keys = [key for key in (columns.tokens, columns.tags, columns.id) if key]
        try:
            row = {key: batch.column(key)[i].as_py() for key in keys}
        except UnicodeDecodeError as error:
            origin.settle([Fault("not UTF-8", f"{error}; {_NOT_UTF8}", number, mendable=False)])
            return None
        tags = row[columns.tags] if columns.tags else []
        if not tags and row[columns.tokens] == []:
            origin.report.skip(_EMPTY, origin.place(number))
            return None
        if tags is None:
            message = f"'{columns.tags}' is null; expected a list with one tag a word"
            origin.settle([Fault("no tags", message, number, mendable=False)])
            return None
        document = document_of_row(row, number, self._rows)
        if document is not None and not document.n_words:
            origin.report.skip(_EMPTY, origin.place(number))
            return None
        return document


def _ends(lists: Any) -> Any:
    """Where each list ends in all of them together, from 0; None where a null is in any."""
    if lists.null_count or lists.flatten().null_count:
        return None
    offsets = lists.offsets.to_numpy()
    return offsets - offsets[0]


def _tags_column(kinds: Mapping[str, Any], origin: Origin) -> str | None:
    """The column of the tags, which may be missing from the table; None: not to be read."""
    if origin.settings.tag_column is None:
        return None
    found = (key for key in tag_keys(origin.settings) if key in kinds)
    return next(found, origin.settings.tags_key)


def _expect(kinds: Mapping[str, Any], key: str, expected: str, origin: Origin) -> None:
    kind = kinds[key]
    if not _is_list(kind, _is_string):
        inner = getattr(kind, "value_type", None)
        found = f"lists of {inner}" if inner else str(kind)
        raise DataError(
            f"the column '{key}' holds {found}; expected {expected}. Name another with tokens_key, "
            "tags_key or language_key",
            origin.name,
        )


def _names_of_ids(schema: Any, key: str, origin: Origin) -> tuple[str, ...]:
    """The names of the tag ids, from the settings or as the table carries them."""
    carried = _class_names(schema.metadata or {}, key)
    given = origin.settings.label_names
    if not carried and not given:
        raise DataError(
            f"'{key}' holds integers, the numbers of classes, and carries no names of theirs; "
            f"{NAMES_OF_IDS}, or save the data set anew with {key} as "
            'List(ClassLabel(names=["O", "B-PER", "I-PER"]))',
            origin.name,
        )
    if carried and given and len(carried) != len(given):
        raise DataError(
            f"label_names has {len(given)} names, but '{key}' carries {len(carried)}: "
            f"{', '.join(carried)}. Leave label_names out, or give as many",
            origin.name,
        )
    names = given or carried
    odd = [name for name in names if not schemes.is_tag(name)]
    if odd:
        cure = [name if schemes.is_tag(name) else f"I-{name}" for name in names]
        raise DataError(
            f"'{key}' carries names that are no tags, as '{odd[0]}'; expected O or tags such as "
            f"B-PER. If each is a label, set label_names: [{', '.join(cure)}]",
            origin.name,
        )
    return tuple(names)


def _class_names(metadata: Mapping[bytes, bytes], key: str) -> list[str]:
    """The names that the package datasets writes beside the schema; none where there are none."""
    try:
        kind = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"][key]
        inner = kind[0] if isinstance(kind, list) else kind["feature"]
        names = inner["names"]
    except (ValueError, LookupError, TypeError):
        return []
    return [str(name) for name in names] if isinstance(names, list) else []


def _is_list(kind: Any, of: Callable[[Any], bool]) -> bool:
    import pyarrow.types as types

    return (types.is_list(kind) or types.is_large_list(kind)) and of(kind.value_type)


def _is_string(kind: Any) -> bool:
    import pyarrow.types as types

    if types.is_dictionary(kind):
        kind = kind.value_type
    tests = (types.is_string, types.is_large_string, types.is_string_view)
    return any(test(kind) for test in tests)


_NOT_UTF8 = "expected UTF-8; write the table anew from text decoded with its real encoding"
