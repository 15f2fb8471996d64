"""nertune evaluate and nertune score."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from nertune import schemes
from nertune.analysis import Judged
from nertune.cli import render
from nertune.cli.options import (
    Json,
    Model,
    OnErrorOption,
    Runtime,
    Separator,
    TagColumn,
    WordColumn,
    WordPrefix,
    read_settings,
)
from nertune.errors import RecipeError
from nertune.evaluation import evaluate_file
from nertune.modelhub import open_bundle
from nertune.pairing import Side, pair, schemes_of
from nertune.reports import report_on_run, report_sections, write_report
from nertune.scoring import Mode, Reading, Scores, score_ids
from nertune.scoring import score as score_tags
from nertune.splits import SplitFacts
from nertune.statistics import Bands, Intervals, counts_by_unit, intervals


def evaluate(
    model: Model,
    file: Annotated[Path, typer.Argument(help="Annotated file.")],
    separator: Separator = None,
    word_column: WordColumn = 0,
    tag_column: TagColumn = -1,
    word_prefix: WordPrefix = "",
    runtime: Runtime = "auto",
    on_error: OnErrorOption = "stop",
    out: Annotated[
        Path | None, typer.Option(help="Folder for report.html, report.md and report.json.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Predict an annotated file and score the predictions against its annotation.

    With --out also how sure the scores are, where the model fails, and how honest its own scores
    are, as a page to look at.

    [dim]Examples:[/]

    nertune evaluate runs/conll2003-minilm eng.testb

    nertune evaluate runs/conll2003-minilm eng.testb --out report

    nertune evaluate runs/conll2003-minilm eng.testb --runtime onnx-int8
    """
    from nertune.engine import Tagger

    settings = read_settings(separator, word_column, tag_column, word_prefix, on_error)
    bundle = open_bundle(model)
    tagger = Tagger.load(bundle.folder, runtime=runtime)
    evaluated = evaluate_file(tagger, file, settings)
    report = report_on_run(evaluated, tagger, bundle) if out else None
    if as_json:
        render.print_json({**evaluated.result.to_dict(), "runtime": tagger.runtime.name})
    elif report:
        render.print_sections(report_sections(report))
    else:
        judged = evaluated.result.judged()
        render.print_scores(evaluated.scored.scores, file.name, _bands(judged, judged.reading))
    for line in evaluated.gold.facts.lines():
        render.warn(line)
    speed = evaluated.result.words_per_second
    render.say_aside(f"scored with {tagger.runtime.name}, {speed:,.0f} words/s")
    if report and out:
        paths = write_report(report, out)
        render.say_aside("written: " + ", ".join(map(str, paths)))


def score(
    gold: Annotated[Path, typer.Argument(help="File with the true tags.")],
    predicted: Annotated[Path, typer.Argument(help="File with the predicted tags.")],
    gold_column: Annotated[int, typer.Option(help="Column of the true tag; -1 is the last.")] = -1,
    predicted_column: Annotated[
        int, typer.Option(help="Column of the predicted tag; -1 is the last.")
    ] = -1,
    mode: Annotated[
        Mode, typer.Option(help="conlleval reads any tags; strict drops what breaks the scheme.")
    ] = "conlleval",
    scheme: Annotated[
        str, typer.Option(help="Scheme of the gold tags, as IOB2; auto finds it.")
    ] = "auto",
    separator: Separator = None,
    word_column: WordColumn = 0,
    on_error: OnErrorOption = "stop",
    as_json: Json = False,
) -> None:
    """Score predicted tags against true ones, as conlleval does. The two may be the same file.

    Both files hold the same words. Intervals are of 1000 bootstrap resamples.

    [dim]Examples:[/]

    nertune score eng.testb predictions.conll

    nertune score test_predictions.conll test_predictions.conll --gold-column 1
    """
    if on_error == "skip":
        raise RecipeError(
            "--on-error skip",
            ["a sentence left out of one file would leave its predictions without their gold; "
             "expected stop or repair"],
        )  # fmt: skip
    settings = read_settings(separator, word_column, gold_column, "", on_error)
    others = settings.model_copy(update={"tag_column": predicted_column})
    sides = (
        Side(gold, settings, "--gold-column", SplitFacts(str(gold))),
        Side(predicted, others, "--predicted-column", SplitFacts(str(predicted))),
    )
    paired = pair(*sides)
    found, other = schemes_of(paired)
    named = found if scheme == "auto" else schemes.scheme_named(scheme)
    other = named if other is found else other
    predictions = paired.found
    if other is not named:
        predictions = [schemes.convert(tags, named) for tags in paired.found]
        render.warn(
            f"{predicted} is written in {other.name}, {gold} in {named.name}: for the table of "
            f"single tags the predictions were converted to {named.name}"
        )
    # IO cannot keep neighbours apart: entities are counted as the file has them, where they can be.
    judged = paired.judged(predictions if mode == "strict" else paired.found)
    alike = score_tags(paired.gold, predictions)
    _show(judged, Reading(judged.tags, judged.starts, mode, named), alike, predicted.name, as_json)
    for line in dict.fromkeys(line for side in sides for line in side.facts.lines()):
        render.warn(line)


def _show(judged: Judged, reading: Reading, tags: Scores, title: str, as_json: bool) -> None:
    """Print the scores; tags: those of single tags, in one scheme on both sides."""
    mode, scheme = reading.mode, reading.scheme
    scores = score_ids(judged.gold, judged.predicted, judged.tags, judged.starts, mode, scheme)
    scores = replace(scores, tags=tags.tags, n_correct_words=tags.n_correct_words)
    if as_json:
        what = {"mode": mode, "scheme": scheme.name if scheme else None}
        rows = {"unit": judged.units()[0], **_intervals(judged, reading).to_dict(judged.labels)}
        render.print_json({**what, **scores.to_dict(), "intervals": rows})
    else:
        render.print_scores(scores, title, _bands(judged, reading), mode)
    if mode == "strict":
        _tell_dropped(judged, reading)


def _tell_dropped(judged: Judged, strict: Reading) -> None:
    """How many entities strict mode left out, which conlleval would read."""
    for name, ids in (("gold", judged.gold), ("predicted", judged.predicted)):
        n_all, n_kept = (len(how.entities(ids)[0]) for how in (judged.reading, strict))
        if n_all != n_kept:
            scheme = strict.scheme.name if strict.scheme else ""
            render.warn(
                f"{name}: strict mode reads {n_kept:,} entities where conlleval reads {n_all:,}; "
                f"what breaks {scheme} is not counted"
            )


def _intervals(judged: Judged, reading: Reading) -> Intervals:
    units = judged.units()[1]
    return intervals(counts_by_unit(judged.gold, judged.predicted, reading, units))


def _bands(judged: Judged, reading: Reading) -> dict[str, Bands]:
    """Intervals by label, of micro and of macro."""
    found = _intervals(judged, reading)
    by_label = dict(zip(judged.labels, found.labels, strict=True))
    return {**by_label, "micro": found.micro, "macro": found.macro}
