"""Pushes of a training: its checkpoints while it runs, the finished model at the end.

The Hub may be slow, out of reach or unwilling: training goes on as if there were none.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from transformers import TrainerCallback
from transformers.trainer_callback import TrainerState

from nertune import modelhub
from nertune.config import PushSettings
from nertune.errors import OutputError
from nertune.modelhub.faults import without_secrets

_STAGING = ".push."


@dataclass(frozen=True)
class _Job:
    """A copy of a checkpoint to push; without a folder the repository is only prepared."""

    folder: Path | None
    message: str = ""


class AutoPush(TrainerCallback):
    """Pushes beside the training, in a thread of its own; of several checkpoints the newest.

    What fails is told through `warn` and tried again with the next checkpoint and at the end. Give
    it to `train` as a callback, and call `finish` when that has returned.
    """

    def __init__(self, settings: PushSettings, warn: Callable[[str], None]) -> None:
        if settings.repo is None:
            raise OutputError("push.repo: is not given; expected a repository, as user/name")
        self.repo = settings.repo
        self.settings = settings
        self.warn = warn
        self._later = f"{'at the next save and ' * settings.every_save}at the end"
        self._lock = Lock()
        self._next: _Job | None = None
        self._thread: Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether something is being pushed."""
        return self._thread is not None

    def on_train_begin(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Make the repository, so that one that cannot be pushed to is known of at once."""
        if state.is_world_process_zero:
            for left in Path(args.output_dir).parent.glob(f"{_STAGING}*"):
                shutil.rmtree(left, ignore_errors=True)  # by a process that was killed
            self._offer(_Job(None))

    def on_save(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Push the checkpoint just written, from a copy: Trainer takes old ones away."""
        if not state.is_world_process_zero or not self.settings.every_save:
            return
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        try:
            copy = _copied(folder, folder.parents[1])
        except OSError as error:
            self.warn(f"push.every_save: {folder} cannot be copied ({error}); it is not pushed")
            return
        self._offer(_Job(copy, f"Checkpoint of step {state.global_step} of {state.max_steps}"))

    def finish(self, model: Path) -> str | None:
        """Push the finished model; the address of its commit, or None where that fails."""
        with self._lock:
            overtaken, self._next = self._next, None
        _discard(overtaken)
        self.wait()
        try:
            private = self.settings.private
            return modelhub.push(model, self.repo, private=private, quiet=True).url
        except Exception as error:  # noqa: BLE001 - the model is there, whatever a push may do
            self.warn(f"push.repo: {without_secrets(str(error))}")
            return None

    def wait(self) -> None:
        """Return when everything that was begun is done."""
        while (thread := self._thread) is not None:
            thread.join()

    def _offer(self, job: _Job) -> None:
        """Put a job in the place of one that has not begun."""
        with self._lock:
            overtaken, self._next = self._next, job
            if self._thread is None:
                self._thread = Thread(target=self._work, name="push", daemon=True)
                self._thread.start()
        _discard(overtaken)

    def _work(self) -> None:
        while job := self._taken():
            try:
                self._do(job)
            except Exception as error:  # noqa: BLE001 - a training outlives whatever a push may do
                told = without_secrets(str(error))
                self.warn(f"push.repo: {told} (tried again {self._later})")
            finally:
                _discard(job)

    def _taken(self) -> _Job | None:
        """The next job; without one the thread ends."""
        with self._lock:
            job, self._next = self._next, None
            if job is None:
                self._thread = None
            return job

    def _do(self, job: _Job) -> None:
        private = self.settings.private
        if job.folder is None:
            modelhub.prepare(self.repo, private)
        else:
            modelhub.push(
                job.folder, self.repo, private=private, message=job.message, quiet=True
            )


def _copied(folder: Path, parent: Path) -> Path:
    """A copy of a model's files, in a new folder in `parent`."""
    copy = Path(tempfile.mkdtemp(dir=parent, prefix=_STAGING))
    try:
        for name in modelhub.pushed_files(folder):
            shutil.copyfile(folder / name, copy / name)
    except OSError:
        shutil.rmtree(copy, ignore_errors=True)
        raise
    return copy


def _discard(job: _Job | None) -> None:
    if job is not None and job.folder is not None:
        shutil.rmtree(job.folder, ignore_errors=True)
