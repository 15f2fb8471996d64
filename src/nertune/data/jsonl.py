"""JSONL: one JSON object a line, one document an object."""

from __future__ import annotations

import json
from collections.abc import Iterator

from nertune.data.rows import document_of_row
from nertune.data.source import Fault, Source, UniqueKeys, not_utf8, shown
from nertune.documents import Document


def read_jsonl(source: Source) -> Iterator[Document]:
    """The documents of a JSONL file; blank lines are passed over.

    Raises DataError with path and line of the first fault where on_error is stop.
    """
    for line, raw in enumerate(source.stream, 1):
        if raw.isspace():
            continue
        value = _parsed(raw, line)
        if isinstance(value, Fault):
            source.settle([value])
            continue
        document = document_of_row(value, line, source)
        if document is not None:
            yield document


def _parsed(raw: bytes, line: int) -> object:
    """The JSON value of a line, or the Fault that it is none."""
    try:
        text = raw.decode().strip()
    except UnicodeDecodeError as error:
        return not_utf8(raw, error.start, line)
    keys = UniqueKeys()
    try:
        value = json.loads(text, object_pairs_hook=keys)
        return keys.fault(line) or value
    except json.JSONDecodeError as error:
        what = f"{error.msg} at column {error.colno}"
    except (ValueError, RecursionError) as error:
        what = str(error)
    hint = "one whole object a line"
    if text in ("{", "["):
        hint += " (this one goes on in the next line: an array is read with format json)"
    message = f"not JSON: {what} in {shown(text)}; expected {hint}"
    return Fault("not JSON", message, line, mendable=False)
