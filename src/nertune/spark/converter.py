"""NerConverter: tags of words become entities."""

# ruff: noqa: N802, N803, N815 - the names that pyspark.ml and Spark NLP give setters and parameters

from __future__ import annotations

from collections.abc import Sequence

from pyspark import keyword_only
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.sql import DataFrame

from nertune.spark import executors
from nertune.spark.annotations import CHUNK, DOCUMENT, NAMED_ENTITY, TOKEN, with_annotations
from nertune.spark.columns import quoted
from nertune.spark.params import AnnotationStage, listed, one_of


class NerConverter(AnnotationStage):
    """Makes an entity (a chunk) of the tags that spell it.

    inputCols: a document and a named_entity column; a token column may be named too, as Spark NLP
    wants it. whiteList: the labels to keep; none given, all. preservePosition: `result` is the text
    as it stands; without, the first word. mergeRule: `conlleval` reads `B-PER I-LOC` as two
    entities, `spark-nlp` as one PER. `confidence` is the mean over the words; of an entity as the
    model found it, its probability. A row that failed before has no entities here;
    what is no tag stops the job.
    """

    reads = (DOCUMENT, TOKEN, NAMED_ENTITY)
    optional = (TOKEN,)

    whiteList: Param[list[str]] = Param(
        Params._dummy(),
        "whiteList",
        "the labels to keep, without a tag's prefix",
        TypeConverters.toListString,
    )
    preservePosition: Param[bool] = Param(
        Params._dummy(),
        "preservePosition",
        "whether result is the text as it stands",
        TypeConverters.toBoolean,
    )
    mergeRule: Param[str] = Param(
        Params._dummy(),
        "mergeRule",
        "how tags make entities: 'conlleval' or 'spark-nlp'",
        one_of("mergeRule", "conlleval", "spark-nlp"),
    )

    @keyword_only
    def __init__(
        self,
        *,
        inputCols: list[str] | None = None,
        outputCol: str | None = None,
        whiteList: list[str] | None = None,
        preservePosition: bool | None = None,
        mergeRule: str | None = None,
    ) -> None:
        super().__init__()
        self._setDefault(
            inputCols=["document", "token", "ner"],
            outputCol="entities",
            preservePosition=True,
            mergeRule="conlleval",
        )
        self.having(**self._input_kwargs)

    def setWhiteList(self, value: Sequence[str]) -> NerConverter:
        """Name the labels to keep, without a tag's prefix: ['PER', 'LOC']."""
        return self.having(whiteList=listed(value))

    def setPreservePosition(self, value: bool) -> NerConverter:
        """Say whether `result` is the text as it stands (else the first word)."""
        return self.having(preservePosition=value)

    def setMergeRule(self, value: str) -> NerConverter:
        """Choose how tags make entities: 'conlleval' or 'spark-nlp'."""
        return self.having(mergeRule=value)

    def _transform(self, dataset: DataFrame) -> DataFrame:
        columns = self.columns(dataset)
        labels = self.value("whiteList")
        work = executors.Convert(
            self.value("mergeRule"),
            None if labels is None else frozenset(labels),
            self.value("preservePosition"),
        )
        document, tags = quoted(columns[DOCUMENT]), quoted(columns[NAMED_ENTITY])
        entities = executors.apply(
            work, executors.document_columns(document) + executors.tag_columns(tags)
        )
        return with_annotations(dataset, self.getOutputCol(), entities, CHUNK)
