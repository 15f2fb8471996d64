"""Several runs side by side: scores, size, speed, and whether a difference is shown."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from nertune.analysis import Judged
from nertune.bundle import load_bundle
from nertune.config import ReadSettings
from nertune.errors import DataError
from nertune.evaluation import PREDICTIONS
from nertune.reports.curves import curve_plots, curve_words
from nertune.reports.facts import Curve, ModelFacts, curve_of, model_facts, read_json
from nertune.reports.pages import html_page, markdown_head, write_texts
from nertune.reports.plots import Bar, bars
from nertune.reports.tables import Plot, Section, Table, few, markdown, percent, span
from nertune.schemes import labels_of
from nertune.scoring import Counts, Ints
from nertune.splits import flat_tags, read_split
from nertune.statistics import Comparison, Intervals, compare, counts_by_unit, intervals

_WIDEST_NAMES = 48  # letters; with more of them in its head a table is too wide for a terminal
_METHOD = (
    "A run is called better where p is below 0.05 and the interval of the difference leaves out 0: "
    "approximate randomisation, and a paired bootstrap of the test text. That is said of these "
    "trained models, not of their recipes: with another seed a recipe gives another model."
)


@dataclass(frozen=True)
class RunScores:
    """A finished run on its test split.

    counts: (n_units, 3, n_labels), labels in the order of `labels`. digest: of the words and gold
    tags, to tell whether two runs were tested on the same.
    """

    folder: Path
    model: ModelFacts
    counts: Ints
    labels: list[str]
    intervals: Intervals
    digest: str
    words_per_second: float | None
    curve: Curve | None

    @property
    def micro(self) -> Counts:
        """Counts of all entities."""
        return Counts(*self.counts.sum(axis=(0, 2)).tolist())

    def label(self, name: str) -> Counts:
        """Counts of one label; none for a label that the run does not have."""
        if name not in self.labels:
            return Counts()
        return Counts(*self.counts.sum(axis=0)[:, self.labels.index(name)].tolist())


@dataclass(frozen=True)
class RunComparison:
    """Runs in the order they were named, and each pair of them that can be compared."""

    runs: list[RunScores]
    pairs: list[tuple[str, str, Comparison | None]]

    def verdicts(self) -> list[str]:
        """One sentence a pair."""
        return [
            f"{pair.verdict(a, b)}." if pair
            else f"{a} and {b} were tested on different text: no test of their difference."
            for a, b, pair in self.pairs
        ]  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "runs": [
                {
                    "model": run.model.to_dict(),
                    **run.micro.to_dict(),
                    "labels": {name: run.label(name).to_dict() for name in run.labels},
                    "intervals": run.intervals.to_dict(run.labels),
                    "words_per_second": run.words_per_second,
                }
                for run in self.runs
            ],
            "pairs": [
                {"run_a": a, "run_b": b, **(pair.to_dict() if pair else {"difference": None})}
                for a, b, pair in self.pairs
            ],
        }


def compare_runs(folders: Sequence[str | Path]) -> RunComparison:
    """Read finished runs and compare each pair of them on the test split.

    Raises DataError for a run without test predictions, BundleError for one without a model.
    """
    runs = _named_apart([read_run(Path(folder)) for folder in folders])
    pairs = [
        (a.model.name, b.model.name, compare(*_aligned(a, b)) if a.digest == b.digest else None)
        for a, b in combinations(runs, 2)
    ]
    return RunComparison(runs, pairs)


def _named_apart(runs: Sequence[RunScores]) -> list[RunScores]:
    """Runs of one name with as much of their paths as tells them apart; one twice is numbered."""
    ends = [["/".join(run.folder.parts[-n:]) for n in range(1, len(run.folder.parts) + 1)]
            for run in runs]  # fmt: skip
    named: list[RunScores] = []
    for run, own in zip(runs, ends, strict=True):
        others = {end for other in ends if other != own for end in other}
        name = next(end for end in own if end not in others or end == own[-1])
        times = 1 + sum(other.folder == run.folder for other in named)
        name = f"{name} ({times})" if times > 1 else name
        curve = replace(run.curve, name=name) if run.curve else None
        named.append(replace(run, model=replace(run.model, name=name), curve=curve))
    return named


def read_run(folder: Path) -> RunScores:
    """A run folder's test predictions, scored, and what is known of its model."""
    bundle = load_bundle(folder)
    path = bundle.folder.parent / PREDICTIONS
    if not path.is_file():
        raise DataError(
            f"there is no {PREDICTIONS}; expected a finished run with a test split. Train it with "
            "data.test set, or predict and compare the files with 'nertune score'",
            folder,
        )
    judged = read_predictions(path)
    counts = counts_by_unit(judged.gold, judged.predicted, judged.reading, judged.units()[1])
    run = bundle.folder.parent.resolve()
    test = read_json(run / "scores.json").get("test")
    facts = model_facts(bundle, labels_of(bundle.settings.tags))
    return RunScores(
        run,
        facts,
        counts,
        judged.labels,
        intervals(counts),
        _digest(judged),
        test.get("words_per_second") if isinstance(test, dict) else None,
        curve_of(run, facts.name),
    )


