"""What the benchmarks share: the machine, the results file, the median."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def corpora() -> Path:
    """The folder of real corpora; ends the program with the reason where there is none."""
    folder = os.environ.get("NERTUNE_DATA")
    if not folder:
        sys.exit("set NERTUNE_DATA to the folder with conll2003-en/ and wikiann-en/")
    return Path(folder)


def timed(work: Callable[[], Any]) -> float:
    """Seconds that `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def median(values: list[float]) -> float:
    """The middle value."""
    return statistics.median(values)


def machine() -> dict[str, Any]:
    """What a figure was measured on."""
    import numpy
    import torch
    import transformers

    return {
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "numpy": numpy.__version__,
    }


def write(name: str, figures: dict[str, Any]) -> None:
    """Write `results/NAME.json` and print the figures."""
    report = {"date": time.strftime("%Y-%m-%d"), **machine(), **figures}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))


def floor(value: float, bar: float, what: str) -> None:
    """End with status 1 where a figure is below its bar."""
    if value < bar:
        sys.exit(f"{what}: {value:.2f} is below {bar}")
