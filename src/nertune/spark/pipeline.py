"""The usual pipeline, from a column of texts to entities, for what needs no more than that."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pyspark.ml import PipelineModel

from nertune.bundle import load_bundle
from nertune.errors import RecipeError
from nertune.runtime_choice import RuntimeName
from nertune.schemes import labels_of
from nertune.spark.assembler import DocumentAssembler
from nertune.spark.converter import NerConverter
from nertune.spark.delivery import folder_for
from nertune.spark.params import ON_ERROR, check_labels, listed, number, one_of
from nertune.spark.tagger import NerTagger
from nertune.spark.tokenizer import WordTokenizer

_FIELDS: Mapping[str, Callable[[Any], Any]] = {
    "threshold": number("threshold", float, 0.0, 1.0),
    "runtime": one_of("runtime", *get_args(RuntimeName)),
    "delivery": one_of("delivery", "path", "ship"),
    "on_error": one_of("on_error", *ON_ERROR),
}


@dataclass(frozen=True)
class Finding:
    """What is looked for, and how. The fields are the parameters of the stages.

    Raises RecipeError for a field of another type, or out of its range.
    """

    threshold: float = 0.0
    labels: tuple[str, ...] | None = None
    runtime: RuntimeName = "auto"
    delivery: str = "path"
    on_error: str = "skip"

    def __post_init__(self) -> None:
        if self.labels is not None:
            object.__setattr__(self, "labels", tuple(listed(self.labels, "labels")))
        for name, convert in _FIELDS.items():
            object.__setattr__(self, name, convert(getattr(self, name)))

    def check_labels(self, known: Sequence[str]) -> None:
        """Raise DocumentError for a label that the model does not know."""
        check_labels(self.labels or (), known)


def finding_of(given: Any) -> Finding:
    """What is given, or for None the default. Raises RecipeError for what is no Finding."""
    if given is not None and not isinstance(given, Finding):
        raise RecipeError("finding", [f"is {given!r}; expected Finding(threshold=0.5), or None"])
    return given or Finding()


def entity_pipeline(
    model: str | Path,
    text_column: str,
    finding: Finding | None = None,
    id_column: str | None = None,
) -> PipelineModel:
    """From `text_column` to the annotation columns `document`, `token`, `ner` and `entities`.

    id_column: rows that fail are named by it. Raises BundleError where there is no such model,
    RecipeError for a setting of another type, and DocumentError for a label that the model does not
    know, if the driver sees the model.
    """
    finding = finding_of(finding)
    tagger = NerTagger.load(model).having(
        threshold=finding.threshold,
        runtime=finding.runtime,
        delivery=finding.delivery,
        onError=finding.on_error,
    )
    folder = Path(folder_for(tagger.value("model")))
    if finding.labels is not None and folder.is_dir():
        finding.check_labels(labels_of(load_bundle(folder).settings.tags))
    return PipelineModel(
        [
            DocumentAssembler(inputCol=text_column, idCol=id_column),
            WordTokenizer(onError=finding.on_error),
            tagger,
            NerConverter(whiteList=None if finding.labels is None else list(finding.labels)),
        ]
    )
