"""What every reader is given: where its text comes from, its settings; how faults are settled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BufferedReader
from typing import Any

from nertune import schemes
from nertune.config import ReadSettings
from nertune.data.report import ReadReport
from nertune.documents import label_fault
from nertune.errors import DataError, TagError

BOM = b"\xef\xbb\xbf"
HELP_ON_ERROR = "correct it, or read on with on_error skip or repair (--on-error)"


@dataclass(frozen=True)
class Fault:
    """Something wrong in a file; not raised before it is known what on_error asks for.

    reason: a few words under which such faults are counted. mendable: whether `repair` can save the
    sentence or row; if not, it is skipped.
    """

    reason: str
    message: str
    line: int
    mendable: bool = True
    error: type[DataError] = DataError


@dataclass(frozen=True)
class Origin:
    """Where annotations come from: a file, or a split of a data set named `dataset[split]`."""

    name: str
    settings: ReadSettings
    report: ReadReport

    def settle(self, faults: Sequence[Fault]) -> bool:
        """Do what on_error asks for; False: the sentence or row must be left out.

        Raises the first fault where on_error is stop. With repair each fault is counted, and the
        caller uses what it has mended.
        """
        if not faults:
            return True
        if self.settings.on_error == "stop":
            raise faults[0].error(faults[0].message, self.name, faults[0].line)
        fatal = [fault for fault in faults if not fault.mendable]
        if fatal or self.settings.on_error == "skip":
            worst = (fatal or list(faults))[0]
            self.report.skip(worst.reason, self.place(worst.line))
            return False
        for fault in faults:
            self.report.repair(fault.reason, self.place(fault.line))
        return True

    def place(self, line: int) -> str:
        """`path:line`, or `dataset[split]:row`; both count from 1."""
        return f"{self.name}:{line}"


@dataclass(frozen=True)
class Source(Origin):
    """An open file of annotations.

    marked: the file is known to hold document marks, so what stands before the first one is a
    document too.
    """

    stream: BufferedReader
    marked: bool = False


def not_utf8(raw: bytes, position: int, line: int) -> Fault:
    """The fault of a byte that is not UTF-8, `position` in the bytes of one line."""
    column = len(raw[:position].decode(errors="replace")) + 1
    encoding = "utf16" if raw[position] in (0xFE, 0xFF) and position < 2 else "latin1"
    return Fault(
        "not UTF-8",
        f"not UTF-8 (byte 0x{raw[position]:02X} at column {column}); expected UTF-8; "
        f"convert it, e.g. iconv -f {encoding} -t utf8",
        line,
        mendable=False,
    )


def check_tag(tag: str, line: int) -> Fault | None:
    """The fault of a tag that no scheme knows; None for a good one."""
    try:
        _, label = schemes.split_tag(tag)
    except TagError as error:
        return Fault("unknown tag", error.reason, line, error=TagError)
    fault = label_fault(label) if label else None
    if fault is None:
        return None
    return Fault("unknown tag", f"the label of a tag {fault}", line, error=TagError)


class UniqueKeys:
    """Makes the objects of a JSON value (an object_pairs_hook); remembers a key that came twice.

    Without it the last one wins without a word.
    """

    def __init__(self) -> None:
        self.twice: str | None = None

    def __call__(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            keys = [key for key, _ in pairs]
            self.twice = next(key for key in keys if keys.count(key) > 1)
        return made

    def fault(self, line: int) -> Fault | None:
        """The fault of a key that came twice since the last call."""
        key, self.twice = self.twice, None
        if key is None:
            return None
        message = f"the key {shown(key)} stands twice in one object; expected each key once"
        return Fault("key stands twice", message, line, mendable=False)


def shown(text: str) -> str:
    """Text of a file as a message quotes it: escaped and not too long."""
    return repr(text if len(text) <= 60 else text[:57] + "...")
