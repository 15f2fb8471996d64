"""A report as sections: the same tables for Markdown and HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nertune.analysis import Slice
from nertune.reports.curves import training
from nertune.reports.errors import confused_labels, error_kinds
from nertune.reports.plots import Bar, Series, bars, lines, reliability
from nertune.reports.report import Report
from nertune.reports.tables import FEW, Plot, Section, Table, few, percent, span
from nertune.scoring import CRITERIA
from nertune.statistics import Bands

_FIGURES = ("precision", "recall", "f1")
_SCORE_COLUMNS = ("precision", "recall", "F1")
_THRESHOLDS = (0, 0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)  # of those in report.json


@dataclass(frozen=True)
class Headline:
    """A figure to be printed large."""

    name: str
    value: str
    note: str


def headlines(report: Report) -> list[Headline]:
    """F1 with its interval, precision, recall, and how much text that is."""
    micro, bands = report.scores.micro, report.intervals.micro

    def line(name: str, value: float, band: Any) -> Headline:
        return Headline(name, percent(value), f"95 %: {span(band.low, band.high)}")

    return [
        line("F1", micro.f1, bands.f1),
        line("precision", micro.precision, bands.precision),
        line("recall", micro.recall, bands.recall),
        Headline("entities", f"{report.sizes['entities']:,}",
                 f"in {report.sizes['words']:,} words"),
        Headline("words/s", f"{report.words_per_second:,.0f}", "on the machine of this report"),
    ]  # fmt: skip


def sections(report: Report) -> list[Section]:
    """All sections that have something to say, in order."""
    found = [
        _scores(report),
        training(report.curves),
        error_kinds(report),
        confused_labels(report),
        _slices(report),
        _nearness(report),
        _confidence(report),
        _tags(report),
        _about(report),
    ]
    return [section for section in found if section is not None]


def _scores(report: Report) -> Section:
    rows: Any = report.scores.to_dict()
    labels = rows["labels"]
    bands = dict(zip(report.labels, report.intervals.labels, strict=True))
    table = [_score_row(label, labels[label], bands[label]) for label in labels]
    n_labels = len(table)
    table.append(_score_row("micro", rows["micro"], report.intervals.micro))
    table.append(_score_row("macro", rows["macro"], report.intervals.macro))
    table.append(_score_row("weighted", rows["weighted"], None))
    supports = [labels[label]["support"] for label in labels]
    plot = bars(
        "F1 by label",
        [
            Bar(label, labels[label]["f1"], (bands[label].f1.low, bands[label].f1.high), support)
            for label, support in zip(labels, supports, strict=True)
        ],
    )
    columns = ("label", *_SCORE_COLUMNS, "95 % interval", "support")
    return Section(
        "Scores by label",
        _score_notes(report),
        [Table("", columns, table, frozenset({n_labels}), faint=few(supports))],
        [Plot(plot, "F1 and its 95 % interval; in brackets the number of gold entities.")],
    )


def _score_notes(report: Report) -> list[str]:
    found = report.intervals
    notes = [
        "An entity is right with all its words and its label, as conlleval counts it. Support: "
        "the number of gold entities. Micro: all entities together, the usual headline; macro: "
        "the mean of the labels; weighted: their mean by support.",
        f"Intervals of F1: 95 %, from {found.n_resamples:,} bootstrap resamples of the "
        f"{found.n_units:,} {report.unit}. They tell the luck of the text, not that of the "
        "training.",
    ]
    if report.strict:
        strict = report.strict.micro
        notes.append(
            f"In strict mode, where only entities that keep to the rules of {report.model.scheme} "
            f"count: F1 {percent(strict.f1)} (precision {percent(strict.precision)}, recall "
            f"{percent(strict.recall)})."
        )
    return notes


def _score_row(name: str, row: Mapping[str, Any], bands: Bands | None) -> list[str]:
    interval = span(bands.f1.low, bands.f1.high) if bands else ""
    return [name, *(percent(row[key]) for key in _FIGURES), interval, f"{row['support']:,}"]


def _slices(report: Report) -> Section:
    text = (
        "Gold entities count in the part they belong to, predicted ones in their own. Surface "
        "form: were these very words an entity of the training text, with any label? Sentence: "
        "did the training text have the same one?"
    )
    tables = [_slice_table(one) for one in report.slices]
    caption = "F1; in brackets the number of gold entities."
    plots = [
        Plot(
            bars(
                f"F1 by {one.name}",
                [Bar(part, counts.f1, support=counts.gold) for part, counts in one.parts],
            ),
            caption,
        )
        for one in report.slices
    ]
    return Section("F1 in parts", [text], tables, plots)


def _slice_table(one: Slice) -> Table:
    rows = [
        [part, *(percent(getattr(counts, key)) for key in _FIGURES), f"{counts.gold:,}"]
        for part, counts in one.parts
    ]
    faint = few([counts.gold for _, counts in one.parts])
    return Table(one.name, ("part", *_SCORE_COLUMNS, "support"), rows, faint=faint)


def _nearness(report: Report) -> Section:
    counts, scores = [], []
    for criterion in CRITERIA:
        c = report.semeval.overall[criterion]
        numbers = (c.correct, c.incorrect, c.partial, c.missed, c.spurious)
        counts.append([criterion, *(f"{n:,}" for n in numbers)])
        scores.append([criterion, *(percent(getattr(c, key)) for key in _FIGURES)])
    columns = ("criterion", "correct", "incorrect", "partial", "missed", "spurious")
    text = (
        "How near wrong entities come, as SemEval-2013 task 9.1 counts: strict asks for words and "
        "label, exact for the words only, partial gives one half for an overlap, type asks for "
        "the label and an overlap."
    )
    tables = [
        Table("", columns, counts),
        Table("", ("criterion", *_SCORE_COLUMNS), scores),
    ]
    return Section("Near misses", [text], tables)


def _confidence(report: Report) -> Section | None:
    table = report.reliability
    if table is None or not table.n.sum():
        return None
    filled = table.n > 0
    columns = table.mean_score[filled], table.share_right[filled], table.n[filled]
    diagram = reliability(
        "reliability of entity scores",
        zip(*(column.tolist() for column in columns), strict=True),
    )
    text = [
        "Each predicted entity has a score. It is honest where of the entities with score 0.8, "
        f"80 % are right. Expected calibration error: {100 * table.error:.2f} percentage points, "
        "the mean distance of score and share right; 0 is perfect. Temperature: "
        f"{report.temperature:g}; 'nertune train' fits it on dev, 1 leaves scores as they are.",
    ]
    plots = [
        Plot(
            diagram,
            "Circles on the line: honest scores; below it: too sure. The larger, the more "
            f"entities; hollow: fewer than {FEW}.",
        ),
        Plot(_threshold_plot(report), "What is kept with a score of at least the threshold."),
    ]
    return Section("Confidence", text, [_threshold_table(report)], plots)


def _threshold_plot(report: Report) -> str:
    kept = [row for row in report.thresholds if row.counts.predicted]
    series = [
        Series(name, [(row.threshold, 100 * getattr(row.counts, key)) for row in kept])
        for name, key in zip(_SCORE_COLUMNS, _FIGURES, strict=True)
    ]
    return lines("scores by threshold", series, "threshold", "per cent")


def _threshold_table(report: Report) -> Table:
    rows = [
        [f"{row.threshold:g}", f"{row.counts.predicted:,}",
         *(percent(getattr(row.counts, key)) for key in _FIGURES)]
        for row in report.thresholds
        if row.threshold in _THRESHOLDS
    ]  # fmt: skip
    return Table(
        "With only the entities of at least this score, as nertune predict --threshold gives them",
        ("threshold", "predicted", *_SCORE_COLUMNS),
        rows,
    )


def _tags(report: Report) -> Section:
    tags: Any = report.scores.to_dict()["tags"]
    rows = [
        [tag, *(percent(row[key]) for key in _FIGURES), f"{row['support']:,}"]
        for tag, row in tags.items()
        if tag != "accuracy"
    ]
    text = (
        f"Word by word, accuracy {percent(report.scores.accuracy)}. A tag is right by itself, so "
        "this table looks kinder than that of whole entities."
    )
    table = Table("", ("tag", *_SCORE_COLUMNS, "support"), rows)
    return Section("Single tags", [text], [table], folded=True)


def _about(report: Report) -> Section:
    model = report.model
    facts = {
        "file": report.file,
        **{name: f"{number:,}" for name, number in report.sizes.items()},
        "model": model.name,
        "parameters": f"{model.n_parameters:,}",
        "size": f"{model.megabytes:.1f} MB",
        "labels": ", ".join(model.labels),
        "scheme": model.scheme or "none",
        "window": f"{model.window_pieces} pieces",
    }
    if model.recipe:
        facts["encoder"] = model.recipe.model.encoder
        facts["trained on"] = ", ".join(model.recipe.data.train)
    if model.training:
        facts["training"] = (
            f"{model.training['seconds']:,.0f} s, "
            f"{model.training['words_per_second']:,.0f} words/s"
        )
    rows = [[name, value] for name, value in facts.items()]
    table = Table("", ("", ""), rows, text_columns=frozenset({1}))
    return Section("About", (), [table], folded=True)
