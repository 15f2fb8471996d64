"""WordTokenizer: a column of documents becomes a column of words, with their sentences."""

# ruff: noqa: N802, N803 - the names that pyspark.ml and Spark NLP give setters and parameters

from __future__ import annotations

from pyspark import keyword_only
from pyspark.ml.param import Param, Params
from pyspark.sql import DataFrame

from nertune.spark import executors
from nertune.spark.annotations import DOCUMENT, TOKEN, with_annotations
from nertune.spark.columns import quoted
from nertune.spark.params import TextStage, one_of


class WordTokenizer(TextStage):
    """Divides documents into words, the words that NerTagger tags, and sentences.

    rules: `nertune` are those of every other door; `spark-nlp` are those of its Tokenizer (runs of
    outer punctuation off, nothing else), with our sentences. `metadata["sentence"]` counts the
    sentences of the row from 0. onError: see TextStage.
    """

    reads = (DOCUMENT,)

    rules: Param[str] = Param(
        Params._dummy(),
        "rules",
        "where words end: 'nertune' or 'spark-nlp'",
        one_of("rules", "nertune", "spark-nlp"),
    )

    @keyword_only
    def __init__(
        self,
        *,
        inputCols: list[str] | None = None,
        outputCol: str | None = None,
        rules: str | None = None,
        onError: str | None = None,
    ) -> None:
        super().__init__()
        self._setDefault(inputCols=["document"], outputCol="token", rules="nertune", onError="skip")
        self.having(**self._input_kwargs)

    def setRules(self, value: str) -> WordTokenizer:
        """Choose the rules by which words end: 'nertune' or 'spark-nlp'."""
        return self.having(rules=value)

    def _transform(self, dataset: DataFrame) -> DataFrame:
        document = quoted(self.columns(dataset)[DOCUMENT])
        work = executors.Tokenize(self.value("rules"), self.value("onError"))
        words = executors.apply(work, executors.document_columns(document))
        return with_annotations(dataset, self.getOutputCol(), words, TOKEN)