def read_predictions(path: Path) -> Judged:
    """A run's test predictions: word, gold tag, predicted tag."""
    sides = [
        list(read_split("test", [str(path)], ReadSettings(format="columns", tag_column=column)))
        for column in (1, 2)
    ]
    gold, found = sides
    flat = flat_tags([*gold, *found])
    n_words = len(flat.ids) // 2
    document_starts = np.zeros(n_words, dtype=bool)
    document_starts[np.cumsum([0, *(document.n_words for document in gold)])[:-1]] = True
    return Judged(
        [word for document in gold for word in document.words],
        flat.names,
        flat.ids[:n_words],
        flat.ids[n_words:],
        flat.starts[:n_words],
        document_starts,
    )


def _digest(judged: Judged) -> str:
    """Of words, sentences, documents and gold entities, in whatever scheme they are written."""
    first, last, label = judged.gold_entities
    names = [judged.labels[i] for i in label.tolist()]
    entities = zip(first.tolist(), last.tolist(), names, strict=True)
    text = "\n".join([*judged.words, *(f"{a} {b} {name}" for a, b, name in entities)])
    edges = judged.starts.tobytes() + judged.document_starts.tobytes()
    return sha256(text.encode() + edges).hexdigest()


def _aligned(a: RunScores, b: RunScores) -> tuple[Ints, Ints]:
    """Counts of both over the labels that either has."""
    labels = sorted({*a.labels, *b.labels})
    widened = []
    for run in (a, b):
        counts = np.zeros((*run.counts.shape[:2], len(labels)), np.int64)
        counts[:, :, [labels.index(name) for name in run.labels]] = run.counts
        widened.append(counts)
    return widened[0], widened[1]


def comparison_sections(comparison: RunComparison) -> list[Section]:
    """The comparison as tables, sentences and plots."""
    curves = [run.curve for run in comparison.runs if run.curve and run.curve.dev_f1]
    sections = [_runs(comparison.runs), _verdicts(comparison), _by_label(comparison)]
    if curves:
        words = [line for curve in curves for line in curve_words(curve)]
        sections.append(Section("Training", words, (), curve_plots(curves)))
    return sections


