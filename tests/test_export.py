"""Graphs: the same scores as torch, for every family; all of them kept, or none."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from filelock import FileLock

from nertune import Document, Tagger
from nertune.bundle import Bundle, fingerprint, load_bundle
from nertune.config import ReadSettings, WindowSettings
from nertune.encoding import Batch
from nertune.errors import BundleError, DataError, ExportError, OutputError
from nertune.export import Gate, export, writing
from nertune.model import load_model
from nertune.runtimes.onnx import TAGS_KEY, WEIGHTS_KEY, OnnxRuntime
from nertune.runtimes.torch import TorchRuntime
from nertune.testing import FAMILIES, TEXT, tiny_bundle

DOCUMENTS = [Document.from_words(text.split()) for text in TEXT]
WINDOW = WindowSettings(pieces=48, context=2)
SHAPED = {"bert", "electra", "roberta", "unigram"}
CASES = [
    (family, shapes) for family in FAMILIES for shapes in (False, True)[: 1 + (family in SHAPED)]
]


def shuffle_shapes(folder: Path) -> None:
    """Give each word shape a row of its own; they begin as copies of the first."""
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    weights = load_file(path)
    [name] = [name for name in weights if "token_type_embeddings" in name]
    torch.manual_seed(1)
    weights[name] = torch.randn_like(weights[name])
    save_file(weights, path, {"format": "pt"})


def files_of(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file and folder, hidden ones too, and what would tell that it was touched."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_size, path.stat().st_mtime_ns)
        if path.is_file()
        else (-1, -1)
        for path in folder.rglob("*")
    }


def spans(documents: Sequence[Document]) -> list[Any]:
    return [document.label_spans for document in documents]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, bool], Path]:
    """A tiny bundle with both graphs; each is made once."""
    made: dict[tuple[str, bool], Path] = {}

    def make(family: str, shapes: bool) -> Path:
        if (family, shapes) not in made:
            folder = tmp_path_factory.mktemp("export") / f"{family}-{shapes}"
            tiny_bundle(folder, family, window=WINDOW, shapes=shapes)
            if shapes:
                shuffle_shapes(folder)
            export(load_bundle(folder), DOCUMENTS[:2], int8=True)
            made[family, shapes] = folder
        return made[family, shapes]

    return make


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return load_bundle(tiny_bundle(tmp_path / "model", window=WINDOW))


# --- the same as torch ---


def batch_of(bundle: Bundle, lengths: Sequence[int], shapes: bool) -> Batch:
    """Windows of random pieces, padded to the longest."""
    draw = np.random.default_rng(sum(lengths))
    ids = draw.integers(5, bundle.tokenizer.get_vocab_size(), (len(lengths), max(lengths)))
    mask = (np.arange(max(lengths)) < np.array(lengths)[:, None]).astype(np.int64)
    types = draw.integers(0, 5, ids.shape) if shapes else np.zeros_like(ids)
    return Batch(ids * mask, mask, types * mask)


@pytest.mark.parametrize(("family", "shapes"), CASES)
def test_logits_are_those_of_torch_for_any_number_and_length_of_windows(exported, family, shapes):
    bundle = load_bundle(exported(family, shapes))
    expected = TorchRuntime(load_model(bundle))
    graph = OnnxRuntime(bundle.graphs["onnx"])
    # Traced were two windows of eight pieces; no network here has places for more than 256.
    for lengths in ([1], [3], [8, 5], [2, 48, 17], [48] * 9, [256], [256, 1, 133]):
        batch = batch_of(bundle, lengths, shapes)
        inside = batch.mask.astype(bool)
        np.testing.assert_allclose(
            graph.logits(batch)[inside], expected.logits(batch)[inside], atol=1e-4, rtol=1e-4
        )


@pytest.mark.parametrize(("family", "shapes"), CASES)
def test_entities_are_those_of_torch(exported, family, shapes):
    folder = exported(family, shapes)
    documents = [Document.from_text("\n".join(TEXT)), *DOCUMENTS, Document.from_text("")]
    documents.append(Document.from_words(" ".join(TEXT * 4).split()))  # longer than a window
    expected = list(Tagger.load(folder, runtime="torch").tag(documents))
    for threads in (1, 3):
        tagger = Tagger.load(folder, runtime="onnx", threads=threads)
        found = list(tagger.tag(documents))
        assert [document.tags for document in found] == [document.tags for document in expected]
        assert spans(found) == spans(expected)
        for mine, torchs in zip(found, expected, strict=True):
            assert [e.score for e in mine.entities] == pytest.approx(
                [e.score for e in torchs.entities], abs=1e-4
            )
    assert any(spans(expected))


@pytest.mark.parametrize(("family", "shapes"), CASES)
def test_the_int8_graph_is_close(exported, family, shapes):
    folder = exported(family, shapes)
    tagger = Tagger.load(folder, runtime="onnx-int8")
    encoded = tagger.encoder.encode(DOCUMENTS)
    plain = Tagger.load(folder, runtime="onnx").emissions(encoded)
    found = tagger.emissions(encoded)
    assert np.corrcoef(found.ravel(), plain.ravel())[0, 1] > 0.9
    assert not np.array_equal(found, plain)
    # Random networks this small have no room to lose digits; smaller weights are what counts.
    graphs = load_bundle(folder).graphs
    kinds = {one.data_type for one in onnx.load(graphs["onnx-int8"]).graph.initializer}
    assert onnx.TensorProto.INT8 in kinds


def test_shapes_reach_the_graph(exported):
    bundle = load_bundle(exported("bert", True))
    graph = OnnxRuntime(bundle.graphs["onnx"])
    batch = batch_of(bundle, [9], True)
    plain = Batch(batch.ids, batch.mask, np.zeros_like(batch.types))
    assert not np.allclose(graph.logits(batch), graph.logits(plain))


def test_a_graph_says_what_it_belongs_to(exported):
    folder = exported("bert", False)
    bundle = load_bundle(folder)
    for path in bundle.graphs.values():
        graph = onnx.load(path)
        facts = {one.key: one.value for one in graph.metadata_props}
        assert json.loads(facts[TAGS_KEY]) == list(bundle.settings.tags)
        assert facts[WEIGHTS_KEY] == fingerprint(folder / "model.safetensors")
        assert facts["nertune.version"]
        assert "" in {one.domain for one in graph.opset_import}
    assert sorted(path.name for path in (folder / "onnx").iterdir()) == [
        "model.onnx",
        "model_int8.onnx",
    ]


def test_rows_say_what_was_measured(bundle):
    rows = export(bundle, DOCUMENTS, int8=True)
    assert [row.runtime for row in rows] == ["torch", "onnx", "onnx-int8"]
    assert [row.file for row in rows] == [
        "model.safetensors", "onnx/model.onnx", "onnx/model_int8.onnx",
    ]  # fmt: skip
    for row in rows:
        assert row.n_bytes == (bundle.folder / row.file).stat().st_size
        assert row.words_per_second > 0
        assert row.f1 is row.interval is None
    assert (rows[0].difference, rows[0].same_entities) == (0, 100)
    assert 0 < rows[1].difference < 1e-4
    assert rows[1].same_entities == 100
    assert rows[2].difference > rows[1].difference
    assert json.loads(json.dumps(rows[1].to_dict()))["interval"] is None


def test_weights_stored_in_half_precision_become_a_graph_of_full_precision(bundle):
    model: Any = load_model(bundle)
    model.half().save_pretrained(str(bundle.folder))
    assert load_model(bundle).dtype is torch.float16
    export(bundle, DOCUMENTS)
    found, expected = (Tagger.load(bundle.folder, runtime=name) for name in ("onnx", "torch"))
    encoded = found.encoder.encode(DOCUMENTS)
    np.testing.assert_allclose(found.emissions(encoded), expected.emissions(encoded), atol=1e-4)
    kinds = {one.data_type for one in onnx.load(bundle.graphs["onnx"]).graph.initializer}
    assert onnx.TensorProto.FLOAT16 not in kinds


def test_the_proof_reads_progress(bundle):
    said: list[str] = []
    export(bundle, DOCUMENTS, int8=True, progress=said.append)
    assert said == [
        "finding entities with torch",
        "writing the fp32 graph",
        "writing the int8 graph",
        "proving onnx on 4 sentences",
        "proving onnx-int8 on 4 sentences",
    ]


# --- gates ---


@pytest.fixture
def gate_data(bundle: Bundle, tmp_path: Path) -> Path:
    """What torch finds, as if it were the truth: its F1 is 100."""
    path = tmp_path / "gate.conll"
    tagged = Tagger.load(bundle.folder, runtime="torch").tag(DOCUMENTS * 3)
    blocks = [zip(one.words, one.tags or (), strict=True) for one in tagged]
    path.write_text("\n\n".join("\n".join(map(" ".join, block)) for block in blocks) + "\n")
    return path


def test_a_gate_that_passes_measures_f1_with_its_interval(bundle, gate_data):
    rows = export(bundle, [], int8=True, gate=Gate(gate_data, max_drop=100))
    assert [row.f1 for row in rows[:2]] == [100, 100]
    for row in rows:
        assert row.f1 is not None
        assert row.interval is not None
        assert 0 < row.interval[0] <= row.f1 <= row.interval[1] <= 100
    assert rows[2].f1 < 100
    assert set(bundle.graphs) == {"onnx", "onnx-int8"}


def test_a_gate_that_fails_leaves_the_folder_as_it_was(bundle, gate_data):
    before = files_of(bundle.folder)
    with pytest.raises(ExportError, match=r"onnx-int8: F1 on .* falls by .* allowed are 0\.001"):
        export(bundle, [], int8=True, gate=Gate(gate_data, max_drop=0.001))
    assert files_of(bundle.folder) == before
    export(bundle, DOCUMENTS, int8=True)
    before = files_of(bundle.folder)
    with pytest.raises(ExportError, match="onnx-int8"):
        export(bundle, [], int8=True, gate=Gate(gate_data, max_drop=0.001))
    assert files_of(bundle.folder) == before


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("The O\nfox O\n", ExportError, "finds none of its entities.*LOC, PER"),
        ("Ada B-FOO\nmet O\nBob B-BAR\n", ExportError, "finds none of its entities.*LOC, PER"),
        ("", DataError, "holds no document"),
        ("Ada B-PER\nmet\n", DataError, r"gate\.conll:2"),
    ],
)
def test_data_that_cannot_judge_are_refused(bundle, tmp_path, text, error, message):
    path = tmp_path / "gate.conll"
    path.write_text(text)
    before = files_of(bundle.folder)
    with pytest.raises(error, match=message):
        export(bundle, DOCUMENTS, gate=Gate(path))
    assert files_of(bundle.folder) == before


def test_labels_the_model_does_not_know_count_as_missed(bundle, gate_data):
    gate_data.write_text(gate_data.read_text() + "\nBasel B-CITY\n")
    rows = export(bundle, [], gate=Gate(gate_data))
    assert rows[0].f1 == rows[1].f1
    assert rows[0].f1 < 100


def test_settings_of_a_gate_say_how_it_is_read(bundle, gate_data):
    lines = [line.split() for line in gate_data.read_text().splitlines()]
    text = "\n".join(f"{line[1]}\t{line[0]}" if line else "" for line in lines)
    gate_data.write_text(text + "\n")
    settings = ReadSettings(separator="\t", word_column=1, tag_column=0)
    assert export(bundle, [], gate=Gate(gate_data, settings))[1].f1 == 100


def test_nothing_to_prove_a_graph_on_is_refused(bundle):
    with pytest.raises(ExportError, match="no sentence"):
        export(bundle, [])
    assert not bundle.graphs


# --- graphs that fail ---


def spoil(monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], None]) -> None:
    """Change the network between torch's run and the writing of the graph."""
    trace = writing.trace

    def spoiled(model: Any, path: Path) -> None:
        with torch.no_grad():
            change(model)
        trace(model, path)

    monkeypatch.setattr(writing, "trace", spoiled)


