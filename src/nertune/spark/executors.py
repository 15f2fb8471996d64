"""What the workers do: Arrow in, Arrow out, one model a worker process.

A worker imports this module and what it names; nothing here needs a session, and no closure holds a
model. What a task does is a small frozen object (`Tokenize`, `Tag`, `Convert`) that turns a stream
of rows into a stream of their annotations; it knows nothing of batches, so that the tagger's own
batches cross the borders of Spark's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, chain, pairwise
from typing import Any, Protocol

import pyarrow as pa
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_type

from nertune import schemes
from nertune.documents import Document
from nertune.engine import Tagger
from nertune.errors import DocumentError, NertuneError
from nertune.posteriors import Doubles
from nertune.spark.annotations import (
    ANNOTATIONS,
    CHUNK,
    ERROR,
    NAMED_ENTITY,
    TOKEN,
    Annotation,
    Probabilities,
    Token,
    failure,
    tag_annotations,
    tokens_to_documents,
    word_annotations,
)
from nertune.spark.models import ModelSpec, tagger_of
from nertune.spark.rules import MergeRule, WordRules, entities_of, in_words
from nertune.spark.tagging import Outcome, Prepared, tag_rows

Row = tuple[Any, ...]


class Work(Protocol):
    """What is done to the rows of a partition."""

    def annotate(self, rows: Iterator[Row]) -> Iterator[list[Annotation]]:
        """The annotations of each row, in order."""


# --- columns ---


def document_columns(document: Column) -> list[Column]:
    """What is read of a document column: texts, where each begins, the row's key.

    Texts and key come as bytes: Spark has strings that are no UTF-8, which Arrow cannot read.
    """
    keys = F.transform(document, lambda one: F.try_element_at(one["metadata"], F.lit("id")))
    key = F.try_element_at(keys, F.lit(1)).cast("binary")
    return [document["result"].cast("array<binary>"), document["begin"], key]


def token_columns(tokens: Column) -> list[Column]:
    """What is read of a token column; as `Token`, and an error."""
    return [tokens[name] for name in ("begin", "end", "result")] + _metadata(
        tokens, "sentence", "document", ERROR
    )


def tag_columns(tags: Column) -> list[Column]:
    """What is read of a named_entity column; as `Token`, an error, the word and its confidence."""
    return token_columns(tags) + _metadata(tags, "word", "confidence")


def _metadata(column: Column, *keys: str) -> list[Column]:
    def value(key: str) -> Column:
        return F.transform(column, lambda one: F.try_element_at(one["metadata"], F.lit(key)))

    return [value(key) for key in keys]


# --- the two doors into Python ---


def apply(work: Work, columns: Sequence[Column]) -> Column:
    """The annotations that `work` makes of some columns: by Arrow, by pandas before Spark 4.1."""
    functions: Any = F
    if hasattr(functions, "arrow_udf"):
        annotate = functions.arrow_udf(_in_arrow(work), ANNOTATIONS)
    else:
        annotate = functions.pandas_udf(_in_pandas(work), ANNOTATIONS)
    result: Column = annotate(*columns)
    return result


def _in_arrow(work: Work) -> Callable[..., Any]:
    def annotate(batches: Iterator[tuple[pa.Array, ...]]) -> Iterator[pa.Array]:
        columns = (tuple(one.to_pylist() for one in batch) for batch in batches)
        yield from map(in_columns, in_batches(work, columns))

    return annotate


def in_columns(rows: Sequence[list[Annotation]]) -> pa.Array:
    """Rows of annotations as Arrow, field by field: several times faster than one by one."""
    kind: Any = to_arrow_type(ANNOTATIONS)
    of_one = kind.value_type
    flat = list(chain.from_iterable(rows))
    *plain, metadata, embeddings = zip(*flat, strict=True) if flat else [()] * len(of_one)
    keys = pa.array(chain.from_iterable(metadata), pa.string())
    values = pa.array(chain.from_iterable(one.values() for one in metadata), pa.string())
    maps = pa.MapArray.from_arrays(_offsets(metadata), keys, values)
    fields = [pa.array(values, field.type) for values, field in zip(plain, of_one, strict=False)]
    fields += [maps, pa.array(embeddings, of_one[len(plain) + 1].type)]
    struct = pa.StructArray.from_arrays(fields, fields=list(of_one))
    return pa.ListArray.from_arrays(_offsets(rows), struct).cast(kind)


def _offsets(rows: Sequence[Sized]) -> pa.Array:
    """Where each row begins in a flat array, and where the last one ends."""
    return pa.array(accumulate(map(len, rows), initial=0), pa.int32())


def _in_pandas(work: Work) -> Callable[..., Any]:
    import pandas as pd

    def annotate(batches: Iterator[tuple[pd.Series, ...]]) -> Iterator[pd.Series]:
        columns = (tuple(map(_listed, batch)) for batch in batches)
        for found in in_batches(work, columns):
            yield pd.Series([[one._asdict() for one in row] for row in found], dtype=object)

    # Spark reads the kind of function from these, and pandas is known in here only.
    series = tuple[pd.Series, ...]
    annotate.__annotations__ = {"batches": Iterator[series], "return": Iterator[pd.Series]}
    return annotate


def _listed(column: Any) -> list[Any]:
    """A pandas Series of bytes or arrays as Python values, with None for what is missing."""
    values = (one.tolist() if hasattr(one, "tolist") else one for one in column)
    return [one if isinstance(one, bytes | list) else None for one in values]


def in_batches(
    work: Work, batches: Iterable[tuple[list[Any], ...]]
) -> Iterator[list[list[Annotation]]]:
    """What `work` finds, in batches of as many rows as came in; it may read ahead."""
    sizes: deque[int] = deque()

    def rows() -> Iterator[Row]:
        for columns in batches:
            sizes.append(len(columns[0]))
            yield from zip(*columns, strict=True)

    ready: list[list[Annotation]] = []
    for found in work.annotate(rows()):
        ready.append(found)
        while sizes and len(ready) >= sizes[0]:
            size = sizes.popleft()
            yield ready[:size]
            del ready[:size]
    for size in sizes:  # batches without rows, at the end
        yield ready[:size]
        del ready[:size]


# --- rows ---


@dataclass(frozen=True)
class Tokenize:
    """Documents to words."""

    rules: WordRules
    on_error: str

    def annotate(self, rows: Iterator[Row]) -> Iterator[list[Annotation]]:
        """See `Work`; a row is `document_columns`."""
        for number, (texts, begins, key) in enumerate(rows):
            try:
                documents = [
                    in_words(Document.from_text(text), self.rules) for text in _decoded(texts)
                ]
                yield list(word_annotations(documents, begins or ()))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is this row's
                yield _failed(TOKEN, Outcome(number, key, str(error)), self.on_error)


@dataclass(frozen=True)
class Tag:
    """Words to tags, by the model of this worker process."""

    model: ModelSpec
    threshold: float
    on_error: str
    all_scores: bool

    def annotate(self, rows: Iterator[Row]) -> Iterator[list[Annotation]]:
        """See `Work`; a row is `document_columns` and `token_columns`."""
        tagger = tagger_of(self.model)
        find = partial(self._found, tagger)
        for row in tag_rows(find, map(_prepared, rows)):
            if isinstance(row, Outcome):
                yield _failed(NAMED_ENTITY, row, self.on_error)
                continue
            begins, found = row
            probabilities = [
                Probabilities(tagger.settings.tags, one) for _, one in found if one is not None
            ]
            yield list(tag_annotations([one for one, _ in found], begins, probabilities))

    def _found(
        self, tagger: Tagger, documents: Iterator[Document]
    ) -> Iterator[tuple[Document, Doubles | None]]:
        """The documents tagged, and the probabilities of all tags if they are wanted."""
        if self.all_scores:
            yield from tagger.word_probabilities(documents, self.threshold)
        else:
            yield from ((document, None) for document in tagger.tag(documents, self.threshold))


def _prepared(row: Row) -> Prepared:
    """A row's key, the begins of its documents, and the documents; or why there are none."""
    texts, begins, key, *columns, errors = row
    reason = next(filter(None, errors or ()), None)
    if reason:
        return key, [], reason
    try:
        tokens = map(Token, *(column or () for column in columns))
        return key, begins or [], tokens_to_documents(_decoded(texts), begins or (), tokens)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this row's
        return key, [], str(error)


