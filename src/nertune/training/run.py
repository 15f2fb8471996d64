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

import math
import shutil
import time
from collections.abc import Sequence
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
    TrainerCallback,
    set_seed,
)
from transformers.integrations.integration_utils import TensorBoardCallback

import nertune
from nertune import schemes
from nertune.bundle import TaggerSettings
from nertune.config import Recipe
from nertune.corpus import Corpus, Source, training_corpus
from nertune.encoding import Encoder
from nertune.engine import Tagger
from nertune.errors import DataError, OutputError, StoppedError
from nertune.evaluation import (
    GoldScorer,
    Scored,
    SplitResult,
    add_shares,
    fit_temperature,
    judge,
)
from nertune.files import make_folder
from nertune.model import new_model, new_tokenizer, quiet, save_model
from nertune.runtimes.torch import TorchRuntime
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
from nertune.training.progress import Interrupt, MetricsFile, ShowProgress, WholeCheckpoints
from nertune.training.results import RunResult, write_predictions, write_results
from nertune.training.trainer import Batches, Collator, NerTrainer

_FEW_STEPS = 50


@dataclass(frozen=True)
class Start:
    """How a run begins.

    resume: from the last checkpoint in its folder. overwrite: anew where the folder holds a run.
    rebuild: with training data encoded anew, not taken from the cache.
    """

    resume: bool = False
    overwrite: bool = False
    rebuild: bool = False


def train(
    recipe: Recipe,
    out: str | Path,
    *,
    console: Console | None = None,
    callbacks: Sequence[TrainerCallback] = (),
    **start: bool,
) -> RunResult:
    """Fine-tune, choose the best checkpoint on dev, score dev and test, write the run folder.

    callbacks: called beside our own; each checkpoint they find on disk is a whole bundle.
    start: any of `Start`'s resume, overwrite, rebuild.
    Raises DataError, RecipeError or BundleError before anything is trained, OutputError where `out`
    cannot be written, StoppedError after Ctrl-C.
    """
    run = _Run(recipe, Path(out), Start(**start), console or Console(stderr=True), callbacks)
    if not run.main:
        return run.execute()
    with alone_in(make_folder(Path(out))):
        return run.execute()


class _Run:
    """One run from start to end, in one process or in several that run side by side."""

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        start: Start,
        console: Console,
        callbacks: Sequence[TrainerCallback],
    ) -> None:
        self.recipe = recipe
        self.how = start
        self.callbacks = callbacks
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

    def execute(self) -> RunResult:
        """All steps in order."""
        checkpoint = self._open()
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

    def _open(self) -> str | None:
        """The checkpoint to go on from; the first process alone makes and judges the folder."""
        how = self.how
        found = open_folder(self.folder, how.resume, how.overwrite) if self.main else None
        paths: list[str | None] = gather_object([found]) if self.share[1] > 1 else [found]
        return paths[0]

    def _corpus(self, encoder: Encoder) -> Corpus:
        data = self.recipe.data
        all_pieces = self.recipe.training.loss_pieces == "all"
        source = Source(data.train, data, self.scheme, all_pieces)
        try:
            return training_corpus(source, encoder, data.cache, self.how.rebuild and self.main)
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
        lines = [line for split in facts for line in split.lines()]
        for line in [*lines, *label_warnings(train, [gold.facts for gold in golds])]:
            self._warn(line)

    def _score(self, scorer: GoldScorer, tagger: Tagger) -> Scored:
        """A split scored by all processes together; each of them gets the whole."""
        return self._together(scorer, scorer(tagger))

    def _together(self, scorer: GoldScorer, own: Scored) -> Scored:
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
        self._plan_steps(len(batches))
        collator = Collator(tagger.encoder, corpus, batches)
        interrupt = Interrupt(self.console, self.share[1])
        progress = ShowProgress(self.console, collator)
        trainer = NerTrainer(
            self.recipe.training,
            collator,
            (lambda: _metrics(self._score(dev, tagger))) if dev else None,
            model=model,
            args=self.arguments,
            callbacks=[interrupt, progress, *self._callbacks(tagger), *self.callbacks],
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

    def _plan_steps(self, n_batches: int) -> None:
        """Say how many steps there will be, and log the loss at least once an epoch."""
        training = self.recipe.training
        an_epoch = max(1, n_batches // training.accumulation)
        self.arguments.logging_steps = min(10, an_epoch)
        n_steps = math.ceil(an_epoch * training.epochs)
        self.console.print(f"{n_steps:,} steps, {an_epoch:,} an epoch", highlight=False)
        if n_steps < _FEW_STEPS:
            self._warn(
                f"{n_steps} steps are few for weights to change in; lower training.batch_pieces "
                f"({training.batch_pieces}) and window.pieces, or raise training.epochs"
            )
        if not self.recipe.data.dev:
            self._warn(
                "there is no dev split: the last weights are kept, and scores of entities stay "
                "as the network gives them"
            )

    def _warn(self, line: str) -> None:
        self.warnings.append(line)
        self.console.print(Text.assemble(("warning: ", "yellow"), line), soft_wrap=True)

    def _callbacks(self, tagger: Tagger) -> list[Any]:
        callbacks: list[Any] = []
        if self.main:
            callbacks.append(WholeCheckpoints(tagger.settings, tagger.encoder.tokenizer))
            board: Any = TensorBoardCallback
            callbacks.append(MetricsFile(self.folder / "metrics.jsonl"))
            callbacks.append(board(SummaryWriter(log_dir=str(self.folder / "tensorboard"))))
        if self.recipe.training.patience:
            callbacks.append(EarlyStoppingCallback(self.recipe.training.patience))
        return callbacks

    def _finish(
        self, model: PreTrainedModel, tagger: Tagger, scorers: dict[str, GoldScorer], speed: float
    ) -> RunResult:
        """Score the chosen weights, fit the temperature, and write everything."""
        temperature: float | None = None
        splits = {}
        for name, scorer in scorers.items():
            start = time.perf_counter()
            emissions = tagger.emissions(scorer.encoded)
            own = scorer.score(tagger, emissions)
            scored = self._together(scorer, own)
            seconds = time.perf_counter() - start
            splits[name] = SplitResult(
                scorer.gold, scorer.names, scored, len(scored.tag_ids) / max(seconds, 1e-9)
            )
            if name == "dev":  # with several processes the first one's share decides
                judged = judge(scorer.own, scorer.names, own.tag_ids)
                temperature = fit_temperature(tagger.decoder, emissions, judged)
                if temperature is None:
                    self._warn(
                        f"dev: {len(judged.found_entities[0])} predicted entities are too few to "
                        "calibrate scores on; they stay as the network gives them"
                    )
        result = RunResult(
            self.folder,
            {name: split.scored.scores for name, split in splits.items()},
            {name: split.scored.mean_loss for name, split in splits.items()},
            speed,
            time.perf_counter() - self.start,
            self.warnings,
        )
        _check_finite(model)
        if self.main:
            settings = tagger.settings.model_copy(update={"temperature": temperature or 1.0})
            # First the model: whatever may go wrong with a table, the training is not lost.
            save_model(self.folder / MODEL, model, settings, tagger.encoder.tokenizer)
            write_results(result, splits, settings.tags)
            if "test" in splits:
                try:
                    write_predictions(self.folder, splits["test"], settings.tags)
                except DataError as error:
                    self._warn(f"test predictions were not written: {error}")
            shutil.rmtree(self.folder / CHECKPOINTS, ignore_errors=True)
        return result


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
