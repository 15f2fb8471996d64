"""What a job is told, and what it tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol, get_args

from nertune.errors import RecipeError
from nertune.spark.params import number, one_of
from nertune.spark.pipeline import Finding

Format = Literal["parquet", "json", "text"]
_STRINGS = ("model", "source", "out", "text_column", "entities_column", "error_column")


@dataclass(frozen=True)
class Job:
    """One job: a model, the files that it reads, the folder that it writes.

    source: a file, a folder or a glob, as Spark reads it. format: None is by the files' endings.
    id_column: names a row that fails. slices: parts that are done one by one; None is by size.
    partitions: tasks of a slice, and so its files; None is by size and by the cluster. overwrite:
    take the place of what stands under `out`, and of an unfinished job of another origin. Raises
    RecipeError for a value of another kind, and for two columns of one name.
    """

    model: str
    source: str
    out: str
    text_column: str = "text"
    id_column: str | None = None
    format: Format | None = None
    finding: Finding = field(default_factory=Finding)
    entities_column: str = "entities"
    error_column: str = "error"
    slices: int | None = None
    partitions: int | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        self._check_kinds()
        for name in ("slices", "partitions"):
            value = getattr(self, name)
            if value is not None:
                whole = number(name, int, 1, float("inf"))(value)
                object.__setattr__(self, name, whole)
        if self.entities_column.lower() == self.error_column.lower():
            raise RecipeError(
                "--error-column", [f"is '{self.error_column}', as --entities-column is; name two"]
            )

    def _check_kinds(self) -> None:
        for name in (*_STRINGS, *(["id_column"] if self.id_column is not None else [])):
            _check(name, getattr(self, name), str, "a string that is not empty")
        if self.format is not None:
            one_of("format", *get_args(Format))(self.format)
        _check("finding", self.finding, Finding, "a nertune.spark.Finding")
        _check("overwrite", self.overwrite, bool, "True or False")


def _check(name: str, value: object, kind: type, expected: str) -> None:
    if not isinstance(value, kind) or value == "":
        raise RecipeError(name, [f"is {value!r}; expected {expected}"])


@dataclass(frozen=True)
class Tally:
    """What was counted while it was written; `failed` are rows."""

    rows: int = 0
    words: int = 0
    entities: int = 0
    failed: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.rows + other.rows,
            self.words + other.words,
            self.entities + other.entities,
            self.failed + other.failed,
        )


@dataclass(frozen=True)
class JobResult:
    """How a job ended.

    tally: of the whole output. run: of what this run tagged itself, in `seconds`. kept: slices that
    an earlier run had done. runtime: what ran the model. was_there: the very same output stood
    there already.
    """

    out: str
    runtime: str
    tally: Tally
    run: Tally
    seconds: float
    slices: int
    kept: int
    was_there: bool = False

    @property
    def words_per_second(self) -> float:
        """Of this run alone."""
        return self.run.words / self.seconds if self.seconds > 0 else 0.0


class JobWatch(Protocol):
    """What looks on while a job runs."""

    def begins(self, n_slices: int, kept: int) -> None:
        """The slices that are missing are begun."""
        return

    def tasks(self, n_done: int, n_tasks: int) -> None:
        """So many tasks of the present slice are done; comes from another thread."""
        return

    def slice_done(self, tally: Tally) -> None:
        """One more slice is whole; `tally` is of all that this run did."""
        return

    def say(self, line: str) -> None:
        """Something that should be known."""
        return


class Unwatched(JobWatch):
    """Nobody looks on."""
