"""Fine-tuning: a thin layer over transformers.Trainer."""

from nertune.training.run import RunResult, train

__all__ = ["RunResult", "train"]
