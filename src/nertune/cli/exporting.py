"""nertune export."""

from __future__ import annotations

import importlib.resources
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    from nertune.export import Exported

_MAX_DROP = 0.3


def export(
    model: Model,
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

    [dim]Examples:[/]

    nertune export runs/conll2003 --int8 --gate dev.conll

    nertune export me/my-ner --int8 --out my-ner-int8
    """
    if max_drop is not None and gate is None:
        raise RecipeError(
            "--max-drop", ["is measured on annotated data; give it too, as --gate dev.conll"]
        )
    bundle = open_bundle(model)
    if out is None and not Path(model).exists():
        raise ExportError(
            f"{model}: is a model on the Hub; say with --out which folder the graphs shall go to"
        )
    try:
        from nertune.export import Gate, export
    except ModuleNotFoundError as error:
        raise DependencyError(error.name or "onnx", "export", "Exporting a model") from error
    chosen = None
    if gate is not None:
        settings = read_settings(separator, word_column, tag_column, word_prefix, on_error)
        chosen = Gate(gate, settings, _MAX_DROP if max_drop is None else max_drop)
    with _Steps() as steps:
        rows = export(bundle, _samples(), int8=int8, gate=chosen, out=out, progress=steps.begin)
    if json_output:
        render.print_json([row.to_dict() for row in rows])
    else:
        render.out.print(_table(rows))
    if gate is None and int8:
        render.warn("F1 was not measured; give annotated data with --gate before you rely on int8")
    place = out or bundle.folder
    files = " and ".join(row.file for row in rows[1:])
    render.say_aside(f"written: {files} in {place}")


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
