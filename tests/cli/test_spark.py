"""nertune spark tag as a program: killed and run again, under spark-submit, with faults."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from nertune.errors import NertuneError

TAG = (sys.executable, "-m", "nertune", "spark", "tag")
QUICK = ("--conf", "spark.ui.enabled=false",
         "--conf", "spark.driver.extraJavaOptions=-XX:TieredStopAtLevel=1")  # fmt: skip


@pytest.fixture(scope="module")
def java() -> None:
    pytest.importorskip("pyspark")
    from nertune.spark.session import check_java

    try:
        check_java()
    except NertuneError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from nertune.bundle import load_bundle
    from nertune.documents import Document
    from nertune.export import export
    from nertune.testing import TEXT, tiny_bundle

    folder = tmp_path_factory.mktemp("model")
    bundle = load_bundle(tiny_bundle(folder / "torch", "bert-cased"))
    export(bundle, [Document.from_words(text.split()) for text in TEXT], out=folder / "graph")
    return folder / "graph"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    lines = ({"n": n, "text": f"Ada met Charles {n % 300} times in Lisbon ."} for n in range(900))
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def started(*command: object) -> subprocess.Popen[str]:
    """A process, with what it starts in a group of its own. spark-submit has but one output."""
    return subprocess.Popen(
        [*map(str, command)], env={**os.environ, "PYSPARK_PYTHON": sys.executable}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


def instead_of_spark(monkeypatch: pytest.MonkeyPatch, run_job: Any) -> None:
    """No session, and a job that only tells."""
    from nertune import spark as package

    monkeypatch.setattr(package, "job_session", lambda *_: nullcontext(), raising=False)
    monkeypatch.setattr(package, "run_job", run_job, raising=False)


def numbers(out: Path) -> list[int]:
    """The keys of the rows written."""
    lines = "".join(part.read_text(encoding="utf-8") for part in out.glob("part-*")).splitlines()
    return sorted(json.loads(line)["n"] for line in lines)


@pytest.mark.spark
@pytest.mark.usefixtures("java")
def test_killed_and_gone_on_with_by_spark_submit_it_writes_every_row_once(
    model: Path, rows: Path
) -> None:
    import pyspark

    out, logs = rows.parent / "out", rows.parent / "logs"
    job = (model, rows, out, "--slices", 2, "--partitions", 1)
    tallies = Path(f"{out}.partial") / "tallies"
    with started(*TAG, *job, "--master", "local[2]", *QUICK) as process:
        end = time.monotonic() + 120
        while not list(tallies.glob("*.json")):
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < end
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)  # the JVM and the workers too
        said, _ = process.communicate()
    n_kept = len(list(tallies.glob("*.json")))
    assert n_kept == 1
    assert not out.exists()
    others = [line for line in said.splitlines() if "slice" not in line]
    assert all("incubator modules" in line for line in others), "Java logs beside what we say"

    logs.mkdir()
    script = subprocess.run(
        [sys.executable, "-m", "nertune.cli.spark"], capture_output=True, text=True, check=True
    ).stdout.strip()
    submit = Path(pyspark.__file__).parent / "bin" / "spark-submit"
    events = ("--conf", "spark.eventLog.enabled=true", "--conf", "spark.eventLog.compress=false",
              "--conf", f"spark.eventLog.dir={logs.as_uri()}")  # fmt: skip
    with started(
        submit, "--master", "local[1]", *QUICK, *events, script, *job, "--json"
    ) as process:
        said, _ = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert "going on after 1 of 2 slices that were done before" in said
    assert '"spark.master":"local[1]"' in "".join(
        path.read_text() for path in logs.rglob("*events_1*")
    )
    facts = json.loads(said[said.index("\n{\n") : said.index("\n}\n") + 3])
    assert (facts["kept"], facts["slices"], facts["tally"]["rows"]) == (1, 2, 900)
    assert 0 < facts["run"]["rows"] < 900
    assert facts["words_per_second"] > 0
    assert numbers(out) == list(range(900))
    assert sorted(path.name for path in rows.parent.iterdir()) == ["logs", "out", "rows.jsonl"]


def test_a_setting_of_spark_is_a_key_and_a_value(cli: Any) -> None:
    pytest.importorskip("pyspark")
    told = cli("spark", "tag", "m", "in", "out", "--conf", "spark.x", "--conf", "a=b").failed()
    assert (
        told == "--conf: 1 fault\n  - is 'spark.x'; expected KEY=VALUE, as spark.executor.memory=4g"
    )


def test_without_java_the_cure_is_named(
    cli: Any, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyspark")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    told = cli("spark", "tag", str(model), "in", "out").failed()
    assert "apt-get install openjdk-17-jre-headless" in told


def test_without_pyspark_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['pyspark'] = None\n"
        "sys.argv = ['nertune', 'spark', 'tag', 'm', 'in', 'out']\n"
        "from nertune.cli.main import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'nertune[spark]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_help_shows_what_to_type(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    shown = cli("spark", "tag", "--help").worked()
    assert all(len(line) <= 100 for line in shown.splitlines())
    for word in ("spark-submit --master yarn", "--delivery ship", "Parquet gives", "OUT.partial"):
        assert word in shown


@pytest.mark.spark
@pytest.mark.usefixtures("java")
def test_a_master_that_there_is_not_is_named(model: Path, rows: Path) -> None:
    done = subprocess.run(
        [*TAG, model, rows, rows.parent / "out", "--master", "local[x]"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "master local[x]: Spark cannot start (Could not parse Master URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_summary_counts_and_says_what_ran_how_fast(
    cli: Any, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyspark")
    from nertune.spark import JobResult, Tally

    whole, run = Tally(900, 7200, 1257, 1), Tally(300, 2400, 400, 0)
    result = JobResult("there/out", "onnx", whole, run, 2.0, 3, 2)
    instead_of_spark(monkeypatch, lambda *_: result)
    said = cli("spark", "tag", str(model), "in", "out").err.splitlines()
    assert said == [
        "warning: 1 row failed; the column of errors says why",
        "900 rows, 7,200 words, 1,257 entities; with onnx, 1,200 words/s; written to there/out",
    ]


@pytest.mark.parametrize(("kept", "told"), [(0, "begins anew"), (1, "goes on after the last")])
def test_ctrl_c_says_what_the_same_command_does_next(
    cli: Any, model: Path, monkeypatch: pytest.MonkeyPatch, kept: int, told: str
) -> None:
    pytest.importorskip("pyspark")

    def stops(_: object, __: object, shown: Any) -> None:
        logging.getLogger("py4j.clientserver").error("a traceback")
        shown.begins(2, kept)
        raise KeyboardInterrupt

    heard: list[logging.LogRecord] = []
    monkeypatch.setattr(logging.lastResort, "handle", heard.append)
    instead_of_spark(monkeypatch, stops)
    said = cli("spark", "tag", str(model), "in", "out")
    assert said.status == 130
    assert f"stopped; the same command {told}" in said.err
    assert not heard
