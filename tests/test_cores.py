"""How many cores are free: the least of what the system, the control group and the user allow."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nertune import cores


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of eight processors, each a core of its own, without control groups."""
    monkeypatch.setattr(cores, "_CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(cores, "_OWN_GROUPS", tmp_path / "own")
    monkeypatch.setattr(cores, "_CPUS", tmp_path / "cpu")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return tmp_path


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.usefixtures("machine")
def test_without_limits_all_cores_are_free():
    assert cores.free_cores() == 8


def test_this_machine_has_some():
    assert 1 <= cores.free_cores() <= (os.cpu_count() or 1)


@pytest.mark.usefixtures("machine")
def test_the_affinity_mask_counts(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 5, 6})
    assert cores.free_cores() == 3


@pytest.mark.usefixtures("machine")
def test_systems_without_affinity_count_their_processors(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert cores.free_cores() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores.free_cores() == 1


@pytest.mark.parametrize("form", ["{low},{high}\n", "{low}-{high}\n"])
def test_threads_of_one_core_count_once(machine, monkeypatch, form):
    for i in range(8):
        text = form.format(low=i % 4, high=i % 4 + 4)
        put(machine / "cpu" / f"cpu{i}" / "topology" / "thread_siblings_list", text)
    assert cores.free_cores() == 4
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 4})
    assert cores.free_cores() == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("300000 100000\n", 3),
        ("150000 100000\n", 2),
        ("20000 100000\n", 1),
        ("max 100000\n", 8),
        ("9900000 100000\n", 8),
        ("0 100000\n", 8),
        ("100000 0\n", 8),
        ("", 8),
        ("nonsense\n", 8),
        ("\xff\xfe", 8),
    ],
)
def test_the_quota_of_a_control_group(machine, text, expected):
    (machine / "cgroup").mkdir()
    (machine / "cgroup" / "cpu.max").write_bytes(text.encode("latin-1"))
    assert cores.free_cores() == expected


@pytest.mark.parametrize(("quota", "expected"), [("250000", 3), ("-1", 8), ("", 8)])
def test_the_quota_of_a_control_group_of_version_1(machine, quota, expected):
    put(machine / "cgroup" / "cpu" / "cpu.cfs_quota_us", quota + "\n")
    put(machine / "cgroup" / "cpu" / "cpu.cfs_period_us", "100000\n")
    assert cores.free_cores() == expected


def test_the_group_of_this_process_and_those_above_it_count(machine):
    put(machine / "own", "0::/batch/job_7/step_0\n")
    put(machine / "cgroup" / "batch" / "job_7" / "step_0" / "cpu.max", "max 100000\n")
    put(machine / "cgroup" / "batch" / "job_7" / "cpu.max", "200000 100000\n")
    put(machine / "cgroup" / "batch" / "cpu.max", "600000 100000\n")
    put(machine / "cgroup" / "batch" / "job_8" / "cpu.max", "100000 100000\n")
    assert cores.free_cores() == 2


def test_the_group_of_this_process_in_version_1(machine):
    put(machine / "own", "9:name=systemd:/x\n4:memory:/m\n2:cpu,cpuacct:/job/a:b\n0::/\nnonsense\n")
    group = machine / "cgroup" / "cpu" / "job" / "a:b"
    put(group / "cpu.cfs_quota_us", "400000\n")
    put(group / "cpu.cfs_period_us", "100000\n")
    put(machine / "cgroup" / "cpu" / "m" / "cpu.cfs_quota_us", "100000\n")
    assert cores.free_cores() == 4


@pytest.mark.parametrize(
    ("value", "expected"),
    [("3", 3), (" 2 ", 2), ("4,2,1", 4), ("64", 8), ("0", 8), ("-2", 8), ("", 8), ("all", 8),
     ("2.5", 8), ("²", 8)],
)  # fmt: skip
@pytest.mark.usefixtures("machine")
def test_omp_num_threads(monkeypatch, value, expected):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert cores.free_cores() == expected


def test_the_least_of_all_limits_counts(machine, monkeypatch):
    put(machine / "cgroup" / "cpu.max", "500000 100000\n")
    monkeypatch.setenv("OMP_NUM_THREADS", "6")
    assert cores.free_cores() == 5
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert cores.free_cores() == 4
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {7})
    assert cores.free_cores() == 1
