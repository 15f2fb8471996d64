"""A recipe in the words of transformers.TrainingArguments."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import TrainingArguments

from nertune.config import Recipe
from nertune.errors import RecipeError


def training_arguments(recipe: Recipe, folder: Path) -> TrainingArguments:
    """What Trainer is told; checkpoints go to `folder`."""
    settings = recipe.training
    has_dev = bool(recipe.data.dev)
    strategy = "steps" if settings.evaluate_every else "epoch"
    return TrainingArguments(
        output_dir=str(folder),
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
        use_cpu=_device(recipe) == "cpu",
        bf16=settings.precision == "bf16",
        fp16=settings.precision == "fp16",
        eval_strategy=strategy if has_dev else "no",
        eval_steps=settings.evaluate_every or None,
        save_strategy=strategy,
        save_steps=settings.evaluate_every or 500,
        # One more than the best, which may be old: Trainer would take the newest away at a stop.
        save_total_limit=1 + has_dev,  # the last and the best
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


def _device(recipe: Recipe) -> str:
    wanted = recipe.training.device
    if wanted == "cuda" and not torch.cuda.is_available():
        raise RecipeError(
            "recipe", ["training.device: there is no CUDA device; expected cpu or auto"]
        )
    return "cpu" if wanted == "cpu" or not torch.cuda.is_available() else "cuda"


def check_precision(recipe: Recipe) -> None:
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
