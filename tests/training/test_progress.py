"""What a run shows and writes down: a bar on a terminal, plain lines elsewhere, JSON lines."""

from __future__ import annotations

import json
import os
import re
import signal
from io import StringIO
from types import SimpleNamespace

import pytest
from rich.console import Console
from transformers.trainer_callback import TrainerControl, TrainerState

from nertune.training import progress, train
from nertune.training.progress import Interrupt, MetricsFile, ShowProgress

EVALUATION = re.compile(
    r"epoch \d\.\d\d  loss (-|\d\.\d{4})  dev loss \d\.\d{4}  dev F1 \d+\.\d\d[* ]  [\d,]+ words/s"
)


def console(terminal: bool) -> Console:
    return Console(file=StringIO(), force_terminal=terminal, width=110, color_system=None)


@pytest.fixture(scope="module")
def told(tiny, tmp_path_factory):
    def run(terminal: bool) -> str:
        screen = console(terminal)
        folder = tmp_path_factory.mktemp("told") / "run"
        train(tiny.recipe(training={"epochs": 2}), folder, console=screen)
        return screen.file.getvalue()

    return {terminal: run(terminal) for terminal in (True, False)}


class TestOutput:
    def test_without_a_terminal_there_are_plain_lines_only(self, told):
        lines = told[False].splitlines()
        assert "\x1b" not in told[False]
        assert "nan" not in told[False]
        facts, rest = lines[:3], lines[3:]
        assert [line.split()[0] for line in facts] == ["train", "dev", "test"]
        assert re.fullmatch(r"\d+ steps, \d+ an epoch", rest[0])
        kept = [line for line in rest[1:] if not line.startswith("warning: ")]
        assert len(kept) == 3
        assert all(EVALUATION.fullmatch(line) for line in kept[:2])
        assert kept[2].startswith("kept: the weights after epoch ")

    def test_a_terminal_gets_a_bar_that_is_taken_away_at_the_end(self, told):
        shown = told[True]
        assert "━" in shown
        assert re.search(r"\d+%", shown)
        assert "nan" not in shown
        assert len(EVALUATION.findall(shown)) == 2
        # The last thing before the verdict erases the bar's line and shows the cursor again.
        assert shown.partition("kept:")[0].endswith("\x1b[2K")
        assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1

    def test_the_bar_names_epoch_loss_f1_speed_and_time_left(self, told):
        assert re.search(r"epoch \d\.\d/2 ━", told[True])
        assert re.search(r"loss (-|\d\.\d{3})  dev F1 (-|\d+\.\d\d) [\d,]+ words/s", told[True])

    @pytest.mark.parametrize(
        ("before", "marks"),
        [(None, ["50.00*", "40.00 ", "50.00 ", "60.00*"]),
         (0.55, ["50.00 ", "40.00 ", "50.00 ", "60.00*"])],
    )  # fmt: skip
    def test_the_first_of_the_best_is_marked_also_after_a_resumption(self, before, marks):
        screen = console(False)
        shown = ShowProgress(screen, SimpleNamespace(n_words=0))
        state = TrainerState(epoch=1.0, is_world_process_zero=True, best_metric=before)
        shown.on_train_begin(None, state, None)
        for f1 in (0.5, 0.4, 0.5, 0.6):
            metrics = {"eval_f1": f1, "eval_loss": 1.0, "eval_seconds": 0.0}
            shown.on_evaluate(None, state, None, metrics=metrics)
        lines = screen.file.getvalue().splitlines()
        assert [line.split("F1 ")[1][:6] for line in lines] == marks


class TestSpeed:
    @pytest.fixture
    def clock(self, monkeypatch):
        now = SimpleNamespace(seconds=100.0)
        monkeypatch.setattr(progress.time, "perf_counter", lambda: now.seconds)
        return now

    def test_evaluations_do_not_count_as_training_time(self, clock):
        shown = ShowProgress(console(False), SimpleNamespace(n_words=0))
        state = TrainerState(max_steps=10, is_world_process_zero=True)
        shown.on_train_begin(None, state, None)
        shown.collator.n_words = 600
        clock.seconds += 2
        assert shown.words_per_second == 300
        clock.seconds += 4
        metrics = {"eval_f1": 0.5, "eval_loss": 1.0, "eval_seconds": 4.0}
        shown.on_evaluate(None, state, None, metrics=metrics)
        assert shown.words_per_second == 300
        shown.on_train_end(None, state, None)
        clock.seconds += 50
        shown.close()
        assert shown.words_per_second == 300

    def test_a_plain_line_comes_now_and_then_with_the_time_left(self, clock):
        screen = console(False)
        shown = ShowProgress(screen, SimpleNamespace(n_words=500))
        state = TrainerState(max_steps=100, num_train_epochs=4, is_world_process_zero=True)
        shown.on_train_begin(None, state, None)
        for step in range(1, 51):
            state.global_step, state.epoch = step, step / 25
            clock.seconds += 1
            shown.on_step_end(None, state, None)
        assert screen.file.getvalue().splitlines() == [
            "epoch 0.8/4  step 20/100  loss -  25 words/s  80 s left",
            "epoch 1.6/4  step 40/100  loss -  12 words/s  60 s left",
        ]

    def test_other_processes_say_nothing(self, clock):
        screen = console(True)
        shown = ShowProgress(screen, SimpleNamespace(n_words=500))
        state = TrainerState(max_steps=100, num_train_epochs=4, is_world_process_zero=False)
        shown.on_train_begin(None, state, None)
        clock.seconds += 100
        shown.on_step_end(None, state, None)
        assert screen.file.getvalue() == ""


