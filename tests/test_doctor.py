"""The doctor: everything that is wrong, the cure of each, and what a text comes to."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from fake_hub import FakeHub
from nertune.bundle import Finding, load_bundle, names_in
from nertune.doctor import examine
from nertune.documents import Document
from nertune.errors import BundleError
from nertune.testing import TEXT, tiny_bundle, tiny_tokenizer


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("bundles") / "whole")


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A bundle to break."""
    return Path(shutil.copytree(whole, tmp_path / "bundle"))


def edit(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text(encoding="utf-8")) | changes
    kept = {key: value for key, value in content.items() if value is not None}
    path.write_text(json.dumps(kept), encoding="utf-8")


def of_level(findings: list[Finding], *levels: str) -> list[str]:
    return [one.what for one in findings if one.level in levels]


def break_all(folder: Path) -> None:
    """A folder of another tool with a fault in every part."""
    (folder / "tagger.json").unlink()
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    names = {str(i): f"LABEL_{i}" for i in range(5)}
    edit(folder / "config.json", nertune=None, id2label=names, vocab_size=3)
    edit(folder / "tokenizer_config.json", model_max_length=1e30)


@pytest.mark.parametrize("family", ["bert", "roberta", "modernbert", "unigram"])
def test_a_sound_model_has_neither_errors_nor_warnings(tmp_path: Path, family: Any) -> None:
    findings = examine(tiny_bundle(tmp_path / "b", family), " ".join(TEXT))
    assert not of_level(findings, "error", "warning")
    assert "finds LOC, PER; scheme IOB2" in of_level(findings, "note")


def test_all_faults_of_a_broken_folder_are_found_and_the_worst_come_first(folder: Path) -> None:
    break_all(folder)
    findings = examine(folder)
    assert [(one.level, one.about) for one in findings if one.level != "note"] == [
        ("error", "weights"), ("error", "labels"), ("error", "tokenizer"), ("warning", "window"),
    ]  # fmt: skip
    levels = [one.level for one in findings]
    assert levels == sorted(levels, key=["error", "warning", "note"].index)
    assert all(one.cure for one in findings if one.level != "note")


def test_what_the_doctor_calls_an_error_is_refused_at_load(folder: Path) -> None:
    break_all(folder)
    first = examine(folder)[0]
    with pytest.raises(BundleError) as caught:
        load_bundle(folder)
    assert str(caught.value).startswith(str(first))


def test_a_folder_without_anything_is_examined_too(tmp_path: Path) -> None:
    said = of_level(examine(tmp_path), "error")
    expected = ("holds no config.json", "holds no weights", "holds no tokenizer.json")
    assert [line.partition(";")[0] for line in said] == list(expected)


def test_what_is_no_folder_is_no_patient(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="there is no such model folder"):
        examine(tmp_path / "none")


def test_a_run_folder_and_a_bundle_are_examined(folder: Path, tmp_path: Path) -> None:
    expected = examine(load_bundle(folder))
    assert expected == examine(str(folder))
    shutil.copytree(folder, tmp_path / "run" / "model")
    assert len(examine(tmp_path / "run")) == len(expected)


def test_a_model_of_the_hub_whose_weights_stayed_there(hub: FakeHub, folder: Path) -> None:
    files = {name: (folder / name).read_bytes() for name in names_in(folder)}
    files["pytorch_model.bin"] = files.pop("model.safetensors")
    hub.put("me/x", files)
    [said] = of_level(examine("me/x"), "error")
    assert "only in pytorch_model.bin, a pickle" in said


@pytest.mark.parametrize(
    ("length", "level", "message"),
    [
        (1e30, "warning", "names no sane maximum length, the network reads 258"),
        (None, "warning", "names no sane maximum length"),
        (512, "warning", "names 512 pieces as maximum length, the network reads 258"),
        (32, "note", "names 32 pieces as maximum length; windows have 64"),
    ],
)
def test_the_maximum_length(folder: Path, length: Any, level: str, message: str) -> None:
    edit(folder / "tokenizer_config.json", model_max_length=length)
    assert any(message in line for line in of_level(examine(folder), level))


def test_a_network_and_a_tokenizer_without_any_limit(folder: Path) -> None:
    (folder / "tokenizer_config.json").unlink()
    edit(folder / "config.json", max_position_embeddings=None)
    notes = of_level(examine(folder), "note")
    assert any("neither network nor tokenizer names a maximum length" in line for line in notes)


