"""A run from recipe to folder: whole, stopped and gone on with, refused."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from io import StringIO
from pathlib import Path

import pytest
import torch
import yaml
from rich.console import Console
from safetensors.torch import load_file

from nertune.config import ReadSettings, make_recipe
from nertune.data import read
from nertune.engine import Tagger
from nertune.errors import BundleError, DataError, OutputError, RecipeError, StoppedError
from nertune.evaluation import evaluate_file
from nertune.scoring import score
from nertune.training import progress, run, train, train_seeds
from nertune.training.folder import alone_in
from nertune.training.trainer import NerTrainer

FILES = {
    ".lock", "run.json",
    "recipe.yaml", "metrics.jsonl", "tensorboard", "model", "labels.txt", "test_predictions.conll",
    "scores.json",
}  # fmt: skip


class Told(Console):
    """A console without a terminal that keeps what it is told."""

    def __init__(self) -> None:
        super().__init__(file=StringIO(), width=100)

    @property
    def text(self) -> str:
        return self.file.getvalue()


def metrics_of(folder: Path) -> list[dict]:
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line, parse_constant=pytest.fail) for line in lines]


def evaluations(folder: Path) -> list[tuple[int, float, float]]:
    return [
        (row["step"], row["eval_f1"], row["eval_loss"])
        for row in metrics_of(folder)
        if "eval_f1" in row
    ]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model" / "model.safetensors")


def assert_same_weights(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    for name, value in a.items():
        torch.testing.assert_close(b[name], value, rtol=0, atol=1e-4, msg=name)


@pytest.fixture(scope="module")
def finished(tiny, tmp_path_factory):
    """One whole run: its folder, its result and what it told."""
    console = Told()
    folder = tmp_path_factory.mktemp("finished") / "run"
    return folder, train(tiny.recipe(), folder, console=console), console.text


class TestRunFolder:
    def test_it_holds_what_is_promised_and_nothing_else(self, finished):
        folder, _, _ = finished
        assert {path.name for path in folder.iterdir()} == FILES
        for name in FILES:
            assert name in (run.__doc__ or "")
        assert {path.name for path in (folder / "model").iterdir()} == {
            "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
            "tagger.json",
        }

    def test_the_recipe_is_written_out_and_gives_the_same_recipe(self, finished, tiny):
        raw = yaml.safe_load((finished[0] / "recipe.yaml").read_text(encoding="utf-8"))
        assert make_recipe(raw, "recipe.yaml") == tiny.recipe()

    def test_the_labels_are_the_tags_of_the_model(self, finished):
        labels = (finished[0] / "labels.txt").read_text(encoding="utf-8")
        assert labels == "O\nB-LOC\nI-LOC\nB-PER\nI-PER\n"

    def test_scores_have_the_documented_structure(self, finished):
        folder, result, _ = finished
        report = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
        assert list(report) == ["dev", "test", "training", "warnings"]
        for name in ("dev", "test"):
            assert list(report[name]) == [
                "micro", "macro", "weighted", "labels", "tags", "intervals", "loss",
                "words_per_second",
            ]  # fmt: skip
            expected = {**result.scores[name].to_dict(), "loss": result.losses[name]}
            assert expected.items() <= report[name].items()
            low, high = report[name]["intervals"]["micro"]["f1"]
            assert low < report[name]["micro"]["f1"] < high
            assert report[name]["words_per_second"] > 0
            assert report[name]["micro"]["f1"] > 0.3
            assert set(report[name]["labels"]) == {"LOC", "PER"}
        assert report["training"]["words_per_second"] == result.words_per_second > 0
        assert report["training"]["seconds"] == result.seconds > 0
        assert report["training"]["threads"] == 1
        assert report["warnings"] == result.warnings
        assert [line.split(";")[0] for line in result.warnings] == [
            "dev: 66 predicted entities are too few to calibrate scores on"
        ]

    def test_the_predictions_on_file_score_what_is_reported(self, finished):
        folder, _, _ = finished
        path = folder / "test_predictions.conll"
        gold, predicted = (
            [tags for document in read(path, ReadSettings(tag_column=column))
             for tags in document.sentence_tags()]
            for column in (1, 2)
        )
        report = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
        assert score(gold, predicted).to_dict()["micro"] == report["test"]["micro"]

    def test_the_predictions_on_file_keep_documents_and_words(self, finished, tiny):
        written = list(read(finished[0] / "test_predictions.conll"))
        assert [d.text for d in written] == [d.text for d in read(tiny.test)]

    @pytest.mark.parametrize("split", ["dev", "test"])
    def test_the_model_on_disk_scores_what_is_reported(self, finished, tiny, split):
        folder, result, _ = finished
        scored = evaluate_file(Tagger.load(folder), getattr(tiny, split)).scored
        assert scored.scores == result.scores[split]
        assert scored.mean_loss == pytest.approx(result.losses[split], rel=1e-4)

    def test_the_best_evaluation_is_what_is_reported_for_dev(self, finished):
        folder, result, _ = finished
        assert result.scores["dev"].micro.f1 == max(f1 for _, f1, _ in evaluations(folder))

    def test_metrics_are_json_with_step_time_and_epoch(self, finished):
        rows = metrics_of(finished[0])
        assert all({"step", "time", "epoch"} <= row.keys() for row in rows)
        assert {"loss", "learning_rate", "grad_norm"} <= rows[0].keys()
        steps = [row["step"] for row in rows]
        assert steps == sorted(steps)
        assert [row["epoch"] for row in rows if "eval_f1" in row] == [1, 2, 3, 4]
        assert {"eval_loss", "eval_precision", "eval_recall", "eval_accuracy", "eval_seconds"} <= {
            key for row in rows for key in row
        }

    def test_tensorboard_holds_the_same_values(self, finished):
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        folder, _, _ = finished
        events = EventAccumulator(str(folder / "tensorboard"))
        events.Reload()
        assert {"eval/f1", "eval/loss", "train/loss"} <= set(events.Tags()["scalars"])
        found = [(event.step, event.value) for event in events.Scalars("eval/f1")]
        assert found == [(step, pytest.approx(f1)) for step, f1, _ in evaluations(folder)]

    def test_what_was_read_is_told(self, finished):
        lines = finished[2].splitlines()
        assert lines[0].startswith("train 30 documents, 120 sentences, ")
        assert lines[0].endswith(" entities (IOB2)")
        assert [line.split()[0] for line in lines[1:3]] == ["dev", "test"]
        assert "Writing model shards" not in finished[2]


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tiny, tmp_path, finished):
    again, other = tmp_path / "again", tmp_path / "other"
    train(tiny.recipe(), again, console=Told())
    train(tiny.recipe(training={"seed": 2, "epochs": 1}), other, console=Told())
    for name, value in weights(finished[0]).items():
        assert torch.equal(value, weights(again)[name]), name
    assert not torch.equal(
        weights(again)["classifier.weight"], weights(other)["classifier.weight"]
    )


class TestVariants:
    def test_without_dev_the_last_weights_are_kept(self, tiny, tmp_path):
        result = train(tiny.recipe(data={"dev": []}, training={"epochs": 1}), tmp_path / "run",
                       console=Told())
        assert list(result.scores) == list(result.losses) == ["test"]
        report = json.loads((tmp_path / "run" / "scores.json").read_text(encoding="utf-8"))
        assert list(report) == ["test", "training", "warnings"]
        assert evaluations(tmp_path / "run") == []

    def test_without_test_there_are_no_predictions(self, tiny, tmp_path):
        recipe = tiny.recipe(data={"test": []}, training={"epochs": 1})
        assert list(train(recipe, tmp_path / "run", console=Told()).scores) == ["dev"]
        assert {path.name for path in (tmp_path / "run").iterdir()} == FILES - {
            "test_predictions.conll"
        }

    def test_neither_dev_nor_test(self, tiny, tmp_path):
        recipe = tiny.recipe(data={"dev": [], "test": []}, training={"epochs": 0.5})
        assert train(recipe, tmp_path / "run", console=Told()).scores == {}
        assert Tagger.load(tmp_path / "run")("Ada met Charles in London .") is not None

    def test_all_pieces_can_carry_the_loss(self, tiny, tmp_path, finished):
        recipe = tiny.recipe(training={"loss_pieces": "all"})
        result = train(recipe, tmp_path / "run", console=Told())
        assert result.scores["dev"].micro.f1 > 0.3
        other = weights(finished[0])["classifier.weight"]
        assert not torch.equal(weights(tmp_path / "run")["classifier.weight"], other)

    def test_roberta(self, tiny, tmp_path):
        recipe = tiny.recipe(model={"encoder": str(tiny.folder / "roberta"), "shapes": False})
        result = train(recipe, tmp_path / "run", console=Told())
        assert result.scores["dev"].micro.f1 > 0.3
        scored = evaluate_file(Tagger.load(tmp_path / "run"), tiny.dev).scored
        assert scored.scores == result.scores["dev"]

    def test_an_encoder_that_is_not_there(self, tiny, tmp_path):
        recipe = tiny.recipe(model={"encoder": str(tiny.folder / "nothing")})
        with pytest.raises(BundleError, match="there is no such folder"):
            train(recipe, tmp_path / "run", console=Told())

    def test_another_scheme(self, tiny, tmp_path):
        recipe = tiny.recipe(model={"scheme": "IOBES"}, training={"epochs": 1})
        train(recipe, tmp_path / "run", console=Told())
        labels = (tmp_path / "run" / "labels.txt").read_text(encoding="utf-8").split()
        assert {label[:2] for label in labels} == {"O", "B-", "I-", "E-", "S-"}

    def test_evaluations_every_few_steps_and_at_the_end(self, tiny, tmp_path):
        recipe = tiny.recipe(training={"evaluate_every": 6, "epochs": 2})
        train(recipe, tmp_path / "run", console=Told())
        steps = [step for step, _, _ in evaluations(tmp_path / "run")]
        assert steps == [*range(6, steps[-1], 6), steps[-1]]
        assert len(steps) > 3
        assert steps[-1] == metrics_of(tmp_path / "run")[-1]["step"]

    def test_accumulation_makes_fewer_steps(self, tiny, tmp_path, finished):
        recipe = tiny.recipe(training={"accumulation": 4, "epochs": 1})
        train(recipe, tmp_path / "run", console=Told())
        whole = evaluations(finished[0])[0][0]
        assert evaluations(tmp_path / "run")[0][0] == -(-whole // 4)

    def test_warnings_are_told_and_reported(self, tiny, tmp_path):
        dev = tmp_path / "dev.conll"
        dev.write_text("Ada B-[/x]\nmet O\nBob I-PER\n\nx O\ny\n", encoding="utf-8")
        recipe = tiny.recipe(data={"dev": str(dev), "on_error": "skip"}, training={"epochs": 1})
        console = Told()
        result = train(recipe, tmp_path / "run", console=console)
        assert result.warnings[:4] == [
            f"dev: skipped once: too few columns (first at {dev}:6)",
            "dev: tags that break their scheme (read as conlleval reads them): 1",
            "dev has labels that train lacks, which no model can find: [/x] (1 entities)",
            "dev lacks labels that train has: LOC",
        ]
        assert re.match(r"\d+ steps are few for weights to change in; lower", result.warnings[4])
        assert [line for line in console.text.splitlines() if line.startswith("warning: ")] == [
            f"warning: {line}" for line in result.warnings
        ]


class Scripted:
    """Plays F1 values instead of scoring, and keeps the weights at each evaluation."""

    def __init__(self, monkeypatch, f1: list[float]) -> None:
        self.weights: list[dict[str, torch.Tensor]] = []
        values = iter(f1)
        real = NerTrainer.evaluate

        def evaluate(trainer, *arguments, **options):
            state = trainer.model.state_dict()
            self.weights.append({name: value.clone() for name, value in state.items()})
            return real(trainer, *arguments, **options)

        monkeypatch.setattr(NerTrainer, "evaluate", evaluate)
        monkeypatch.setattr(
            run, "_metrics", lambda _: {"f1": next(values), "loss": 1.0, "accuracy": float("nan")}
        )


class TestBestCheckpoint:
    def test_the_best_weights_are_written_not_the_last(self, tiny, tmp_path, monkeypatch):
        script = Scripted(monkeypatch, [0.2, 0.9, 0.9])
        train(tiny.recipe(training={"epochs": 3}), tmp_path / "run", console=Told())
        assert len(script.weights) == 3
        found = weights(tmp_path / "run")
        assert all(torch.equal(found[name], value) for name, value in script.weights[1].items())
        assert not torch.equal(found["classifier.weight"], script.weights[2]["classifier.weight"])

    def test_patience_ends_training_early(self, tiny, tmp_path, monkeypatch):
        script = Scripted(monkeypatch, [0.5, 0.6, 0.6, 0.4, 0.9])
        recipe = tiny.recipe(training={"patience": 2, "epochs": 5})
        train(recipe, tmp_path / "run", console=Told())
        assert len(script.weights) == 4
        found = weights(tmp_path / "run")
        assert all(torch.equal(found[name], value) for name, value in script.weights[1].items())

    def test_what_is_no_number_is_null_on_file(self, tiny, tmp_path, monkeypatch):
        Scripted(monkeypatch, [0.5])
        train(tiny.recipe(training={"epochs": 1}), tmp_path / "run", console=Told())
        row = next(row for row in metrics_of(tmp_path / "run") if "eval_f1" in row)
        assert row["eval_accuracy"] is None


def interrupt_at(patch: pytest.MonkeyPatch, step: int, number: int = signal.SIGINT) -> None:
    """Send this process a signal at the end of one step."""
    real = progress.Interrupt.on_step_end

    def on_step_end(self, args, state, control, **options):
        if state.global_step == step:
            patch.setattr(progress.Interrupt, "on_step_end", real)
            os.kill(os.getpid(), number)
        return real(self, args, state, control, **options)

    patch.setattr(progress.Interrupt, "on_step_end", on_step_end)


N_BATCHES = 17
STOPPED = N_BATCHES + 5
VARIANTS = {
    "by epoch": {"epochs": 2},
    "by steps": {"epochs": 2, "evaluate_every": 5},
    "accumulated": {"epochs": 2, "accumulation": 3},
}


@pytest.fixture(scope="module")
def unbroken(tiny, tmp_path_factory):
    folders = {}

    def run_of(variant: str) -> Path:
        if variant not in folders:
            folders[variant] = tmp_path_factory.mktemp("unbroken") / "run"
            train(tiny.recipe(training=VARIANTS[variant]), folders[variant], console=Told())
        return folders[variant]

    return run_of


class TestStoppedAndResumed:
    # In the first epoch, where it ends, in the second one, at the very end.
    @pytest.mark.parametrize(
        ("variant", "share"),
        [("by epoch", 0.1), ("by epoch", 0.5), ("by epoch", 0.7), ("by epoch", 1.0),
         ("by steps", 0.4), ("by steps", "evaluation"), ("accumulated", 0.7)],
    )  # fmt: skip
    def test_a_resumed_run_ends_as_the_unbroken_one(
        self, tiny, tmp_path, monkeypatch, unbroken, variant, share
    ):
        whole = unbroken(variant)
        n_steps = evaluations(whole)[-1][0]
        step = 10 if share == "evaluation" else max(1, round(share * n_steps))
        recipe, folder = tiny.recipe(training=VARIANTS[variant]), tmp_path / "run"
        interrupt_at(monkeypatch, step)
        with pytest.raises(StoppedError) as caught:
            train(recipe, folder, console=Told())
        message = str(caught.value)
        assert f"interrupted at step {step} of {n_steps}" in message
        assert f"checkpoints/checkpoint-{step} is kept" in message
        assert "--resume" in message
        assert (folder / "checkpoints" / f"checkpoint-{step}" / "model.safetensors").is_file()
        assert not (folder / "model").exists()

        train(recipe, folder, resume=True, console=Told())
        assert {path.name for path in folder.iterdir()} == FILES
        assert_same_weights(weights(whole), weights(folder))
        assert [step for step, _, _ in evaluations(folder)] == [
            step for step, _, _ in evaluations(whole)
        ]
        assert evaluations(folder) == [
            pytest.approx(row, rel=1e-5) for row in evaluations(whole)
        ]

    def test_sigterm_stops_in_the_same_way(self, tiny, tmp_path, monkeypatch):
        interrupt_at(monkeypatch, 3, signal.SIGTERM)
        console = Told()
        with pytest.raises(StoppedError):
            train(tiny.recipe(), tmp_path / "run", console=console)
        assert "Stopping: saving a checkpoint first" in console.text
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL

    def test_a_moved_run_folder_finds_its_best_checkpoint(
        self, tiny, tmp_path, monkeypatch
    ):
        script = Scripted(monkeypatch, [0.9, 0.5])
        recipe = tiny.recipe(training={"epochs": 2})
        interrupt_at(monkeypatch, STOPPED)
        with pytest.raises(StoppedError):
            train(recipe, tmp_path / "run", console=Told())
        (tmp_path / "run").rename(tmp_path / "moved")
        train(recipe, tmp_path / "moved", resume=True, console=Told())
        found = weights(tmp_path / "moved")
        assert all(torch.equal(found[name], value) for name, value in script.weights[0].items())


@pytest.fixture(scope="module")
def stopped(tiny, tmp_path_factory) -> Path:
    """A run that was stopped in its second epoch."""
    folder = tmp_path_factory.mktemp("stopped") / "run"
    with pytest.MonkeyPatch.context() as patch:
        interrupt_at(patch, STOPPED)
        with pytest.raises(StoppedError):
            train(tiny.recipe(), folder, console=Told())
    return folder


@pytest.fixture
def copied(stopped, tmp_path) -> Path:
    return Path(shutil.copytree(stopped, tmp_path / "run"))


class TestRefused:
    def test_a_finished_run_unless_it_may_be_overwritten(self, tiny, finished, tmp_path):
        folder = shutil.copytree(finished[0], tmp_path / "run")
        for resume in (False, True):
            with pytest.raises(OutputError, match="holds a finished run; choose another --out"):
                train(tiny.recipe(), folder, resume=resume, console=Told())
        train(tiny.recipe(training={"epochs": 1}), folder, overwrite=True, console=Told())
        assert len(evaluations(folder)) == 1
        assert len(list((folder / "tensorboard").iterdir())) == 1

    def test_an_unfinished_run_unless_it_is_gone_on_with_or_overwritten(self, tiny, copied):
        with pytest.raises(OutputError, match="holds an unfinished run; go on with --resume"):
            train(tiny.recipe(), copied, console=Told())
        train(tiny.recipe(training={"epochs": 1}), copied, overwrite=True, console=Told())
        assert [step for step, _, _ in evaluations(copied)] == [N_BATCHES]

    def test_resume_and_overwrite_together(self, tiny, copied):
        with pytest.raises(OutputError, match="--resume goes on and --overwrite begins anew"):
            train(tiny.recipe(), copied, resume=True, overwrite=True, console=Told())

    def test_resume_without_a_checkpoint(self, tiny, tmp_path):
        with pytest.raises(OutputError, match="there is no checkpoint to go on from; leave --re"):
            train(tiny.recipe(), tmp_path / "run", resume=True, console=Told())

    def test_a_checkpoint_cut_off_while_it_was_written_does_not_count(self, tiny, copied):
        checkpoints = copied / "checkpoints"
        broken = checkpoints / f"checkpoint-{STOPPED + 5}"
        shutil.copytree(checkpoints / f"checkpoint-{STOPPED}", broken)
        (broken / "trainer_state.json").write_text("{", encoding="utf-8")
        train(tiny.recipe(), copied, resume=True, console=Told())
        assert [step for step, _, _ in evaluations(copied)] == [
            N_BATCHES * epoch for epoch in (1, 2, 3, 4)
        ]

    def test_resume_with_another_recipe(self, tiny, copied):
        other = tiny.recipe(training={"seed": 7, "epochs": 9}, window={"pieces": 32})
        with pytest.raises(RecipeError) as caught:
            train(other, copied, resume=True, console=Told())
        assert caught.value.faults == [
            "window.pieces: was 48, is 32 now",
            "training.seed: was 1, is 7 now",
            "training.epochs: was 4.0, is 9.0 now",
            "data.train: holds other text than when the run began",
            "expected the recipe the run began with; or begin anew with --overwrite",
        ]

    def test_resume_with_other_labels(self, tiny, copied, tmp_path):
        other = tmp_path / "train.conll"
        other.write_text("Ada B-ORG\n", encoding="utf-8")
        with pytest.raises(RecipeError, match=r"had the tags O, B-LOC.*has O, B-ORG, I-ORG now"):
            train(tiny.recipe(data={"train": str(other)}), copied, resume=True, console=Told())

    def test_resume_with_other_text_of_the_same_labels(self, tiny, copied, tmp_path):
        recipe = tiny.recipe(training={"epochs": 4})
        other = tmp_path / "dev.conll"
        other.write_text("Ada B-PER\nin O\nLondon B-LOC\n", encoding="utf-8")
        changed = recipe.model_copy(
            update={"data": recipe.data.model_copy(update={"dev": [str(other)]})}
        )
        with pytest.raises(RecipeError, match=r"data\.dev: holds other text"):
            train(changed, copied, resume=True, console=Told())

    def test_a_folder_with_files_of_the_users_own(self, tiny, tmp_path):
        (tmp_path / "recipe.yaml").write_text("mine", encoding="utf-8")
        with pytest.raises(OutputError, match=r"holds recipe\.yaml but no run\.json"):
            train(tiny.recipe(), tmp_path, console=Told())
        assert (tmp_path / "recipe.yaml").read_text(encoding="utf-8") == "mine"

    def test_a_folder_that_another_training_holds(self, tiny, tmp_path):
        with alone_in(tmp_path), pytest.raises(OutputError, match="another training writes here"):
            train(tiny.recipe(), tmp_path, console=Told())

    def test_a_pipe_as_training_text(self, tiny, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(DataError, match="no regular file"):
            train(tiny.recipe(data={"train": str(tmp_path / "pipe")}), tmp_path / "run",
                  console=Told())

    def test_weights_that_are_no_numbers(self, tiny, tmp_path):
        recipe = tiny.recipe(
            data={"dev": []}, training={"epochs": 1, "learning_rate": 1e38, "warmup": 0.0}
        )
        with pytest.raises((StoppedError, BundleError)):
            train(recipe, tmp_path / "run", console=Told())
        assert not (tmp_path / "run" / "model").exists()

    def test_seeds_of_another_recipe(self, tiny, tmp_path):
        train_seeds(tiny.recipe(training={"epochs": 1}), tmp_path, [1], console=Told())
        other = tiny.recipe(training={"epochs": 2})
        with pytest.raises(RecipeError, match="was trained with another recipe"):
            train_seeds(other, tmp_path, [1, 2], resume=True, console=Told())
        with pytest.raises(RecipeError):
            train_seeds(other, tmp_path / "new", [-1], console=Told())

    def test_a_folder_that_is_no_run(self, tiny, tmp_path):
        (tmp_path / "model").mkdir()
        (tmp_path / "model" / "mine.txt").write_text("precious", encoding="utf-8")
        for overwrite in (False, True):
            with pytest.raises(OutputError, match=r"holds model but no run\.json, so it is no"):
                train(tiny.recipe(), tmp_path, overwrite=overwrite, console=Told())
        assert (tmp_path / "model" / "mine.txt").is_file()

    @pytest.mark.parametrize(
        ("groups", "error"),
        [
            ({"data": {"dev": "nowhere.conll"}}, DataError),
            ({"model": {"encoder": "./nowhere"}}, BundleError),
            ({"window": {"pieces": 400}, "training": {"batch_pieces": 400}}, RecipeError),
            ({"training": {"precision": "bf16"}}, RecipeError),
        ],
    )
    def test_a_run_that_cannot_begin_leaves_the_old_one_alone(
        self, tiny, finished, groups, error
    ):
        folder = finished[0]
        before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
        with pytest.raises(error):
            train(tiny.recipe(**groups), folder, overwrite=True, console=Told())
        assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
    @pytest.mark.parametrize("precision", ["bf16", "fp16"])
    def test_mixed_precision_that_would_only_be_imitated(self, tiny, tmp_path, precision):
        recipe = tiny.recipe(training={"precision": precision})
        with pytest.raises(RecipeError, match=f"no fast {precision}; expected fp32 here"):
            train(recipe, tmp_path / "run", console=Told())
        assert not (tmp_path / "run").exists()

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
    def test_a_gpu_that_is_not_there(self, tiny, tmp_path):
        with pytest.raises(RecipeError, match="there is no CUDA device; expected cpu or auto"):
            train(tiny.recipe(training={"device": "cuda"}), tmp_path / "run", console=Told())

    def test_a_file_in_the_place_of_the_folder(self, tiny, tmp_path):
        (tmp_path / "run").write_text("", encoding="utf-8")
        with pytest.raises(OutputError, match="cannot be written"):
            train(tiny.recipe(), tmp_path / "run", console=Told())

    def test_a_place_that_cannot_be_written(self, tiny):
        with pytest.raises(OutputError, match="cannot be written"):
            train(tiny.recipe(), "/proc/run", console=Told())

    def test_a_cache_that_cannot_be_written(self, tiny, tmp_path):
        recipe = tiny.recipe(data={"cache": "/proc/cache"})
        with pytest.raises(OutputError, match=r"data\.cache: /proc/cache cannot be written.*--set"):
            train(recipe, tmp_path / "run", console=Told())

    def test_text_without_entities(self, tiny, tmp_path):
        empty = tmp_path / "train.conll"
        empty.write_text("a O\nb O\n", encoding="utf-8")
        with pytest.raises(DataError, match=r"holds no entity; .*data\.tag_column"):
            train(tiny.recipe(data={"train": str(empty)}), tmp_path / "run", console=Told())
