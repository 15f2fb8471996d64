"""A job from its settings to its output."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from nertune.errors import DataError, DocumentError, NertuneError, OutputError, RecipeError
from nertune.spark.delivery import is_connect
from nertune.spark.faults import FAULTS, reason_of
from nertune.spark.job.journal import Journal, differences, finished, partial_of
from nertune.spark.job.lock import Lock
from nertune.spark.job.planning import Plan, plan
from nertune.spark.job.progress import watching
from nertune.spark.job.reading import files_of
from nertune.spark.job.settings import Job, JobResult, JobWatch, Tally, Unwatched
from nertune.spark.job.storage import Storage
from nertune.spark.session import start


def run_job(spark: SparkSession, job: Job, watch: JobWatch | None = None) -> JobResult:
    """Tag the rows of `job.source` and write them to the folder `job.out`, which appears whole.

    Rows keep their columns, not their order, and get the entities (annotations of a NerConverter)
    and an error (a string, null where all went well). Parquet gives parquet, json and text give
    JSON lines. What an earlier run of the same origin left is gone on with. Raises DataError for an
    input that cannot be read, DocumentError for columns, or for a row that fails (on_error `stop`),
    BundleError for the model, OutputError for an output that stands in the way, is made from
    something else, or is being written by another job, and for what Spark itself fails of,
    RecipeError for a session that was stopped.
    """
    _check_session(spark)
    if not isinstance(job, Job):
        raise RecipeError("job", [f"is {job!r}; expected a nertune.spark.Job"])
    watch = watch or Unwatched()
    storage = Storage(spark, job.out)
    folder = partial_of(storage.path)
    try:
        with Lock(storage, folder, watch) as lock:
            planned = plan(spark, job, storage.path)
            journal = Journal(storage, lock)
            return _Run(planned, storage, journal, watch).result()
    except FAULTS as error:
        raise _taught(job, error) from error
    finally:
        storage.remove_empty(folder)


@contextmanager
def job_session(
    master: str | None, app: str, settings: Mapping[str, str]
) -> Iterator[SparkSession]:
    """A session that ends with the block, or the one there is, which stays.

    Raises JavaError and SessionError as `start` does.
    """
    ours = SparkSession.getActiveSession() is None
    spark = start(master, app=app, settings=settings)
    try:
        yield spark
    finally:
        if ours:
            spark.stop()


def _check_session(spark: SparkSession) -> None:
    if is_connect(spark):
        raise OutputError(
            "the job renames files on the cluster's file system, which Spark Connect gives no way "
            "to; run it with --master or spark-submit, or take "
            "nertune.spark.entity_pipeline(...).transform(frame) and write that"
        )
    if not isinstance(spark, SparkSession):
        raise RecipeError("spark", [f"is {spark!r}; expected a session: nertune.spark.start()"])
    if spark.sparkContext._jsc is None:
        raise RecipeError(
            "spark", ["is a session that was stopped; start another: nertune.spark.start()"]
        )


class _Run:
    """One run of a job, under its lock."""

    def __init__(self, planned: Plan, storage: Storage, journal: Journal, watch: JobWatch) -> None:
        self._plan, self._job = planned, planned.job
        self._storage, self._journal, self._watch = storage, journal, watch

    @property
    def _runtime(self) -> str:
        return self._plan.origin["runtime"]

    def result(self) -> JobResult:
        """Do what is missing."""
        before = self._finished_before()
        if before is not None:
            return before
        missing = self._missing()
        n_slices, kept = self._journal.n_slices, self._journal.n_slices - len(missing)
        if kept:
            self._watch.say(f"going on after {kept} of {n_slices} slices that were done before")
        run, start = Tally(), time.monotonic()
        if missing:
            run = self._tag(missing)
        seconds = time.monotonic() - start
        self._check_input()
        self._journal.finish(self._job.overwrite)
        return JobResult(
            self._job.out, self._runtime, self._journal.tally, run, seconds, n_slices, kept
        )

    def _finished_before(self) -> JobResult | None:
        """The output that is there already, if it is the very same."""
        record = finished(self._storage)
        if record is None:
            return None
        if self._journal.is_left_over(record):  # killed after it had given the output its name
            self._journal.clear()
        if self._job.overwrite:
            return None
        origin = record.get("origin") or {}
        if origin == self._plan.origin:
            n_slices = int(record["slices"])
            tally = Tally(**record["tally"])
            return JobResult(
                self._job.out, self._runtime, tally, Tally(), 0.0, n_slices, n_slices, True
            )
        other = f" and is made from something else ({differences(origin, self._plan.origin)})"
        raise OutputError(
            f"{self._job.out}: exists{other if origin else ''}; choose another OUT, or replace it "
            "with --overwrite"
        )

    def _missing(self) -> Sequence[int]:
        """The slices to do: all, or those that an earlier run left."""
        journal, origin = self._journal, self._plan.origin
        missing = journal.go_on() if journal.is_begun else ()
        if journal.n_whole:
            changed = differences(journal.origin, origin)
            if self._job.slices not in (None, journal.n_slices):
                changed = f"--slices: was {journal.n_slices}, is {self._job.slices}"
            if not changed:
                self._check_kept()
                return missing
            if not self._job.overwrite:
                raise OutputError(
                    f"{journal.folder}: an unfinished output stands there that was made from "
                    f"something else ({changed}); finish it with its own settings, choose another "
                    "OUT, or throw it away with --overwrite"
                )
            self._watch.say(f"begun anew: {changed}")
        journal.begin(origin, self._plan.n_slices)
        return range(journal.n_slices)

    def _check_kept(self) -> None:
        n_failed = self._journal.tally.failed
        if n_failed and self._job.finding.on_error == "stop":
            raise DocumentError(
                f"{self._journal.folder}: {n_failed:,} rows failed in the slices that were done "
                "before, with --on-error skip; say so again, or begin anew in another OUT"
            )

    def _tag(self, missing: Sequence[int]) -> Tally:
        """Write the slices one after another; what was counted."""
        journal, run = self._journal, Tally()
        tagged = self._plan.tagged(journal.n_slices)
        self._watch.begins(journal.n_slices, journal.n_slices - len(missing))
        for number in missing:
            group = f"nertune: slice {number + 1} of {journal.n_slices} of {self._job.out}"
            with watching(self._plan.spark, group, self._watch):
                tally = self._write(tagged.where(F.col("slice") == number), number)
            journal.is_whole(number, tally)
            run += tally
            self._watch.slice_done(run)
        return run

    def _write(self, rows: DataFrame, number: int) -> Tally:
        """One slice, counted while it is written: to count it again would be to tag it again."""
        seen, job = Observation(), self._job
        counted = rows.observe(
            seen,
            F.count(F.lit(1)).alias("rows"),
            F.coalesce(F.sum("words"), F.lit(0)).alias("words"),
            F.coalesce(F.sum(F.size("entities")), F.lit(0)).alias("entities"),
            F.count("error").alias("failed"),
        )
        out = counted.select(
            "row.*",
            F.col("entities").alias(job.entities_column),
            F.col("error").alias(job.error_column),
        )
        options = {} if self._plan.output_format == "parquet" else {"ignoreNullFields": "false"}
        writer = out.write.format(self._plan.output_format).options(**options)
        writer.save(self._journal.folder_of(number))
        return Tally(**seen.get)

    def _check_input(self) -> None:
        """Slices of an input that changed in between would lose rows, or double them."""
        now = files_of(self._plan.spark, self._job.source).told()
        before = self._plan.files.told()
        if now != before:
            raise DataError(
                f"changed while it was read (was {before}, is {now}); run again with --overwrite, "
                "on files that nobody writes to",
                self._job.source,
            )


def _taught(job: Job, error: Exception) -> NertuneError:
    """What ended the job, without Spark's many lines about it."""
    found = re.search(r"nertune\.errors\.DocumentError: (.*)", str(error))
    if found is not None:
        reason = found[1].replace("DocumentAssembler(idCol=...)", "--id-column")
        return DocumentError(f"{job.source}: {reason}; mend it, or say --on-error skip")
    return OutputError(
        f"{job.out}: the job failed ({reason_of(error)}); mend that, and run the same command "
        "again: it goes on after the slices that are whole"
    )
