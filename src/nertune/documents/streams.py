"""What callers give, as a stream of documents; errors that name the place of what is none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from nertune.documents.document import Document
from nertune.errors import DocumentError


def of_documents(documents: Iterable[Document]) -> Iterator[Document]:
    """The documents themselves. Raises DocumentError for what is none."""
    return map(_document, count(), _several(documents, "documents"))


def of_texts(texts: Iterable[str]) -> Iterator[Document]:
    """A document a raw text. Raises DocumentError for what is no string of valid Unicode."""
    return map(_text, count(), _several(texts, "texts"))


def of_words(sentences: Iterable[Sequence[str]]) -> Iterator[Document]:
    """A document a sentence of words. Raises DocumentError for what is no list of words."""
    return map(_words, count(), _several(sentences, "lists of words"))


def _document(place: int, given: object) -> Document:
    if not isinstance(given, Document):
        raise DocumentError(
            f"document {place} (from 0) is of type {type(given).__name__}; expected a Document. "
            "For strings use tag_texts, for lists of words tag_words"
        )
    return given


def _text(place: int, given: object) -> Document:
    if not isinstance(given, str):
        raise DocumentError(
            f"text {place} (from 0) is of type {type(given).__name__}; expected a string. Leave "
            "missing values out, or put '' in their place"
        )
    try:
        return Document.from_text(given)
    except DocumentError as error:
        raise DocumentError(f"text {place} (from 0): {error}") from None


def _words(place: int, given: Any) -> Document:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise DocumentError(
            f"sentence {place} (from 0) is of type {type(given).__name__}; expected a list of "
            "words. For raw text use tag_texts"
        )
    try:
        return Document.from_words(list(given))
    except DocumentError as error:
        raise DocumentError(f"sentence {place} (from 0): {error}") from None


def _several(given: Any, what: str) -> Iterable[Any]:
    if isinstance(given, str):
        raise DocumentError(f"expected several {what}, got one string; for that use tagger(text)")
    if isinstance(given, Mapping) or hasattr(given, "columns"):
        raise DocumentError(
            f"expected several {what}, got a {type(given).__name__}, of which the names of the "
            "columns would be read; give one column"
        )
    if not isinstance(given, Iterable):
        raise DocumentError(f"expected several {what}, got one {type(given).__name__}")
    return given
