"""nertune push and nertune card."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from nertune import modelhub
from nertune.cli import render


def push(
    run: Annotated[Path, typer.Argument(help="Run folder of 'nertune train', or model folder.")],
    repo: Annotated[str, typer.Argument(help="Repository, as user/name; made if there is none.")],
    private: Annotated[
        bool, typer.Option("--private", help="Make the repository a private one.")
    ] = False,
    revision: Annotated[
        str | None, typer.Option(help="Branch to push to; made if there is none.")
    ] = None,
    message: Annotated[str | None, typer.Option(help="What the commit says.")] = None,
) -> None:
    """Upload a model to the Hugging Face Hub in one commit, and print the commit's address.

    [dim]Examples:[/]

    nertune push runs/quickstart me/my-ner --private

    nertune push runs/quickstart me/my-ner --revision v2 --message 'More training text'

    Log in with 'hf auth login' before, or set HF_TOKEN. The model is loaded again by its name:

    echo 'Ada Lovelace lived in London.' | nertune predict me/my-ner -
    """
    pushed = modelhub.push(run, repo, private=private, revision=revision, message=message)
    if modelhub.CARD not in pushed.files:
        render.warn(
            f"{run}: the model has no {modelhub.CARD}, the card that says what it is and how good; "
            f"write one with 'nertune card {shlex.quote(str(run))}' and push again"
        )
    if not pushed.changed:
        render.warn(f"{repo}: held the very same files already; nothing was changed")
    render.say(pushed.url)


def card(
    run: Annotated[Path, typer.Argument(help="Run folder of 'nertune train', or model folder.")],
    licence: Annotated[
        str | None,
        typer.Option(
            "--license", "--licence", help="Of the model, as apache-2.0.",
            show_default="the recipe's",
        ),
    ] = None,
    repo: Annotated[
        str | None,
        typer.Option(
            help="Where the model will be on the Hub, as user/name: the examples load it from "
            "there.",
            show_default="the recipe's push.repo",
        ),
    ] = None,
    compare: Annotated[
        list[Path] | None,
        typer.Option(help="Run folder of another model to compare with; may be repeated."),
    ] = None,
    examples: Annotated[
        bool, typer.Option(help="Show names and sentences of the data.")
    ] = True,
    out: Annotated[
        Path | None, typer.Option(help="File to write.", show_default="README.md of the model")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a card that was edited by hand.")
    ] = False,
) -> None:
    """Write the model card: what the model finds, how to use it, how good it is, where it ends.

    'nertune push' uploads it with the model. A card that nobody has edited is written anew.

    [dim]Examples:[/]

    nertune card runs/quickstart --license apache-2.0 --repo me/my-ner

    nertune card runs/large --compare runs/small --compare runs/tiny
    """
    from nertune.card import CardOptions, write_card

    options = CardOptions(licence, repo, tuple(compare or ()), examples)
    written = write_card(run, options, out=out, overwrite=overwrite)
    for line in written.missing:
        render.warn(line)
    render.say(str(written.path))
