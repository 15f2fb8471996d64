"""Fine-tuning: a thin layer over transformers.Trainer."""

from nertune.training.run import RunResult, train
from nertune.training.seeds import Spread, train_seeds

__all__ = ["RunResult", "Spread", "train", "train_seeds"]
