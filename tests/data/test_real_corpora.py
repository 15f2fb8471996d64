"""Real corpora, found by NERTUNE_DATA: the counts that everyone gets."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from nertune.config import ReadSettings
from nertune.data import ReadReport, read
from nertune.data.inspection import inspect_files
from nertune.errors import DataError
from nertune.schemes import detect

pytestmark = [
    pytest.mark.corpora,
    pytest.mark.skipif("NERTUNE_DATA" not in os.environ, reason="corpora not present"),
]
FOLDER = Path(os.environ.get("NERTUNE_DATA", "/nowhere"))


def load(name, **settings):
    report = ReadReport()
    documents = list(read(FOLDER / name, ReadSettings(**settings), report))
    assert report.clean
    assert report.comments == 0
    return documents, report


def n_entities(documents):
    return sum(len(document.entities) for document in documents)


@pytest.mark.parametrize(("part", "n"), [("train", 8323), ("testa", 1915), ("testb", 1517)])
def test_conll2002(part, n):
    documents, report = load(f"conll2002-es/esp.{part}")
    assert report.sentences == report.documents == n
    if part == "testb":
        labels = Counter(e.label for d in documents for e in d.entities)
        assert labels == {"LOC": 1084, "ORG": 1400, "PER": 735, "MISC": 340}
        assert Counter(tag for d in documents for tag in d.tags)["B-MISC"] == 339


@pytest.mark.parametrize(
    ("part", "counts"),
    [
        ("train", (946, 14041, 203621, 23499)),
        ("testa", (216, 3250, 51362, 5942)),
        ("testb", (231, 3453, 46435, 5648)),
    ],
)
def test_conll2003(part, counts):
    documents, report = load(f"conll2003-en/eng.{part}")
    assert (report.documents, report.sentences, report.words, n_entities(documents)) == counts
    scheme, violations = detect(tags for document in documents for tags in document.sentence_tags())
    assert (scheme.name, violations) == ("IOB1", 0)


@pytest.mark.parametrize(
    ("part", "sentences", "entities"),
    [("train", 20000, 27931), ("dev", 10000, 14146), ("test", 10000, 13958)],
)
def test_wikiann(part, sentences, entities):
    documents, report = load(f"wikiann-en/{part}", word_prefix="en:")
    assert (report.sentences, n_entities(documents)) == (sentences, entities)
    assert not any(word.startswith("en:") for document in documents for word in document.words)


@pytest.mark.parametrize(("part", "n"), [("valid", 1330), ("test", 2000)])
def test_ronec(part, n):
    documents, report = load(f"ronec-ro/{part}.json")
    assert report.documents == report.sentences == n
    assert report.ignored_keys == {"ner_ids": n, "space_after": n}
    assert len({tag for document in documents for tag in document.tags}) <= 31
    assert all(document.id.isdigit() for document in documents)


@pytest.mark.parametrize("language", ["de", "en", "es", "it"])
def test_wikineural(language):
    path = FOLDER / "wikineural" / language / "test.conllu"
    _, report = load(path, word_column=1, tag_column=2)
    lines = path.read_bytes().split(b"\n")
    assert report.words == sum(bool(line.strip()) for line in lines)


def test_inspection_of_conll2002():
    paths = [FOLDER / f"conll2002-es/esp.{part}" for part in ("testa", "testb")]
    result = inspect_files(paths)
    assert [(file.scheme, file.violations) for file in result.files] == [("IOB2", 1)] * 2
    assert result.files[1].entities == {"ORG": 1400, "LOC": 1084, "PER": 735, "MISC": 340}


def test_files_of_other_formats_are_refused_with_a_message_or_read():
    for path in sorted((FOLDER / "formats").rglob("*")):
        for on_error in ("stop", "skip", "repair"):
            with suppress(DataError):
                assert list(read(path, ReadSettings(on_error=on_error)))
