"""Fine-tuning: a thin layer over transformers.Trainer."""

from nertune.training.results import RunResult
from nertune.training.run import train
from nertune.training.seeds import Spread, train_seeds

__all__ = ["RunResult", "Spread", "train", "train_seeds"]
