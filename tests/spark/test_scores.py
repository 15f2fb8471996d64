"""Scores on Spark: those of the local scorer, and of `evaluate_file`, to the last digit."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from nertune import Tagger, schemes
from nertune.config import ReadSettings
from nertune.errors import BundleError, DataError, TagError
from nertune.evaluation import evaluate_file
from nertune.scoring import Scores
from nertune.scoring import score as score_locally
from nertune.testing import TEXT

pytest.importorskip("pyspark")

from nertune.spark import NerTagger, evaluate, score

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

WORDS = " ".join(TEXT).split()
IOB2, IOBES = schemes.SCHEMES["IOB2"], schemes.SCHEMES["IOBES"]


def tags_for(n: int, scheme: schemes.Scheme, choice: random.Random) -> list[str]:
    """Well-formed tags of a sentence, of entities with one to three words."""
    spans, at = [], 0
    while at < n:
        length = choice.choice([1, 1, 2, 3])
        if choice.random() < 0.4 and at + length <= n:
            spans.append((at, at + length, choice.choice(["PER", "LOC", "ORG"])))
        at += length
    return schemes.encode(spans, n, scheme)


def corpus(scheme: schemes.Scheme, seed: int) -> list[list[tuple[list[str], list[str]]]]:
    """Documents of sentences, each words and tags."""
    choice = random.Random(seed)

    def sentence() -> tuple[list[str], list[str]]:
        words = [choice.choice(WORDS) for _ in range(choice.randint(1, 12))]
        return words, tags_for(len(words), scheme, choice)

    return [[sentence() for _ in range(choice.randint(1, 6))] for _ in range(30)]


def frame_of(spark: Any, rows: list[Any], kind: str) -> Any:
    """Rows in several partitions, of which one is empty."""
    frame = spark.createDataFrame(rows, kind)
    return frame.repartition(3).union(frame.limit(0))


@pytest.mark.parametrize("mode", ["conlleval", "strict"])
def test_scores_are_those_of_the_local_scorer(spark: Any, mode: Any) -> None:
    gold = [tags for document in corpus(IOBES, 1) for _, tags in document]
    choice = random.Random(2)
    predicted = [
        [tag if choice.random() < 0.9 else choice.choice(["O", "I-PER", "S-LOC"]) for tag in tags]
        for tags in gold
    ]
    kind = "tags array<string>, predicted array<string>"
    frame = frame_of(spark, list(zip(gold, predicted, strict=True)), kind)
    expected = score_locally(gold, predicted, mode, IOBES)
    assert 0 < expected.micro.f1 < 1
    assert score(frame, mode=mode) == expected, "the scheme is found where it is needed"
    assert score(frame, mode=mode).to_dict() == expected.to_dict()
    assert score(frame, "tags", "tags", mode, IOBES).micro.f1 == 1


def test_ids_and_documents(spark: Any) -> None:
    names = ["O", "B-PER", "I-PER"]
    rows = [([[1, 2], [0]], [["B-PER", "O"], ["O"]]), ([], [])]
    frame = frame_of(spark, rows, "ner_tags array<array<int>>, found array<array<string>>")
    expected = score_locally([["B-PER", "I-PER"], ["O"]], [["B-PER", "O"], ["O"]])
    assert score(frame, "ner_tags", "found", names=iter(names)) == expected  # type: ignore[arg-type]
    assert score(frame.limit(0), "ner_tags", "found", names=names) == Scores()


@pytest.mark.parametrize("scheme", [IOB2, IOBES], ids=["IOB2", "IOBES"])
def test_a_model_has_the_scores_that_it_has_on_a_file(
    spark: Any, graph: Path, tmp_path: Path, scheme: schemes.Scheme
) -> None:
    documents = corpus(scheme, 3)
    path = tmp_path / "gold.conll"
    with path.open("w", encoding="utf-8") as file:
        for document in documents:
            file.write("-DOCSTART- O\n\n")
            for sentence in document:
                file.writelines(f"{word} {tag}\n" for word, tag in zip(*sentence, strict=True))
                file.write("\n")
    expected = evaluate_file(Tagger.load(graph), path, ReadSettings()).scored.scores
    assert expected.micro.predicted > 100
    rows = [tuple([one[side] for one in document] for side in (0, 1)) for document in documents]
    frame = frame_of(spark, rows, "tokens array<array<string>>, tags array<array<string>>")
    assert evaluate(frame, str(graph)) == expected
    assert evaluate(frame, str(graph)).to_dict() == expected.to_dict()

    if scheme is IOB2:  # each sentence by itself, ids for tags, a threshold
        names = sorted({tag for document in documents for _, tags in document for tag in tags})
        flat = [
            (words, [names.index(tag) for tag in tags])
            for document in documents
            for words, tags in document
        ]
        frame = frame_of(spark, flat, "tokens array<string>, ner_tags array<int>")
        stage = NerTagger.load(graph).setThreshold(0.3)
        found = evaluate(frame, stage, tags="ner_tags", names=names)
        tagged = Tagger.load(graph).tag_words([words for words, _ in flat], 0.3)
        gold = [[names[i] for i in ids] for _, ids in flat]
        assert found == score_locally(gold, [one.tags or () for one in tagged])


def test_what_is_wrong_with_the_data_is_told_with_its_row(spark: Any, graph: Path) -> None:
    kind = "tokens array<string>, tags array<string>, predicted array<string>"
    good = (["Ada", "met"], ["B-PER", "O"], ["O", "O"])

    def told(error: type[DataError], message: str, *bad: Any) -> None:
        frame = spark.createDataFrame([good, bad], kind).coalesce(1)
        with pytest.raises(error, match=f"^{message}") as caught:
            (evaluate(frame, str(graph)) if bad[0] else score(frame))
        assert type(caught.value) is error

    row = r"row 1 of partition 0 \(from 0\)"
    told(DataError, f"{row} has 2 gold tags and 1 predicted tags", None, ["O", "O"], ["O"])
    told(TagError, f"{row}: the tag 'PER' has an unknown prefix", None, ["PER"], ["O"])
    told(DataError, f"{row}: .*", ["Ada", ""], ["O", "O"], None)


def test_what_does_not_fit_is_told_before_the_job(spark: Any) -> None:
    kind = "tags array<string>, ids array<int>, deep array<array<string>>, text string"
    kind += ", n struct<t:array<string>>"
    frame = spark.createDataFrame([(["O"], [0], [["O"]], "O", (["O"],))], kind)

    def told(message: str, *given: Any, **options: Any) -> None:
        with pytest.raises(DataError, match=message):
            score(frame, *given, **options)

    told("no column 'predicted'; it has: tags, ids, deep, text, n")
    told("'text' is of type string; expected array<string>, a sentence a row", "text", "tags")
    told("'ids' holds ids of tags .array<int>.; expected strings: give the names", "ids", "tags")
    told("'tags' and 'deep' one holds sentences, the other documents", "tags", "deep")
    told("names is the string 'O'; expected", "tags", "tags", names="O")
    told("names is {'O'}; expected", "tags", "tags", names={"O"})
    told("unknown mode 'loose'; expected one of conlleval, strict", "tags", "tags", mode="loose")
    assert score(frame, "tags", "n.t").accuracy == 1
    with pytest.raises(BundleError, match="'nothere' is no name either"):
        evaluate(frame, "nothere", "tags", "tags")
