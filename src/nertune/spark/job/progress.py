"""How far the tasks of a slice are, as Spark tells it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pyspark.sql import SparkSession

from nertune.spark.job.settings import JobWatch

_SECONDS = 0.5


@contextmanager
def watching(spark: SparkSession, group: str, watch: JobWatch) -> Iterator[None]:
    """While the block runs, its Spark jobs are of this group, and `watch` hears of their tasks."""
    context = spark.sparkContext
    context.setJobGroup(group, group)
    ended = threading.Event()

    def look() -> None:
        tracker: Any = context.statusTracker()
        while not ended.wait(_SECONDS):
            with suppress(Exception):  # a look that fails costs nothing
                found = _tasks(tracker, group)
                if found is not None:
                    watch.tasks(*found)

    looker = threading.Thread(target=look, name="nertune-progress", daemon=True)
    looker.start()
    try:
        yield
    finally:
        ended.set()
        looker.join()
        context.setLocalProperty("spark.jobGroup.id", "")
        context.setLocalProperty("spark.job.description", "")


def _tasks(tracker: Any, group: str) -> tuple[int, int] | None:
    """Tasks done and tasks in all of the last stage begun: reading is quick, tagging is not."""
    for job in sorted(tracker.getJobIdsForGroup(group), reverse=True):
        stages = sorted(tracker.getJobInfo(job).stageIds, reverse=True)
        for stage in map(tracker.getStageInfo, stages):
            if stage is not None and stage.numTasks:
                return stage.numCompletedTasks, stage.numTasks
    return None
