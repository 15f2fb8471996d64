"""Errors as a report shows them: counted, with examples, and one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from unicodedata import bidirectional

from nertune.analysis import KINDS, NONE, EntityError, ErrorKind
from nertune.reports.report import Report
from nertune.reports.tables import Section, Table
from nertune.schemes import Span

MEANINGS: dict[ErrorKind, str] = {
    "boundary": "the label is right, the words are not",
    "type": "the words are right, the label is not",
    "both": "words and label are wrong, but they overlap",
    "missed": "a gold entity that no predicted one is left for",
    "spurious": "a predicted entity that no gold one is left for",
}
_CONTEXT = 60  # words on either side of an error; a "sentence" may be a page
_LONGEST = 60  # letters of an example in a table


@dataclass(frozen=True)
class ShownError:
    """An error as the page shows it: runs of text, each with its kind of mark."""

    kind: str
    gold: str
    predicted: str
    sentence: int
    score: float | None
    runs: list[tuple[str, str]]


def shown_error(report: Report, error: EntityError, context: int = _CONTEXT) -> ShownError:
    """An error with its sentence divided where gold and predicted entity begin and end.

    Of a sentence that goes on for more than `context` words on a side, an ellipsis is shown.
    """
    words = report.sentence(error.sentence)
    sides = [(name, span) for name, span in (("gold", error.gold), ("found", error.predicted))
             if span]  # fmt: skip
    inner = sorted({edge for _, span in sides for edge in span[:2]})
    first, last = max(0, inner[0] - context), min(len(words), inner[-1] + context)
    runs = [("…", "")] if first else []
    for start, end in pairwise(sorted({first, last, *inner})):
        inside = [name for name, span in sides if span[0] <= start and end <= span[1]]
        mark = "both" if len(inside) == 2 else (inside or [""])[0]
        runs.append((" ".join(words[start:end]), mark))
    if last < len(words):
        runs.append(("…", ""))
    return ShownError(
        error.kind,
        error.gold[2] if error.gold else NONE,
        error.predicted[2] if error.predicted else NONE,
        error.sentence + 1,
        error.score,
        _spaced(runs),
    )


def _spaced(runs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The runs with a space between neighbours, outside their marks."""
    spaced: list[tuple[str, str]] = []
    for i, run in enumerate(runs):
        if i:
            spaced.append((" ", ""))
        spaced.append(run)
    return spaced


def listed_errors(report: Report, most_bytes: int) -> list[ShownError]:
    """The first errors, as many as fit a page that holds so much of them."""
    return list(_until(report, most_bytes))


def _until(report: Report, most_bytes: int) -> Iterator[ShownError]:
    markup = 260  # bytes around the text of an error, about
    for error in report.errors:
        shown = shown_error(report, error)
        most_bytes -= markup + sum(len(text.encode()) for text, _ in shown.runs)
        if most_bytes < 0:
            return
        yield shown


def examples(report: Report, n_each: int) -> list[ShownError]:
    """A few errors of each kind, from all over the text."""
    chosen = []
    for kind in KINDS:
        of_kind = [error for error in report.errors if error.kind == kind]
        step = max(1, len(of_kind) // n_each)
        chosen += [shown_error(report, error, 20) for error in of_kind[::step][:n_each]]
    return chosen


def error_kinds(report: Report) -> Section:
    """How many errors of each kind there are, with what is most often so; then by label."""
    text = (
        "Gold and predicted entities that overlap are paired, one to one; a pair that is not "
        "right is one error, and so is an entity that stays alone. By label: the gold one, or "
        "the predicted one of spurious entities."
    )
    counts = report.error_counts()
    totals = {kind: sum(row.get(kind, 0) for row in counts.values()) for kind in KINDS}
    all_errors = sum(totals.values())
    kinds = [
        [kind, f"{n:,}", f"{100 * n / max(1, all_errors):.0f}", _most_frequent(report, kind)]
        for kind, n in totals.items()
    ]  # fmt: skip
    by_label = [
        [label, *(f"{row.get(kind, 0):,}" for kind in KINDS), f"{sum(row.values()):,}"]
        for label, row in counts.items()
    ]
    by_label.append(["all", *(f"{n:,}" for n in totals.values()), f"{all_errors:,}"])
    tables = [
        Table("by kind", ("kind", "errors", "%", "most frequent"), kinds,
              text_columns=frozenset({3})),
        Table("by label", ("label", *KINDS, "all"), by_label, frozenset({len(counts)}),
              finds="kind"),
    ]  # fmt: skip
    kinds_told = "; ".join(f"{kind}: {meaning}" for kind, meaning in MEANINGS.items())
    return Section("Kinds of errors", [text, f"{kinds_told}."], tables)


def _most_frequent(report: Report, kind: ErrorKind) -> str:
    """The most frequent error of a kind: “Leeds United” ORG read as “Leeds” LOC, 3 times."""
    found = Counter(
        (_quoted(report, error, error.gold), _quoted(report, error, error.predicted))
        for error in report.errors
        if error.kind == kind
    )
    if not found:
        return ""
    (gold, predicted), n = found.most_common(1)[0]
    what = f"{gold} read as {predicted}" if gold and predicted else gold or predicted
    return f"{what}, {n:,} times" if n > 1 else what


def _quoted(report: Report, error: EntityError, span: Span | None) -> str:
    if span is None:
        return ""
    text = " ".join(report.sentence(error.sentence)[span[0] : span[1]])
    text = text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
    if any(bidirectional(letter) in ("R", "AL") for letter in text):
        text = f"\u2068{text}\u2069"  # written from right to left, the words around it are not
    return f"“{text}” {span[2]}"


def confused_labels(report: Report) -> Section | None:
    """Gold labels against predicted ones; None where there is but one."""
    labels, counts = report.confusion.labels, report.confusion.counts
    if len(labels) < 2:
        return None
    text = (
        f"Rows: gold labels, columns: predicted ones. In row “{NONE}” stand spurious entities, in "
        f"column “{NONE}” missed ones. Pairs whose boundaries differ count too. Colour: the share "
        f"of the row; in row “{NONE}” of the column."
    )
    table = Table(
        "",
        ("gold", *labels),
        [[name, *(f"{n:,}" for n in row)] for name, row in zip(labels, counts, strict=True)],
        shares=_shares(counts),
        finds="pair",
    )
    return Section("Confused labels", [text], [table])


def _shares(counts: Sequence[Sequence[int]]) -> list[list[float]]:
    """Counts by the sum of their row, in the last row by the sum of their column."""
    columns = [sum(column) for column in zip(*counts, strict=True)]
    shares = [[n / max(1, sum(row)) for n in row] for row in counts[:-1]]
    return [*shares, [n / max(1, whole) for n, whole in zip(counts[-1], columns, strict=True)]]
