"""What is wrong, or worth knowing, with a model: the same words at load and from the doctor."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nertune.errors import BundleError

Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finding:
    """One fault or fact of a model.

    level: `error`, the model is refused; `warning`, it works, but perhaps not as meant; `note`.
    about: files, weights, labels, tokenizer, window or text. where: the file or folder. what, and
    how to cure it. serious: a warning that is told at load too, for it changes the entities found.
    """

    level: Level
    about: str
    where: str
    what: str
    cure: str = ""
    serious: bool = False

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f"; {self.cure}" if self.cure else "")


@dataclass(frozen=True)
class Place:
    """Where findings belong to: their subject and the file."""

    about: str
    where: str | Path


class Findings(list[Finding]):
    """Findings in the order they were made."""

    def error(self, at: Place, what: str, cure: str = "") -> None:
        """Add what makes the model unusable."""
        self.append(Finding("error", at.about, str(at.where), what, cure))

    def warning(self, at: Place, what: str, cure: str = "", *, serious: bool = False) -> None:
        """Add what works, but perhaps not as meant."""
        self.append(Finding("warning", at.about, str(at.where), what, cure, serious))

    def note(self, at: Place, what: str, cure: str = "") -> None:
        """Add what is worth knowing."""
        self.append(Finding("note", at.about, str(at.where), what, cure))

    @property
    def errors(self) -> list[Finding]:
        """Those that make the model unusable."""
        return [one for one in self if one.level == "error"]

    def settle(self, model: str | Path) -> None:
        """Raise BundleError where there are errors, with the first; else log serious warnings."""
        if errors := self.errors:
            others = len(errors) - 1
            more = f" (and {others} more fault{'s' * (others > 1)}; 'nertune doctor {model}')"
            raise BundleError(str(errors[0]) + more * bool(others))
        for one in self:
            if one.serious:
                _log.warning("%s", one)
