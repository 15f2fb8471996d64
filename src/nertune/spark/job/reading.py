"""The input of a job: its files, their format, their rows."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, count
from pathlib import PurePosixPath

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from nertune.errors import DataError, DocumentError
from nertune.spark.columns import quoted
from nertune.spark.faults import FAULTS, reason_of
from nertune.spark.job.settings import Format, Job

CORRUPT = "_corrupt_record"
"""The column in which Spark keeps a line that is no JSON object, where the input has none such."""

_SAME_KEYS = (
    "rename one of the keys: Spark takes those that differ in upper and lower case alone as one, "
    "but with --conf spark.sql.caseSensitive=true"
)

_FORMATS: dict[str, Format] = {
    ".parquet": "parquet",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".txt": "text",
    ".text": "text",
}
_COMPRESSED = (".gz", ".bz2", ".zst", ".zstd", ".lz4", ".snappy", ".deflate")


@dataclass(frozen=True)
class Files:
    """The files that Spark reads under a path: each its path, bytes, and time in ms; sorted."""

    source: str
    files: tuple[tuple[str, int, int], ...]

    @property
    def n_bytes(self) -> int:
        """Of all files together."""
        return sum(size for _, size, _ in self.files)

    def told(self) -> str:
        """What tells these files from others."""
        digest = hashlib.sha256(repr(self.files).encode()).hexdigest()[:12]
        noun = "file" if len(self.files) == 1 else "files"
        return f"{len(self.files):,} {noun}, {self.n_bytes:,} bytes, fingerprint {digest}"


def files_of(spark: SparkSession, source: str) -> Files:
    """The files under a path, as Spark lists them. Raises DataError where there are none."""
    try:
        listed = spark.read.format("binaryFile").load(source)
        rows = listed.select("path", "length", F.unix_millis("modificationTime")).collect()
    except FAULTS as error:
        raise DataError(
            f"there is nothing that Spark can read ({reason_of(error)})", source
        ) from error
    if not rows and listed.inputFiles():
        raise DataError("is empty (0 bytes); expected rows", source)
    if not rows:
        raise DataError(
            "holds no files; expected some whose names do not begin with '_' or '.', which Spark "
            "does not read",
            source,
        )
    return Files(source, tuple(sorted(tuple(row) for row in rows)))


def format_of(job: Job, files: Files) -> Format:
    """The format that was named, or that all endings agree on. Raises DataError."""
    if job.format is not None:
        return job.format
    endings = {_ending(path) for path, _, _ in files.files}
    formats = {_FORMATS.get(ending) for ending in endings}
    [only] = formats if len(formats) == 1 else [None]
    if only is None:
        found = ", ".join(sorted(ending or "none" for ending in endings))
        raise DataError(
            f"its endings do not tell one format (found: {found}; known: {', '.join(_FORMATS)}); "
            "say --format parquet, json or text",
            job.source,
        )
    return only


def _ending(path: str) -> str:
    name = PurePosixPath(path.lower())
    return (name.with_suffix("") if name.suffix in _COMPRESSED else name).suffix


@dataclass(frozen=True)
class Rows:
    """The rows of the input.

    corrupt: the column in which Spark puts a line that is no JSON object, named as nothing in the
    input is; None for other formats. keeps_corrupt: whether it is one of the output.
    """

    frame: DataFrame
    corrupt: str | None = None
    keeps_corrupt: bool = False

    @property
    def columns(self) -> list[str]:
        """Those that the output keeps."""
        dropped = None if self.keeps_corrupt else self.corrupt
        return [name for name in self.frame.columns if name != dropped]


def rows_of(spark: SparkSession, job: Job, kind: Format) -> Rows:
    """The rows of the input, checked to have what the job names.

    Raises DataError for what cannot be read in this format, DocumentError for columns that are not
    there, no texts, or in the way.
    """
    try:
        rows = _READERS[kind](spark, job)
    except FAULTS as error:
        reason = reason_of(error)
        cure = _SAME_KEYS if "[COLUMN_ALREADY_EXISTS]" in reason else "name another with --format"
        raise DataError(f"cannot be read as {kind} ({reason}); {cure}", job.source) from error
    _check_columns(job, rows)
    if job.finding.on_error == "stop" and rows.corrupt is not None:
        _refuse_corrupt(job, rows, rows.corrupt)
    return rows


def _parquet_rows(spark: SparkSession, job: Job) -> Rows:
    return Rows(spark.read.parquet(job.source))


def _json_rows(spark: SparkSession, job: Job) -> Rows:
    """Found in two steps: Spark empties a column of the input that has the name of its own."""
    own = uuid.uuid4().hex
    found = spark.read.json(job.source, mode="PERMISSIVE", columnNameOfCorruptRecord=own).schema
    fields = [field for field in found.fields if field.name != own]
    if not fields:
        raise DataError(
            "no line is a JSON object with fields; expected JSON lines, one object a line: name "
            "another format with --format",
            job.source,
        )
    corrupt = _free({field.name.lower() for field in fields})
    # Always read: a line `null` is none that Spark finds before, and makes it a row of nulls.
    schema = StructType([StructField(corrupt, StringType()), *fields])
    reader = spark.read.schema(schema)
    frame = reader.json(job.source, mode="PERMISSIVE", columnNameOfCorruptRecord=corrupt)
    return Rows(frame, corrupt, own in found.names)


def _free(taken: set[str]) -> str:
    """A name for Spark's column that the input has no use for."""
    others = (f"{CORRUPT}_{number}" for number in count(2))
    return next(name for name in chain([CORRUPT], others) if name not in taken)