def test_a_graph_with_other_scores_is_not_kept(bundle, monkeypatch):
    spoil(monkeypatch, lambda model: model.classifier.bias.add_(0.01))
    before = files_of(bundle.folder)
    with pytest.raises(ExportError, match=r"other scores than torch \(by up to 0\.01.*\(bert\)"):
        export(bundle, DOCUMENTS)
    assert files_of(bundle.folder) == before


def test_a_graph_without_finite_scores_is_not_kept(bundle, monkeypatch):
    spoil(monkeypatch, lambda model: model.classifier.bias.fill_(torch.nan))
    with pytest.raises(ExportError, match=r"onnx: the graph was not kept: .*no finite numbers"):
        export(bundle, DOCUMENTS)
    assert not (bundle.folder / "onnx").exists()


def test_a_network_that_cannot_be_traced_is_named(bundle, monkeypatch):
    def fails(*_: Any, **__: Any) -> None:
        raise torch.onnx.errors.UnsupportedOperatorError("aten::odd", 18, None)

    monkeypatch.setattr(torch.onnx, "export", fails)
    with pytest.raises(ExportError, match=r"the encoder bert cannot be written .*aten::odd"):
        export(bundle, DOCUMENTS)
    assert not (bundle.folder / "onnx").exists()


def test_networks_too_large_for_one_file_are_refused(bundle, monkeypatch):
    monkeypatch.setattr("nertune.export.graphs._LARGEST", 1000)
    with pytest.raises(ExportError, match="one ONNX file holds at most 2 GB"):
        export(bundle, DOCUMENTS)


