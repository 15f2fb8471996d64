"""Document and Entity: the one currency at the edges. Frozen, half-open, validated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import accumulate, pairwise
from operator import add, index
from typing import NoReturn

from nertune import schemes
from nertune.errors import DocumentError
from nertune.schemes import Span


@dataclass(frozen=True, slots=True)
class Entity:
    """A labelled stretch of characters: `document.text[start:end] == text`.

    `start` and `end` are code points, half-open. `score` is None for gold annotation; for a
    prediction it is the probability of the whole entity (see `nertune.decoding`).
    """

    start: int
    end: int
    label: str
    text: str
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A text with its words, sentences and entities.

    word_spans: a (start, end) in characters for each word. sentences: a half-open range of words
    for each sentence; together they cover every word once, in order. `tags` holds the tags as read
    from the file, where there were tags. `split` is False for raw text that has not been divided
    into words yet.
    """

    text: str
    word_spans: tuple[tuple[int, int], ...] = ()
    sentences: tuple[tuple[int, int], ...] = ()
    entities: tuple[Entity, ...] = ()
    tags: tuple[str, ...] | None = None
    id: str | None = None
    split: bool = field(default=True, compare=False)

    def __post_init__(self) -> None:
        if self.split and not self.word_spans and self.text.strip():
            raise DocumentError(
                "a document of text without words; make it with Document.from_text(text), or "
                "with Document.from_words(words)"
            )

    @classmethod
    def from_words(
        cls,
        words: Sequence[str],
        tags: Sequence[str] | None = None,
        sentences: Sequence[tuple[int, int]] | None = None,
        entities: Iterable[Span] | None = None,
        id: str | None = None,
    ) -> Document:
        """A document of ready-made words, joined by a space, by a newline between sentences.

        Entities come from `tags` (read sentence by sentence as conlleval does) or from `entities`,
        half-open word ranges `(word_start, word_end, label)`; not from both.
        Raises DocumentError where lengths differ, a word is empty or holds white space at its
        edges, sentences do not cover the words, or entities overlap or leave the document.
        """
        words = _listed(words, "words")
        ranges = _checked_sentences(sentences, len(words))
        _check_words(words)
        text, word_spans = _join(words, ranges)
        if tags is not None:
            if entities is not None:
                raise DocumentError("give tags or entities, not both: one follows from the other")
            tags = _listed(tags, "tags")
            _check_one_a_word(tags, len(words))
            spans = _decode(tags, ranges)
        else:
            spans = _sorted_spans(entities or ())
        found = tuple(_entity(text, word_spans, span, len(words)) for span in spans)
        _check_apart(found)
        kept = None if tags is None else tuple(tags)
        return cls(text, word_spans, ranges, found, kept, id)

    @classmethod
    def from_text(
        cls, text: str, entities: Iterable[tuple[int, int, str]] = (), id: str | None = None
    ) -> Document:
        """A document of raw text, not yet divided into words.

        entities: half-open character ranges `(start, end, label)`, in any order.
        Raises DocumentError for a range outside the text, an empty one, one that begins or ends
        with white space, two that overlap, a label that is none (see `label_fault`), or text that
        is no valid Unicode (a lone surrogate).
        """
        if not isinstance(text, str):
            raise DocumentError(f"text is of type {type(text).__name__}; expected a string")
        _check_unicode(text)
        found: list[Entity] = []
        for start, end, label in _sorted_spans(entities):
            _check_range(text, start, end, label)
            found.append(Entity(start, end, label, text[start:end]))
        _check_apart(found)
        return cls(text, entities=tuple(found), id=id, split=False)

    @property
    def words(self) -> list[str]:
        """The words, in order."""
        text = self.text
        return [text[start:end] for start, end in self.word_spans]

    @property
    def n_words(self) -> int:
        """How many words the document has."""
        return len(self.word_spans)

    @property
    def label_spans(self) -> list[Span]:
        """The entities as half-open word ranges, each widened to the words it touches."""
        return [(*words, entity.label) for entity, words in zip(
            self.entities, self._touched(), strict=True)]

    @property
    def cut_entities(self) -> list[Entity]:
        """Entities that begin or end inside a word: as words they would be longer."""
        spans = self.word_spans
        return [
            entity
            for entity, (first, last) in zip(self.entities, self._touched(), strict=True)
            if first == last or (spans[first][0], spans[last - 1][1]) != (entity.start, entity.end)
        ]

    @property
    def lost_entities(self) -> list[Entity]:
        """Entities all of whose words belong to the one before: as words nothing is left."""
        lost, reached = [], 0
        for entity, (_, last) in zip(self.entities, self._touched(), strict=True):
            if last <= reached:
                lost.append(entity)
            reached = last
        return lost

    def sentence_tags(self) -> Iterator[tuple[str, ...]]:
        """The tags as read, sentence by sentence; nothing where the document has none."""
        if self.tags is not None:
            for start, end in self.sentences:
                yield self.tags[start:end]

    def tags_in(self, scheme: schemes.Scheme) -> list[str]:
        """One tag a word for the document's entities, in any scheme.

        An entity that crosses the end of a sentence is written as one entity a sentence.
        """
        tags: list[str] = []
        spans, at = self.label_spans, 0
        for start, end in self.sentences:
            while at < len(spans) and spans[at][1] <= start:
                at += 1
            behind = at
            while behind < len(spans) and spans[behind][0] < end:
                behind += 1
            inside = [
                (max(first, start) - start, min(last, end) - start, label)
                for first, last, label in spans[at:behind]
            ]
            tags += schemes.encode(_without_overlap(inside), end - start, scheme)
        return tags

    def with_tags(self, tags: Sequence[str], scores: Sequence[float] | None = None) -> Document:
        """The same words with other tags, and the entities that these tags spell.

        scores: one for each entity, in order.
        Raises DocumentError where tags are not one a word, or scores not one an entity.
        """
        tags = _listed(tags, "tags")
        _check_one_a_word(tags, self.n_words)
        entities = tuple(
            _entity(self.text, self.word_spans, span, self.n_words)
            for span in _decode(tags, self.sentences)
        )
        if scores is not None:
            if len(scores) != len(entities):
                raise DocumentError(
                    f"{len(scores)} scores for {len(entities)} entities; expected one an entity"
                )
            entities = tuple(
                replace(entity, score=score)
                for entity, score in zip(entities, scores, strict=True)
            )
        return replace(self, entities=entities, tags=tuple(tags))

    def _touched(self) -> Iterator[tuple[int, int]]:
        """For each entity the half-open range of words it shares a character with."""
        spans, word = self.word_spans, 0
        for entity in self.entities:
            while word < len(spans) and spans[word][1] <= entity.start:
                word += 1
            last = word
            while last < len(spans) and spans[last][0] < entity.end:
                last += 1
            yield word, last