def test_what_a_published_tokenizer_does_is_noted(tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path / "b", "roberta")
    tokenizer: Any = tiny_tokenizer("roberta")
    tokenizer.enable_truncation(128)
    tokenizer.save(str(folder / "tokenizer.json"))
    notes = of_level(examine(folder), "note")
    assert any("writes a word alone otherwise than within a text" in line for line in notes)
    assert any("cuts texts by itself" in line for line in notes)


def test_a_tokenizer_that_lost_its_ends_is_a_warning(folder: Path) -> None:
    edit(folder / "tokenizer.json", post_processor=None)
    assert any("puts no [CLS] and [SEP] around" in x for x in of_level(examine(folder), "warning"))


def test_tags_that_a_scheme_never_allows(folder: Path) -> None:
    names = ["O", "B-LOC", "I-LOC", "I-PER", "I-ORG"]
    edit(folder / "config.json", id2label=dict(enumerate(names)))
    edit(folder / "tagger.json", tags=names)
    [said] = of_level(examine(folder), "warning")
    assert said == "the scheme IOB2 never allows the tags I-PER, I-ORG; they cannot be found"


def test_much_fewer_pieces_than_the_network_knows(folder: Path) -> None:
    edit(folder / "config.json", vocab_size=30_000)
    [said] = of_level(examine(folder), "warning")
    assert "only 159 of the 30000 pieces" in said


def test_two_schemes_that_fit_are_named_with_the_file_that_decides(folder: Path) -> None:
    (folder / "tagger.json").unlink()
    edit(folder / "config.json", nertune=None)
    [note] = [one for one in examine(folder) if "IOB1" in one.what]
    assert note.level == "note"
    assert "tagger.json" in note.cure


# --- texts ---


def test_graphs_are_opened(folder: Path, tmp_path: Path) -> None:
    from nertune.export import export

    export(load_bundle(folder), [Document.from_words(TEXT[0].split())])
    assert not of_level(examine(folder), "error")
    graph = folder / "onnx" / "model.onnx"
    shutil.copytree(folder, tmp_path / "other")
    graph.write_bytes(graph.read_bytes()[:1000])
    [fault] = of_level(examine(folder), "error")
    assert "is no ONNX graph that can be run" in fault
    edit(tmp_path / "other" / "tagger.json", tags=["O", "B-X", "I-X", "B-Y", "I-Y"])
    edit(
        tmp_path / "other" / "config.json",
        id2label=dict(enumerate(["O", "B-X", "I-X", "B-Y", "I-Y"])),
        label2id=None,
    )
    assert any("names other tags" in one for one in of_level(examine(tmp_path / "other"), "error"))


def test_a_text_is_counted_in_words_and_pieces(whole: Path) -> None:
    findings = examine(whole, "the fox \u4eac the \u6771\u6771 fox the \u4eac dog over")
    # Chinese characters are pieces of their own, all of them unknown here.
    assert of_level(findings, "note")[-1] == (
        "10 words in 11 pieces, 1.10 a word; 4 pieces in 30.00 % of the words are unknown: "
        "\u4eac \u6771\u6771"
    )
    assert of_level(findings, "warning") == ["the tokenizer does not know 30.0 % of the words"]


def test_words_that_lose_all_pieces_and_words_that_are_cut(tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path / "b", "roberta")
    said = of_level(examine(folder, "the fox " * 500 + "x" * 3000), "warning")
    assert said[-1] == (
        "1 of 1,001 words are longer than a window, beyond which they are not seen: "
        "xxxxxxxxxxxxxxxxxxxx..."
    )
    said = of_level(examine(tiny_bundle(tmp_path / "c"), "the \u0301 fox"), "warning")
    assert "1 of 3 words have no piece at all, so they always get O: \\u0301" in said


def test_the_counts_are_those_of_the_tokenizer_word_by_word(whole: Path) -> None:
    words = [word for line in TEXT for word in line.split()]
    documents = [Document.from_words(words)] * 700
    tokenizer = load_bundle(whole).tokenizer
    n_pieces = sum(len(tokenizer.encode(word, add_special_tokens=False).ids) for word in words)
    notes = " ".join(of_level(examine(whole, documents), "note"))
    assert f"{700 * len(words):,} words in {700 * n_pieces:,} pieces" in notes


def test_an_empty_text_is_a_warning(whole: Path) -> None:
    assert of_level(examine(whole, ""), "warning") == ["it holds no words"]
