"""Spark Connect gives what classic Spark gives: stages, saved pipelines, tables and scores."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from spark_texts import TEXTS

from nertune import Tagger
from nertune.scoring import score
from nertune.tables import LEVELS

pytest.importorskip("pyspark")
from pyspark.ml import Pipeline, PipelineModel

from nertune.spark import DocumentAssembler, NerConverter, NerTagger, WordTokenizer

pytestmark = pytest.mark.spark

PROGRAM = """
    import json
    from pyspark.ml import Pipeline, PipelineModel
    from nertune.errors import BundleError
    from nertune.spark import (
        DocumentAssembler, NerConverter, NerTagger, WordTokenizer, evaluate, score, start, tag,
    )

    spark = start(remote="local[2]", settings=json.load(open("settings.json")))
    texts = json.load(open("texts.json", encoding="utf-8"))
    frame = spark.createDataFrame(list(enumerate(texts)), "id int, text string")

    def found(fitted):
        rows = fitted.transform(frame).orderBy("id").select("entities").collect()
        return [[(e.begin, e.end + 1, e.metadata["entity"]) for e in row[0]] for row in rows]

    def pipeline(tagger):
        first = [DocumentAssembler(inputCol="text"), WordTokenizer()]
        return Pipeline(stages=[*first, tagger, NerConverter()]).fit(frame)

    def refused(tagger):
        try:
            pipeline(tagger).transform(frame)
        except BundleError as error:
            return str(error)

    def table():
        few = spark.createDataFrame([(0, "Ada met Charles"), (1, None)], "id int, text string")
        return [row.asDict() for row in tag(few, "model", "word").orderBy("id", "word").collect()]

    def scores():
        row = (["Ada", "met"], ["B-PER", "O"], ["B-PER", "B-LOC"])
        names = ("tokens", "tags", "predicted")
        few = spark.createDataFrame([row], ", ".join(f"{name} array<string>" for name in names))
        return [one.to_dict() for one in (score(few), evaluate(few, "model"))]

    fitted = pipeline(NerTagger.load("model"))
    fitted.write().overwrite().save("saved")
    print(json.dumps({
        "kinds": {
            one.name: one.metadata["annotatorType"] for one in fitted.transform(frame).schema[2:]
        },
        "missing": refused(NerTagger(model="/no/such/folder")),
        "case": refused(NerTagger.load("model").setCaseSensitive(False)),
        "entities": [
            found(fitted),
            found(PipelineModel.load("by-classic")),
            found(pipeline(NerTagger.load("model").setDelivery("ship"))),
        ],
        "table": table(),
        "scores": scores(),
    }))
    spark.stop()
"""


@pytest.fixture(scope="module")
def told(
    spark: Any,
    graph: Path,
    settings: dict[str, str],
    fresh: Callable[[str, Path], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """What the program says of the model, and of a pipeline that classic Spark saved with it."""
    folder = tmp_path_factory.mktemp("connect")
    moved = shutil.copytree(graph, folder / "moved")
    frame = spark.createDataFrame([(0, "")], "id int, text string")
    first = [DocumentAssembler(inputCol="text"), WordTokenizer()]
    fitted = Pipeline(stages=[*first, NerTagger.load(moved), NerConverter()]).fit(frame)
    fitted.save(str(folder / "by-classic"))
    fitted.write().overwrite().save(str(folder / "by-classic"))
    shutil.rmtree(moved)  # the model travels with the pipeline

    (folder / "model").symlink_to(graph)
    (folder / "texts.json").write_text(json.dumps(TEXTS), encoding="utf-8")
    (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    said: dict[str, Any] = json.loads(fresh(PROGRAM, folder).splitlines()[-1])
    return {"folder": folder, **said}


@pytest.fixture(scope="module")
def expected(graph: Path) -> list[list[list[Any]]]:
    documents = Tagger.load(graph).tag_texts(TEXTS)
    return [[[one.start, one.end, one.label] for one in each.entities] for each in documents]


def test_the_entities_are_those_of_the_tagger(told: dict[str, Any], expected: Any) -> None:
    assert told["entities"] == [expected] * 3


def test_a_pipeline_saved_by_a_process_of_connect_runs_in_classic_spark(
    told: dict[str, Any], spark: Any, expected: Any
) -> None:
    frame = spark.createDataFrame(list(enumerate(TEXTS)), "id int, text string")
    loaded = PipelineModel.load(str(told["folder"] / "saved"))
    rows = loaded.transform(frame).orderBy("id").select("entities").collect()
    assert [
        [[e.begin, e.end + 1, e.metadata["entity"]] for e in row.entities] for row in rows
    ] == expected


@pytest.mark.parametrize("saved", ["by-classic", "saved"])
def test_a_saved_pipeline_holds_a_whole_model(
    told: dict[str, Any], saved: str, expected: Any
) -> None:
    [stage] = (told["folder"] / saved).glob("stages/*NerTagger*")
    assert NerTagger.load(stage).value("model") == str(stage / "model")
    assert [e.label for e in Tagger.load(stage)(TEXTS[0])] == [label for *_, label in expected[0]]


def test_the_columns_say_what_they_carry(told: dict[str, Any]) -> None:
    assert told["kinds"] == {
        "document": "document", "token": "token", "ner": "named_entity", "entities": "chunk",
    }  # fmt: skip


def test_what_cannot_be_is_told_before_the_job(told: dict[str, Any]) -> None:
    assert "cannot be loaded on the worker" in told["missing"]
    assert "caseSensitive=False, but the model is cased" in told["case"]


def test_the_rows_of_tables_and_the_scores_are_the_same(told: dict[str, Any], graph: Path) -> None:
    rows = told["table"]
    tagger = Tagger.load(graph)
    expected = tagger.table("Ada met Charles", "word")
    assert [(row["text"], row["tag"]) for row in rows] == list(
        zip(expected["text"], expected["tag"], strict=True)
    )
    assert list(rows[0]) == ["id", *LEVELS["word"].columns, "error"]
    [tagged] = tagger.tag_words([["Ada", "met"]])
    found = (["B-PER", "B-LOC"], tagged.tags or ())
    assert told["scores"] == [score([["B-PER", "O"]], [tags]).to_dict() for tags in found]
