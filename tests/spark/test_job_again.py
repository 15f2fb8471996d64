"""The job: what it goes on with, begins anew or leaves alone, and that it is alone."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nertune.errors import DataError, OutputError

pytest.importorskip("pyspark")
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from spark_jobs import ROWS, Hears, grow, read, stopped

from nertune.spark import Finding, Job, JobResult, Tally, run_job
from nertune.spark.job import lock as locking
from nertune.spark.job import running
from nertune.spark.job.lock import Lock
from nertune.spark.job.settings import Unwatched
from nertune.spark.job.storage import Storage

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def test_the_same_command_does_only_what_is_missing(
    spark: Any, halves: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locking, "BEAT_SECONDS", 0.001)  # no beat brings OUT.partial back
    stopped(spark, halves)
    hears = Hears()
    result = run_job(spark, halves, hears)
    assert hears.lines == ["going on after 1 of 2 slices that were done before"]
    assert result.kept == 1
    assert not Path(halves.out + ".partial").exists()
    assert 0 < result.run.rows < len(ROWS)
    again = replace(halves, out=halves.out + "-2")
    assert run_job(spark, again).tally == result.tally
    assert sorted(map(json.dumps, read(again))) == sorted(map(json.dumps, read(halves)))


def test_a_journal_that_cannot_be_read_costs_no_slice(spark: Any, halves: Job) -> None:
    stopped(spark, halves)
    partial = Path(halves.out + ".partial")
    (partial / "journal.json").rename(partial / "kept")
    (partial / "journal.json").mkdir()  # it is there, and to read it fails
    before = sorted(partial.glob("slice-*/part-*"))
    with pytest.raises(OutputError, match=r"journal.json: cannot be read or written"):
        run_job(spark, halves)
    assert sorted(partial.glob("slice-*/part-*")) == before != []
    (partial / "journal.json").rmdir()
    (partial / "kept").rename(partial / "journal.json")
    assert run_job(spark, halves).kept == 1


def test_a_slice_that_was_not_whole_is_made_anew(spark: Any, halves: Job) -> None:
    stopped(spark, halves)
    partial = Path(halves.out + ".partial")
    [tally] = (partial / "tallies").glob("*.json")
    tally.unlink()  # killed after the slice was written, before that was noted
    tally.with_name(f".{tally.name}.crc").unlink()
    result = run_job(spark, halves)
    assert (result.kept, result.tally.rows) == (0, len(ROWS))
    assert len(read(halves)) == len(ROWS)


def test_killed_while_the_output_gets_its_name(
    spark: Any, halves: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Again and again: after one more of two files, the record, the output itself."""
    rename, remove, left = Storage.rename, Storage.remove, [0]

    def until(self: Storage, path: str, target: str) -> None:
        if "/whole" in path + target:
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
        rename(self, path, target)

    def never(self: Storage, path: str) -> None:
        if path.endswith(".partial"):
            raise KeyboardInterrupt
        remove(self, path)

    monkeypatch.setattr(Storage, "rename", until)
    monkeypatch.setattr(Storage, "remove", never)
    for allowed in (0, 1, 1, 1, 2):
        assert not Path(halves.out).exists()
        left[0] = allowed
        with pytest.raises(KeyboardInterrupt):
            run_job(spark, halves)
    monkeypatch.undo()
    assert Path(halves.out).exists()
    assert Path(halves.out + ".partial").exists()
    result = run_job(spark, halves)
    assert (result.run, result.was_there) == (Tally(), True)
    assert (result.tally.rows, len(read(halves))) == (len(ROWS), len(ROWS))
    assert not Path(halves.out + ".partial").exists()


def test_an_unfinished_output_of_another_origin_is_refused(
    spark: Any, halves: Job, graphs: Callable[[str], Path]
) -> None:
    stopped(spark, halves)

    def refused(**change: Any) -> str:
        with pytest.raises(OutputError, match="throw it away with --overwrite") as caught:
            run_job(spark, replace(halves, **change))
        return str(caught.value)

    assert "--threshold: was 0.0, is 0.5)" in refused(finding=Finding(0.5))
    assert "--slices: was 2, is 4)" in refused(slices=4)
    assert "model: was " in refused(model=str(graphs("electra")))
    grow(halves)
    assert "input: was 1 file, " in refused()
    hears = Hears()
    result = run_job(spark, replace(halves, overwrite=True), hears)
    assert hears.lines[0].startswith("begun anew: input: was 1 file, ")
    assert result.kept == 0
    assert len(read(halves)) == result.tally.rows == len(ROWS) + 1


def test_a_finished_output_stays_unless_it_is_to_be_overwritten(spark: Any, job: Job) -> None:
    first = run_job(spark, job)
    before = {path.name: path.stat().st_mtime_ns for path in Path(job.out).iterdir()}
    again = run_job(spark, job)
    assert again == JobResult(job.out, "onnx", first.tally, Tally(), 0.0, 1, 1, was_there=True)
    other = replace(job, finding=Finding(0.5))
    with pytest.raises(OutputError, match=r"threshold: was 0.0, is 0.5\); choose another OUT, or"):
        run_job(spark, other)
    assert {path.name: path.stat().st_mtime_ns for path in Path(job.out).iterdir()} == before
    assert run_job(spark, replace(other, overwrite=True)).tally.entities < first.tally.entities
    assert len(read(job)) == len(ROWS)
    assert not Path(job.out + ".partial").exists()


