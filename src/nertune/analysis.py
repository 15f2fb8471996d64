"""Where a model fails: kinds of errors, confused labels, and F1 in parts of a corpus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from nertune import schemes
from nertune.documents import Document
from nertune.schemes import Span
from nertune.scoring import (
    Bools,
    Counts,
    Entities,
    Ints,
    OverlappingPairs,
    Reading,
    Spans,
    best_pairs,
)

ErrorKind = Literal["boundary", "type", "both", "missed", "spurious"]
KINDS: tuple[ErrorKind, ...] = get_args(ErrorKind)
NONE = "no entity"
"""Stands in a confusion for the side that has no entity; with its space it can be no label."""

_LEAST_DOCUMENTS = 30
_LENGTHS = ((1, "1"), (2, "2"), (3, "3"), (4, "4 or more"))
_SENTENCE_LENGTHS = ((1, "1 to 9"), (10, "10 to 19"), (20, "20 to 39"), (40, "40 or more"))


@dataclass(frozen=True)
class Judged:
    """The words of a split with their gold and predicted tags.

    words: n_words strings. tags: the names that gold and predicted, (n_words,), are places in.
    starts, document_starts: (n_words,), True at the first word of a sentence, of a document.
    scores: (n_predicted_entities,), in order of the predicted entities, or None.
    """

    words: Sequence[str]
    tags: Sequence[str]
    gold: Ints
    predicted: Ints
    starts: Bools
    document_starts: Bools
    scores: npt.NDArray[np.float64] | None = None

    @property
    def labels(self) -> list[str]:
        """The labels that entities' labels are places in."""
        return schemes.labels_of(self.tags)

    @property
    def reading(self) -> Reading:
        """How the tags are read: as conlleval does."""
        return Reading(self.tags, self.starts)

    def units(self) -> tuple[str, Ints]:
        """What a bootstrap should draw, and the unit of each word, (n_words,), from 0.

        Sentences of one document share names, so documents are the honest unit; a split with few
        of them leaves only sentences.
        """
        n_documents, n_sentences = int(self.document_starts.sum()), int(self.starts.sum())
        by_document = _LEAST_DOCUMENTS <= n_documents < n_sentences
        starts = self.document_starts if by_document else self.starts
        return "documents" if by_document else "sentences", np.cumsum(starts) - 1

    @cached_property
    def gold_entities(self) -> Entities:
        """First word, last word and label of every gold entity."""
        return self.reading.entities(self.gold)

    @cached_property
    def found_entities(self) -> Entities:
        """First word, last word and label of every predicted entity."""
        return self.reading.entities(self.predicted)

    @cached_property
    def sentence_starts(self) -> Ints:
        """(n_sentences + 1,), in words."""
        return np.append(np.flatnonzero(self.starts), len(self.words))

    @cached_property
    def found_right(self) -> Bools:
        """(n_predicted_entities,), True where the predicted entity is one of gold."""
        found: Bools = np.isin(
            _keys(self.found_entities, self), _keys(self.gold_entities, self)
        )
        return found

    def sentence_of(self, words: Ints) -> Ints:
        """The number of the sentence that each word stands in."""
        return np.searchsorted(self.sentence_starts, words, "right") - 1


@dataclass(frozen=True)
class EntityError:
    """One gold or predicted entity, or a pair of them that overlap, that is not right.

    sentence: its number, from 0. gold, predicted: (word_start, word_end, label) in the sentence.
    score: of the predicted entity, where scores are known.
    """

    kind: ErrorKind
    sentence: int
    gold: Span | None
    predicted: Span | None
    score: float | None = None


