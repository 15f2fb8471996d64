"""A tiny model: its folder, its files, and a run folder with one of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from refusals import FILES

from nertune.testing import tiny_bundle


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("hub") / "model")


@pytest.fixture(scope="module")
def content(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


@pytest.fixture
def run(folder: Path, tmp_path: Path) -> Path:
    """A run folder with a model of its own."""
    shutil.copytree(folder, tmp_path / "run" / "model")
    (tmp_path / "run" / "scores.json").write_text("{}", encoding="utf-8")
    return tmp_path / "run"
