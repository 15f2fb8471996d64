"""What is known of a model and of the run that trained it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors import safe_open

from nertune.bundle import Bundle
from nertune.config import Recipe, load_recipe
from nertune.errors import NertuneError


@dataclass(frozen=True)
class Curve:
    """How a training went: by epoch the mean training loss, dev loss and dev F1.

    best: the epoch whose weights were kept. overfits: the epoch from which on dev loss rises for
    good while training loss falls; None where it never does.
    """

    name: str
    train_loss: list[tuple[float, float]] = field(default_factory=list)
    dev_loss: list[tuple[float, float]] = field(default_factory=list)
    dev_f1: list[tuple[float, float]] = field(default_factory=list)

    @property
    def best(self) -> float | None:
        """The first epoch with the best dev F1."""
        best = max((f1 for _, f1 in self.dev_f1), default=None)
        return next((epoch for epoch, f1 in self.dev_f1 if f1 == best), None)

    @property
    def overfits(self) -> float | None:
        """The first epoch after that with the lowest dev loss; None where that is the last."""
        lowest = min((loss for _, loss in self.dev_loss), default=None)
        behind = [epoch for epoch, loss in self.dev_loss if loss == lowest]
        later = [epoch for epoch, _ in self.dev_loss if behind and epoch > behind[0]]
        return later[0] if later else None


@dataclass(frozen=True)
class ModelFacts:
    """A model's size, and what its run folder says of how it was made.

    megabytes: of the weights, 10**6 bytes. training: words/s, seconds and threads.
    """

    name: str
    scheme: str | None
    labels: tuple[str, ...]
    n_parameters: int
    megabytes: float
    window_pieces: int
    shapes: bool
    language: str | None = None
    recipe: Recipe | None = None
    training: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        facts = asdict(self)
        return {**facts, "recipe": self.recipe.model_dump() if self.recipe else None}


def model_facts(bundle: Bundle, labels: Iterable[str]) -> ModelFacts:
    """The facts of a bundle, and of the run folder it lies in."""
    run = bundle.folder.parent if bundle.folder.name == "model" else None
    recipe = _recipe(run) if run else None
    scores = read_json(run / "scores.json") if run else {}
    weights = list(bundle.folder.glob("*.safetensors"))
    settings = bundle.settings
    return ModelFacts(
        name=run.name if run else bundle.folder.name,
        scheme=settings.scheme,
        labels=tuple(labels),
        n_parameters=sum(map(_n_parameters, weights)),
        megabytes=sum(path.stat().st_size for path in weights) / 1e6,
        window_pieces=settings.window.pieces,
        shapes=settings.shapes,
        language=settings.language,
        recipe=recipe,
        training=scores.get("training", {}),
    )


def curve_of(run: Path, name: str) -> Curve | None:
    """The training curves of a run folder; None where it has none."""
    path = run / "metrics.jsonl"
    if not path.is_file():
        return None
    curve = Curve(name)
    losses: list[float] = []
    for row in _rows(path):
        if isinstance(row.get("loss"), float):
            losses.append(row["loss"])
        if "eval_f1" not in row:
            continue
        if losses:
            curve.train_loss.append((row["epoch"], sum(losses) / len(losses)))
            losses = []
        for points, key in ((curve.dev_loss, "eval_loss"), (curve.dev_f1, "eval_f1")):
            if row.get(key) is not None:
                points.append((row["epoch"], row[key]))
    return curve


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty where there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except ValueError:  # the last line of a run that was killed
            continue


def _recipe(run: Path) -> Recipe | None:
    path = run / "recipe.yaml"
    try:
        return load_recipe(path) if path.is_file() else None
    except NertuneError:  # a later nertune's recipe
        return None


def _n_parameters(path: Path) -> int:
    total = 0
    with safe_open(str(path), framework="numpy") as weights:
        for name in weights.keys():  # noqa: SIM118 - no mapping
            shape = weights.get_slice(name).get_shape()
            size = 1
            for length in shape:
                size *= length
            total += size
    return total
