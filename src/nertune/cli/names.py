"""nertune names."""

from __future__ import annotations

from nertune.cli import render
from nertune.cli.options import Json
from nertune.modelnames import known_models


def names(as_json: Json = False) -> None:
    """List the names that models have: those built in, and those of your own file, which win.

    Every command that takes a model takes a name. Your file is ~/.config/nertune/models.yaml, or
    the one that the environment variable NERTUNE_MODELS names; it has lines as 'press: runs/press'
    or 'es.ner: me/my-spanish-ner'.

    [dim]Example:[/]

    nertune names
    """
    known = known_models().values()
    if as_json:
        render.print_json(
            [{"name": one.name, "model": one.model, "origin": one.origin} for one in known]
        )
        return
    # Whole lines, however narrow the terminal: they are there to be copied.
    rows = [("name", "model", "from"), *((one.name, one.model, one.origin) for one in known)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        render.say("  ".join(cells).rstrip())
