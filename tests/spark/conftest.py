"""Spark on this machine: a model without torch, and one session a module."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from nertune.errors import NertuneError

SRC = Path(__file__).parents[2] / "src"
_SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",  # quick to start
    "spark.sql.shuffle.partitions": "2",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    # Small queries take longer to compile than to run. Those of other processes are compiled.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs Java where there is none, and say how to get it."""
    if item.get_closest_marker("spark") and (reason := _missing()):
        pytest.skip(reason)


@cache
def _missing() -> str | None:
    try:
        from nertune.spark.session import check_java

        check_java()
    except ModuleNotFoundError as error:
        return f"needs {error.name}: pip install 'nertune[spark]'"
    except NertuneError as error:
        return str(error)
    return None


@pytest.fixture(scope="session")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Tiny models as `nertune export` makes them for workers: graphs, without torch's weights."""
    from nertune.bundle import load_bundle
    from nertune.documents import Document
    from nertune.export import export
    from nertune.testing import TEXT, tiny_bundle

    root, made = tmp_path_factory.mktemp("graphs"), {}

    def graph(family: str) -> Path:
        if family not in made:
            bundle = load_bundle(tiny_bundle(root / "torch" / family, family))
            sentences = [Document.from_words(text.split()) for text in TEXT]
            export(bundle, sentences, out=root / family)
            made[family] = root / family
        return made[family]

    return graph


@pytest.fixture(scope="session")
def graph(graphs: Callable[[str], Path]) -> Path:
    """A cased model."""
    return graphs("bert-cased")


@pytest.fixture(scope="session")
def workers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of workers that find nertune, but no torch and no transformers."""
    place = tmp_path_factory.mktemp("without")
    for package in ("torch", "transformers"):
        (place / f"{package}.py").write_text(f"raise ImportError('a worker imports {package}')\n")
    return {"PYTHONPATH": f"{place}{os.pathsep}{SRC}", "PYSPARK_PYTHON": sys.executable}


@pytest.fixture(scope="session")
def settings(workers: dict[str, str]) -> dict[str, str]:
    """Settings of Spark with which small jobs are quick, and workers find what is meant."""
    return {**_SETTINGS, "spark.executorEnv.PYTHONPATH": workers["PYTHONPATH"]}


@pytest.fixture(scope="session")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Another file system, viewfs://disk/data; and the end of the session that has it."""
    folder = tmp_path_factory.mktemp("disk")
    yield {"spark.hadoop.fs.viewfs.mounttable.disk.link./data": folder.as_uri()}
    from pyspark.sql import SparkSession

    if session := SparkSession.getActiveSession():
        session.stop()


@pytest.fixture(scope="module")
def spark(settings: dict[str, str], disk: dict[str, str]) -> Any:
    """A classic session with two cores. The next module goes on with it, which is quicker."""
    from nertune.spark import start

    session = start("local[2]", settings=settings | disk)
    session.sparkContext.setLogLevel("OFF")
    return session


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """JSON lines for a job, with names that the stages use too."""
    from spark_jobs import ROWS

    path = tmp_path / "rows.jsonl"
    lines = ({"document": n, "token": {"a": [n]}, "text": text} for n, text in enumerate(ROWS))
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def job(rows: Path, graph: Path, tmp_path: Path) -> Any:
    from nertune.spark import Job

    return Job(str(graph), str(rows), str(tmp_path / "out"), slices=1, partitions=1)


@pytest.fixture
def halves(job: Any) -> Any:
    """The same in two slices, between which it may be stopped."""
    return replace(job, slices=2)


@pytest.fixture(scope="session")
def fresh(workers: dict[str, str]) -> Callable[[str, Path], str]:
    """Runs a program in a folder, in a fresh interpreter of its own; what it prints."""

    def run(code: str, folder: Path) -> str:
        program = folder / "program.py"
        program.write_text(textwrap.dedent(code), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, str(program)],
            capture_output=True,
            text=True,
            env={**os.environ, **workers},
            cwd=folder,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout

    return run


@pytest.fixture
def moved(graph: Path, tmp_path: Path) -> Path:
    """A copy of the model that a test may take away."""
    return Path(shutil.copytree(graph, tmp_path / "moved"))
