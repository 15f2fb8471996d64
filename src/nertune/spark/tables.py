"""A frame of texts to a frame of what is found in them, in one pass through Python.

The rows are those of `Tagger.table`, made by the same code on the workers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from inspect import signature
from typing import Any

import pyarrow as pa
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import to_arrow_type
from pyspark.sql.types import (
    ArrayType,
    DataType,
    DoubleType,
    LongType,
    StringType,
    StructField,
    StructType,
)

from nertune.documents import Document
from nertune.errors import DocumentError
from nertune.spark.columns import check_frame, check_once, in_one_case, quoted
from nertune.spark.models import ModelSpec, tagger_of
from nertune.spark.pipeline import Finding, finding_of
from nertune.spark.tagger import NerTagger
from nertune.spark.tagging import Outcome, Prepared, tag_rows
from nertune.tables import Level, Row, check_apart, check_column, rows_of

ERROR = "error"
"""The column that tells why a row failed."""

_TYPES: dict[str, DataType] = {
    "int64": LongType(), "float64": DoubleType(), "object": StringType(),
}  # fmt: skip
_ENTITIES = ArrayType(
    StructType(
        [
            StructField("start", LongType()),
            StructField("end", LongType()),
            StructField("label", StringType()),
            StructField("text", StringType()),
            StructField("score", DoubleType()),
        ]
    )
)
_TEXTS, _KEY = "texts", "key"
_MANY_ROWS = 10_000
_IN_UTC: dict[str, Any] = (  # some versions of pyspark do without it for timestamps
    {"timezone": "UTC"} if "timezone" in signature(to_arrow_type).parameters else {}
)
_RENAME = "rename them, as frame.withColumnRenamed('label', 'category')"


def tag(
    frame: DataFrame,
    model: str,
    level: Level = "entity",
    text_column: str = "text",
    finding: Finding | None = None,
    id_column: str | None = None,
) -> DataFrame:
    """What a model finds in a column of texts: a row an entity, a word, a sentence or a document.

    model: a folder, a name as `es.ner`, or an id of the Hub. The other columns of the frame stay;
    those that follow are the columns of `Tagger.table` at this level. A missing text has no row,
    and at level "document" one with text null and counts 0. finding: threshold, labels and how the
    model runs. on_error="skip" adds a column `error`: a row that failed, as one of bytes that are
    no UTF-8, has one row in which only that is filled. "stop" ends the job, and the message names
    the row by its `id_column`.
    Raises DocumentError for a column that is missing, holds no strings, or is one of ours too (as
    Spark compares names: START is start), and BundleError where there is no such model, or a worker
    cannot read it.
    """
    finding = finding_of(finding)
    ours = _columns(level, finding.on_error)
    _check(frame, text_column, id_column, [field.name for field in ours])
    stage = NerTagger.load(model).having(
        threshold=finding.threshold,
        runtime=finding.runtime,
        delivery=finding.delivery,
        onError=finding.on_error,
    )
    proved = stage.proved(frame)
    finding.check_labels(proved.labels)
    work = _Tables(proved.spec, finding, level, id_column, tuple(ours))
    others = [name for name in frame.columns if name != text_column]
    # As bytes: Spark has strings that are no UTF-8, which Arrow cannot read.
    texts = quoted(text_column).cast("binary").alias(_TEXTS)
    # Under names of our own: mapInArrow reads a dot in one as a field of a struct.
    read = [
        quoted(name).alias(_KEY if name == id_column else f"c{i}") for i, name in enumerate(others)
    ]
    kept = [frame.schema[name] for name in others]
    return frame.select(*read, texts).mapInArrow(work.run, StructType([*kept, *ours]))


def _columns(level: str, on_error: str) -> list[StructField]:
    """The columns that a level has here."""
    kinds = rows_of(level).columns.items()
    ours = [
        StructField(name, _ENTITIES if name == "entities" else _TYPES[kind]) for name, kind in kinds
    ]
    return [*ours, StructField(ERROR, StringType())] if on_error == "skip" else ours


def _check(frame: DataFrame, text_column: str, id_column: str | None, ours: list[str]) -> None:
    check_frame(frame)
    there = frame.columns
    check_column(there, text_column, "text_column")
    check_once(frame, there)
    kind = frame.schema[text_column].dataType
    if not isinstance(kind, StringType):
        raise DocumentError(
            f"the column '{text_column}' is of type {kind.simpleString()}; expected string: cast "
            "it first, with .cast('string')"
        )
    others = [name for name in there if name != text_column]
    same = [
        name
        for name, plain in zip(others, in_one_case(frame, others), strict=True)
        if plain in ours
    ]
    check_apart(others, text_column, same, _RENAME)
    for name in others:
        _check_carried(name, frame.schema[name].dataType)
    if id_column is not None and (id_column not in there or id_column == text_column):
        raise DocumentError(
            f"id_column is '{id_column}'; expected a column of the frame beside the texts: "
            f"{', '.join(name for name in there if name != text_column)}"
        )


def _check_carried(name: str, kind: DataType) -> None:
    """Raise DocumentError for a column that cannot go through Python."""
    try:
        to_arrow_type(kind, **_IN_UTC)
    except (PySparkException, TypeError):
        raise DocumentError(
            f"the column '{name}' is of type {kind.simpleString()}, which Spark cannot carry "
            "through Python; expected another type: drop the column, or cast it first, with "
            ".cast('string')"
        ) from None


@dataclass(frozen=True)
class _Tables:
    """What a worker does: batches of the other columns and the texts, to batches of the table.

    columns: those that are added, as Spark knows them.
    """

    model: ModelSpec
    finding: Finding
    level: Level
    id_column: str | None
    columns: tuple[StructField, ...]

    def run(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The rows of each batch in order; the tagger's own batches cross the borders of these."""
        tagger, finding = tagger_of(self.model), self.finding
        find = partial(tagger.tag, threshold=finding.threshold, labels=finding.labels)
        waiting: deque[pa.RecordBatch] = deque()
        outcomes = tag_rows(find, _prepared(batches, waiting))
        owners: list[int] = []
        rows: list[Row] = []
        place = 0
        for outcome in outcomes:
            found = self._rows(outcome, waiting[0], place)
            owners += [place] * len(found)
            rows += found
            place += 1
            is_last = place == waiting[0].num_rows
            if rows and (is_last or len(rows) >= _MANY_ROWS):
                yield self._filled(waiting[0], owners, rows)
                owners, rows = [], []
            if is_last:
                waiting.popleft()
                place = 0

    def _rows(
        self, outcome: tuple[list[int], list[Document]] | Outcome, batch: pa.RecordBatch, place: int
    ) -> list[Row]:
        """The rows of one text, without the other columns."""
        told = self.finding.on_error == "skip"
        if isinstance(outcome, Outcome):
            if told:
                return [(*[None] * (len(self.columns) - 1), outcome.reason)]
            raise DocumentError(f"{self._name(outcome, batch, place)}: {outcome.reason}")
        _, documents = outcome
        kind = rows_of(self.level)
        found = [] if documents else kind.of_missing()
        for document in documents:
            found += kind.of(document)
        return [(*row, None) for row in found] if told else found

    def _name(self, outcome: Outcome, batch: pa.RecordBatch, place: int) -> str:
        if self.id_column is None:
            return (
                f"row {outcome.number} of a partition (from 0; to have it named, say "
                "id_column='...')"
            )
        return f"the row with the {self.id_column} '{batch.column(_KEY)[place]}'"

    def _filled(self, batch: pa.RecordBatch, owners: list[int], rows: list[Row]) -> pa.RecordBatch:
        others = batch.select(batch.schema.names[:-1]).take(pa.array(owners, pa.int32()))
        cells = zip(*rows, strict=True)
        ours = [
            pa.array(column, to_arrow_type(field.dataType))
            for column, field in zip(cells, self.columns, strict=True)
        ]
        names = [field.name for field in self.columns]
        return pa.RecordBatch.from_arrays(
            [*others.columns, *ours], names=[*others.schema.names, *names]
        )


def _prepared(
    batches: Iterator[pa.RecordBatch], waiting: deque[pa.RecordBatch]
) -> Iterator[Prepared]:
    """The texts as documents; the batches that they are of go into `waiting`."""
    for batch in batches:
        if batch.num_rows:
            waiting.append(batch)
        for text in batch.column(_TEXTS).to_pylist():
            yield _document(text)


def _document(text: bytes | None) -> Prepared:
    if text is None:
        return None, [], []
    try:
        return None, [0], [Document.from_text(text.decode())]
    except UnicodeDecodeError as error:
        return None, [], f"is no valid UTF-8 ({error}); decode the source with its real encoding"
