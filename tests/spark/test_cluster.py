"""A cluster of its own: a master and two workers, each a process, of which one is killed."""

from __future__ import annotations

import importlib.resources
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest

from nertune.config import ReadSettings
from nertune.data import read

pytest.importorskip("pyspark")
import pyarrow as pa
import pyarrow.parquet
import pyspark
from pyspark.ml import PipelineModel
from pyspark.sql import SparkSession

from nertune.spark import Finding, Job, Tally, entity_pipeline, run_job, start
from nertune.spark.job import progress
from nertune.spark.job.settings import Unwatched

pytestmark = [
    pytest.mark.spark,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.usefixtures("predicting"),  # first
]

N_SENTENCES = 20_000
N_FILES = 8
N_A_FILE = N_SENTENCES // N_FILES
QUICK = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"  # to start; they do not run for long
Found = tuple[int, int, str, float]


@dataclass
class Cluster:
    """The processes of a standalone cluster on this machine's loopback."""

    folder: Path
    environment: dict[str, str]
    address: str = ""
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def begin(self, n_workers: int) -> None:
        """A master, and workers of one core each."""
        port = free_port()
        self.address = f"spark://127.0.0.1:{port}"
        self._run("master.Master", "--port", str(port))
        for number in range(n_workers):
            work = str(self.folder / f"work-{number}")
            self._run("worker.Worker", "-c", "1", "-m", "1g", "-d", work, self.address)

    def _run(self, kind: str, *arguments: str) -> None:
        program = Path(pyspark.__file__).parent / "bin" / "spark-class"
        command = [str(program), f"org.apache.spark.deploy.{kind}", "--host", "127.0.0.1"]
        with (self.folder / f"{kind}.log").open("ab") as log:
            self.processes.append(
                subprocess.Popen(
                    [*command, "--webui-port", "0", *arguments],
                    stdout=log, stderr=log, env=self.environment, start_new_session=True,
                )
            )  # fmt: skip

    def kill(self, process: subprocess.Popen[bytes]) -> int:
        """Kill a process and all that it started, at once; how many."""
        ids = [process.pid, *descendants(process.pid)]
        for one in ids:
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        process.wait()
        return len(ids)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def descendants(root: int) -> list[int]:
    """Processes that a process started, theirs too."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, check=True)
    parents = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
    found = [root]
    for one in found:
        found += [child for child, parent in parents if parent == one]
    return found[1:]


@pytest.fixture(scope="module")
def cluster(workers: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    environment = {
        **os.environ, **workers, "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DAEMON_MEMORY": "256m", "SPARK_DAEMON_JAVA_OPTS": QUICK,
    }  # fmt: skip
    made = Cluster(tmp_path_factory.mktemp("cluster"), environment)
    try:
        made.begin(n_workers=2)
        yield made
    finally:
        for process in made.processes:
            made.kill(process)


@pytest.fixture(scope="module")
def spark(cluster: Cluster) -> Iterator[Any]:
    """A session on the cluster, with both workers there."""
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.executor.memory": "512m",
        "spark.executor.extraJavaOptions": QUICK,
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.extraJavaOptions": QUICK,
    }
    if local := SparkSession.getActiveSession():
        local.stop()
    session = start(cluster.address, settings=settings)
    session.sparkContext.setLogLevel("OFF")
    try:
        until(lambda: len(executors(session)) == 2)
        yield session
    finally:
        session.stop()


def executors(session: Any, active: bool = True) -> list[Any]:
    """The executors there are, or were."""
    listed = session.sparkContext._jsc.sc().statusStore().executorList(False)
    every = (listed.apply(i) for i in range(listed.size()))
    return [one for one in every if one.id() != "driver" and one.isActive() == active]


def until(true: Any, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """20 000 sentences: WikiANN's where it is there, else those that come with nertune, varied."""
    if "NERTUNE_DATA" in os.environ:
        path = Path(os.environ["NERTUNE_DATA"]) / "wikiann-en" / "train"
        return [one.text for one in read(path, ReadSettings(word_prefix="en:"))]
    samples = importlib.resources.files("nertune") / "samples" / "train.jsonl"
    with importlib.resources.as_file(samples) as path:
        few = [line for one in read(path) for line in one.text.splitlines()]
    return [f"{text} {n} ." for n, text in enumerate(islice(cycle(few), N_SENTENCES))]


@pytest.fixture(scope="module")
def predicting(
    texts: list[str], graph: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """`nertune predict` at work while the cluster begins, and what it will write."""
    folder = tmp_path_factory.mktemp("predicted")
    (folder / "in.txt").write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    command = [sys.executable, "-m", "nertune", "predict", graph, "in.txt", "--out", "out.jsonl"]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL) as process:
        yield process, folder / "out.jsonl"