def _without_overlap(spans: list[Span]) -> list[Span]:
    """Widening to words can make two entities share one: the later begins where the first ends."""
    kept: list[Span] = []
    for start, end, label in spans:
        begin = max(start, kept[-1][1]) if kept else start
        if begin < end:
            kept.append((begin, end, label))
    return kept


def _decode(tags: Sequence[str], sentences: Sequence[tuple[int, int]]) -> list[Span]:
    try:
        return [
            (start + first, start + last, label)
            for start, end in sentences
            for first, last, label in schemes.decode(tags[start:end])
        ]
    except (TypeError, AttributeError):
        _refuse_odd(tags, "tag")


def _listed(values: Sequence[str], name: str) -> Sequence[str]:
    """A sequence as it is, another iterable as a list."""
    if isinstance(values, list | tuple):
        return values
    try:
        if not isinstance(values, str | bytes):
            return list(values)
    except TypeError:
        pass
    kind = "a string" if isinstance(values, str) else f"of type {type(values).__name__}"
    raise DocumentError(f"{name} is {kind}; expected a list of {name} (or use from_text)")


def _refuse_odd(values: Sequence[object], name: str) -> NoReturn:
    i, odd = next((i, value) for i, value in enumerate(values) if not isinstance(value, str))
    raise DocumentError(f"{name} {i} is {odd!r}; expected a string")


def _sorted_spans(spans: Iterable[Span]) -> list[Span]:
    """Ranges with labels, in order; DocumentError for what is no such range."""
    try:
        found = [(index(start), index(end), label) for start, end, label in spans]
    except (TypeError, ValueError):
        raise DocumentError(
            "an entity is no (start, end, label); expected a list of such, two integers and a "
            "string each"
        ) from None
    for start, _, label in found:
        if fault := label_fault(label):
            raise DocumentError(f"the label of the entity at {start} {fault}")
    return sorted(found)


