"""What nertune puts into transformers.Trainer: batches, loss, parameter groups, evaluation."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler
from transformers import Trainer

from nertune.batching import plan
from nertune.config import TrainingSettings
from nertune.corpus import Corpus
from nertune.encoding import IGNORED, Encoder, Ints
from nertune.errors import OutputError, RecipeError
from nertune.model import head_parameters


class Batches(Sampler[list[int]]):
    """Token-budget batches of one epoch for one of several processes.

    Has no `batch_size`: accelerate would drop or repeat batches by it. Every process gets the same
    number of batches; where they do not divide evenly, large batches are halved.
    """

    def __init__(
        self, lengths: Ints, settings: TrainingSettings, process: int = 0, n_processes: int = 1
    ) -> None:
        self.lengths = lengths
        self.settings = settings
        self.process = process
        self.n_processes = n_processes
        self.epoch = 0
        self._length = len(self._shares()[0])
        self._without_shapes: tuple[int, Any] = (-1, None)

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the batches; called by Trainer."""
        self.epoch = epoch

    def without_shapes(self, windows: Sequence[int]) -> np.ndarray:
        """(n_windows,): which of these windows are trained without word shapes in this epoch.

        Drawn anew from seed and epoch, so that a resumed run draws what the unbroken one drew.
        """
        if self._without_shapes[0] != self.epoch:
            generator = np.random.default_rng((self.settings.seed, self.epoch, 1))
            drawn = generator.random(len(self.lengths)) < self.settings.shape_dropout
            self._without_shapes = (self.epoch, drawn)
        chosen: np.ndarray = self._without_shapes[1][windows]
        return chosen

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self._shares()[self.process]:
            yield batch.tolist()

    def _shares(self) -> list[list[Ints]]:
        seed = self.settings.seed * 1_000_003 + self.epoch
        batches = plan(self.lengths, self.settings.batch_pieces, seed)
        sizes = sorted(range(len(batches)), key=lambda i: -len(batches[i]))
        while len(batches) % self.n_processes and sizes and len(batches[sizes[0]]) > 1:
            largest = sizes.pop(0)
            middle = len(batches[largest]) // 2
            batches.append(batches[largest][middle:])
            batches[largest] = batches[largest][:middle]
        if len(batches) % self.n_processes:
            raise RecipeError(
                "recipe",
                [
                    f"the training text has {len(self.lengths)} windows, too few to divide among "
                    f"{self.n_processes} processes; start fewer"
                ],
            )
        return [batches[i :: self.n_processes] for i in range(self.n_processes)]


class _Places(Dataset[int]):
    """Windows by number: the collator takes them from the flat arrays, all at once."""

    def __init__(self, n_windows: int) -> None:
        self.n_windows = n_windows

    def __len__(self) -> int:
        return self.n_windows

    def __getitem__(self, window: int) -> int:
        return window


@dataclass
class Collator:
    """Window numbers to padded tensors; counts the words it has handed out."""

    encoder: Encoder
    corpus: Corpus
    batches: Batches
    n_words: int = 0

    def __call__(self, windows: list[int]) -> dict[str, torch.Tensor]:
        batch = self.encoder.pad(self.corpus, windows)
        starts = self.corpus.window_starts[windows]
        inside = batch.mask.astype(bool)
        places = np.where(inside, starts[:, None] + np.arange(batch.ids.shape[1]), 0)
        labels = np.where(inside, self.corpus.labels[places], IGNORED).astype(np.int64)
        inputs = {"input_ids": batch.ids, "attention_mask": batch.mask, "labels": labels}
        if self.encoder.shapes:
            kept = ~self.batches.without_shapes(windows)
            inputs["token_type_ids"] = batch.types * kept[:, None]
        self.n_words += int(self.corpus.window_words[windows].sum())
        return {name: torch.from_numpy(values) for name, values in inputs.items()}


class Loader(DataLoader[int]):
    """A DataLoader that hands Trainer's epoch on to the batches."""

    def set_epoch(self, epoch: int) -> None:
        """Called by Trainer before each epoch."""
        batches: Any = self.batch_sampler
        batches.set_epoch(epoch)


def word_loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
    """Cross-entropy summed over labelled pieces, divided by their number in the whole step.

    The divisor spans all accumulated batches and processes, so that the gradient is that of one big
    batch.
    """
    total = torch.nn.functional.cross_entropy(
        outputs.logits.float().flatten(0, 1),
        labels.flatten(),
        ignore_index=IGNORED,
        reduction="sum",
    )
    n_items = (labels != IGNORED).sum() if num_items_in_batch is None else num_items_in_batch
    return total / torch.as_tensor(n_items).clamp(min=1)  # words may all be without pieces


