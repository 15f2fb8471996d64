"""The two classes, and how words become a text and tags become entities."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, compress, pairwise
from operator import add
from typing import TYPE_CHECKING, Any

from nertune import schemes
from nertune.documents.checks import (
    check_range,
    check_tags,
    check_unicode,
    check_words,
    checked_sentences,
    listed,
    sorted_spans,
)
from nertune.documents.html import to_html
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


class _Words:
    """Where a document made of words keeps them; no field, so no part of what it equals."""

    __slots__ = ("_words",)
    _words: Sequence[str]


@dataclass(frozen=True, slots=True)
class Document(_Words):
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
        words = listed(words, "words")
        ranges = checked_sentences(sentences, len(words))
        check_words(words)
        if tags is not None:
            if entities is not None:
                raise DocumentError("give tags or entities, not both: one follows from the other")
            tags = listed(tags, "tags")
            check_tags(tags, len(words))
        document = cls.from_checked(tuple(words), tags, ranges, id)
        if entities is None:
            return document
        found = document._spelled(sorted_spans(entities))
        _check_apart(found)
        return replace(document, entities=found)

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
        check_unicode(text)
        found: list[Entity] = []
        for start, end, label in sorted_spans(entities):
            check_range(text, start, end, label)
            found.append(Entity(start, end, label, text[start:end]))
        _check_apart(found)
        return cls(text, entities=tuple(found), id=id, split=False)

    @classmethod
    def from_checked(
        cls,
        words: Sequence[str],
        tags: Sequence[str] | None,
        sentences: tuple[tuple[int, int], ...],
        id: str | None = None,
    ) -> Document:
        """The document that `from_words` makes of the same, for whoever has checked them already.

        Text, word spans and entities are worked out when they are first asked for: the encoder
        needs none of them, and they are most of the work.
        """
        document = cls.__new__(cls)
        fill = object.__setattr__
        fill(document, "_words", words)
        fill(document, "sentences", sentences)
        fill(document, "tags", None if tags is None else tuple(tags))
        fill(document, "id", id)
        fill(document, "split", True)
        return document

    if not TYPE_CHECKING:  # a type checker would take any name for an attribute

        def __getattr__(self, name: str) -> Any:
            """Fill what `from_checked` left empty; Python asks here only for what is not there."""
            if name in ("text", "word_spans"):
                text, word_spans = _join(self._words, self.sentences)
                object.__setattr__(self, "word_spans", word_spans)
                object.__setattr__(self, "text", text)
            elif name == "entities":
                spans = () if self.tags is None else _decode(self.tags, self.sentences)
                object.__setattr__(self, "entities", self._spelled(spans))
            return object.__getattribute__(self, name)

    def _spelled(self, spans: Iterable[Span]) -> tuple[Entity, ...]:
        """The entities of ranges of words."""
        text, word_spans = self.text, self.word_spans
        return tuple(_entity(text, word_spans, span) for span in spans)

    @property
    def words(self) -> list[str]:
        """The words, in order."""
        words = getattr(self, "_words", None)
        if words is not None:
            return list(words)
        text = self.text
        return [text[start:end] for start, end in self.word_spans]

    @property
    def n_words(self) -> int:
        """How many words the document has."""
        words = getattr(self, "_words", None)
        return len(self.word_spans if words is None else words)

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
        tags = listed(tags, "tags")
        check_tags(tags, self.n_words)
        entities = self._spelled(_decode(tags, self.sentences))
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

    def only(self, threshold: float = 0.0, labels: Collection[str] | None = None) -> Document:
        """The same document with only some of its entities; the words of the others get O.

        threshold: entities with a lower score are left out; one without a score (gold) stays.
        labels: only entities with one of these labels stay; None keeps every label.
        Raises DocumentError where labels is a single string.
        """
        if isinstance(labels, str):
            raise DocumentError(
                f"labels is the string {labels!r}; expected a collection of labels: "
                f"write labels=[{labels!r}]"
            )
        wanted = None if labels is None else frozenset(labels)
        kept = [
            (e.score is None or e.score >= threshold) and (wanted is None or e.label in wanted)
            for e in self.entities
        ]
        if all(kept):
            return self
        entities = tuple(compress(self.entities, kept))
        if self.tags is None:
            return replace(self, entities=entities)
        tags = list(self.tags)
        ranges = list(self._touched())
        for first, last in ranges:
            tags[first:last] = [schemes.OUTSIDE] * (last - first)
        for first, last in compress(ranges, kept):  # afterwards: two may share a word
            tags[first:last] = self.tags[first:last]
        return replace(self, entities=entities, tags=tuple(tags))

    def _repr_html_(self) -> str:
        """What a notebook shows: the text with its entities marked."""
        return to_html(self)

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
    return [
        (start + first, start + last, label)
        for start, end in sentences
        for first, last, label in schemes.decode(tags[start:end])
    ]


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


def _entity(text: str, word_spans: Sequence[tuple[int, int]], span: Span) -> Entity:
    word_start, word_end, label = span
    if not 0 <= word_start < word_end <= len(word_spans):
        raise DocumentError(
            f"the entity ({word_start}, {word_end}, {label}) leaves a document of "
            f"{len(word_spans)} words; expected 0 <= word_start < word_end <= the number of words"
        )
    start, end = word_spans[word_start][0], word_spans[word_end - 1][1]
    return Entity(start, end, label, text[start:end])


def _check_apart(entities: Sequence[Entity]) -> None:
    for before, after in pairwise(entities):
        if after.start < before.end:
            raise DocumentError(
                f"the entities '{before.text}' and '{after.text}' overlap at character "
                f"{after.start}; expected entities side by side"
            )
