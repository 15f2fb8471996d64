"""The input of a job: its files, their format, their rows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType

from nertune.errors import DataError, DocumentError
from nertune.spark.job.settings import Format, Job
from nertune.spark.job.storage import FAULTS, reason_of

CORRUPT = "_corrupt_record"
"""The column in which Spark keeps a line that is no JSON object."""

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


def rows_of(spark: SparkSession, job: Job, kind: Format) -> DataFrame:
    """The rows of the input, checked to have what the job names.

    Raises DataError for what cannot be read in this format, DocumentError for columns that are not
    there, no texts, or in the way.
    """
    reader: Any = spark.read
    try:
        frame: DataFrame
        if kind == "parquet":
            frame = reader.parquet(job.source)
        elif kind == "json":
            frame = reader.json(job.source, mode="PERMISSIVE", columnNameOfCorruptRecord=CORRUPT)
        else:
            frame = reader.text(job.source).withColumnRenamed("value", job.text_column)
    except FAULTS as error:
        raise DataError(
            f"cannot be read as {kind} ({reason_of(error)}); name another with --format",
            job.source,
        ) from error
    if kind == "json" and frame.columns in ([], [CORRUPT]):
        raise DataError(
            "no line is a JSON object with fields; expected JSON lines, one object a line: name "
            "another format with --format",
            job.source,
        )
    _check_columns(job, frame)
    if job.finding.on_error == "stop" and has_corrupt(kind, frame):
        _refuse_corrupt(job, frame)
    return frame


def has_corrupt(kind: Format, frame: DataFrame) -> bool:
    """Whether some lines are no JSON objects: Spark adds their column only where it found some."""
    return kind == "json" and CORRUPT in frame.columns


def _check_columns(job: Job, frame: DataFrame) -> None:
    for option, name in (("--text-column", job.text_column), ("--id-column", job.id_column)):
        if name is not None and name not in frame.columns:
            raise DocumentError(
                f"{job.source}: has no column '{name}'; it has: {', '.join(frame.columns)}. Name "
                f"one of them with {option}"
            )
    kind = frame.schema[job.text_column].dataType
    if not isinstance(kind, StringType):
        raise DocumentError(
            f"{job.source}: the column '{job.text_column}' is of type {kind.simpleString()}; "
            "expected string: name another with --text-column, or cast it first"
        )
    taken = {name.lower() for name in frame.columns}
    for option, name in (
        ("--entities-column", job.entities_column), ("--error-column", job.error_column),
    ):  # fmt: skip
        if name.lower() in taken:
            raise DocumentError(
                f"{job.source}: has a column '{name}' already; name the new one otherwise, with "
                f"{option} nertune_{name}"
            )


def _refuse_corrupt(job: Job, frame: DataFrame) -> None:
    bad = frame.where(F.col(CORRUPT).isNotNull()).select(F.input_file_name(), *frame.columns)
    row = bad.first()
    if row is not None:
        raise DataError(
            f"a line is no JSON object: {row[CORRUPT][:80]!r}; mend it, or say --on-error skip, "
            f"which keeps it in the column '{CORRUPT}'",
            row[0] or job.source,
        )
