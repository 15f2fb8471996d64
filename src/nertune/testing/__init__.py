"""For tests, ours and yours: tiny random models made offline, and a runtime that plays a script.

The tokenizers, the texts, the checks and FakeRuntime come without torch; it is imported only when a
network is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nertune.testing.checks import offset_faults, piece_faults
from nertune.testing.fake import FakeRuntime, varied_logits
from nertune.testing.texts import LONE_SURROGATES, TEXT, giant_texts, odd_texts
from nertune.testing.vocabularies import FAMILIES, Family, tiny_tokenizer

if TYPE_CHECKING:
    from nertune.testing.networks import tiny_bundle, tiny_encoder, tiny_model

__all__ = [
    "FAMILIES",
    "LONE_SURROGATES",
    "TEXT",
    "FakeRuntime",
    "Family",
    "giant_texts",
    "odd_texts",
    "offset_faults",
    "piece_faults",
    "tiny_bundle",
    "tiny_encoder",
    "tiny_model",
    "tiny_tokenizer",
    "varied_logits",
]

_WITH_TORCH = ("tiny_bundle", "tiny_encoder", "tiny_model")


def __getattr__(name: str) -> Any:
    if name in _WITH_TORCH:
        return getattr(import_module("nertune.testing.networks"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
