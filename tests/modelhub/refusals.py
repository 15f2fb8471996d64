"""What must fail, and what it must not say."""

from __future__ import annotations

import traceback
from typing import Any

import pytest

from fake_hub import TOKEN
from nertune.errors import BundleError, NertuneError, OutputError
from nertune.modelhub import prepare, push

FILES = (
    "config.json", "model.safetensors", "tagger.json", "tokenizer.json", "tokenizer_config.json",
)  # fmt: skip
"""The files of a tiny model."""


def told(action: Any, *arguments: Any, **options: Any) -> str:
    """The message of what must fail, in which, and in whose traceback, there is no token."""
    kind = OutputError if action in (push, prepare) else BundleError
    with pytest.raises(NertuneError) as caught:
        action(*arguments, **options)
    assert type(caught.value) is kind
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value.__context__)
    assert TOKEN not in shown
    assert "\n" not in str(caught.value)
    return str(caught.value)
