"""Every error nertune raises on purpose.

    NertuneError
    ├── DataError          a file of annotations is wrong (carries path and line)
    │   └── TagError       a tag that belongs to no scheme, or to another one
    ├── DocumentError      a document's parts contradict each other
    ├── RecipeError        a recipe or a setting is wrong (lists every fault at once)
    ├── BundleError        a model folder is missing, incomplete or of an unknown format
    ├── EncodingError      text and tokenizer do not fit together
    ├── ExportError        a graph cannot be written, or is not as good as the model
    ├── OutputError        an output cannot be written
    ├── DependencyError    a package of an extra is not installed
    └── StoppedError       training was stopped; the message names the checkpoint kept

A message says where, what is wrong, what was expected, and how to cure it. The command line prints
it and exits with status 2; a traceback is a bug.
"""

from __future__ import annotations

from pathlib import Path


class NertuneError(Exception):
    """The root: catch this to catch everything that nertune raises on purpose."""


class DataError(NertuneError):
    """A file of annotations is wrong.

    The message reads `path:line: what, expected, cure`; `line` counts from 1, and is None where the
    fault is the file's as a whole.
    """

    def __init__(
        self, message: str, path: str | Path | None = None, line: int | None = None
    ) -> None:
        self.path = None if path is None else str(path)
        self.line = line
        self.reason = message
        where = "" if path is None else f"{path}:" if line is None else f"{path}:{line}:"
        super().__init__(f"{where} {message}" if where else message)

    def at(self, path: str | Path, line: int | None) -> DataError:
        """The same fault with its place in a file."""
        return type(self)(self.reason, path, line)


class TagError(DataError):
    """A tag that no scheme knows, or that does not belong to the scheme asked for."""


class DocumentError(NertuneError):
    """A document's words, sentences, tags or entities contradict each other."""


class RecipeError(NertuneError):
    """A recipe or a setting is wrong; `faults` lists every fault found."""

    def __init__(self, where: str, faults: list[str]) -> None:
        self.faults = faults
        head = f"{where}: {len(faults)} fault{'s' * (len(faults) != 1)}"
        super().__init__("\n".join([head, *(f"  - {fault}" for fault in faults)]))


class BundleError(NertuneError):
    """A model folder is missing, incomplete, or of a format this version does not know."""


class EncodingError(NertuneError):
    """Text and tokenizer do not fit together."""


class ExportError(NertuneError):
    """A graph cannot be written, or finds other entities than the model it was made of."""


class OutputError(NertuneError):
    """An output cannot be written; nothing stands under its final name."""


class DependencyError(NertuneError):
    """A package that belongs to an extra is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package '{package}', which is not installed. "
            f"Install it with: pip install 'nertune[{extra}]'"
        )


class StoppedError(NertuneError):
    """Training was interrupted on request; the last checkpoint is kept."""
