"""nertune push, pushes of nertune train, and models by their Hub id in every command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from fake_hub import TOKEN, FakeHub
from nertune.testing import tiny_bundle

TEXT = "Ada met Charles in London .\n"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("sharing") / "run" / "model").parent


class TestPush:
    def test_the_address_of_the_commit_and_a_word_on_the_card(
        self, cli: Any, hub: FakeHub, bundle: Path
    ) -> None:
        ended = cli("push", bundle, "me/x", "--private", "--message", "mine")
        commit = hub.repos["me/x"].commits[-1]
        assert ended.worked() == f"{hub.url}/me/x/commit/{commit.sha}\n"
        assert commit.message == "mine"
        assert hub.repos["me/x"].private
        assert ended.err.startswith(f"warning: {bundle}: the model has no README.md, the card")
        assert f"nertune card {bundle}" in ended.err
        assert ended.err.count("\n") == 1

    def test_with_a_card_there_is_nothing_to_say(
        self, cli: Any, hub: FakeHub, tmp_path: Path
    ) -> None:
        folder = tiny_bundle(tmp_path / "model")
        (folder / "README.md").write_text("# Card\n", encoding="utf-8")
        ended = cli("push", folder, "me/x", "--revision", "v2")
        assert "/me/x/commit/" in ended.worked()
        assert ended.err == ""
        assert "README.md" in hub.repos["me/x"].at("v2").files
        assert "held the very same files" in cli("push", folder, "me/x", "--revision", "v2").err

    @pytest.mark.parametrize("fault", [401, 403, 404, 500, "cut"])
    def test_what_is_refused_is_one_message(
        self, cli: Any, hub: FakeHub, bundle: Path, fault: Any
    ) -> None:
        hub.fail("commit", fault)
        text = cli("push", bundle, "me/x").failed()
        assert text.startswith("me/x: ")
        assert TOKEN not in text
        assert "\n" not in text

    def test_what_is_no_model(self, cli: Any, hub: FakeHub, tmp_path: Path) -> None:
        assert "there is no such model folder" in cli("push", "nowhere", "me/x").failed()
        assert "holds no config.json" in cli("push", tmp_path, "me/x").failed()

    @pytest.mark.slow
    def test_the_program_itself(
        self, cli: Any, hub: FakeHub, bundle: Path, tmp_path: Path
    ) -> None:
        environment = hub.environment(tmp_path / "home", PYTHONWARNINGS="error")

        def started(*arguments: object) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-m", "nertune", *map(str, arguments)]
            return subprocess.run(
                command, env=environment, capture_output=True, text=True, check=False, input=TEXT
            )

        hub.fail("create", 403)
        refused = started("push", bundle, "me/x")
        assert refused.returncode == 2
        assert refused.stderr.startswith("error: me/x: you may not write there (403: not for ")
        assert TOKEN not in refused.stderr + refused.stdout
        assert refused.stderr.count("\n") == 1
        assert started("push", bundle, "me/x").stdout.startswith(f"{hub.url}/me/x/commit/")
        here = cli("predict", bundle, "-", stdin=TEXT.encode()).worked()
        there = started("predict", "me/x", "-")
        assert (there.returncode, there.stderr) == (0, "")
        assert there.stdout == here
        hub.close()
        again = started("predict", "me/x", "-")
        assert again.stdout == here
        assert again.stderr.startswith("me/x: the Hub cannot be asked (")


class TestTrain:
    @pytest.fixture
    def recipe(self, tiny: Any, tmp_path: Path) -> Path:
        path = tmp_path / "tiny.yaml"
        raw = tiny.raw(training={"epochs": 1}, data={"test": []})
        path.write_text(yaml.safe_dump(raw), encoding="utf-8")
        return path

    def test_a_training_that_pushes(
        self, cli: Any, hub: FakeHub, recipe: Path, tmp_path: Path
    ) -> None:
        ended = cli("train", recipe, "--out", tmp_path / "run", "--set", "push.repo=me/x",
                    "--set", "push.private=true", "--set", "push.every_save=true")  # fmt: skip
        commit = hub.repos["me/x"].commits[-1]
        assert f"The model is on the Hub: {hub.url}/me/x/commit/{commit.sha}" in ended.worked()
        assert hub.repos["me/x"].private
        assert "push.repo" not in ended.err
        model = tmp_path / "run" / "model"
        assert commit.files["README.md"] == (model / "README.md").read_bytes()
        assert commit.files["model.safetensors"] == (model / "model.safetensors").read_bytes()
        assert not list((tmp_path / "run").glob(".push*"))

    def test_a_push_that_fails_is_no_failed_training(
        self, cli: Any, hub: FakeHub, recipe: Path, tmp_path: Path
    ) -> None:
        hub.close()
        ended = cli("train", recipe, "--out", tmp_path / "run", "--set", "push.repo=me/x")
        ended.worked()
        assert "warning: push.repo: me/x: the Hub cannot be reached" in ended.err
        last = ended.err.splitlines()[-1]
        assert last.startswith("warning: the model was not pushed; later: ")
        assert last.endswith(f"nertune push {tmp_path / 'run'} me/x")

    def test_several_seeds_do_not_overwrite_each_other(
        self, cli: Any, recipe: Path, tmp_path: Path
    ) -> None:
        text = cli("train", recipe, "--out", tmp_path / "r", "--seeds", "1,2",
                   "--set", "push.repo=me/x").failed()  # fmt: skip
        assert "push.repo: several models are trained" in text

    @pytest.mark.parametrize(
        ("settings", "fault"),
        [
            (["push.repo=a/b/c"], "push.repo: 'a/b/c' is no name of a repository; expected user"),
            (["push.repo=./x"], "push.repo: './x' is no name of a repository"),
            (["push.private=true"], "push.private: belongs to push.repo; name one"),
            (["push.every_save=true"], "push.every_save: belongs to push.repo"),
        ],
    )
    def test_settings_that_do_not_fit(
        self, cli: Any, recipe: Path, settings: list[str], fault: str
    ) -> None:
        options = [part for one in settings for part in ("--set", one)]
        assert fault in cli("train", recipe, *options).failed()


class TestModelsByName:
    @pytest.fixture
    def there(self, hub: FakeHub, bundle: Path) -> str:
        files = {path.name: path.read_bytes() for path in (bundle / "model").iterdir()}
        repo = hub.put("me/x", files)
        repo.refs["v1"] = repo.commits[-1].sha
        return "me/x"

    @pytest.mark.parametrize("name", ["me/x", "me/x@v1"])
    def test_every_command_takes_one(
        self, cli: Any, there: str, bundle: Path, tiny: Any, name: str
    ) -> None:
        text = TEXT.encode()
        assert cli("predict", name, stdin=text).worked() == cli(
            "predict", bundle, stdin=text
        ).worked()
        assert "[CLS]" in cli("data", "align", name, tiny.dev).worked()
        there_score = json.loads(cli("evaluate", name, tiny.dev, "--json").worked())
        here_score = json.loads(cli("evaluate", bundle, tiny.dev, "--json").worked())
        assert there_score["micro"] == here_score["micro"]

    def test_what_is_not_there(self, cli: Any, hub: FakeHub, tiny: Any) -> None:
        for command in (("predict",), ("evaluate",), ("data", "align")):
            text = cli(*command, "me/typo", tiny.dev).failed()
            assert text.startswith("me/typo: there is no such model folder; expected one written")
            assert TOKEN not in text
        assert "has no revision 'v9'" in cli_of(cli, hub)

    def test_a_path_that_is_not_there_asks_nobody(
        self, cli: Any, hub: FakeHub, tiny: Any
    ) -> None:
        for name in ("./x", "/x", "a/b/c", "x/"):
            for command in (("predict",), ("evaluate",), ("data", "align")):
                assert "there is no such" in cli(*command, name, tiny.dev).failed()
        assert not hub.requests


def cli_of(cli: Any, hub: FakeHub) -> str:
    hub.put("me/y", {})
    return str(cli("predict", "me/y@v9", stdin=b"").failed())
