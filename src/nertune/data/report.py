"""What reading a file cost: what was read, skipped, repaired and passed over."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

_N_LANGUAGES = 10


@dataclass
class ReadReport:
    """Counts of one reading, or of several: pass the same report to each `read`.

    skipped counts sentences (column files) or rows; repaired counts words, lines or entities;
    ignored_keys counts rows a key (a column of a table). other_languages counts the rows that
    `languages` left out. `first` keeps the place (`path:line`) where a reason first came up.
    format and columns are those of the last file: the cells of a typical line of a column file,
    the names of a table's columns.
    Sentences and words of raw text are not counted: it has none before it is split.
    """

    documents: int = 0
    sentences: int = 0
    words: int = 0
    comments: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    repaired: Counter[str] = field(default_factory=Counter)
    ignored_keys: Counter[str] = field(default_factory=Counter)
    other_languages: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)
    format: str = field(default="", compare=False)
    columns: tuple[str, ...] = field(default=(), compare=False)

    @property
    def clean(self) -> bool:
        """Whether everything was read as it stands: nothing skipped, nothing repaired."""
        return not self.skipped and not self.repaired

    def skip(self, reason: str, place: str) -> None:
        """Count a sentence or row that was left out."""
        self.skipped[reason] += 1
        self.first.setdefault(reason, place)

    def repair(self, reason: str, place: str) -> None:
        """Count a word, line or entity that was put right."""
        self.repaired[reason] += 1
        self.first.setdefault(reason, place)

    def ignore(self, key: str, place: str, rows: int = 1) -> None:
        """Count a key of a row that nertune has no use for."""
        self.ignored_keys[key] += rows
        self.first.setdefault(f"key {key}", place)

    def lines(self) -> list[str]:
        """The report in sentences: the totals, then one line for each reason."""
        totals = [_counted(self.documents, "document")]
        totals += [
            _counted(number, noun)
            for number, noun in ((self.sentences, "sentence"), (self.words, "word"))
            if number
        ]
        lines = ["read " + ", ".join(totals)]
        lines += self._by_reason("skipped", self.skipped)
        lines += self._by_reason("repaired", self.repaired)
        lines += [
            f"ignored the key '{key}' {_times(number)} (first at {self.first[f'key {key}']})"
            for key, number in sorted(self.ignored_keys.items())
        ]
        if self.other_languages:
            lines.append(
                f"left out {_counted(self.other_languages.total(), 'row')} in other languages "
                f"({self.languages_left_out()})"
            )
        if self.comments:
            lines.append(f"passed over {_counted(self.comments, 'comment line')}")
        return lines

    def languages_left_out(self) -> str:
        """The most frequent languages that were left out, with their rows."""
        most = self.other_languages.most_common(_N_LANGUAGES)
        rest = len(self.other_languages) - len(most)
        names = [f"{language} {number}" for language, number in most]
        return ", ".join(names + [f"and {rest} more"] * bool(rest))

    def _by_reason(self, verb: str, counts: Counter[str]) -> list[str]:
        return [
            f"{verb} {_times(number)}: {reason} (first at {self.first[reason]})"
            for reason, number in counts.most_common()
        ]

    def to_dict(self) -> dict[str, object]:
        """The counts, ready for JSON."""
        return {
            "documents": self.documents,
            "sentences": self.sentences,
            "words": self.words,
            "comments": self.comments,
            "skipped": dict(self.skipped),
            "repaired": dict(self.repaired),
            "ignored_keys": dict(self.ignored_keys),
            "other_languages": dict(self.other_languages),
            "first": dict(self.first),
        }


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