def _text_rows(spark: SparkSession, job: Job) -> Rows:
    own = uuid.uuid4().hex
    frame = spark.read.schema(StructType([StructField(own, StringType())])).text(job.source)
    if job.text_column.lower() in (name.lower() for name in frame.columns):
        raise DocumentError(
            f"{job.source}: its folders are named {job.text_column}=..., which is a column "
            f"'{job.text_column}' already; name that of the lines otherwise, with --text-column "
            f"nertune_{job.text_column}"
        )
    return Rows(frame.withColumnRenamed(own, job.text_column))


_READERS: dict[Format, Callable[[SparkSession, Job], Rows]] = {
    "parquet": _parquet_rows,
    "json": _json_rows,
    "text": _text_rows,
}


def _check_columns(job: Job, rows: Rows) -> None:
    for option, name in (("--text-column", job.text_column), ("--id-column", job.id_column)):
        if name is not None and name not in rows.columns:
            raise DocumentError(
                f"{job.source}: has no column '{name}'; it has: {', '.join(rows.columns)}. Name "
                f"one of them with {option}"
            )
    kind = rows.frame.schema[job.text_column].dataType
    if not isinstance(kind, StringType):
        raise DocumentError(
            f"{job.source}: the column '{job.text_column}' is of type {kind.simpleString()}; "
            "expected string: name another with --text-column, or cast it first"
        )
    taken = {name.lower() for name in rows.columns}
    for option, name in (
        ("--entities-column", job.entities_column), ("--error-column", job.error_column),
    ):  # fmt: skip
        if name.lower() in taken:
            raise DocumentError(
                f"{job.source}: has a column '{name}' already; name the new one otherwise, with "
                f"{option} nertune_{name}"
            )


def _refuse_corrupt(job: Job, rows: Rows, corrupt: str) -> None:
    names = map(quoted, rows.frame.columns)  # Spark refuses to read its own column alone
    bad = rows.frame.where(quoted(corrupt).isNotNull()).select(F.input_file_name(), *names)
    row = bad.first()
    if row is not None:
        keeps = f", which keeps it in the column '{corrupt}'" if rows.keeps_corrupt else ""
        raise DataError(
            f"a line is no JSON object: {row[corrupt][:80]!r}; mend it, or say --on-error skip"
            f"{keeps}",
            row[0] or job.source,
        )
