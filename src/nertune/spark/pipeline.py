"""The usual pipeline, from a column of texts to entities, for what needs no more than that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.ml import PipelineModel

from nertune.errors import DocumentError
from nertune.runtime_choice import RuntimeName
from nertune.spark.assembler import DocumentAssembler
from nertune.spark.converter import NerConverter
from nertune.spark.params import listed
from nertune.spark.tagger import NerTagger
from nertune.spark.tokenizer import WordTokenizer


@dataclass(frozen=True)
class Finding:
    """What is looked for, and how. The fields are the parameters of the stages.

    Raises RecipeError for labels that are one string.
    """

    threshold: float = 0.0
    labels: tuple[str, ...] | None = None
    runtime: RuntimeName = "auto"
    delivery: str = "path"
    on_error: str = "skip"

    def __post_init__(self) -> None:
        if self.labels is not None:
            object.__setattr__(self, "labels", tuple(listed(self.labels, "labels")))

    def check_labels(self, known: Sequence[str]) -> None:
        """Raise DocumentError for a label that the model does not know."""
        for label in self.labels or ():
            if label not in known:
                raise DocumentError(
                    f"the model has no label '{label}'; expected some of {', '.join(known)}"
                )


def entity_pipeline(
    model: str, text_column: str, finding: Finding, id_column: str | None = None
) -> PipelineModel:
    """From `text_column` to the annotation columns `document`, `token`, `ner` and `entities`.

    id_column: rows that fail are named by it. Raises BundleError where there is no such model.
    """
    tagger = NerTagger.load(model).having(
        threshold=finding.threshold,
        runtime=finding.runtime,
        delivery=finding.delivery,
        onError=finding.on_error,
    )
    return PipelineModel(
        [
            DocumentAssembler(inputCol=text_column, idCol=id_column),
            WordTokenizer(onError=finding.on_error),
            tagger,
            NerConverter(whiteList=None if finding.labels is None else list(finding.labels)),
        ]
    )
