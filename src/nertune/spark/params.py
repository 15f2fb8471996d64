"""What the stages share: checked parameters, and columns found by what they carry."""

# ruff: noqa: N802, N815 - the names that pyspark.ml and Spark NLP give setters and parameters

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Real
from typing import Any, TypeVar

from pyspark.ml import Transformer
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.util import DefaultParamsReadable, DefaultParamsWritable
from pyspark.sql import DataFrame
from pyspark.sql.types import ArrayType, StructType

from nertune.errors import DocumentError, RecipeError
from nertune.spark.annotations import DOCUMENT, NAMED_ENTITY, TOKEN
from nertune.spark.columns import check_frame, check_once

Self = TypeVar("Self", bound="Stage")

_MAKERS = {
    DOCUMENT: "DocumentAssembler",
    TOKEN: "WordTokenizer",
    NAMED_ENTITY: "NerTagger",
}
ON_ERROR = ("skip", "stop")


def one_of(name: str, *allowed: str) -> Callable[[Any], str]:
    """A converter for a parameter that takes one of a few values; RecipeError for another."""

    def convert(value: Any) -> str:
        if value not in allowed:
            listed = ", ".join(f"'{one}'" for one in allowed)
            raise RecipeError(name, [f"is {value!r}; expected one of {listed}"])
        return str(value)

    return convert


def number(name: str, kind: type, least: float, most: float) -> Callable[[Any], Any]:
    """A converter for a number in a range; RecipeError for what is none, or outside."""

    def convert(value: Any) -> Any:
        good = not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)
        if not good or not least <= value <= most or kind(value) != value:
            whole = "a whole number" if kind is int else "a number"
            span = f"of at least {least:g}" if most == float("inf") else f"{least:g} to {most:g}"
            raise RecipeError(name, [f"is {value!r}; expected {whole} {span}"])
        return kind(value)

    return convert


class Stage(Transformer, DefaultParamsReadable[Any], DefaultParamsWritable):
    """A Transformer that writes one column of annotations."""

    _input_kwargs: dict[str, Any]  # what `keyword_only` was given

    outputCol: Param[str] = Param(
        Params._dummy(), "outputCol", "the annotation column to write", TypeConverters.toString
    )

    def setOutputCol(self: Self, value: str) -> Self:
        """Name the annotation column to write."""
        return self.having(outputCol=value)

    def getOutputCol(self) -> str:
        """The annotation column to write."""
        return self.getOrDefault(self.outputCol)

    def having(self: Self, **given: Any) -> Self:
        """This stage with these parameters set; those that are None are left alone.

        Raises RecipeError for a value of another type, or out of its range.
        """
        try:
            self._set(**{name: value for name, value in given.items() if value is not None})
        except TypeError as error:  # what the converters of pyspark.ml raise
            raise RecipeError(type(self).__name__, [str(error)]) from None
        return self

    def value(self, name: str) -> Any:
        """A parameter's value, or its default; None where it has neither."""
        param = self.getParam(name)
        return self.getOrDefault(param) if self.isDefined(param) else None


class AnnotationStage(Stage):
    """A Stage that reads annotation columns."""

    reads: tuple[str, ...] = ()
    """The types of annotation that it reads, each from one column."""

    optional: tuple[str, ...] = ()
    """Those that it takes, but does not need."""

    inputCols: Param[list[str]] = Param(
        Params._dummy(),
        "inputCols",
        "the annotation columns to read, in any order",
        TypeConverters.toListString,
    )

    def setInputCols(self: Self, *value: Any) -> Self:
        """Name the annotation columns to read, in any order: a list, or one after another."""
        columns = value[0] if len(value) == 1 and not isinstance(value[0], str) else value
        return self.having(inputCols=list(columns))

    def getInputCols(self) -> list[str]:
        """The annotation columns to read."""
        return self.getOrDefault(self.getParam("inputCols"))

    def columns(self, dataset: DataFrame) -> Mapping[str, str]:
        """The columns to read by the type of annotation that each carries.

        A column that does not tell its type (its metadata was lost) is taken by its place.
        Raises DocumentError where one is missing, is no annotation column, or carries another type.
        """
        names = self.value("inputCols") or []
        kinds = {name: _kind(self, dataset, name) for name in names}
        found = {kind: name for name, kind in kinds.items() if kind}
        spare = () if len(names) == len(self.reads) else self.optional
        untold = [kind for kind in self.reads if kind not in found and kind not in spare]
        found |= zip(untold, [name for name in names if kinds[name] is None], strict=False)
        for kind in self.reads:
            if kind not in found and kind not in self.optional:
                raise DocumentError(
                    f"{type(self).__name__} has inputCols={names}; expected one column of each of "
                    f"the types {', '.join(self.reads)}, and '{kind}' is missing: name the output "
                    f"of a {_MAKERS[kind]}"
                )
        return found


class TextStage(AnnotationStage):
    """An AnnotationStage that reads texts, of which some may be no texts."""

    onError: Param[str] = Param(
        Params._dummy(),
        "onError",
        "a row that fails: 'skip' tells why in metadata['error'], 'stop' ends the job",
        one_of("onError", *ON_ERROR),
    )

    def setOnError(self: Self, value: str) -> Self:
        """Say what becomes of a row that fails: 'skip' (tell why in it) or 'stop' (the job)."""
        return self.having(onError=value)


def field_of(stage: Stage, dataset: DataFrame, name: str) -> Any:
    """The field of a column, as Spark knows it. Raises DocumentError but for just one such."""
    check_frame(dataset)
    if name not in dataset.columns:
        raise DocumentError(
            f"{type(stage).__name__} reads the column '{name}', which the frame does not have; it "
            f"has: {', '.join(dataset.columns)}"
        )
    check_once(dataset, [name])
    return dataset.schema[name]


def _kind(stage: Stage, dataset: DataFrame, name: str) -> str | None:
    """The type of annotation that a column tells to carry; None where it tells nothing."""
    field = field_of(stage, dataset, name)
    kind = field.dataType
    of = kind.elementType if isinstance(kind, ArrayType) else None
    if not isinstance(of, StructType) or not {"begin", "end", "result"} <= set(of.names):
        raise DocumentError(
            f"{type(stage).__name__} reads the column '{name}' of type {kind.simpleString()}; "
            "expected annotations: begin the pipeline with a DocumentAssembler"
        )
    return (field.metadata or {}).get("annotatorType")


def listed(value: str | Iterable[str], name: str = "whiteList") -> list[str]:
    """Several names as a list; RecipeError for a single string, which would be its letters."""
    if isinstance(value, str):
        raise RecipeError(name, [f"is the string {value!r}; expected a list: ['{value}']"])
    names = list(value) if isinstance(value, Iterable) else [value]
    if names == [value] or not all(isinstance(one, str) for one in names):
        raise RecipeError(name, [f"is {value!r}; expected a list of strings: ['PER', 'LOC']"])
    return names


def check_labels(labels: Iterable[str], known: Sequence[str]) -> None:
    """Raise DocumentError for a label that the model does not know."""
    for label in labels:
        if label not in known:
            raise DocumentError(
                f"the model has no label '{label}'; expected some of {', '.join(known)}"
            )
