"""Several runs side by side: scores, size, speed, and whether a difference is shown."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

import nertune
from nertune.analysis import Judged
from nertune.bundle import load_bundle
from nertune.config import ReadSettings
from nertune.errors import DataError
from nertune.files import make_folder, whole_file
from nertune.reports.facts import Curve, ModelFacts, curve_of, model_facts, read_json
from nertune.reports.pages import html_page
from nertune.reports.sections import curve_plots, curve_words
from nertune.reports.tables import Section, Table, markdown, percent, span
from nertune.schemes import labels_of
from nertune.scoring import Counts, Ints
from nertune.splits import flat_tags, read_split
from nertune.statistics import Comparison, Intervals, compare, counts_by_unit, intervals

PREDICTIONS = "test_predictions.conll"


@dataclass(frozen=True)
class RunScores:
    """A finished run on its test split.

    counts: (n_units, 3, n_labels), labels in the order of `labels`. digest: of the words and gold
    tags, to tell whether two runs were tested on the same.
    """

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
                {"a": a, "b": b, **(pair.to_dict() if pair else {"difference": None})}
                for a, b, pair in self.pairs
            ],
        }


def compare_runs(folders: Sequence[str | Path]) -> RunComparison:
    """Read finished runs and compare each pair of them on the test split.

    Raises DataError for a run without test predictions, BundleError for one without a model.
    """
    runs = [read_run(Path(folder)) for folder in folders]
    pairs = [
        (a.model.name, b.model.name, compare(*_aligned(a, b)) if a.digest == b.digest else None)
        for a, b in combinations(runs, 2)
    ]
    return RunComparison(runs, pairs)


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
    scores = read_json(bundle.folder.parent / "scores.json")
    facts = model_facts(bundle, labels_of(bundle.settings.tags))
    return RunScores(
        facts,
        counts,
        judged.labels,
        intervals(counts),
        _digest(judged),
        scores.get("test", {}).get("words_per_second"),
        curve_of(bundle.folder.parent, facts.name),
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
    tags = (judged.tags[i] for i in judged.gold.tolist())
    text = "\n".join(map(" ".join, zip(judged.words, tags, strict=True)))
    return sha256(text.encode() + judged.starts.tobytes()).hexdigest()


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
    runs = comparison.runs
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
    labels = sorted({label for run in runs for label in run.labels})
    by_label = [[label, *(percent(run.label(label).f1) for run in runs)] for label in labels]
    sections = [
        Section("Runs on their test split", (), [Table("", columns, rows, frozenset({best}))]),
        Section("Is one better?", comparison.verdicts()),
        Section(
            "F1 by label", (), [Table("", ("label", *(r.model.name for r in runs)), by_label)]
        ),
    ]
    curves = [run.curve for run in runs if run.curve and run.curve.dev_f1]
    if curves:
        words = [line for curve in curves for line in curve_words(curve)]
        sections.append(Section("Training", words, (), curve_plots(curves)))
    return sections


def write_comparison(comparison: RunComparison, folder: Path) -> list[Path]:
    """Write compare.html, compare.md and compare.json; returns their paths."""
    make_folder(folder)
    sections = comparison_sections(comparison)
    title = "Comparison: " + ", ".join(run.model.name for run in comparison.runs)
    head = f"# {title}\n\nnertune {nertune.__version__}, {time.strftime('%Y-%m-%d')}\n\n"
    texts = {
        "compare.html": html_page("compare.html.j2", {"title": title, "sections": sections}),
        "compare.md": head + markdown(sections),
        "compare.json": json.dumps(comparison.to_dict(), indent=1, ensure_ascii=False) + "\n",
    }
    for name, text in texts.items():
        with whole_file(folder / name) as handle:
            handle.write(text)
    return [folder / name for name in texts]
