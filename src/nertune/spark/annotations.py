"""The annotation: the struct that every column of a pipeline holds a list of.

Fields, their order and their meaning are those of Spark NLP (`com.johnsnowlabs.nlp.Annotation`), so
that code which reads its columns reads ours. `begin` and `end` count characters (code points) of
the document from 0, and `end` is inclusive: `text[begin:end + 1]`. Spark NLP counts UTF-16 units,
which differ after an emoji; Spark SQL's own `substring` counts code points too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any, NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    FloatType,
    IntegerType,
    MapType,
    StringType,
    StructField,
    StructType,
)

from nertune.documents import Document, Entity
from nertune.errors import DocumentError
from nertune.posteriors import Doubles
from nertune.spark.columns import same_names

DOCUMENT, TOKEN, NAMED_ENTITY, CHUNK = "document", "token", "named_entity", "chunk"
"""The types of annotation: whole texts, words, tags of words, entities."""

ERROR = "error"
"""The key in the metadata of the one annotation of a row that failed."""

ANNOTATION = StructType(
    [
        StructField("annotatorType", StringType()),
        StructField("begin", IntegerType()),
        StructField("end", IntegerType()),
        StructField("result", StringType()),
        StructField("metadata", MapType(StringType(), StringType())),
        StructField("embeddings", ArrayType(FloatType())),
    ]
)
ANNOTATIONS = ArrayType(ANNOTATION)
"""The type of every annotation column."""


class Annotation(NamedTuple):
    """One annotation, as a row of Spark and as a tuple."""

    annotatorType: str  # noqa: N815 - the name of the column's field
    begin: int
    end: int
    result: str
    metadata: Mapping[str, str]
    embeddings: Sequence[float] = ()


def with_annotations(frame: DataFrame, name: str, column: Column, kind: str) -> DataFrame:
    """The frame with one more column, its type told in the metadata, where Spark NLP looks.

    Raises DocumentError where Spark would take a column that is there already for this one.
    """
    if same := same_names(frame, name):
        raise DocumentError(
            f"the frame has a column '{same[0]}' already, which '{name}' would replace; expected "
            f"another name: say .setOutputCol('...'), or rename or drop '{same[0]}' first"
        )
    return frame.select("*", column.alias(name, metadata={"annotatorType": kind}))


def failed(column: str) -> Column:
    """Why the row failed, from an annotation column of a WordTokenizer or NerTagger; else null.

    Count such rows with `frame.where(failed("ner").isNotNull())`.
    """
    reasons = F.transform(column, lambda one: F.try_element_at(one["metadata"], F.lit(ERROR)))
    found = F.filter(reasons, lambda one: one.isNotNull())
    return F.try_element_at(found, F.lit(1)).alias("error")


def failure(kind: str, reason: str) -> list[Annotation]:
    """The annotations of a row that failed."""
    return [Annotation(kind, 0, -1, "", {ERROR: reason})]


def place(sentence: int, document: int, n_documents: int) -> dict[str, str]:
    """The metadata that say where a word belongs.

    Sentences count through the row. `document`, the place in a row of several, is ours.
    """
    found = {"sentence": str(sentence)}
    return found | {"document": str(document)} if n_documents > 1 else found


# --- documents to annotations ---


def word_annotations(documents: Sequence[Document], begins: Sequence[int]) -> Iterator[Annotation]:
    """The words of a row's documents, each `begins` characters from the start of its text."""
    for (i, j), where, begin, document in _words(documents, begins):
        yield Annotation(TOKEN, begin + i, begin + j - 1, document.text[i:j], where)


@dataclass(frozen=True)
class Probabilities:
    """How probable each tag is at each word of a document: (n_words, n_tags)."""

    tags: tuple[str, ...]
    of_words: Doubles

    def metadata(self) -> Iterator[dict[str, str]]:
        """For each word the tags with their probability, to six digits."""
        n_numbers = self.of_words.size
        printed = ("%.6g " * n_numbers % tuple(self.of_words.ravel().tolist())).split()
        for first in range(0, n_numbers, len(self.tags)):
            yield dict(zip(self.tags, printed[first : first + len(self.tags)], strict=True))


