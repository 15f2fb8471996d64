"""Entities from an exported model where torch and transformers are not installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nertune import Tagger
from nertune.bundle import load_bundle
from nertune.documents import Document
from nertune.export import export
from nertune.testing import TEXT, tiny_bundle

ROOT = Path(__file__).parents[1]
ABSENT = ("torch", "transformers", "onnx", "accelerate", "datasets")

REFUSES = f"""
import sys
class Refuses:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {ABSENT!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Refuses())
"""

TAGS = """
import json, sys
import nertune
tagger = nertune.Tagger.load(sys.argv[1])
texts = json.loads(sys.argv[2])
found = [[[e.start, e.end, e.label] for e in tagger(text)] for text in texts]
absent = [name for name in sys.argv[3].split(",") if name in sys.modules]
print(json.dumps({"runtime": tagger.runtime.name, "entities": found, "loaded": absent}))
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the fp32 graph and without weights; beside it the model it is made of."""
    root = tmp_path_factory.mktemp("without")
    bundle = load_bundle(tiny_bundle(root / "model"))
    documents = [Document.from_words(text.split()) for text in TEXT]
    export(bundle, documents, out=root / "exported")
    return root / "exported"


def expected_of(folder: Path) -> list[list[list[object]]]:
    """What torch finds."""
    tagger = Tagger.load(folder.parent / "model", runtime="torch")
    return [[[e.start, e.end, e.label] for e in tagger(text)] for text in TEXT]


def run(python: Path | str, *arguments: object, stdin: str = "") -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ended = subprocess.run(
        [str(python), "-I", *map(str, arguments)],
        input=stdin, capture_output=True, text=True, check=False, env=environment, cwd="/",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_tagging_needs_no_torch(exported):
    arguments = (exported, json.dumps(TEXT), ",".join(ABSENT))
    found = json.loads(run(sys.executable, "-c", REFUSES + TAGS, *arguments))
    assert found["runtime"].startswith("onnx (")
    assert found["entities"] == expected_of(exported)
    assert found["loaded"] == []


def test_predict_needs_no_torch(exported):
    program = REFUSES + "from nertune.cli.main import main; main()"
    out = run(sys.executable, "-c", program, "predict", exported, "-", stdin="\n".join(TEXT))
    lines = [json.loads(line) for line in out.splitlines()]
    assert [
        [[e["start"], e["end"], e["label"]] for e in line["entities"]] for line in lines
    ] == expected_of(exported)


def test_a_model_beside_its_graph_is_tagged_without_torch(exported, tmp_path):
    """Torch may be installed, and is not loaded: it would take seconds."""
    bundle = load_bundle(tiny_bundle(tmp_path / "model"))
    export(bundle, [Document.from_words(["Ada"])])
    arguments = (bundle.folder, json.dumps(TEXT), "torch,transformers,onnx")
    found = json.loads(run(sys.executable, "-c", TAGS, *arguments))
    if found["runtime"].startswith("torch"):
        pytest.skip("there is a GPU, which torch uses")
    assert found["loaded"] == []
    assert found["entities"] == expected_of(exported)  # the same random weights


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of its own with nertune[onnx] and nothing else: its folder of programs."""
    root = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", str(root / "venv")], check=True)
    programs = root / "venv" / "bin"
    source = root / "source"  # a build writes into the folder that it builds
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "src"):
        subprocess.run(["cp", "-r", str(ROOT / name), str(source)], check=True)
    installed = subprocess.run(
        [str(programs / "pip"), "install", "-q", "--disable-pip-version-check", "--retries", "1",
         "--timeout", "20", "-c", str(ROOT / "constraints.txt"), f"{source}[onnx]"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if installed.returncode:
        if any(fault in installed.stderr for fault in ("No matching", "onnection", "resolve")):
            pytest.skip(f"there is no package index: {installed.stderr.strip()[-300:]}")
        pytest.fail(installed.stderr)
    return programs


@pytest.mark.slow
def test_an_environment_without_torch_finds_the_same(bare, exported):
    for package in ABSENT:
        ended = subprocess.run(
            [str(bare / "python"), "-I", "-c", f"import {package}"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "ModuleNotFoundError" in ended.stderr, f"{package} is installed there"
    expected = expected_of(exported)
    arguments = (exported, json.dumps(TEXT), ",".join(ABSENT))
    found = json.loads(run(bare / "python", "-c", TAGS, *arguments))
    assert found["entities"] == expected
    assert found["runtime"].startswith("onnx (")
    ended = subprocess.run(
        [str(bare / "nertune"), "predict", str(exported), "-"],
        input="\n".join(TEXT), capture_output=True, text=True, check=False, cwd="/",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [[[e["start"], e["end"], e["label"]] for e in one["entities"]] for one in lines] == (
        expected
    )


@pytest.mark.slow
def test_an_environment_without_torch_says_what_it_lacks(bare, exported):
    model = exported.parent / "model"
    for arguments, extra in (
        (("predict", str(model), "-"), "train"),
        (("export", str(model)), "export"),
    ):
        ended = subprocess.run(
            [str(bare / "nertune"), *arguments],
            input="Lisbon", capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ended.returncode == 2
        assert f"pip install 'nertune[{extra}]'" in ended.stderr
        assert "Traceback" not in ended.stderr