# --- places ---


def test_export_again_replaces_the_graphs(bundle):
    export(bundle, DOCUMENTS, int8=True)
    shuffle = load_model(bundle)
    with torch.no_grad():
        shuffle.classifier.weight.mul_(-1)
    shuffle.save_pretrained(str(bundle.folder))
    with pytest.raises(BundleError, match=r"model_int8\.onnx: was made of other weights"):
        Tagger.load(bundle.folder)
    with pytest.raises(ExportError, match=r"model_int8\.onnx: was made of other weights.*--int8"):
        export(bundle, DOCUMENTS)  # the graph of old would stay, and no load would work
    export(bundle, DOCUMENTS, int8=True)
    found, expected = (Tagger.load(bundle.folder, runtime=name) for name in ("onnx", "torch"))
    assert spans(list(found.tag(DOCUMENTS))) == spans(list(expected.tag(DOCUMENTS)))


def test_without_int8_an_int8_graph_of_the_same_weights_stays(bundle):
    export(bundle, DOCUMENTS, int8=True)
    before = files_of(bundle.folder)
    export(bundle, DOCUMENTS)
    after = files_of(bundle.folder)
    assert after["onnx/model_int8.onnx"] == before["onnx/model_int8.onnx"]
    assert after["onnx/model.onnx"] != before["onnx/model.onnx"]


