"""A runtime that plays a script."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nertune.encoding import Batch, Floats


class FakeRuntime:
    """A runtime whose logits come from a function of the piece ids.

    script: (n_windows, n_pieces) ids to (n_windows, n_pieces, n_tags) logits. workers: how many
    threads may ask at once. `batches` keeps the shapes it was given.
    """

    name = "fake"
    batch_pieces = 512

    def __init__(
        self,
        n_tags: int,
        script: Callable[[Any], Floats] | None = None,
        workers: int = 1,
    ) -> None:
        self.n_tags = n_tags
        self.workers = workers
        self.batches: list[tuple[int, int]] = []
        self._script = script or self._by_id

    def _by_id(self, ids: Any) -> Floats:
        # Any fixed function of the piece will do: the same piece always gets the same logits.
        tags = np.arange(self.n_tags)
        logits: Floats = np.sin(ids[..., None] * 12.9898 + tags * 78.233).astype(np.float32) * 4
        return logits

    def logits(self, batch: Batch) -> Floats:
        """Play the script for one batch."""
        self.batches.append((batch.ids.shape[0], batch.ids.shape[1]))
        return self._script(batch.ids)


def varied_logits(n_tags: int) -> Callable[[Any], Floats]:
    """A script that finds many entities with every tokenizer, those too that begin every word with
    the same piece: the logits of a piece come from it and the next."""

    def script(ids: Any) -> Floats:
        following = np.roll(ids, -1, axis=-1)
        angles = (ids + 7 * following)[..., None] * 12.9898 + np.arange(n_tags) * 78.233
        logits: Floats = np.sin(angles).astype(np.float32) * 4
        return logits

    return script