def entity_errors(judged: Judged) -> list[EntityError]:
    """Every error, in order of the text.

    Gold and predicted entities that are not right are paired where they overlap (as for SemEval's
    counts: most pairs of the same label, then most pairs); a pair is a wrong type, a wrong boundary
    or both, what stays alone is missed or spurious.
    """
    gold, found = judged.gold_entities, judged.found_entities
    in_gold = np.isin(_keys(gold, judged), _keys(found, judged))
    lost = np.flatnonzero(~in_gold)
    odd = np.flatnonzero(~judged.found_right)
    pairs = OverlappingPairs.of(
        Spans.of_words(_taken(gold, lost)), Spans.of_words(_taken(found, odd))
    )
    # Paired with what is nearest: the same words first, then the same label.
    kept = best_pairs(pairs.gold, pairs.predicted, pairs.same_bounds | pairs.same_label)
    chosen = pairs.where(kept)
    errors = [
        _error(judged, _kind(same_bounds, same_label), lost[i], odd[j])
        for i, j, same_bounds, same_label in zip(
            chosen.gold.tolist(),
            chosen.predicted.tolist(),
            chosen.same_bounds.tolist(),
            chosen.same_label.tolist(),
            strict=True,
        )
    ]
    alone = np.setdiff1d(np.arange(len(lost)), chosen.gold)
    errors += [_error(judged, "missed", lost[i], None) for i in alone]
    alone = np.setdiff1d(np.arange(len(odd)), chosen.predicted)
    errors += [_error(judged, "spurious", None, odd[j]) for j in alone]
    return sorted(errors, key=_place)


@dataclass(frozen=True)
class Confusion:
    """How many entities of each gold label were read as each label.

    counts: (n_labels + 1, n_labels + 1); the last row and column are for NONE, entities that are
    spurious or missed. Pairs with a wrong boundary count too.
    """

    labels: list[str]
    counts: list[list[int]]


def confusion(judged: Judged, errors: Sequence[EntityError]) -> Confusion:
    """Right entities and errors by gold and predicted label; labels that do not occur left out."""
    cells: Counter[tuple[str, str]] = Counter()
    right = judged.found_entities[2][judged.found_right]
    for place, n in enumerate(np.bincount(right, minlength=len(judged.labels)).tolist()):
        cells[judged.labels[place], judged.labels[place]] += n
    for error in errors:
        gold = error.gold[2] if error.gold else NONE
        cells[gold, error.predicted[2] if error.predicted else NONE] += 1
    occurring = {label for pair, n in cells.items() if n for label in pair} - {NONE}
    labels = [*sorted(occurring), NONE]
    return Confusion(labels, [[cells[row, column] for column in labels] for row in labels])


@dataclass(frozen=True)
class Slice:
    """F1 in parts of a split: what it is divided by, and counts for each part, in order."""

    name: str
    parts: list[tuple[str, Counts]]


@dataclass
class TrainingText:
    """What the training text holds, as digests: its entities' surface forms and its sentences."""

    surfaces: set[bytes] = field(default_factory=set)
    sentences: set[bytes] = field(default_factory=set)

    def add(self, documents: Iterable[Document]) -> TrainingText:
        """Take in documents; returns itself."""
        for document in documents:
            words = document.words
            for start, end, _ in document.label_spans:
                self.surfaces.add(_digest(words[start:end]))
            for start, end in document.sentences:
                self.sentences.add(_digest(words[start:end]))
        return self


def slices(judged: Judged, train: TrainingText | None = None) -> list[Slice]:
    """F1 by length of entity and sentence and in all-capitals sentences; with `train` also for
    entities and sentences seen in training or not.

    A gold entity is counted in the part that it belongs to, a predicted one in its own, so that
    the parts add up to the whole.
    """
    sentences = [judged.words[a:b] for a, b in zip(*_edges(judged.sentence_starts), strict=True)]
    found = [
        _by_entity("words of the entity", judged, lambda e: _bucket(e[1] - e[0] + 1, _LENGTHS)),
        _by_sentence(
            "words of the sentence", judged, [_step(len(s), _SENTENCE_LENGTHS) for s in sentences]
        ),
        _by_sentence(
            "capitals",
            judged,
            ["all-capitals sentence" if _all_capitals(s) else "other sentence" for s in sentences],
        ),
    ]
    if train is not None:
        known = train.surfaces

        def seen(entities: Entities) -> list[str]:
            firsts, lasts = entities[0].tolist(), (entities[1] + 1).tolist()
            forms = (judged.words[a:b] for a, b in zip(firsts, lasts, strict=True))
            return [
                "seen as an entity" if _digest(form) in known else "not seen" for form in forms
            ]

        found.append(_by_entity("surface form in training", judged, seen))
        names = [
            "seen" if _digest(s) in train.sentences else "not seen" for s in sentences
        ]
        found.append(_by_sentence("sentence in training", judged, names))
    return found


