"""The files of a model folder: their names, what is missing among them, and what weights hold."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from nertune.bundle.findings import Findings, Place

TAGGER_FILE = "tagger.json"
WEIGHT_FILES = ("model.safetensors", "model.safetensors.index.json")
ONNX_FILES = {"onnx": "onnx/model.onnx", "onnx-int8": "onnx/model_int8.onnx"}
"""Where the graphs of a bundle lie, by the runtime that runs them; the names of the Hub."""

TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.txt", "vocab.json", "merges.txt",
)  # fmt: skip
"""Files that a tokenizer is read from."""

_SENTENCE_PIECE = (".model", ".spm")
_PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json", "model.pt", "model.pth")
_OTHER_WEIGHTS = ("tf_model.h5", "flax_model.msgpack")
_SAMPLE, _N_SAMPLES = 4096, 64
_MOST_HEADER = 1 << 27

SAVE_TOKENIZER = (
    "save it with transformers, once: AutoTokenizer.from_pretrained(...).save_pretrained(...)"
)
OTHER_MODEL = "the two files belong to different models; copy the whole model folder"
_CONVERT = (
    "convert it once with transformers, where you trust its author: "
    "AutoModelForTokenClassification.from_pretrained(...).save_pretrained(...) writes "
    "model.safetensors"
)


def names_in(folder: Path) -> set[str]:
    """The files of a model folder, those in `onnx/` too, as the Hub names them."""
    paths = (*folder.iterdir(), *folder.glob("onnx/*"))
    return {path.relative_to(folder).as_posix() for path in paths if path.is_file()}


def check_names(where: str | Path, names: Collection[str], found: Findings) -> None:
    """Whether the files of these names can be a model."""
    if not any(name in names for name in (*WEIGHT_FILES, *ONNX_FILES.values())):
        _no_weights(Place("weights", where), names, found)
    pair = {"vocab.json", "merges.txt"} & set(names)
    if "tokenizer.json" in names or "vocab.txt" in names or len(pair) == 2:
        return
    at = Place("tokenizer", where)
    pieces = next((name for name in sorted(names) if name.endswith(_SENTENCE_PIECE)), None)
    if pieces:
        found.error(
            at,
            f"holds no tokenizer.json but {pieces}, a SentencePiece model, which nertune does not "
            "read",
            SAVE_TOKENIZER,
        )
    elif pair:
        missing = "merges.txt" if "vocab.json" in pair else "vocab.json"
        found.error(
            at, f"holds {pair.pop()} without {missing}, which belongs to it", SAVE_TOKENIZER
        )
    else:
        found.error(at, "holds no tokenizer.json", SAVE_TOKENIZER)


def _no_weights(at: Place, names: Collection[str], found: Findings) -> None:
    for name in _PICKLES:
        if name in names:
            found.error(
                at,
                f"has its weights only in {name}, a pickle, which can run any program when it is "
                "read, and so is never opened",
                _CONVERT,
            )
            return
    for name in _OTHER_WEIGHTS:
        if name in names:
            found.error(at, f"has its weights only in {name}, of another framework", _CONVERT)
            return
    found.error(
        at,
        f"holds no weights; expected {WEIGHT_FILES[0]} beside config.json",
        "copy the whole model folder, or train again",
    )


def read_json(path: Path, about: str, found: Findings) -> dict[str, Any] | None:
    """The JSON object in a file; None where it holds none, which is an error."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        found.error(
            Place(about, path), f"cannot be read as JSON ({error})", "copy it again from its source"
        )
        return None
    if not isinstance(content, dict):
        found.error(Place(about, path), "holds no JSON object", "copy it again from its source")
        return None
    return content


def check_weights(folder: Path, n_tags: int | None, found: Findings) -> None:
    """Whether the files of weights are whole and classify into as many tags as there are names."""
    single, index = (folder / name for name in WEIGHT_FILES)
    if single.is_file():
        tensors = _header(single, found)
        if tensors is not None:
            _check_classifier(single, tensors, n_tags, found)
    elif index.is_file():
        content = read_json(index, "weights", found) or {}
        places = content.get("weight_map")
        shards = {str(name) for name in places.values()} if isinstance(places, dict) else set()
        for name in sorted(shards):
            if not (folder / name).is_file():
                found.error(
                    Place("weights", index),
                    f"names {name}, which is not there",
                    "copy the whole model folder",
                )
            else:
                _header(folder / name, found)


def _header(path: Path, found: Findings) -> dict[str, Any] | None:
    """The names, sizes and places of tensors at the head of a safetensors file."""
    size = path.stat().st_size
    with path.open("rb") as handle:
        length = int.from_bytes(handle.read(8), "little")
        raw = handle.read(length) if length <= min(size, _MOST_HEADER) else b""
    try:
        tensors = json.loads(raw)
        tensors.pop("__metadata__", None)
        ends = [tensor["data_offsets"][1] for tensor in tensors.values()]
        fault = "" if size == 8 + length + max(ends, default=0) else "it is cut off"
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        pointer = size < 1024 and path.read_bytes().startswith(b"version https://git-lfs")
        fault = "a pointer of Git LFS stands in its place" if pointer else "it is no safetensors"
    if fault:
        found.error(
            Place("weights", path),
            f"the weights cannot be read ({fault})",
            f"copy the file again from its source; it has {size:,} bytes here",
        )
        return None
    return tensors  # type: ignore[no-any-return]


def _check_classifier(
    path: Path, tensors: dict[str, Any], n_tags: int | None, found: Findings
) -> None:
    rows = (tensors.get("classifier.weight") or {}).get("shape", [None])[0]
    if rows is not None and n_tags is not None and rows != n_tags:
        found.error(
            Place("weights", path),
            f"the weights cannot be read with this config.json: they classify into {rows} tags, "
            f"id2label names {n_tags}",
            OTHER_MODEL,
        )
    if not any("classifier" in name or "score" in name for name in tensors):
        found.warning(
            Place("weights", path),
            "the weights hold no classifier; is this an encoder that was never fine-tuned?",
            "train it with 'nertune train'",
        )


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def fingerprint(path: Path) -> str:
    """Tells apart weights that were trained differently, without reading all of them.

    The SHA-256 of the size and of 64 samples evenly spread, the first and the last block among
    them: training moves every weight.
    """
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as handle:
        for k in range(_N_SAMPLES):
            handle.seek(max(0, size - _SAMPLE) * k // (_N_SAMPLES - 1))
            digest.update(handle.read(_SAMPLE))
    return digest.hexdigest()
