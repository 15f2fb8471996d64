"""docs/spark.md and docs/from-spark-nlp.md: nertune's examples run, and print what is said."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from nertune import Tagger

pytest.importorskip("pyspark")

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
BLOCK_AND_OUTPUT = re.compile(r"```python\n(.*?)```\n\n```text\n(.*?)```", re.DOTALL)
TEXT = "Angela Merkel visited AL-AIN."
SHORT = "Ada Lovelace met Charles Babbage in London"  # in which the model of the test finds some


@pytest.mark.usefixtures("spark")
def test_the_examples_of_the_page_about_spark_run(
    graph: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (DOCS / "spark.md").read_text(encoding="utf-8")
    for said, meant in {
        "runs/my-model/model": str(graph), "runs/my-model": str(graph), "es.ner": str(graph),
        "/shared": str(tmp_path), "show()": "show(100)",
    }.items():  # fmt: skip
        page = page.replace(said, meant)
    in_one_line, stages, failures, scores = BLOCK.findall(page)
    names: dict[str, Any] = {}
    for code in (in_one_line, stages):
        exec(code, names)
        shown = capsys.readouterr().out
        for entity in Tagger.load(graph)("Angela Merkel visited Paris."):
            assert entity.text in shown
            assert entity.label in shown
    names["tagged"] = names["pipeline"].transform(names["frame"].selectExpr("1 AS id", "text"))
    exec(failures, names)
    assert "Angela" not in capsys.readouterr().out
    row = (["Ada"], ["B-PER"], ["B-PER"])
    names["frame"] = names["spark"].createDataFrame([row], ["tokens", "tags", "predicted"])
    exec(scores, names)


def test_the_examples_of_the_page_from_spark_nlp_print_what_it_says(
    spark: Any, graph: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (DOCS / "from-spark-nlp.md").read_text(encoding="utf-8")
    blocks = BLOCK_AND_OUTPUT.findall(page)
    assert len(blocks) == page.count("```python\n") > 5
    entities = Tagger.load(graph)(SHORT)
    assert entities
    names: dict[str, Any] = {}
    for code, expected in blocks:
        code = code.replace("runs/conll2003", str(graph))
        if expected[0] == "+":  # a table of entities: another model than that of the page
            exec(code.replace(TEXT, SHORT), names)
            shown = capsys.readouterr().out
            assert shown.split("\n")[1].split() == expected.split("\n")[1].split()
            assert all(entity.text in shown and entity.label in shown for entity in entities)
        else:
            names["frame"] = spark.createDataFrame([(TEXT,)], ["text"])
            exec(code, names)
            assert capsys.readouterr().out == expected