def _by_entity(
    name: str, judged: Judged, parts_of: Callable[[Entities], Sequence[str]]
) -> Slice:
    """Counts by a property of the entities themselves."""
    gold, found = parts_of(judged.gold_entities), parts_of(judged.found_entities)
    right = [part for part, ok in zip(found, judged.found_right.tolist(), strict=True) if ok]
    sides = Counter(right), Counter(found), Counter(gold)
    order = _ordered({*gold, *found})
    return Slice(name, [(part, Counts(*(side[part] for side in sides))) for part in order])


def _by_sentence(name: str, judged: Judged, parts: Sequence[str]) -> Slice:
    """Counts by a property of the sentence that an entity stands in."""

    def parts_of(entities: Entities) -> list[str]:
        return [parts[i] for i in judged.sentence_of(entities[0]).tolist()]

    return _by_entity(name, judged, parts_of)


def _ordered(parts: Iterable[str]) -> list[str]:
    """Parts that begin with a number by that number, others by name."""
    return sorted(parts, key=lambda part: (int(part.split()[0]) if part[0].isdigit() else 0, part))


def _bucket(sizes: Ints, steps: Sequence[tuple[int, str]]) -> list[str]:
    return [_step(size, steps) for size in sizes.tolist()]


def _step(size: int, steps: Sequence[tuple[int, str]]) -> str:
    return [name for least, name in steps if size >= least][-1]


def _all_capitals(words: Sequence[str]) -> bool:
    text = " ".join(words)
    return text.isupper() and any(len(word) > 1 for word in words)


def _digest(words: Sequence[str]) -> bytes:
    return blake2b(" ".join(words).encode(), digest_size=8).digest()


def _edges(starts: Ints) -> tuple[list[int], list[int]]:
    return starts[:-1].tolist(), starts[1:].tolist()


def _keys(entities: Entities, judged: Judged) -> Ints:
    """One number for each entity, the same for the same words and label."""
    first, last, label = entities
    keys: Ints = (first * (len(judged.words) + 1) + last) * (len(judged.labels) + 1) + label
    return keys


def _taken(entities: Entities, places: Ints) -> Entities:
    first, last, label = entities
    return first[places], last[places], label[places]


def _kind(same_bounds: bool, same_label: bool) -> ErrorKind:
    return "type" if same_bounds else "boundary" if same_label else "both"


def _error(judged: Judged, kind: ErrorKind, gold: int | None, found: int | None) -> EntityError:
    entities = judged.gold_entities if gold is not None else judged.found_entities
    word = int(entities[0][gold if gold is not None else found])
    sentence = int(judged.sentence_of(np.array([word]))[0])
    base = int(judged.sentence_starts[sentence])

    def span(entities: Entities, place: int | None) -> Span | None:
        if place is None:
            return None
        first, last, label = (int(column[place]) for column in entities)
        return first - base, last + 1 - base, judged.labels[label]

    score = None if found is None or judged.scores is None else float(judged.scores[found])
    return EntityError(
        kind,
        sentence,
        span(judged.gold_entities, gold),
        span(judged.found_entities, found),
        score,
    )


def _place(error: EntityError) -> tuple[int, int]:
    spans = [span for span in (error.gold, error.predicted) if span]
    return error.sentence, min(span[0] for span in spans)