def test_a_folder_of_its_own_holds_no_weights_and_works(bundle, tmp_path):
    before = files_of(bundle.folder)
    out = tmp_path / "deep" / "out"
    for _ in range(2):
        export(bundle, DOCUMENTS, int8=True, out=out)
        assert sorted(files_of(out)) == [
            "config.json", "onnx", "onnx/model.onnx", "onnx/model_int8.onnx", "tagger.json",
            "tokenizer.json", "tokenizer_config.json",
        ]  # fmt: skip
        assert [path.name for path in out.parent.iterdir()] == ["out"]
    assert files_of(bundle.folder) == before
    shutil.rmtree(bundle.folder)
    tagger = Tagger.load(out)
    assert tagger.runtime.name.startswith("onnx-int8")
    assert next(Tagger.load(out, runtime="onnx").tag(DOCUMENTS)).entities
    with pytest.raises(BundleError, match="holds no weights for torch, only onnx, onnx-int8"):
        Tagger.load(out, runtime="torch")
    with pytest.raises(ExportError, match="holds no weights to export"):
        export(load_bundle(out), DOCUMENTS)


def test_a_checkpoint_with_a_vocabulary_alone_exports_to_a_folder_that_loads(bundle, tmp_path):
    vocabulary = bundle.tokenizer.get_vocab()
    (bundle.folder / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.get)))
    for name in ("tokenizer.json", "tagger.json", "tokenizer_config.json"):
        (bundle.folder / name).unlink()
    config = json.loads((bundle.folder / "config.json").read_text())
    del config["nertune"]
    (bundle.folder / "config.json").write_text(json.dumps(config))
    export(load_bundle(bundle.folder), DOCUMENTS, out=tmp_path / "out")
    found = Tagger.load(tmp_path / "out").tag(DOCUMENTS)
    assert spans(list(found)) == spans(list(Tagger.load(bundle.folder).tag(DOCUMENTS)))


