"""A frame to a table on Spark: the rows of `Tagger.table`, in classic Spark and in Connect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from spark_texts import TEXTS

from nertune import Tagger
from nertune.errors import BundleError, DocumentError, RecipeError
from nertune.tables import LEVELS
from nertune.testing import odd_texts

pytest.importorskip("pyspark")
from pyspark.errors import PythonException
from pyspark.sql import functions as F

from nertune.spark import Finding, tag

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

ROWS = [*TEXTS, None, "", " \n\t ", *odd_texts(seed=1, n=40)]
KINDS = {
    "start": "bigint", "end": "bigint", "sentence": "bigint", "word": "bigint",
    "n_words": "bigint", "n_sentences": "bigint", "n_entities": "bigint", "score": "double",
    "entities": "array<struct<start:bigint,end:bigint,label:string,text:string,score:double>>",
}  # fmt: skip


def frame_of(spark: Any, texts: list[Any]) -> Any:
    """Texts in several partitions, of which one is empty."""
    rows = [(i, text, [f"{i}"], {"k": i}) for i, text in enumerate(texts)]
    frame = spark.createDataFrame(
        rows, "`the.id` int, text string, more array<string>, m map<string,int>"
    )
    return frame.repartition(3).union(frame.limit(0))


def compared(rows: list[Any]) -> list[Any]:
    """Rows with scores of few digits, and None for NaN: batches differ, and so do last digits."""

    def plain(cell: Any) -> Any:
        if isinstance(cell, list):
            return [plain(one.asDict() if hasattr(one, "asDict") else one) for one in cell]
        if isinstance(cell, dict):
            return {name: plain(one) for name, one in cell.items()}
        if isinstance(cell, float):
            return None if cell != cell else pytest.approx(cell, abs=1e-5)
        return cell

    return [[plain(cell) for cell in row] for row in rows]


def local(graph: Path, level: Any, **options: Any) -> list[Any]:
    """The rows of Tagger.table, as the frame of `frame_of` has them."""
    frame = pd.DataFrame({"the.id": range(len(ROWS)), "text": ROWS})
    found = Tagger.load(graph).table(frame, level, **options)
    return compared(found.itertuples(index=False))


@pytest.mark.parametrize("level", LEVELS)
def test_the_rows_are_those_of_the_tagger(spark: Any, graph: Path, level: Any) -> None:
    found = tag(frame_of(spark, ROWS), str(graph), level, finding=Finding(on_error="stop"))
    columns = dict(found.dtypes)
    assert list(columns) == ["the.id", "more", "m", *LEVELS[level].columns]
    for name in LEVELS[level].columns:
        assert columns[name] == KINDS.get(name, "string")
    order = [name for name in ("the.id", "sentence", "start") if name in columns]
    rows = found.orderBy(*(F.col(f"`{name}`") for name in order)).collect()
    assert all(row.more == [str(row["the.id"])] and row.m == {"k": row["the.id"]} for row in rows)
    expected = local(graph, level)
    assert compared([(row[0], *row[3:]) for row in rows]) == expected
    assert len(expected) > 40


def test_threshold_and_labels_are_those_of_the_tagger(spark: Any, graph: Path) -> None:
    finding = Finding(threshold=0.3, labels=("PER",), on_error="stop")
    for level in ("entity", "word"):
        found = tag(frame_of(spark, ROWS), str(graph), level, finding=finding).drop("more", "m")
        rows = found.orderBy(F.col("`the.id`"), "start").collect()
        expected = local(graph, level, threshold=0.3, labels=["PER"])
        assert compared(rows) == expected
        assert 0 < len(expected) < len(local(graph, level)) or level == "word"


def test_many_rows_of_one_text_keep_their_places(spark: Any, graph: Path) -> None:
    long = "Ada met Charles . " * 6000
    found = tag(frame_of(spark, [long, "Ada", long]), str(graph), "word").select("`the.id`", "word")
    assert [row.asDict() for row in found.groupBy("`the.id`").agg(
        F.count("*").alias("n"), F.max("word").alias("most")
    ).orderBy("`the.id`").collect()] == [
        {"the.id": 0, "n": 24000, "most": 23999},
        {"the.id": 1, "n": 1, "most": 0},
        {"the.id": 2, "n": 24000, "most": 23999},
    ]  # fmt: skip


def test_rows_that_fail_are_told_and_the_job_goes_on(spark: Any, graph: Path) -> None:
    frame = spark.sql(
        "SELECT 'a' AS id, CAST(X'ff41' AS STRING) AS body UNION ALL SELECT 'b', 'Ada' UNION ALL "
        "SELECT 'c', NULL"
    )
    found = tag(frame, str(graph), "word", "body")
    assert found.columns == ["id", *LEVELS["word"].columns, "error"]
    bad, good = found.orderBy("id").collect()
    assert "is no valid UTF-8" in bad.error
    assert bad[:-1] == ("a", *[None] * 7)
    assert (good.id, good.word, good.text, good.error) == ("b", 0, "Ada", None)
    *_, missing = tag(frame, str(graph), "document", "body").orderBy("id").collect()
    assert tuple(missing) == ("c", None, 0, 0, 0, [], None)

    stopping = tag(frame, str(graph), "word", "body", Finding(on_error="stop"), "id")
    with pytest.raises(PythonException, match=r"the row with the id 'a': is no valid UTF-8"):
        stopping.collect()
    stopping = tag(frame, str(graph), "word", "body", Finding(on_error="stop"))
    with pytest.raises(PythonException, match=r"row 0 of a partition .from 0; .*id_column="):
        stopping.collect()


def test_what_does_not_fit_is_told_before_the_job(spark: Any, graph: Path) -> None:
    frame = spark.createDataFrame([(1, "Ada", "x")], "id int, text string, label string")

    def told(kind: type[Exception], message: str, model: Any = str(graph), **given: Any) -> None:
        with pytest.raises(kind, match=f"(?s){message}"):
            tag(frame, model, **{"level": "word", **given})

    told(DocumentError, "no label 'XYZ'; expected some of", finding=Finding(labels=("XYZ",)))
    told(DocumentError, "level is 'token'; expected one of 'entity'", level="token")
    told(DocumentError, "no column 'body'; .*It has: id, text, label", text_column="body")
    told(DocumentError, "'label'; expected others.*withColumnRenamed", level="entity")
    told(DocumentError, "'id' is of type int; expected string: cast", text_column="id")
    told(DocumentError, "id_column is 'key'; expected a column", id_column="key")
    told(BundleError, "'nothere' is no name either", "nothere")
    told(RecipeError, "finding: .*is 'x'; expected Finding", finding="x")
    told(RecipeError, "finding: .*is {}; expected Finding", finding={})
    told(DocumentError, "several columns 'None'|no column 'None'", text_column=None)
