"""What the parts of a document must be: every refusal, in the words of whoever made the parts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from operator import index
from typing import NoReturn

from nertune import schemes
from nertune.errors import DocumentError
from nertune.schemes import Span


def listed(values: Sequence[str], name: str) -> Sequence[str]:
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


def sorted_spans(spans: Iterable[Span]) -> list[Span]:
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


def check_words(words: Sequence[str]) -> None:
    """Refuse what is no string, is empty, or has white space at its edges."""
    try:
        together = " ".join(words)
    except TypeError:
        _refuse_odd(words, "word")
    check_unicode(together)
    if together.split() == words:  # the common case, at once: no white space in any word
        return
    for i, word in enumerate(words):
        if not word or word != word.strip():
            raise DocumentError(
                f"word {i} is {word!r}; expected a word that is not empty and has no white space "
                "at its edges"
            )


def check_unicode(text: str) -> None:
    """Refuse a lone surrogate, which no file and no tokenizer takes."""
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DocumentError(
            f"character {error.start} of {text[:40]!r} is a lone surrogate, not valid Unicode; "
            "decode the source with its real encoding"
        ) from None


def checked_sentences(
    sentences: Sequence[tuple[int, int]] | None, n_words: int
) -> tuple[tuple[int, int], ...]:
    """The sentences as ranges that cover all words; one sentence where none are given."""
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


def check_tags(tags: Sequence[str], n_words: int) -> None:
    """Refuse tags that are not one a word; TagError for one that no scheme knows."""
    if len(tags) != n_words:
        raise DocumentError(f"{len(tags)} tags for {n_words} words; expected one a word")
    try:
        labels = {tag: schemes.split_tag(tag)[1] for tag in dict.fromkeys(tags)}
    except (TypeError, AttributeError):
        _refuse_odd(tags, "tag")
    for tag, label in labels.items():
        if label and (fault := label_fault(label)):
            raise DocumentError(f"the label of the entity at word {tags.index(tag)} {fault}")


def check_range(text: str, start: int, end: int, label: str) -> None:
    """Refuse an entity that leaves the text, is empty, or begins or ends with white space."""
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
