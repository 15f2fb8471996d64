"""A model on a worker: found, checked to be the very one that the driver means, loaded once."""

from __future__ import annotations

import hashlib
import os
import socket
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from nertune.bundle import (
    ONNX_FILES,
    TAGGER_FILE,
    TOKENIZER_FILES,
    WEIGHT_FILES,
    Bundle,
    fingerprint,
    load_bundle,
    model_folder,
    position_limit,
    sha256,
)
from nertune.engine import Tagger
from nertune.errors import BundleError
from nertune.runtime_choice import RuntimeName, choose_runtime

SHIPPED = "shipped:"
"""How a model is named that was sent to the workers: by what `ship` called its folder."""

_SAMPLED = (*WEIGHT_FILES, *ONNX_FILES.values())
_WHOLE = ("config.json", TAGGER_FILE, *TOKENIZER_FILES)


@dataclass(frozen=True)
class ModelSpec:
    """Which model a worker loads, and how.

    path: a folder, or `shipped:` and a name. fingerprint: of its files; none given, any will do.
    window: pieces in a window, instead of the bundle's. batch_size: windows of full length in a
    batch.
    """

    path: str
    fingerprint: str | None = None
    runtime: RuntimeName = "auto"
    window: int | None = None
    batch_size: int | None = None


@dataclass(frozen=True)
class Proved:
    """A model that every worker has loaded: what to load, what runs it, the labels it knows."""

    spec: ModelSpec
    runtime: str
    labels: tuple[str, ...]


@lru_cache(maxsize=2)
def tagger_of(spec: ModelSpec) -> Tagger:
    """The tagger of this worker process: loaded once, and anew where the model has changed.

    Runs on the cores that Spark gives a task (`spark.task.cpus`, by way of OMP_NUM_THREADS).
    Raises BundleError where this worker cannot read the model, or has another under its name.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    folder = model_folder(local_folder(spec.path))
    found = fingerprint_of(folder)
    if spec.fingerprint not in (None, found):
        raise BundleError(
            f"{folder}: is another model on this worker than on the others (its files have the "
            f"fingerprint {found}, expected {spec.fingerprint}); copy the same folder everywhere"
        )
    bundle = load_bundle(folder)
    settings = bundle.settings
    if spec.window is not None:
        _check_window(bundle, spec.window)
        window = settings.window.model_copy(update={"pieces": spec.window})
        settings = settings.model_copy(update={"window": window})
    budget = None if spec.batch_size is None else spec.batch_size * settings.window.pieces
    runtime = choose_runtime(bundle, spec.runtime)
    return Tagger(runtime, settings, bundle.tokenizer, budget)


def _check_window(bundle: Bundle, pieces: int) -> None:
    most = position_limit(bundle.config)
    if most is not None and pieces > most:
        raise BundleError(
            f"maxSentenceLength={pieces}: the encoder of {bundle.folder} reads {most} pieces at "
            "once at most. Expected that or less; longer sentences are divided, no word is lost"
        )


def local_folder(path: str) -> Path:
    """Where this worker has the model. Raises BundleError where it was not sent here."""
    if not path.startswith(SHIPPED):
        return Path(path)
    from pyspark import SparkFiles

    name = path.removeprefix(SHIPPED)
    # Classic Spark unpacks an archive among the files, Connect where the worker works.
    places = [Path(SparkFiles.getRootDirectory()) / name, Path.cwd() / name]
    for place in places:
        if place.is_dir():
            return place
    raise BundleError(
        f"the model '{name}' was not sent to this worker (looked in {places[0]} and {places[1]}); "
        "send it in this session, with nertune.spark.ship(spark, folder)"
    )


def lowers(tokenizer: object) -> bool:
    """Whether capitals are lost to the tokenizer."""
    normalizer = getattr(tokenizer, "normalizer", None)
    return normalizer is not None and "A" not in normalizer.normalize_str("A")


def model_files(folder: Path) -> list[str]:
    """The files of a model folder that it is loaded from."""
    names = {name for name in (*_SAMPLED, *_WHOLE) if (folder / name).is_file()}
    for pattern in ("model-*.safetensors", "onnx/*"):
        names |= {path.relative_to(folder).as_posix() for path in folder.glob(pattern)}
    return sorted(names)


def fingerprint_of(folder: Path) -> str:
    """Tells apart model folders: samples of the weights and graphs, the whole of the rest."""
    digest = hashlib.sha256()
    for name in model_files(folder):
        path = folder / name
        digest.update(f"{name} {(sha256 if name in _WHOLE else fingerprint)(path)}\n".encode())
    return digest.hexdigest()[:16]


def report(spec: ModelSpec) -> dict[str, Any]:
    """What this worker has to say about the model; it stays loaded for the job."""
    found: dict[str, Any] = {"host": socket.gethostname(), "there": False}
    try:
        folder = local_folder(spec.path)
        found["there"] = folder.exists()
        print_ = fingerprint_of(model_folder(folder))
        tagger = tagger_of(replace(spec, fingerprint=print_))
        found |= {
            "fingerprint": print_,
            "lowers": lowers(tagger.encoder.tokenizer),
            "runtime": tagger.runtime.name.partition(" ")[0],
            "labels": tagger.labels,
        }
    except Exception as error:  # noqa: BLE001 - whatever it is, the driver tells it
        found["fault"] = str(error) or type(error).__name__
    return found
