"""The runtimes by themselves: precision, threads, processes."""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nertune import Document, Tagger
from nertune.bundle import Bundle, load_bundle
from nertune.config import WindowSettings
from nertune.encoding import Batch
from nertune.errors import BundleError
from nertune.export import export
from nertune.model import load_model
from nertune.runtimes import torch as torch_runtime
from nertune.runtimes.onnx import OnnxRuntime
from nertune.runtimes.torch import TorchRuntime
from nertune.testing import TEXT, tiny_bundle

DOCUMENTS = [Document.from_words(text.split()) for text in TEXT * 5]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    window = WindowSettings(pieces=48, context=1)
    folder = tiny_bundle(tmp_path_factory.mktemp("runtimes") / "model", window=window)
    export(load_bundle(folder), DOCUMENTS[:2], int8=True)
    return folder


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Bundle:
    return load_bundle(folder)


def batches(n: int) -> list[Batch]:
    draw = np.random.default_rng(0)
    made = []
    for _ in range(n):
        lengths = draw.integers(1, 40, draw.integers(1, 6))
        ids = draw.integers(5, 100, (len(lengths), lengths.max()))
        mask = (np.arange(lengths.max()) < lengths[:, None]).astype(np.int64)
        made.append(Batch(ids * mask, mask, np.zeros_like(ids)))
    return made


# --- precision ---


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("family", ["bert", "deberta", "modernbert"])
def test_low_precision_gives_nearly_the_same_scores(tmp_path, family, precision):
    bundle = load_bundle(tiny_bundle(tmp_path / "model", family))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            runtime = TorchRuntime(load_model(bundle), "cpu", precision)
        except BundleError as error:
            pytest.skip(str(error))  # refused with the reason, as it must be
    expected = TorchRuntime(load_model(bundle), "cpu")
    assert runtime.name == f"torch (cpu, {precision})"
    for batch in batches(4):
        inside = batch.mask.astype(bool)
        found, full = runtime.logits(batch)[inside], expected.logits(batch)[inside]
        assert found.dtype == np.float32
        assert np.corrcoef(found.ravel(), full.ravel())[0, 1] > 0.99
        assert not np.array_equal(found, full)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_what_a_device_cannot_compute_with_is_refused(bundle, monkeypatch, precision):
    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("Current CUDA Device does not support bfloat16")

    monkeypatch.setattr(torch, "autocast", fails)
    with pytest.raises(BundleError, match=f"'{precision}': torch cannot compute with it on this c"):
        TorchRuntime(load_model(bundle), "cpu", precision)


def test_a_device_that_falls_back_to_full_precision_is_found_out():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Autocast of a processor knows no float64: it warns, and computes in float32.
        assert not torch_runtime._multiplies(torch.float64, "cpu")


def test_an_overflow_of_fp16_is_no_fault_of_the_weights(bundle):
    model = load_model(bundle)
    try:
        runtime = TorchRuntime(model, "cpu", "fp16")
    except BundleError as error:
        pytest.skip(str(error))
    with torch.no_grad():
        model.classifier.weight.mul_(1e6)
    tagger = Tagger(runtime, bundle.settings, bundle.tokenizer)
    with pytest.raises(BundleError, match=r"no finite numbers in fp16.*'bf16' or 'fp32'"):
        tagger(TEXT[0])


def test_weights_stored_in_half_precision_run_in_full(tmp_path):
    folder = tiny_bundle(tmp_path / "model")
    model: Any = load_model(load_bundle(folder))
    model.half().save_pretrained(str(folder))
    tagger = Tagger.load(folder, runtime="torch")
    assert tagger.runtime.model.dtype is torch.float32
    assert tagger(TEXT[0])


def test_precision_of_another_name_is_refused(bundle):
    with pytest.raises(BundleError, match="precision='int4': expected one of fp32, bf16, fp16"):
        TorchRuntime(load_model(bundle), "cpu", "int4")


# --- onnx ---


def test_names_say_how_many_threads(bundle):
    path = bundle.graphs["onnx"]
    assert OnnxRuntime(path).name == "onnx (1 thread)"
    assert OnnxRuntime(path, 3, "onnx-int8").name == "onnx-int8 (3 threads)"
    assert OnnxRuntime(path, 3).workers == 3


