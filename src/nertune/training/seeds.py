"""The same recipe with several seeds: mean and standard deviation."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from nertune.config import Recipe, make_recipe
from nertune.errors import RecipeError
from nertune.files import whole_file
from nertune.training.folder import MODEL, changed_settings, last_checkpoint
from nertune.training.run import train

SUMMARY = "seeds.json"


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation of one figure over the seeds (0 for a single seed)."""

    mean: float
    deviation: float
    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of some values."""
        deviation = statistics.stdev(values) if len(values) > 1 else 0.0
        return cls(statistics.fmean(values), deviation, tuple(values))


def train_seeds(
    recipe: Recipe,
    out: Path,
    seeds: Sequence[int],
    *,
    resume: bool = False,
    console: Console | None = None,
    **options: Any,
) -> dict[str, dict[str, Spread]]:
    """Train once for each seed, in `out/seed-N`; for each split the spread of every figure.

    resume: finished seeds are kept, an unfinished one goes on from its checkpoint. Other options
    are those of `train`. Writes `seeds.json`. The figures are micro precision, recall and F1, and
    the F1 of each label, fractions from 0 to 1.
    """
    console = console or Console(stderr=True)
    dumped = recipe.model_dump()
    reports = []
    for seed in seeds:
        folder = out / f"seed-{seed}"
        one = make_recipe(
            {**dumped, "training": {**dumped["training"], "seed": seed}}, f"seed {seed}"
        )
        finished = resume and (folder / MODEL).is_dir() and (folder / "scores.json").is_file()
        if finished and (faults := changed_settings(folder, one)):
            raise RecipeError(f"{folder}: was trained with another recipe", faults)
        if not finished:
            console.print(f"seed {seed}", style="bold", highlight=False)
            go_on = resume and bool(last_checkpoint(folder))
            train(one, folder, resume=go_on, console=console, **options)
        reports.append(json.loads((folder / "scores.json").read_text(encoding="utf-8")))
    splits = [name for name in ("dev", "test") if name in reports[0]]
    result = {name: _spreads([report[name] for report in reports]) for name in splits}
    summary = {
        "seeds": list(seeds),
        **{
            name: {key: {"mean": s.mean, "deviation": s.deviation, "values": list(s.values)}
                   for key, s in spreads.items()}
            for name, spreads in result.items()
        },
    }  # fmt: skip
    with whole_file(out / SUMMARY) as handle:
        json.dump(summary, handle, indent=2, ensure_ascii=False)
        handle.write("\n")
    return result


def _spreads(reports: Sequence[dict[str, Any]]) -> dict[str, Spread]:
    """The figures of one split over the seeds; a label that a seed lacks counts 0 there."""
    figures = {
        name: Spread.of([report["micro"][name] for report in reports])
        for name in ("precision", "recall", "f1")
    }
    labels = sorted({label for report in reports for label in report["labels"]})
    for label in labels:
        values = [report["labels"].get(label, {"f1": 0.0})["f1"] for report in reports]
        figures[f"{label} f1"] = Spread.of(values)
    return figures
