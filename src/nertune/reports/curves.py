"""How a training went, in plots, words and a table."""

from __future__ import annotations

from collections.abc import Sequence

from nertune.reports.facts import Curve
from nertune.reports.plots import Series, lines
from nertune.reports.tables import Plot, Section, Table


def training(curves: Sequence[Curve]) -> Section | None:
    """The section on one or several trainings; None where no log of them is at hand."""
    drawn = [curve for curve in curves if curve.dev_f1 or curve.train_loss]
    if not drawn:
        return None
    tables = [
        Table(
            curve.name if len(drawn) > 1 else "",
            ("epoch", "training loss", "dev loss", "dev F1"),
            _epochs(curve),
        )
        for curve in drawn
    ]
    text = [line for curve in drawn for line in curve_words(curve)]
    return Section("Training", text, tables, curve_plots(drawn))


def curve_plots(curves: Sequence[Curve]) -> list[Plot]:
    """Dev F1 and the two losses by epoch, all runs in one plot each."""
    several = len(curves) > 1
    f1, losses = [], []
    for i, curve in enumerate(curves):
        points = [(x, 100 * y) for x, y in curve.dev_f1]
        f1.append(Series(curve.name if several else "dev F1", points, curve.best, colour=i))
        on_train, on_dev = "training loss", "dev loss"
        if several:
            on_train, on_dev = f"{curve.name}, training", curve.name
        losses += [
            Series(on_train, curve.train_loss, dashed=True, colour=i, listed=not several),
            Series(on_dev, curve.dev_loss, curve.lowest, colour=i),
        ]
    plots = [
        Plot(
            lines("dev F1 by epoch", f1, "epoch", "F1 on dev", whole=True),
            "F1 on the dev split after each epoch. Large circle: the weights that were kept.",
        ),
        Plot(
            lines("loss by epoch", losses, "epoch", "mean loss a word", whole=True),
            "Mean loss a word, dashed on the training text. Large circle: the lowest dev loss.",
        ),
    ]
    return [plot for plot in plots if plot.svg]


def curve_words(curve: Curve) -> list[str]:
    """Which epoch was kept, and from which on the run overfits."""
    if not curve.dev_f1:
        return [f"{curve.name} had no dev split; the last weights were kept."]
    kept = f"{curve.name}: the weights of epoch {curve.best:g} were kept, the best on dev."
    if len(curve.dev_loss) < 2:
        return [kept]
    if curve.overfits is None:
        return [f"{kept} Dev loss falls to the end: no sign of overfitting."]
    return [
        f"{kept} Dev loss is lowest in epoch {curve.lowest:g} and higher from epoch "
        f"{curve.overfits:g} on: from there the model overfits, its scores grow too sure, even "
        "where F1 still rises."
    ]


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