class TestMetricsFile:
    def test_one_object_a_line_and_null_for_what_is_no_number(self, tmp_path):
        path = tmp_path / "metrics.jsonl"
        metrics = MetricsFile(path)
        state = TrainerState(epoch=0.5, global_step=3, is_world_process_zero=True)
        logs = {"loss": 1.5, "grad_norm": float("inf"), "eval_f1": float("nan"), "epoch": 9}
        metrics.on_log(None, state, None, logs=logs)
        metrics.on_log(None, state, None, logs={})
        metrics.on_log(None, state, None, logs={"loss": 1})
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        assert [{**row, "time": 0} for row in rows] == [
            {"time": 0, "step": 3, "epoch": 0.5, "loss": 1.5, "grad_norm": None, "eval_f1": None},
            {"time": 0, "step": 3, "epoch": 0.5, "loss": 1},
        ]

    def test_only_one_process_writes(self, tmp_path):
        state = TrainerState(is_world_process_zero=False)
        MetricsFile(tmp_path / "metrics.jsonl").on_log(None, state, None, logs={"loss": 1})
        assert not list(tmp_path.iterdir())


class TestInterrupt:
    ARGUMENTS = SimpleNamespace(save_strategy="epoch", eval_strategy="epoch")

    def test_a_signal_is_acted_on_after_the_step_and_handlers_are_put_back(self):
        before = signal.getsignal(signal.SIGINT)
        interrupt = Interrupt(console(False))
        control = TrainerControl()
        state = TrainerState(epoch=0.5, global_step=5, max_steps=10)
        with interrupt:
            interrupt.on_step_end(self.ARGUMENTS, state, control)
            assert not control.should_training_stop
            os.kill(os.getpid(), signal.SIGINT)
            interrupt.on_step_end(self.ARGUMENTS, state, control)
        assert control.should_training_stop
        assert control.should_save
        assert signal.getsignal(signal.SIGINT) is before

    def test_a_second_one_ends_the_program_at_once(self):
        with Interrupt(console(False)):
            os.kill(os.getpid(), signal.SIGINT)
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)

    def test_outside_the_main_thread_signals_are_left_alone(self):
        import threading

        before = signal.getsignal(signal.SIGINT)

        def body():
            with Interrupt(console(False)):
                seen.append(signal.getsignal(signal.SIGINT))

        seen = []
        thread = threading.Thread(target=body)
        thread.start()
        thread.join()
        assert seen == [before]

    @pytest.mark.parametrize(("epoch", "due"), [(0.5, False), (1.0, True), (1.2, False)])
    def test_an_evaluation_that_is_due_is_not_lost(self, epoch, due):
        interrupt = Interrupt(console(False))
        interrupt.asked = True
        state = TrainerState(epoch=epoch, global_step=5, max_steps=10)
        control = TrainerControl()
        interrupt.on_step_end(self.ARGUMENTS, state, control)
        assert control.should_save is not due  # else Trainer saves after the evaluation
        control.should_evaluate = control.should_save = True  # as Trainer's own flow does
        interrupt.on_epoch_end(self.ARGUMENTS, state, control)
        assert control.should_evaluate is control.should_save is due


def test_a_disk_that_fills_up_is_said_and_no_half_checkpoint_is_left(
    tiny, tmp_path, monkeypatch
):
    from transformers import Trainer

    from nertune.errors import OutputError

    recipe = tiny.recipe(training={"epochs": 2})
    real = Trainer._save_checkpoint

    def full(self, model, trial):
        real(self, model, trial)
        if self.state.epoch > 1:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(Trainer, "_save_checkpoint", full)
    with pytest.raises(OutputError, match=r"No space left on device.*Make room and go on with --r"):
        train(recipe, tmp_path / "run", console=console(False))
    kept = [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()]
    assert len(kept) == 1
    monkeypatch.undo()
    result = train(recipe, tmp_path / "run", resume=True, console=console(False))
    assert result.scores["dev"].n_words > 0


def test_metrics_that_cannot_be_written_are_said(tiny, tmp_path, monkeypatch):
    from nertune.errors import OutputError

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(MetricsFile, "on_log", full)
    with pytest.raises(OutputError, match=r"writing failed \(No space left on device\)"):
        train(tiny.recipe(), tmp_path / "run", console=console(False))
