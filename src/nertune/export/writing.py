"""Graphs written into a bundle's folder, or into one of their own: all of them, or none."""

from __future__ import annotations

import errno
import glob
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from transformers import PreTrainedModel

from nertune.bundle import ONNX_FILES, TOKENIZER_FILES, Bundle, fingerprint
from nertune.documents import Document
from nertune.errors import ExportError, OutputError
from nertune.export.graphs import mark, quantise, size_of, trace
from nertune.export.proof import Exported, Gate, Proof
from nertune.files import whole_folder
from nertune.model import load_model
from nertune.runtimes.onnx import OnnxRuntime
from nertune.runtimes.torch import TorchRuntime

_GRAPHS = Path(ONNX_FILES["onnx"]).parent
_SMALL_FILES = ("config.json", "tagger.json", *TOKENIZER_FILES)
_STAGING, _LOCK = ".export.", "lock"


def export(
    bundle: Bundle,
    sentences: Sequence[Document],
    *,
    int8: bool = False,
    gate: Gate | None = None,
    out: Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Exported]:
    """Write `onnx/model.onnx`, and with int8 `onnx/model_int8.onnx`, into a bundle's folder.

    sentences: documents on which the graphs are proved where there is no `gate`: the fp32 graph
    must give torch's emissions to a thousandth. gate: annotated data to prove them on; no graph
    may lose more F1 there than it allows. out: a model folder to make instead, with the graphs and
    without the weights. progress: is told what is done next. Returns what was measured, torch
    first. A graph that fails leaves everything as it was.
    Raises ExportError for a graph that fails, BundleError, DataError for gate data, OutputError.
    """
    if bundle.weights is None:
        raise ExportError(f"{bundle.folder}: holds no weights to export, only graphs")
    _refuse_places(bundle, out, int8)
    network: Any = load_model(bundle)
    model: PreTrainedModel = network.float()  # weights may be stored in half precision
    with _folder_of(bundle, out) as folder, staging_in(folder) as staging:
        refuse_full_disk(staging, 1e6 + size_of(model) * (3 if int8 else 1.2))
        progress("finding entities with torch")
        proof = Proof(bundle, TorchRuntime(model, "cpu"), sentences, gate)
        progress("writing the fp32 graph")
        made = {"onnx": staging / "model.onnx"}
        trace(model, made["onnx"])
        if int8:
            progress("writing the int8 graph")
            made["onnx-int8"] = staging / "model_int8.onnx"
            quantise(made["onnx"], made["onnx-int8"])
        rows = [proof.reference()]
        for name, path in made.items():
            progress(f"proving {name} on {len(proof.expected.tags):,} sentences")
            mark(path, bundle)
            rows.append(proof.measure(name, path))
        for name, path in made.items():
            os.replace(path, folder / ONNX_FILES[name])
    return rows


def _refuse_places(bundle: Bundle, out: Path | None, int8: bool) -> None:
    """Raise where files of somebody would be lost, or a graph of other weights would stay."""
    if out is not None:
        known = {*_SMALL_FILES, _GRAPHS.name}
        if out.is_dir() and (others := {path.name for path in out.iterdir()} - known):
            raise OutputError(
                f"{out}: holds {min(others)}, which would be lost; the folder is replaced as a "
                "whole. Choose one with --out that does not exist yet, or an earlier export"
            )
        return
    old = bundle.graphs.get("onnx-int8")
    assert bundle.weights is not None
    if old and not int8 and OnnxRuntime(old).weights not in (None, fingerprint(bundle.weights)):
        raise ExportError(
            f"{old}: was made of other weights than {bundle.weights.name}; write it again too, "
            "with --int8, or delete it"
        )


@contextmanager
def _folder_of(bundle: Bundle, out: Path | None) -> Iterator[Path]:
    """The model folder that the graphs go to."""
    if out is None:
        yield bundle.folder
        return
    with new_folder(out) as folder:
        for name in _SMALL_FILES:
            if (bundle.folder / name).is_file():
                shutil.copyfile(bundle.folder / name, folder / name)
        yield folder


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder to fill, without what killed exports have left of it."""
    for left in out.parent.glob(f".{glob.escape(out.name)}.*"):
        if _sweep(left / _GRAPHS):
            shutil.rmtree(left, ignore_errors=True)
    with whole_folder(out) as folder:
        yield folder


@contextmanager
def staging_in(folder: Path) -> Iterator[Path]:
    """A hidden folder for graphs that are not proved yet, on the disk that they will lie on."""
    graphs = folder / _GRAPHS
    try:
        graphs.mkdir(exist_ok=True)
        _sweep(graphs)
        with (
            tempfile.TemporaryDirectory(dir=graphs, prefix=_STAGING) as staging,
            FileLock(Path(staging) / _LOCK),
        ):
            yield Path(staging)
    except OSError as error:
        raise OutputError(
            f"{graphs}: cannot be written ({error.strerror or error}); free the disk, or choose "
            "another place with --out"
        ) from error
    finally:
        if graphs.is_dir() and not any(graphs.iterdir()):
            graphs.rmdir()


def refuse_full_disk(staging: Path, n_bytes: float) -> None:
    """Raise before the work: not all writers of graphs see that a disk is full."""
    free = shutil.disk_usage(staging).free
    if free < n_bytes:
        raise OSError(
            errno.ENOSPC, f"{free / 1e6:.1f} MB are free, about {n_bytes / 1e6:.1f} are needed"
        )


def _sweep(graphs: Path) -> bool:
    """Remove what an export that was killed has left; one that still runs holds its lock."""
    swept = False
    for left in graphs.glob(f"{_STAGING}*"):
        try:
            with FileLock(left / _LOCK, timeout=0):
                shutil.rmtree(left, ignore_errors=True)
                swept = True
        except (OSError, Timeout):
            continue
    return swept
