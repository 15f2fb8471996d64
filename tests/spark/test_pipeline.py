"""The pipeline in classic Spark: columns, offsets, entities, faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from spark_texts import TEXTS

from nertune import Document, Tagger
from nertune.errors import BundleError, DocumentError, RecipeError
from nertune.testing import odd_texts

pytest.importorskip("pyspark")
import pyarrow as pa
from pyspark.errors import PythonException
from pyspark.ml import Pipeline
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_type

from nertune.spark import (
    ANNOTATIONS,
    Annotation,
    DocumentAssembler,
    NerConverter,
    NerTagger,
    WordTokenizer,
    executors,
    failed,
    to_document,
)
from nertune.spark.executors import in_columns

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

TYPES = {"document": "document", "token": "token", "ner": "named_entity", "entities": "chunk"}
ROWS = [*TEXTS, None, "", " \n\t ", *odd_texts(seed=1, n=60)]


def stages(model: Any, **settings: Any) -> list[Any]:
    return [
        DocumentAssembler(inputCol="text", idCol="id"),
        WordTokenizer(),
        NerTagger.load(model).having(**settings),
        NerConverter(),
    ]


def frame_of(spark: Any, texts: list[Any]) -> Any:
    return spark.createDataFrame(list(enumerate(texts)), "id int, text string").repartition(3)


@pytest.fixture(scope="module")
def tagged(spark: Any, graph: Path) -> Iterator[Any]:
    """All rows through the pipeline, kept."""
    frame = frame_of(spark, ROWS)
    found = Pipeline(stages=stages(graph)).fit(frame).transform(frame).orderBy("id").cache()
    yield found
    found.unpersist()


@pytest.fixture(scope="module")
def rows(tagged: Any) -> list[Any]:
    return tagged.collect()


def test_the_columns_have_the_schema_of_spark_nlp(tagged: Any) -> None:
    for name, kind in TYPES.items():
        field = tagged.schema[name]
        assert field.dataType.simpleString() == (
            "array<struct<annotatorType:string,begin:int,end:int,result:string,"
            "metadata:map<string,string>,embeddings:array<float>>>"
        )
        assert field.metadata == {"annotatorType": kind}


def test_every_annotation_is_filled_as_spark_nlp_fills_it(rows: list[Any]) -> None:
    for row in rows:
        text = row.text or ""
        [document] = row.document
        assert document[:4] == ("document", 0, len(text) - 1, text)
        assert document.metadata == {"id": str(row.id), "sentence": "0"}
        assert [one[:3] for one in row.token] == [("token", one.begin, one.end) for one in row.ner]
        for token, tag in zip(row.token, row.ner, strict=True):
            assert token.result == text[token.begin : token.end + 1] == tag.metadata["word"]
            assert token.metadata == {"sentence": tag.metadata["sentence"]}
            assert tag.annotatorType == "named_entity"
        for number, chunk in enumerate(row.entities):
            assert chunk.annotatorType == "chunk"
            assert chunk.result == text[chunk.begin : chunk.end + 1]
            assert set(chunk.metadata) == {"entity", "sentence", "chunk", "confidence"}
            assert chunk.metadata["chunk"] == str(number)
        assert all(not one.embeddings for name in TYPES for one in row[name])


def test_the_entities_are_those_of_the_tagger(rows: list[Any], graph: Path) -> None:
    expected = list(Tagger.load(graph).tag_texts([text or "" for text in ROWS]))
    assert sum(len(document.entities) for document in expected) > 200
    for row, wanted in zip(rows, expected, strict=True):
        found = to_document(row.document, row.token, row.entities)
        assert (found.word_spans, found.sentences) == (wanted.word_spans, wanted.sentences)
        assert tuple(one.result for one in row.ner) == wanted.tags
        for one, other in zip(found.entities, wanted.entities, strict=True):
            assert one.score == pytest.approx(other.score, abs=1e-5)
            assert (one.start, one.end, one.label, one.text) == (
                other.start, other.end, other.label, other.text,
            )  # fmt: skip


def test_every_word_carries_the_probabilities_of_all_tags(rows: list[Any], graph: Path) -> None:
    tagger = Tagger.load(graph)
    documents = [Document.from_text(row.text or "") for row in rows]
    for row, (_, wanted) in zip(rows, tagger.word_probabilities(documents), strict=True):
        found = [[float(one.metadata[tag]) for tag in tagger.settings.tags] for one in row.ner]
        assert np.allclose(np.reshape(found, wanted.shape), wanted, atol=1e-5)


def test_the_probabilities_can_be_left_out(spark: Any, graph: Path) -> None:
    frame = frame_of(spark, ["Ada"])
    used = Pipeline(stages=stages(graph, includeAllConfidenceScores=False)).fit(frame)
    [tag] = used.transform(frame).first().ner
    assert {"sentence", "word"} <= set(tag.metadata) <= {"sentence", "word", "confidence"}


def test_annotations_become_the_same_column_field_by_field() -> None:
    rows = [
        [],
        [
            Annotation("token", 0, 2, "Ada", {"sentence": "0", "none": None}),
            Annotation("chunk", 4, 5, "\U0001f642 x", {}, [0.5, -1.0]),
        ],
        [],
        [Annotation("token", 0, -1, "", {"error": "why"})],
    ]
    for some in (rows, rows[:1], []):
        nested = [[(*one[:4], [*one.metadata.items()], one.embeddings) for one in r] for r in some]
        found = in_columns(some)
        found.validate(full=True)
        assert found.equals(pa.array(nested, to_arrow_type(ANNOTATIONS)))


def test_a_consumer_written_for_spark_nlp_runs_unchanged(tagged: Any, rows: list[Any]) -> None:
    tagged.createOrReplaceTempView("tagged")
    found = tagged.sparkSession.sql(
        """SELECT id, e.metadata['entity'] AS label, e.begin, e.end, e.result,
                  substring(text, e.begin + 1, e.end - e.begin + 1) AS cut
           FROM tagged LATERAL VIEW explode(entities) x AS e"""
    ).collect()
    assert len(found) == sum(len(row.entities) for row in rows)
    assert all(one.result == one.cut and one.label in ("LOC", "PER") for one in found)
    pairs = F.explode(F.arrays_zip(F.col("token.result"), F.col("ner.result").alias("tag")))
    assert tagged.select(pairs).count() == sum(len(row.token) for row in rows)


def test_missing_and_empty_texts_give_empty_annotations(rows: list[Any]) -> None:
    for row in rows[len(TEXTS) : len(TEXTS) + 2]:
        assert row.document[0][:4] == ("document", 0, -1, "")
        assert (row.token, row.ner, row.entities) == ([], [], [])


def test_no_row_is_said_to_have_failed(tagged: Any) -> None:
    assert tagged.where(failed("ner").isNotNull()).count() == 0


def test_the_door_of_older_spark_gives_the_same(
    tagged: Any, rows: list[Any], monkeypatch: pytest.MonkeyPatch, graph: Path
) -> None:
    monkeypatch.delattr(F, "arrow_udf", raising=False)
    frame = tagged.select("id", "text")
    found = Pipeline(stages=stages(graph)).fit(frame).transform(frame).orderBy("id").collect()
    for row, other in zip(rows, found, strict=True):
        assert (row.token, [one.result for one in row.ner]) == (
            other.token, [one.result for one in other.ner],
        )  # fmt: skip
        assert [one[:4] for one in row.entities] == [one[:4] for one in other.entities]


def test_texts_that_are_no_utf8_are_told_and_the_job_goes_on(spark: Any, graph: Path) -> None:
    frame = spark.sql("SELECT 'a' AS id, CAST(X'ff41' AS STRING) AS text UNION ALL "
                      "SELECT 'b', 'Ada met Charles'")  # fmt: skip
    pipeline = Pipeline(stages=stages(graph)).fit(frame)
    bad, good = (
        pipeline.transform(frame).select("id", "ner", "entities", failed("ner")).orderBy("id")
    ).collect()
    assert "no valid UTF-8" in bad.error
    assert bad.ner[0][:4] == ("named_entity", 0, -1, "")
    assert bad.entities == []
    assert good.error is None
    assert len(good.ner) == 3

    stopping = WordTokenizer(onError="stop").transform(pipeline.stages[0].transform(frame))
    with pytest.raises(PythonException, match=r"the row with the id 'a': a text is no valid UTF-8"):
        stopping.select("token").collect()


def test_tokens_of_another_text_are_told(spark: Any, graph: Path) -> None:
    frame = frame_of(spark, ["Ada  met 🙂 Charles"])
    first = DocumentAssembler(inputCol="text", outputCol="raw").transform(frame)
    both = DocumentAssembler(inputCol="text", cleanupMode="shrink").transform(first)
    words = WordTokenizer(inputCols=["document"]).transform(both)
    [row] = NerTagger.load(graph).setInputCols("token", "raw").transform(words).select(
        failed("ner")
    ).collect()  # fmt: skip
    assert "the token 'met' at 4 to 6 stands over ' me'" in row.error


def test_cleaned_texts_have_offsets_of_their_own(spark: Any) -> None:
    text = "  Ada\n\tmet \\n Charles  "
    expected = {
        "disabled": text,
        "inplace": "  Ada  met \\n Charles  ",
        "inplace_full": "  Ada  met   Charles  ",
        "shrink": "Ada met \\n Charles",
        "shrink_full": "Ada met   Charles",
        "each": "  Ada met \\n Charles  ",
        "each_full": "  Ada met  Charles  ",
        "delete_full": "Ada\n\tmet  Charles",
    }
    frame = frame_of(spark, [text])
    for mode in expected:
        stage = DocumentAssembler(inputCol="text", outputCol=mode).setCleanupMode(mode)
        frame = stage.transform(frame)
    [row] = frame.collect()
    assert {mode: row[mode][0].result for mode in expected} == expected
    assert all(row[mode][0].end == len(row[mode][0].result) - 1 for mode in expected)


def test_a_row_of_several_texts_has_a_document_each(spark: Any, graph: Path) -> None:
    frame = spark.createDataFrame(
        [(["Ada met Charles. He left.", None, "Lisbon"], {"source": "x", "sentence": "9"})],
        "text array<string>, facts map<string,string>",
    )
    first = DocumentAssembler().setInputCol("text").setMetadataCol("facts")
    row = Pipeline(stages=[first, *stages(graph)[1:]]).fit(frame).transform(frame).first()
    assert [one.result for one in row.document] == ["Ada met Charles. He left.", "", "Lisbon"]
    assert row.document[2].metadata == {"source": "x", "sentence": "2"}
    assert [tuple(map(one.metadata.get, ("sentence", "document"))) for one in row.token] == (
        [("0", "0")] * 4 + [("1", "0")] * 3 + [("2", "2")]
    )
    assert row.token[-1][1:4] == (0, 5, "Lisbon")
    texts = [one.result for one in row.document]
    for one in row.entities:
        assert one.result == texts[int(one.metadata["document"])][one.begin : one.end + 1]


def test_no_word_is_lost_beyond_the_window(spark: Any, graph: Path) -> None:
    text = " ".join(["Ada", "met", "Charles", "in", "Lisbon"] * 100)
    frame = frame_of(spark, [text])
    settings = {"maxSentenceLength": 16, "batchSize": 4, "threshold": 0.2}
    row = Pipeline(stages=stages(graph, **settings)).fit(frame).transform(frame).first()
    whole = Tagger.load(graph)
    window = whole.settings.window.model_copy(update={"pieces": 16})
    narrow = Tagger(
        whole.runtime,
        whole.settings.model_copy(update={"window": window}),
        whole.encoder.tokenizer,
    )
    [expected] = narrow.tag_texts([text], threshold=0.2)
    assert len(row.ner) == 500
    assert tuple(one.result for one in row.ner) == expected.tags
    assert {"O", "B-PER"} <= set(expected.tags or ())


def by_hand(spark: Any, tags: str) -> Any:
    """A frame whose tags were made elsewhere: no metadata says what its columns carry."""
    words = [f"w{i}" for i in range(len(tags.split()))]
    text, begins = " ".join(words), [3 * i for i in range(len(words))]
    document = [("document", 0, len(text) - 1, text, {"sentence": "0"}, [])]
    tokens = [
        ("token", i, i + 1, w, {"sentence": "0"}, []) for i, w in zip(begins, words, strict=True)
    ]
    ner = [
        ("named_entity", i, i + 1, tag, {"sentence": "0", "word": w.upper(), "confidence": c}, [])
        for i, w, tag, c in zip(begins, words, tags.split(), ("0.5", "0.25", "1.0"), strict=False)
    ]
    from pyspark.sql.types import StructField, StructType

    kind = StructType([StructField(name, ANNOTATIONS) for name in ("document", "token", "ner")])
    return spark.createDataFrame([(document, tokens, ner)], kind)


def test_both_merge_rules_the_white_list_and_the_position(spark: Any) -> None:
    frame = by_hand(spark, "B-PER I-LOC B-LOC")
    ours = NerConverter(outputCol="ours")
    theirs = NerConverter(outputCol="theirs", mergeRule="spark-nlp").setPreservePosition(False)
    only = NerConverter().setOutputCol("only").setWhiteList(["LOC"])
    row = Pipeline(stages=[ours, theirs, only]).fit(frame).transform(frame).first()

    def told(column: str) -> list[tuple[str, ...]]:
        return [
            (one.result, *map(one.metadata.get, ("entity", "chunk", "confidence")))
            for one in row[column]
        ]

    assert told("ours") == [
        ("w0", "PER", "0", "0.5"), ("w1", "LOC", "1", "0.25"), ("w2", "LOC", "2", "1.0"),
    ]  # fmt: skip
    assert told("theirs") == [("W0", "PER", "0", "0.375"), ("W2", "LOC", "1", "1.0")]
    assert [(one.begin, one.end) for one in row.theirs] == [(0, 4), (6, 7)]
    assert told("only") == [("w1", "LOC", "0", "0.25"), ("w2", "LOC", "1", "1.0")]


def test_what_is_no_tag_stops_the_job(spark: Any) -> None:
    frame = NerConverter().transform(by_hand(spark, "B-PER Lisbon O"))
    with pytest.raises(PythonException, match="tag 'Lisbon'"):
        frame.select("entities").collect()


def test_words_by_the_rules_of_spark_nlp_are_the_words_that_are_tagged(
    spark: Any, graph: Path
) -> None:
    frame = frame_of(spark, ["(U.N.) didn't."])
    used = stages(graph)
    used[1] = WordTokenizer().setRules("spark-nlp")
    row = Pipeline(stages=used).fit(frame).transform(frame).first()
    assert [one.metadata["word"] for one in row.ner] == ["(", "U.N", ".)", "didn't", "."]


def test_batches_keep_their_sizes_while_rows_cross_their_borders() -> None:
    class Echo:
        """Reads two rows ahead."""

        def annotate(self, rows: Iterator[Any]) -> Iterator[Any]:
            ahead: list[Any] = []
            for (text,) in rows:
                ahead.append([Annotation("token", 0, 0, text, {})])
                if len(ahead) > 2:
                    yield ahead.pop(0)
            yield from ahead

    sizes = [0, 1, 0, 5, 2, 0, 0]
    names = iter("abcdefgh")
    batches = [([next(names) for _ in range(size)],) for size in sizes]
    found = list(executors.in_batches(Echo(), batches))
    assert [[row[0].result for row in batch] for batch in found] == [batch[0] for batch in batches]


def test_each_stage_runs_once(spark: Any, graph: Path) -> None:
    frame = frame_of(spark, ["Ada"])
    found = Pipeline(stages=stages(graph)).fit(frame).transform(frame)
    plan = found._jdf.queryExecution().optimizedPlan().toString()
    assert plan.count("ArrowEvalPython") == 3


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: WordTokenizer(rules="x"), "rules: 1 fault\n  - is 'x'; expected one of 'nertune'"),
        (lambda: NerTagger(threshold=2.0), "is 2.0; expected a number 0 to 1"),
        (lambda: NerTagger().setBatchSize(0), "is 0; expected a whole number of at least 1"),
        (lambda: NerConverter().setWhiteList("PER"), r"expected a list: \['PER'\]"),
    ],
)
def test_settings_that_are_none_are_refused(make: Callable[[], Any], told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        make()


def test_columns_that_do_not_fit_are_refused(spark: Any, graph: Path) -> None:
    frame = frame_of(spark, ["Ada"])
    with pytest.raises(DocumentError, match="reads the column 'x', which the frame does not have"):
        DocumentAssembler(inputCol="x").transform(frame)
    with pytest.raises(DocumentError, match=r"of type int; expected string or array<string>"):
        DocumentAssembler(inputCol="id").transform(frame)
    with pytest.raises(DocumentError, match="begin the pipeline with a DocumentAssembler"):
        WordTokenizer(inputCols=["text"]).transform(frame)
    documents = DocumentAssembler(inputCol="text").transform(frame)
    with pytest.raises(DocumentError, match="'token' is missing: name the output of a WordTok"):
        NerTagger.load(graph).setInputCols(["document"]).transform(documents)


def test_the_case_must_be_the_model_s(spark: Any, graphs: Callable[[str], Path]) -> None:
    frame = frame_of(spark, ["Ada"])
    for family, right in (("bert-cased", True), ("bert", False)):
        ready = Pipeline(stages=stages(graphs(family))[:2]).fit(frame).transform(frame)
        tagger = NerTagger.load(graphs(family))
        assert tagger.setCaseSensitive(right).transform(ready).columns[-1] == "ner"
        with pytest.raises(BundleError, match=rf"caseSensitive={not right}.*\n?.*setCaseSensitive"):
            tagger.setCaseSensitive(not right).transform(ready)
    with pytest.raises(BundleError, match=r"maxSentenceLength=512: the encoder of .* reads 258"):
        tagger.setCaseSensitive(False).setMaxSentenceLength(512).transform(ready)
