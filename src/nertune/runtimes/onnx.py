"""The ONNX runtime: a batch of windows in, logits out, without torch."""

from __future__ import annotations

import json
from pathlib import Path

import onnxruntime

from nertune.encoding import Batch, Floats
from nertune.errors import BundleError

TAGS_KEY, WEIGHTS_KEY = "nertune.tags", "nertune.weights"
"""What the metadata of a graph call its tags (JSON) and the fingerprint of its weights."""

# On processors its kernel is several times slower than the addition and the normalisation that it
# stands for (onnxruntime 1.31, measured: a sixth of the time of an int8 graph).
_SLOW_FUSIONS = ["SkipLayerNormFusion"]


class OnnxRuntime:
    """Runs a graph that `nertune export` wrote; `weights` and `tags` are what it says of itself.

    workers: how many batches may run at once. Each runs on one thread: that is faster than several
    threads on one batch, which wait for each other at the end of every matrix product, and no
    result depends on their number.
    Raises BundleError for a file that is no graph of a tagger.
    """

    batch_pieces = 384  # measured: 256 to 512 are as good, less and more are worse

    def __init__(self, graph: Path, workers: int = 1, kind: str = "onnx") -> None:
        self.graph = graph
        self.workers = workers
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
            reason = str(error).strip().partition("\n")[0]
            raise BundleError(
                f"{graph}: is no ONNX graph that can be run ({reason}); write it again with "
                "'nertune export'"
            ) from error
        self._inputs = {one.name for one in self._session.get_inputs()}
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.weights: str | None = metadata.get(WEIGHTS_KEY)
        self.tags = _tags(graph, metadata.get(TAGS_KEY))
        outputs = [one.name for one in self._session.get_outputs()]
        if outputs != ["logits"] or not {"input_ids", "attention_mask"} <= self._inputs:
            raise BundleError(
                f"{graph}: reads {', '.join(sorted(self._inputs))} and gives "
                f"{', '.join(outputs)}; expected the graph of a tagger, which gives logits. Write "
                "it with 'nertune export'"
            )

    def logits(self, batch: Batch) -> Floats:
        """(n_windows, n_pieces, n_tags) for a padded batch; rows beyond a window mean nothing."""
        given = {
            "input_ids": batch.ids,
            "attention_mask": batch.mask,
            "token_type_ids": batch.types,
        }
        inputs = {name: value for name, value in given.items() if name in self._inputs}
        result: Floats = self._session.run(["logits"], inputs)[0]
        return result


def _tags(graph: Path, text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    try:
        return tuple(map(str, json.loads(text)))
    except (ValueError, TypeError):
        raise BundleError(
            f"{graph}: its metadata names no tags; write it again with 'nertune export'"
        ) from None