@pytest.mark.parametrize("place", ["model", "files", "file"])
def test_a_folder_that_holds_something_else_is_never_replaced(bundle, tmp_path, place):
    out = {"model": bundle.folder, "files": tmp_path / "home", "file": tmp_path / "home" / "x"}
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "x").write_text("mine")
    before = files_of(tmp_path)
    with pytest.raises(OutputError):
        export(bundle, DOCUMENTS, out=out[place])
    assert files_of(tmp_path) == before


def test_a_failure_leaves_no_folder_of_its_own(bundle, tmp_path, monkeypatch):
    spoil(monkeypatch, lambda model: model.classifier.bias.add_(1))
    with pytest.raises(ExportError):
        export(bundle, DOCUMENTS, out=tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_full_disk_is_an_output_error_before_the_work(bundle, monkeypatch):
    before = files_of(bundle.folder)
    monkeypatch.setattr(writing.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(OutputError, match=r"onnx: cannot be written \(0\.0 MB are free, about 1"):
        export(bundle, DOCUMENTS, int8=True)
    assert files_of(bundle.folder) == before


@pytest.mark.parametrize("step", ["trace", "quantise", "mark"])
def test_a_disk_that_becomes_full_is_an_output_error(bundle, monkeypatch, step):
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, step, full)
    before = files_of(bundle.folder)
    with pytest.raises(OutputError, match=r"No space left on device.*--out"):
        export(bundle, DOCUMENTS, int8=True)
    assert files_of(bundle.folder) == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=220k", "tmpfs", str(place)]
    if os.getuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_is_really_full(small_disk, monkeypatch):
    folder = tiny_bundle(small_disk / "model")
    before = files_of(folder)
    with pytest.raises(OutputError, match="MB are free"):
        export(load_bundle(folder), DOCUMENTS, int8=True)
    monkeypatch.setattr(writing, "refuse_full_disk", lambda *_: None)
    with pytest.raises((OutputError, ExportError), match=r"No space left|is the disk full"):
        export(load_bundle(folder), DOCUMENTS, int8=True)
    assert files_of(folder) == before


def test_a_folder_that_cannot_be_written_is_an_output_error(bundle):
    (bundle.folder / "onnx").write_text("in the way")
    with pytest.raises(OutputError, match=r"onnx: cannot be written .*--out"):
        export(bundle, DOCUMENTS)
    assert (bundle.folder / "onnx").read_text() == "in the way"


# --- kills ---


def export_and_die(bundle: Bundle, out: Path | None) -> None:
    """Export in a process of its own, which is killed before anything is proved."""

    def die(*_: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer Pythons warn of threads
        child = os.fork()
    if child == 0:
        signal.alarm(30)
        try:
            writing.mark = die
            export(bundle, DOCUMENTS, out=out)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def test_a_killed_export_leaves_nothing_under_a_final_name(bundle, tmp_path):
    out = tmp_path / "out"
    export_and_die(bundle, None)
    export_and_die(bundle, out)
    assert not load_bundle(bundle.folder).graphs
    assert Tagger.load(bundle.folder).runtime.name.startswith("torch")
    assert not out.exists()
    assert [p for p in (bundle.folder / "onnx").iterdir() if p.name.startswith(".export.")]
    assert [p for p in tmp_path.iterdir() if p.name.startswith(".out.")]
    export(bundle, DOCUMENTS)
    export(bundle, DOCUMENTS, out=out)
    assert [path.name for path in (bundle.folder / "onnx").iterdir()] == ["model.onnx"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "out"]


def test_an_export_that_still_runs_is_left_alone(bundle):
    running = bundle.folder / "onnx" / ".export.running"
    running.mkdir(parents=True)
    with FileLock(running / "lock"):
        export(bundle, DOCUMENTS)
        assert running.is_dir()
    export(bundle, DOCUMENTS)
    assert not running.exists()


def test_export_does_not_change_what_logs_say(bundle, caplog, recwarn):

    export(bundle, DOCUMENTS, int8=True)
    assert not caplog.records
    assert not recwarn.list
