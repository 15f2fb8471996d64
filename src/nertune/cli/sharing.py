"""nertune push."""

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
