"""Frames and the names of their columns, as Spark finds and compares them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from nertune.errors import DocumentError, NertuneError


def quoted(name: str) -> Column:
    """The column of just this name, whatever dots and backticks there are in it."""
    return F.col("`" + name.replace("`", "``") + "`")


def check_frame(frame: Any, error: type[NertuneError] = DocumentError) -> None:
    """Raise the error for what is no DataFrame of Spark, or one of a session that was closed."""
    kind = type(frame)
    of_connect = kind.__module__.startswith("pyspark.sql.connect") and kind.__name__ == "DataFrame"
    if not isinstance(frame, DataFrame) and not of_connect:
        raise error(
            f"the frame is of type {kind.__module__}.{kind.__name__}; expected a DataFrame of "
            "Spark, as spark.read.parquet(...) gives; spark.createDataFrame(...) makes one of "
            "pandas"
        )
    if _is_closed(frame.sparkSession):
        raise error(
            "the session of the frame was closed; expected one that runs: start another one, and "
            "read the frame anew"
        )


def _is_closed(session: Any) -> bool:
    context = getattr(session, "_sc", None)  # what a session of Connect does not have
    if context is not None:
        return getattr(context, "_jsc", None) is None
    return bool(getattr(session, "is_stopped", False))


def in_one_case(frame: DataFrame, names: Sequence[str]) -> list[str]:
    """The names so written that those which Spark takes for the same one are equal."""
    settings: Any = frame.sparkSession.conf
    if str(settings.get("spark.sql.caseSensitive", "false")).lower() == "true":
        return list(names)
    return [name.lower() for name in names]


def same_names(frame: DataFrame, name: str) -> list[str]:
    """The columns of the frame, as it writes them, that Spark takes for one of this name."""
    there = frame.columns
    wanted, *written = in_one_case(frame, [name, *there])
    return [one for one, plain in zip(there, written, strict=True) if plain == wanted]


def check_once(frame: DataFrame, names: Sequence[str]) -> None:
    """Raise DocumentError for columns of the frame that Spark takes for several."""
    counted = Counter(in_one_case(frame, frame.columns))
    for name, plain in zip(names, in_one_case(frame, names), strict=True):
        if counted[plain] > 1:
            raise DocumentError(
                f"the frame has several columns that '{name}' means to Spark: "
                f"{', '.join(same_names(frame, name))}; expected one: rename or drop the others"
            )
