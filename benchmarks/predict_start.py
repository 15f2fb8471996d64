"""Seconds from the start of `nertune predict` to its first entity, and whether torch was loaded.

    python benchmarks/predict_start.py MODEL [--runs 7]

MODEL must hold a graph of `nertune export`. Each run is a fresh process; the median counts.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from typing import Any

from common import floor, median, write

BAR = 1.5
TEXT = "Ada Lovelace lived in London.\n"


def first_line(model: str) -> float:
    """Seconds until the first document is written."""
    command = [sys.executable, "-m", "nertune", "predict", model, "-", "--format", "jsonl"]
    start = time.perf_counter()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(TEXT.encode())
        process.stdin.close()
        line = process.stdout.readline()
        seconds = time.perf_counter() - start
    if b'"entities": [{' not in line:
        sys.exit(f"no entity in the first line: {line!r}")
    return seconds


def loaded(model: str) -> list[str]:
    """The heavy packages that a run imports."""
    command = [sys.executable, "-X", "importtime", "-m", "nertune", "predict", model, "-"]
    run = subprocess.run(command, input=TEXT, capture_output=True, text=True, check=True)
    names = {line.rpartition("|")[2].strip() for line in run.stderr.splitlines()}
    return sorted(names & {"torch", "transformers", "onnxruntime", "pandas", "pyarrow", "jinja2"})


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    first_line(options.model)
    seconds = [first_line(options.model) for _ in range(options.runs)]
    figures: dict[str, Any] = {
        "seconds_to_first_entity": median(seconds),
        "each": seconds,
        "heavy_packages_loaded": loaded(options.model),
    }
    write("predict_start", figures)
    floor(-figures["seconds_to_first_entity"], -BAR, "seconds to the first entity, negated")
    if {"torch", "transformers"} & set(figures["heavy_packages_loaded"]):
        sys.exit("torch or transformers was loaded")


if __name__ == "__main__":
    main()
