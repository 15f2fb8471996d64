"""Every command and every line of Python in the README runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder like a clone after `make quickstart`, its model trained for one epoch only."""
    folder = tmp_path_factory.mktemp("clone")
    (folder / "src").symlink_to(ROOT / "src")
    (folder / "README.md").symlink_to(ROOT / "README.md")
    bin_ = folder / ".venv" / "bin"
    bin_.mkdir(parents=True)
    program = bin_ / "nertune"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m nertune "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    short = ["--set", "training.epochs=1", "--out", "runs/quickstart"]
    run([str(program), "train", "quickstart", *short], folder)
    return folder


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, cwd=folder, env=environment, check=True, capture_output=True, text=True
    )


@pytest.mark.slow
@pytest.mark.parametrize("block", [b for b in blocks("sh") if "make " not in b])
def test_shell_blocks_run(folder, block):
    assert run([shutil.which("bash") or "bash", "-euo", "pipefail", "-c", block], folder).stdout


@pytest.mark.slow
@pytest.mark.parametrize("block", blocks("python"))
def test_python_blocks_run(folder, block):
    run([sys.executable, "-c", block], folder)
    assert "Tagger" in block


def test_every_make_target_exists():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = re.findall(r"make ([\w-]+)", "".join(blocks("sh")))
    assert named
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in named)


def test_linked_files_exist():
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
