"""Raw text: one document a line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

from nertune.config import ReadSettings
from nertune.data.report import ReadReport
from nertune.data.source import BOM, Origin, not_utf8
from nertune.documents import Document


def read_text(
    stream: BinaryIO,
    settings: ReadSettings | None = None,
    report: ReadReport | None = None,
    name: str = "<stdin>",
) -> Iterator[Document]:
    """One document a line; empty lines are empty documents, so that line and document agree.

    A line that is not UTF-8 is a fault: `skip` leaves it out, `repair` puts U+FFFD for what cannot
    be decoded. Raises DataError with its place where on_error is stop.
    """
    report = ReadReport() if report is None else report
    origin = Origin(name, settings or ReadSettings(), report)
    for number, raw in enumerate(stream, 1):
        text = _text(raw.removeprefix(BOM) if number == 1 else raw, number, origin)
        if text is not None:
            report.documents += 1
            yield Document.from_text(text.rstrip("\r\n"))


def _text(raw: bytes, number: int, origin: Origin) -> str | None:
    """The text of a line; None where it must be left out."""
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        fault = not_utf8(raw, error.start, number)
    message = f"{fault.message}, or read on with --on-error skip or repair"
    whole = origin.settle([replace(fault, message=message, mendable=True)])
    return raw.decode(errors="replace") if whole else None
