"""The job: what it reads, writes, counts, refuses, and goes on with."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from spark_texts import TEXTS

from nertune import Tagger
from nertune.errors import DataError, DocumentError, NertuneError, OutputError, RecipeError

pytest.importorskip("pyspark")

from nertune.spark import Finding, Job, JobResult, Tally, run_job
from nertune.spark.job import lock as locking
from nertune.spark.job.lock import Lock
from nertune.spark.job.planning import plan
from nertune.spark.job.settings import Unwatched
from nertune.spark.job.storage import Storage

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

ROWS = [*TEXTS, "", None, *[f"Ada met Charles {n} times in Lisbon ." for n in range(30)]]
ROWS += [TEXTS[0], TEXTS[0], "", None]  # doubles


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """JSON lines with names that the stages use too."""
    path = tmp_path / "rows.jsonl"
    lines = ({"document": n, "token": {"a": [n]}, "text": text} for n, text in enumerate(ROWS))
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def job(rows: Path, graph: Path, tmp_path: Path) -> Job:
    return Job(str(graph), str(rows), str(tmp_path / "out"), slices=1, partitions=1)


@pytest.fixture
def halves(job: Job) -> Job:
    """The same in two slices, between which it may be stopped."""
    return replace(job, slices=2)


def read(job: Job) -> list[dict[str, Any]]:
    """What a job of JSON lines wrote."""
    parts = sorted(Path(job.out).glob("part-*"))
    lines = [line for part in parts for line in part.read_text(encoding="utf-8").splitlines()]
    return [json.loads(line) for line in lines]


def found_in(row: Any) -> list[tuple[int, int, str, float]]:
    return [
        (e["begin"], e["end"] + 1, e["metadata"]["entity"], float(e["metadata"]["confidence"]))
        for e in row["entities"]
    ]


def by_tagger(model: Path, texts: list[str]) -> list[list[tuple[int, int, str, float]]]:
    documents = Tagger.load(model).tag_texts(texts)
    return [
        [(e.start, e.end, e.label, e.score or 0.0) for e in each.entities] for each in documents
    ]


def same(found: list[Any], expected: list[Any]) -> bool:
    """Scores depend on what else is in a batch, in their last digits."""
    return len(found) == len(expected) and all(
        one[:3] == other[:3] and one[3] == pytest.approx(other[3], abs=1e-5)
        for one, other in zip(found, expected, strict=True)
    )


def grow(job: Job) -> None:
    """One more line in the input."""
    with Path(job.source).open("a", encoding="utf-8") as handle:
        handle.write('{"text": "more"}\n')


class Stops(Unwatched):
    """A watch that ends the job after so many slices."""

    def __init__(self, after: int) -> None:
        self.left = after

    def slice_done(self, tally: Tally) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


class Hears(Unwatched):
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.seen: list[tuple[int, int]] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    def tasks(self, n_done: int, n_tasks: int) -> None:
        self.seen.append((n_done, n_tasks))


def stopped(spark: Any, job: Job, after: int = 1) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_job(spark, job, Stops(after))
    assert not Path(job.out).exists()


# --- what it writes ---


def test_each_row_keeps_its_columns_and_gets_the_entities_of_the_tagger(
    spark: Any, halves: Job, graph: Path
) -> None:
    result = run_job(spark, halves)
    written = sorted(read(halves), key=lambda row: int(row["document"]))
    assert [(row["document"], row["token"], row["text"]) for row in written] == [
        (n, {"a": [n]}, text) for n, text in enumerate(ROWS)
    ]
    assert set(written[0]) == {"document", "token", "text", "entities", "error"}
    assert all(row["error"] is None for row in written)
    expected = by_tagger(graph, [text or "" for text in ROWS])
    for row, entities in zip(written, expected, strict=True):
        assert same(found_in(row), entities)
        assert all(e["result"] == row["text"][e["begin"] : e["end"] + 1] for e in row["entities"])
    words = sum(d.n_words for d in Tagger.load(graph).tag_texts([text or "" for text in ROWS]))
    assert result.tally == Tally(len(ROWS), words, sum(map(len, expected)), 0)
    assert (result.run, result.slices, result.kept) == (result.tally, 2, 0)
    assert sorted(path.name for path in Path(halves.out).parent.iterdir()) == ["out", "rows.jsonl"]
    names = {path.name for path in Path(halves.out).iterdir() if path.name[0] != "."}
    assert {"_SUCCESS", "_nertune.json"} == {name for name in names if name[:5] != "part-"}


def test_parquet_gives_parquet_that_says_what_its_column_carries(
    spark: Any, job: Job, rows: Path, tmp_path: Path
) -> None:
    source = str(tmp_path / "in.parquet")
    spark.read.json(str(rows)).write.parquet(source)
    run_job(spark, replace(job, source=source, entities_column="found", error_column="why"))
    written = spark.read.parquet(job.out)
    assert written.columns == ["document", "text", "token", "found", "why"]
    assert written.schema["found"].metadata == {"annotatorType": "chunk"}
    assert Counter(row.text for row in written.collect()) == Counter(ROWS)


def test_text_is_a_document_a_line(spark: Any, job: Job, tmp_path: Path, graph: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_bytes(b"Ada met Charles\n\nBog\xffta\nLisbon")
    result = run_job(spark, replace(job, source=str(source), text_column="line", slices=3))
    written = {row["line"]: row for row in read(job)}
    assert set(written) == {"Ada met Charles", "", "Bog\ufffdta", "Lisbon"}
    [failed] = [row for row in written.values() if row["error"]]
    assert failed["line"] == "Bog\ufffdta"
    assert "no valid UTF-8" in failed["error"]
    assert failed["entities"] == []
    entities = by_tagger(graph, ["Ada met Charles", "Lisbon"])
    assert same(found_in(written["Lisbon"]), entities[1])
    assert result.tally == Tally(4, 4, sum(map(len, entities)), 1)


def test_lines_that_are_no_json_are_rows_that_failed(spark: Any, job: Job) -> None:
    bad = ['{"text": "Bo"', "42", "null", "[1]"]
    with Path(job.source).open("a", encoding="utf-8") as handle:
        handle.write("\n".join(["", *bad, ""]))
    result = run_job(spark, job)
    assert (result.tally.rows, result.tally.failed) == (len(ROWS) + 4, 4)
    failed = [row for row in read(job) if row["error"]]
    assert sorted(row["_corrupt_record"] for row in failed) == sorted(bad)
    assert all("no JSON object" in row["error"] for row in failed)

    stopping = replace(job, finding=Finding(on_error="stop"), overwrite=True)
    with pytest.raises(DataError, match=r"rows.jsonl: a line is no JSON object: .*on-error skip"):
        run_job(spark, stopping)


def test_a_failing_row_stops_the_job_if_asked_to(spark: Any, job: Job, tmp_path: Path) -> None:
    source = str(tmp_path / "bad.parquet")
    spark.sql("SELECT 7 AS n, CAST(X'ff41' AS STRING) AS text").write.parquet(source)
    stopping = replace(
        job, source=source, id_column="n", finding=Finding(on_error="stop"), slices=1
    )
    with pytest.raises(DocumentError) as caught:
        run_job(spark, stopping)
    told = str(caught.value)
    assert told.startswith(f"{source}: the row with the id '7': a text is no valid UTF-8")
    assert "\n" not in told
    assert told.endswith("mend it, or say --on-error skip")
    # What was not done under `stop` may be done under `skip`.
    assert run_job(spark, replace(stopping, finding=Finding())).tally == Tally(1, 0, 0, 1)


def test_labels_and_threshold_are_those_of_the_stages(spark: Any, job: Job) -> None:
    run_job(spark, replace(job, finding=Finding(0.3, ("PER",))))
    entities = [one for row in read(job) for one in found_in(row)]
    assert entities
    assert all(label == "PER" and score >= 0.3 for _, _, label, score in entities)


def test_another_file_system(spark: Any, halves: Job, rows: Path) -> None:
    folder = "viewfs://disk/data"
    spark.read.text(str(rows)).coalesce(1).write.text(f"{folder}/job-in")
    there = replace(halves, source=f"{folder}/job-in", out=f"{folder}/job-out/", format="json")
    stopped(spark, there)
    result = run_job(spark, there)
    assert (result.tally.rows, result.kept) == (len(ROWS), 1)
    assert spark.read.json(f"{folder}/job-out").count() == len(ROWS)
    assert not Storage(spark, folder).exists(f"{folder}/job-out.partial")


# --- slices ---


def test_slices_divide_the_rows_whatever_the_partitions(spark: Any, job: Job) -> None:
    for n_slices, partitions in ((3, 2), (3, 1)):
        planned = plan(spark, replace(job, partitions=partitions), job.out)
        tagged = planned.tagged(n_slices).select("row.document", "slice")
        parts = [
            sorted(row[0] for row in tagged.where(f"slice = {k}").collect())
            for k in range(n_slices)
        ]
        assert sorted(n for part in parts for n in part) == list(range(len(ROWS)))
        if partitions == 2:
            first = parts
    assert parts == first


def test_a_slice_is_cut_out_before_it_is_tagged(spark: Any, job: Job) -> None:
    tagged = plan(spark, job, job.out).tagged(3).where("slice = 1")
    lines = tagged._jdf.queryExecution().optimizedPlan().toString().splitlines()
    kinds = [line.lstrip(" :+-").split()[0] for line in lines]
    assert kinds.count("ArrowEvalPython") == 3
    assert max(i for i, kind in enumerate(kinds) if kind == "ArrowEvalPython") < kinds.index(
        "Filter"
    )


def test_the_number_of_slices_goes_by_the_size_of_the_input(
    spark: Any, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nertune.spark.job import planning

    planned = plan(spark, replace(job, slices=None), job.out)
    assert planned.n_slices == 1
    monkeypatch.setattr(planning, "_SLICE_BYTES", planned.files.n_bytes // 8)  # two cores
    assert planned.n_slices == 5
    monkeypatch.setattr(planning, "_SLICE_BYTES", 1)
    assert planned.n_slices == 32


# --- going on ---


def test_the_same_command_does_only_what_is_missing(spark: Any, halves: Job) -> None:
    stopped(spark, halves)
    hears = Hears()
    result = run_job(spark, halves, hears)
    assert hears.lines == ["going on after 1 of 2 slices that were done before"]
    assert result.kept == 1
    assert 0 < result.run.rows < len(ROWS)
    again = replace(halves, out=halves.out + "-2")
    assert run_job(spark, again).tally == result.tally
    assert sorted(map(json.dumps, read(again))) == sorted(map(json.dumps, read(halves)))


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


def test_an_input_that_changes_meanwhile_is_told(spark: Any, job: Job) -> None:
    class Writes(Unwatched):
        def slice_done(self, tally: Tally) -> None:
            grow(job)

    with pytest.raises(DataError, match="changed while it was read"):
        run_job(spark, job, Writes())
    assert not Path(job.out).exists()


# --- one at a time ---


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


@pytest.mark.parametrize("host", [socket.gethostname(), "elsewhere"])
def test_the_lock_of_a_job_that_was_killed_is_taken_over(
    spark: Any, job: Job, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if host == "elsewhere":
        monkeypatch.setattr(locking, "PATIENCE_SECONDS", 1.0)
    else:
        monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it waits for the dead"))
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    storage = Storage(spark, job.out)
    folder = job.out + ".partial"
    storage.make_folder(folder)
    storage.create(f"{folder}/lock", {"token": "x", "host": host, "pid": int(dead.stdout)})
    lock = Lock(storage, folder, Unwatched())
    with lock:
        lock.check()


def test_who_lost_the_lock_commits_nothing(spark: Any, job: Job) -> None:
    class Robbed(Unwatched):
        def begins(self, n_slices: int, kept: int) -> None:
            Storage(spark, job.out).touch(f"{job.out}.partial/lock", {"token": "another"})

    with pytest.raises(OutputError, match="another nertune has taken this output over"):
        run_job(spark, job, Robbed())
    assert not list(Path(job.out + ".partial").glob("tallies/*"))
    assert (Path(job.out + ".partial") / "lock").exists()


# --- errors ---


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        ({"source": "nowhere/*"}, DataError, "nothing that Spark can read ([PATH_NOT_FOUND]"),
        ({"source": "{}/empty"}, DataError, "/empty: holds no files"),
        ({"source": "{}/odd.csv"}, DataError, "(found: .csv; known: .parquet, .json"),
        ({"source": "{}/odd.csv", "format": "parquet"}, DataError, "cannot be read as parquet ("),
        ({"source": "{}/odd.csv", "format": "json"}, DataError, "no line is a JSON object"),
        ({"text_column": "body"}, DocumentError, "has no column 'body'; it has: document, text, t"),
        ({"id_column": "id"}, DocumentError, "has no column 'id'"),
        ({"text_column": "document"}, DocumentError, "'document' is of type bigint; expected str"),
        ({"error_column": "Text"}, DocumentError, "has a column 'Text' already; name the new one"),
        ({"finding": Finding(labels=("PRE",))}, DocumentError, "expected some of LOC, PER"),
        ({"model": "/no/such/folder"}, NertuneError, "cannot be loaded on the worker"),
        ({"out": "{}"}, OutputError, "is part of the input"),
        ({"source": "{}/*", "format": "text"}, OutputError, "is part of the input"),
        ({"out": "nofs://x/out"}, OutputError, "nofs://x/out: cannot be read or written (No File"),
        ({"out": "{}/rows.jsonl/out"}, OutputError, "cannot be read or written"),
    ],
)
def test_what_cannot_be_done_is_told_before_anything_is(
    spark: Any, job: Job, tmp_path: Path, change: dict[str, Any], error: Any, told: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "odd.csv").write_text("text\nAda\n")
    given = {k: v.format(tmp_path) if isinstance(v, str) else v for k, v in change.items()}
    if change.get("out") == "{}":
        given |= {"source": f"{tmp_path}/*.jsonl", "out": f"{tmp_path}/rows.jsonl"}
    with pytest.raises(error) as caught:
        run_job(spark, replace(job, **given))
    assert told in str(caught.value)
    assert "JVM" not in str(caught.value)
    assert not list(tmp_path.glob("*.partial"))
    assert {path.name for path in tmp_path.iterdir()} == {"empty", "odd.csv", "rows.jsonl"}


def test_settings_that_contradict_each_other() -> None:
    with pytest.raises(RecipeError, match="as --entities-column is; name two"):
        Job("m", "in", "out", entities_column="a", error_column="A")
    with pytest.raises(RecipeError, match="expected a whole number of at least 1"):
        Job("m", "in", "out", slices=0)


def test_spark_connect_is_refused_with_the_cure(job: Job) -> None:
    connect = type("SparkSession", (), {"__module__": "pyspark.sql.connect.session"})
    with pytest.raises(OutputError, match=r"entity_pipeline\(\.\.\.\)\.transform\(frame\)"):
        run_job(connect(), job)


def test_the_watch_hears_of_tasks(spark: Any, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    from nertune.spark.job import progress

    monkeypatch.setattr(progress, "_SECONDS", 0.01)
    hears = Hears()
    run_job(spark, job, hears)
    assert hears.seen
    assert all(0 <= done <= n_tasks for done, n_tasks in hears.seen)
    assert any(n_tasks == 1 for _, n_tasks in hears.seen)
