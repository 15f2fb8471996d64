"""The folder for Spark NLP: its graph, its files, and where it stands.

Spark NLP is not run here; `spark_nlp_reading` tells how it reads a folder, from its sources.
"""

from __future__ import annotations

import json
import os
import signal
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from tokenizers import Tokenizer, models

from nertune import Document, Tagger
from nertune.bundle import Bundle
from nertune.encoding import Batch
from nertune.errors import ExportError, OutputError
from nertune.export import Gate, SparkNlpModel, export_for_spark_nlp, spark_nlp, writing
from nertune.model import load_model
from nertune.runtimes.torch import TorchRuntime
from nertune.testing import TEXT
from spark_nlp_reading import SparkNlp, basic_tokens, made_bundle

DOCUMENTS = [Document.from_words(text.split()) for text in TEXT]
TWO = ["input_ids", "attention_mask"]
CLASSES = {
    "bert": ("BertForTokenClassification", [*TWO, "token_type_ids"]),
    "bert-cased": ("BertForTokenClassification", [*TWO, "token_type_ids"]),
    "distilbert": ("DistilBertForTokenClassification", TWO),
    "mpnet": ("MPNetForTokenClassification", TWO),
    "roberta": ("RoBertaForTokenClassification", TWO),
    "roberta-prefix": ("RoBertaForTokenClassification", TWO),
    "unigram": ("XlmRoBertaForTokenClassification", TWO),
    "camembert": ("CamemBertForTokenClassification", TWO),
}
PIECE_FILES = ("unigram", "camembert")
PADDING = {"bert": 0, "bert-cased": 0, "distilbert": 0, "camembert": 4}
"""What Spark NLP pads with; elsewhere 1."""


@pytest.fixture(scope="module")
def exported(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], tuple[Bundle, SparkNlpModel]]:
    """A tiny model and its folder for Spark NLP; each is made once."""
    done: dict[str, tuple[Bundle, SparkNlpModel]] = {}

    def export(family: str) -> tuple[Bundle, SparkNlpModel]:
        if family not in done:
            folder = tmp_path_factory.mktemp(family)
            bundle = made_bundle(folder, family)
            done[family] = bundle, export_for_spark_nlp(bundle, DOCUMENTS, folder / "out")
        return done[family]

    return export


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return made_bundle(tmp_path, "bert")


