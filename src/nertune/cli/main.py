"""The program `nertune`: its commands, and what becomes of errors."""

from __future__ import annotations

import inspect
import io
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

import nertune
from nertune.errors import NertuneError


def _add_training(app: typer.Typer) -> None:
    from nertune.cli import training

    app.command("quickstart", rich_help_panel="Train")(training.quickstart)
    app.command("train", rich_help_panel="Train")(training.train)


def _add_tagging(app: typer.Typer) -> None:
    from nertune.cli import tagging

    app.command("predict", rich_help_panel="Use")(tagging.predict)


def _add_doctor(app: typer.Typer) -> None:
    from nertune.cli import doctor

    app.command("doctor", rich_help_panel="Use")(doctor.doctor)


def _add_names(app: typer.Typer) -> None:
    from nertune.cli import names

    app.command("names", rich_help_panel="Use")(names.names)


def _add_exporting(app: typer.Typer) -> None:
    from nertune.cli import exporting

    app.command("export", rich_help_panel="Use")(exporting.export)


def _add_sharing(app: typer.Typer) -> None:
    from nertune.cli import sharing

    app.command("card", rich_help_panel="Use")(sharing.card)
    app.command("push", rich_help_panel="Use")(sharing.push)


def _add_scores(app: typer.Typer) -> None:
    from nertune.cli import scores

    app.command("evaluate", rich_help_panel="Score")(scores.evaluate)
    app.command("score", rich_help_panel="Score")(scores.score)


def _add_comparing(app: typer.Typer) -> None:
    from nertune.cli import comparing

    app.command("compare", rich_help_panel="Score")(comparing.compare)


def _add_spark(app: typer.Typer) -> None:
    from nertune.cli import spark

    app.add_typer(spark.app, name="spark", rich_help_panel="Use")


def _add_data(app: typer.Typer) -> None:
    from nertune.cli import data

    app.add_typer(data.app, name="data", rich_help_panel="Data")


_COMMANDS: dict[str, Callable[[typer.Typer], None]] = {
    "quickstart": _add_training,
    "train": _add_training,
    "predict": _add_tagging,
    "doctor": _add_doctor,
    "names": _add_names,
    "export": _add_exporting,
    "card": _add_sharing,
    "push": _add_sharing,
    "evaluate": _add_scores,
    "score": _add_scores,
    "compare": _add_comparing,
    "data": _add_data,
    "spark": _add_spark,
}
"""Who adds a command, in the order of the help."""


def make_app(command: str | None = None) -> typer.Typer:
    """The program; only with what stands in the file of `command` where there is such a command.

    To import the files of the others takes longer than all the rest of the start.
    """
    app = typer.Typer(
        name="nertune",
        help="Annotated text in, a named-entity recogniser people can rely on out.",
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    wanted = [_COMMANDS[command]] if command in _COMMANDS else _COMMANDS.values()
    for add in dict.fromkeys(wanted):
        add(app)
    _join_lines(app)
    return app


def _join_lines(app: typer.Typer) -> None:
    """Let the help wrap where the terminal ends, and not where the source does too."""
    for group in app.registered_groups:
        if group.typer_instance is not None:
            _join_lines(group.typer_instance)
    for command in app.registered_commands:
        paragraphs = inspect.cleandoc(getattr(command.callback, "__doc__", None) or "").split(
            "\n\n"
        )
        command.help = "\n\n".join(" ".join(one.split()) for one in paragraphs)


if TYPE_CHECKING:
    app: typer.Typer
else:

    def __getattr__(name: str) -> Any:
        """`app`, the whole program, is made when it is asked for."""
        if name == "app":
            return make_app()
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"nertune {nertune.__version__}")
        raise typer.Exit


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
        make_app(next(iter(sys.argv[1:]), None))(prog_name="nertune")
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):
            raise end.__context__ from None
        return end.code if isinstance(end.code, int) else 0
    return 0


def _failed(message: str) -> int:
    from rich.text import Text

    from nertune.cli.render import clean, errors

    errors.print(Text.assemble(("error: ", "bold red"), clean(message)), soft_wrap=True)
    return 2


def _cut_off(status: int) -> int:
    """The status, with what is left unwritten thrown away: Python would fail on it once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status
