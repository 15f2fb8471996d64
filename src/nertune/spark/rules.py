"""The rules of Spark NLP that differ from ours: where words end, and how tags make entities.

Both are kept to the letter, for pipelines that must find what they found before.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal

from nertune import schemes
from nertune.documents import Document
from nertune.schemes import Span
from nertune.splitting import split

WordRules = Literal["nertune", "spark-nlp"]
MergeRule = Literal["conlleval", "spark-nlp"]

# Tokenizer.scala, `buildRuleFactory` with the default context characters: what stands between
# white space is a run of them, the word, and another run. Java's \s is that of ASCII.
_CONTEXT = r""".,;:!?*\-()"'"""
_CANDIDATE = re.compile(r"[^ \t\n\x0b\f\r]+")
_EDGES = re.compile(rf"[{_CONTEXT}]*")
_CLOSING = _CONTEXT.replace("\\", "")


def in_words(document: Document, rules: WordRules) -> Document:
    """The document with words and sentences. Sentences are those of our splitter in any case."""
    ours = split(document)
    if rules == "nertune":
        return ours
    word_spans = tuple(_spark_nlp_words(document.text))
    starts = [ours.word_spans[first][0] for first, _ in ours.sentences]
    owners = [bisect_right(starts, start) for start, _ in word_spans]
    edges = [i for i, owner in enumerate(owners) if not i or owner != owners[i - 1]]
    sentences = tuple(pairwise([*edges, len(word_spans)]))
    return Document(document.text, word_spans, sentences, id=document.id)


def _spark_nlp_words(text: str) -> Iterator[tuple[int, int]]:
    """Words as half-open character ranges: each run between white space in up to three parts."""
    for match in _CANDIDATE.finditer(text):
        start, end = match.span()
        edge = _EDGES.match(text, start, end)
        inner = edge.end() if edge else start
        outer = inner + len(text[inner:end].rstrip(_CLOSING))
        for first, last in ((start, inner), (inner, outer), (outer, end)):
            stretch = text[first:last]
            # White space that Java does not know is none of a word's edges here.
            first += len(stretch) - len(stretch.lstrip())
            last -= len(stretch) - len(stretch.rstrip())
            if first < last:
                yield first, last


def entities_of(tags: Sequence[str], rule: MergeRule) -> list[Span]:
    """The entities of one sentence as half-open ranges of words `(first, last, label)`.

    conlleval: by the rules of the CoNLL scorer; `B-PER I-LOC` are two entities. spark-nlp: as its
    NerConverter (NerTagsEncoding.fromIOB): only `B-` and `O` close an entity, so they are one PER.
    Raises TagError for what is no tag.
    """
    if rule == "conlleval":
        return schemes.decode(tags)
    spans: list[Span] = []
    start, label = -1, ""
    for i, tag in enumerate([*tags, schemes.OUTSIDE]):
        if start >= 0 and (tag == schemes.OUTSIDE or tag.startswith("B-")):
            spans.append((start, i, label))
            start = -1
        if start < 0 and tag != schemes.OUTSIDE:
            start, label = i, schemes.split_tag(tag)[1]
    return spans
