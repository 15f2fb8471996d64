"""The program `nertune`: its commands, and what becomes of errors."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import click
import typer

import nertune
from nertune.cli import data, scores, tagging, training
from nertune.cli.render import errors
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
app.command("evaluate", rich_help_panel="Score")(scores.evaluate)
app.command("score", rich_help_panel="Score")(scores.score)
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
    try:
        status = app(standalone_mode=False)
    except NertuneError as error:
        errors.print(f"[bold red]error:[/] {_escaped(str(error))}", highlight=False, soft_wrap=True)
        status = 2
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        errors.print("interrupted")
        status = 130
    except BrokenPipeError:  # `nertune predict ... | head` is no fault
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    sys.exit(status if isinstance(status, int) else 0)


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")
