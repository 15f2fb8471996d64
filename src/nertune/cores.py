"""How many cores this process may really use."""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_OWN_GROUPS = Path("/proc/self/cgroup")
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
    """The cores that the control groups pay for, rounded up; None where none sets a limit.

    A process is in a group and in all groups above it, and each may set a limit. In a container the
    group lies at the root of what can be seen.
    """
    limits = [_limit_of(group) for group in _groups()]
    return min((limit for limit in limits if limit is not None), default=None)


def _groups() -> set[Path]:
    """The folders of the control groups that this process is in, both versions."""
    found = {_CGROUP, _CGROUP / "cpu"}
    for line in _text(_OWN_GROUPS).splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" or "cpu" in controllers.split(","):
            root = _CGROUP / ("" if number == "0" else "cpu")
            own = root / path.lstrip("/")
            found |= {group for group in (own, *own.parents) if group.is_relative_to(root)}
    return found


def _limit_of(group: Path) -> int | None:
    whole = _text(group / "cpu.max").split()
    if not whole:
        whole = [_text(group / f"cpu.cfs_{name}_us") for name in ("quota", "period")]
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
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