@dataclass(frozen=True)
class Convert:
    """Tags to entities."""

    rule: MergeRule
    labels: frozenset[str] | None
    preserve_position: bool

    def annotate(self, rows: Iterator[Row]) -> Iterator[list[Annotation]]:
        """See `Work`; a row is `document_columns` and `tag_columns`."""
        for number, (texts, begins, key, *columns) in enumerate(rows):
            *place, errors, words, confidences = columns
            if any(errors or ()):
                yield []
                continue
            try:
                tags = list(map(Token, *(column or () for column in place)))
                facts = list(zip(words or (), confidences or (), strict=True))
                yield list(self._chunks((_decoded(texts), begins), tags, facts))
            except NertuneError as error:
                yield _failed(CHUNK, Outcome(number, key, str(error)), "stop")

    def _chunks(
        self,
        documents: tuple[list[str], list[int]],
        tags: list[Token],
        facts: list[tuple[str | None, str | None]],
    ) -> Iterator[Annotation]:
        """The entities of a row. facts: of each word itself and the confidence of its tag."""
        texts, begins = documents
        n_chunks = 0
        for first, last, label in self._spans(tags):
            if self.labels is not None and label not in self.labels:
                continue
            tag = tags[first]
            number = int(tag.document or 0)
            begin, end, base = tag.begin, tags[last - 1].end, begins[number]
            whole = texts[number][begin - base : end - base + 1]
            result = whole if self.preserve_position else facts[first][0] or whole
            metadata = {"entity": label, "sentence": tag.sentence, "chunk": str(n_chunks)}
            if tag.document is not None:
                metadata["document"] = tag.document
            scores = [float(score) for _, score in facts[first:last] if score is not None]
            if scores:
                metadata["confidence"] = repr(_mean(scores))
            yield Annotation(CHUNK, begin, end, result, metadata)
            n_chunks += 1

    def _spans(self, tags: list[Token]) -> Iterator[tuple[int, int, str]]:
        """The entities as half-open ranges of the row's words; none crosses a sentence."""
        edges = [
            i for i, tag in enumerate(tags)
            if not i or (tag.sentence, tag.document) != (tags[i - 1].sentence, tags[i - 1].document)
        ]  # fmt: skip
        for start, end in pairwise([*edges, len(tags)]):
            names = [tag.result for tag in tags[start:end]]
            if names.count(schemes.OUTSIDE) < len(names):
                for first, last, label in entities_of(names, self.rule):
                    yield start + first, start + last, label


