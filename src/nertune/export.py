"""torch -> ONNX, fp32 and int8, proved on real sentences before a file gets its name.

The graph is traced by torch's older exporter: its graphs run a fifth faster in ONNX Runtime than
those of the newer one, lie in one file, and are what Spark NLP asks for (decision 0012).
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from transformers import PreTrainedModel

from nertune import __version__
from nertune.bundle import ONNX_FILES, Bundle, fingerprint
from nertune.config import ReadSettings
from nertune.cores import free_cores
from nertune.documents import Document
from nertune.encoding import NEVER, Floats, Ints
from nertune.engine import Runtime, Tagger
from nertune.errors import ExportError, OutputError
from nertune.evaluation import evaluate_file
from nertune.files import whole_folder
from nertune.model import load_model, takes_shapes
from nertune.runtimes.onnx import TAGS_KEY, WEIGHTS_KEY, OnnxRuntime
from nertune.runtimes.torch import TorchRuntime
from nertune.scoring import score

OPSET = 18
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_SMALL_FILES = ("config.json", "tagger.json", "tokenizer.json", "tokenizer_config.json")
_TOLERANCE = 1e-3
_LARGEST = 2_000_000_000  # bytes that one protobuf message can hold


@dataclass(frozen=True)
class Exported:
    """One runtime of a bundle, measured.

    difference: the greatest difference of an emission from torch's, over all words of the proof.
    same_entities: F1 of its entities against torch's, in points. f1 and interval: on the gate data,
    in points; None without it. words_per_second: of the proof, on the free
    cores.
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


def export(
    bundle: Bundle,
    sentences: Sequence[Document],
    *,
    int8: bool = False,
    gate: Gate | None = None,
    out: Path | None = None,
) -> list[Exported]:
    """Write `onnx/model.onnx`, and with int8 `onnx/model_int8.onnx`, into a bundle's folder.

    sentences: documents on which the graphs are proved where there is no `gate`: the fp32 graph
    must give torch's emissions to a thousandth. gate: annotated data to prove them on; no graph
    may lose more F1 there than it allows. out: a model folder to make instead, with the graphs and
    without the weights. Returns what was measured, torch first. A graph that fails leaves
    everything as it was.
    Raises ExportError for a graph that fails, BundleError, DataError for gate data, OutputError.
    """
    if bundle.weights is None:
        raise ExportError(f"{bundle.folder}: holds no weights to export, only graphs")
    model = load_model(bundle)
    proof = _Proof(bundle, TorchRuntime(model, "cpu"), sentences, gate)
    with _folder_of(bundle, out) as folder, _staging(folder) as staging:
        made = {"onnx": staging / "model.onnx"}
        _trace(model, made["onnx"])
        if int8:
            made["onnx-int8"] = staging / "model_int8.onnx"
            _quantise(made["onnx"], made["onnx-int8"])
        rows = [proof.reference()]
        for name, path in made.items():
            _mark(path, bundle)
            rows.append(proof.measure(name, path))
        for name, path in made.items():
            os.replace(path, folder / ONNX_FILES[name])
    return rows


@contextmanager
def _folder_of(bundle: Bundle, out: Path | None) -> Iterator[Path]:
    """The model folder that the graphs go to."""
    if out is None:
        yield bundle.folder
        return
    with whole_folder(out) as folder:
        for name in _SMALL_FILES:
            if (bundle.folder / name).is_file():
                shutil.copyfile(bundle.folder / name, folder / name)
        yield folder


@contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """A hidden folder for graphs that are not proved yet, on the disk that they will lie on."""
    graphs = folder / Path(ONNX_FILES["onnx"]).parent
    try:
        graphs.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=graphs, prefix=".export.") as staging:
            yield Path(staging)
    except OSError as error:
        raise OutputError(
            f"{graphs}: cannot be written ({error.strerror or error}); free the disk, or choose "
            "another place with --out"
        ) from error
    finally:
        if graphs.is_dir() and not any(graphs.iterdir()):
            graphs.rmdir()


@dataclass(frozen=True)
class _Found:
    """What a runtime finds in the proof: emissions (n_words, n_tags), and tags by sentence."""

    emissions: Floats
    tags: list[list[str]]
    words_per_second: float
    f1: float | None = None
    interval: tuple[float, float] | None = None


class _Proof:
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

    def reference(self) -> Exported:
        """Torch itself."""
        weights = self.bundle.weights
        assert weights is not None
        return self._row("torch", weights.name, weights, self.expected)

    def measure(self, name: str, path: Path) -> Exported:
        """A graph measured beside torch; raises ExportError for one that is not good enough."""
        found = self._find(OnnxRuntime(path, free_cores(), name))
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


class _Logits(torch.nn.Module):
    """A model whose inputs are named and whose only output is its logits."""

    def __init__(self, model: PreTrainedModel, names: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self.names = names

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        network: Any = self.model
        logits: torch.Tensor = network(**dict(zip(self.names, inputs, strict=True))).logits
        return logits


def _trace(model: PreTrainedModel, path: Path) -> None:
    """Write the network as an ONNX graph with any number of windows and pieces."""
    n_bytes = sum(value.nbytes for value in model.parameters())
    if n_bytes > _LARGEST:
        raise ExportError(
            f"the network has {n_bytes / 1e9:.1f} GB of weights; one ONNX file holds at most 2 GB"
        )
    network: Any = model
    network.set_attn_implementation("eager")  # the graph of sdpa has extra steps for its mask
    names = _INPUTS if takes_shapes(model) else _INPUTS[:2]
    ids = torch.ones((2, 8), dtype=torch.long)
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    inputs = (ids, mask, torch.zeros_like(ids))[: len(names)]
    with warnings.catch_warnings(), _silenced("torch.onnx"):
        warnings.simplefilter("ignore")  # tracing warns of every number that it takes as fixed
        try:
            torch.onnx.export(
                _Logits(model, names).eval(),
                inputs,
                str(path),
                input_names=list(names),
                output_names=["logits"],
                dynamic_axes={name: {0: "windows", 1: "pieces"} for name in (*names, "logits")},
                opset_version=OPSET,
                dynamo=False,
            )
        except Exception as error:  # whatever an operation without an ONNX form raises
            reason = str(error).strip().partition("\n")[0]
            raise ExportError(
                f"the encoder {model.config.model_type} cannot be written as an ONNX graph "
                f"({reason}); it runs with runtime 'torch' only"
            ) from error


def _quantise(plain: Path, path: Path) -> None:
    """Dynamic int8: weights stored as int8 by channel, activations quantised batch by batch.

    Weights use 7 of 8 bits: on processors without VNNI the products of 8 would overflow.
    """
    with _silenced(""):
        quantize_dynamic(
            plain, path, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True
        )


def _mark(path: Path, bundle: Bundle) -> None:
    """Write into a graph what it belongs to."""
    graph = onnx.load(str(path))
    assert bundle.weights is not None
    facts = {
        TAGS_KEY: json.dumps(bundle.settings.tags),
        WEIGHTS_KEY: fingerprint(bundle.weights),
        "nertune.version": __version__,
    }
    for key, value in facts.items():
        graph.metadata_props.add(key=key, value=value)
    onnx.save(graph, str(path))


@contextmanager
def _silenced(name: str) -> Iterator[None]:
    """Without the warnings of a logger."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
