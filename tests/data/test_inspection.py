"""Inspection: what a file holds, and what several files are to each other."""

from __future__ import annotations

import json
import time

import pytest

from nertune.config import ReadSettings
from nertune.data import read
from nertune.data.inspection import Example, Lengths, inspect_files
from nertune.errors import DataError
from nertune.schemes import SCHEMES

TRAIN = (
    "-DOCSTART- -X- O\n\nEU NNP I-ORG\nrejects VB O\n\nPeter NNP I-PER\n\n"
    "-DOCSTART- -X- O\n\nRome NNP I-LOC\nMilan NNP B-LOC\nTurin NNP I-LOC\n. . O\n"
)


@pytest.fixture
def files(tmp_path):
    def write(**contents):
        for name, content in contents.items():
            (tmp_path / name).write_text(content, encoding="utf-8")
        return [tmp_path / name for name in contents]

    return write


def test_a_column_file(files):
    paths = files(train=TRAIN)
    (found,) = inspect_files(paths).files
    assert (found.path, found.format) == (str(paths[0]), "columns")
    assert (found.documents, found.sentences, found.words) == (2, 3, 7)
    assert found.columns == ("EU", "NNP", "I-ORG")
    assert (found.scheme, found.violations) == ("IOB1", 0)
    assert found.tags == {"O": 2, "I-LOC": 2, "I-ORG": 1, "I-PER": 1, "B-LOC": 1}
    assert found.entities == {"LOC": 2, "ORG": 1, "PER": 1}
    assert found.sentence_lengths == Lengths(min=1, median=2, mean=2.33, p95=4, max=4)
    assert found.document_lengths == Lengths(min=1, median=1, mean=1.5, p95=2, max=2)
    assert found.examples == (
        Example("EU rejects", (("EU", "ORG"),)),
        Example("Peter", (("Peter", "PER"),)),
        Example("Rome Milan Turin .", (("Rome", "LOC"), ("Milan Turin", "LOC"))),
    )
    assert found.report.words == 7


def test_raw_text_is_split_and_cut_words_are_counted(files):
    rows = [
        {"text": "He saw Rome. Mario sang.", "entities": [
            {"start": 7, "end": 11, "label": "LOC"}, {"start": 13, "end": 16, "label": "PER"}]},
        {"text": "", "meta": 1},
    ]
    result = inspect_files(files(dev="\n".join(map(json.dumps, rows))))
    (found,) = result.files
    assert (found.format, found.columns) == ("jsonl", None)
    assert (found.documents, found.sentences, found.words) == (2, 2, 7)
    assert (found.scheme, found.violations, found.tags) == (None, 0, {})
    assert found.cut_entities == 1
    assert found.document_lengths.min == 0
    assert found.report.ignored_keys == {"meta": 1}
    assert len(found.examples) == 2
    assert result.warnings == (
        f"{found.path}: entities that begin or end inside a word, and are longer as words: 1",
    )


def test_violations_of_the_scheme_that_fits_best(files):
    content = "a B-X\nb I-X\n\na B-X\nb B-X\nc I-X\n\nc O\nd I-X\n"
    result = inspect_files(files(train=content))
    assert (result.files[0].scheme, result.files[0].violations) == ("IOB2", 1)
    assert result.warnings == (
        f"{result.files[0].path}: IOB2 fits the tags best, yet 1 pair of neighbouring tags break "
        "it",
    )


def test_files_are_held_against_each_other(files):
    paths = files(
        train="a B-X\nb I-X\n\nsame O\n\nsame O\n\nc B-Y\n",
        dev="d O\n\nsame O\n\ne B-X\n",
        test="a O\nb O\n\nf O\n",
        other="x I-X\n\ny O\nx I-X\nz B-X\n\nw B-Y\n",
    )
    result = inspect_files(paths)
    assert result.shared_sentences == 2
    train, dev, test, _ = (str(path) for path in paths)
    assert result.warnings[:2] == (
        f"{dev}: no entity of Y, which other files have",
        f"{test}: no entities at all",
    )
    assert result.warnings[-1] == "sentences that stand in more than one file: 2"
    assert any(warning.startswith("the files are tagged in different schemes") and train in warning
               for warning in result.warnings)


def test_the_result_is_ready_for_json(files):
    paths = files(train=TRAIN, test=TRAIN + "\nb X Y\n")
    result = inspect_files(paths, ReadSettings(on_error="skip"))
    data = json.loads(json.dumps(result.to_dict()))
    assert data["shared_sentences"] == 3
    assert data["files"][0]["sentence_lengths"]["max"] == 4
    assert data["files"][1]["report"]["skipped"] == {"unknown tag": 1}
    assert data["files"][0]["examples"][0] == {"text": "EU rejects", "entities": [["EU", "ORG"]]}


def test_faults_stop_an_inspection_too(files):
    with pytest.raises(DataError, match="train:2: the tag 'X'"):
        inspect_files(files(train="a O\nb X\n"))


def test_one_large_document_takes_linear_time(files):
    content = "-DOCSTART- O\n\n" + "Ada B-PER\nran O\n\n" * 20_000
    begin = time.perf_counter()
    (found,) = inspect_files(files(large=content)).files
    document = next(read(found.path))
    assert document.tags_in(SCHEMES["IOBES"])[:2] == ["S-PER", "O"]
    assert (found.documents, found.sentences, len(found.examples)) == (1, 20_000, 3)
    assert time.perf_counter() - begin < 5
