"""Names of models: those built in, the user's file, and what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nertune.cli.main import make_app
from nertune.errors import BundleError
from nertune.modelhub import is_hub_id
from nertune.modelnames import BUILT_IN, known_models, named_model, no_model, pretrained_model


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the user's file is looked for; there is none yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("NERTUNE_MODELS", raising=False)
    (tmp_path / "config" / "nertune").mkdir(parents=True)
    return tmp_path / "config" / "nertune" / "models.yaml"


def meant(name: str) -> str:
    found = named_model(name)
    assert found is not None
    return found.model


@pytest.mark.usefixtures("config")
def test_the_built_in_names_are_there_without_a_file() -> None:
    assert {name: one.model for name, one in known_models().items()} == BUILT_IN
    assert all(is_hub_id(model) and "/" in model for model in BUILT_IN.values())
    assert str(named_model("es.ner")) == f"es.ner (a name for {BUILT_IN['es.ner']}, built in)"
    for nothing in ("es.nerd", "", ".", "a/b", "es.ner@v2", "./es.ner", "a b", "es..ner"):
        assert named_model(nothing) is None


def test_the_user_s_names_win_and_folders_lie_beside_the_file(config: Path) -> None:
    beside = config.parent / "models" / "press"
    beside.mkdir(parents=True)
    config.write_text(
        "es.ner: me/mine@v2   # better\n"
        "press: models/press\n"
        "other: ../x/./y\n"
        "far: /srv/models/a\n"
        "home: ~/models/a\n"
        "deep: a/b/c\n"
        "plain: gpt2\n"
        "'2024': me/x\n"
    )
    assert meant("es.ner") == "me/mine@v2"
    assert meant("press") == str(beside)
    assert meant("other") == str(config.parent.parent / "x" / "y")
    assert meant("far") == "/srv/models/a"
    assert meant("home") == str(Path.home() / "models" / "a")
    assert meant("deep") == str(config.parent / "a" / "b" / "c")
    assert (meant("plain"), meant("2024")) == ("gpt2", "me/x")
    assert meant("xx.ner") == BUILT_IN["xx.ner"]
    assert str(named_model("press")) == f"press (a name for {beside}, {config}:2)"
    folders = {name for name, one in known_models().items() if one.is_folder}
    assert folders == {"press", "other", "far", "home", "deep"}


def test_the_variable_names_another_file(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text("press: me/one")
    (tmp_path / "mine.yaml").write_text("press: ./two")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NERTUNE_MODELS", "mine.yaml")
    assert meant("press") == str(tmp_path / "two")
    monkeypatch.setenv("NERTUNE_MODELS", "")
    assert meant("press") == "me/one"


def test_a_variable_that_names_no_file_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NERTUNE_MODELS", "/no/names.yaml")
    with pytest.raises(
        BundleError, match=r"NERTUNE_MODELS=/no/names.yaml: there is no such file.*"
    ):
        named_model("es.ner")
    assert named_model("me/x") is None, "which can be no name"


@pytest.mark.parametrize("content", ["", "\n# none yet\n", "---\n", "{}"])
def test_a_file_without_names_is_none(config: Path, content: str) -> None:
    config.write_text(content)
    assert known_models().keys() == BUILT_IN.keys()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("a: me/x\nb: me/y\na: me/z\n", ":3: the name 'a' stands in line 1 already; expected each"),
        ("a: me/x\n1: me/y\n", ":2: the name '1' is no string to YAML; .*in quotes"),
        ("no: me/y\n", ":1: the name 'no' is no string"),
        ("[a]: me/y\n", ":1: the name is no string"),
        ("a: me/x\nme/y: me/z\n", ":2: 'me/y' is no name, but could be a path or a Hub id"),
        ("./a: me/z\n", ":1: './a' is no name"),
        ("'a b': me/z\n", ":1: 'a b' is no name"),
        ("a@v1: me/z\n", ":1: 'a@v1' is no name"),
        ("'': me/z\n", ":1: '' is no name"),
        ("a: 5\n", ":1: 'a' stands for no string; expected a folder or an id of the Hub, as 'a: "),
        ("a:\n", ":1: 'a' stands for no string"),
        ("a: ''\n", ":1: 'a' stands for no string"),
        ("\na:\n  model: me/x\n", ":3: 'a' stands for no string"),
        ("a: b\nb: me/x\n", ":1: 'a' stands for 'b', which is a name itself; expected a folder"),
        ("a: a\n", ":1: 'a' stands for 'a', which is a name itself"),
        ("a: es.ner\n", ":1: 'a' stands for 'es.ner', which is a name itself"),
        ("- me/x\n", ":1: holds no names; expected lines as 'press: runs/press'"),
        ("just words", ":1: holds no names"),
        ("a: me/x\nb: [\n", ":3: is not valid YAML .*; expected lines"),
        ("a: b: c\n", ":1: is not valid YAML"),
        ('a: me/x\nb: "me/\\uD800"\n', r":2: 'b' stands for 'me/\\ud800', which is neither a path"),
        ('a: "me/\\0x"\n', r":1: 'a' stands for 'me/\\x00x', .*in one line"),
        ('a: "runs\\npress"\n', r":1: 'a' stands for 'runs\\npress'"),
        ("a: hdfs://x/y\n", ":1: 'a' stands for 'hdfs://x/y', .* a folder that this machine sees"),
    ],
)
def test_a_fault_in_the_file_is_told_with_its_line(config: Path, content: str, told: str) -> None:
    config.write_text(content)
    with pytest.raises(BundleError, match=rf"^{config}{told}"):
        known_models()


def test_a_file_in_another_encoding_is_told(config: Path) -> None:
    config.write_bytes(b"a: me/\xff\n")
    with pytest.raises(BundleError, match=rf"{config}: cannot be read .*; expected YAML in UTF-8"):
        known_models()


def test_pretrained_looks_for_the_language_first(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config.write_text("en.mine: me/x\nmine: me/y\n")
    assert pretrained_model("ner", "es") == "es.ner"
    assert pretrained_model("bert_base_token_classifier_conll03", "en").startswith("en.bert_base")
    assert pretrained_model("mine", "en") == "en.mine"
    assert pretrained_model("mine", "de") == "mine"
    assert pretrained_model("me/x", "en") == "me/x"
    (tmp_path / "folder").mkdir()
    assert pretrained_model("folder", "en") == "folder"
    with pytest.raises(BundleError, match=r"'nerr' \(es\): there is no such model; "):
        pretrained_model("nerr", "es")
    with pytest.raises(BundleError, match=r"^es\.nerr: did you mean es\.ner"):
        pretrained_model("nerr", "es")
    for wrong in ((None, "en"), ("ner", 5)):
        with pytest.raises(BundleError, match=r"is (None|5); expected a string"):
            pretrained_model(*wrong)  # type: ignore[arg-type]


def test_the_names_like_a_word_are_told_and_where_names_come_from(config: Path) -> None:
    assert no_model("es.nr", "why").startswith("es.nr: did you mean es.ner")
    assert no_model("es.nr", "why").endswith(f"and those of your file ({config})")
    assert no_model("gpt2", "why").startswith("why. 'gpt2' is no name either: 'nertune names'")


def test_the_command_lists_them(config: Path) -> None:
    config.write_text("es.ner: me/mine\npress: /srv/press\n")
    shown = CliRunner().invoke(make_app("names"), ["names", "--json"])
    listed = {one["name"]: one for one in json.loads(shown.stdout)}
    assert listed["press"] == {"name": "press", "model": "/srv/press", "origin": f"{config}:2"}
    assert listed["es.ner"]["model"] == "me/mine"
    assert listed["xx.ner"]["origin"] == "built in"
    shown = CliRunner().invoke(make_app("names"), ["names"])
    assert shown.exit_code == 0
    assert "press" in shown.stdout
