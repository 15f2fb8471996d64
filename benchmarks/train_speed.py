"""Annotated words per second in training, against the plain tutorial recipe.

Both sides train the same encoder with transformers.Trainer on the same sampled documents of
CoNLL-2003, one epoch a round, by turns. The peer is what the tutorials show: sentences in random
batches of 16, padded to the longest, AdamW. Context and padding count for nothing; only words with
a tag do. Fails below 1.8 times. The recipe's adversarial step, which goes through every batch
twice, is left out of that ratio and measured beside it.

    python benchmarks/train_speed.py [--rounds 5] [--words 6000] [--threads 1]
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoTokenizer,
    DataCollatorForTokenClassification,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from common import corpora, floor, median, write
from nertune import schemes
from nertune.bundle import encoder_source
from nertune.config import (
    ModelSettings,
    ReadSettings,
    TrainingSettings,
    WindowSettings,
    load_recipe,
)
from nertune.corpus import Source, training_corpus
from nertune.data import read, write_columns
from nertune.documents import Document
from nertune.encoding import Encoder
from nertune.model import new_model, new_tokenizer
from nertune.training.trainer import Batches, Collator, NerTrainer

BAR = 1.8
IOB2 = schemes.SCHEMES["IOB2"]


class Clock(TrainerCallback):
    """Seconds between the first and the last step."""

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.start = time.perf_counter()

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self.seconds = time.perf_counter() - self.start


def arguments(folder: str, **options: Any) -> TrainingArguments:
    """What both sides share."""
    return TrainingArguments(
        output_dir=folder, num_train_epochs=1, use_cpu=True, save_strategy="no", eval_strategy="no",
        disable_tqdm=True, report_to="none", remove_unused_columns=False, **options,
    )  # fmt: skip


def tutorial(documents: list[Document], tags: tuple[str, ...], folder: str) -> float:
    """The peer: seconds for one epoch."""
    tokenizer = AutoTokenizer.from_pretrained(encoder_source("minilm"))
    places = {tag: i for i, tag in enumerate(tags)}
    rows = []
    for document in documents:
        words, named = document.words, document.tags_in(IOB2)
        for start, end in document.sentences:
            row = tokenizer(words[start:end], is_split_into_words=True, truncation=True)
            labels, last = [], None
            for word in row.word_ids():
                label = -100 if word is None or word == last else places[named[start + word]]
                labels.append(label)
                last = word
            rows.append({**row, "labels": labels})
    model = new_model(ModelSettings(encoder="minilm"), tags, WindowSettings())
    clock = Clock()
    trainer = Trainer(
        model=model,
        args=arguments(folder, per_device_train_batch_size=16, learning_rate=5e-5),
        train_dataset=rows,
        data_collator=DataCollatorForTokenClassification(tokenizer),
        callbacks=[clock],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return clock.seconds


def ours(path: Path, folder: str, adversarial: float = 0.0) -> float:
    """nertune with the settings of the recipe conll2003-minilm: seconds for one epoch."""
    import os

    os.environ.setdefault("NERTUNE_DATA", "unused")
    recipe = load_recipe("conll2003-minilm")
    changed = {"epochs": 1, "adversarial": adversarial}
    settings = TrainingSettings(**{**recipe.training.model_dump(), **changed})
    encoder = Encoder(new_tokenizer(recipe.model), recipe.window, recipe.model.shapes)
    corpus = training_corpus(Source([str(path)], ReadSettings(), IOB2), encoder, folder)
    model = new_model(recipe.model, corpus.tags, recipe.window)
    batches = Batches(np.diff(corpus.window_starts), settings)
    clock = Clock()
    options = {"learning_rate": settings.learning_rate, "optim": "adamw_torch_fused"}
    trainer = NerTrainer(
        settings, Collator(encoder, corpus, batches), None,
        model=model, args=arguments(folder, **options), callbacks=[clock],
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return clock.seconds


def main() -> None:
    """Measure by turns and report the ratio of each round."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--words", type=int, default=6000)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    documents = list(read(corpora() / "conll2003-en" / "eng.train"))
    tags = tuple(schemes.tag_set(["LOC", "MISC", "ORG", "PER"], IOB2))
    rounds = []
    for seed in range(options.rounds):
        sample: list[Document] = []
        for document in random.Random(seed).sample(documents, len(documents)):
            sample.append(document)
            if sum(one.n_words for one in sample) >= options.words:
                break
        n_words = sum(document.n_words for document in sample)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "sample.conll"
            with path.open("w", encoding="utf-8") as handle:
                write_columns(sample, handle)
            seconds = {
                "tutorial": tutorial(sample, tags, folder),
                "nertune": ours(path, folder),
                "nertune_adversarial": ours(path, folder, 1.0),
            }
        rates = {name: n_words / value for name, value in seconds.items()}
        rounds.append({"words": n_words, **rates, "ratio": rates["nertune"] / rates["tutorial"]})
        print(rounds[-1])
    figures = {
        name: median([one[name] for one in rounds]) for name in rounds[0] if name != "words"
    }
    write("train_speed", {"unit": "annotated words/s", **figures, "rounds": rounds})
    floor(figures["ratio"], BAR, "nertune over tutorial")


if __name__ == "__main__":
    main()
