"""Columns by their names: as Spark compares them, with dots, twice; and what is no frame at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nertune.errors import DataError, DocumentError, RecipeError, TagError

pytest.importorskip("pyspark")
from pyspark.ml import PipelineModel

from nertune.schemes import SCHEMES
from nertune.spark import (
    DocumentAssembler,
    Finding,
    NerConverter,
    NerTagger,
    WordTokenizer,
    entity_pipeline,
    score,
    tag,
)

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture
def case_sensitive(spark: Any) -> Iterator[None]:
    spark.conf.set("spark.sql.caseSensitive", "true")
    yield
    spark.conf.unset("spark.sql.caseSensitive")


def frame_of(spark: Any, *names: str) -> Any:
    """A row with 'Ada met Charles.' in every column."""
    return spark.createDataFrame([("Ada met Charles.",) * len(names)], list(names))


def entities(row: Any) -> list[tuple[Any, ...]]:
    return [tuple(one[:4]) for one in row.entities]


@pytest.fixture(scope="module")
def expected(spark: Any, graph: Path) -> list[tuple[Any, ...]]:
    found = entities(entity_pipeline(str(graph), "text").transform(frame_of(spark, "text")).first())
    assert found
    return found


# --- columns that are there already ---


@pytest.mark.parametrize("taken", ["document", "Document"])
def test_a_column_that_is_there_is_never_replaced(spark: Any, taken: str) -> None:
    with pytest.raises(DocumentError, match=rf"'{taken}' already.*setOutputCol.*rename or drop"):
        DocumentAssembler(inputCol="text").transform(frame_of(spark, "text", taken))


@pytest.mark.usefixtures("case_sensitive")
def test_where_capitals_matter_another_case_is_another_column(
    spark: Any, graph: Path, expected: list[tuple[Any, ...]]
) -> None:
    frame = frame_of(spark, "Text", "text", "TOKEN", "START")
    found = entity_pipeline(str(graph), "text").transform(frame)
    assert found.columns[:4] == ["Text", "text", "TOKEN", "START"]
    assert entities(found.first()) == expected
    assert {"START", "start"} <= set(tag(frame, str(graph)).columns)


@pytest.mark.parametrize("taken", ["START", "Error"])
def test_a_table_has_no_column_that_spark_takes_for_two(
    spark: Any, graph: Path, taken: str
) -> None:
    with pytest.raises(DocumentError, match=f"columns that the table has too: '{taken}'"):
        tag(frame_of(spark, "text", taken), str(graph))


# --- dots, backticks, several of one name ---


def test_any_name_will_do(spark: Any, graph: Path, expected: list[tuple[Any, ...]]) -> None:
    name = "the `text.a"
    frame = frame_of(spark, name, "the.id")
    pipeline = entity_pipeline(graph, name, Finding(np.float32(0)), id_column="the.id")
    assert entities(pipeline.transform(frame).first()) == expected
    assert tag(frame, str(graph), text_column=name, id_column="the.id").count() == len(expected)


def test_any_name_will_do_between_the_stages(
    spark: Any, graph: Path, expected: list[tuple[Any, ...]]
) -> None:
    frame = spark.createDataFrame(
        [("Ada met Charles.", {"from": "x"})], "text string, `m.e` map<string,string>"
    )
    documents, words, tags, _ = names = ["d.d", "w`w", "t.t`", "e.e"]
    found = PipelineModel([
        DocumentAssembler(inputCol="text", metadataCol="m.e", outputCol=documents),
        WordTokenizer(inputCols=[documents], outputCol=words),
        NerTagger.load(graph).having(inputCols=[documents, words], outputCol=tags),
        NerConverter(inputCols=[documents, words, tags], outputCol="e.e"),
    ]).transform(frame)  # fmt: skip
    assert found.columns[2:] == names
    row = found.first()
    assert [tuple(one[:4]) for one in row["e.e"]] == expected
    assert row["d.d"][0].metadata["from"] == "x"


@pytest.mark.parametrize("names", [("text", "a", "a"), ("text", "a", "A"), ("Text", "text")])
def test_several_columns_of_one_name_are_told(
    spark: Any, graph: Path, names: tuple[str, ...]
) -> None:
    with pytest.raises(DocumentError, match=r"several columns.*expected one"):
        tag(frame_of(spark, *names), str(graph))


def test_several_columns_of_texts_are_told(spark: Any) -> None:
    for other in ("text", "TEXT"):
        with pytest.raises(DocumentError, match=f"several columns .*: text, {other}; expected one"):
            DocumentAssembler(inputCol="text").transform(frame_of(spark, "text", other))


@pytest.mark.parametrize("kind", ["INTERVAL '1' YEAR", "make_interval(1)"])
def test_a_column_that_python_cannot_carry_is_told(spark: Any, graph: Path, kind: str) -> None:
    frame = spark.sql(f"SELECT 'Ada' AS text, {kind} AS since")
    with pytest.raises(DocumentError, match=r"'since' is of type .*drop the column, or cast"):
        tag(frame, str(graph))
    assert tag(frame.withColumn("since", frame.since.cast("string")), str(graph)).columns


def test_columns_of_time_are_carried(spark: Any, graph: Path) -> None:
    at = "TIMESTAMP '2020-02-01 01:02:03'"
    frame = spark.sql(
        f"SELECT 'Ada met Charles' AS text, {at} AS at, array({at}) AS more, "
        f"named_struct('ntz', CAST({at} AS TIMESTAMP_NTZ), 'day', DATE '2020-02-01') AS both"
    )
    row = tag(frame, str(graph), "document").first()
    given = frame.first()
    assert (row.at, row.more, row.both) == (given.at, given.more, given.both)


# --- labels ---


def test_labels_that_the_model_lacks_are_told_before_the_job(graph: Path) -> None:
    with pytest.raises(DocumentError, match="no label 'NOPE'; expected some of LOC, PER"):
        entity_pipeline(str(graph), "text", Finding(labels=("PER", "NOPE")))


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("labels", 5, "is 5; expected a list of strings"),
        ("labels", ("PER", 5), r"is \('PER', 5\); expected a list of strings"),
        ("labels", "PER", "is the string 'PER'"),
        ("threshold", None, "is None; expected a number 0 to 1"),
        ("threshold", 2, "is 2; expected a number 0 to 1"),
        ("threshold", float("nan"), "is nan; expected a number 0 to 1"),
        ("runtime", "x", "is 'x'; expected one of 'auto'"),
        ("delivery", "x", "is 'x'; expected one of 'path', 'ship'"),
        ("on_error", None, "is None; expected one of 'skip', 'stop'"),
    ],
)
def test_what_cannot_be_looked_for_is_refused(field: str, value: Any, told: str) -> None:
    with pytest.raises(RecipeError, match=f"(?s)^{field}: .*{told}"):
        Finding(**{field: value})


# --- what is none of what was expected ---


@pytest.mark.usefixtures("spark")
def test_what_is_no_frame_of_spark_is_told(graph: Path) -> None:
    of_pandas = pd.DataFrame({"text": ["Ada"], "tags": [["O"]]})
    doors: list[tuple[type[Exception], Callable[[Any], Any]]] = [
        (DocumentError, lambda frame: tag(frame, str(graph))),
        (DocumentError, lambda frame: entity_pipeline(str(graph), "text").transform(frame)),
        (DocumentError, lambda frame: NerTagger.load(graph).transform(frame)),
        (DataError, lambda frame: score(frame, "tags", "tags")),
    ]
    for error, door in doors:
        for wrong in (None, of_pandas, "text"):
            with pytest.raises(error, match=r"^the frame is of type .*; expected a DataFrame of"):
                door(wrong)


def test_settings_of_another_type_are_told(graph: Path) -> None:
    with pytest.raises(RecipeError, match=r"DocumentAssembler: .*\n.*inputCol.*string"):
        entity_pipeline(str(graph), 5)  # type: ignore[arg-type]
    for wrong in ("x", {}):
        with pytest.raises(RecipeError, match=r"finding: .*\n.*expected Finding"):
            entity_pipeline(str(graph), "text", wrong)  # type: ignore[arg-type]


def test_what_cannot_be_scored_is_told(spark: Any) -> None:
    frame = spark.createDataFrame(
        [(["O"], ["O"], ["O"])], "tags array<string>, twice array<string>, TWICE array<string>"
    )

    def told(message: str, **given: Any) -> None:
        with pytest.raises(DataError, match=message):
            score(frame, **{"gold": "tags", "predicted": "tags", **given})

    told("the column is None; expected its name", gold=None)
    told("the column is 5; expected its name", predicted=5)
    told("the column 'tags.x' cannot be read .*; expected one column", gold="tags.x")
    told("the column 'twice' cannot be read .*; expected one column", gold="twice")
    told(r"names is 5; expected the names of the tags in a list", names=5)
    told(r"names is \[5\]; expected the names", names=[5])
    told("scheme is 5; expected one of IOB2", scheme=5)
    with pytest.raises(TagError, match="unknown tag scheme 'x'"):
        score(frame, "tags", "tags", scheme="x")
    named = score(frame, "tags", "tags", "strict", "iob2")
    assert named == score(frame, "tags", "tags", "strict", SCHEMES["IOB2"])
