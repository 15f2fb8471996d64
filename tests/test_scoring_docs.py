"""The examples of docs/scoring.md give what the page says."""

from __future__ import annotations

import doctest
import warnings
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "scoring.md"


def test_examples_give_what_the_page_says(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        failures, tried = doctest.testfile(str(PAGE), module_relative=False, encoding="utf-8")
    assert not failures, capsys.readouterr().out
    assert tried > 30
