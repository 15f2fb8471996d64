"""nertune spark tag as a program: under spark-submit, killed, and run again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from program import cli

pytest.importorskip("pyspark")
import pyspark

__all__ = ["cli"]

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

N_ROWS = 900


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    lines = (
        {"n": n, "text": f"Ada met Charles {n % 300} times in Lisbon ."} for n in range(N_ROWS)
    )
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def submitted(settings: dict[str, str], *arguments: object) -> subprocess.Popen[str]:
    """The command under spark-submit, with what it starts in a group of its own."""
    script = subprocess.run(
        [sys.executable, "-m", "nertune.cli.spark"], capture_output=True, text=True, check=True
    ).stdout.strip()
    submit = Path(pyspark.__file__).parent / "bin" / "spark-submit"
    given = [one for name, value in settings.items() for one in ("--conf", f"{name}={value}")]
    return subprocess.Popen(
        [str(submit), "--master", "local[1]", *given, script, *map(str, arguments)],
        env={**os.environ, "PYSPARK_PYTHON": sys.executable}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


def test_killed_under_spark_submit_and_run_again_it_writes_every_row_once(
    spark: Any, settings: dict[str, str], cli: Any, graph: Path, source: Path
) -> None:
    out, logs = source.parent / "out", source.parent / "logs"
    logs.mkdir()
    job = (graph, source, out, "--slices", 2, "--partitions", 1)
    tallies = Path(f"{out}.partial") / "tallies"
    events = {
        "spark.eventLog.enabled": "true", "spark.eventLog.compress": "false",
        "spark.eventLog.dir": logs.as_uri(),
    }  # fmt: skip
    with submitted(settings | events, *job) as process:
        end = time.monotonic() + 120
        while not list(tallies.glob("*.json")):
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < end
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)  # the JVM and the workers too
        process.communicate()
    told = "".join(path.read_text() for path in logs.rglob("*events_1*"))
    assert '"spark.master":"local[1]"' in told
    assert len(list(tallies.glob("*.json"))) == 1
    assert not out.exists()

    said = cli("spark", "tag", *job, "--json")
    assert said.err.splitlines() == ["going on after 1 of 2 slices that were done before"]
    facts = json.loads(said.worked())
    assert (facts["kept"], facts["slices"], facts["tally"]["rows"]) == (1, 2, N_ROWS)
    assert 0 < facts["run"]["rows"] < N_ROWS
    assert facts["words_per_second"] > 0
    parts = "".join(part.read_text(encoding="utf-8") for part in out.glob("part-*"))
    assert sorted(json.loads(line)["n"] for line in parts.splitlines()) == list(range(N_ROWS))
    assert sorted(path.name for path in source.parent.iterdir()) == ["logs", "out", "rows.jsonl"]
    assert not spark.sparkContext._jsc.sc().isStopped()  # a session of others stays


def test_a_master_that_there_is_not_is_named_without_logs_of_java(
    graph: Path, source: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nertune", "spark", "tag", graph, source, source.parent / "out",
         "--master", "local[x]"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    *others, told = done.stderr.splitlines()
    assert told.startswith("error: master local[x]: Spark cannot start (Could not parse Master URL")
    assert all("incubator modules" in line for line in others)
