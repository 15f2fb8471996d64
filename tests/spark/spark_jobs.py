"""Jobs of the tests: what they read, what they wrote, and who watches them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from spark_texts import TEXTS

from nertune import Tagger
from nertune.spark import Job, Tally, run_job
from nertune.spark.job.settings import Unwatched

ROWS = [*TEXTS, "", None, *[f"Ada met Charles {n} times in Lisbon ." for n in range(30)]]
ROWS += [TEXTS[0], TEXTS[0], "", None]  # doubles


def read(job: Job) -> list[dict[str, Any]]:
    """What a job of JSON lines wrote."""
    parts = sorted(Path(job.out).glob("part-*"))
    lines = [line for part in parts for line in part.read_text(encoding="utf-8").splitlines()]
    return [json.loads(line) for line in lines]


def found_in(row: Any) -> list[tuple[int, int, str, float]]:
    return [
        (e["begin"], e["end"] + 1, e["metadata"]["entity"], float(e["metadata"]["confidence"]))
        for e in row["entities"]
    ]


def by_tagger(model: Path, texts: list[str]) -> list[list[tuple[int, int, str, float]]]:
    documents = Tagger.load(model).tag_texts(texts)
    return [
        [(e.start, e.end, e.label, e.score or 0.0) for e in each.entities] for each in documents
    ]


def same(found: list[Any], expected: list[Any]) -> bool:
    """Scores depend on what else is in a batch, in their last digits."""
    return len(found) == len(expected) and all(
        one[:3] == other[:3] and one[3] == pytest.approx(other[3], abs=1e-5)
        for one, other in zip(found, expected, strict=True)
    )


def grow(job: Job) -> None:
    """One more line in the input."""
    with Path(job.source).open("a", encoding="utf-8") as handle:
        handle.write('{"text": "more"}\n')


class Stops(Unwatched):
    """A watch that ends the job after so many slices."""

    def __init__(self, after: int) -> None:
        self.left = after

    def slice_done(self, tally: Tally) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


class Hears(Unwatched):
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.seen: list[tuple[int, int]] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    def tasks(self, n_done: int, n_tasks: int) -> None:
        self.seen.append((n_done, n_tasks))


def stopped(spark: Any, job: Job, after: int = 1) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_job(spark, job, Stops(after))
    assert not Path(job.out).exists()
