"""docs/python.md: every example runs and prints what the page says, scores aside."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nertune import Tagger, schemes
from nertune.bundle import MINILM, TaggerSettings, encoder_source, read_tokenizer
from nertune.config import WindowSettings
from nertune.testing import FakeRuntime

PAGE = Path(__file__).parents[1] / "docs" / "python.md"
NAMES = {
    "PER": "Ada Lovelace Charles Babbage Angela Merkel Peter Blackburn",
    "LOC": "London Paris Brussels New York",
}


def finds_the_names_of_the_page() -> Tagger:
    """The model of the page, played: it knows the first pieces of the names there."""
    tokenizer = read_tokenizer(Path(encoder_source(MINILM)))
    tags = tuple(schemes.tag_set(["LOC", "MISC", "ORG", "PER"], schemes.SCHEMES["IOB2"]))
    labels = {
        tokenizer.encode(word, add_special_tokens=False).ids[0]: label
        for label, words in NAMES.items()
        for word in words.split()
    }

    def script(ids: Any) -> Any:
        logits = np.zeros((*ids.shape, len(tags)), np.float32)
        logits[..., 0] = np.where(np.isin(ids, list(labels)), 0, 40)
        for piece, label in labels.items():
            logits[ids == piece, tags.index(f"B-{label}")] = 20
            logits[ids == piece, tags.index(f"I-{label}")] = 30  # goes on, where it may
        return logits

    settings = TaggerSettings(tags=tags, scheme="IOB2", window=WindowSettings())
    return Tagger(FakeRuntime(len(tags), script), settings, tokenizer)


class ScoresAside(doctest.OutputChecker):
    """Compares outputs with every decimal number taken out."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        want, got = (re.sub(r"\d+\.\d+", "#", text) for text in (want, got))
        return super().check_output(want, got, optionflags)


def test_the_examples_of_the_page_print_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Tagger, "load", lambda _: finds_the_names_of_the_page())
    page = PAGE.read_text(encoding="utf-8")
    test = doctest.DocTestParser().get_doctest(page, {}, PAGE.name, str(PAGE), 0)
    lines: list[str] = []
    runner = doctest.DocTestRunner(ScoresAside(), optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(test, out=lines.append)
    assert runner.tries > 30
    assert not runner.failures, "".join(lines)
