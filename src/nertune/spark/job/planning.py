"""What a job will do, known before it does anything: its rows, its pipeline, its origin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyspark.ml import PipelineModel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from nertune import __version__
from nertune.errors import OutputError
from nertune.spark.annotations import failed
from nertune.spark.columns import quoted
from nertune.spark.job.journal import Origin, partial_of
from nertune.spark.job.reading import Files, Rows, files_of, format_of, rows_of
from nertune.spark.job.settings import Format, Job
from nertune.spark.models import Proved
from nertune.spark.pipeline import entity_pipeline

_SLICE_BYTES = 4 << 20
"""Of input, for each core: a few minutes of work."""

_MOST_SLICES = 32
"""The input is read once a slice; more slices would read more and save little."""

_TASK_BYTES = 2 << 20
_NO_OBJECT = "the line is no JSON object"
_MOST_TOLD = 80


@dataclass(frozen=True)
class Plan:
    """A job whose input, columns and model were found."""

    spark: SparkSession
    job: Job
    files: Files
    kind: Format
    rows: Rows
    pipeline: PipelineModel
    origin: Origin

    @property
    def output_format(self) -> str:
        """Parquet for parquet, JSON lines for the rest."""
        return "parquet" if self.kind == "parquet" else "json"

    @property
    def n_slices(self) -> int:
        """By the size of the input and of the cluster that begins; those that go on keep it."""
        by_size = -(-self.files.n_bytes // (_SLICE_BYTES * self._n_cores))
        return self.job.slices or max(1, min(by_size, _MOST_SLICES))

    @property
    def _n_cores(self) -> int:
        return int(self.spark.sparkContext.defaultParallelism)

    def tagged(self, n_slices: int) -> DataFrame:
        """The input's row as one column, its slice, its entities, its error, its count of words.

        Runs a small job in which the workers prove that they have the model. Raises BundleError.
        """
        job = self.job
        row = F.struct(*map(quoted, self.rows.columns))
        kept = {"row": row, "text": quoted(job.text_column)}
        if job.id_column is not None:
            kept["id"] = quoted(job.id_column)
        if self.rows.corrupt is not None:
            kept["line"] = quoted(self.rows.corrupt)
        rows = self.rows.frame.repartition(self._n_tasks(n_slices))
        rows = rows.select(*(column.alias(name) for name, column in kept.items()))
        found = self.pipeline.transform(rows)
        error = self._error()
        return found.select(
            "row",
            F.pmod(F.xxhash64("text"), F.lit(n_slices)).alias("slice"),
            "entities",
            error.alias("error"),
            F.when(error.isNull(), F.size("token")).otherwise(0).alias("words"),
        )

    def _error(self) -> Column:
        error = failed("ner")
        if self.rows.corrupt is None:
            return error
        line = F.col("line")
        if self.rows.keeps_corrupt:
            reason = F.lit(f"{_NO_OBJECT}; it is kept in the column '{self.rows.corrupt}'")
        else:
            reason = F.concat(F.lit(f"{_NO_OBJECT}: "), F.substring(line, 1, _MOST_TOLD))
        return F.when(line.isNotNull(), reason).otherwise(error)

    def _n_tasks(self, n_slices: int) -> int:
        by_size = self.files.n_bytes // n_slices // _TASK_BYTES
        return self.job.partitions or max(by_size, self._n_cores)


def plan(spark: SparkSession, job: Job, out: str) -> Plan:
    """Find all that the job names. out: the output's whole path.

    Raises DataError, DocumentError, BundleError, and OutputError for an output inside the input.
    """
    files = files_of(spark, job.source)
    _check_apart(files, out)
    kind = format_of(job, files)
    rows = rows_of(spark, job, kind)
    id_column = None if job.id_column is None else "id"
    pipeline = entity_pipeline(job.model, "text", job.finding, id_column)
    tagger: Any = pipeline.stages[2]
    proved = tagger.proved(rows.frame)
    job.finding.check_labels(proved.labels)
    return Plan(spark, job, files, kind, rows, pipeline, _origin(job, files, kind, proved))


def _check_apart(files: Files, out: str) -> None:
    """Refuse an output inside the input: its unfinished folder, with the lock, stands already."""
    for path, _, _ in files.files:
        plain = path.replace(":///", ":/")
        for folder in (out, partial_of(out)):
            if plain == folder or plain.startswith(f"{folder}/"):
                raise OutputError(f"{out}: is part of the input {files.source}; choose another OUT")


def _origin(job: Job, files: Files, kind: Format, proved: Proved) -> Origin:
    """Whether a failing row stops the job makes no difference to the rows that do not fail."""
    finding = job.finding
    return {
        "input": files.told(),
        "format": kind,
        "model": str(proved.spec.fingerprint),
        "runtime": proved.runtime,
        "--text-column": job.text_column,
        "--id-column": job.id_column or "none",
        "--threshold": str(float(finding.threshold)),
        "--label": "all" if finding.labels is None else ", ".join(sorted(finding.labels)),
        "--entities-column": job.entities_column,
        "--error-column": job.error_column,
        "nertune": __version__,
    }
