"""train(): one recipe in, one run folder out.

    run folder
    ├── recipe.yaml             the recipe with every default written out
    ├── metrics.jsonl           every logged value, one line each
    ├── tensorboard/            the same for TensorBoard
    ├── checkpoints/            while it trains; taken away at the end
    ├── model/                  the bundle
    ├── labels.txt              the tags of the model, one a line
    ├── test_predictions.conll  word, gold tag, predicted tag
    └── scores.json             dev and test scores and losses, what was read, how long it took
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch.utils.tensorboard import SummaryWriter
from transformers import (
    EarlyStoppingCallback,
    PreTrainedModel,
    PrinterCallback,
    TrainingArguments,
    set_seed,
)
from transformers.integrations.integration_utils import TensorBoardCallback
from transformers.trainer_utils import get_last_checkpoint

import nertune
from nertune import schemes
from nertune.bundle import TaggerSettings
from nertune.config import Recipe
from nertune.corpus import Corpus, Source, training_corpus
from nertune.data import write_columns
from nertune.documents import Document
from nertune.encoding import Encoder
from nertune.engine import Tagger
from nertune.errors import OutputError, RecipeError, StoppedError
from nertune.evaluation import GoldScorer
from nertune.files import make_folder, whole_file
from nertune.model import new_model, new_tokenizer, save_model
from nertune.runtimes.torch import TorchRuntime
from nertune.scoring import Scores
from nertune.splits import GoldSplit, SplitFacts, label_warnings, load_gold
from nertune.training.progress import Interrupt, MetricsFile, ShowProgress
from nertune.training.trainer import Batches, Collator, NerTrainer

MODEL = "model"
CHECKPOINTS = "checkpoints"


@dataclass(frozen=True)
class RunResult:
    """What a finished run gave: its folder, the scores and losses of dev and test, its speed."""

    folder: Path
    scores: dict[str, Scores]
    losses: dict[str, float]
    words_per_second: float
    seconds: float
    warnings: list[str]


def train(
    recipe: Recipe,
    out: str | Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    rebuild: bool = False,
    console: Console | None = None,
) -> RunResult:
    """Fine-tune, choose the best checkpoint on dev, score dev and test, write the run folder.

    resume: go on from the last checkpoint in `out`. overwrite: begin anew where `out` holds a run.
    rebuild: encode the training data anew instead of taking it from the cache.
    Raises DataError, RecipeError or BundleError before anything is trained, OutputError where `out`
    cannot be written, StoppedError after Ctrl-C.
    """
    run = _Run(recipe, Path(out), console or Console(stderr=True), rebuild)
    return run.execute(resume, overwrite)


class _Run:
    """One run from start to end."""

    def __init__(self, recipe: Recipe, folder: Path, console: Console, rebuild: bool) -> None:
        self.recipe = recipe
        self.rebuild = rebuild
        self.folder = folder
        self.console = console
        self.scheme = schemes.scheme_named(recipe.model.scheme)
        self.warnings: list[str] = []
        self.start = time.perf_counter()

    def execute(self, resume: bool, overwrite: bool) -> RunResult:
        """All steps in order."""
        checkpoint = self._open_folder(resume, overwrite)
        _check_precision(self.recipe)
        tokenizer = new_tokenizer(self.recipe.model)
        encoder = Encoder(tokenizer, self.recipe.window, self.recipe.model.shapes)
        corpus = self._corpus(encoder)
        golds = [
            load_gold(name, paths, self.recipe.data, self.scheme)
            for name, paths in (("dev", self.recipe.data.dev), ("test", self.recipe.data.test))
            if paths
        ]
        self._tell(corpus.facts, golds)
        set_seed(self.recipe.training.seed)
        model = new_model(self.recipe.model, corpus.tags, self.recipe.window)
        settings = TaggerSettings(
            tags=corpus.tags,
            scheme=self.scheme.name,
            window=self.recipe.window,
            shapes=self.recipe.model.shapes,
            language=self.recipe.language,
            nertune_version=nertune.__version__,
        )
        with whole_file(self.folder / "recipe.yaml") as handle:
            handle.write(self.recipe.to_yaml())
        tagger = Tagger(TorchRuntime(model), settings, tokenizer)
        scorers = {gold.name: GoldScorer(gold, encoder, corpus.tags) for gold in golds}
        speed = self._fit(model, tagger, corpus, scorers.get("dev"), checkpoint)
        return self._finish(model, tagger, scorers, speed)

    def _open_folder(self, resume: bool, overwrite: bool) -> str | None:
        """Make the run folder; the checkpoint to go on from, if any."""
        checkpoints = self.folder / CHECKPOINTS
        if overwrite and self.folder.is_dir():
            for name in (CHECKPOINTS, MODEL, "tensorboard"):
                shutil.rmtree(self.folder / name, ignore_errors=True)
            for name in ("metrics.jsonl", "scores.json", "test_predictions.conll", "labels.txt"):
                (self.folder / name).unlink(missing_ok=True)
        make_folder(self.folder)
        if (self.folder / MODEL).exists():
            raise OutputError(
                f"{self.folder}: holds a finished run; choose another --out, or begin anew with "
                "--overwrite"
            )
        last = _last_checkpoint(checkpoints)
        if last and not resume:
            raise OutputError(
                f"{self.folder}: holds an unfinished run; go on with --resume, or begin anew with "
                "--overwrite"
            )
        if resume and not last:
            raise OutputError(
                f"{checkpoints}: there is no checkpoint to go on from; leave --resume out"
            )
        return last

    def _corpus(self, encoder: Encoder) -> Corpus:
        data = self.recipe.data
        all_pieces = self.recipe.training.loss_pieces == "all"
        source = Source(data.train, data, self.scheme, all_pieces)
        return training_corpus(source, encoder, data.cache, self.rebuild)

    def _tell(self, train: SplitFacts, golds: list[GoldSplit]) -> None:
        """Print what was read, and everything that was skipped, changed or does not fit."""
        facts = [train, *(gold.facts for gold in golds)]
        for split in facts:
            self.console.print(
                f"{split.name:5} {split.documents:,} documents, {split.sentences:,} sentences, "
                f"{split.words:,} words, {split.labels.total():,} entities ({split.scheme.name})",
                highlight=False,
            )
        self.warnings = [line for split in facts for line in split.lines()]
        self.warnings += label_warnings(train, [gold.facts for gold in golds])
        for line in self.warnings:
            self.console.print(f"[yellow]warning:[/] {line}", highlight=False)

    def _fit(
        self,
        model: PreTrainedModel,
        tagger: Tagger,
        corpus: Corpus,
        dev: GoldScorer | None,
        checkpoint: str | None,
    ) -> float:
        """Run the Trainer; annotated words trained on per second."""
        settings = self.recipe.training
        arguments = self._arguments(dev is not None)
        lengths = np.diff(corpus.window_starts)
        batches = Batches(lengths, settings, arguments.process_index, arguments.world_size)
        collator = Collator(tagger.encoder, corpus, batches)

        def evaluation() -> dict[str, float]:
            scores, loss = dev(tagger) if dev else (Scores(), 0.0)
            micro = scores.micro
            return {
                "loss": loss,
                "precision": micro.precision,
                "recall": micro.recall,
                "f1": micro.f1,
                "accuracy": scores.accuracy,
            }

        interrupt = Interrupt(self.console)
        progress = ShowProgress(self.console, collator)
        callbacks: list[Any] = [MetricsFile(self.folder / "metrics.jsonl"), interrupt, progress]
        board: Any = TensorBoardCallback
        callbacks.append(board(SummaryWriter(log_dir=str(self.folder / "tensorboard"))))
        if settings.patience:
            callbacks.append(EarlyStoppingCallback(settings.patience))
        trainer = NerTrainer(
            settings, collator, evaluation if dev else None,
            model=model, args=arguments, callbacks=callbacks,
        )  # fmt: skip
        trainer.remove_callback(PrinterCallback)
        try:
            with interrupt:
                trainer.train(resume_from_checkpoint=checkpoint)
        except OSError as error:
            raise OutputError(
                f"{self.folder}: writing failed ({error.strerror or error}); the last whole "
                "checkpoint is kept. Make room and go on with --resume"
            ) from error
        finally:
            progress.close()
        if interrupt.asked:
            last = _last_checkpoint(self.folder / CHECKPOINTS)
            raise StoppedError(
                f"training was interrupted at step {trainer.state.global_step} of "
                f"{trainer.state.max_steps}; the checkpoint {last} is kept. "
                f"Go on with the same command and --resume"
            )
        return progress.words_per_second

    def _arguments(self, has_dev: bool) -> TrainingArguments:
        settings = self.recipe.training
        strategy = "steps" if settings.evaluate_every else "epoch"
        return TrainingArguments(
            output_dir=str(self.folder / CHECKPOINTS),
            num_train_epochs=settings.epochs,
            # Trainer multiplies this into its own counts only; batches are laid by Batches.
            per_device_train_batch_size=1,
            gradient_accumulation_steps=settings.accumulation,
            learning_rate=settings.learning_rate,
            lr_scheduler_type=settings.scheduler,
            warmup_steps=settings.warmup,
            weight_decay=settings.weight_decay,
            max_grad_norm=settings.max_grad_norm,
            optim="adamw_torch_fused",
            seed=settings.seed,
            use_cpu=_device(self.recipe) == "cpu",
            bf16=settings.precision == "bf16",
            fp16=settings.precision == "fp16",
            eval_strategy=strategy if has_dev else "no",
            eval_steps=settings.evaluate_every or None,
            save_strategy=strategy,
            save_steps=settings.evaluate_every or 500,
            save_total_limit=1,
            load_best_model_at_end=has_dev,
            metric_for_best_model="eval_f1" if has_dev else None,
            greater_is_better=True if has_dev else None,
            logging_strategy="steps",
            logging_steps=10,
            disable_tqdm=True,
            report_to="none",
            remove_unused_columns=False,
            label_names=["labels"],
            dataloader_num_workers=0,
            ddp_find_unused_parameters=False,
        )

    def _finish(
        self, model: PreTrainedModel, tagger: Tagger, scorers: dict[str, GoldScorer], speed: float
    ) -> RunResult:
        """Score the chosen weights and write everything; the model comes last of all."""
        results = {name: scorer(tagger) for name, scorer in scorers.items()}
        scores = {name: result[0] for name, result in results.items()}
        losses = {name: result[1] for name, result in results.items()}
        seconds = time.perf_counter() - self.start
        result = RunResult(self.folder, scores, losses, speed, seconds, self.warnings)
        with whole_file(self.folder / "labels.txt") as handle:
            handle.write("\n".join(tagger.settings.tags) + "\n")
        if "test" in scorers:
            gold = scorers["test"].gold
            predicted = list(tagger.tag(gold.documents))
            with whole_file(self.folder / "test_predictions.conll") as handle:
                write_columns(predicted, handle, _gold_and_predicted(gold, predicted))
        with whole_file(self.folder / "scores.json") as handle:
            json.dump(_report(result), handle, indent=2, ensure_ascii=False)
            handle.write("\n")
        save_model(self.folder / MODEL, model, tagger.settings, tagger.encoder.tokenizer)
        shutil.rmtree(self.folder / CHECKPOINTS, ignore_errors=True)
        return result


def _report(result: RunResult) -> dict[str, Any]:
    """The content of `scores.json`: one entry a split, then how the run went."""
    splits = {
        name: {**scores.to_dict(), "loss": result.losses[name]}
        for name, scores in result.scores.items()
    }
    return {
        **splits,
        "training": {
            "words_per_second": result.words_per_second,
            "seconds": result.seconds,
            "threads": torch.get_num_threads(),
        },
        "warnings": result.warnings,
    }


def _gold_and_predicted(
    gold: GoldSplit, predicted: list[Document]
) -> Iterator[tuple[list[str], tuple[str, ...]]]:
    """For each document its two columns of tags."""
    start = 0
    for document in predicted:
        yield gold.tags[start : start + document.n_words], document.tags or ()
        start += document.n_words


def _device(recipe: Recipe) -> str:
    wanted = recipe.training.device
    if wanted == "cuda" and not torch.cuda.is_available():
        raise RecipeError(
            "recipe", ["training.device: there is no CUDA device; expected cpu or auto"]
        )
    return "cpu" if wanted == "cpu" or not torch.cuda.is_available() else "cuda"


def _check_precision(recipe: Recipe) -> None:
    """Refuse mixed precision where the device would only imitate it."""
    precision = recipe.training.precision
    if precision == "fp32":
        return
    on_gpu = _device(recipe) == "cuda"
    bf16 = on_gpu and torch.cuda.is_bf16_supported(including_emulation=False)
    if not (bf16 if precision == "bf16" else on_gpu):
        raise RecipeError(
            "recipe",
            [f"training.precision: this device has no fast {precision}; expected fp32 here"],
        )


def _last_checkpoint(folder: Path) -> str | None:
    find: Any = get_last_checkpoint
    return find(str(folder)) if folder.is_dir() else None