def test_a_file_that_is_no_graph_is_named(tmp_path):
    path = tmp_path / "model.onnx"
    for content in (b"", b"nonsense" * 100):
        path.write_bytes(content)
        with pytest.raises(BundleError, match=r"model\.onnx: is no ONNX graph .*'nertune export'"):
            OnnxRuntime(path)
    with pytest.raises(BundleError, match="is no ONNX graph"):
        OnnxRuntime(tmp_path / "none.onnx")


def test_scores_of_another_shape_than_the_batch_are_refused(tmp_path):
    from onnx import TensorProto, helper, save

    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["windows", "pieces"])
        for name in ("input_ids", "attention_mask")
    ]
    three = helper.make_tensor("value", TensorProto.FLOAT, [1, 1, 3], [0.0, 1.0, 2.0])
    constant = helper.make_node("Constant", [], ["logits"], value=three)
    output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [None, None, 3])
    graph = helper.make_graph([constant], "one", inputs, [output])
    opsets = [helper.make_opsetid("", 17)]
    save(helper.make_model(graph, ir_version=8, opset_imports=opsets), tmp_path / "one.onnx")
    runtime = OnnxRuntime(tmp_path / "one.onnx")
    runtime.check(3)
    with pytest.raises(BundleError, match=r"one\.onnx: gives scores of the shape"):
        runtime.logits(batches(1)[0])


def test_int8_scores_a_window_alone_and_in_a_batch_to_the_same_bit(folder):
    tagger = Tagger.load(folder, runtime="onnx-int8")
    alone = [tagger.emissions(tagger.encoder.encode([document])) for document in DOCUMENTS]
    for budget in (1, 60, 10_000):
        tagger.batch_pieces = budget
        together = tagger.emissions(tagger.encoder.encode(DOCUMENTS))
        np.testing.assert_array_equal(together, np.concatenate(alone))


# --- threads and processes ---


@pytest.mark.parametrize("name", ["onnx", "onnx-int8"])
def test_threads_that_share_a_session_get_what_one_gets(bundle, name):
    runtime = OnnxRuntime(bundle.graphs[name], 4)
    work = batches(60)
    alone = [runtime.logits(batch) for batch in work]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            for found, expected in zip(pool.map(runtime.logits, work), alone, strict=True):
                np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["onnx", "onnx-int8"])
def test_the_number_of_threads_changes_no_bit(folder, name):
    one, four = (Tagger.load(folder, runtime=name, threads=n) for n in (1, 4))
    encoded = one.encoder.encode(DOCUMENTS)
    np.testing.assert_array_equal(one.emissions(encoded), four.emissions(encoded))


def test_two_taggers_in_threads(folder):
    taggers = [Tagger.load(folder, runtime=name, threads=2) for name in ("onnx", "torch")]
    alone = [[one.label_spans for one in tagger.tag(DOCUMENTS)] for tagger in taggers]
    with ThreadPoolExecutor(4) as pool:
        jobs = [
            pool.submit(lambda tagger: [one.label_spans for one in tagger.tag(DOCUMENTS)], tagger)
            for tagger in taggers * 4
        ]
        assert [job.result() for job in jobs] == alone * 4
    assert alone[0] == alone[1]


def in_a_fork(work: Callable[[], Any]) -> Any:
    """What a forked process finds; fails where it hangs or dies."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=lambda: sender.send(work()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer Pythons warn of threads
        child.start()
    try:
        assert receiver.poll(30), "the forked process does not answer"
        return receiver.recv()
    finally:
        child.kill()
        child.join()


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="this system knows no fork"
)
@pytest.mark.parametrize("name", ["onnx", "onnx-int8", "torch"])
def test_a_forked_process_can_tag_after_its_parent_has(folder, name):
    threads = 1 if name == "torch" else 2  # torch's own threads do not live through a fork
    tagger = Tagger.load(folder, runtime=name, threads=threads)
    expected = [one.label_spans for one in tagger.tag(DOCUMENTS)]
    assert in_a_fork(lambda: [one.label_spans for one in tagger.tag(DOCUMENTS)]) == expected
    assert [one.label_spans for one in tagger.tag(DOCUMENTS)] == expected
