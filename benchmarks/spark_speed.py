"""What Spark costs over the engine alone: 20 000 WikiANN sentences on the same cores.

For one core and for two a fresh process, bound to as many cores with all that it starts, holds the
engine and a Spark session (`local[n]`), and lets them take turns; the median counts. The engine
reads the texts from a list in memory and uses all the cores; Spark reads them from Parquet through
the saved and loaded pipeline and writes them with their entities to Parquet; `table` is the same by
`nertune.spark.tag`, in one pass. Starting the session is timed by itself, and so is the first job,
in which the workers start and load the model; all later ones count. Memory is that of each Python
worker (proportional set size), read while the pipeline works.

    python benchmarks/spark_speed.py MODEL [--rounds 3] [--sentences 20000] [--runtime onnx]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

from common import corpora, floor, median, timed, write

OVERHEAD_BAR = 25.0
CORES = (1, 2)


def sentences(n: int) -> list[str]:
    """The first sentences of WikiANN's English training set, as raw text."""
    from nertune.config import ReadSettings
    from nertune.data import read

    documents = read(corpora() / "wikiann-en" / "train", ReadSettings(word_prefix="en:"))
    every = (" ".join(d.words[a:b]) for d in documents for a, b in d.sentences)
    return list(islice(every, n))


# --- memory ---


class Memory:
    """The most memory that each kind of process below this one held at once, in MB."""

    def __init__(self) -> None:
        self.most: dict[int, float] = {}

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look at the Python workers twice a second."""
        done = threading.Event()

        def watch() -> None:
            while not done.wait(0.5):
                for process in python_workers(os.getpid()):
                    held = proportional_size(process)
                    self.most[process] = max(self.most.get(process, 0.0), held)

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def python_workers(ancestor: int) -> list[int]:
    """The Python workers of Spark below a process: forked by a daemon that the JVM started."""
    found = []
    for process in children(ancestor):
        if "pyspark.daemon" in command_line(process):
            found += children(process)
        else:
            found += python_workers(process)
    return found


def children(process: int) -> list[int]:
    """The processes that a process has started."""
    try:
        threads = list(Path(f"/proc/{process}/task").iterdir())
        return [int(c) for t in threads for c in (t / "children").read_text().split()]
    except OSError:
        return []


def command_line(process: int) -> str:
    """The command line of a process; nothing of one that has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def proportional_size(process: int) -> float:
    """MB of memory, shared pages divided by those that share them."""
    try:
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    return next(int(line.split()[1]) / 1e3 for line in rollup.splitlines() if "Pss:" in line)


# --- turns ---


def turns(options: argparse.Namespace) -> dict[str, Any]:
    """Engine and Spark in turn, in this process; the seconds of each round."""
    os.sched_setaffinity(0, range(options.cores))
    os.environ["OMP_NUM_THREADS"] = "1"
    import pandas as pd
    from pyspark.ml import PipelineModel

    from nertune import Tagger
    from nertune.bundle import model_folder
    from nertune.spark import start, tag
    from nertune.spark.pipeline import Finding, entity_pipeline

    texts = sentences(options.sentences)
    model = str(model_folder(options.model).resolve())
    tagger = Tagger.load(model, runtime=options.runtime, threads=options.cores)
    with tempfile.TemporaryDirectory() as folder:
        source, saved = f"{folder}/texts.parquet", f"{folder}/pipeline"
        pd.DataFrame({"id": range(len(texts)), "text": texts}).to_parquet(source)
        session = []
        settings = {"spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1"}
        start_seconds = timed(
            lambda: session.append(start(f"local[{options.cores}]", settings=settings))
        )
        spark = session[0]
        spark.sparkContext.setLogLevel("ERROR")
        finding = Finding(runtime=options.runtime)
        entity_pipeline(model, "text", finding).write().overwrite().save(saved)
        pipeline = PipelineModel.load(saved)

        def with_spark() -> None:
            frame = spark.read.parquet(source).repartition(options.partitions or options.cores)
            tagged = pipeline.transform(frame).select("id", "text", "entities")
            tagged.write.mode("overwrite").parquet(f"{folder}/out")

        def with_table() -> None:
            frame = spark.read.parquet(source).repartition(options.partitions or options.cores)
            table = tag(frame, model, finding=finding)
            table.write.mode("overwrite").parquet(f"{folder}/table")

        systems: dict[str, Callable[[], Any]] = {
            "engine": lambda: list(tagger.tag_texts(texts)),
            "spark": with_spark,
            "table": with_table,
        }
        first = timed(with_spark)
        systems["engine"]()
        memory = Memory()
        rounds: dict[str, list[float]] = {name: [] for name in systems}
        for _ in range(options.rounds):
            for name, run in systems.items():
                with memory.watched() if name == "spark" else nullcontext():
                    rounds[name].append(timed(run))
        n_words = sum(document.n_words for document in tagger.tag_texts(texts))
        spark.stop()
    return {
        "runtime": tagger.runtime.name,
        "words": n_words,
        "session_start_seconds": start_seconds,
        "first_job_seconds": first,
        "seconds": rounds,
        "worker_mb": sorted(round(held, 1) for held in memory.most.values()),
    }


def in_a_process_of_its_own(cores: int) -> dict[str, Any]:
    """The turns with so many cores."""
    done = subprocess.run(
        [sys.executable, *sys.argv, "--cores", str(cores)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def summary(found: dict[str, Any]) -> dict[str, Any]:
    """The medians of one number of cores, and what Spark costs more."""
    seconds = {name: median(rounds) for name, rounds in found["seconds"].items()}
    return {
        **found,
        "words_per_second": {name: found["words"] / each for name, each in seconds.items()},
        "overhead_percent": {
            name: 100 * (each / seconds["engine"] - 1)
            for name, each in seconds.items()
            if name != "engine"
        },
    }


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sentences", type=int, default=20_000)
    parser.add_argument("--partitions", type=int, default=0, help="none given: one a core")
    parser.add_argument("--runtime", default="onnx")
    parser.add_argument("--cores", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.cores:
        print(json.dumps(turns(options)))
        return
    found = {str(cores): summary(in_a_process_of_its_own(cores)) for cores in CORES}
    one, two = (found[str(cores)]["words_per_second"]["spark"] for cores in CORES)
    write("spark_speed", {"by_cores": found, "two_cores_over_one": two / one})
    for cores in CORES:
        overhead = found[str(cores)]["overhead_percent"]["spark"]
        floor(OVERHEAD_BAR - overhead, 0, f"room below the bar of overhead on {cores} cores")


if __name__ == "__main__":
    main()
