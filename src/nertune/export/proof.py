"""What a graph must show before it is kept."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from nertune import schemes
from nertune.bundle import ONNX_FILES, Bundle
from nertune.config import ReadSettings
from nertune.cores import free_cores
from nertune.documents import Document
from nertune.encoding import NEVER, Floats, Ints
from nertune.engine import Runtime, Tagger
from nertune.errors import BundleError, ExportError
from nertune.evaluation import evaluate_file
from nertune.runtimes.onnx import OnnxRuntime
from nertune.runtimes.torch import TorchRuntime
from nertune.scoring import score

_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Exported:
    """One runtime of a bundle, measured.

    difference: the greatest difference of an emission from torch's, over all words of the proof.
    same_entities: F1 of its entities against torch's, in points. f1 and interval: on the gate data,
    in points; None without it. words_per_second: of the proof, on the free cores.
    """

    runtime: str
    file: str
    n_bytes: int
    words_per_second: float
    difference: float
    same_entities: float
    f1: float | None = None
    interval: tuple[float, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {**self.__dict__, "interval": list(self.interval) if self.interval else None}


@dataclass(frozen=True)
class Gate:
    """Annotated data that decides whether a graph is good enough.

    max_drop: how many points of F1 below torch are allowed.
    """

    path: str | Path
    settings: ReadSettings = field(default_factory=ReadSettings)
    max_drop: float = 0.3


@dataclass(frozen=True)
class _Found:
    """What a runtime finds in the proof: emissions (n_words, n_tags), and tags by sentence."""

    emissions: Floats
    tags: list[list[str]]
    words_per_second: float
    f1: float | None = None
    interval: tuple[float, float] | None = None


class Proof:
    """What torch finds in the gate data, or in sentences, and what a graph must find too."""

    def __init__(
        self,
        bundle: Bundle,
        runtime: TorchRuntime,
        sentences: Sequence[Document],
        gate: Gate | None,
    ) -> None:
        self.bundle = bundle
        self.gate = gate
        self.documents = sentences
        self.expected = self._find(runtime)
        if gate and not self.expected.f1:
            raise ExportError(
                f"{gate.path}: the model finds none of its entities, so no drop could be seen; "
                "expected data annotated with " + ", ".join(schemes.labels_of(bundle.settings.tags))
            )
        if not len(self.expected.emissions):
            raise ExportError("there is no sentence to prove the graphs on")

    def reference(self) -> Exported:
        """Torch itself."""
        weights = self.bundle.weights
        assert weights is not None
        return self._row("torch", weights.name, weights, self.expected)

    def measure(self, name: str, path: Path) -> Exported:
        """A graph measured beside torch; raises ExportError for one that is not good enough."""
        try:
            found = self._find(OnnxRuntime(path, free_cores(), name))
        except BundleError as error:
            raise ExportError(f"{name}: the graph was not kept: {error}") from error
        row = self._row(name, ONNX_FILES[name], path, found)
        known = self.expected.emissions[self.expected.emissions > NEVER]
        allowed = _TOLERANCE * max(1.0, float(np.abs(known).max(initial=0)))
        if name == "onnx" and not row.difference <= allowed:
            raise ExportError(
                f"the graph gives other scores than torch (by up to {row.difference:.3g}, allowed "
                f"are {allowed:.3g}); it was not kept. Please report the encoder "
                f"({self.bundle.config.get('model_type')})"
            )
        if self.gate and found.f1 is not None and self.expected.f1 is not None:
            drop = self.expected.f1 - found.f1
            if drop > self.gate.max_drop:
                raise ExportError(
                    f"{name}: F1 on {self.gate.path} falls by {drop:.2f} points, from "
                    f"{self.expected.f1:.2f} to {found.f1:.2f}; allowed are "
                    f"{self.gate.max_drop:g}. The folder stays as it was. Export without --int8, "
                    "or allow more with --max-drop"
                )
        return row

    def _row(self, name: str, file: str, path: Path, found: _Found) -> Exported:
        difference = np.abs(found.emissions - self.expected.emissions).max(initial=0)
        same = score(self.expected.tags, found.tags).micro
        return Exported(
            name,
            file,
            path.stat().st_size,
            found.words_per_second,
            float(difference),
            100 * same.f1 if same.gold + same.predicted else 100.0,
            found.f1,
            found.interval,
        )

    def _find(self, runtime: Runtime) -> _Found:
        tagger = Tagger(runtime, self.bundle.settings, self.bundle.tokenizer)
        if self.gate is None:
            encoded = tagger.encoder.encode(self.documents)
            start = time.perf_counter()
            emissions = tagger.emissions(encoded)
            speed = encoded.n_words / max(time.perf_counter() - start, 1e-9)
            tags = self._tags(tagger, emissions, encoded.sentence_starts)
            return _Found(emissions, tags, speed)
        found = evaluate_file(tagger, self.gate.path, self.gate.settings)
        band = found.result.to_dict()["intervals"]["micro"]["f1"]
        return _Found(
            found.emissions,
            self._tags(tagger, found.emissions, found.sentence_starts),
            found.result.words_per_second,
            100 * found.scored.scores.micro.f1,
            (100 * band[0], 100 * band[1]),
        )

    def _tags(self, tagger: Tagger, emissions: Floats, starts: Ints) -> list[list[str]]:
        ids = tagger.decoder.best_tags(emissions, starts)
        names = [tagger.settings.tags[i] for i in ids.tolist()]
        return [names[a:b] for a, b in pairwise(starts.tolist())]
