"""Two files with the same words and different tags, sentence by sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np

from nertune import schemes
from nertune.analysis import Judged
from nertune.config import ReadSettings
from nertune.errors import DataError
from nertune.splits import SplitFacts, numbered, read_split, written_tags


@dataclass(frozen=True)
class Side:
    """One of the two files: how it is read, and the option that names its column of tags."""

    path: Path
    settings: ReadSettings
    option: str
    facts: SplitFacts

    def sentences(self) -> Iterator[tuple[list[str], list[str], bool]]:
        """Words and tags of each sentence, and whether it begins a document."""
        try:
            for document in read_split("", [str(self.path)], self.settings, self.facts):
                words, tags = document.words, document.tags
                if tags is None:
                    tags = tuple(written_tags(document, schemes.SCHEMES["IOB2"], self.facts))
                for start, end in document.sentences:
                    yield words[start:end], list(tags[start:end]), start == 0
        except DataError as error:
            if not error.reason.startswith(("tag_column is", "word_column and")):
                raise
            named = error.reason.replace("word_column", "--word-column")
            raise DataError(
                named.replace("tag_column", self.option), error.path, error.line
            ) from error


@dataclass(frozen=True)
class Paired:
    """The words that two files share, with the tags of both; one entry a sentence."""

    words: list[list[str]]
    gold: list[list[str]]
    found: list[list[str]]
    begins_document: list[bool]

    def judged(self, found: Sequence[Sequence[str]]) -> Judged:
        """The words with gold tags and these predicted ones."""
        sides = [[tag for tags in side for tag in tags] for side in (self.gold, found)]
        names, ids = numbered([*sides[0], *sides[1]])
        firsts = np.cumsum([0, *map(len, self.words)])[:-1]
        starts, document_starts = np.zeros((2, len(sides[0])), dtype=bool)
        starts[firsts] = True
        document_starts[firsts[self.begins_document]] = True
        flat = [word for words in self.words for word in words]
        gold_ids, found_ids = np.split(ids, 2)
        return Judged(flat, names, gold_ids, found_ids, starts, document_starts)


def pair(gold: Side, predicted: Side) -> Paired:
    """Read both files side by side.

    Raises DataError where they part: another word, more or fewer of them, or an earlier end.
    """
    paired = Paired([], [], [], [])
    both = zip_longest(gold.sentences(), predicted.sentences())
    for number, (true, found) in enumerate(both, start=1):
        if true is None or found is None:
            raise DataError(
                f"ends after sentence {number - 1}, the other file goes on; expected the same "
                "sentences in both",
                gold.path if true is None else predicted.path,
            )
        if true[0] != found[0]:
            raise DataError(_parting(true[0], found[0], number), predicted.path)
        paired.words.append(true[0])
        paired.gold.append(true[1])
        paired.found.append(found[1])
        paired.begins_document.append(true[2])
    return paired


def schemes_of(paired: Paired) -> tuple[schemes.Scheme, schemes.Scheme]:
    """The schemes of gold and predicted tags; the same where the predictions are merely untidy."""
    scheme, _ = schemes.detect(paired.gold)
    evidence = schemes.SchemeEvidence()
    for tags in paired.found:
        evidence.add(tags)
    other = evidence.best()
    clearly = evidence.violations(scheme) > 10 * evidence.violations(other)
    return scheme, other if clearly else scheme


def _parting(true: list[str], found: list[str], number: int) -> str:
    """Where two readings of a sentence part."""
    for place, (a, b) in enumerate(zip(true, found, strict=False), start=1):
        if a != b:
            return (
                f"word {place} of sentence {number} is {b!r}, in the gold file {a!r}; expected "
                "the same words in both"
            )
    less = "fewer" if len(found) < len(true) else "more"
    return (
        f"sentence {number} has {less} words ({len(found)}) than in the gold file ({len(true)}); "
        "expected the same words in both"
    )
