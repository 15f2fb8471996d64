"""docs/from-spark-nlp.md: nertune's examples run, and print what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from nertune import Tagger

pytest.importorskip("pyspark")

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

PAGE = Path(__file__).parents[2] / "docs" / "from-spark-nlp.md"
BLOCK = re.compile(r"```python\n(.*?)```\n\n```text\n(.*?)```", re.DOTALL)
TEXT = "Angela Merkel visited AL-AIN."
SHORT = "Ada Lovelace met Charles Babbage in London"  # in which the model of the test finds some


def test_the_examples_of_the_page_print_what_it_says(
    spark: Any, graph: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = PAGE.read_text(encoding="utf-8")
    blocks = BLOCK.findall(page)
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
