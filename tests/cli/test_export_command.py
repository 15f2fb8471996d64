"""nertune export, and the runtime that nertune evaluate scores."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from rich.console import Console

from nertune import Document, Tagger
from nertune.cli import render
from nertune.testing import TEXT, tiny_bundle


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_bundle(tmp_path / "model")


@pytest.fixture
def gate(model: Path, tmp_path: Path) -> Path:
    """What torch finds, as if it were the truth."""
    path = tmp_path / "gate.conll"
    documents = [Document.from_words(text.split()) for text in TEXT]
    blocks = [
        "\n".join(map(" ".join, zip(one.words, one.tags or (), strict=True)))
        for one in Tagger.load(model, runtime="torch").tag(documents)
    ]
    path.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")
    return path


def graphs_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("onnx/*"))


def test_a_table_of_what_was_measured(cli, model, gate):
    ended = cli("export", model, "--int8", "--gate", gate, "--max-drop", 100)
    head, *rows = ended.worked().rstrip("\n").split("\n")
    assert " ".join(head.split()) == "runtime MB words/s entities as torch F1 (interval)"
    assert [row.split()[0] for row in rows] == ["torch", "onnx", "onnx-int8"]
    assert "100.00 (100.00 to 100.00)" in rows[1]
    assert max(map(len, [head, *rows])) <= 80
    assert graphs_of(model) == ["model.onnx", "model_int8.onnx"]
    steps = ended.err.splitlines()
    assert [step.rpartition(":")[0] for step in steps[:-1]] == [
        "finding entities with torch",
        "writing the fp32 graph",
        "writing the int8 graph",
        "proving onnx on 4 sentences",
        "proving onnx-int8 on 4 sentences",
    ]
    assert all(step.endswith(" s") for step in steps[:-1])
    assert steps[-1] == f"written: onnx/model.onnx and onnx/model_int8.onnx in {model}"


def test_without_a_gate_no_f1_is_shown_and_int8_is_warned_of(cli, model):
    ended = cli("export", model)
    assert "F1" not in ended.worked()
    assert "warning" not in ended.err
    ended = cli("export", model, "--int8")
    assert "F1" not in ended.worked()
    assert "warning: F1 was not measured; give annotated data with --gate" in ended.err


def test_json(cli, model, gate):
    ended = cli("export", model, "--gate", gate, "--json")
    torch, graph = json.loads(ended.worked())
    assert (torch["runtime"], graph["runtime"]) == ("torch", "onnx")
    assert graph["f1"] == 100
    assert len(graph["interval"]) == 2
    assert graph["difference"] < 1e-4
    assert "written: onnx/model.onnx" in ended.err


def test_a_folder_of_its_own(cli, model, tmp_path):
    ended = cli("export", model, "--out", tmp_path / "small")
    ended.worked()
    assert ended.err.rstrip().endswith(f"written: onnx/model.onnx in {tmp_path / 'small'}")
    assert not (tmp_path / "small" / "model.safetensors").exists()
    assert graphs_of(model) == []
    found = cli("predict", tmp_path / "small", "-", stdin=TEXT[0].encode()).worked()
    assert json.loads(found)["entities"]


def test_a_run_folder(cli, model, tmp_path):
    (tmp_path / "run").mkdir()
    model.rename(tmp_path / "run" / "model")
    cli("export", tmp_path / "run").worked()
    assert graphs_of(tmp_path / "run" / "model") == ["model.onnx"]


def test_a_drop_beyond_the_limit(cli, model, gate):
    message = cli("export", model, "--int8", "--gate", gate, "--max-drop", 0.01)
    assert message.status == 2
    assert "error: onnx-int8: F1 on" in message.err
    assert "stays as it was" in message.err
    assert "Traceback" not in message.err
    assert not (model / "onnx").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--max-drop", "1"), "--max-drop: 1 fault\n  - is measured on annotated data"),
        (("--out", "MODEL"), "holds model.safetensors, which would be lost"),
        (("--gate", "none.conll"), "none.conll: no such file"),
    ],
)
def test_wrong_arguments(cli, model, arguments, message):
    given = [str(model) if one == "MODEL" else one for one in arguments]
    ended = cli("export", model, *given)
    assert ended.status == 2
    assert message in ended.err
    assert (model / "model.safetensors").exists()
    assert not (model / "onnx").exists()


def test_a_model_on_the_hub_needs_a_folder(cli, model, hub, tmp_path):
    hub.put("ada/ner", {path.name: path.read_bytes() for path in model.iterdir()})
    message = cli("export", "ada/ner").failed()
    assert "is a model on the Hub; say with --out" in message
    cli("export", "ada/ner", "--out", tmp_path / "out").worked()
    assert graphs_of(tmp_path / "out") == ["model.onnx"]


@pytest.mark.parametrize("missing", ["onnx", "torch", "onnxruntime"])
def test_without_its_packages_it_names_the_extra(cli, model, monkeypatch, missing):
    for name in list(sys.modules):
        if name.startswith(("nertune.export", "nertune.runtimes.", "nertune.model")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    message = cli("export", model).failed()
    assert f"'{missing}'" in message
    assert "pip install 'nertune[export]'" in message


def test_on_a_terminal_each_step_is_shown_and_then_its_time(cli, model, monkeypatch):
    shown = Console(force_terminal=True, width=80, file=sys.stderr, record=True)
    monkeypatch.setattr(render, "errors", shown)
    cli("export", model).worked()
    text = shown.export_text()
    assert "writing the fp32 graph: " in text
    assert max(map(len, text.splitlines())) < 80 or str(model) in text


# --- evaluate ---


@pytest.mark.parametrize(
    ("runtime", "name"),
    [("auto", "onnx-int8 (1 thread)"), ("onnx", "onnx (1 thread)"), ("torch", "torch (cpu, fp32)")],
)
def test_evaluate_says_which_runtime_it_scores(cli, model, gate, runtime, name):
    cli("export", model, "--int8").worked()
    ended = cli("evaluate", model, gate, "--runtime", runtime, "--json")
    found = json.loads(ended.worked())
    assert found["runtime"] == name
    f1 = found["micro"]["f1"]
    assert ended.err.startswith(f"scored with {name}, ")
    assert ended.err.endswith(" words/s\n")
    assert (f1 == 1) == (runtime != "auto")


def test_evaluate_with_a_runtime_that_is_not_there(cli, model, gate):
    message = cli("evaluate", model, gate, "--runtime", "onnx").failed()
    assert "has no graph for the runtime onnx" in message
    ended = cli("evaluate", model, gate, "--runtime", "tensorrt")
    assert ended.status == 2
    assert "tensorrt" in ended.err
