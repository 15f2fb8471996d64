"""Scores of tags, and of a model, on a labelled frame: counts are summed on the cluster.

A score is a sum of counts, so these are those of `nertune.scoring` and `nertune evaluate` to the
last digit. A row is a sentence (an array of words or tags) or a document (an array of such arrays).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    DataType,
    IntegralType,
    LongType,
    StringType,
    StructField,
    StructType,
)

from nertune import schemes
from nertune.errors import BundleError, DataError, DocumentError, EncodingError, TagError
from nertune.scoring import Counts, Mode, Scores
from nertune.spark.columns import check_frame, quoted
from nertune.spark.counting import (
    FAULT,
    CountEvidence,
    CountFound,
    Counting,
    CountRow,
    CountScores,
    Reader,
    evidence_of,
    in_arrow,
    scores_of,
)
from nertune.spark.tagger import NerTagger

_BY, _SUMS = ("kind", "name"), ("correct", "predicted", "gold")
_ROWS = StructType(
    [StructField(name, StringType()) for name in _BY]
    + [StructField(name, LongType()) for name in _SUMS]
)
_RAISED = {
    kind.__name__: kind for kind in (DataError, TagError, DocumentError, BundleError, EncodingError)
}
_ONE = "expected one column of that name, or a field that is there, as 'ner.result'"
_EXPECTED = "array<string>, a sentence a row, or array<array<string>>, a document a row"


def score(
    frame: DataFrame,
    gold: str = "tags",
    predicted: str = "predicted",
    mode: Mode = "conlleval",
    scheme: schemes.Scheme | str | None = None,
    names: Sequence[str] | None = None,
) -> Scores:
    """Scores of a column of predicted tags against one of gold tags, as `scoring.score` has them.

    Both columns hold array<string>, a sentence a row, or array<array<string>>, a document a row; or
    ids instead of strings, the names of which are given in their order. scheme: one, or its
    name; in strict mode without it is found from the gold tags, for which the frame is read once
    more.
    Raises DataError that names the row where lengths differ, tags are null or an id has no name;
    TagError for a broken tag, or one that strict mode's scheme lacks.
    """
    scheme, listed = _scheme(scheme), _listed(names)
    read = _columns(frame, {"gold": gold, "predicted": predicted}, listed)
    if mode == "strict" and scheme is None:
        scheme = _scheme_of(read.select("gold"), listed)
    reader = Reader(("gold tags", "predicted tags"), listed)
    return scores_of(_summed(read, CountScores(reader, mode, scheme)))


def evaluate(
    frame: DataFrame,
    model: str | NerTagger,
    words: str = "tokens",
    tags: str = "tags",
    names: Sequence[str] | None = None,
) -> Scores:
    """Tag the words of a labelled frame and score what is found, as `nertune evaluate` does.

    model: a folder, a name or Hub id, or a NerTagger, the delivery, runtime and threshold of which
    count. words, tags: columns as in `score`; words are tagged as they are given, and sentences of
    a document see each other as in a file. Tags in another scheme than the model's are written in
    that first; to find it the frame is read once more. Raises as `score` does, and BundleError
    where there is no such model or a worker cannot read it.
    """
    stage = model if isinstance(model, NerTagger) else NerTagger.load(model)
    listed = _listed(names)
    read = _columns(frame, {"words": words, "tags": tags}, listed)
    spec = stage.proved(frame).spec
    scheme = _scheme_of(read.select("tags"), listed)
    reader = Reader(("words", "tags"), listed)
    work = CountFound(reader, spec, stage.value("threshold"), scheme.name)
    return scores_of(_summed(read, work))


def _scheme(scheme: Any) -> schemes.Scheme | None:
    """The scheme meant. Raises DataError for what is none, TagError for a name that is none."""
    if isinstance(scheme, str):
        return schemes.scheme_named(scheme)
    if scheme is not None and not isinstance(scheme, schemes.Scheme):
        raise DataError(f"scheme is {scheme!r}; expected one of {', '.join(schemes.SCHEMES)}")
    return scheme


def _columns(frame: DataFrame, wanted: dict[str, str], names: Sequence[str] | None) -> DataFrame:
    """The columns, found by name, under the names of ours that they stand behind.

    Raises DataError for one that is not there or of another type.
    """
    check_frame(frame, DataError)
    read = frame.select(*(_column(frame, name).alias(ours) for ours, name in wanted.items()))
    depths = {_depth(read.schema[ours].dataType, name, names) for ours, name in wanted.items()}
    if len(depths) > 1:
        first, second = wanted.values()
        raise DataError(
            f"of the columns '{first}' and '{second}' one holds sentences, the other documents; "
            f"expected both as {_EXPECTED}"
        )
    return read


def _listed(names: Any) -> tuple[str, ...] | None:
    """The names of tags in their order. Raises DataError for what are none, or have no order."""
    if names is None:
        return None
    ordered = isinstance(names, Iterable) and not isinstance(names, str | Set | Mapping)
    listed = tuple(names) if ordered else ()
    if not listed or not all(isinstance(name, str) for name in listed):
        kind = "the string " if isinstance(names, str) else ""
        raise DataError(
            f"names is {kind}{names!r}; expected the names of the tags in a list: "
            "['O', 'B-PER', 'I-PER']"
        )
    return listed


def _column(frame: DataFrame, name: Any) -> Column:
    """A column, or what is inside one, as `ner.result`."""
    if not isinstance(name, str):
        raise DataError(f"the column is {name!r}; expected its name, a string")
    known = name in frame.columns
    if known or name.partition(".")[0] in frame.columns:
        try:
            column = quoted(name) if known else F.col(name)
            frame.select(column).schema  # noqa: B018 - Connect looks the column up only now
        except AnalysisException as error:
            why = str(error).partition("\n")[0]
            raise DataError(f"the column '{name}' cannot be read ({why}); {_ONE}") from None
        return column
    raise DataError(
        f"the frame has no column '{name}'; it has: {', '.join(frame.columns)}. Name another one"
    )


def _depth(kind: DataType, name: str, names: Sequence[str] | None) -> int:
    """1 for sentences, 2 for documents."""
    depth, inner = 0, kind
    while isinstance(inner, ArrayType):
        depth, inner = depth + 1, inner.elementType
    if depth not in (1, 2) or not isinstance(inner, StringType | IntegralType):
        raise DataError(
            f"the column '{name}' is of type {kind.simpleString()}; expected {_EXPECTED}"
        )
    if isinstance(inner, IntegralType) and names is None:
        raise DataError(
            f"the column '{name}' holds ids of tags ({kind.simpleString()}); expected strings: "
            "give the names in the order of the ids, as names=['O', 'B-PER', 'I-PER']"
        )
    return depth


def _scheme_of(tags: DataFrame, names: tuple[str, ...] | None) -> schemes.Scheme:
    """The scheme that a column of tags is written in."""
    work = CountEvidence(Reader(("tags",), names))
    return evidence_of(_summed(tags, work)).best()


def _summed(frame: DataFrame, work: Counting) -> list[CountRow]:
    """What is counted in all partitions, summed by kind and name; raises what a worker found."""
    rows = frame.mapInArrow(in_arrow(work), _ROWS).groupBy(*_BY)
    found = rows.agg(*(F.sum(name).alias(name) for name in _SUMS)).collect()
    faults = sorted(json.loads(row["name"]) for row in found if row["kind"] == FAULT)
    for message, kind in faults:
        raise _RAISED.get(kind, DataError)(message)
    return [(row["kind"], row["name"], Counts(*(row[name] for name in _SUMS))) for row in found]