@pytest.fixture(scope="module")
def predicted(predicting: tuple[subprocess.Popen[bytes], Path]) -> list[list[Found]]:
    """What it found in each text."""
    process, out = predicting
    assert process.wait() == 0
    lines = out.read_text(encoding="utf-8").splitlines()
    return [
        [(e["start"], e["end"], e["label"], e["score"]) for e in json.loads(line)["entities"]]
        for line in lines
    ]


@pytest.fixture(scope="module")
def rows(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The texts with their numbers, in a folder of eight files."""
    folder = tmp_path_factory.mktemp("rows")
    numbered = pa.table({"id": pa.array(range(len(texts)), pa.int32()), "text": texts})
    for k in range(N_FILES):
        part = numbered.slice(k * N_A_FILE, N_A_FILE)
        pyarrow.parquet.write_table(part, folder / f"part-{k}.parquet")
    return folder


def collected(frame: Any) -> list[dict[str, Any]]:
    """The rows in order, with no more of their entities than is compared."""
    entities = """transform(entities, e -> named_struct(
        'start', e.begin, 'end', e.end + 1, 'label', e.metadata['entity'],
        'score', CAST(e.metadata['confidence'] AS DOUBLE))) AS entities"""
    return frame.selectExpr("id", "text", entities).toArrow().sort_by("id").to_pylist()


def check(rows: list[dict[str, Any]], texts: list[str], predicted: list[list[Found]]) -> None:
    """Every row once, with exactly what was predicted."""
    assert [(row["id"], row["text"]) for row in rows] == list(enumerate(texts))
    found = [[tuple(one.values()) for one in row["entities"]] for row in rows]
    assert [[one[:3] for one in each] for each in found] == [
        [one[:3] for one in each] for each in predicted
    ]
    furthest = max(
        abs(one[3] - other[3])
        for each, others in zip(found, predicted, strict=True)
        for one, other in zip(each, others, strict=True)
    )
    assert furthest <= 1e-6


def test_a_saved_pipeline_finds_on_a_cluster_what_predict_finds(
    spark: Any,
    rows: Path,
    texts: list[str],
    predicted: list[list[Found]],
    graph: Path,
    tmp_path: Path,
) -> None:
    assert len(texts) == len(predicted) == N_SENTENCES
    assert sum(map(len, predicted)) > 10_000
    entity_pipeline(str(graph), "text", Finding()).save(str(tmp_path / "pipeline"))
    loaded = PipelineModel.load(str(tmp_path / "pipeline"))
    frame = spark.read.parquet(str(rows))
    check(collected(loaded.transform(frame)), texts, predicted)


class Kills(Unwatched):
    """Kills a worker, its executor and its Python, when some tasks of the job are done."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.killed_at: tuple[int, int] | None = None
        self.n_killed = 0

    def tasks(self, n_done: int, n_tasks: int) -> None:
        if self.killed_at is None and n_done >= 3:
            self.killed_at = n_done, n_tasks
            self.n_killed = self._cluster.kill(self._cluster.processes[-1])


def test_a_worker_killed_in_the_middle_of_a_job_loses_and_doubles_nothing(
    spark: Any,
    rows: Path,
    cluster: Cluster,
    texts: list[str],
    predicted: list[list[Found]],
    graph: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "_SECONDS", 0.02)
    out, kills = str(tmp_path / "out"), Kills(cluster)
    finding = Finding(delivery="ship", on_error="stop")
    source = str(rows / "part-[01].parquet")
    job = Job(str(graph), source, out, finding=finding, slices=1, partitions=20)
    result = run_job(spark, job, kills)

    assert kills.killed_at is not None
    n_done, n_tasks = kills.killed_at
    assert n_tasks == 20
    assert 3 <= n_done < 18
    assert kills.n_killed >= 3  # the worker, its executor, its Python
    assert len(executors(spark, active=False)) == len(executors(spark)) == 1
    tracker = spark.sparkContext.statusTracker()
    group = f"nertune: slice 1 of 1 of {out}"
    stages = [
        s for job in tracker.getJobIdsForGroup(group) for s in tracker.getJobInfo(job).stageIds
    ]
    infos = [info for info in map(tracker.getStageInfo, stages) if info is not None]
    assert any(info.numFailedTasks or info.currentAttemptId for info in infos)

    few = 2 * N_A_FILE
    check(collected(spark.read.parquet(out)), texts[:few], predicted[:few])
    n_entities = sum(map(len, predicted[:few]))
    assert (result.tally.rows, result.tally.entities) == (few, n_entities)
    assert result.tally == result.run
    assert result.tally != Tally()
