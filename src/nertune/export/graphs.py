"""A network written as a graph, and its weights as int8.

The graph is traced by torch's older exporter: its graphs run a fifth faster in ONNX Runtime than
those of the newer one, lie in one file, and are what Spark NLP asks for (decision 0012).
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from transformers import PreTrainedModel

from nertune import __version__
from nertune.bundle import Bundle, fingerprint
from nertune.errors import ExportError, OutputError
from nertune.model import takes_shapes
from nertune.runtimes.onnx import TAGS_KEY, WEIGHTS_KEY

OPSET = 18
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_LARGEST = 2_000_000_000  # bytes that one protobuf message can hold


def size_of(model: PreTrainedModel) -> int:
    """The bytes of its weights."""
    return sum(value.nbytes for value in model.parameters())


@dataclass(frozen=True)
class Feed:
    """What a program feeds a graph, where it is another one than nertune.

    names: the inputs it gives. padding: the piece it pads with, where its `attention_mask` is wrong
    about it; the graph then hides that piece by itself, and never the first of a window.
    """

    names: tuple[str, ...]
    padding: int | None = None


class _Logits(torch.nn.Module):
    """A model whose inputs are named and whose only output is its logits."""

    def __init__(self, model: PreTrainedModel, feed: Feed) -> None:
        super().__init__()
        self.model = model
        self.feed = feed

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        network: Any = self.model
        given = dict(zip(self.feed.names, inputs, strict=True))
        if self.feed.padding is not None:
            ids, mask = given["input_ids"], given["attention_mask"]
            mask = torch.cat([torch.ones_like(mask[:, :1]), mask[:, 1:]], dim=1)
            given["attention_mask"] = mask * (ids != self.feed.padding).long()
        logits: torch.Tensor = network(**given).logits
        return logits


def trace(model: PreTrainedModel, path: Path, feed: Feed | None = None) -> None:
    """Write the network as an ONNX graph with any number of windows and pieces.

    feed: what it will be fed; all inputs that the network has, if not given. Raises ExportError,
    and OutputError for a path that is no UTF-8.
    """
    _refuse_path(path)
    if size_of(model) > _LARGEST:
        raise ExportError(
            f"the network has {size_of(model) / 1e9:.1f} GB of weights; one ONNX file holds at "
            "most 2 GB"
        )
    network: Any = model
    network.set_attn_implementation("eager")  # the graph of sdpa has extra steps for its mask
    feed = feed or Feed(_INPUTS if takes_shapes(model) else _INPUTS[:2])
    names = feed.names
    ids = torch.ones((2, 8), dtype=torch.long)
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    inputs = (ids, mask, torch.zeros_like(ids))[: len(names)]
    with warnings.catch_warnings(), _silenced("torch.onnx"):
        warnings.simplefilter("ignore")  # tracing warns of every number that it takes as fixed
        try:
            torch.onnx.export(
                _Logits(model, feed).eval(),
                inputs,
                str(path),
                input_names=list(names),
                output_names=["logits"],
                dynamic_axes={name: {0: "windows", 1: "pieces"} for name in (*names, "logits")},
                opset_version=OPSET,
                dynamo=False,
            )
        except OSError:  # a full disk
            raise
        except Exception as error:  # whatever an operation without an ONNX form raises
            reason = str(error).strip().partition("\n")[0]
            raise ExportError(
                f"the encoder {model.config.model_type} cannot be written as an ONNX graph "
                f"({reason}); it runs with runtime 'torch' only"
            ) from error


def _refuse_path(path: Path) -> None:
    """Raise OutputError for a path that torch and onnx cannot open."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise OutputError(
            f"{str(path)!a}: the path is no valid UTF-8, which the writer of graphs needs; "
            "rename the folder, or choose another one with --out"
        ) from None


def quantise(plain: Path, path: Path) -> None:
    """Dynamic int8: weights stored as int8 by channel, activations quantised batch by batch.

    Weights use 7 of 8 bits: on processors without VNNI the products of 8 would overflow.
    """
    try:
        with _silenced(""):
            quantize_dynamic(
                plain, path, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True
            )
    except OSError:
        raise
    except Exception as error:  # a graph that it cannot read, or could not write whole
        reason = str(error).strip().partition("\n")[0]
        raise ExportError(
            f"the int8 graph cannot be made ({reason}); is the disk full? Else export without "
            "--int8"
        ) from error


def mark(path: Path, bundle: Bundle) -> None:
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
