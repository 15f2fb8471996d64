"""Pushes beside a training: counted, newest first, and never in the way of the training."""

from __future__ import annotations

import shutil
import threading
import time
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from fake_hub import TOKEN, FakeHub
from nertune import modelhub
from nertune.autopush import AutoPush
from nertune.bundle import load_bundle
from nertune.config import PushSettings
from nertune.engine import Tagger
from nertune.errors import OutputError, StoppedError
from nertune.testing import tiny_bundle
from nertune.training import train

REPO = "me/tiny"


class Watched(AutoPush):
    """Keeps its warnings; waits for each push, so that none is overtaken."""

    def __init__(self, patient: bool = True, **settings: Any) -> None:
        self.warnings: list[str] = []
        self.patient = patient
        super().__init__(PushSettings(repo=REPO, **settings), self.warnings.append)

    def _offer(self, job: Any) -> None:
        super()._offer(job)
        if self.patient:
            self.wait()


def trained(tiny: Any, folder: Path, push: AutoPush, **options: Any) -> Any:
    recipe = tiny.recipe(training={"epochs": 2}, data={"test": []})
    console = Console(file=StringIO())
    return train(recipe, folder, console=console, callbacks=[push], **options)


def left_overs(folder: Path) -> list[Path]:
    return list(folder.rglob(".push.*"))


