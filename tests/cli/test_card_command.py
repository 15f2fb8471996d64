"""nertune card, and the push of what it wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard

from fake_hub import FakeHub
from nertune.testing import tiny_bundle
from nertune.training import train


@pytest.fixture(scope="module")
def run(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("cards") / "run"
    train(tiny.recipe(training={"epochs": 1}), folder)
    return folder


def test_the_card_is_where_push_takes_it_from(cli: Any, hub: FakeHub, run: Path) -> None:
    ended = cli("card", run, "--licence", "mit", "--repo", "me/x", "--compare", run)
    path = run / "model" / "README.md"
    assert ended.worked() == f"{path}\n"
    assert ended.err == (
        "warning: the language is not known; write it into recipe.yaml, as language: es\n"
    )
    pushed = cli("push", run, "me/x")
    assert "/me/x/commit/" in pushed.worked()
    assert pushed.err == ""
    assert hub.repos["me/x"].commits[-1].files["README.md"] == path.read_bytes()
    assert ModelCard.load(path).data.license == "mit"


def test_a_card_that_was_edited_stays(cli: Any, tmp_path: Path) -> None:
    model = tiny_bundle(tmp_path / "mine")
    (model / "README.md").write_text("# Mine\n", encoding="utf-8")
    text = cli("card", model).failed()
    assert text.startswith(f"{model / 'README.md'}: was written or edited by hand")
    assert cli("card", model, "--license", "mit", "--overwrite").worked()
    assert "# mine" in (model / "README.md").read_text(encoding="utf-8")


def test_another_place_and_no_examples(cli: Any, run: Path, tmp_path: Path) -> None:
    out = tmp_path / "card.md"
    assert cli("card", run, "--out", out, "--no-examples").worked() == f"{out}\n"
    assert "widget" not in ModelCard.load(out).data.to_dict()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: there is no such model folder"),
        (["{run}", "--compare", "nowhere"], "nowhere: there is no such model folder"),
        (["{run}", "--repo", "a/b/c"], "'a/b/c' is no name of a repository; expected user/name"),
        (["{run}", "--out", "{run}"], "it is a folder, a file was expected"),
    ],
)
def test_what_cannot_be(cli: Any, run: Path, arguments: list[str], message: str) -> None:
    assert message in cli("card", *(part.format(run=run) for part in arguments)).failed()


def test_settings_of_the_recipe(cli: Any, tiny: Any, tmp_path: Path) -> None:
    path = tmp_path / "tiny.yaml"
    raw = tiny.raw(training={"epochs": 1}, data={"name": "Small talk", "test": []})
    raw |= {"language": "en", "license": "cc-by-4.0", "description": "For *trying* out."}
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    cli("train", path, "--out", tmp_path / "run").worked()
    cli("card", tmp_path / "run", "--repo", "me/x").worked()
    card = ModelCard.load(tmp_path / "run" / "model" / "README.md")
    assert card.data.license == "cc-by-4.0"
    assert card.data.eval_results[0].dataset_name == "Small talk"
    assert "was fine-tuned on Small talk with nertune" in card.text
    assert "\n\nFor *trying* out.\n\n" in card.text
