"""NerTagger: words become tags, by a model that each worker loads once."""

# ruff: noqa: N802, N803, N815 - the names that pyspark.ml and Spark NLP give setters and parameters

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from pyspark import keyword_only
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.util import MLWriter
from pyspark.sql import DataFrame

from nertune.errors import BundleError
from nertune.modelnames import pretrained_model
from nertune.runtime_choice import RuntimeName
from nertune.spark import executors
from nertune.spark.annotations import DOCUMENT, NAMED_ENTITY, TOKEN, with_annotations
from nertune.spark.columns import check_frame, quoted
from nertune.spark.delivery import folder_for, prove, ship
from nertune.spark.models import SHIPPED, ModelSpec, Proved
from nertune.spark.params import TextStage, number, one_of
from nertune.spark.saving import TaggerWriter, is_saved_stage, load_tagger

_MANY = float("inf")


def _param(name: str, doc: str, convert: Any) -> Param[Any]:
    return Param(Params._dummy(), name, doc, convert)


class NerTagger(TextStage):
    """Tags every word: one `named_entity` annotation a token, whatever the length of the text.

    model: a folder that the workers can read, an id of the Hub, or what `ship` returned. delivery:
    `path`, workers read the folder under the driver's path; `ship`, Spark sends it to them.
    caseSensitive: checked against the model, if given. maxSentenceLength: pieces in a window; a
    longer sentence is divided, never cut; none given, the model's own. batchSize: windows of full
    length in a batch; changes no result. threshold: entities with a lower score get O. runtime: as
    in Tagger.load. includeAllConfidenceScores: whether each word's metadata hold the probability of
    every tag, as those of Spark NLP's classifiers do. saveModel: whether a saved stage holds the
    model, in `<path>/model`.
    """

    reads = (DOCUMENT, TOKEN)

    model = _param("model", "folder or Hub id of the model", TypeConverters.toString)
    delivery = _param(
        "delivery", "how workers get the model: 'path', 'ship'", one_of("delivery", "path", "ship")
    )
    caseSensitive = _param(
        "caseSensitive", "whether the model is cased; checked", TypeConverters.toBoolean
    )
    maxSentenceLength = _param(
        "maxSentenceLength", "pieces in a window", number("maxSentenceLength", int, 8, _MANY)
    )
    batchSize = _param(
        "batchSize", "windows of full length in a batch", number("batchSize", int, 1, _MANY)
    )
    threshold = _param("threshold", "least score of an entity", number("threshold", float, 0, 1))
    runtime = _param("runtime", "what runs the model", one_of("runtime", *get_args(RuntimeName)))
    includeAllConfidenceScores = _param(
        "includeAllConfidenceScores",
        "whether each word carries the probability of every tag",
        TypeConverters.toBoolean,
    )
    saveModel = _param(
        "saveModel", "whether a saved stage holds the model", TypeConverters.toBoolean
    )

    @keyword_only
    def __init__(  # noqa: PLR0913 - pyspark.ml names every parameter in the constructor
        self,
        *,
        inputCols: list[str] | None = None,
        outputCol: str | None = None,
        model: str | None = None,
        delivery: str | None = None,
        caseSensitive: bool | None = None,
        maxSentenceLength: int | None = None,
        batchSize: int | None = None,
        threshold: float | None = None,
        runtime: str | None = None,
        includeAllConfidenceScores: bool | None = None,
        onError: str | None = None,
        saveModel: bool | None = None,
    ) -> None:
        super().__init__()
        self._setDefault(
            inputCols=["document", "token"],
            outputCol="ner",
            delivery="path",
            threshold=0.0,
            runtime="auto",
            includeAllConfidenceScores=True,
            onError="skip",
            saveModel=True,
        )
        self.having(**self._input_kwargs)

    @classmethod
    def pretrained(
        cls, name: str = "bert_base_token_classifier_conll03", lang: str = "en"
    ) -> NerTagger:
        """A tagger by language and name (`lang.name` of 'nertune names'), by folder or by Hub id.

        Raises BundleError.
        """
        return cls.load(pretrained_model(name, lang))

    @classmethod
    def load(cls, path: str | Path) -> NerTagger:
        """A tagger from a model folder, a run folder, an id of the Hub, or a saved NerTagger.

        Raises BundleError where there is none; a folder that the driver does not see is left to
        the workers.
        """
        path = str(path)
        if is_saved_stage(path):
            return load_tagger(cls, path)  # type: ignore[no-any-return]
        folder_for(path)
        return cls(model=path)

    def write(self) -> MLWriter:
        """What saves it: the parameters, and the model beside them unless saveModel is False."""
        return TaggerWriter(self)

    def setModel(self, value: str | Path) -> NerTagger:
        """Name the model: a folder, an id of the Hub, or what `ship` returned."""
        return self.having(model=str(value))

    def setDelivery(self, value: str) -> NerTagger:
        """Say how workers get the model: 'path' (they read the folder) or 'ship' (Spark sends)."""
        return self.having(delivery=value)

    def setCaseSensitive(self, value: bool) -> NerTagger:
        """Say whether the model is cased; a model that is not so is refused."""
        return self.having(caseSensitive=value)

    def setMaxSentenceLength(self, value: int) -> NerTagger:
        """Set the pieces in a window; longer sentences are divided, never cut."""
        return self.having(maxSentenceLength=value)

    def setBatchSize(self, value: int) -> NerTagger:
        """Set how many windows of full length make a batch; more of shorter ones fit."""
        return self.having(batchSize=value)

    def setThreshold(self, value: float) -> NerTagger:
        """Set the least score of an entity; the words of others get O."""
        return self.having(threshold=value)

    def setRuntime(self, value: str) -> NerTagger:
        """Choose what runs the model: 'auto', 'torch', 'onnx' or 'onnx-int8'."""
        return self.having(runtime=value)

    def setIncludeAllConfidenceScores(self, value: bool) -> NerTagger:
        """Say whether each word's metadata hold the probability of every tag."""
        return self.having(includeAllConfidenceScores=value)

    def setSaveModel(self, value: bool) -> NerTagger:
        """Say whether a saved stage holds the model."""
        return self.having(saveModel=value)

    def _transform(self, dataset: DataFrame) -> DataFrame:
        columns = self.columns(dataset)
        work = executors.Tag(
            self.proved(dataset).spec,
            self.value("threshold"),
            self.value("onError"),
            self.value("includeAllConfidenceScores"),
        )
        document, tokens = quoted(columns[DOCUMENT]), quoted(columns[TOKEN])
        tags = executors.apply(
            work, executors.document_columns(document) + executors.token_columns(tokens)
        )
        return with_annotations(dataset, self.getOutputCol(), tags, NAMED_ENTITY)

    def proved(self, dataset: DataFrame) -> Proved:
        """The model, which every worker has loaded. Raises BundleError, and DocumentError."""
        check_frame(dataset)
        model = self.value("model")
        if model is None:
            raise BundleError("the NerTagger has no model; say NerTagger.load(folder or Hub id)")
        spark = dataset.sparkSession
        folder = folder_for(model)
        if self.value("delivery") == "ship" and not folder.startswith(SHIPPED):
            folder = ship(spark, folder)
        spec = ModelSpec(
            folder,
            runtime=self.value("runtime"),
            window=self.value("maxSentenceLength"),
            batch_size=self.value("batchSize"),
        )
        return prove(spark, spec, self.value("caseSensitive"))
