"""nertune compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nertune.cli import render
from nertune.cli.options import Json
from nertune.errors import DataError
from nertune.reports import compare_runs, comparison_sections, write_comparison


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, two or more.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for compare.html, compare.md and compare.json.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare finished runs on their test split: F1 with intervals, size, speed, significance.

    [dim]Examples:[/]

    nertune compare runs/small runs/large

    nertune compare runs/* --out comparison
    """
    if len(runs) < 2:
        raise DataError("is a single run; expected two or more to compare", runs[0])
    comparison = compare_runs(runs)
    if as_json:
        render.print_json(comparison.to_dict())
    else:
        render.print_sections(comparison_sections(comparison))
    if out:
        paths = write_comparison(comparison, out)
        render.say_aside("written: " + ", ".join(map(str, paths)))