def test_a_folder_of_others_is_not_touched(spark: Any, job: Job) -> None:
    Path(job.out).mkdir()
    (Path(job.out) / "letters").write_text("dear")
    with pytest.raises(OutputError, match="out: exists; choose another OUT, or replace it"):
        run_job(spark, job)
    assert [path.name for path in Path(job.out).iterdir()] == ["letters"]
    assert not Path(job.out + ".partial").exists()


class Intrudes(Unwatched):
    """Somebody else makes the output meanwhile."""

    def __init__(self, out: str) -> None:
        self.out = Path(out)

    def slice_done(self, tally: Tally) -> None:
        self.out.mkdir()
        (self.out / "letters").write_text("dear")


def test_an_output_that_others_made_meanwhile_is_not_touched(spark: Any, job: Job) -> None:
    with pytest.raises(OutputError, match="made by somebody else while the job ran"):
        run_job(spark, job, Intrudes(job.out))
    assert [path.name for path in Path(job.out).iterdir()] == ["letters"]
    result = run_job(spark, replace(job, overwrite=True))
    assert (result.kept, len(read(job))) == (1, len(ROWS))


def test_an_unfinished_output_without_a_whole_slice_does_not_stand_in_the_way(
    spark: Any, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    jvm = spark._jvm
    cause = jvm.java.io.IOException("No space left on device")
    fault = jvm.java.lang.RuntimeException("[TASK_WRITE_FAILED] failed", cause)

    def full(*_: Any) -> None:
        raise Py4JJavaError("failed", fault)

    with monkeypatch.context() as patched:
        patched.setattr(running._Run, "_write", full)
        with pytest.raises(OutputError) as caught:
            run_job(spark, job)
    assert str(caught.value) == (
        f"{job.out}: the job failed ([TASK_WRITE_FAILED] failed; the cause: No space left on "
        "device); mend that, and run the same command again: it goes on after the slices that are "
        "whole"
    )
    grow(job)
    hears = Hears()
    assert run_job(spark, job, hears).tally.rows == len(ROWS) + 1
    assert not hears.lines


def test_a_fault_after_a_whole_slice_says_that_it_is_kept(spark: Any, halves: Job) -> None:
    class Faulty(Unwatched):
        def slice_done(self, tally: Tally) -> None:
            raise PySparkException("gone")

    with pytest.raises(OutputError, match=r"\(gone\); .* it goes on after the slices that"):
        run_job(spark, halves, Faulty())


def test_an_input_that_changes_meanwhile_is_told(spark: Any, job: Job) -> None:
    class Writes(Unwatched):
        def slice_done(self, tally: Tally) -> None:
            grow(job)

    with pytest.raises(DataError, match="changed while it was read"):
        run_job(spark, job, Writes())
    assert not Path(job.out).exists()


def test_a_second_job_on_the_same_output_is_refused(
    spark: Any, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locking, "BEAT_SECONDS", 0.2)
    storage = Storage(spark, job.out)
    hears = Hears()
    with Lock(storage, job.out + ".partial", Unwatched()):
        with pytest.raises(OutputError, match=rf"another nertune .*process {os.getpid()}"):
            run_job(spark, job, hears)
        assert "locked by" in hears.lines[0]
        assert Path(job.out + ".partial").exists()
    assert run_job(spark, job).tally.rows == len(ROWS)


@pytest.mark.parametrize("dead", ["gone", "defunct", "elsewhere"])
def test_the_lock_of_a_job_that_was_killed_is_taken_over(
    spark: Any, job: Job, dead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if dead == "elsewhere":
        monkeypatch.setattr(locking, "PATIENCE_SECONDS", 1.0)
    else:
        clock = SimpleNamespace(  # of the lock alone: py4j's threads sleep too
            monotonic=time.monotonic, sleep=lambda _: pytest.fail("it waits for the dead")
        )
        monkeypatch.setattr(locking, "time", clock)
    host = "elsewhere" if dead == "elsewhere" else socket.gethostname()
    storage = Storage(spark, job.out)
    folder = job.out + ".partial"
    storage.make_folder(folder)
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it stays in the table
        if dead != "defunct":
            process.wait()
        storage.create(f"{folder}/lock", {"token": "x", "host": host, "pid": process.pid})
        with Lock(storage, folder, Unwatched()) as lock:
            lock.check()


def test_who_lost_the_lock_commits_nothing(spark: Any, job: Job) -> None:
    class Robbed(Unwatched):
        def begins(self, n_slices: int, kept: int) -> None:
            Storage(spark, job.out).touch(f"{job.out}.partial/lock", {"token": "another"})

    with pytest.raises(OutputError, match="another nertune has taken this output over"):
        run_job(spark, job, Robbed())
    assert not list(Path(job.out + ".partial").glob("tallies/*"))
    assert (Path(job.out + ".partial") / "lock").exists()
