"""nertune spark tag as a program: killed and run again, under spark-submit, with faults."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from nertune.errors import NertuneError

TAG = (sys.executable, "-m", "nertune", "spark", "tag")


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


def started(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*TAG, *map(str, arguments), "--master", "local[2]", "--conf", "spark.ui.enabled=false"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def numbers(out: Path) -> list[int]:
    """The keys of the rows written."""
    lines = "".join(part.read_text(encoding="utf-8") for part in out.glob("part-*")).splitlines()
    return sorted(json.loads(line)["n"] for line in lines)


@pytest.mark.spark
@pytest.mark.usefixtures("java")
def test_killed_and_run_again_it_writes_every_row_once(model: Path, rows: Path) -> None:
    out = rows.parent / "out"
    job = (model, rows, out, "--slices", 3, "--partitions", 2)
    tallies = Path(f"{out}.partial") / "tallies"
    with started(*job) as process:
        end = time.monotonic() + 120
        while not list(tallies.glob("*.json")):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < end
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)  # the JVM and the workers too
        process.communicate()
    n_kept = len(list(tallies.glob("*.json")))
    assert 1 <= n_kept < 3
    assert not out.exists()

    with started(*job, "--json") as process:
        told, said = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert f"going on after {n_kept} of 3 slices that were done before" in said
    others = [line for line in said.splitlines() if "slice" not in line]
    assert all("incubator modules" in line for line in others), "Java logs beside what we say"
    facts = json.loads(told)
    assert (facts["kept"], facts["slices"], facts["tally"]["rows"]) == (n_kept, 3, 900)
    assert 0 < facts["run"]["rows"] < 900
    assert facts["words_per_second"] > 0
    assert numbers(out) == list(range(900))
    assert sorted(path.name for path in rows.parent.iterdir()) == ["out", "rows.jsonl"]


@pytest.mark.spark
@pytest.mark.usefixtures("java")
def test_spark_submit_runs_it_where_it_says(model: Path, rows: Path) -> None:
    import pyspark

    out = rows.parent / "out"
    script = subprocess.run(
        [sys.executable, "-m", "nertune.cli.spark"], capture_output=True, text=True, check=True
    ).stdout.strip()
    submit = Path(pyspark.__file__).parent / "bin" / "spark-submit"
    settings = ("--conf", "spark.ui.enabled=false", "--conf", "spark.eventLog.enabled=true",
                "--conf", "spark.eventLog.compress=false",
                "--conf", f"spark.eventLog.dir={rows.parent.as_uri()}")  # fmt: skip
    done = subprocess.run(
        [submit, "--master", "local[1]", *settings, script, model, rows, out, "--label", "PER"],
        env={**os.environ, "PYSPARK_PYTHON": sys.executable},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    lines = (done.stdout + done.stderr).splitlines()  # spark-submit makes one of both
    [summary] = [line for line in lines if "words/s" in line]
    assert re.fullmatch(
        r"900 rows, 7,200 words, [\d,]+ entities; [\d,]+ words/s; written to .*/out", summary
    )
    assert numbers(out) == list(range(900))
    events = "".join(path.read_text() for path in rows.parent.rglob("*events_1*"))
    assert '"spark.master":"local[1]"' in events


def test_a_setting_of_spark_is_a_key_and_a_value(cli: Any) -> None:
    pytest.importorskip("pyspark")
    told = cli("spark", "tag", "m", "in", "out", "--conf", "spark.x", "--conf", "a=b").failed()
    assert (
        told == "--conf: 1 fault\n  - is 'spark.x'; expected KEY=VALUE, as spark.executor.memory=4g"
    )


def test_without_java_the_cure_is_named(
    cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyspark")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    told = cli("spark", "tag", "m", "in", "out").failed()
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
