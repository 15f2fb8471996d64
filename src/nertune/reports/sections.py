"""A report as sections: the same tables for terminal, Markdown and HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nertune.analysis import KINDS, NONE
from nertune.reports.facts import Curve
from nertune.reports.plots import Bar, Series, bars, heat_map, lines, reliability
from nertune.reports.report import Report
from nertune.reports.tables import Section, Table, percent, span
from nertune.scoring import CRITERIA
from nertune.statistics import Bands

_FIGURES = ("precision", "recall", "f1")
_SCORE_COLUMNS = ("precision", "recall", "F1")


@dataclass(frozen=True)
class Headline:
    """A figure to be printed large."""

    name: str
    value: str
    note: str = ""


def headlines(report: Report) -> list[Headline]:
    """F1 with its interval, precision, recall, and how much text that is."""
    micro, bands = report.scores.micro, report.intervals.micro

    def line(name: str, value: float, band: Any) -> Headline:
        return Headline(name, percent(value), f"95 %: {span(band.low, band.high)}")

    return [
        line("F1", micro.f1, bands.f1),
        line("precision", micro.precision, bands.precision),
        line("recall", micro.recall, bands.recall),
        Headline("entities", f"{report.sizes['entities']:,}", f"{report.sizes['words']:,} words"),
        Headline("words/s", f"{report.words_per_second:,.0f}", "on the machine of this report"),
    ]


def sections(report: Report) -> list[Section]:
    """All sections that have something to say, in order."""
    found = [
        _scores(report),
        _training(report.curves),
        _errors(report),
        _confusion(report),
        _slices(report),
        _nearness(report),
        _calibration(report),
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
    notes = [
        "An entity is right with all its words and its label, as conlleval counts it. "
        f"Intervals: 95 %, {report.intervals.n_resamples} bootstrap resamples of "
        f"{report.intervals.n_units:,} {report.unit}."
    ]
    if report.strict:
        strict = report.strict.micro
        notes.append(
            f"In strict mode, which drops entities that break their scheme: F1 "
            f"{percent(strict.f1)} (precision {percent(strict.precision)}, recall "
            f"{percent(strict.recall)})."
        )
    plot = bars(
        "F1 by label",
        [
            Bar(label, labels[label]["f1"], (bands[label].f1.low, bands[label].f1.high))
            for label in labels
        ],
    )
    columns = ("label", *_SCORE_COLUMNS, "95 % interval of F1", "support")
    return Section(
        "Whole entities", notes, [Table("", columns, table, frozenset({n_labels}))], [plot]
    )


def _score_row(name: str, row: Mapping[str, Any], bands: Bands | None) -> list[str]:
    interval = span(bands.f1.low, bands.f1.high) if bands else ""
    return [name, *(percent(row[key]) for key in _FIGURES), interval, f"{row['support']:,}"]


def _training(curves: Sequence[Curve]) -> Section | None:
    drawn = [curve for curve in curves if curve.dev_f1 or curve.train_loss]
    if not drawn:
        return None
    return Section(
        "Training",
        [line for curve in drawn for line in curve_words(curve)],
        [Table("", ("epoch", "training loss", "dev loss", "dev F1"), _epochs(curve))
         for curve in drawn],
        curve_plots(drawn),
    )  # fmt: skip


def curve_plots(curves: Sequence[Curve]) -> list[str]:
    """Dev F1 and the two losses by epoch, all runs in one plot each."""
    several = len(curves) > 1
    f1 = [
        Series(c.name if several else "dev F1", [(x, 100 * y) for x, y in c.dev_f1], c.best)
        for c in curves
    ]
    losses = []
    for curve in curves:
        prefix = f"{curve.name}: " if several else ""
        losses.append(Series(f"{prefix}training loss", curve.train_loss))
        losses.append(Series(f"{prefix}dev loss", curve.dev_loss, curve.overfits))
    return [lines("dev F1 by epoch", f1, "epoch", "F1"), lines("loss", losses, "epoch", "loss")]


def curve_words(curve: Curve) -> list[str]:
    """Which epoch was kept, and from which on the run overfits."""
    if not curve.dev_f1:
        return [f"{curve.name} had no dev split; the last weights were kept."]
    kept = f"{curve.name}: the weights of epoch {curve.best:g} were kept"
    if curve.overfits is None:
        return [f"{kept}; dev loss falls to the end, it does not overfit."]
    return [f"{kept}; from epoch {curve.overfits:g} on dev loss is above its lowest: it overfits."]


def _epochs(curve: Curve) -> list[list[str]]:
    columns = [dict(points) for points in (curve.train_loss, curve.dev_loss, curve.dev_f1)]
    epochs = sorted({epoch for column in columns for epoch in column})
    forms = ("{:.4f}", "{:.4f}", "{:.2f}")
    scale = (1, 1, 100)
    return [
        [f"{epoch:g}", *(
            form.format(column[epoch] * by) if epoch in column else ""
            for column, form, by in zip(columns, forms, scale, strict=True)
        )]
        for epoch in epochs
    ]  # fmt: skip


def _errors(report: Report) -> Section:
    counts = report.error_counts()
    rows = [
        [label, *(str(row.get(kind, 0)) for kind in KINDS), str(sum(row.values()))]
        for label, row in counts.items()
    ]
    totals = [sum(row.get(kind, 0) for row in counts.values()) for kind in KINDS]
    rows.append(["all", *map(str, totals), str(sum(totals))])
    text = (
        "boundary: the label is right, the words are not. type: the words are right. both: "
        "neither is, but they overlap. missed: nothing was found there. spurious: nothing is "
        "there. Counted by the gold label, spurious ones by the predicted."
    )
    table = Table("", ("label", *KINDS, "all"), rows, frozenset({len(rows) - 1}))
    return Section("Errors", [text], [table])


def _confusion(report: Report) -> Section | None:
    labels, counts = report.confusion.labels, report.confusion.counts
    if len(labels) < 2:
        return None
    table = Table(
        "rows: gold, columns: predicted",
        ("", *labels),
        [[name, *(str(n) for n in row)] for name, row in zip(labels, counts, strict=True)],
    )
    text = (
        f"Which label gold entities were read as; {NONE} stands for missed (column) and spurious "
        "(row). Pairs whose boundaries differ count too."
    )
    plot = heat_map("gold and predicted labels", labels, labels, counts)
    return Section("Confused labels", [text], [table], [plot])


def _slices(report: Report) -> Section:
    tables, plots = [], []
    for one in report.slices:
        rows = [
            [part, *(percent(getattr(counts, key)) for key in _FIGURES), f"{counts.gold:,}"]
            for part, counts in one.parts
        ]
        tables.append(Table(one.name, ("", *_SCORE_COLUMNS, "support"), rows))
        plots.append(
            bars(f"F1 by {one.name}", [
                Bar(part, counts.f1, note=f"({counts.gold:,})") for part, counts in one.parts
            ])
        )  # fmt: skip
    return Section("F1 in parts", (), tables, plots)


def _nearness(report: Report) -> Section:
    rows = []
    for criterion in CRITERIA:
        c = report.semeval.overall[criterion]
        numbers = (c.correct, c.incorrect, c.partial, c.missed, c.spurious)
        rows.append(
            [criterion, *(f"{n:,}" for n in numbers), *(percent(getattr(c, k)) for k in _FIGURES)]
        )
    columns = ("criterion", "correct", "incorrect", "partial", "missed", "spurious")
    text = (
        "SemEval-2013: strict asks for words and label, exact for the words, type for the label "
        "and an overlap; partial counts an overlap one half."
    )
    return Section("How near", [text], [Table("", (*columns, *_SCORE_COLUMNS), rows)])


def _calibration(report: Report) -> Section | None:
    table = report.reliability
    if table is None or not table.n.sum():
        return None
    filled = table.n > 0
    plot = reliability(
        "reliability of entity scores",
        zip(
            table.mean_score[filled].tolist(),
            table.share_right[filled].tolist(),
            table.n[filled].tolist(),
            strict=True,
        ),
    )
    rows = [
        [f"{row.threshold:g}", f"{row.counts.predicted:,}",
         *(percent(getattr(row.counts, key)) for key in _FIGURES)]
        for row in report.thresholds
        if round(100 * row.threshold) % 10 == 0 or row.threshold > 0.9
    ]  # fmt: skip
    text = [
        f"Expected calibration error {100 * table.error:.2f} points; temperature "
        f"{report.temperature:g}.",
        "A score should be the share that is right: circles on the line; larger ones hold more "
        "entities.",
        "What is left where only entities with at least this score are kept "
        "(nertune predict --threshold):",
    ]
    columns = ("threshold", "predicted", *_SCORE_COLUMNS)
    return Section("Scores of entities", text, [Table("", columns, rows)], [plot])


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
    model, sizes = report.model, report.sizes
    facts = {
        "file": report.file,
        **{name: f"{number:,}" for name, number in sizes.items()},
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
    return Section(
        "About", report.notes, [Table("", ("", ""), rows, text_columns=frozenset({1}))], folded=True
    )
