"""Pushes with the real client to a Hub on this machine: whole, refused, timed out, broken off."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from refusals import FILES, told

from fake_hub import TOKEN, FakeHub
from nertune.errors import BundleError, OutputError
from nertune.modelhub import Pushed, client, find_model, prepare, push


class TestPush:
    def test_exactly_the_model_in_one_commit(
        self, hub: FakeHub, run: Path, content: dict[str, bytes]
    ) -> None:
        (run / "model" / "optimizer.pt").write_bytes(b"not for others")
        (run / "model" / "checkpoint").mkdir()
        pushed = push(run, "me/x")
        [first, commit] = hub.repos["me/x"].commits
        assert commit.files == {**first.files, **content}
        assert pushed == Pushed(f"{hub.url}/me/x/commit/{commit.sha}", FILES, True)
        assert commit.message.startswith("Upload a model")

    def test_a_model_folder_its_card_and_a_message(
        self, hub: FakeHub, run: Path, content: dict[str, bytes]
    ) -> None:
        (run / "model" / "README.md").write_text("---\nlanguage: en\n---\n# Card\n")
        pushed = push(run / "model", "me/x", message="all of it")
        commit = hub.repos["me/x"].commits[-1]
        assert set(commit.files) == {".gitattributes", "README.md", *content}
        assert "README.md" in pushed.files
        assert commit.message == "all of it"

    def test_the_graphs_are_part_of_the_model(
        self, hub: FakeHub, run: Path, content: dict[str, bytes]
    ) -> None:
        graphs = {"onnx/model.onnx": b"1", "onnx/model_int8.onnx": b"2"}
        (run / "model" / "onnx").mkdir()
        for name, data in {**graphs, "onnx/model.tmp": b"3"}.items():
            (run / "model" / name).write_bytes(data)
        assert set(push(run, "me/x").files) == {*FILES, *graphs}
        assert hub.repos["me/x"].commits[-1].files.items() >= graphs.items()
        there = find_model("me/x")
        assert {name: (there / name).read_bytes() for name in graphs} == graphs

    def test_a_name_without_its_user_is_completed(self, hub: FakeHub, run: Path) -> None:
        assert push(run, "x").url.startswith(f"{hub.url}/me/x/commit/")

    @pytest.mark.parametrize("private", [True, False])
    def test_a_private_repository(self, hub: FakeHub, run: Path, private: bool) -> None:
        push(run, "me/x", private=private)
        assert hub.repos["me/x"].private is private

    def test_what_is_public_does_not_become_private_silently(
        self, hub: FakeHub, run: Path
    ) -> None:
        before = hub.put("me/x", {"a": b""}).commits[-1]
        for action in (lambda: push(run, "me/x", private=True), lambda: prepare("me/x", True)):
            with pytest.raises(OutputError, match="me/x: exists and is public"):
                action()
        assert hub.repos["me/x"].commits == [before]

    def test_a_branch(self, hub: FakeHub, run: Path) -> None:
        for _ in range(2):
            push(run, "me/x", revision="try/two")
        repo = hub.repos["me/x"]
        assert "config.json" in repo.at("try/two").files
        assert "config.json" not in repo.at("main").files
        assert find_model("me/x@try/two").is_dir()

    def test_the_same_again_changes_nothing(self, hub: FakeHub, run: Path) -> None:
        first = push(run, "me/x")
        assert push(run, "me/x") == Pushed(first.url, first.files, False)
        assert len(hub.repos["me/x"].commits) == 2

    def test_files_of_another_model_go_and_everything_else_stays(
        self, hub: FakeHub, run: Path
    ) -> None:
        stale = (
            "model-00001-of-00002.safetensors", "model.safetensors.index.json", "vocab.txt",
            "onnx/model_int8.onnx",
        )  # fmt: skip
        mine = ("README.md", "notes.txt", "onnx/model.safetensors", "model.onnx")
        hub.put("me/x", dict.fromkeys([*stale, *mine], b"old"))
        push(run, "me/x")
        assert set(hub.repos["me/x"].commits[-1].files) == {*mine, *FILES}

    def test_the_login_is_used_where_there_is_no_variable(
        self, hub: FakeHub, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("HF_TOKEN")
        (tmp_path / "hf").mkdir()
        (tmp_path / "hf" / "token").write_text(f"{TOKEN}\n", encoding="utf-8")
        assert push(run, "me/x").changed

    def test_what_is_no_whole_model_is_not_pushed(self, hub: FakeHub, run: Path) -> None:
        (run / "model" / "model.safetensors").unlink()
        with pytest.raises(BundleError, match="holds no weights"):
            push(run, "me/x")
        with pytest.raises(BundleError, match="there is no such model folder"):
            push("nowhere", "me/x")
        assert not hub.requests

    def test_nothing_is_asked_that_tells_about_this_machine(
        self, hub: FakeHub, run: Path
    ) -> None:
        push(run, "me/x")
        assert "" not in hub.requests  # as /api/agent-harnesses would be


REFUSED: list[tuple[str, Any, str]] = [
    ("create", 401, "me/x: the Hub does not know who you are (401: not for Bearer ***); log in "),
    ("create", 403, "me/x: you may not write there (403: not for Bearer ***); log in with"),
    ("create", 500, "me/x: the Hub has a fault of its own (500: not for Bearer ***); try later"),
    ("create", "hang", "me/x: the Hub did not answer in time (timed out); the model here is whole"),
    ("create", "cut", "me/x: the connection to the Hub broke off ("),
    ("info", 404, "me/x: there is no such repository that you may see (404: not for Bearer ***)"),
    ("preupload", 403, "me/x: you may not write there (403: not for Bearer ***)"),
    ("commit", 400, "me/x: the push failed (400: not for Bearer ***). Correct that; the model "),
    ("commit", 401, "me/x: the Hub does not know who you are (401: not for Bearer ***)"),
    ("commit", 403, "me/x: you may not write there (403: not for Bearer ***)"),
    ("commit", 404, "me/x: there is no such repository that you may see (404: not for Bearer ***)"),
    ("commit", 503, "me/x: the Hub has a fault of its own (503: not for Bearer ***); try later"),
    ("commit", "hang", "me/x: the Hub did not answer in time (timed out); the model here is whole"),
    ("commit", "cut", "me/x: the connection to the Hub broke off ("),
]


class TestPushThatFails:
    @pytest.mark.parametrize(("route", "fault", "message"), REFUSED)
    def test_one_clear_message_nothing_lost_and_again(
        self,
        hub: FakeHub,
        run: Path,
        content: dict[str, bytes],
        monkeypatch: pytest.MonkeyPatch,
        route: str,
        fault: Any,
        message: str,
    ) -> None:
        monkeypatch.setattr(client, "_READ", 0.5)
        hub.fail(route, fault)
        said = told(push, run, "me/x")
        assert said.startswith(message)
        assert all(len(repo.commits) == 1 for repo in hub.repos.values())
        assert {name: (run / "model" / name).read_bytes() for name in FILES} == content
        push(run, "me/x")
        assert hub.repos["me/x"].commits[-1].files.items() >= content.items()

    def test_a_token_that_is_none_of_the_hubs(
        self, hub: FakeHub, run: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HF_TOKEN", "secret-of-another-kind")
        said = told(push, run, "me/x")
        assert "secret" not in said
        assert "does not know who you are" in said
        monkeypatch.delenv("HF_TOKEN")
        assert "log in with 'hf auth login', or set HF_TOKEN" in told(push, run, "me/x")

    def test_a_repository_of_somebody_else(self, hub: FakeHub, run: Path) -> None:
        assert told(push, run, "you/x").startswith("you/x: you may not write there (403: ")
        hub.put("you/x", {})
        assert told(push, run, "you/x").startswith("you/x: you may not write there (403: ")

    def test_a_broken_card_is_named(self, hub: FakeHub, run: Path) -> None:
        (run / "model" / "README.md").write_text("---\nlanguage\n: :\n---\n", encoding="utf-8")
        said = told(push, run, "me/x")
        assert "README.md" in said
        assert "the YAML of the card is broken" in said

    @pytest.mark.parametrize("name", ["a/b/c", "me/x y", "me/--x", ""])
    def test_a_name_that_is_none(self, hub: FakeHub, run: Path, name: str) -> None:
        assert told(push, run, name).startswith(f"{name}: is no name of a repository (")
        assert not hub.requests

    def test_a_hub_that_is_gone(self, hub: FakeHub, run: Path) -> None:
        hub.close()
        start = time.monotonic()
        said = told(push, run, "me/x")
        assert said.startswith(f"me/x: the Hub cannot be reached at {hub.url} (")
        assert said.endswith("Nothing was changed there, the model here is whole; push it again")
        assert time.monotonic() - start < 5

    def test_offline(self, hub: FakeHub, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        said = told(push, run, "me/x")
        assert said.startswith("me/x: cannot be pushed to while HF_HUB_OFFLINE is set; unset it")
        assert not hub.requests

    def test_an_address_with_a_password_is_not_shown(
        self, hub: FakeHub, run: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        place = hub.url.replace("http://", "http://someone:secret@")
        hub.close()
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", place)
        said = told(push, run, "me/x")
        assert "secret" not in said
        assert "http://***@127.0.0.1" in said
