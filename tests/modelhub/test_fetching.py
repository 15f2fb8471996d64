"""Models by name, with the real client from a Hub on this machine, and from the cache."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from refusals import FILES, told

from fake_hub import TOKEN, FakeHub
from nertune import Tagger
from nertune.bundle import names_in
from nertune.modelhub import find_model, is_hub_id, open_bundle, push
from nertune.modelnames import BUILT_IN
from nertune.testing import TEXT


class TestLoad:
    def test_the_same_entities_as_from_the_folder(
        self, hub: FakeHub, run: Path, folder: Path
    ) -> None:
        push(run, "me/x")
        text = " ".join(TEXT)
        tagger = Tagger.load("me/x", device="cpu")
        assert tagger(text) == Tagger.load(folder)(text) != []

    def test_only_what_is_needed_is_downloaded_and_only_once(
        self, hub: FakeHub, content: dict[str, bytes]
    ) -> None:
        others = ("big.bin", "onnx/model_q4.onnx", "onnx/config.json", "README.md")
        graphs = {"onnx/model.onnx": b"0", "onnx/model_int8.onnx": b"1"}
        hub.put("me/x", {**content, **graphs, **dict.fromkeys(others, b"")})
        found = open_bundle("me/x").folder
        assert names_in(found) == {*FILES, *graphs}
        assert hub.count("file") == len(FILES) + 2
        hub.requests.clear()
        assert open_bundle("me/x").folder == found
        assert hub.requests == ["info"]

    def test_a_checkpoint_with_the_files_of_an_old_tokenizer(
        self, hub: FakeHub, folder: Path, content: dict[str, bytes]
    ) -> None:
        pieces = open_bundle(folder).tokenizer.get_vocab()
        config = json.loads(content["config.json"])
        del config["nertune"]
        files = {
            "config.json": json.dumps(config).encode(),
            "model.safetensors": content["model.safetensors"],
            "vocab.txt": "\n".join(sorted(pieces, key=pieces.__getitem__)).encode(),
            "tokenizer_config.json": b'{"do_lower_case": true}',
            "special_tokens_map.json": b"{}",
            "added_tokens.json": b"{}",
        }
        hub.put("you/x", {**files, "pytorch_model.bin": b"0", "tf_model.h5": b"0"})
        bundle = open_bundle("you/x")
        assert names_in(bundle.folder) == set(files)
        assert Tagger.load("you/x")(TEXT[0]) == Tagger.load(folder)(TEXT[0])

    @pytest.mark.parametrize(
        ("missing", "there", "message"),
        [
            ("model.safetensors", "pytorch_model.bin", "only in pytorch_model.bin, a pickle"),
            ("tokenizer.json", "spiece.model", "but spiece.model, a SentencePiece model"),
        ],
    )
    def test_what_the_hub_has_in_another_format_is_named_and_stays_there(
        self, hub: FakeHub, content: dict[str, bytes], missing: str, there: str, message: str
    ) -> None:
        del (files := dict(content))[missing]
        hub.put("me/x", {**files, there: b"0"})
        assert message in told(open_bundle, "me/x")
        assert there not in names_in(find_model("me/x"))

    def test_what_another_program_downloaded_a_part_of_is_completed(
        self, hub: FakeHub, content: dict[str, bytes]
    ) -> None:
        from huggingface_hub import hf_hub_download

        hub.put("me/x", content)
        hf_hub_download("me/x", "config.json")
        assert {path.name for path in open_bundle("me/x").folder.iterdir()} == set(FILES)

    def test_a_revision(self, hub: FakeHub, content: dict[str, bytes]) -> None:
        repo = hub.put("me/x", content)
        first = repo.commits[-1].sha
        repo.refs["v1"] = first
        settings = json.loads(content["tagger.json"])
        changed = json.dumps({**settings, "temperature": 2.0}).encode()
        repo.commit("main", "second", {**content, "tagger.json": changed})
        assert open_bundle("me/x").settings.temperature == 2
        for revision in ("v1", first):
            assert open_bundle("me/x", revision).settings.temperature == 1
            assert open_bundle(f"me/x@{revision}").settings.temperature == 1
            assert Tagger.load("me/x", revision=revision).settings.temperature == 1
        said = told(open_bundle, "me/x", "v9")
        assert said == "me/x: has no revision 'v9' on the Hub; expected a branch, a tag or a commit"
        assert "names a revision, and revision='v1' another" in told(open_bundle, "me/x@v2", "v1")

    def test_a_folder_wins(
        self, hub: FakeHub, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        shutil.copytree(folder, "me/x")
        assert open_bundle("me/x").folder == Path("me/x")
        assert "is a folder, which has no revision" in told(open_bundle, "me/x", "v1")
        assert not hub.requests

    @pytest.mark.parametrize("name", ["./x", "/x", "a/b/c", "../me/x", "~/x", "me/x/", "a b", ""])
    def test_a_path_is_never_asked_for(self, hub: FakeHub, name: str) -> None:
        assert not is_hub_id(name)
        for path in (name, Path(name), Path("me/x")):
            if str(path) not in (".", ""):
                assert "there is no such model folder" in told(open_bundle, path)
        assert not hub.requests

    def test_a_private_one(
        self, hub: FakeHub, content: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hub.put("me/x", content, private=True)
        assert open_bundle("me/x").settings
        monkeypatch.delenv("HF_TOKEN")
        said = told(open_bundle, "me/x")
        assert said.startswith("me/x: there is no such model folder; expected one written by")
        assert "none of that name that you may see (401: " in said
        assert "set HF_TOKEN" in said

    def test_a_gated_one(
        self, hub: FakeHub, content: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hub.put("you/x", content, gated=True)
        monkeypatch.delenv("HF_TOKEN")
        said = told(open_bundle, "you/x")
        assert said.startswith("you/x: its owner must grant access to it (401: ")
        assert f"ask for it on {hub.url}/you/x, then log in" in said

    def test_one_that_is_not_there(self, hub: FakeHub) -> None:
        said = told(open_bundle, "me/typo")
        assert said.startswith("me/typo: there is no such model folder; expected one written by")
        assert "none of that name that you may see (404: not for Bearer ***); check" in said

    def test_one_that_is_no_model_is_named_with_its_place(
        self, hub: FakeHub, content: dict[str, bytes]
    ) -> None:
        del (files := dict(content))["tokenizer.json"]
        hub.put("me/x", files)
        said = told(open_bundle, "me/x")
        assert said.startswith("me/x (in /")
        assert "holds no tokenizer.json" in said
        hub.put("me/empty", {"README.md": b""})
        assert told(open_bundle, "me/empty").startswith("me/empty (in /")


class TestNames:
    @pytest.fixture
    def names(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """The user's file of names."""
        path = tmp_path / "names.yaml"
        path.write_text("mine: me/x\nold: me/x@v1\nnear: run\ngone: ./nowhere\ntypo: me/typo\n")
        monkeypatch.setenv("NERTUNE_MODELS", str(path))
        return path

    def test_a_name_is_what_it_stands_for(
        self, hub: FakeHub, names: Path, run: Path, content: dict[str, bytes]
    ) -> None:
        repo = hub.put("me/x", content)
        repo.refs["v1"] = repo.commits[-1].sha
        repo.commit("main", "second", {**content, "README.md": b""})
        here = find_model("me/x")
        assert find_model("mine") == here
        assert find_model("old") == find_model("mine@v1") == find_model("me/x@v1") != here
        assert find_model("mine", "v1") == find_model("old")
        assert Tagger.load("mine")(TEXT[0]) == Tagger.load("me/x")(TEXT[0])
        hub.requests.clear()
        assert find_model("near") == run / "model"
        assert not hub.requests

    def test_the_built_in_ones_are_asked_for_on_the_hub(
        self, hub: FakeHub, content: dict[str, bytes]
    ) -> None:
        hub.put(BUILT_IN["es.ner"], content)
        assert find_model("es.ner") == find_model(BUILT_IN["es.ner"])

    def test_a_folder_wins_and_a_path_is_none(
        self, hub: FakeHub, names: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (names.parent / "here" / "me" / "x").mkdir(parents=True)
        monkeypatch.chdir(names.parent / "here")
        hub.put("me/x", {})
        assert find_model("me/x") == Path("me/x")
        assert find_model("mine").is_absolute(), "a name means the same in every folder"
        shutil.copytree(folder, "mine")
        assert find_model("mine") == Path("mine")
        assert find_model(Path("old")) == Path("old")

    def test_what_goes_wrong_names_the_name_and_what_it_stands_for(
        self, hub: FakeHub, names: Path, run: Path, content: dict[str, bytes]
    ) -> None:
        said = told(open_bundle, "typo")
        start = f"typo (a name for me/typo, {names}:5): me/typo: there is no such model folder; "
        assert said.startswith(start)
        assert said.endswith(f"There is no folder {names.parent / 'me' / 'typo'} either")
        place = names.parent / "nowhere"
        said = told(open_bundle, "gone")
        assert said.startswith(f"gone (a name for {place}, {names}:4): {place}: there is no such")
        del (files := dict(content))["tokenizer.json"]
        hub.put("me/x", files)
        assert told(open_bundle, "mine").startswith(f"mine (a name for me/x, {names}:1) (in /")
        assert "names a revision, and revision='v2' another" in told(find_model, "old", "v2")
        assert "names a revision, and revision='v2' another" in told(find_model, "old@v2")
        said = told(find_model, "near", "v1")
        assert said.startswith(f"near (a name for {run}, {names}:3): {run}")
        assert "is a folder, which has no revision" in said

    def test_a_word_that_is_no_name_may_be_on_the_hub(
        self, hub: FakeHub, names: Path, content: dict[str, bytes]
    ) -> None:
        hub.put("minee", content)
        assert open_bundle("minee").settings
        said = told(open_bundle, "miine")
        assert said.startswith("miine: did you mean mine? miine: there is no such model folder; ")
        assert "'miine' is no name either: 'nertune names' lists" in said
        assert said.endswith(f"and those of your file ({names})")

    def test_a_fault_in_the_file_of_names_stops_names_only(
        self, hub: FakeHub, names: Path, folder: Path, content: dict[str, bytes]
    ) -> None:
        names.write_text("a: 5")
        assert "names.yaml:1: 'a' stands for no string" in told(open_bundle, "mine")
        hub.put("me/x", content)
        assert open_bundle("me/x").settings
        assert open_bundle(str(folder)).settings


BROKEN: list[tuple[str, Any, str]] = [
    ("info", 401, "me/x: the Hub refused the access token (401: not for Bearer ***); renew it"),
    ("info", 403, "me/x: the Hub refused access (403: not for Bearer ***); log in"),
    ("info", 500, "me/x: the Hub has a fault of its own (500: not for Bearer ***), and no whole"),
    ("info", 429, "me/x: the Hub takes no more requests from here for now (429: not for Bearer"),
    ("info", "cut", "me/x: the download broke off ("),
    ("file", "cut", "me/x: the download broke off ("),
    ("file", "short", "me/x: the download broke off (Consistency check failed: file should be"),
    ("file", 403, "me/x: the Hub refused access (403: not for Bearer ***); log in"),
    ("file", 500, "me/x: the Hub has a fault of its own (500: not for Bearer ***), and no whole"),
]


class TestLoadThatFails:
    @pytest.mark.parametrize(("route", "fault", "message"), BROKEN)
    def test_one_clear_message_and_again(
        self, hub: FakeHub, content: dict[str, bytes], route: str, fault: Any, message: str
    ) -> None:
        hub.put("me/x", content)
        hub.fail(route, fault)
        assert told(open_bundle, "me/x").startswith(message)
        bundle = open_bundle("me/x")
        assert {name: (bundle.folder / name).read_bytes() for name in FILES} == content

    def test_no_answer_in_time(self, hub: FakeHub, content: dict[str, bytes]) -> None:
        hub.put("me/x", content)
        hub.fail("info", "hang")
        said = told(open_bundle, "me/x")
        assert f"The Hub at {hub.url} did not answer in time" in said
        assert "no whole copy (revision main) is in the cache; try again, or fetch it" in said

    @pytest.mark.parametrize("fault", ["end", "hang"])
    def test_a_download_that_stops_is_taken_up_where_it_stopped(
        self, hub: FakeHub, content: dict[str, bytes], fault: str
    ) -> None:
        hub.put("me/x", content)
        hub.fail("file", fault, fault)
        bundle = open_bundle("me/x")
        assert {name: (bundle.folder / name).read_bytes() for name in FILES} == content
        assert hub.count("file") == len(FILES) + 2

    def test_a_cache_that_cannot_be_written(
        self, hub: FakeHub, content: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hub.put("me/x", content)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", "/proc/nowhere")
        said = told(open_bundle, "me/x")
        assert said.startswith("me/x: cannot be stored in the cache /proc/nowhere (")


class TestOffline:
    @pytest.fixture
    def cached(self, hub: FakeHub, content: dict[str, bytes]) -> Path:
        hub.put("me/x", content)
        hub.repos["me/x"].refs["v1"] = hub.repos["me/x"].commits[-1].sha
        return open_bundle("me/x").folder

    def test_the_cached_copy_without_a_word(
        self,
        hub: FakeHub,
        cached: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        hub.requests.clear()
        assert open_bundle("me/x").folder == cached
        assert not caplog.messages
        assert not hub.requests

    @pytest.mark.parametrize("fault", ["gone", "hang", "cut", 500, 503])
    def test_the_cached_copy_where_the_hub_fails_which_is_said(
        self, hub: FakeHub, cached: Path, caplog: pytest.LogCaptureFixture, fault: Any
    ) -> None:
        if fault == "gone":
            hub.close()
        else:
            hub.fail("info", fault)
        start = time.monotonic()
        with caplog.at_level(logging.WARNING, "nertune"):
            assert open_bundle("me/x").folder == cached
        assert time.monotonic() - start < 5
        [said] = caplog.messages
        assert said.startswith("me/x: the Hub cannot be asked (")
        assert said.endswith(f"commit {cached.name} is taken from the cache")
        assert TOKEN not in said

    def test_a_download_that_broke_off_is_no_cached_copy(
        self, hub: FakeHub, content: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hub.put("me/x", content)
        hub.fail("file", "ok", "ok", "short")
        told(open_bundle, "me/x")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        said = told(open_bundle, "me/x")
        assert "HF_HUB_OFFLINE is set, and no whole copy (revision main) is in the cache" in said
        assert "unset it, or fetch it on a machine that has a network ('hf download me/x " in said

    def test_nothing_cached(self, hub: FakeHub, cached: Path) -> None:
        hub.close()
        start = time.monotonic()
        said = told(open_bundle, "me/other")
        assert f"The Hub cannot be reached at {hub.url} (" in said
        assert "check the network" in said
        assert "revision v1) is in the cache" in told(open_bundle, "me/x", "v1")
        assert time.monotonic() - start < 5

    def test_who_may_not_see_it_any_more_is_told(self, hub: FakeHub, cached: Path) -> None:
        hub.fail("info", 401)
        assert "refused the access token" in told(open_bundle, "me/x")


PLAIN = """
import sys, torch
from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline
model = AutoModelForTokenClassification.from_pretrained("me/x").eval()
tokenizer = AutoTokenizer.from_pretrained("me/x")
inputs = tokenizer(sys.argv[1], return_tensors="pt")
torch.save(model(**inputs).logits.detach(), sys.argv[2])
found = pipeline("token-classification", model="me/x", aggregation_strategy="simple")(sys.argv[1])
print(*(f"{one['start']}:{one['end']}" for one in found))
"""


@pytest.mark.slow
def test_plain_transformers_gets_the_same_logits(
    hub: FakeHub, run: Path, folder: Path, tmp_path: Path
) -> None:
    import torch
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    push(run, "me/x", private=True)
    command = [sys.executable, "-c", PLAIN, TEXT[1], str(tmp_path / "logits.pt")]
    environment = hub.environment(tmp_path / "home")
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    inputs = AutoTokenizer.from_pretrained(folder)(TEXT[1], return_tensors="pt")
    model = AutoModelForTokenClassification.from_pretrained(folder).eval()
    expected = model(**inputs).logits
    torch.testing.assert_close(torch.load(tmp_path / "logits.pt"), expected)
    assert ended.stdout.split()
