"""nertune evaluate and nertune score."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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
from nertune.errors import DataError
from nertune.evaluation import evaluate_file
from nertune.scoring import score as score_tags
from nertune.splits import SplitFacts, read_split, written_tags


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
    others = settings.model_copy(update={"tag_column": predicted_column})
    sides = (
        _Side(gold, settings, "--gold-column", SplitFacts(str(gold))),
        _Side(predicted, others, "--predicted-column", SplitFacts(str(predicted))),
    )
    pairs = list(_pairs(*sides))
    true_tags, found_tags = [true for true, _ in pairs], [found for _, found in pairs]
    scores = score_tags(true_tags, found_tags)
    scheme, other = _schemes(true_tags, found_tags)
    if other is not scheme:  # single tags can be compared in one scheme only
        alike = score_tags(true_tags, [schemes.convert(tags, scheme) for tags in found_tags])
        scores = replace(scores, tags=alike.tags, n_correct_words=alike.n_correct_words)
        render.warn(
            f"{predicted} is written in {other.name}, {gold} in {scheme.name}: for the table of "
            f"single tags the predictions were converted to {scheme.name}"
        )
    if as_json:
        render.print_json(scores.to_dict())
    else:
        render.print_scores(scores, predicted.name)
    for line in dict.fromkeys(line for side in sides for line in side.facts.lines()):
        render.warn(line)


def _schemes(
    true: Sequence[Sequence[str]], found: Sequence[Sequence[str]]
) -> tuple[schemes.Scheme, schemes.Scheme]:
    """The schemes of gold and predicted tags; the same where the predictions are merely untidy."""
    scheme, _ = schemes.detect(true)
    evidence = schemes.SchemeEvidence()
    for tags in found:
        evidence.add(tags)
    other = evidence.best()
    clearly = evidence.violations(scheme) > 10 * evidence.violations(other)
    return scheme, other if clearly else scheme


@dataclass(frozen=True)
class _Side:
    """One of the two files: how it is read, and the option that names its column of tags."""

    path: Path
    settings: ReadSettings
    option: str
    facts: SplitFacts

    def sentences(self) -> Iterator[tuple[list[str], list[str]]]:
        """Words and tags of each sentence."""
        try:
            for document in read_split("", [str(self.path)], self.settings, self.facts):
                words, tags = document.words, document.tags
                if tags is None:
                    tags = tuple(written_tags(document, schemes.SCHEMES["IOB2"], self.facts))
                for start, end in document.sentences:
                    yield words[start:end], list(tags[start:end])
        except DataError as error:
            if not error.reason.startswith(("tag_column is", "word_column and")):
                raise
            named = error.reason.replace("word_column", "--word-column")
            raise DataError(
                named.replace("tag_column", self.option), error.path, error.line
            ) from error


def _pairs(gold: _Side, predicted: _Side) -> Iterator[tuple[list[str], list[str]]]:
    """The tags of each sentence in both files, which must hold the same words."""
    both = zip_longest(gold.sentences(), predicted.sentences())
    for number, (true, found) in enumerate(both, start=1):
        if true is None or found is None:
            raise DataError(
                f"ends after sentence {number - 1}, the other file goes on; expected the same "
                "sentences in both",
                gold.path if true is None else predicted.path,
            )
        if true[0] != found[0]:
            raise DataError(_parting(true[0], found[0], number), predicted.path)
        yield true[1], found[1]


def _parting(true: list[str], found: list[str], number: int) -> str:
    """Where two readings of a sentence part."""
    for place, (a, b) in enumerate(zip(true, found, strict=False), start=1):
        if a != b:
            return (
                f"word {place} of sentence {number} is {b!r}, in the gold file {a!r}; expected "
                "the same words in both"
            )
    less = "fewer" if len(found) < len(true) else "more"
    return (
        f"sentence {number} has {less} words ({len(found)}) than in the gold file ({len(true)}); "
        "expected the same words in both"
    )
