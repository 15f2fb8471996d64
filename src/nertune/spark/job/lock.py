"""One job at a time on one output, on file systems that know no locks.

The lock is a file that says who made it; beside it a second one changes every few seconds as long
as that job lives. Who finds a lock that no longer changes takes it over. Should two do so at once,
only one is named in it, and the other stops before it commits anything (`Lock.check`).
"""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from nertune.errors import NertuneError, OutputError
from nertune.spark.job.settings import JobWatch
from nertune.spark.job.storage import Storage

BEAT_SECONDS = 5.0
PATIENCE_SECONDS = 30.0


class Lock:
    """Held while the block runs. Raises OutputError where another job that lives holds it."""

    def __init__(self, storage: Storage, folder: str, watch: JobWatch) -> None:
        self.token = uuid.uuid4().hex[:12]
        self._storage, self._folder, self._watch = storage, folder, watch
        self._path, self._beat_path = f"{folder}/lock", f"{folder}/beat"
        self._ended = threading.Event()
        self._beater = threading.Thread(target=self._beats, name="nertune-lock", daemon=True)
        self._n_beats = 0

    def __enter__(self) -> Lock:
        self._storage.make_folder(self._folder)
        who = {"token": self.token, "host": socket.gethostname(), "pid": os.getpid()}
        if not self._storage.create(self._path, who):
            self._take_over()
            self._storage.remove(self._path)
            self._storage.create(self._path, who)
        self._beat()
        self._beater.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.fall_silent()
        with suppress(Exception):  # what ended the block is what is told
            if self._is_ours():
                self._storage.remove(self._beat_path)
                self._storage.remove(self._path)

    def fall_silent(self) -> None:
        """Beat no more: a beat would bring a folder back that is being removed."""
        self._ended.set()
        self._beater.join()

    def check(self) -> None:
        """Raise OutputError where another job has taken the lock over."""
        if not self._is_ours():
            raise OutputError(
                f"{self._folder}: another nertune has taken this output over; let it finish"
            )

    def _is_ours(self) -> bool:
        held = self._storage.glance_at_json(self._path)
        return bool(held) and held.get("token") == self.token

    def _take_over(self) -> None:
        """Return when the job that holds the lock is dead; raise OutputError where it lives."""
        held: dict[str, Any] = self._storage.glance_at_json(self._path) or {}
        if held.get("host") == socket.gethostname() and not _runs(held.get("pid")):
            return
        who = f"{held.get('host', 'an unknown host')}, process {held.get('pid', 'unknown')}"
        self._watch.say(f"{self._folder}: locked by {who}; looking whether it still lives")
        before = self._storage.glance_at_json(self._beat_path)
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            time.sleep(BEAT_SECONDS / 10)
            if not self._storage.exists(self._path):
                return
            if self._storage.glance_at_json(self._beat_path) != before:
                raise OutputError(
                    f"{self._folder}: another nertune is writing this output ({who}); wait for it, "
                    "or choose another OUT"
                )

    def _beats(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            # One that fails may pass; `check` guards what is written.
            with suppress(NertuneError, OSError):
                self._beat()

    def _beat(self) -> None:
        self._n_beats += 1
        self._storage.touch(self._beat_path, {"token": self.token, "beat": self._n_beats})


def _runs(pid: Any) -> bool:
    """Whether a process of this machine runs; in doubt, it does."""
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except (OSError, TypeError, ValueError):
        return True
    return not _is_defunct(int(pid))


def _is_defunct(pid: int) -> bool:
    """Whether it ended and only its entry is left: in a container nobody may clear that away."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:  # no Linux
        return False
    return stat.rpartition(")")[2].split()[:1] == ["Z"]
