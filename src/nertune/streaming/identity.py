"""What an output follows from: its inputs, its model, the options, this version."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from nertune import __version__
from nertune.bundle import ONNX_FILES, TAGGER_FILE, WEIGHT_FILES, fingerprint, sha256

_SMALL_FILES = ("config.json", TAGGER_FILE, "tokenizer.json")


def made_from(
    inputs: Iterable[str | Path], model: Path, runtime: str, options: Mapping[str, object]
) -> dict[str, str]:
    """All that decides what is written, each as `name: value` for people to read.

    inputs: regular files, told apart by path, size and time of change. model: the folder; of its
    weights or its graph, whichever `runtime` (`Tagger.runtime.name`) uses, samples are read.
    """
    kind = runtime.split(" ")[0]
    # The rest of a graph's name is its threads, which change nothing: each batch runs on one.
    facts = {"nertune": __version__, "the runtime": kind if kind in ONNX_FILES else runtime}
    facts |= {f"the option {name}": str(value) for name, value in options.items()}
    for small in _SMALL_FILES:
        if (model / small).is_file():
            facts[f"the model's {small}"] = sha256(model / small)[:16]
    for path in _weights(model, kind):
        facts[f"the model's {path.relative_to(model)}"] = fingerprint(path)[:16]
    for number, name in enumerate(inputs, start=1):
        facts[f"input {number}"] = _file(Path(name))
    return facts


def _weights(model: Path, runtime: str) -> list[Path]:
    if runtime in ONNX_FILES:
        graph = model / ONNX_FILES[runtime]
        return [graph, *sorted(graph.parent.glob(f"{graph.name}[._]*data*"))]
    shards = sorted(model.glob("model-*.safetensors"))
    return [model / name for name in WEIGHT_FILES if (model / name).is_file()] + shards


def _file(path: Path) -> str:
    found = path.stat()
    seconds, fraction = divmod(found.st_mtime_ns, 1_000_000_000)
    changed = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
    return f"{path.resolve()} ({found.st_size:,} bytes, changed {changed}.{fraction:09d})"