class TestTraining:
    def test_every_save_and_the_end(self, hub: FakeHub, tiny: Any, tmp_path: Path) -> None:
        push = Watched(every_save=True, private=True)
        trained(tiny, tmp_path / "run", push)
        url = push.finish(tmp_path / "run" / "model")
        repo = hub.repos[REPO]
        messages = [commit.message for commit in repo.commits]
        assert messages[1:3] == ["Checkpoint of step 17 of 34", "Checkpoint of step 34 of 34"]
        assert url is not None
        assert url.startswith(f"{hub.url}/{REPO}/commit/")
        assert repo.private
        assert push.warnings == []
        assert left_overs(tmp_path) == []
        final = (tmp_path / "run" / "model" / "model.safetensors").read_bytes()
        assert repo.commits[-1].files["model.safetensors"] == final
        first, second = (repo.commits[i].files["model.safetensors"] for i in (1, 2))
        assert first != second
        for commit in repo.commits[1:]:
            for name, data in commit.files.items():
                (tmp_path / commit.sha).mkdir(exist_ok=True)
                (tmp_path / commit.sha / name).write_bytes(data)
            bundle = load_bundle(tmp_path / commit.sha)
            assert bundle.trained_here
            assert bundle.settings.tags == load_bundle(tmp_path / "run").settings.tags
        assert Tagger.load(REPO)("Ada met Charles in London .") == Tagger.load(tmp_path / "run")(
            "Ada met Charles in London ."
        )

    def test_the_end_alone(self, hub: FakeHub, tiny: Any, tmp_path: Path) -> None:
        push = Watched()
        trained(tiny, tmp_path / "run", push)
        assert len(hub.repos[REPO].commits) == 1  # made in time, nothing in it
        assert push.finish(tmp_path / "run" / "model")
        assert len(hub.repos[REPO].commits) == 2

    def test_a_push_that_fails_is_told_and_tried_again(
        self, hub: FakeHub, tiny: Any, tmp_path: Path
    ) -> None:
        hub.fail("create", 500)
        hub.fail("commit", 403, "cut", 401)
        push = Watched(every_save=True)
        result = trained(tiny, tmp_path / "run", push)
        assert result.scores["dev"].micro.f1 >= 0
        assert [line.split(" (")[0] for line in push.warnings] == [
            "push.repo: me/tiny: the Hub has a fault of its own",
            "push.repo: me/tiny: you may not write there",
            "push.repo: me/tiny: the connection to the Hub broke off",
        ]
        assert all(
            line.endswith("(tried again at the next save and at the end)")
            for line in push.warnings
        )
        assert push.finish(tmp_path / "run" / "model") is None
        assert TOKEN not in "".join(push.warnings)
        assert len(hub.repos[REPO].commits) == 1
        assert push.finish(tmp_path / "run" / "model")
        assert left_overs(tmp_path) == []

    def test_a_hub_that_is_gone_changes_nothing(
        self, hub: FakeHub, tiny: Any, tmp_path: Path
    ) -> None:
        hub.close()
        push = Watched(every_save=True)
        trained(tiny, tmp_path / "run", push)
        assert Tagger.load(tmp_path / "run")
        assert len(push.warnings) == 3
        assert push.finish(tmp_path / "run" / "model") is None
        assert all("the Hub cannot be reached" in line for line in push.warnings)

    def test_a_hub_that_hangs_does_not_hold_the_training_up(
        self, hub: FakeHub, tiny: Any, tmp_path: Path
    ) -> None:
        hub.fail("create", "hang")
        push = Watched(patient=False, every_save=True)
        trained(tiny, tmp_path / "run", push)
        assert push.busy
        assert not hub.repos
        hub.released.set()
        assert push.finish(tmp_path / "run" / "model")
        assert [commit.message for commit in hub.repos[REPO].commits][1:] == [
            "Upload a model of nertune 0.1.0"  # the checkpoints were overtaken
        ]
        assert left_overs(tmp_path) == []

    def test_a_stopped_training_has_pushed_its_last_checkpoint(
        self, hub: FakeHub, tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from nertune.training import progress

        real = progress.Interrupt.on_step_end

        def on_step_end(self: Any, args: Any, state: Any, control: Any, **options: Any) -> Any:
            self.asked = state.global_step >= 5
            return real(self, args, state, control, **options)

        monkeypatch.setattr(progress.Interrupt, "on_step_end", on_step_end)
        push = Watched(patient=False, every_save=True)
        with pytest.raises(StoppedError):
            trained(tiny, tmp_path / "run", push)
        push.wait()
        assert hub.repos[REPO].commits[-1].message == "Checkpoint of step 5 of 34"

    def test_a_checkpoint_is_a_model(self, tiny: Any, tmp_path: Path) -> None:
        found = []
        keep = Watched()
        keep.on_train_begin = lambda *_, **__: None  # type: ignore[method-assign]
        keep.on_save = lambda args, state, control, **_: found.append(  # type: ignore
            Tagger.load(Path(args.output_dir) / f"checkpoint-{state.global_step}")
        )
        trained(tiny, tmp_path / "run", keep)
        assert len(found) == 2
        assert found[0].settings.tags == Tagger.load(tmp_path / "run").settings.tags


def state(step: int = 1, main: bool = True) -> Any:
    return SimpleNamespace(is_world_process_zero=main, global_step=step, max_steps=9)


def until_begun(push: AutoPush) -> None:
    """Return when no push is waiting for its turn."""
    deadline = time.monotonic() + 10
    while push._next is not None:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def saved(tmp_path: Path) -> Any:
    """Arguments of a training with checkpoints of three steps."""
    for step in (1, 2, 3):
        tiny_bundle(tmp_path / "run" / "checkpoints" / f"checkpoint-{step}")
    return SimpleNamespace(output_dir=str(tmp_path / "run" / "checkpoints"))


class TestCallback:
    def test_only_the_first_process_pushes(self, hub: FakeHub, saved: Any) -> None:
        push = Watched(every_save=True)
        push.on_train_begin(saved, state(main=False), None)
        push.on_save(saved, state(main=False), None)
        assert not hub.requests
        assert not push.busy

    def test_of_several_waiting_the_newest_is_pushed(
        self, hub: FakeHub, saved: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gate, pushed = threading.Event(), []

        def slow(folder: Path, *_: Any, message: str, **__: Any) -> None:
            assert gate.wait(10)
            assert (folder / "model.safetensors").is_file()
            pushed.append(message)

        monkeypatch.setattr(modelhub, "push", slow)
        push = Watched(patient=False, every_save=True)
        for step in (1, 2, 3):
            push.on_save(saved, state(step), None)
            if step == 1:
                until_begun(push)
        gate.set()
        push.wait()
        assert pushed == ["Checkpoint of step 1 of 9", "Checkpoint of step 3 of 9"]
        assert left_overs(tmp_path) == []

    def test_the_checkpoint_may_go_while_it_is_pushed(
        self, hub: FakeHub, saved: Any, tmp_path: Path
    ) -> None:
        hub.fail("create", "hang")
        push = Watched(patient=False, every_save=True)
        push.on_train_begin(saved, state(), None)
        until_begun(push)
        push.on_save(saved, state(2), None)
        shutil.rmtree(tmp_path / "run" / "checkpoints")
        hub.released.set()
        push.wait()
        assert hub.repos[REPO].commits[-1].message == "Checkpoint of step 2 of 9"

    def test_what_cannot_be_copied_is_told(self, hub: FakeHub, saved: Any, tmp_path: Path) -> None:
        push = Watched(every_save=True)
        push.on_save(saved, state(7), None)
        [line] = push.warnings
        assert "checkpoint-7 cannot be copied" in line
        assert left_overs(tmp_path) == []

    def test_even_a_fault_of_our_own_does_not_end_a_training(
        self, hub: FakeHub, saved: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: Any, **__: Any) -> None:
            raise RuntimeError("no")

        monkeypatch.setattr(modelhub, "push", broken)
        push = Watched(every_save=True)
        push.on_save(saved, state(2), None)
        assert push.finish(tmp_path) is None
        assert len(push.warnings) == 2

    def test_what_a_killed_process_left_is_taken_away(
        self, hub: FakeHub, saved: Any, tmp_path: Path
    ) -> None:
        (tmp_path / "run" / ".push.abc").mkdir()
        Watched().on_train_begin(saved, state(), None)
        assert left_overs(tmp_path) == []

    def test_a_repository_must_be_named(self) -> None:
        with pytest.raises(OutputError, match=r"push\.repo: is not given"):
            AutoPush(PushSettings(), print)
