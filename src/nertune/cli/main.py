"""The program `nertune`: its commands, and what becomes of errors."""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated

import typer
from rich.text import Text

import nertune
from nertune.cli import comparing, data, scores, sharing, tagging, training
from nertune.cli.render import clean, errors
from nertune.errors import NertuneError

app = typer.Typer(
    name="nertune",
    help="Annotated text in, a named-entity recogniser people can rely on out.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("quickstart", rich_help_panel="Train")(training.quickstart)
app.command("train", rich_help_panel="Train")(training.train)
app.command("predict", rich_help_panel="Use")(tagging.predict)
app.command("card", rich_help_panel="Use")(sharing.card)
app.command("push", rich_help_panel="Use")(sharing.push)
app.command("evaluate", rich_help_panel="Score")(scores.evaluate)
app.command("score", rich_help_panel="Score")(scores.score)
app.command("compare", rich_help_panel="Score")(comparing.compare)
app.add_typer(data.app, name="data", rich_help_panel="Data")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"nertune {nertune.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the program: a wrong input ends with its message and status 2, never with a traceback."""
    _open_closed()
    if isinstance(sys.stdout, io.TextIOWrapper):  # what we write is UTF-8, whatever the locale
        sys.stdout.reconfigure(encoding="utf-8")
    try:
        status = _status()
        sys.stdout.flush()
    except NertuneError as error:
        status = _failed(str(error))
    except KeyboardInterrupt:
        status = 130
    except BrokenPipeError:  # `nertune predict ... | head` is no fault
        status = _cut_off(0)
    except OSError as error:
        what = error.strerror or error
        status = _cut_off(_failed(f"{error.filename or 'standard output'}: {what}"))
    sys.exit(status)


def _open_closed() -> None:
    """Give a program started with `<&-` or `>&-` streams that hold and keep nothing."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


def _status() -> int:
    """Run the command; typer ends every one with SystemExit."""
    try:
        app(prog_name="nertune")
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):
            raise end.__context__ from None
        return end.code if isinstance(end.code, int) else 0
    return 0


def _failed(message: str) -> int:
    errors.print(Text.assemble(("error: ", "bold red"), clean(message)), soft_wrap=True)
    return 2


def _cut_off(status: int) -> int:
    """The status, with what is left unwritten thrown away: Python would fail on it once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status
