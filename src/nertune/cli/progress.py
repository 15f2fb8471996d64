"""What a long tagging shows while it goes on, on standard error."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nertune.cli.inputs import Inputs
from nertune.streaming import Tally, Watch

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_QUIET_SECONDS = 1.0
_LINE_SECONDS = 30.0
_UPDATE_SECONDS = 0.2


class TaggingProgress(Watch):
    """A bar with the share of the input, words/s and time left; plain lines without a terminal.

    Shows nothing in the first second. bar: standard error is a terminal that nothing else uses.
    """

    def __init__(self, inputs: Inputs, bar: bool) -> None:
        self.bar = bar
        self.n_lines = 0
        self._inputs = inputs
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._begun: Tally | None = None
        self._n_bytes_before = 0
        self.tally = Tally()
        self._start = self._shown = time.monotonic()

    def begins(self, tally: Tally) -> None:
        """Start the clock."""
        self._begun = replace(tally)
        self.tally = tally
        self._start = self._shown = time.monotonic()
        self._n_bytes_before = self._inputs.n_bytes_of(tally.documents)

    @property
    def seconds(self) -> float:
        """Since the first document was asked for."""
        return time.monotonic() - self._start

    @property
    def words_per_second(self) -> float:
        """Of this run alone, where it goes on from an earlier one."""
        before = self._begun.words if self._begun else 0
        return (self.tally.words - before) / max(self.seconds, 1e-9)

    def seen(self, tally: Tally) -> None:
        """One more document: show it if it is time."""
        self.tally = tally
        now = time.monotonic()
        if not self.bar:
            if now - self._shown >= _LINE_SECONDS:
                self._shown = now
                self.n_lines += 1
                _say(self._line())
        elif now - self._start >= _QUIET_SECONDS and now - self._shown >= _UPDATE_SECONDS:
            self._shown = now
            self._update()

    def say(self, line: str) -> None:
        """A sentence that stays, above the bar."""
        if self._progress:
            self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            _say(line)

    def summary(self, runtime: str) -> str:
        """The last line."""
        tally = self.tally
        return (
            f"{_many(tally.documents, 'document')}, {_many(tally.words, 'word')}, "
            f"{tally.entities:,} {'entity' if tally.entities == 1 else 'entities'}; "
            f"{self.words_per_second:,.0f} words/s with {runtime}"
        )

    def close(self) -> None:
        """Take the bar away; safe to call twice, also after an error."""
        if self._progress:
            self._progress.stop()
            self._progress = None

    def _update(self) -> None:
        if self._progress is None:
            self._progress = _bar(self._inputs.n_bytes is not None)
            self._task = self._progress.add_task("", total=self._inputs.n_bytes, **self._fields())
            self._progress.start()
        assert self._task is not None
        self._progress.update(self._task, completed=self._n_bytes_done, **self._fields())

    @property
    def _n_bytes_done(self) -> int:
        return self._inputs.n_bytes_of(self.tally.documents)

    def _fields(self) -> dict[str, Any]:
        return {
            "documents": f"{self.tally.documents:,}",
            "words": f"{self.tally.words:,}",
            "rate": f"{self.words_per_second:,.0f}",
        }

    def _line(self) -> str:
        fields = self._fields()
        line = f"{fields['documents']} documents, {fields['words']} words, {fields['rate']} words/s"
        total, done = self._inputs.n_bytes, self._n_bytes_done
        if not total or done <= self._n_bytes_before:
            return line
        left = self.seconds / (done - self._n_bytes_before) * (total - done)
        return f"{line}, {100 * done / total:.0f} % of the input, {_duration(left)} left"


def _bar(known: bool) -> Progress:
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from nertune.cli.render import errors

    numbers = TextColumn("{task.fields[documents]} documents  {task.fields[words]} words")
    rate = TextColumn("{task.fields[rate]} words/s")
    if not known:
        return Progress(numbers, rate, TimeElapsedColumn(), console=errors, transient=True)
    return Progress(
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        numbers,
        rate,
        TimeRemainingColumn(),
        console=errors,
        transient=True,
        expand=True,
    )


def _duration(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    if hours >= 2:
        return f"{hours:.1f} h"
    return f"{minutes:.0f} min" if minutes >= 2 else f"{seconds:.0f} s"


def _many(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _say(line: str) -> None:
    """A line on standard error, without `render`: that is 6 MB, and a tenth of a second."""
    plain = "".join(char if char.isprintable() else "\ufffd" for char in line)
    print(plain, file=sys.stderr, flush=True)  # noqa: T201 - the console of `render` is no option
