"""Which runtime runs a bundle, and what is said of graphs that do not belong to it."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from onnx import TensorProto, helper

from nertune import Document, Tagger, runtime_choice
from nertune.bundle import ONNX_FILES, load_bundle
from nertune.errors import BundleError, DependencyError
from nertune.export import export
from nertune.model import load_model
from nertune.runtime_choice import choose_runtime
from nertune.runtimes.onnx import TAGS_KEY, WEIGHTS_KEY
from nertune.testing import TEXT, tiny_bundle

DOCUMENTS = [Document.from_words(text.split()) for text in TEXT]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tiny_bundle(tmp_path_factory.mktemp("choice") / "model")
    export(load_bundle(folder), DOCUMENTS[:2], int8=True)
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    """A copy with weights and both graphs."""
    return shutil.copytree(original, tmp_path / "model")


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch):
    monkeypatch.setattr(runtime_choice, "_gpu", lambda: False)


def remove(folder: Path, *runtimes: str) -> None:
    for name in runtimes:
        (folder / ONNX_FILES[name]).unlink()


def edit(folder: Path, name: str, change: Callable[[dict[str, str]], None]) -> None:
    """Change the metadata of a graph."""
    path = folder / ONNX_FILES[name]
    graph = onnx.load(path)
    facts = {one.key: one.value for one in graph.metadata_props}
    change(facts)
    helper.set_model_props(graph, facts)
    onnx.save(graph, path)


def name_of(folder: Path, **options: Any) -> str:
    return Tagger.load(folder, **options).runtime.name


# --- auto ---


def test_auto_takes_int8_then_fp32_then_torch(folder):
    assert name_of(folder) == "onnx-int8 (1 thread)"
    remove(folder, "onnx-int8")
    assert name_of(folder, threads=2) == "onnx (2 threads)"
    remove(folder, "onnx")
    assert name_of(folder) == "torch (cpu, fp32)"


def test_a_name_takes_what_it_says(folder):
    for name in ("onnx", "onnx-int8", "torch"):
        assert name_of(folder, runtime=name).startswith(f"{name} (")


@pytest.mark.parametrize("options", [{"device": "cpu"}, {"precision": "bf16"}])
def test_a_device_or_a_precision_means_torch(folder, options):
    assert name_of(folder, **options).startswith("torch (cpu, ")


def test_a_gpu_means_torch(folder, monkeypatch):
    monkeypatch.setattr(runtime_choice, "_gpu", lambda: True)
    assert name_of(folder).startswith("torch")


def test_torch_is_not_asked_for_a_gpu_where_there_is_no_driver(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(runtime_choice, "_DRIVERS", ("none-such",))
    monkeypatch.setitem(sys.modules, "torch", None)
    assert not runtime_choice._gpu()
    monkeypatch.setattr(runtime_choice, "_DRIVERS", ("null",))  # /dev/null is there
    assert not runtime_choice._gpu()


def test_the_graph_of_another_tool_is_left_alone_by_auto_and_taken_by_name(folder):
    remove(folder, "onnx-int8")
    expected = [one.label_spans for one in Tagger.load(folder, runtime="onnx").tag(DOCUMENTS)]
    edit(folder, "onnx", dict.clear)
    assert name_of(folder) == "torch (cpu, fp32)"
    tagger = Tagger.load(folder, runtime="onnx")
    assert tagger.runtime.name.startswith("onnx (")
    assert [one.label_spans for one in tagger.tag(DOCUMENTS)] == expected
    (folder / "model.safetensors").unlink()
    with pytest.raises(BundleError, match="no weights for torch, only onnx; take that runtime"):
        Tagger.load(folder)


def test_auto_goes_past_a_graph_of_another_tool_to_the_next(folder):
    edit(folder, "onnx-int8", dict.clear)
    assert name_of(folder).startswith("onnx (")


# --- what is not there ---


def test_without_onnxruntime_auto_takes_torch_and_a_name_says_the_extra(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.delitem(sys.modules, "nertune.runtimes.onnx", raising=False)
    assert name_of(folder) == "torch (cpu, fp32)"
    with pytest.raises(DependencyError, match=r"'onnxruntime'.*pip install 'nertune\[onnx\]'"):
        Tagger.load(folder, runtime="onnx")
    (folder / "model.safetensors").unlink()
    with pytest.raises(BundleError, match=r"no weights for torch.*pip install 'nertune\[onnx\]'"):
        Tagger.load(folder)


def test_a_package_that_was_never_installed(folder, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else find(name)
    )
    assert name_of(folder) == "torch (cpu, fp32)"


def test_without_torch_the_graph_runs_and_torch_says_the_extra(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert next(Tagger.load(folder).tag(DOCUMENTS)).entities
    with pytest.raises(DependencyError, match=r"'torch'.*pip install 'nertune\[train\]'"):
        Tagger.load(folder, runtime="torch")


@pytest.mark.parametrize(("name", "flag"), [("onnx", "'"), ("onnx-int8", " --int8'")])
def test_a_graph_that_is_not_there_can_be_written(tmp_path, name, flag):
    folder = tiny_bundle(tmp_path / "model")
    with pytest.raises(BundleError) as caught:
        Tagger.load(folder, runtime=name)
    assert f"has no graph for the runtime {name} (it has: torch)" in str(caught.value)
    assert str(caught.value).endswith(f"'nertune export {folder}{flag}")


# --- wrong arguments ---


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"runtime": "tensorrt"}, "runtime='tensorrt': expected one of auto, torch, onnx, onnx-i"),
        ({"runtime": None}, "runtime=None: expected one of auto"),
        ({"runtime": "ONNX"}, "runtime='ONNX': expected one of"),
        ({"precision": "int4"}, "precision='int4': expected one of fp32, bf16, fp16"),
        ({"threads": 0}, "threads=0: expected at least 1, or None"),
        ({"threads": -1, "runtime": "torch"}, "threads=-1: expected at least 1"),
        ({"threads": "2"}, "threads='2': expected at least 1"),
        ({"threads": 1.5}, "threads=1.5: expected at least 1"),
        ({"runtime": "onnx", "device": "cuda"}, "'onnx' runs on processors"),
        ({"runtime": "onnx-int8", "precision": "fp16"}, "in the precision of its file"),
        ({"device": "cuda:77"}, "the device 'cuda:77' cannot be used"),
        ({"device": "toaster"}, "the device 'toaster' cannot be used"),
    ],
)
def test_wrong_arguments_are_named(folder, options, message):
    with pytest.raises(BundleError) as caught:
        Tagger.load(folder, **options)
    assert message in str(caught.value)


def test_an_onnx_runtime_may_be_told_that_it_runs_on_the_processor(folder):
    assert name_of(folder, runtime="onnx", device="cpu").startswith("onnx (")


def test_threads_of_torch(folder, monkeypatch):
    before = torch.get_num_threads()
    try:
        choose_runtime(load_bundle(folder), "torch", threads=2)
        assert torch.get_num_threads() == 2
        monkeypatch.setattr(runtime_choice, "free_cores", lambda: 5)
        choose_runtime(load_bundle(folder), "torch")
        assert torch.get_num_threads() == 2, "what the program has set stays"
        monkeypatch.setattr(runtime_choice, "free_cores", lambda: 1)
        choose_runtime(load_bundle(folder), "torch")
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


# --- graphs of other models ---


@pytest.mark.parametrize("name", ["onnx", "onnx-int8"])
def test_a_graph_of_other_weights_is_refused(folder, name):
    model: Any = load_model(load_bundle(folder))
    with torch.no_grad():
        model.classifier.weight.add_(1e-3)
    model.save_pretrained(str(folder))
    message = rf"{ONNX_FILES[name]}: was made of other weights than model\.safetensors.*delete it"
    with pytest.raises(BundleError, match=message):
        Tagger.load(folder, runtime=name)
    if name == "onnx":
        remove(folder, "onnx-int8")
    with pytest.raises(BundleError, match=message):
        Tagger.load(folder)
    assert name_of(folder, runtime="torch").startswith("torch")


def test_a_graph_of_other_tags_is_refused(folder):
    remove(folder, "onnx-int8")
    tags = json.dumps(["O", "B-X", "I-X", "B-Y", "I-Y"])
    edit(folder, "onnx", lambda facts: facts.update({TAGS_KEY: tags}))
    (folder / "model.safetensors").unlink()
    for options in ({}, {"runtime": "onnx"}):
        with pytest.raises(BundleError, match=r"onnx/model\.onnx: names other tags than the model"):
            Tagger.load(folder, **options)


def test_a_graph_of_another_model_is_refused_without_weights_too(folder, tmp_path):
    other = tiny_bundle(tmp_path / "other", labels=("LOC", "ORG", "PER"))
    export(load_bundle(other), DOCUMENTS[:1])
    shutil.copy(other / ONNX_FILES["onnx"], folder / ONNX_FILES["onnx"])
    (folder / "model.safetensors").unlink()
    with pytest.raises(BundleError, match="names other tags"):
        Tagger.load(folder, runtime="onnx")
    edit(folder, "onnx", dict.clear)
    with pytest.raises(BundleError, match=r"model\.onnx: gives scores of 7 tags, the model has 5"):
        Tagger.load(folder, runtime="onnx")


@pytest.mark.parametrize("text", ["", "5", '"O"', "[]", "{}", "[1"])
def test_metadata_without_tags_are_refused(folder, text):
    edit(folder, "onnx", lambda facts: facts.update({TAGS_KEY: text}))
    with pytest.raises(BundleError, match=r"model\.onnx: its metadata names no tags"):
        Tagger.load(folder, runtime="onnx")


def test_weights_that_a_graph_does_not_name_are_no_fault(folder):
    edit(folder, "onnx", lambda facts: facts.pop(WEIGHTS_KEY))
    assert name_of(folder, runtime="onnx").startswith("onnx (")


# --- files that are no graph of a tagger ---


@pytest.mark.parametrize("fault", ["empty", "text", "truncated", "changed", "folder"])
@pytest.mark.parametrize("options", [{}, {"runtime": "onnx-int8"}])
def test_a_broken_file_is_named(folder, fault, options):
    path = folder / ONNX_FILES["onnx-int8"]
    whole = path.read_bytes()
    if fault == "folder":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(
            {
                "empty": b"",
                "text": b"version https://git-lfs.github.com/spec/v1\n",
                "truncated": whole[: len(whole) // 2],
                "changed": b"\xff" * 200 + whole[200:],
            }[fault]
        )
    if fault == "folder":
        remove(folder, "onnx")
        if not options:
            assert name_of(folder).startswith("torch")
            return
    with pytest.raises(BundleError) as caught:
        Tagger.load(folder, **options)
    message = str(caught.value)
    assert "model_int8.onnx" in message or fault == "folder"
    assert "'nertune export" in message
    assert "\n" not in message


def graph_of(inputs: dict[str, int], output: str, rank: int = 3) -> onnx.ModelProto:
    """A graph with these inputs and one output."""
    shape = ["windows", "pieces", 5][:rank]
    names = list(inputs)
    nodes = [
        helper.make_node("Cast", [names[0]], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["cast", "axis"], ["wide"]),
        helper.make_node("Expand", ["wide", "size"], [output]),
    ]
    constants = [
        helper.make_tensor("axis", TensorProto.INT64, [1], [2]),
        helper.make_tensor("size", TensorProto.INT64, [3], [1, 1, 5]),
    ]
    return helper.make_model(
        helper.make_graph(
            nodes,
            "test",
            [helper.make_tensor_value_info(n, k, ["windows", "pieces"]) for n, k in inputs.items()],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)],
            constants,
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )


LONG, INT = TensorProto.INT64, TensorProto.INT32


@pytest.mark.parametrize(
    ("inputs", "output", "fault"),
    [
        ({"input_ids": LONG}, "logits", "reads input_ids (int64); expected"),
        ({"input_ids": INT, "attention_mask": INT}, "logits", "reads input_ids (int32)"),
        ({"input_ids": LONG, "attention_mask": LONG, "position_ids": LONG}, "logits", "position_i"),
        ({"input_ids": LONG, "attention_mask": LONG}, "last_hidden_state", "gives 'logits'"),
        ({"input_ids": LONG, "attention_mask": LONG}, "logits", ""),
    ],
)
def test_a_graph_of_something_else_is_refused(folder, inputs, output, fault):
    onnx.save(graph_of(inputs, output), folder / ONNX_FILES["onnx"])
    remove(folder, "onnx-int8")
    assert name_of(folder).startswith("torch"), "auto leaves it alone"
    if not fault:
        assert Tagger.load(folder, runtime="onnx").tag(DOCUMENTS)
        return
    with pytest.raises(BundleError) as caught:
        Tagger.load(folder, runtime="onnx")
    assert fault in str(caught.value)
    assert "input_ids (int64), attention_mask (int64), token_type_ids (int64)" in str(caught.value)


def test_a_graph_whose_vocabulary_is_smaller_says_so_when_it_runs(folder):
    remove(folder, "onnx-int8")
    (folder / "model.safetensors").unlink()
    path = folder / "tokenizer.json"
    raw = json.loads(path.read_text())
    raw["model"]["vocab"]["lisbon"] = 9_999
    path.write_text(json.dumps(raw))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "vocab_size": 10_000}))
    tagger = Tagger.load(folder, runtime="onnx")
    with pytest.raises(BundleError, match=r"model\.onnx: cannot read a batch of 1 window"):
        tagger("Lisbon")
