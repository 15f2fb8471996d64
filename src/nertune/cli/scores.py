"""nertune evaluate and nertune score."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Annotated

import typer

from nertune import schemes
from nertune.cli import render
from nertune.cli.options import (
    Json,
    Model,
    OnErrorOption,
    Separator,
    TagColumn,
    WordColumn,
    WordPrefix,
    read_settings,
)
from nertune.config import ReadSettings
from nertune.data import ReadReport, read
from nertune.documents import Document
from nertune.errors import DataError
from nertune.evaluation import evaluate_file
from nertune.scoring import score as score_tags
from nertune.splitting import split


def evaluate(
    model: Model,
    file: Annotated[Path, typer.Argument(help="Annotated file.")],
    separator: Separator = None,
    word_column: WordColumn = 0,
    tag_column: TagColumn = -1,
    word_prefix: WordPrefix = "",
    on_error: OnErrorOption = "stop",
    as_json: Json = False,
) -> None:
    """Predict an annotated file and score the predictions against its annotation.

    [dim]Example:[/]

    nertune evaluate runs/conll2003-minilm eng.testb
    """
    from nertune.engine import Tagger

    settings = read_settings(separator, word_column, tag_column, word_prefix, on_error)
    scored, gold = evaluate_file(Tagger.load(model), file, settings)
    if as_json:
        render.print_json({**scored.scores.to_dict(), "loss": scored.mean_loss})
    else:
        render.print_scores(scored.scores, file.name)
    for line in gold.facts.lines():
        render.warn(line)


def score(
    gold: Annotated[Path, typer.Argument(help="File with the true tags.")],
    predicted: Annotated[Path, typer.Argument(help="File with the predicted tags.")],
    gold_column: Annotated[int, typer.Option(help="Column of the true tag; -1 is the last.")] = -1,
    predicted_column: Annotated[
        int, typer.Option(help="Column of the predicted tag; -1 is the last.")
    ] = -1,
    separator: Separator = None,
    word_column: WordColumn = 0,
    on_error: OnErrorOption = "stop",
    as_json: Json = False,
) -> None:
    """Score predicted tags against true ones, as conlleval does. The two may be the same file.

    [dim]Examples:[/]

    nertune score eng.testb predictions.conll

    nertune score test_predictions.conll test_predictions.conll --gold-column 1
    """
    settings = read_settings(separator, word_column, gold_column, "", on_error)
    report = ReadReport()
    pairs = list(
        _pairs(
            (gold, settings),
            (predicted, settings.model_copy(update={"tag_column": predicted_column})),
            report,
        )
    )
    scores = score_tags([true for true, _ in pairs], [found for _, found in pairs])
    if as_json:
        render.print_json(scores.to_dict())
    else:
        render.print_scores(scores, predicted.name)
    if not report.clean:
        for line in report.lines()[1:]:
            render.warn(line)


def _pairs(
    gold: tuple[Path, ReadSettings], predicted: tuple[Path, ReadSettings], report: ReadReport
) -> Iterator[tuple[list[str], list[str]]]:
    """The tags of each sentence in both files, which must hold the same words."""
    sides = (_sentences(read(path, settings, report)) for path, settings in (gold, predicted))
    for number, (true, found) in enumerate(zip_longest(*sides), start=1):
        if true is None or found is None:
            ends = gold[0] if true is None else predicted[0]
            raise DataError(
                f"ends after sentence {number - 1}, the other file goes on; expected the same "
                "sentences in both",
                ends,
            )
        if true[0] != found[0]:
            raise DataError(_parting(true[0], found[0], number), predicted[0])
        yield true[1], found[1]


def _parting(true: list[str], found: list[str], number: int) -> str:
    """Where two readings of a sentence part."""
    for place, (a, b) in enumerate(zip_longest(true, found), start=1):
        if a != b:
            return (
                f"word {place} of sentence {number} is {b!r}, in the gold file {a!r}; expected "
                "the same words in both"
            )
    raise AssertionError("called for equal sentences")


def _sentences(documents: Iterable[Document]) -> Iterator[tuple[list[str], list[str]]]:
    for raw in documents:
        document = split(raw)
        words = document.words
        tags = document.tags or document.tags_in(schemes.SCHEMES["IOB2"])
        for start, end in document.sentences:
            yield words[start:end], list(tags[start:end])
