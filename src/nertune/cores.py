"""How many cores this process may really use."""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_CPUS = Path("/sys/devices/system/cpu")


def free_cores() -> int:
    """The cores that this process may keep busy, at least 1.

    The least of what the affinity mask, the quota of the control group (versions 1 and 2) and
    OMP_NUM_THREADS allow. Two hardware threads of one core count once: matrix products gain
    nothing from the second.
    """
    limits = [_physical(_allowed()), _quota(), _asked_for()]
    return max(1, min(limit for limit in limits if limit is not None))


def _allowed() -> set[int]:
    """The processors of the affinity mask."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _physical(processors: set[int]) -> int:
    """How many cores some processors belong to."""
    cores = set()
    for processor in processors:
        siblings = _CPUS / f"cpu{processor}" / "topology" / "thread_siblings_list"
        cores.add(_text(siblings) or str(processor))
    return len(cores)


def _quota() -> int | None:
    """The cores that the control group pays for, rounded up; None where it sets no limit."""
    whole = _text(_CGROUP / "cpu.max").split()
    if not whole:
        whole = [
            _text(_CGROUP / "cpu" / f"cpu.cfs_{name}_us") for name in ("quota", "period")
        ]
    try:
        quota, period = (int(value) for value in whole)
    except ValueError:  # "max": no limit; nothing: no control group
        return None
    return math.ceil(quota / period) if quota > 0 and period > 0 else None


def _asked_for() -> int | None:
    """OMP_NUM_THREADS, the number that Spark, Slurm and others give a worker."""
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) > 0 else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