def files_of(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


# --- the folder ---


@pytest.mark.parametrize("family", CLASSES)
def test_the_graph_is_what_the_class_feeds_and_reads(exported, family):
    _, made = exported(family)
    assert (made.annotator, list(made.inputs)) == CLASSES[family]
    session = onnxruntime.InferenceSession(str(made.folder / "model.onnx"))
    inputs = session.get_inputs()
    assert [one.name for one in inputs] == CLASSES[family][1]
    assert {one.type for one in inputs} == {"tensor(int64)"}
    assert all(one.shape == ["windows", "pieces"] for one in inputs)
    [output] = session.get_outputs()
    assert (output.name, output.type) == ("logits", "tensor(float)")
    assert output.shape == ["windows", "pieces", 5]


@pytest.mark.parametrize("family", CLASSES)
def test_the_graph_is_one_file_that_older_runtimes_read(exported, family):
    _, made = exported(family)
    graph = onnx.load(made.folder / "model.onnx", load_external_data=False)
    assert not any(one.external_data for one in graph.graph.initializer)
    # Spark NLP 5.3 brings ONNX Runtime 1.17: opset 20, version 9 of the format.
    assert graph.ir_version <= 9
    assert max(one.version for one in graph.opset_import if not one.domain) <= 20
    assert [p.name for p in made.folder.iterdir() if p.suffix not in (".md", "")] == ["model.onnx"]


@pytest.mark.parametrize("family", [f for f in CLASSES if f not in PIECE_FILES])
def test_the_lines_of_the_vocabulary_are_the_pieces_of_the_tokenizer(exported, family):
    bundle, made = exported(family)
    lines = (made.folder / "assets" / "vocab.txt").read_text("utf-8").split("\n")
    assert lines.pop() == ""
    assert lines == [bundle.tokenizer.id_to_token(i) for i in range(len(lines))]
    assert len(lines) == bundle.tokenizer.get_vocab_size(with_added_tokens=True)


@pytest.mark.parametrize("family", CLASSES)
def test_the_lines_of_the_labels_are_the_outputs_of_the_network(exported, family):
    bundle, made = exported(family)
    names = (made.folder / "assets" / "labels.txt").read_text("utf-8").splitlines()
    assert dict(enumerate(names)) == {int(k): v for k, v in bundle.config["id2label"].items()}


@pytest.mark.parametrize("family", ["roberta", "roberta-prefix"])
def test_vocabulary_and_merges_cut_words_as_the_tokenizer_does(exported, family):
    bundle, made = exported(family)
    assets = made.folder / "assets"
    vocabulary = {p: i for i, p in enumerate((assets / "vocab.txt").read_text("utf-8").split("\n"))}
    lines = (assets / "merges.txt").read_text("utf-8").splitlines()
    assert all(len(line.split(" ")) == 2 for line in lines)
    alone: Any = Tokenizer(models.BPE(vocabulary, [tuple(line.split(" ")) for line in lines]))
    alone.pre_tokenizer = bundle.tokenizer.pre_tokenizer
    for text in TEXT:
        words = text.split()
        expected = bundle.tokenizer.encode(words, is_pretokenized=True, add_special_tokens=False)
        assert alone.encode(words, is_pretokenized=True).ids == expected.ids


@pytest.mark.parametrize("family", PIECE_FILES)
def test_a_sentencepiece_file_goes_along(exported, family):
    bundle, made = exported(family)
    name = "sentencepiece.bpe.model"
    assert made.assets == ("labels.txt", name)
    assert (made.folder / "assets" / name).read_bytes() == (bundle.folder / name).read_bytes()


@pytest.mark.parametrize("family", CLASSES)
def test_the_settings_are_those_of_the_model(exported, family):
    _, made = exported(family)
    assert made.case_sensitive == (family not in ("bert", "mpnet"))
    assert made.max_sentence_length == (258 if family in PADDING and family != "camembert" else 256)
    assert f".setCaseSensitive({made.case_sensitive})" in made.python
    assert f"{made.annotator}.loadSavedModel(" in made.python
    compile(made.python, "python", "exec")
    readme = (made.folder / "README.md").read_text("utf-8")
    assert made.python in readme
    assert all(line in readme for line in made.warnings)
    assert json.loads(json.dumps(made.to_dict()))["annotator"] == made.annotator


# --- fed as Spark NLP feeds it ---


@pytest.mark.parametrize("family", CLASSES)
def test_padding_and_masks_of_spark_nlp_do_not_change_a_sentence(exported, family):
    """It hides piece 0, which is <s> in RoBERTa, and shows <pad>, which is 1 there."""
    bundle, made = exported(family)
    padding = PADDING.get(family, 1)
    sentences = [bundle.tokenizer.encode(text).ids for text in TEXT]
    longest = max(map(len, sentences))
    ids = np.array([[*s, *[padding] * (longest - len(s))] for s in sentences], np.int64)
    given = {name: np.zeros_like(ids) for name in made.inputs}
    given |= {"input_ids": ids, "attention_mask": (ids != 0).astype(np.int64)}
    session = onnxruntime.InferenceSession(str(made.folder / "model.onnx"))
    found = session.run(["logits"], given)[0]
    network = TorchRuntime(load_model(bundle))
    for row, sentence in zip(found, sentences, strict=True):
        alone = np.array([sentence], np.int64)
        expected = network.logits(Batch(alone, np.ones_like(alone), np.zeros_like(alone)))[0]
        np.testing.assert_allclose(row[: len(sentence)], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", ["bert", "bert-cased", "distilbert", "mpnet"])
def test_words_that_spark_nlp_cuts_as_we_do_get_the_same_tags(exported, family):
    bundle, made = exported(family)
    roberta = family == "mpnet"
    there = SparkNlp.load(made, ("<s>", "</s>") if roberta else ("[CLS]", "[SEP]"), int(roberta))
    alone = {
        word: bundle.tokenizer.encode([word], is_pretokenized=True, add_special_tokens=False).tokens
        for word in " ".join(TEXT).split()
    }
    sentences = [[w for w in text.split() if there.pieces(w) == alone[w]] for text in TEXT]
    assert [len(words) > 8 for words in sentences] == [True] * 4
    tagger = Tagger.load(bundle.folder, runtime="torch")
    encoded = tagger.encoder.encode([Document.from_words(words) for words in sentences])
    best = tagger.emissions(encoded).argmax(-1).tolist()
    found = [tag for row in there.tags(sentences) for tag in row]
    assert found == [bundle.settings.tags[i] for i in best]
    assert len(set(found)) > 1


def test_how_spark_nlp_cuts_other_words(exported):
    """What the page says of it, told by the reading above."""
    _, made = exported("bert-cased")
    there = SparkNlp.load(made, ("[CLS]", "[SEP]"), 0)
    assert basic_tokens("AL-AIN", True) == ["AL", "-", "AIN"]
    assert "".join(there.pieces("won't")).replace("##", "") == "won"
    assert basic_tokens("Málaga", True) == ["Malaga"]
    assert basic_tokens("Málaga", False) == ["malaga"]


# --- with a gate ---


@pytest.fixture
def shaped(tmp_path: Path) -> Bundle:
    """A model for which word shapes mean much."""
    from safetensors.torch import load_file, save_file

    bundle = made_bundle(tmp_path, "bert", shapes=True)
    assert bundle.weights
    weights = load_file(bundle.weights)
    [name] = [name for name in weights if "token_type_embeddings" in name]
    torch.manual_seed(1)
    weights[name] = torch.randn_like(weights[name])
    save_file(weights, bundle.weights, {"format": "pt"})
    return bundle


@pytest.fixture
def gate_data(shaped: Bundle, tmp_path: Path) -> Path:
    """What torch finds with word shapes, as if it were the truth."""
    tagged = Tagger.load(shaped.folder, runtime="torch").tag(DOCUMENTS * 3)
    blocks = [zip(one.words, one.tags or (), strict=True) for one in tagged]
    path = tmp_path / "gate.conll"
    path.write_text("\n\n".join("\n".join(map(" ".join, block)) for block in blocks) + "\n")
    return path


def test_word_shapes_are_warned_of_and_measured(shaped, gate_data, tmp_path):
    made = export_for_spark_nlp(shaped, [], tmp_path / "out", gate=Gate(gate_data, max_drop=100))
    assert "the model sees word shapes" in made.warnings[0]
    assert [row.runtime for row in made.rows] == ["torch", "torch, fed as there", "onnx"]
    here, torch_there, there = (row.f1 for row in made.rows)
    assert here == 100
    assert there == torch_there < 100
    assert made.measured == f"F1: 100.00 as nertune tags, {there:.2f} as Spark NLP feeds the graph"
    assert made.measured in (made.folder / "README.md").read_text("utf-8")


def test_a_drop_beyond_the_limit_writes_nothing(shaped, gate_data, tmp_path):
    before = files_of(tmp_path)
    with pytest.raises(ExportError, match=r"falls by .* from 100\.00 as .* Nothing was written"):
        export_for_spark_nlp(shaped, [], tmp_path / "out", gate=Gate(gate_data))
    assert files_of(tmp_path) == before


def test_where_nothing_differs_the_gate_is_read_once(bundle, tmp_path):
    path = tmp_path / "gate.conll"
    there = spark_nlp.settings_there(bundle)
    bundle = replace(bundle, settings=there)
    tagged = Tagger(TorchRuntime(load_model(bundle)), there, bundle.tokenizer).tag(DOCUMENTS)
    blocks = [zip(one.words, one.tags or (), strict=True) for one in tagged]
    path.write_text("\n\n".join("\n".join(map(" ".join, block)) for block in blocks) + "\n")
    made = export_for_spark_nlp(bundle, [], tmp_path / "out", gate=Gate(path))
    assert [(row.runtime, row.f1) for row in made.rows] == [("torch", 100), ("onnx", 100)]


# --- places ---


@pytest.fixture(params=["folder", "empty folder", "file", "broken link"])
def existing(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    out = tmp_path / "out"
    if "folder" in request.param:
        out.mkdir()
    if request.param == "folder":
        (out / "mine").write_text("mine")
    elif request.param == "file":
        out.write_text("mine")
    elif request.param == "broken link":
        out.symlink_to(tmp_path / "nowhere")
    before = files_of(tmp_path)
    yield out
    assert files_of(tmp_path) == before


def test_what_exists_is_never_replaced(bundle, existing):
    with pytest.raises(OutputError, match="exists already"):
        export_for_spark_nlp(bundle, DOCUMENTS, existing)


def test_a_path_that_is_no_utf8_is_what_is_blamed(bundle, tmp_path):
    before = files_of(tmp_path)
    with pytest.raises(OutputError, match=r"ex\\udcff.*: the path is no valid UTF-8.*--out"):
        export_for_spark_nlp(bundle, DOCUMENTS, tmp_path / "ex\udcff")
    assert files_of(tmp_path) == before


def test_a_full_disk_is_an_output_error(bundle, tmp_path, monkeypatch):
    before = files_of(tmp_path)
    monkeypatch.setattr(writing.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(OutputError, match=r"0\.0 MB are free, about 1"):
        export_for_spark_nlp(bundle, DOCUMENTS, tmp_path / "out")
    assert files_of(tmp_path) == before


@pytest.mark.parametrize("step", ["trace", "mark"])
def test_a_disk_that_becomes_full_leaves_nothing(bundle, tmp_path, monkeypatch, step):
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    before = files_of(tmp_path)
    monkeypatch.setattr(spark_nlp, step, full)
    with pytest.raises(OutputError, match="No space left on device"):
        export_for_spark_nlp(bundle, DOCUMENTS, tmp_path / "out")
    assert files_of(tmp_path) == before


def test_a_graph_with_other_scores_leaves_nothing(bundle, tmp_path, monkeypatch):
    def spoiled(model: Any, *rest: Any) -> None:
        with torch.no_grad():
            model.classifier.bias.add_(0.01)
        trace(model, *rest)

    trace = spark_nlp.trace
    monkeypatch.setattr(spark_nlp, "trace", spoiled)
    before = files_of(tmp_path)
    with pytest.raises(ExportError, match="other scores than torch"):
        export_for_spark_nlp(bundle, DOCUMENTS, tmp_path / "out")
    assert files_of(tmp_path) == before


def test_a_killed_export_leaves_nothing_and_the_next_sweeps(bundle, tmp_path):
    def die(*_: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer Pythons warn of threads
        child = os.fork()
    if child == 0:
        signal.alarm(30)
        try:
            spark_nlp.mark = die
            export_for_spark_nlp(bundle, DOCUMENTS, tmp_path / "out")
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert [path.name[:5] for path in tmp_path.iterdir() if path.name != "model"] == [".out."]
    export_for_spark_nlp(bundle, DOCUMENTS, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "out"]


def test_the_model_stays_as_it_was_and_needs_weights(bundle, tmp_path):
    before = files_of(bundle.folder)
    export_for_spark_nlp(bundle, DOCUMENTS, tmp_path / "out")
    assert files_of(bundle.folder) == before
    (bundle.folder / "model.safetensors").unlink()
    with pytest.raises(ExportError, match="holds no weights to export"):
        export_for_spark_nlp(bundle, DOCUMENTS, tmp_path / "other")
