"""The job: what it reads, writes, counts and refuses."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nertune import Tagger
from nertune.errors import DataError, DocumentError, NertuneError, OutputError, RecipeError

pytest.importorskip("pyspark")
from spark_jobs import ROWS, Hears, by_tagger, found_in, read, same, stopped

from nertune.spark import Finding, Job, Tally, run_job
from nertune.spark.job import progress
from nertune.spark.job.planning import plan
from nertune.spark.job.storage import Storage

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


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


def test_labels_and_threshold_are_those_of_the_stages_and_the_watch_hears_of_tasks(
    spark: Any, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_SECONDS", 0.01)
    hears = Hears()
    run_job(spark, replace(job, finding=Finding(0.3, ("PER",))), hears)
    assert hears.seen
    assert all(0 <= done <= n_tasks for done, n_tasks in hears.seen)
    assert any(n_tasks == 1 for _, n_tasks in hears.seen)
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


def test_a_column_of_the_name_that_spark_gives_its_own_stays_as_it_is(spark: Any, job: Job) -> None:
    lines = ['{"text": "Ada met Bo", "_corrupt_record": "old", "a.b": 1}', '{"text": "Bo"']
    Path(job.source).write_text("\n".join(lines))
    run_job(spark, job)
    good, bad = sorted(read(job), key=lambda row: row["error"] is not None)
    assert (good["_corrupt_record"], good["_corrupt_record_2"], good["a.b"]) == ("old", None, 1)
    assert (bad["_corrupt_record"], bad["_corrupt_record_2"]) == (None, lines[1])
    assert bad["error"].endswith("it is kept in the column '_corrupt_record_2'")
    stopping = replace(job, finding=Finding(on_error="stop"), overwrite=True)
    with pytest.raises(DataError, match="a line is no JSON object"):
        run_job(spark, stopping)


def test_a_line_null_is_a_row_that_failed(spark: Any, job: Job) -> None:
    Path(job.source).write_text('{"text": "Ada"}\nnull\n')
    assert run_job(spark, job).tally.failed == 1
    good, bad = sorted(read(job), key=lambda row: row["error"] is not None)
    assert set(good) == set(bad) == {"text", "entities", "error"}
    assert (good["error"], bad["error"]) == (None, "the line is no JSON object: null")


def test_folders_that_name_the_column_of_lines(spark: Any, job: Job, tmp_path: Path) -> None:
    folder = tmp_path / "in" / "text=1"
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("Ada met Bo\n")
    given = replace(job, source=str(tmp_path / "in"))
    with pytest.raises(DocumentError, match="with --text-column nertune_text"):
        run_job(spark, given)
    run_job(spark, replace(given, text_column="line"))
    [row] = read(job)
    assert (row["line"], row["text"]) == ("Ada met Bo", 1)


def test_files_that_hold_no_rows_say_why(spark: Any, job: Job) -> None:
    Path(job.source).write_text("")
    with pytest.raises(DataError, match=r"is empty \(0 bytes\)"):
        run_job(spark, job)
    Path(job.source).write_text('{"text": "Ada", "text": "Bo"}\n')
    with pytest.raises(DataError, match="rename one of the keys"):
        run_job(spark, job)


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
    with pytest.raises(RecipeError, match="is inf; expected a whole number"):
        Job("m", "in", "out", partitions=float("inf"))  # type: ignore[arg-type]
    assert repr(Job("m", "in", "out", slices=np.int64(2), partitions=3.0).partitions) == "3"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("entities_column", None), ("entities_column", ""), ("text_column", None), ("out", 5),
        ("id_column", ""), ("finding", None), ("format", "csv"), ("overwrite", "x"),
    ],
)  # fmt: skip
def test_a_value_of_another_kind_is_named(name: str, value: Any) -> None:
    given: dict[str, Any] = {"model": "m", "source": "in", "out": "out", name: value}
    with pytest.raises(RecipeError, match=rf"^{name}: 1 fault\n  - is {value!r}; expected"):
        Job(**given)


def test_what_is_no_session_that_runs_is_refused(
    spark: Any, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing: Any = None
    with pytest.raises(RecipeError, match="spark: 1 fault\n  - is None; expected a session"):
        run_job(nothing, job)
    with pytest.raises(RecipeError, match="job: 1 fault\n  - is None"):
        run_job(spark, nothing)
    monkeypatch.setattr(spark.sparkContext, "_jsc", None)
    with pytest.raises(RecipeError, match="is a session that was stopped"):
        run_job(spark, job)


def test_spark_connect_is_refused_with_the_cure(job: Job) -> None:
    connect = type("SparkSession", (), {"__module__": "pyspark.sql.connect.session"})
    with pytest.raises(OutputError, match=r"entity_pipeline\(\.\.\.\)\.transform\(frame\)"):
        run_job(connect(), job)
