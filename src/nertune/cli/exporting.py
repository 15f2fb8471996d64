"""nertune export."""

from __future__ import annotations

import importlib.resources
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from nertune.cli import render
from nertune.cli.options import (
    Json,
    Model,
    OnErrorOption,
    Separator,
    TagColumn,
    WordColumn,
    WordPrefix,
    read_settings,
)
from nertune.data import read
from nertune.documents import Document
from nertune.errors import DependencyError, ExportError, RecipeError
from nertune.modelhub import open_bundle
from nertune.splitting import split

if TYPE_CHECKING:
    from nertune.bundle import Bundle
    from nertune.export import Exported, Gate

_MAX_DROP = 0.3


def export(
    model: Model,
    to: Annotated[
        Literal["spark-nlp"] | None,
        typer.Option(
            help="Another program to write the model for; spark-nlp: the folder that Spark NLP's "
            "loadSavedModel reads. Needs --out, a folder that does not exist yet.",
            show_default="nertune itself",
        ),
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="Write an int8 graph too: a quarter of the size, faster.")
    ] = False,
    gate: Annotated[
        Path | None,
        typer.Option(help="Annotated data, on which F1 must not fall by more than --max-drop."),
    ] = None,
    max_drop: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Points of F1 that a graph may lose on the gate data.",
            show_default=str(_MAX_DROP),
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A model folder to make, with the graphs and without the weights; it needs no "
            "torch.",
            show_default="into the model's own folder",
        ),
    ] = None,
    separator: Separator = None,
    word_column: WordColumn = 0,
    tag_column: TagColumn = -1,
    word_prefix: WordPrefix = "",
    on_error: OnErrorOption = "stop",
    json_output: Json = False,
) -> None:
    """Write a model as ONNX graphs, which run without torch and faster, int8 several times.

    Every graph is proved before it gets its name: the fp32 graph gives the scores of torch on the
    gate data, or on sentences that come with nertune, and with --gate neither loses more F1 than
    allowed. Without it the F1 of int8 is not measured.
    What loads the model from then on takes the fastest graph there is (see --runtime of predict).
    With --to spark-nlp it prints the Python lines that load the model in Spark NLP, and warns of
    what the model does otherwise there; --gate then measures F1 as Spark NLP feeds the graph.

    [dim]Examples:[/]

    nertune export runs/conll2003 --int8 --gate dev.conll

    nertune export me/my-ner --int8 --out my-ner-int8

    nertune export runs/conll2003 --to spark-nlp --gate dev.conll --out conll2003-spark-nlp
    """
    if max_drop is not None and gate is None:
        raise RecipeError(
            "--max-drop", ["is measured on annotated data; give it too, as --gate dev.conll"]
        )
    if to and (faults := _faults_of_spark_nlp(int8, out)):
        raise RecipeError(f"--to {to}", faults)
    bundle = open_bundle(model)
    if out is None and not Path(model).exists():
        raise ExportError(
            f"{model}: is a name, or is a model on the Hub; say with --out which folder the graphs "
            "shall go to"
        )
    try:
        from nertune.export import Gate
    except ModuleNotFoundError as error:
        raise DependencyError(error.name or "onnx", "export", "Exporting a model") from error
    chosen = None
    if gate is not None:
        settings = read_settings(separator, word_column, tag_column, word_prefix, on_error)
        chosen = Gate(gate, settings, _MAX_DROP if max_drop is None else max_drop)
    if to and out:
        _to_spark_nlp(bundle, chosen, out, json_output)
    else:
        _to_graphs(bundle, chosen, int8, out, json_output)


def _to_graphs(
    bundle: Bundle, gate: Gate | None, int8: bool, out: Path | None, json_output: bool
) -> None:
    """Write nertune's own graphs, and show what was measured."""
    from nertune.export import export

    with _Steps() as steps:
        rows = export(bundle, _samples(), int8=int8, gate=gate, out=out, progress=steps.begin)
    if json_output:
        render.print_json([row.to_dict() for row in rows])
    else:
        render.out.print(_table(rows))
    if gate is None and int8:
        render.warn("F1 was not measured; give annotated data with --gate before you rely on int8")
    place = out or bundle.folder
    files = " and ".join(row.file for row in rows[1:])
    render.say_aside(f"written: {files} in {place}")


def _faults_of_spark_nlp(int8: bool, out: Path | None) -> list[str]:
    """Options that do not go with it."""
    faults = []
    if int8:
        faults.append("writes the fp32 graph only, the kind that Spark NLP documents; leave --int8")
    if out is None:
        faults.append("needs --out: a folder to make, which does not exist yet")
    return faults


def _to_spark_nlp(bundle: Bundle, gate: Gate | None, out: Path, json_output: bool) -> None:
    """Write the folder that Spark NLP loads, and show how, and what it does otherwise there."""
    from nertune.export import export_for_spark_nlp

    with _Steps() as steps:
        made = export_for_spark_nlp(bundle, _samples(), out, gate=gate, progress=steps.begin)
    if json_output:
        render.print_json(made.to_dict())
    else:
        render.say(made.python.rstrip("\n"))
    for line in made.warnings:
        render.warn(line)
    render.say_aside(made.measured)
    files = ", ".join(["model.onnx", *(f"assets/{name}" for name in made.assets), "README.md"])
    render.say_aside(f"written: {files} in {out}")


def _samples() -> list[Document]:
    """The sentences that come with nertune."""
    samples = importlib.resources.files("nertune") / "samples" / "dev.jsonl"
    with importlib.resources.as_file(samples) as path:
        return [split(document) for document in read(path)]


class _Steps(AbstractContextManager["_Steps"]):
    """What is being done, on standard error: a line for each step, with the seconds it took."""

    def __init__(self) -> None:
        self._status = render.errors.status("")
        self._now = ""
        self._start = 0.0

    def begin(self, step: str) -> None:
        """The next step."""
        self._end()
        self._now, self._start = step, time.monotonic()
        if render.errors.is_terminal:
            self._status.update(f"[dim]{step} ...[/]")
            self._status.start()

    def _end(self) -> None:
        self._status.stop()
        if self._now:
            render.say_aside(f"{self._now}: {time.monotonic() - self._start:.1f} s")
            self._now = ""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._status.stop()
        if kind is None:
            self._end()


def _table(rows: Sequence[Exported]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    gated = any(row.f1 is not None for row in rows)
    table.add_column("runtime")
    for title in ("MB", "words/s", "entities as torch", "F1 (interval)")[: 3 + gated]:
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        cells = [
            row.runtime,
            f"{row.n_bytes / 1e6:.1f}",
            f"{row.words_per_second:,.0f}",
            f"{row.same_entities:.2f} %",
        ]
        if row.f1 is not None and row.interval is not None:
            cells.append(f"{row.f1:.2f} ({row.interval[0]:.2f} to {row.interval[1]:.2f})")
        table.add_row(*cells)
    return table
