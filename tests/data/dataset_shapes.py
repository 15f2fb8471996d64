"""Data sets of the shapes that the Hub has, made here and written as people keep them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value

from nertune.documents import Document

CONLL_NAMES = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC"]
STRINGS = List(Value("string"))


@dataclass(frozen=True)
class Shape:
    """The rows of a small data set, its features, and what its tag ids mean."""

    rows: list[dict[str, Any]]
    features: Features
    names: list[str]
    named: bool

    @property
    def documents(self) -> list[Document]:
        return [
            Document.from_words(row["tokens"], [self.names[i] for i in row["ner_tags"]],
                                id=row.get("id"))
            for row in self.rows
        ]

    @property
    def splits(self) -> DatasetDict:
        return DatasetDict(
            train=Dataset.from_list(self.rows, features=self.features),
            validation=Dataset.from_list(self.rows[:1], features=self.features),
        )

    def write(self, kind: str, folder: Path) -> dict[str, Any]:
        """Write it as `saved`, `parquet` or `jsonl`; the settings that read it."""
        settings: dict[str, Any] = {"dataset": str(folder)}
        if not self.named or kind == "jsonl":
            settings["label_names"] = self.names
        if kind == "saved":
            self.splits.save_to_disk(folder)
            return settings
        folder.mkdir()
        for name, split in self.splits.items():
            if kind == "parquet":
                split.to_parquet(folder / f"{name}-00000-of-00001.parquet")
            else:
                split.to_json(folder / f"{name}.jsonl")
        return settings


SHAPES = {
    "wikiann": Shape(
        [
            {"tokens": ["R.H.", "Saunders", "(", "Saint", ")"], "ner_tags": [3, 4, 0, 5, 0],
             "langs": ["en"] * 5, "spans": ["ORG: R.H. Saunders", "LOC: Saint"]},
            {"tokens": ["Roma", "è", "qui"], "ner_tags": [5, 0, 0], "langs": ["it"] * 3,
             "spans": ["LOC: Roma"]},
            {"tokens": ["Karl"], "ner_tags": [1], "langs": ["en"], "spans": ["PER: Karl"]},
        ],
        Features({
            "tokens": STRINGS, "ner_tags": List(ClassLabel(names=CONLL_NAMES[:7])),
            "langs": STRINGS, "spans": STRINGS,
        }),
        CONLL_NAMES[:7], True,
    ),
    "multinerd": Shape(
        [
            {"tokens": ["Il", "Tevere", "scorre"], "ner_tags": [0, 5, 0], "lang": "it"},
            {"tokens": ["The", "wolf", "of", "Rome"], "ner_tags": [0, 7, 0, 5], "lang": "en"},
            {"tokens": ["Der", "Wolf"], "ner_tags": [0, 7], "lang": "de"},
        ],
        Features({"tokens": STRINGS, "ner_tags": List(Value("int64")), "lang": Value("string")}),
        [*CONLL_NAMES[:7], "B-ANIM", "I-ANIM"], False,
    ),
    "conll2003": Shape(
        [
            {"id": "0", "tokens": ["EU", "rejects", "German", "call"], "pos_tags": [1, 2, 0, 1],
             "chunk_tags": [0, 1, 0, 0], "ner_tags": [3, 0, 7, 0]},
            {"id": "1", "tokens": ["Peter", "Blackburn"], "pos_tags": [1, 1],
             "chunk_tags": [0, 0], "ner_tags": [1, 2]},
        ],
        Features({
            "id": Value("string"), "tokens": STRINGS,
            "pos_tags": List(ClassLabel(names=["JJ", "NNP", "VBZ"])),
            "chunk_tags": List(ClassLabel(names=["O", "B-NP"])),
            "ner_tags": List(ClassLabel(names=CONLL_NAMES)),
        }),
        CONLL_NAMES, True,
    ),
}  # fmt: skip
