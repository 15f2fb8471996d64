"""What is known of a model and of the run that trained it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from nertune.bundle import Bundle
from nertune.config import Recipe, load_recipe
from nertune.errors import BundleError, NertuneError


@dataclass(frozen=True)
class Curve:
    """How a training went: by epoch the mean training loss, dev loss and dev F1.

    best: the epoch whose weights were kept. lowest: that with the lowest dev loss. overfits: the
    one after it, from which on dev loss is higher; None where there is none.
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
    def lowest(self) -> float | None:
        """The first epoch with the lowest dev loss."""
        lowest = min((loss for _, loss in self.dev_loss), default=None)
        return next((epoch for epoch, loss in self.dev_loss if loss == lowest), None)

    @property
    def overfits(self) -> float | None:
        """The first epoch after that with the lowest dev loss; None where that is the last."""
        lowest = self.lowest
        return next(
            (epoch for epoch, _ in self.dev_loss if lowest is not None and epoch > lowest), None
        )


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
    folder = bundle.folder.resolve()
    run = folder.parent if folder.name == "model" else None
    recipe = _recipe(run) if run else None
    scores = read_json(run / "scores.json") if run else {}
    weights = list(bundle.folder.glob("*.safetensors"))
    settings = bundle.settings
    return ModelFacts(
        name=run.name if run else folder.name,
        scheme=settings.scheme,
        labels=tuple(labels),
        n_parameters=sum(map(_n_parameters, weights)),
        megabytes=sum(path.stat().st_size for path in weights) / 1e6,
        window_pieces=settings.window.pieces,
        shapes=settings.shapes,
        language=settings.language,
        recipe=recipe,
        training=_speed(scores.get("training")),
    )


def _speed(training: Any) -> dict[str, Any]:
    """How long a training took; empty where its run folder does not say it in full."""
    known = isinstance(training, dict) and all(
        _is_finite(training.get(key)) for key in ("seconds", "words_per_second")
    )
    return training if known else {}


def curve_of(run: Path, name: str) -> Curve | None:
    """The training curves of a run folder; None where it has none.

    A loss that is no finite number, of a training that diverged, has no place in a plot or in JSON.
    """
    path = run / "metrics.jsonl"
    if not path.is_file():
        return None
    curve = Curve(name)
    losses: list[float] = []
    for row in _rows(path):
        if _is_finite(row.get("loss")):
            losses.append(row["loss"])
        if "eval_f1" not in row:
            continue
        if losses:
            curve.train_loss.append((row["epoch"], sum(losses) / len(losses)))
            losses = []
        for points, key in ((curve.dev_loss, "eval_loss"), (curve.dev_f1, "eval_f1")):
            if _is_finite(row.get(key)):
                points.append((row["epoch"], row[key]))
    return curve


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty where there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a log that can be used; the last one of a run that was killed may be cut."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and _is_finite(row.get("epoch")):
            yield row


def _recipe(run: Path) -> Recipe | None:
    path = run / "recipe.yaml"
    try:
        return load_recipe(path) if path.is_file() else None
    except NertuneError:  # a later nertune's recipe
        return None


def _n_parameters(path: Path) -> int:
    try:
        with safe_open(str(path), framework="numpy") as weights:
            names = weights.keys()
            return sum(math.prod(weights.get_slice(name).get_shape()) for name in names)
    except SafetensorError as error:
        raise BundleError(
            f"{path}: the weights cannot be read ({error}); copy the whole model folder, or train "
            "again"
        ) from error
