"""nertune export --to spark-nlp."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nertune import Document, Tagger
from nertune.config import WindowSettings
from nertune.testing import TEXT, tiny_bundle


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_bundle(tmp_path / "model", window=WindowSettings(pieces=64, sentences=1))


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


def files_of(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_it_prints_the_lines_that_load_the_folder(cli, model, tmp_path):
    out = tmp_path / "out"
    ended = cli("export", model, "--to", "spark-nlp", "--out", out)
    code = ended.worked()
    compile(code, "python", "exec")
    assert f'BertForTokenClassification.loadSavedModel("{out}", spark)' in code
    assert ".setCaseSensitive(False)" in code
    assert ".setMaxSentenceLength(258)" in code
    files = ["README.md", "assets/labels.txt", "assets/vocab.txt", "model.onnx"]
    assert files_of(out) == files
    steps = ended.err.splitlines()
    assert [step.rpartition(":")[0] for step in steps[:3]] == [
        "finding entities with torch",
        "writing the graph",
        "proving it on 171 sentences",
    ]
    assert steps[3] == "F1 as Spark NLP feeds the graph was not measured"
    assert steps[4].startswith("written: model.onnx, assets/labels.txt, assets/vocab.txt, README")
    assert steps[4].endswith(f"in {out}")
    assert not (model / "onnx").exists()


def test_a_gate_measures_f1_as_it_is_fed_there(cli, model, gate, tmp_path):
    ended = cli("export", model, "--to", "spark-nlp", "--out", tmp_path / "out", "--gate", gate)
    ended.worked()
    assert "F1: 100.00 as nertune tags, 100.00 as Spark NLP feeds the graph" in ended.err


def test_json_and_warnings(cli, tmp_path):
    model = tiny_bundle(tmp_path / "model", "bert-cased", shapes=True)
    ended = cli("export", model, "--to", "spark-nlp", "--out", tmp_path / "out", "--json")
    facts = json.loads(ended.worked())
    assert facts["annotator"] == "BertForTokenClassification"
    assert facts["inputs"] == ["input_ids", "attention_mask", "token_type_ids"]
    assert facts["assets"] == ["labels.txt", "vocab.txt"]
    assert facts["case_sensitive"] is True
    assert facts["folder"] == str(tmp_path / "out")
    assert [row["runtime"] for row in facts["rows"]] == ["torch", "onnx"]
    assert len(facts["warnings"]) == 3
    for line in facts["warnings"]:
        assert f"warning: {line}" in ended.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--out", "OUT", "--int8"), "--to spark-nlp: 1 fault\n  - writes the fp32 graph only"),
        ((), "--to spark-nlp: 1 fault\n  - needs --out: a folder to make"),
        (("--int8",), "--to spark-nlp: 2 faults"),
        (("--out", "MODEL"), "exists already; choose a folder with --out that does not"),
    ],
)
def test_wrong_arguments(cli, model, tmp_path, arguments, message):
    places = {"OUT": tmp_path / "out", "MODEL": model}
    before = files_of(tmp_path)
    given = [places.get(one, one) for one in arguments]
    assert message in cli("export", model, "--to", "spark-nlp", *given).failed()
    assert files_of(tmp_path) == before


def test_a_model_that_cannot_go_and_a_program_that_is_not_known(cli, tmp_path):
    model = tiny_bundle(tmp_path / "model", "electra")
    message = cli("export", model, "--to", "spark-nlp", "--out", tmp_path / "out").failed()
    assert "the encoder electra cannot go to Spark NLP" in message
    ended = cli("export", model, "--to", "spacy", "--out", tmp_path / "out")
    assert ended.status == 2
    assert "spacy" in ended.err
    assert not (tmp_path / "out").exists()


def test_the_help_says_what_it_is_for(cli):
    shown = " ".join(cli("export", "--help").worked().split())
    assert "nertune export runs/conll2003 --to spark-nlp --gate dev.conll --out" in shown
    assert "loadSavedModel" in shown
