"""What Spark and Java raise, as a line that says why."""

from __future__ import annotations

from typing import Any

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

FAULTS = (Py4JError, PySparkException)
"""What Java's exceptions become; pyspark makes exceptions of its own of some of them."""

_MOST_CAUSES = 20  # Java's chains may be rings


def reason_of(error: BaseException) -> str:
    """What Java said, in a line, and what it says was the cause of that."""
    fault = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    told = [_line(one) for one in _chain(fault)] or [_useful(str(error)) or type(error).__name__]
    first, last = told[0], told[-1]
    return first if last in first else f"{first}; the cause: {last}"


def _chain(fault: Any) -> list[Any]:
    found: list[Any] = []
    while fault is not None and len(found) < _MOST_CAUSES:
        found.append(fault)
        fault = fault.getCause()
    return found


def _line(fault: Any) -> str:
    return _useful(str(fault.getMessage() or "")) or str(fault.getClass().getSimpleName())


def _useful(told: str) -> str:
    """The first line; of an error of a worker's Python, the one below its traceback."""
    _, traced, after = told.partition("Traceback (most recent call last):\n")
    if traced:
        named = [line for line in after.splitlines() if line and not line[0].isspace()]
        return named[0] if named else ""
    return told.strip().partition("\n")[0]
