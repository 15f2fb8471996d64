"""The torch runtime: a batch of windows in, logits out."""

from __future__ import annotations

from typing import Any

import torch
from transformers import PreTrainedModel

from nertune.encoding import Batch, Floats
from nertune.model import takes_shapes


class TorchRuntime:
    """Runs a transformers model, a loaded one or one that is being trained."""

    def __init__(self, model: PreTrainedModel, device: str | torch.device | None = None) -> None:
        network: Any = model
        self.model: Any = network if device is None else network.to(device)
        self._with_types = takes_shapes(model)

    @property
    def n_tags(self) -> int:
        """How many tags the model tells apart."""
        return int(self.model.config.num_labels)

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
        try:
            with torch.inference_mode():
                logits = self.model(**inputs).logits
        finally:
            self.model.train(training)
        result: Floats = logits.float().cpu().numpy()
        return result
