"""The torch runtime: a batch of windows in, logits out."""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from nertune.encoding import Batch, Floats
from nertune.errors import BundleError
from nertune.model import takes_shapes

_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
_GPU_PIECES = 16_384


class TorchRuntime:
    """Runs a transformers model, a loaded one or one that is being trained.

    precision: fp32, or bf16 and fp16 for matrix products under autocast, which change logits in the
    second or third digit. Raises BundleError for a device that is not there, or one that cannot
    compute with this precision.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        device: str | torch.device | None = None,
        precision: str = "fp32",
    ) -> None:
        network: Any = model
        try:
            self.model: Any = network if device is None else network.to(device)
        except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
            reason = str(error).strip().partition("\n")[0]
            raise BundleError(
                f"the device '{device}' cannot be used ({reason}); expected 'cpu', or 'cuda' where "
                "there is a GPU"
            ) from None
        self._with_types = takes_shapes(model)
        self._type = _checked(precision, self.model.device.type)
        self.precision = precision

    @property
    def name(self) -> str:
        """The runtime, where it runs and how precisely."""
        return f"torch ({self.model.device.type}, {self.precision})"

    @property
    def workers(self) -> int:
        """How many batches may be under way: on a GPU one more than is being computed."""
        return 2 if self.model.device.type == "cuda" else 1

    @property
    def batch_pieces(self) -> int:
        """The budget of a batch: small on processors, where the cache counts, large on a GPU."""
        return _GPU_PIECES if self.model.device.type == "cuda" else 384

    def logits(self, batch: Batch) -> Floats:
        """(n_windows, n_pieces, n_tags) for a padded batch; rows beyond a window mean nothing."""
        device = self.model.device
        inputs = {
            "input_ids": torch.from_numpy(batch.ids).to(device),
            "attention_mask": torch.from_numpy(batch.mask).to(device),
        }
        if self._with_types:
            inputs["token_type_ids"] = torch.from_numpy(batch.types).to(device)
        training = self.model.training
        self.model.eval()
        low = torch.autocast(device.type, self._type) if self._type else nullcontext()
        try:
            with torch.inference_mode(), low:
                logits = self.model(**inputs).logits
        finally:
            if training:
                self.model.train()
        result: Floats = logits.float().cpu().numpy()
        if self._type is torch.float16 and not np.isfinite(result[batch.mask.astype(bool)]).all():
            raise BundleError(
                "the network gives scores that are no finite numbers in fp16, whose largest number "
                "is 65 504; take precision='bf16' or 'fp32'"
            )
        return result


def _checked(precision: str, device: str) -> torch.dtype | None:
    """The type of autocast; None for full precision."""
    if precision == "fp32":
        return None
    if precision not in _TYPES:
        raise BundleError(f"precision={precision!r}: expected one of fp32, bf16, fp16")
    if not _multiplies(_TYPES[precision], device):
        raise BundleError(
            f"precision={precision!r}: torch cannot compute with it on this {device}; take 'fp32'"
        )
    return _TYPES[precision]


def _multiplies(kind: torch.dtype, device: str) -> bool:
    """Whether a matrix product under autocast comes out right, and in this type.

    Tried out: what a device says of itself is no proof, and some fall back to fp32 with a warning.
    """
    ones = torch.ones((64, 64), device=device)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with torch.inference_mode(), torch.autocast(device, kind):
                product = ones @ ones
        except RuntimeError:
            return False
    return product.dtype is kind and bool((product == 64).all())