def _runs(runs: Sequence[RunScores]) -> Section:
    rows = [
        [
            run.model.name,
            percent(run.micro.f1),
            span(run.intervals.micro.f1.low, run.intervals.micro.f1.high),
            f"{run.model.megabytes:.0f}",
            f"{run.model.n_parameters / 1e6:.1f}",
            f"{run.words_per_second:,.0f}" if run.words_per_second else "",
            f"{run.model.training['seconds'] / 60:.1f}" if run.model.training else "",
        ]
        for run in runs
    ]
    columns = ("run", "F1", "95 % interval", "MB", "M params", "words/s", "train min")
    best = max(range(len(runs)), key=lambda i: runs[i].micro.f1)
    text = (
        "F1 of whole entities, as conlleval counts. Speed and minutes are those of the machine "
        "that each run was trained on."
    )
    plot = bars(
        "F1 by run",
        [
            Bar(run.model.name, run.micro.f1,
                (run.intervals.micro.f1.low, run.intervals.micro.f1.high))
            for run in runs
        ],
    )  # fmt: skip
    return Section(
        "Runs on their test split",
        [text],
        [Table("", columns, rows, frozenset({best}))],
        [Plot(plot, "F1 and its 95 % interval. Intervals may overlap though one run is better.")],
    )


def _verdicts(comparison: RunComparison) -> Section:
    """One sentence where there is one pair, else a table of the pairs that can be compared."""
    tested = [(a, b, pair) for a, b, pair in comparison.pairs if pair]
    if not tested or len(comparison.pairs) == 1:
        text = comparison.verdicts() if len(comparison.pairs) == 1 else [_apart(comparison.runs)]
        return Section("Is one better?", [*text, *([_METHOD] if tested else [])])
    rows = [
        [a, b, f"{100 * pair.difference:+.2f}", span(pair.interval.low, pair.interval.high),
         f"{pair.p:.2g}" if pair.p >= 0.001 else "< 0.001",
         ("B" if pair.difference > 0 else "A") if pair.shown else "not shown"]
        for a, b, pair in tested
    ]  # fmt: skip
    columns = ("A", "B", "B - A", "95 % interval", "p", "better")
    text = [_METHOD]
    if len(tested) > 1:
        text.append("p is that of each pair by itself, not corrected for their number.")
    if len(tested) < len(comparison.pairs):
        text.append(_apart(comparison.runs))
    return Section(
        "Is one better?", text, [Table("", columns, rows, text_columns=frozenset({1, 5}))]
    )


def _apart(runs: Sequence[RunScores]) -> str:
    """Which runs were tested on the same text."""
    groups: dict[str, list[str]] = {}
    for run in runs:
        groups.setdefault(run.digest, []).append(run.model.name)
    return (
        "Only runs on the same test text can be compared. Tested alike: "
        + "; ".join(" and ".join(names) for names in groups.values()) + "."
    )  # fmt: skip


def _by_label(comparison: RunComparison) -> Section:
    """F1 by label, one column a run; the support where it is that of all."""
    runs = comparison.runs
    labels = sorted({label for run in runs for label in run.labels})
    alike = len({run.digest for run in runs}) == 1
    rows, supports = [], []
    for label in labels:
        counts = [run.label(label) for run in runs]
        row = [label, *(percent(one.f1) for one in counts)]
        if alike:
            row.append(f"{counts[0].gold:,}")
        rows.append(row)
        supports.append(min(one.gold for one in counts))
    names = [run.model.name for run in runs]
    text = []
    if sum(map(len, names)) > _WIDEST_NAMES:
        text = ["Runs: " + ", ".join(f"{i} {name}" for i, name in enumerate(names, 1)) + "."]
        names = [str(i) for i in range(1, len(names) + 1)]
    columns = ("label", *names, *(["support"] if alike else []))
    return Section("F1 by label", text, [Table("", columns, rows, faint=few(supports))])


def write_comparison(comparison: RunComparison, folder: Path) -> list[Path]:
    """Write compare.html, compare.md and compare.json; returns their paths."""
    sections = comparison_sections(comparison)
    title = "Comparison: " + ", ".join(run.model.name for run in comparison.runs)
    head = markdown_head(title, time.strftime("%Y-%m-%d"))
    texts = {
        "compare.html": html_page("compare.html.j2", {"title": title, "sections": sections}),
        "compare.md": f"{head}\n\n{markdown(sections)}\n",
        "compare.json": json.dumps(comparison.to_dict(), indent=1, ensure_ascii=False) + "\n",
    }
    return write_texts(folder, texts)
