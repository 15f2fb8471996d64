"""train(): one recipe in, one run folder out.

    run folder
    ├── recipe.yaml             the recipe with every default written out
    ├── run.json                what data the run was begun on
    ├── metrics.jsonl           every logged value, one line each
    ├── tensorboard/            the same for TensorBoard
    ├── checkpoints/            while it trains; taken away at the end
    ├── model/                  the bundle
    ├── labels.txt              the tags of the model, one a line
    ├── test_predictions.conll  word, gold tag, predicted tag
    ├── .lock                   held while a training writes here
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
from accelerate.utils import gather_object
from rich.console import Console
from rich.text import Text
from torch.utils.tensorboard import SummaryWriter
from transformers import (
    EarlyStoppingCallback,
    PreTrainedModel,
    PrinterCallback,
    set_seed,
)
from transformers.integrations.integration_utils import TensorBoardCallback

import nertune
from nertune import schemes
from nertune.bundle import TaggerSettings
from nertune.config import Recipe
from nertune.corpus import Corpus, Source, training_corpus
from nertune.data import write_columns
from nertune.encoding import Encoder
from nertune.engine import Tagger
from nertune.errors import OutputError, StoppedError
from nertune.evaluation import GoldScorer, Scored, add_shares
from nertune.files import make_folder, whole_file
from nertune.model import new_model, new_tokenizer, quiet, save_model
from nertune.runtimes.torch import TorchRuntime
from nertune.scoring import Scores
from nertune.splits import GoldSplit, SplitFacts, label_warnings, load_gold
from nertune.training.arguments import check_precision, training_arguments
from nertune.training.folder import (
    CHECKPOINTS,
    MODEL,
    alone_in,
    begin_run,
    check_same_run,
    clear_folder,
    last_checkpoint,
    open_folder,
)
from nertune.training.progress import Interrupt, MetricsFile, ShowProgress
from nertune.training.trainer import Batches, Collator, NerTrainer


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
    if not run.main:
        return run.execute(resume, overwrite)
    with alone_in(make_folder(Path(out))):
        return run.execute(resume, overwrite)


class _Run:
    """One run from start to end, in one process or in several that run side by side."""

    def __init__(self, recipe: Recipe, folder: Path, console: Console, rebuild: bool) -> None:
        self.recipe = recipe
        self.rebuild = rebuild
        self.folder = folder
        self.scheme = schemes.scheme_named(recipe.model.scheme)
        self.start = time.perf_counter()
        check_precision(recipe)
        self.arguments = training_arguments(recipe, folder.absolute() / CHECKPOINTS)
        self.main = self.arguments.process_index == 0
        self.share: tuple[int, int] = (
            int(self.arguments.process_index),
            int(self.arguments.world_size),
        )
        self.console = console if self.main else Console(quiet=True)
        self.warnings: list[str] = []

    def execute(self, resume: bool, overwrite: bool) -> RunResult:
        """All steps in order."""
        checkpoint = self._open(resume, overwrite)
        tokenizer = new_tokenizer(self.recipe.model)
        encoder = Encoder(tokenizer, self.recipe.window, self.recipe.model.shapes)
        corpus = self._corpus(encoder)
        golds = [
            load_gold(name, paths, self.recipe.data, self.scheme)
            for name, paths in (("dev", self.recipe.data.dev), ("test", self.recipe.data.test))
            if paths
        ]
        digests = {"train": corpus.fingerprint, **{gold.name: gold.digest() for gold in golds}}
        if checkpoint:
            check_same_run(self.folder, Path(checkpoint), self.recipe, corpus.tags, digests)
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
        if self.main:
            if not checkpoint:
                clear_folder(self.folder)
            begin_run(self.folder, self.recipe, digests)
        tagger = Tagger(TorchRuntime(model), settings, tokenizer)
        scorers = {
            gold.name: GoldScorer(gold, encoder, corpus.tags, self.share) for gold in golds
        }
        speed = self._fit(model, tagger, corpus, scorers.get("dev"), checkpoint)
        return self._finish(model, tagger, scorers, speed)

    def _open(self, resume: bool, overwrite: bool) -> str | None:
        """The checkpoint to go on from; the first process alone makes and judges the folder."""
        found = open_folder(self.folder, resume, overwrite) if self.main else None
        paths: list[str | None] = gather_object([found]) if self.share[1] > 1 else [found]
        return paths[0]

    def _corpus(self, encoder: Encoder) -> Corpus:
        data = self.recipe.data
        all_pieces = self.recipe.training.loss_pieces == "all"
        source = Source(data.train, data, self.scheme, all_pieces)
        try:
            return training_corpus(source, encoder, data.cache, self.rebuild and self.main)
        except OutputError as error:
            raise OutputError(
                f"data.cache: {data.cache} cannot be written ({error.__cause__}); name another "
                "folder for encoded text with --set data.cache=FOLDER"
            ) from error

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
            self.console.print(Text.assemble(("warning: ", "yellow"), line), soft_wrap=True)

    def _score(self, scorer: GoldScorer, tagger: Tagger) -> Scored:
        """A split scored by all processes together; each of them gets the whole."""
        own = scorer(tagger)
        shares: list[Scored] = gather_object([own]) if self.share[1] > 1 else [own]
        return add_shares(scorer.gold, shares)

    def _fit(
        self,
        model: PreTrainedModel,
        tagger: Tagger,
        corpus: Corpus,
        dev: GoldScorer | None,
        checkpoint: str | None,
    ) -> float:
        """Run the Trainer; annotated words trained on per second."""
        batches = Batches(np.diff(corpus.window_starts), self.recipe.training, *self.share)
        collator = Collator(tagger.encoder, corpus, batches)
        interrupt = Interrupt(self.console, self.share[1])
        progress = ShowProgress(self.console, collator)
        trainer = NerTrainer(
            self.recipe.training,
            collator,
            (lambda: _metrics(self._score(dev, tagger))) if dev else None,
            model=model,
            args=self.arguments,
            callbacks=[interrupt, progress, *self._callbacks()],
        )
        trainer.remove_callback(PrinterCallback)
        if checkpoint:
            self.console.print(f"going on from {checkpoint}", highlight=False, soft_wrap=True)
        try:
            with interrupt, quiet():
                trainer.train(resume_from_checkpoint=checkpoint)
        except OSError as error:
            raise OutputError(
                f"{self.folder}: writing failed ({error.strerror or error}); a checkpoint that was "
                "whole before is kept. Make room and go on with --resume"
            ) from error
        finally:
            progress.close()
        if interrupt.asked:
            raise StoppedError(
                f"training was interrupted at step {trainer.state.global_step} of "
                f"{trainer.state.max_steps}; the checkpoint {last_checkpoint(self.folder)} is "
                "kept. Go on with the same command and --resume"
            )
        state = trainer.state
        if dev and state.best_global_step:
            epoch = state.best_global_step / state.max_steps * state.num_train_epochs
            self.console.print(
                f"kept: the weights after epoch {epoch:.2f}, the first with the best dev F1, "
                f"{100 * (state.best_metric or 0):.2f}",
                highlight=False,
            )
        return progress.words_per_second * self.share[1]

    def _callbacks(self) -> list[Any]:
        callbacks: list[Any] = []
        if self.main:
            board: Any = TensorBoardCallback
            callbacks.append(MetricsFile(self.folder / "metrics.jsonl"))
            callbacks.append(board(SummaryWriter(log_dir=str(self.folder / "tensorboard"))))
        if self.recipe.training.patience:
            callbacks.append(EarlyStoppingCallback(self.recipe.training.patience))
        return callbacks

    def _finish(
        self, model: PreTrainedModel, tagger: Tagger, scorers: dict[str, GoldScorer], speed: float
    ) -> RunResult:
        """Score the chosen weights and write everything."""
        results = {name: self._score(scorer, tagger) for name, scorer in scorers.items()}
        result = RunResult(
            self.folder,
            {name: scored.scores for name, scored in results.items()},
            {name: scored.mean_loss for name, scored in results.items()},
            speed,
            time.perf_counter() - self.start,
            self.warnings,
        )
        _check_finite(model)
        if self.main:
            # First the model: whatever may go wrong with a table, the training is not lost.
            save_model(self.folder / MODEL, model, tagger.settings, tagger.encoder.tokenizer)
            self._write(result, scorers, results, tagger)
            shutil.rmtree(self.folder / CHECKPOINTS, ignore_errors=True)
        return result

    def _write(
        self,
        result: RunResult,
        scorers: dict[str, GoldScorer],
        results: dict[str, Scored],
        tagger: Tagger,
    ) -> None:
        """Everything but the model."""
        with whole_file(self.folder / "labels.txt") as handle:
            handle.write("\n".join(tagger.settings.tags) + "\n")
        if "test" in results:
            predicted = [tagger.settings.tags[i] for i in results["test"].tag_ids]
            gold = scorers["test"].gold
            with whole_file(self.folder / "test_predictions.conll") as handle:
                write_columns(gold.documents, handle, _two_columns(gold, predicted))
        with whole_file(self.folder / "scores.json") as handle:
            json.dump(_report(result), handle, indent=2, ensure_ascii=False, allow_nan=False)
            handle.write("\n")


def _check_finite(model: PreTrainedModel) -> None:
    """Raise StoppedError for weights that training has driven out of all bounds."""
    if not all(bool(torch.isfinite(value).all()) for value in model.parameters()):
        raise StoppedError(
            "training diverged: the weights are no longer finite numbers, and no model was "
            "written. Lower training.learning_rate and begin anew with --overwrite"
        )


def _metrics(scored: Scored) -> dict[str, float]:
    """What is logged at each evaluation."""
    micro = scored.scores.micro
    return {
        "loss": scored.mean_loss,
        "precision": micro.precision,
        "recall": micro.recall,
        "f1": micro.f1,
        "accuracy": scored.scores.accuracy,
    }


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


def _two_columns(gold: GoldSplit, predicted: list[str]) -> Iterator[tuple[list[str], list[str]]]:
    """For each document its gold and its predicted tags."""
    start = 0
    for document in gold.documents:
        end = start + document.n_words
        yield gold.tags[start:end], predicted[start:end]
        start = end
