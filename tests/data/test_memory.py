"""Memory does not grow with the file."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from nertune.config import ReadSettings
from nertune.data import read

SENTENCE = "".join(f"word{i} NNP {'B-LOC' if i % 7 == 0 else 'O'}\n" for i in range(25)) + "\n"
ROW = json.dumps({"text": "in Rome " * 60, "entities": [{"start": 3, "end": 7, "label": "LOC"}]})
ELEMENT = json.dumps({"tokens": ["word", "Rome"] * 40, "ner_tags": ["O", "B-LOC"] * 40})


def generated(name, megabytes):
    """Pieces of a file of that size."""
    first, piece, last = {
        "columns": ("", SENTENCE, ""),
        "documents": ("-DOCSTART- O O\n\n", SENTENCE * 4 + "-DOCSTART- O O\n\n", SENTENCE),
        "jsonl": ("", ROW + "\n", ""),
        "json": ("[", ELEMENT + ",", ELEMENT + "]"),
    }[name]
    yield first
    yield from (piece for _ in range(megabytes * 1_000_000 // len(piece)))
    yield last


def peak_of_reading(path):
    tracemalloc.start()
    try:
        n_documents = sum(1 for _ in read(path, ReadSettings()))
        return n_documents, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "megabytes"),
    [
        ("columns", 1),
        ("documents", 1),
        ("jsonl", 2),
        ("json", 2),
        pytest.param("columns", 20, marks=pytest.mark.slow),
        pytest.param("json", 20, marks=pytest.mark.slow),
    ],
)
def test_memory_stays_flat(tmp_path, name, megabytes):
    path = tmp_path / "large"
    with path.open("w") as handle:
        handle.writelines(generated(name, megabytes))
    n_documents, peak = peak_of_reading(path)
    assert n_documents > 500
    assert peak < 600_000
