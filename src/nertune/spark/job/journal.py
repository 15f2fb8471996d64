"""What is known of an unfinished output: made from what, and which slices are whole.

    OUT.partial
    ├── lock, beat          the job that writes (`Lock`)
    ├── journal.json        what it is made from, how many slices
    ├── tallies/00003.json  slice 3 is whole: its folder, its files, what was counted in it
    ├── slice-00003-TOKEN   its files
    └── whole               files on their way to OUT, when all slices are whole

OUT itself keeps what it was made from in `_nertune.json`, which Spark does not read as data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from nertune.errors import OutputError
from nertune.spark.job.lock import Lock
from nertune.spark.job.settings import Tally
from nertune.spark.job.storage import Storage

RECORD = "_nertune.json"

Origin = Mapping[str, str]
"""Everything that the output follows from, name to value."""


def partial_of(out: str) -> str:
    """The folder in which an output is made."""
    return f"{out}.partial"


def differences(before: Origin, now: Origin) -> str:
    """What two origins do not share, as a sentence."""
    return "; ".join(
        f"{name}: was {before.get(name, 'not there')}, is {now.get(name, 'not there')}"
        for name in dict.fromkeys((*before, *now))
        if before.get(name) != now.get(name)
    )


def finished(storage: Storage) -> Mapping[str, Any] | None:
    """The record of the output that stands under its final name; empty where it has none."""
    if not storage.exists(storage.path):
        return None
    return storage.read_json(f"{storage.path}/{RECORD}") or {}


class Journal:
    """The journal of one output, written under its lock."""

    def __init__(self, storage: Storage, lock: Lock) -> None:
        self._storage, self._lock = storage, lock
        self.folder = partial_of(storage.path)
        self._path = f"{self.folder}/journal.json"
        self._facts: dict[str, Any] = storage.read_json(self._path) or {}
        self._whole: dict[int, dict[str, Any]] = {}

    @property
    def is_begun(self) -> bool:
        """Whether an earlier run left something to go on with."""
        return bool(self._facts)

    @property
    def origin(self) -> Origin:
        """What the unfinished output is made from."""
        origin: Origin = self._facts["origin"]
        return origin

    @property
    def n_slices(self) -> int:
        """The parts that the input is divided into."""
        return int(self._facts["slices"])

    @property
    def n_whole(self) -> int:
        """The slices that are known to be done."""
        return len(self._whole)

    @property
    def tally(self) -> Tally:
        """Of all slices that are whole."""
        tallies = (Tally(**facts["tally"]) for facts in self._whole.values())
        return sum(tallies, Tally())

    def clear(self) -> None:
        """Remove all but the lock."""
        self._facts, self._whole = {}, {}
        for name in self._storage.names(self.folder):
            if name not in ("lock", "beat"):
                self._storage.remove(f"{self.folder}/{name}")

    def begin(self, origin: Origin, n_slices: int) -> None:
        """Start anew."""
        self._lock.check()
        self.clear()
        self._facts = {"run": self._lock.token, "origin": dict(origin), "slices": n_slices}
        self._storage.write_json(self._path, self._facts)

    def go_on(self) -> list[int]:
        """Read which slices are whole, and remove what was left unfinished; the missing slices."""
        tallies = f"{self.folder}/tallies"
        for name in self._storage.names(tallies):
            facts = self._storage.read_json(f"{tallies}/{name}")
            if facts and not name.startswith("_"):
                self._whole[int(name.removesuffix(".json"))] = facts
        kept = {facts["folder"] for facts in self._whole.values()}
        for name in self._storage.names(self.folder):
            if name.startswith("slice-") and name not in kept:
                self._storage.remove(f"{self.folder}/{name}")
        return [number for number in range(self.n_slices) if number not in self._whole]

    def folder_of(self, number: int) -> str:
        """Where this run writes a slice; no other run writes there."""
        return f"{self.folder}/slice-{number:05}-{self._lock.token}"

    def is_whole(self, number: int, tally: Tally) -> None:
        """Note that a slice is written to its end."""
        folder = self.folder_of(number)
        facts = {
            "folder": folder.rpartition("/")[2],
            "files": len(self._parts(folder)),
            "tally": asdict(tally),
        }
        self._lock.check()
        self._storage.make_folder(f"{self.folder}/tallies")
        self._storage.write_json(f"{self.folder}/tallies/{number:05}.json", facts)
        self._whole[number] = facts

    def is_left_over(self, record: Mapping[str, Any]) -> bool:
        """Whether the finished output of this record came of this journal."""
        return self.is_begun and record.get("run") == self._facts["run"]

    def finish(self, overwrite: bool) -> None:
        """Give the output its name. Killed anywhere in it, a later call ends what is begun.

        Raises OutputError where something stands there that is not to be overwritten.
        """
        self._lock.check()
        whole = f"{self.folder}/whole"
        self._storage.make_folder(whole)
        for number, facts in self._whole.items():
            folder = f"{self.folder}/{facts['folder']}"
            for name in self._parts(folder):
                rest = name.removeprefix("part-")
                self._storage.rename(f"{folder}/{name}", f"{whole}/part-{number:05}-{rest}")
        self._check_files(whole)
        self._storage.write_json(f"{whole}/{RECORD}", {**self._facts, "tally": asdict(self.tally)})
        self._storage.create_empty(f"{whole}/_SUCCESS")
        if self._storage.exists(self._storage.path):
            self._replace(overwrite)
        self._storage.rename(whole, self._storage.path)
        self._lock.fall_silent()
        self._storage.remove(self.folder)

    def _replace(self, overwrite: bool) -> None:
        """Move away what has the output's name."""
        if not overwrite:
            raise OutputError(
                f"{self._storage.path}: was made by somebody else while the job ran; its slices "
                f"are kept in {self.folder}: move the other away and run the same command again, "
                "or replace it with --overwrite"
            )
        self._storage.remove(f"{self.folder}/replaced")
        self._storage.rename(self._storage.path, f"{self.folder}/replaced")

    def _parts(self, folder: str) -> list[str]:
        return [name for name in self._storage.names(folder) if name.startswith("part-")]

    def _check_files(self, whole: str) -> None:
        expected = sum(facts["files"] for facts in self._whole.values())
        found = len(self._parts(whole))
        if found != expected:
            raise OutputError(
                f"{whole}: holds {found} files, expected {expected}; somebody else changed "
                f"{self.folder}: remove it and run again"
            )
