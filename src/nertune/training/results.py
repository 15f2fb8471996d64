"""What a run gives: the scores of its splits, and the files they are written to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from nertune.data import write_columns
from nertune.evaluation import PREDICTIONS, SplitResult
from nertune.files import whole_file
from nertune.scoring import Scores
from nertune.splits import GoldSplit


@dataclass(frozen=True)
class RunResult:
    """What a finished run gave: its folder, the scores and losses of dev and test, its speed."""

    folder: Path
    scores: dict[str, Scores]
    losses: dict[str, float]
    words_per_second: float
    seconds: float
    warnings: list[str]


def write_results(
    result: RunResult, splits: Mapping[str, SplitResult], tags: tuple[str, ...]
) -> None:
    """Write the tags and `scores.json` into the run folder."""
    with whole_file(result.folder / "labels.txt") as handle:
        handle.write("\n".join(tags) + "\n")
    report = {
        **{name: split.to_dict() for name, split in splits.items()},
        "training": {
            "words_per_second": result.words_per_second,
            "seconds": result.seconds,
            "threads": torch.get_num_threads(),
        },
        "warnings": result.warnings,
    }
    with whole_file(result.folder / "scores.json") as handle:
        json.dump(report, handle, indent=2, ensure_ascii=False, allow_nan=False)
        handle.write("\n")


def write_predictions(folder: Path, test: SplitResult, tags: tuple[str, ...]) -> None:
    """Write the test predictions; DataError for a word that no column file can hold."""
    predicted = [tags[i] for i in test.scored.tag_ids]
    with whole_file(folder / PREDICTIONS) as handle:
        write_columns(test.gold.documents, handle, _two_columns(test.gold, predicted))


def _two_columns(gold: GoldSplit, predicted: list[str]) -> Iterator[tuple[list[str], list[str]]]:
    """For each document its gold and its predicted tags."""
    start = 0
    for document in gold.documents:
        end = start + document.n_words
        yield gold.tags[start:end], predicted[start:end]
        start = end
