"""Tag sequences to counts to precision, recall and F1.

Whole entities are counted as conlleval does: an entity is right where its words and its label are
those of the gold annotation, and any sequence of tags is read by conlleval's rules, valid or not.
Counts are integers that add up, so the score of a corpus is the sum of the scores of its parts.
A fraction whose denominator is 0 is 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
import numpy.typing as npt

from nertune import schemes
from nertune.errors import DataError

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Counts:
    """How many were right, predicted, and in the gold annotation."""

    correct: int = 0
    predicted: int = 0
    gold: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.correct + other.correct, self.predicted + other.predicted, self.gold + other.gold
        )

    @property
    def precision(self) -> float:
        """Share of the predicted that is right."""
        return _ratio(self.correct, self.predicted)

    @property
    def recall(self) -> float:
        """Share of the gold that was found."""
        return _ratio(self.correct, self.gold)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return _harmonic(self.precision, self.recall)

    def to_dict(self) -> dict[str, float]:
        """Fractions from 0 to 1, and the support: how many there are in the gold annotation."""
        return {
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "support": self.gold,
        }


@dataclass(frozen=True)
class Scores:
    """Counts of whole entities by label and of single tags by tag.

    n_words and n_correct_words give the accuracy of the tags.
    """

    labels: Mapping[str, Counts] = field(default_factory=dict)
    tags: Mapping[str, Counts] = field(default_factory=dict)
    n_words: int = 0
    n_correct_words: int = 0

    def __add__(self, other: Scores) -> Scores:
        return Scores(
            _added(self.labels, other.labels),
            _added(self.tags, other.tags),
            self.n_words + other.n_words,
            self.n_correct_words + other.n_correct_words,
        )

    @property
    def micro(self) -> Counts:
        """All entities together: the headline of conlleval."""
        return sum(self.labels.values(), Counts())

    @property
    def accuracy(self) -> float:
        """Share of words with the right tag."""
        return _ratio(self.n_correct_words, self.n_words)

    def average(self, weighted: bool) -> dict[str, float]:
        """Mean over the labels of gold or prediction, plain (macro) or weighted by support."""
        counts = list(self.labels.values())
        weights = [c.gold if weighted else 1 for c in counts]
        total = sum(weights)

        def mean(name: str) -> float:
            weighed = (w * getattr(c, name) for w, c in zip(weights, counts, strict=True))
            return _ratio(sum(weighed), total)

        means = {name: mean(name) for name in ("precision", "recall", "f1")}
        return {**means, "support": self.micro.gold}

    def to_dict(self) -> dict[str, object]:
        """The JSON form that every command writes; fractions from 0 to 1, unrounded."""
        return {
            "micro": self.micro.to_dict(),
            "macro": self.average(weighted=False),
            "weighted": self.average(weighted=True),
            "labels": {label: self.labels[label].to_dict() for label in sorted(self.labels)},
            "tags": {
                **{tag: self.tags[tag].to_dict() for tag in sorted(self.tags, key=_tag_order)},
                "accuracy": self.accuracy,
            },
        }


def score(gold: Iterable[Sequence[str]], predicted: Iterable[Sequence[str]]) -> Scores:
    """Scores of predicted against gold tags, sentence by sentence.

    The two may be written in different schemes; the counts of single tags then compare letters as
    they stand. Raises DataError where a sentence differs in length, TagError for a broken tag.
    """
    gold_sentences, predicted_sentences = list(gold), list(predicted)
    _check_lengths(gold_sentences, predicted_sentences)
    names: dict[str, int] = {}
    gold_ids = _ids(gold_sentences, names)
    predicted_ids = _ids(predicted_sentences, names)
    starts = np.zeros(len(gold_ids), dtype=bool)
    lengths = [len(sentence) for sentence in gold_sentences if len(sentence)]
    starts[np.cumsum([0, *lengths[:-1]]) if lengths else []] = True
    return score_ids(gold_ids, predicted_ids, list(names), starts)


def score_ids(
    gold: Ints, predicted: Ints, tags: Sequence[str], starts: npt.NDArray[np.bool_]
) -> Scores:
    """Scores of tag ids.

    gold, predicted: (n_words,), places in `tags`. starts: (n_words,), True at the first word of
    each sentence.
    """
    label_names = schemes.labels_of(tags)
    gold_first, gold_last, gold_label = entity_arrays(gold, tags, starts)
    found_first, found_last, found_label = entity_arrays(predicted, tags, starts)
    # An entity is known by its first word; it is right where last word and label agree too.
    _, in_gold, in_found = np.intersect1d(
        gold_first, found_first, assume_unique=True, return_indices=True
    )
    right = (gold_last[in_gold] == found_last[in_found]) & (
        gold_label[in_gold] == found_label[in_found]
    )
    labels = _count(gold_label[in_gold][right], found_label, gold_label, label_names)
    same = gold == predicted
    return Scores(labels, _count(gold[same], predicted, gold, tags), len(gold), int(same.sum()))


def entity_arrays(
    ids: Ints, tags: Sequence[str], starts: npt.NDArray[np.bool_]
) -> tuple[Ints, Ints, Ints]:
    """First word, last word and label of every entity, in order.

    ids: (n_words,), places in `tags`. starts: (n_words,), True at the first word of each sentence.
    Labels are places in `schemes.labels_of(tags)`. The rule of `schemes.begins_entity`, for all
    words at once.
    """
    places = {label: i for i, label in enumerate(schemes.labels_of(tags))}
    split = [schemes.split_tag(tag) for tag in tags]
    letters = [schemes.CANONICAL.get(prefix, schemes.OUTSIDE) for prefix, _ in split]
    label = np.array([places.get(label, -1) for _, label in split], dtype=np.int64)[ids]
    opens = np.array([letter in "BS" for letter in letters], dtype=bool)[ids]
    closes = np.array([letter in "ES" for letter in letters], dtype=bool)[ids]
    inside = label >= 0
    begins = inside & (starts | (label != np.roll(label, 1)) | opens | np.roll(closes, 1))
    first = np.flatnonzero(begins)
    goes_on = inside & ~begins
    # A word ends its entity where the next word does not go on with it.
    ends = inside & ~np.append(goes_on[1:], False)
    return first, np.flatnonzero(ends), label[first]


def _count(right: Ints, predicted: Ints, gold: Ints, names: Sequence[str]) -> dict[str, Counts]:
    n = len(names)
    columns = [np.bincount(ids, minlength=n).tolist() for ids in (right, predicted, gold)]
    return {
        name: Counts(*row)
        for name, *row in zip(names, *columns, strict=True)
        if any(row)
    }


def _ids(sentences: Sequence[Sequence[str]], names: dict[str, int]) -> Ints:
    flat = list(chain.from_iterable(sentences))
    for tag in dict.fromkeys(flat):
        names.setdefault(tag, len(names))
    return np.fromiter(map(names.__getitem__, flat), np.int64, len(flat))


def _check_lengths(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> None:
    if len(gold) != len(predicted):
        raise DataError(
            f"{len(predicted)} predicted sentences for {len(gold)} gold ones; expected the same "
            "sentences in the same order"
        )
    for i, (a, b) in enumerate(zip(gold, predicted, strict=True)):
        if len(a) != len(b):
            raise DataError(
                f"sentence {i + 1} has {len(a)} gold and {len(b)} predicted tags; expected one tag "
                "a word in both"
            )


def _added(left: Mapping[str, Counts], right: Mapping[str, Counts]) -> dict[str, Counts]:
    names = dict.fromkeys([*left, *right])
    return {name: left.get(name, Counts()) + right.get(name, Counts()) for name in names}


def _tag_order(tag: str) -> tuple[bool, str, str]:
    prefix, label = schemes.split_tag(tag)
    return prefix == schemes.OUTSIDE, label, prefix


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _harmonic(a: float, b: float) -> float:
    return 2 * a * b / (a + b) if a + b else 0.0