def tag_annotations(
    documents: Sequence[Document],
    begins: Sequence[int],
    probabilities: Sequence[Probabilities] = (),
) -> Iterator[Annotation]:
    """The tags of a row's documents, one a word.

    The words of an entity carry its score as `confidence`: the probability of the whole entity.
    probabilities: of each document, where the words are to carry them too.
    """
    tags: list[str] = []
    scores: list[float | None] = []
    for document in documents:
        tags += document.tags or ()
        of_words: list[float | None] = [None] * document.n_words
        for entity, (first, last, _) in zip(document.entities, document.label_spans, strict=True):
            of_words[first:last] = [entity.score] * (last - first)
        scores += of_words
    words = _words(documents, begins)
    of_tags = chain.from_iterable(one.metadata() for one in probabilities)
    for tag, score, ((i, j), where, begin, document) in zip(tags, scores, words, strict=True):
        metadata = {**where, "word": document.text[i:j], **next(of_tags, {})}
        if score is not None:
            metadata["confidence"] = repr(float(score))
        yield Annotation(NAMED_ENTITY, begin + i, begin + j - 1, tag, metadata)


def _words(
    documents: Sequence[Document], begins: Sequence[int]
) -> Iterator[tuple[tuple[int, int], dict[str, str], int, Document]]:
    """Each word's characters, the metadata of its place, where its document begins, and that."""
    sentence = 0
    for number, (document, begin) in enumerate(zip(documents, begins, strict=True)):
        for first, last in document.sentences:
            where = place(sentence, number, len(documents))
            for span in document.word_spans[first:last]:
                yield span, where, begin, document
            sentence += 1


# --- annotations to documents ---


class Token(NamedTuple):
    """What is read of a token: `begin` and inclusive `end` in its document, and its place."""

    begin: int
    end: int
    result: str
    sentence: str = "0"
    document: str | None = None


def tokens_to_documents(
    texts: Sequence[str], begins: Sequence[int], tokens: Iterable[Token]
) -> list[Document]:
    """A document for each text, with exactly these words and their sentences.

    Raises DocumentError for a token that is not the stretch of its text that its offsets say.
    """
    word_spans: list[list[tuple[int, int]]] = [[] for _ in texts]
    edges: list[list[int]] = [[] for _ in texts]
    before: tuple[int, str] | None = None
    for token in tokens:
        number = int(token.document or 0)
        if not 0 <= number < len(texts):
            raise DocumentError(
                f"the token '{token.result}' is of document {number}, of {len(texts)}"
            )
        start = token.begin - begins[number]
        span = (start, token.end - begins[number] + 1)
        _check_token(token, texts[number], span, word_spans[number])
        if before != (number, token.sentence):
            edges[number].append(len(word_spans[number]))
            before = (number, token.sentence)
        word_spans[number].append(span)
    parts = zip(texts, word_spans, edges, strict=True)
    return [_with_words(text, spans, starts) for text, spans, starts in parts]


def _with_words(text: str, spans: list[tuple[int, int]], starts: list[int]) -> Document:
    """starts: the words that begin a sentence."""
    if text.strip() and not spans:
        raise DocumentError(
            f"the text {text[:40]!r} has no tokens; expected those of a WordTokenizer that reads "
            "the same document column"
        )
    return Document(text, tuple(spans), tuple(pairwise([*starts, len(spans)])))


def _check_token(
    token: Token, text: str, span: tuple[int, int], before: Sequence[tuple[int, int]]
) -> None:
    start, end = span
    if start < (before[-1][1] if before else 0) or text[start:end] != token.result or start >= end:
        raise DocumentError(
            f"the token {token.result!r} at {token.begin} to {token.end} stands over "
            f"{text[max(0, start) : max(0, end)]!r}; expected tokens in order that spell their "
            "stretch of the document, in code points: use nertune's WordTokenizer on the same "
            "document column"
        )


def to_document(document: Any, tokens: Any, chunks: Any = ()) -> Document:
    """The nertune Document of one row: its document, token and chunk columns as collected.

    A row of one document. Raises DocumentError where the columns do not fit together.
    """
    if len(document) != 1:
        raise DocumentError(f"the row has {len(document)} documents; expected one")
    begin, text = document[0]["begin"], document[0]["result"]
    words = (
        Token(one["begin"], one["end"], one["result"], one["metadata"]["sentence"])
        for one in tokens
    )
    [made] = tokens_to_documents([text], [begin], words)
    entities = tuple(_entity(one, begin, text) for one in chunks)
    return Document(text, made.word_spans, made.sentences, entities)


def _entity(chunk: Any, base: int, text: str) -> Entity:
    start, end = chunk["begin"] - base, chunk["end"] - base + 1
    score = chunk["metadata"].get("confidence")
    return Entity(
        start, end, chunk["metadata"]["entity"], text[start:end],
        None if score is None else float(score),
    )  # fmt: skip