class NerTrainer(Trainer):
    """Trainer with token-budget batches, two learning rates, and evaluation through the engine."""

    def __init__(
        self,
        settings: TrainingSettings,
        collator: Collator,
        evaluation: Callable[[], dict[str, float]] | None,
        **options: Any,
    ) -> None:
        self.settings = settings
        self.evaluation = evaluation
        super().__init__(
            data_collator=collator,
            train_dataset=_Places(collator.corpus.n_windows),
            # Never read: Trainer only wants to know that there is something to evaluate on.
            eval_dataset=_Places(0) if evaluation else None,
            compute_loss_func=word_loss,
            **options,
        )

    def get_train_dataloader(self) -> Loader:
        """All windows once an epoch, already divided among the processes."""
        collator: Any = self.data_collator
        return Loader(
            _Places(collator.corpus.n_windows),
            batch_sampler=collator.batches,
            collate_fn=collator,
            pin_memory=self.args.dataloader_pin_memory and torch.cuda.is_available(),
        )

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """AdamW with four groups: encoder and head, each with and without weight decay."""
        if self.optimizer is None:
            network: Any = self.model if model is None else model
            decayed = set(self.get_decay_parameter_names(network))
            heads = head_parameters(self.accelerator.unwrap_model(network))
            head_rate = self.settings.head_learning_rate or self.settings.learning_rate
            groups = [
                {
                    "params": [
                        value
                        for name, value in network.named_parameters()
                        if value.requires_grad
                        and (_bare(name) in heads) is head
                        and (name in decayed) is decay
                    ],
                    "lr": head_rate if head else self.settings.learning_rate,
                    "weight_decay": self.settings.weight_decay if decay else 0.0,
                }
                for head in (False, True)
                for decay in (False, True)
            ]
            kind, options = self.get_optimizer_cls_and_kwargs(self.args, network)
            self.optimizer = kind([group for group in groups if group["params"]], **options)
        optimizer: torch.optim.Optimizer = self.optimizer
        return optimizer

    def training_step(
        self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """Gradients of one batch, with an adversarial step those of the shifted batch added."""
        if not self.settings.adversarial:
            return super().training_step(model, inputs, num_items_in_batch)
        again = dict(inputs)  # Trainer takes the labels out
        embeddings = self.accelerator.unwrap_model(model).get_input_embeddings().weight
        before = None if embeddings.grad is None else embeddings.grad.clone()
        loss = super().training_step(model, inputs, num_items_in_batch)
        with _shifted(embeddings, before, self.settings.adversarial):
            super().training_step(model, again, num_items_in_batch)
        return loss

    def _save_checkpoint(self, *arguments: Any, **options: Any) -> None:
        """Save as Trainer does; a checkpoint that could not be written whole is taken away."""
        try:
            super()._save_checkpoint(*arguments, **options)
        except Exception as error:  # torch and safetensors have errors of their own for a full disk
            folder = Path(str(self.args.output_dir))
            step = self.state.global_step
            shutil.rmtree(folder / f"checkpoint-{step}", ignore_errors=True)
            raise OutputError(
                f"{folder}: the checkpoint of step {step} cannot be written ({error}); the one "
                "before it is kept. Make room and go on with --resume"
            ) from error

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Score dev through the engine; Trainer's own evaluation loop is not used."""
        if self.evaluation is None:
            return {}
        start = time.perf_counter()
        metrics = {f"eval_{name}": value for name, value in self.evaluation().items()}
        metrics["eval_seconds"] = time.perf_counter() - start
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics


@contextmanager
def _shifted(
    embeddings: torch.nn.Parameter, before: torch.Tensor | None, length: float
) -> Iterator[None]:
    """Embeddings moved by `length` along this batch's gradient: where its loss rises fastest.

    The fast gradient method of Miyato, Dai and Goodfellow 2017, on the whole table at once. before:
    the gradient of earlier batches of the same step.
    """
    if embeddings.grad is None:  # frozen
        yield
        return
    own = embeddings.grad if before is None else embeddings.grad - before
    norm = own.norm()
    kept = embeddings.detach().clone()
    if torch.isfinite(norm) and norm > 0:
        with torch.no_grad():
            embeddings.add_(own, alpha=length / norm.item())
    try:
        yield
    finally:
        with torch.no_grad():
            embeddings.copy_(kept)


def _bare(name: str) -> str:
    """A parameter's name without the wrapper that distributed training puts around the model."""
    return name.removeprefix("module.")
