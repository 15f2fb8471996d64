"""What annotated files hold: sizes, labels, scheme, examples, and what does not fit together."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nertune import splitting
from nertune.config import ReadSettings
from nertune.data.reading import read
from nertune.data.report import ReadReport
from nertune.documents import Document
from nertune.schemes import SchemeEvidence

_N_EXAMPLES = 3


@dataclass(frozen=True)
class Lengths:
    """A distribution in five numbers; median and p95 by nearest rank."""

    min: int
    median: int
    mean: float
    p95: int
    max: int


@dataclass(frozen=True)
class Example:
    """A sentence with entities, each as (text, label)."""

    text: str
    entities: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class FileInspection:
    """One file, or one split of a data set.

    columns: the cells of a typical line of a column file, the names of a table's columns. scheme
    and violations: of the tags as read, where there are any; violations counts pairs of
    neighbouring tags that the scheme forbids. sentence_lengths in words, document_lengths in
    sentences. cut_entities begin or end inside a word.
    """

    path: str
    format: str
    columns: tuple[str, ...] | None
    documents: int
    sentences: int
    words: int
    scheme: str | None
    violations: int
    tags: dict[str, int]
    entities: dict[str, int]
    sentence_lengths: Lengths | None
    document_lengths: Lengths | None
    cut_entities: int
    examples: tuple[Example, ...]
    report: ReadReport

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {**asdict(self), "report": self.report.to_dict()}


@dataclass(frozen=True)
class Inspection:
    """Several files, and what they are to each other.

    shared_sentences: how many different sentences stand in more than one file; a test set that
    shares sentences with the training set is easier than it looks.
    """

    files: tuple[FileInspection, ...]
    shared_sentences: int
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {
            "files": [file.to_dict() for file in self.files],
            "shared_sentences": self.shared_sentences,
            "warnings": list(self.warnings),
        }


def inspect_files(
    paths: Iterable[str | Path], settings: ReadSettings | None = None
) -> Inspection:
    """Read the files once each and say what they hold; raw text is split into words first.

    Where `settings.dataset` names a data set, the paths are its splits.
    Memory grows only with the number of different sentences (a hash of 8 bytes each). Raises
    DataError as `read` does.
    """
    settings = settings or ReadSettings()
    files: list[FileInspection] = []
    seen: set[int] = set()
    shared: set[int] = set()
    for path in paths:
        tally = _Tally()
        for document in read(path, settings, tally.report):
            tally.add(splitting.split(document))
        shared |= seen & tally.hashes
        seen |= tally.hashes
        files.append(_finished(path, tally))
    return Inspection(tuple(files), len(shared), tuple(_warnings(files, len(shared))))


@dataclass
class _Tally:
    """The counts of one file while it is read."""

    report: ReadReport = field(default_factory=ReadReport)
    evidence: SchemeEvidence = field(default_factory=SchemeEvidence)
    tags: Counter[str] = field(default_factory=Counter)
    entities: Counter[str] = field(default_factory=Counter)
    sentence_lengths: Counter[int] = field(default_factory=Counter)
    document_lengths: Counter[int] = field(default_factory=Counter)
    cut_entities: int = 0
    examples: list[Example] = field(default_factory=list)
    hashes: set[int] = field(default_factory=set)

    def add(self, document: Document) -> None:
        """Count one document that has words."""
        for tags in document.sentence_tags():
            self.evidence.add(tags)
        self.tags.update(document.tags or ())
        self.entities.update(entity.label for entity in document.entities)
        self.document_lengths[len(document.sentences)] += 1
        self.cut_entities += len(document.cut_entities)
        words = document.words
        for start, end in document.sentences:
            self.sentence_lengths[end - start] += 1
            self.hashes.add(_hash(words[start:end]))
        if len(self.examples) < _N_EXAMPLES and document.entities:
            self.examples += _examples(document, _N_EXAMPLES - len(self.examples))


def _finished(path: str | Path, tally: _Tally) -> FileInspection:
    scheme = tally.evidence.best() if tally.tags else None
    return FileInspection(
        path=str(path),
        format=tally.report.format,
        columns=tally.report.columns or None,
        documents=tally.report.documents,
        sentences=tally.sentence_lengths.total(),
        words=sum(length * count for length, count in tally.sentence_lengths.items()),
        scheme=scheme.name if scheme else None,
        violations=tally.evidence.violations(scheme) if scheme else 0,
        tags=dict(tally.tags.most_common()),
        entities=dict(tally.entities.most_common()),
        sentence_lengths=_lengths(tally.sentence_lengths),
        document_lengths=_lengths(tally.document_lengths),
        cut_entities=tally.cut_entities,
        examples=tuple(tally.examples),
        report=tally.report,
    )


def _examples(document: Document, number: int) -> list[Example]:
    """The first sentences that hold entities, at most `number`."""
    found: list[Example] = []
    entities, at = document.entities, 0
    for first, last in document.sentences:
        start, end = document.word_spans[first][0], document.word_spans[last - 1][1]
        begin = at
        while at < len(entities) and entities[at].start < end:
            at += 1
        if at > begin:
            inside = tuple((entity.text, entity.label) for entity in entities[begin:at])
            found.append(Example(document.text[start:end], inside))
        if len(found) == number:
            break
    return found


def _hash(words: Sequence[str]) -> int:
    digest = hashlib.blake2b(" ".join(words).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def _lengths(counts: Counter[int]) -> Lengths | None:
    total = counts.total()
    if not total:
        return None
    mean = sum(length * count for length, count in counts.items()) / total
    return Lengths(
        min(counts), _rank(counts, 0.5), round(mean, 2), _rank(counts, 0.95), max(counts)
    )


def _rank(counts: Counter[int], share: float) -> int:
    """The smallest length that at least `share` of all reach or stay below (nearest rank)."""
    needed = math.ceil(share * counts.total())
    reached = 0
    for length in sorted(counts):
        reached += counts[length]
        if reached >= needed:
            break
    return length


def _warnings(files: Sequence[FileInspection], shared: int) -> list[str]:
    labels = sorted({label for file in files for label in file.entities})
    warnings = []
    for file in files:
        missing = [label for label in labels if label not in file.entities]
        if not file.entities:
            warnings.append(f"{file.path}: no entities at all")
        elif missing:
            lacking = ", ".join(missing)
            warnings.append(f"{file.path}: no entity of {lacking}, which other files have")
        if file.cut_entities:
            warnings.append(
                f"{file.path}: entities that begin or end inside a word, and are longer as words: "
                f"{file.cut_entities}"
            )
        if file.violations:
            warnings.append(
                f"{file.path}: {file.scheme} fits the tags best, yet {_pairs(file.violations)} of "
                "neighbouring tags break it"
            )
    schemes = {file.scheme: file.path for file in reversed(files) if file.scheme}
    if len(schemes) > 1:
        seen = ", ".join(f"{scheme} ({path})" for scheme, path in schemes.items())
        warnings.append(f"the files are tagged in different schemes: {seen}")
    if shared:
        warnings.append(f"sentences that stand in more than one file: {shared}")
    return warnings


def _pairs(number: int) -> str:
    return f"{number} pair{'s' * (number != 1)}"
