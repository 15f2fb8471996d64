"""nertune spark tag; run as a file, what spark-submit takes."""

from __future__ import annotations

import importlib.resources
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nertune.cli import render
from nertune.cli.options import Json, Label, Model, Runtime
from nertune.errors import RecipeError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from nertune.spark import Job, JobResult, Tally

_LINE_SECONDS = 30.0
_QUIET = {"spark.ui.showConsoleProgress": "false"}

app = typer.Typer(
    help="Tag on Spark, on one machine or many.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


@app.callback()
def _group() -> None:
    """Keep `tag` a command of its own while it is the only one."""


@app.command()
def tag(
    model: Model,
    source: Annotated[
        str, typer.Argument(metavar="IN", help="File, folder or glob that Spark reads.")
    ],
    out: Annotated[
        str,
        typer.Argument(
            metavar="OUT",
            help="Folder to make, on any file system that Spark writes to. It appears when it is "
            "whole; until then OUT.partial is what the same command goes on with.",
        ),
    ],
    text_column: Annotated[str, typer.Option(help="The column of texts.")] = "text",
    id_column: Annotated[
        str | None, typer.Option(help="A column that names a row in errors.")
    ] = None,
    format: Annotated[
        Literal["parquet", "json", "text"] | None,
        typer.Option(
            help="Of the input. json: an object a line; text: a document a line. Parquet gives "
            "parquet, json and text give JSON lines.",
            show_default="by the files' ending",
        ),
    ] = None,
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Leave out entities with a lower score.")
    ] = 0.0,
    label: Label = None,
    runtime: Runtime = "auto",
    delivery: Annotated[
        Literal["path", "ship"],
        typer.Option(
            help="path: workers read the model's folder themselves; ship: Spark sends it."
        ),
    ] = "path",
    on_error: Annotated[
        Literal["skip", "stop"],
        typer.Option(help="A row that fails: tell why in the column of errors, or end the job."),
    ] = "skip",
    entities_column: Annotated[str, typer.Option(help="Name of the new column.")] = "entities",
    error_column: Annotated[
        str, typer.Option(help="Name of the other: why a row failed, else null.")
    ] = "error",
    slices: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Parts that are done one after another; a stopped job goes on after the "
            "last that was whole.",
            show_default="one for 4 MB and core, at most 32",
        ),
    ] = None,
    partitions: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Tasks of a slice, and files that it writes.",
            show_default="one for 2 MB, at least one a core",
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Replace OUT, and begin anew what OUT.partial holds of another "
            "input, model or setting.",
        ),
    ] = False,
    master: Annotated[
        str | None,
        typer.Option(
            help="Where Spark runs: 'local[4]', 'spark://host:7077', 'yarn'.",
            show_default="spark-submit's, else all cores of this machine",
        ),
    ] = None,
    conf: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="A setting of Spark's; repeat it for several."),
    ] = None,
    json_output: Json = False,
) -> None:
    """Find the entities in the rows of files, on any cluster; rows keep their columns.

    Each row gets 'entities', the annotations of Spark NLP's NerConverter, and 'error'. A JSON line
    that cannot be parsed is a row that failed.

    [dim]Examples:[/]

    nertune spark tag runs/conll2003 'news/*.jsonl' news-tagged --text-column body

    nertune spark tag me/my-ner hdfs:///news.parquet hdfs:///tagged --master yarn --delivery ship

    spark-submit --master yarn "$(python -m nertune.cli.spark)" MODEL IN OUT --delivery ship
    """  # fmt: skip
    from nertune.spark import Finding, Job

    finding = Finding(threshold, tuple(label) if label else None, runtime, delivery, on_error)
    job = Job(
        model, source, out, text_column, id_column, format, finding,
        entities_column, error_column, slices, partitions, overwrite,
    )  # fmt: skip
    result = _run(job, master, _settings(conf))
    _tell(result, json_output)


def _settings(conf: list[str] | None) -> dict[str, str]:
    """Spark's settings by name. Raises RecipeError for one that is no KEY=VALUE."""
    pairs = [one.partition("=") for one in conf or ()]
    faults = [
        f"is '{name}{equals}{value}'; expected KEY=VALUE, as spark.executor.memory=4g"
        for name, equals, value in pairs
        if not (name and equals)
    ]
    if faults:
        raise RecipeError("--conf", faults)
    return {name.strip(): value for name, _, value in pairs}


