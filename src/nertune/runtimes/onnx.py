"""The ONNX runtime: a batch of windows in, logits out, without torch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime

from nertune.encoding import Batch, Floats
from nertune.errors import BundleError

TAGS_KEY, WEIGHTS_KEY = "nertune.tags", "nertune.weights"
"""What the metadata of a graph call its tags (JSON) and the fingerprint of its weights."""

_INPUTS = dict.fromkeys(("input_ids", "attention_mask", "token_type_ids"), "tensor(int64)")

# On processors its kernel is several times slower than the addition and the normalisation that it
# stands for (onnxruntime 1.31, measured: a sixth of the time of an int8 graph).
_SLOW_FUSIONS = ["SkipLayerNormFusion"]


class OnnxRuntime:
    """Runs a graph that `nertune export` wrote; `weights` and `tags` are what it says of itself.

    workers: how many batches may run at once. Each runs on one thread: that is faster than several
    threads on one batch, which wait for each other at the end of every matrix product, and no
    result depends on their number. kind: `onnx`, or `onnx-int8`, of which every window runs by
    itself: it scales its numbers by the largest in what it is given, so that in a batch the scores
    of a window would depend on the others.
    Raises BundleError for a file that is no graph.
    """

    def __init__(self, graph: Path, workers: int = 1, kind: str = "onnx") -> None:
        self.graph = graph
        self.workers = workers
        self._one_by_one = kind == "onnx-int8"
        # Measured for fp32: 256 to 512 are as good, less and more are worse.
        self.batch_pieces = 1 if self._one_by_one else 384
        self.name = f"{kind} ({workers} thread{'s' * (workers != 1)})"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(
                str(graph),
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=_SLOW_FUSIONS,
            )
        except Exception as error:  # every kind of broken file has an exception of its own
            raise BundleError(
                f"{graph}: is no ONNX graph that can be run ({_first_line(error)}); write it again "
                "with 'nertune export'"
            ) from error
        self._inputs = {one.name: one.type for one in self._session.get_inputs()}
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.weights: str | None = metadata.get(WEIGHTS_KEY)
        self.tags = _tags(graph, metadata.get(TAGS_KEY))
        shapes = {one.name: one.shape for one in self._session.get_outputs()}
        self._logits_shape: list[int | str | None] = shapes.get("logits", [])

    def check(self, n_tags: int) -> None:
        """Whether the graph is that of a tagger with so many tags. Raises BundleError."""
        known = all(_INPUTS.get(name) == kind for name, kind in self._inputs.items())
        known &= {"input_ids", "attention_mask"} <= self._inputs.keys()
        if not known or len(self._logits_shape) != 3:
            raise BundleError(
                f"{self.graph}: reads {_listed(self._inputs)}; expected the graph of a tagger, "
                f"which reads {_listed(_INPUTS)} and gives 'logits' for every piece. Write it with "
                "'nertune export'"
            )
        width = self._logits_shape[-1]
        if isinstance(width, int) and width != n_tags:
            raise BundleError(
                f"{self.graph}: gives scores of {width} tags, the model has {n_tags}; it belongs "
                "to another model. Write it again with 'nertune export', or delete it"
            )

    def logits(self, batch: Batch) -> Floats:
        """(n_windows, n_pieces, n_tags) for a padded batch; rows beyond a window mean nothing."""
        if self._one_by_one and len(batch.ids) > 1:
            found = [self.logits(one) for one in _windows(batch)]
            result: Floats = np.zeros((*batch.ids.shape, found[0].shape[-1]), np.float32)
            for row, logits in zip(result, found, strict=True):
                row[: logits.shape[1]] = logits[0]
            return result
        given = {
            "input_ids": batch.ids,
            "attention_mask": batch.mask,
            "token_type_ids": batch.types,
        }
        inputs = {name: given[name] for name in self._inputs}
        try:
            result = self._session.run(["logits"], inputs)[0]
        except Exception as error:  # every operation fails in a way of its own
            raise BundleError(
                f"{self.graph}: cannot read a batch of {batch.ids.shape[0]} windows of "
                f"{batch.ids.shape[1]} pieces ({_first_line(error)}); does it belong to the "
                "tokenizer beside it? Write it again with 'nertune export'"
            ) from error
        if result.shape[:-1] != batch.ids.shape:
            raise BundleError(
                f"{self.graph}: gives scores of the shape {result.shape} for a batch of the shape "
                f"{batch.ids.shape}; expected those of every piece. Write it again with "
                "'nertune export'"
            )
        return result


def _windows(batch: Batch) -> Iterator[Batch]:
    """Each window of a batch by itself, without padding."""
    lengths = batch.mask.sum(axis=1).tolist()
    for i, length in enumerate(lengths):
        one = (slice(i, i + 1), slice(length))
        yield Batch(batch.ids[one], batch.mask[one], batch.types[one])


def _tags(graph: Path, text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    try:
        tags = json.loads(text)
    except ValueError:
        tags = None
    if not isinstance(tags, list) or not tags:
        raise BundleError(
            f"{graph}: its metadata names no tags; write it again with 'nertune export'"
        )
    return tuple(map(str, tags))


def _listed(inputs: dict[str, str]) -> str:
    return ", ".join(f"{name} ({kind.removeprefix('tensor').strip('()')})"
                     for name, kind in inputs.items())  # fmt: skip


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
