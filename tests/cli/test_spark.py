"""nertune spark tag as a program: killed and run again, under spark-submit, with faults."""

from __future__ import annotations

import logging
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest


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


def instead_of_spark(monkeypatch: pytest.MonkeyPatch, run_job: Any) -> None:
    """No session, and a job that only tells."""
    from nertune import spark as package

    monkeypatch.setattr(package, "job_session", lambda *_: nullcontext(), raising=False)
    monkeypatch.setattr(package, "run_job", run_job, raising=False)


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


def test_ctrl_c_says_what_the_same_command_does_next(
    cli: Any, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyspark")

    def stops(_: object, __: object, shown: Any) -> None:
        logging.getLogger("py4j.clientserver").error("a traceback")
        shown.begins(2, 1)
        raise KeyboardInterrupt

    heard: list[logging.LogRecord] = []
    monkeypatch.setattr(logging.lastResort, "handle", heard.append)
    instead_of_spark(monkeypatch, stops)
    said = cli("spark", "tag", str(model), "in", "out")
    assert said.status == 130
    assert said.err == "stopped; the same command goes on after the slices that are whole\n"
    assert not heard