def _run(job: Job, master: str | None, settings: dict[str, str]) -> JobResult:
    """The job in a session of its own, or in the one there is."""
    from nertune.spark import job_session, run_job
    from nertune.spark.delivery import folder_for

    folder_for(job.model)  # a model that is nowhere is told before Spark takes its time to start
    if "PYSPARK_GATEWAY_PORT" not in os.environ:  # spark-submit has settings of its own
        settings = {**_QUIET, **settings}
        quiet = importlib.resources.files("nertune") / "spark" / "quiet.properties"
        os.environ.setdefault("SPARK_SUBMIT_OPTS", f"-Dlog4j2.configurationFile={quiet}")
    try:
        with (
            _quiet_gateway(),
            job_session(master, f"nertune spark tag {job.out}", settings) as spark,
            _Shown() as shown,
        ):
            return run_job(spark, job, shown)
    except KeyboardInterrupt:
        render.say_aside("stopped; the same command goes on after the slices that are whole")
        raise


@contextmanager
def _quiet_gateway() -> Iterator[None]:
    """No tracebacks of py4j where Ctrl-C ends its calls; what it raises is told."""
    logger = logging.getLogger("py4j")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)


def _tell(result: JobResult, as_json: bool) -> None:
    tally = result.tally
    if as_json:
        facts = {**asdict(result), "words_per_second": round(result.words_per_second, 1)}
        render.print_json({**facts, "seconds": round(result.seconds, 2)})
    elif result.was_there:
        render.say_aside(f"{result.out}: was there already, made from the same")
    if tally.failed:
        noun = "row" if tally.failed == 1 else "rows"
        render.warn(f"{tally.failed:,} {noun} failed; the column of errors says why")
    if not as_json:
        render.say_aside(_summary(result))


def _summary(result: JobResult) -> str:
    line = f"{_counted(result.tally)}; with {result.runtime}"
    if result.run.rows:
        line += f", {result.words_per_second:,.0f} words/s"
    return f"{line}; written to {result.out}"


def _counted(tally: Tally) -> str:
    """Rows, words and entities, with their nouns."""
    counts = (
        (tally.rows, "row", "rows"),
        (tally.words, "word", "words"),
        (tally.entities, "entity", "entities"),
    )
    return ", ".join(f"{n:,} {one if n == 1 else many}" for n, one, many in counts)


class _Shown(AbstractContextManager["_Shown"]):
    """What a job shows while it runs: a bar, or without a terminal a line now and then."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._slices = (0, 0)
        self._words = 0
        self._start = self._told = time.monotonic()

    def begins(self, n_slices: int, kept: int) -> None:
        """See `JobWatch`."""
        self._slices = (kept, n_slices)
        self._start = self._told = time.monotonic()
        if render.errors.is_terminal:
            self._bar = _bar(render.errors)
            self._task = self._bar.add_task("", total=n_slices, **self._fields(0, 0))
            self._bar.start()

    def tasks(self, n_done: int, n_tasks: int) -> None:
        """See `JobWatch`."""
        fields = self._fields(n_done, n_tasks)
        if self._bar is not None and self._task is not None:
            done = self._slices[0] + n_done / n_tasks
            self._bar.update(self._task, completed=done, **fields)
        elif time.monotonic() - self._told >= _LINE_SECONDS:
            self._told = time.monotonic()
            render.say_aside(", ".join(value for value in fields.values() if value))

    def slice_done(self, tally: Tally) -> None:
        """See `JobWatch`."""
        done, n_slices = self._slices
        self._slices, self._words = (done + 1, n_slices), tally.words
        self.tasks(0, 1)

    def say(self, line: str) -> None:
        """See `JobWatch`."""
        render.say_aside(line)

    def _fields(self, n_done: int, n_tasks: int) -> dict[str, Any]:
        done, n_slices = self._slices
        rate = self._words / max(time.monotonic() - self._start, 1e-9)
        return {
            "slices": f"{done} of {n_slices} slice{'s' * (n_slices != 1)}",
            "tasks": f"{n_done} of {n_tasks} tasks" if n_tasks > 1 else "",
            "rate": f"{rate:,.0f} words/s" if self._words else "",
        }

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()


def _bar(console: Any) -> Progress:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
    from rich.progress import TimeElapsedColumn as Elapsed

    fields = (TextColumn(f"{{task.fields[{name}]}}") for name in ("slices", "tasks", "rate"))
    columns = (BarColumn(bar_width=None), TaskProgressColumn(), *fields, Elapsed())
    return Progress(*columns, console=console, transient=True, expand=True)


def submitted() -> None:
    """Run `tag` with the arguments that spark-submit gives; without any, print what to give it."""
    from nertune.cli.main import main

    if len(sys.argv) == 1:
        typer.echo(__file__)
        return
    sys.argv[1:1] = ["spark", "tag"]
    main()


if __name__ == "__main__":
    submitted()