def _mean(scores: list[float]) -> float:
    """The mean; of equal numbers exactly that number, so that an entity keeps its probability."""
    return scores[0] if min(scores) == max(scores) else sum(scores) / len(scores)


def _decoded(texts: Sequence[bytes | None] | None) -> list[str]:
    """The texts of a row; a missing one is empty. Raises DocumentError for what is no UTF-8."""
    try:
        return [(text or b"").decode() for text in texts or ()]
    except UnicodeDecodeError as error:
        raise DocumentError(
            f"a text is no valid UTF-8 ({error}); decode the source with its real encoding, or "
            "clean it with Spark's make_valid_utf8"
        ) from None


def _failed(kind: str, found: Outcome, on_error: str) -> list[Annotation]:
    """The annotations of a row that failed; DocumentError where that is to stop the job."""
    if on_error == "stop":
        raise DocumentError(f"{_name_of(found)}: {found.reason}")
    return failure(kind, found.reason)


def _name_of(found: Outcome) -> str:
    if found.key is not None:
        return f"the row with the id '{found.key.decode(errors='replace')}'"
    from pyspark import TaskContext

    task = TaskContext.get()
    where = f" of partition {task.partitionId()}" if task else ""
    return (
        f"row {found.number}{where} (from 0; to have it named by a key, say "
        "DocumentAssembler(idCol=...))"
    )
