"""What a run shows and writes down while it trains."""

from __future__ import annotations

import json
import math
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

from accelerate.utils import gather_object
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from tokenizers import Tokenizer
from transformers import TrainerCallback
from transformers.trainer_callback import TrainerControl, TrainerState

from nertune.bundle import TaggerSettings
from nertune.model import complete
from nertune.training.trainer import Collator

_PLAIN_SECONDS = 20.0
_STEPS_BETWEEN_VOTES = 10


class MetricsFile(TrainerCallback):
    """Appends every logged value to `metrics.jsonl`, one JSON object a line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_log(
        self, args: Any, state: TrainerState, control: Any, logs: Any = None, **_: Any
    ) -> None:
        """Write one line: time, step, epoch and the values."""
        if not state.is_world_process_zero or not logs:
            return
        row = {"time": round(time.time(), 3), "step": state.global_step, **logs}
        row["epoch"] = state.epoch
        numbers = {key: value for key, value in row.items() if isinstance(value, int | float)}
        row |= {key: None for key, value in numbers.items() if not math.isfinite(value)}
        with self.path.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(row, allow_nan=False) + "\n")


class WholeCheckpoints(TrainerCallback):
    """Makes a bundle of every checkpoint, so that it can be used, or pushed, as a model."""

    def __init__(self, settings: TaggerSettings, tokenizer: Tokenizer) -> None:
        self.settings = settings
        self.tokenizer = tokenizer

    def on_save(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Write settings and tokenizer beside the network."""
        if state.is_world_process_zero:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            complete(folder, self.settings, self.tokenizer)


class Interrupt(TrainerCallback):
    """Turns Ctrl-C and SIGTERM into a checkpoint and an orderly end.

    The first signal is acted on after the running step; a second Ctrl-C ends the program at once.
    Several processes agree on it every few steps, since a signal need not reach all of them at the
    same step.
    """

    def __init__(self, console: Console, n_processes: int = 1) -> None:
        self.console = console
        self.n_processes = n_processes
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupt:
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                self._before[number] = signal.signal(number, self._ask)
            except ValueError:  # not the main thread: signals stay with whoever called
                break
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True
        self.console.print("[yellow]Stopping: saving a checkpoint first ...[/]")

    def on_step_end(self, args: Any, state: Any, control: TrainerControl, **_: Any) -> None:
        """Ask Trainer to save and to stop."""
        if self.n_processes > 1:
            if state.global_step % _STEPS_BETWEEN_VOTES:
                return
            self.asked = any(gather_object([self.asked]))
        if self.asked:
            # Where an epoch ends here, its evaluation is due: a resumed run would not make up for
            # it. Trainer then saves after it by itself.
            control.should_save = args.save_strategy != "epoch" or not _epoch_ends(state)
            control.should_training_stop = True

    def on_epoch_end(self, args: Any, state: Any, control: TrainerControl, **_: Any) -> None:
        """Trainer comes by here on its way out, also from the middle of an epoch."""
        if self.asked and not _epoch_ends(state):
            control.should_evaluate = False
            control.should_save = False


def _epoch_ends(state: TrainerState) -> bool:
    epoch = state.epoch or 0.0
    return epoch == round(epoch) or state.global_step >= state.max_steps


class ShowProgress(TrainerCallback):
    """A bar with epoch, loss, dev F1, words/s and time left; plain lines without a terminal."""

    def __init__(self, console: Console, collator: Collator) -> None:
        self.console = console
        self.collator = collator
        self.loss = self.best = float("nan")
        self.progress: Progress | None = None
        self._training_seconds = 0.0
        self._since = self._last_line = 0.0
        self._first_step = 0
        self._task = TaskID(0)

    @property
    def words_per_second(self) -> float:
        """Annotated words trained on, by time spent training (evaluations left out)."""
        running = time.perf_counter() - self._since if self._since else 0.0
        seconds = self._training_seconds + running
        return self.collator.n_words / seconds if seconds else 0.0

    def on_train_begin(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Start the bar and the clock."""
        self._since = self._last_line = time.perf_counter()
        self._first_step = state.global_step
        if state.best_metric is not None:  # of the run that this one goes on with
            self.best = state.best_metric
        if not state.is_world_process_zero or not self.console.is_terminal:
            return
        self.progress = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TextColumn("loss {task.fields[loss]}  dev F1 {task.fields[f1]}"),
            TextColumn("{task.fields[rate]} words/s"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
        )
        self._task = self.progress.add_task(
            "train", total=state.max_steps, completed=state.global_step, **self._fields(state)
        )
        self.progress.start()

    def on_step_end(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Move the bar, or print a plain line now and then."""
        if self.progress:
            self.progress.update(self._task, completed=state.global_step, **self._fields(state))
        elif state.is_world_process_zero and self._line_is_due():
            fields = self._fields(state)
            left = self._seconds_left(state)
            self.console.print(
                f"epoch {fields['epoch']}  step {state.global_step}/{state.max_steps}  "
                f"loss {fields['loss']}  {fields['rate']} words/s  {left:.0f} s left",
                highlight=False,
            )

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Remember the latest training loss."""
        self.loss = (logs or {}).get("loss", self.loss)

    def on_evaluate(
        self, args: Any, state: TrainerState, control: Any, metrics: Any = None, **_: Any
    ) -> None:
        """Print one line for each evaluation; it took no training time."""
        f1, seconds = metrics["eval_f1"], metrics["eval_seconds"]
        self._since += seconds
        best = not f1 <= self.best
        self.best = f1 if best else self.best
        if state.is_world_process_zero:
            self.console.print(
                f"epoch {state.epoch or 0:.2f}  loss {_number(self.loss, 4)}  "
                f"dev loss {metrics['eval_loss']:.4f}  dev F1 {100 * f1:.2f}{'*' if best else ' '}"
                f"  {self.words_per_second:,.0f} words/s",
                highlight=False,
            )

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Take the bar away and stop the clock."""
        self.close()

    def close(self) -> None:
        """Safe to call twice, also after an error."""
        if self.progress:
            self.progress.stop()
            self.progress = None
        if self._since:
            self._training_seconds += time.perf_counter() - self._since
            self._since = 0.0

    def _line_is_due(self) -> bool:
        now = time.perf_counter()
        if now - self._last_line < _PLAIN_SECONDS:
            return False
        self._last_line = now
        return True

    def _seconds_left(self, state: TrainerState) -> float:
        done = state.global_step - self._first_step
        spent = time.perf_counter() - self._since
        return spent / max(1, done) * (state.max_steps - state.global_step)

    def _fields(self, state: TrainerState) -> dict[str, Any]:
        return {
            "epoch": f"{state.epoch or 0:.1f}/{state.num_train_epochs}",
            "loss": _number(self.loss, 3),
            "f1": _number(100 * self.best, 2),
            "rate": f"{self.words_per_second:,.0f}",
        }


def _number(value: float, digits: int) -> str:
    """A figure, or a dash as long as there is none."""
    return "-" if math.isnan(value) else f"{value:.{digits}f}"
