"""nertune export."""

from __future__ import annotations

import importlib.resources
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
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
from nertune.errors import DependencyError, ExportError
from nertune.modelhub import open_bundle
from nertune.splitting import split


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
        float, typer.Option(min=0, help="Points of F1 that a graph may lose on the gate data.")
    ] = 0.3,
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
    """Write a model as ONNX graphs, which run without torch and several times as fast.

    Every graph is proved before it gets its name: the fp32 graph gives the scores of torch on the
    gate data, or on sentences that come with nertune, and neither loses more F1 than allowed.
    What loads the model from then on takes the fastest graph there is (see --runtime of predict).

    [dim]Examples:[/]

    nertune export runs/conll2003 --int8 --gate dev.conll

    nertune export me/my-ner --int8 --out my-ner-int8
    """
    bundle = open_bundle(model)
    if out is None and not Path(model).exists():
        raise ExportError(
            f"{model}: is a model on the Hub; say with --out which folder the graphs shall go to"
        )
    try:
        from nertune.export import Gate, export
    except ModuleNotFoundError as error:
        raise DependencyError(error.name or "onnx", "export", "Exporting a model") from error
    settings = read_settings(separator, word_column, tag_column, word_prefix, on_error)
    chosen = None if gate is None else Gate(gate, settings, max_drop)
    with Console(stderr=True).status("Writing and proving the graphs"):
        samples = importlib.resources.files("nertune") / "samples" / "dev.jsonl"
        with importlib.resources.as_file(samples) as path:
            documents = [split(document) for document in read(path)]
        rows = export(bundle, documents, int8=int8, gate=chosen, out=out)
    if json_output:
        render.print_json([row.to_dict() for row in rows])
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("runtime")
    for title in ("MB", "words/s", "entities as torch", "F1 on the gate data"):
        table.add_column(title, justify="right")
    for row in rows:
        score = "not measured"
        if row.f1 is not None and row.interval is not None:
            score = f"{row.f1:.2f} [{row.interval[0]:.2f}, {row.interval[1]:.2f}]"
        table.add_row(
            row.runtime,
            f"{row.n_bytes / 1e6:.1f}",
            f"{row.words_per_second:,.0f}".replace(",", " "),
            f"{row.same_entities:.2f} %",
            score.replace("[", "\\["),
        )
    render.out.print(table)
    if gate is None and int8:
        render.warn("F1 was not measured; give annotated data with --gate before you rely on int8")
    place = out or bundle.folder
    render.out.print(f"Wrote {', '.join(row.file for row in rows[1:])} into {place}")
