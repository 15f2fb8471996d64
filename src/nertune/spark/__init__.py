"""Named entities on Spark: the stages of a pipeline, with the columns of Spark NLP.

    DocumentAssembler -> WordTokenizer -> NerTagger -> NerConverter

`start` gives a session, `ship` sends a model to the workers, `failed` reads the rows that could not
be tagged. Works with classic Spark and with Spark Connect; needs pip install 'nertune[spark]' and
Java. See docs/spark.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nertune.errors import DependencyError

if TYPE_CHECKING:
    from nertune.spark.annotations import ANNOTATIONS, Annotation, failed, to_document
    from nertune.spark.assembler import DocumentAssembler
    from nertune.spark.converter import NerConverter
    from nertune.spark.delivery import ship
    from nertune.spark.job import Job, JobResult, JobWatch, Tally, job_session, run_job
    from nertune.spark.pipeline import Finding, entity_pipeline
    from nertune.spark.scores import evaluate, score
    from nertune.spark.session import start
    from nertune.spark.tables import tag
    from nertune.spark.tagger import NerTagger
    from nertune.spark.tokenizer import WordTokenizer

__all__ = [
    "ANNOTATIONS",
    "Annotation",
    "DocumentAssembler",
    "Finding",
    "Job",
    "JobResult",
    "JobWatch",
    "NerConverter",
    "NerTagger",
    "Tally",
    "WordTokenizer",
    "entity_pipeline",
    "evaluate",
    "failed",
    "job_session",
    "run_job",
    "score",
    "ship",
    "start",
    "tag",
    "to_document",
]

_PLACES = {
    "ANNOTATIONS": "annotations",
    "Annotation": "annotations",
    "DocumentAssembler": "assembler",
    "Finding": "pipeline",
    "Job": "job",
    "JobResult": "job",
    "JobWatch": "job",
    "NerConverter": "converter",
    "NerTagger": "tagger",
    "Tally": "job",
    "WordTokenizer": "tokenizer",
    "entity_pipeline": "pipeline",
    "evaluate": "scores",
    "failed": "annotations",
    "job_session": "job",
    "run_job": "job",
    "score": "scores",
    "ship": "delivery",
    "start": "session",
    "tag": "tables",
    "to_document": "annotations",
}
_PACKAGES = ("pyspark", "pyarrow", "pandas", "py4j", "grpc")


def __getattr__(name: str) -> Any:
    """Bring in pyspark only when something is asked for: workers need no more than one module."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f"{__name__}.{_PLACES[name]}")
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _PACKAGES:
            raise
        raise DependencyError(missing, "spark", "Tagging on Spark") from error
    return getattr(module, name)