def label_fault(label: object) -> str | None:
    """What is wrong with a label; None for a good one: printable characters, none of them space."""
    if not isinstance(label, str) or not label:
        return f"is {label!r}; expected a string that is not empty"
    return _unprintable(label)


@lru_cache(maxsize=65536)
def _unprintable(label: str) -> str | None:
    if label.isprintable() and " " not in label:
        return None
    return f"is {label!a}; expected printable characters without white space"


def _join(
    words: Sequence[str], sentences: tuple[tuple[int, int], ...]
) -> tuple[str, tuple[tuple[int, int], ...]]:
    sizes = list(map(len, words))
    starts = list(accumulate(map((1).__add__, sizes), initial=0))[:-1]
    if len(sentences) == 1:
        text = " ".join(words)
    else:
        text = "\n".join(" ".join(words[start:end]) for start, end in sentences)
    return text, tuple(zip(starts, map(add, starts, sizes), strict=True))


def _entity(text: str, word_spans: Sequence[tuple[int, int]], span: Span, n_words: int) -> Entity:
    word_start, word_end, label = span
    if fault := label_fault(label):
        raise DocumentError(f"the label of the entity at word {word_start} {fault}")
    if not 0 <= word_start < word_end <= n_words:
        raise DocumentError(
            f"the entity ({word_start}, {word_end}, {label}) leaves a document of {n_words} words; "
            "expected 0 <= word_start < word_end <= the number of words"
        )
    start, end = word_spans[word_start][0], word_spans[word_end - 1][1]
    return Entity(start, end, label, text[start:end])


def _check_words(words: Sequence[str]) -> None:
    try:
        together = " ".join(words)
    except TypeError:
        _refuse_odd(words, "word")
    _check_unicode(together)
    if together.split() == words:  # the common case, at once: no white space in any word
        return
    for i, word in enumerate(words):
        if not word or word != word.strip():
            raise DocumentError(
                f"word {i} is {word!r}; expected a word that is not empty and has no white space "
                "at its edges"
            )


def _check_unicode(text: str) -> None:
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DocumentError(
            f"character {error.start} of {text[:40]!r} is a lone surrogate, not valid Unicode; "
            "decode the source with its real encoding"
        ) from None


def _checked_sentences(
    sentences: Sequence[tuple[int, int]] | None, n_words: int
) -> tuple[tuple[int, int], ...]:
    if sentences is None:
        return ((0, n_words),) if n_words else ()
    try:
        ranges = tuple((index(start), index(end)) for start, end in sentences)
    except (TypeError, ValueError):
        raise DocumentError(
            "sentences are no ranges of words; expected a list of (start, end), two integers each"
        ) from None
    edges = [0, *(end for _, end in ranges)]
    fits = all(
        start == edge and end > start for (start, end), edge in zip(ranges, edges, strict=False)
    )
    if not fits or edges[-1] != n_words:
        raise DocumentError(
            f"the sentences {ranges[:4]} do not cover the {n_words} words once and in order"
        )
    return ranges


def _check_one_a_word(tags: Sequence[str], n_words: int) -> None:
    if len(tags) != n_words:
        raise DocumentError(f"{len(tags)} tags for {n_words} words; expected one a word")


def _check_apart(entities: Sequence[Entity]) -> None:
    for before, after in pairwise(entities):
        if after.start < before.end:
            raise DocumentError(
                f"the entities '{before.text}' and '{after.text}' overlap at character "
                f"{after.start}; expected entities side by side"
            )


def _check_range(text: str, start: int, end: int, label: str) -> None:
    if not 0 <= start < end <= len(text):
        raise DocumentError(
            f"the entity {label} ({start}, {end}) leaves a text of {len(text)} characters; "
            "expected 0 <= start < end <= length, end exclusive"
        )
    if text[start].isspace() or text[end - 1].isspace():
        raise DocumentError(
            f"the entity {text[start:end]!r} at {start} begins or ends with white space; "
            "expected offsets that touch the name (end exclusive)"
        )
