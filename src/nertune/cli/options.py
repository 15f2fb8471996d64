"""Options that several commands share: one spelling for one choice."""

from __future__ import annotations

from typing import Annotated

import typer

from nertune.config import OnError, ReadSettings
from nertune.runtime_choice import RuntimeName

Model = Annotated[  # no Path, which would make `x` of `./x`: the one may be on the Hub
    str,
    typer.Argument(
        help="Model folder, run folder of 'nertune train', name ('nertune names' lists them), or "
        "model on the Hugging Face Hub (user/name, user/name@revision)."
    ),
]
Runtime = Annotated[
    RuntimeName,
    typer.Option(help="What runs the network; auto: the best that the model folder holds."),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs", "-j", min=1, metavar="N", help="Cores to use.",
        show_default="those that are free",
    ),
]
Label = Annotated[
    list[str] | None,
    typer.Option(
        "--label", metavar="PER", help="Keep entities with this label; repeat it for several.",
        show_default="all labels",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
OnErrorOption = Annotated[
    OnError,
    typer.Option("--on-error", help="A faulty line: stop there, skip its sentence, or repair it."),
]
Separator = Annotated[
    str | None, typer.Option(help="What stands between columns; any white space if not given.")
]
WordColumn = Annotated[int, typer.Option(help="Column of the word, from 0.")]
TagColumn = Annotated[
    int | None, typer.Option(help="Column of the tag; -1 is the last.", show_default="last")
]
WordPrefix = Annotated[str, typer.Option(help="Taken off every word, as 'en:' in WikiANN.")]


def read_settings(
    separator: str | None,
    word_column: int,
    tag_column: int | None,
    word_prefix: str,
    on_error: OnError,
) -> ReadSettings:
    """How the files of a command are read."""
    return ReadSettings(
        separator=separator or None,
        word_column=word_column,
        tag_column=tag_column,
        word_prefix=word_prefix,
        on_error=on_error,
    )
