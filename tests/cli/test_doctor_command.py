"""nertune doctor: what it prints, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nertune.testing import tiny_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("doctor") / "model")


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    folder = tiny_bundle(tmp_path / "model")
    (folder / "model.safetensors").unlink()
    (folder / "tokenizer.json").unlink()
    return folder


def test_a_sound_model_ends_well(cli: Any, bundle: Path) -> None:
    shown = cli("doctor", bundle).worked()
    assert "0 errors, 0 warnings" in shown
    assert "finds LOC, PER; scheme IOB2" in shown


def test_errors_are_all_shown_with_their_cures_and_end_with_one(cli: Any, broken: Path) -> None:
    ended = cli("doctor", broken)
    assert (ended.status, ended.err) == (1, "")
    assert "2 errors, 0 warnings" in ended.out
    assert "holds no weights" in ended.out
    assert "cure: save it with transformers" in ended.out
    assert all(len(line) <= 80 for line in ended.out.splitlines()[1:])


def test_json(cli: Any, broken: Path) -> None:
    ended = cli("doctor", broken, "--json")
    assert ended.status == 1
    told = json.loads(ended.out)
    assert (told["model"], told["errors"]) == (str(broken), 2)
    assert [one["about"] for one in told["findings"] if one["level"] == "error"] == [
        "weights", "tokenizer",
    ]  # fmt: skip
    assert set(told["findings"][0]) == {"level", "about", "where", "what", "cure", "serious"}


@pytest.mark.parametrize("source", ["-", "file"])
def test_a_text_from_a_file_or_standard_input(
    cli: Any, bundle: Path, tmp_path: Path, source: str
) -> None:
    text = "the fox \u6771\n\nthe dog\n".encode()
    (tmp_path / "text").write_bytes(text)
    path = tmp_path / "text" if source == "file" else "-"
    told = json.loads(cli("doctor", bundle, path, "--json", stdin=text).worked())
    [note] = [one for one in told["findings"] if " words in " in one["what"]]
    assert note["what"].startswith("5 words in 5 pieces, 1.00 a word; 1 pieces in 20.00 %")


def test_wrong_input_ends_with_two(cli: Any, bundle: Path, tmp_path: Path) -> None:
    assert "there is no such model folder" in cli("doctor", "./none").failed()
    assert "cannot be read (No such file" in cli("doctor", bundle, "./none").failed()
    (tmp_path / "text").write_bytes(b"caf\xe9\n")
    assert "UTF-8" in cli("doctor", bundle, tmp_path / "text").failed()


def test_control_characters_of_a_model_do_not_reach_the_terminal(
    cli: Any, bundle: Path, tmp_path: Path
) -> None:
    config = json.loads((bundle / "config.json").read_text(encoding="utf-8"))
    del config["nertune"]
    config["id2label"]["1"] = "\x1b[31mLABEL"
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert "\x1b" not in cli("doctor", tmp_path).out
