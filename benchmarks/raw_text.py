"""F1 of CoNLL-2003's test set given as words, and as raw text with a sentence a line.

Raw text goes through nertune's own splitter; an entity is right where characters and label agree.

    python benchmarks/raw_text.py MODEL
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from common import corpora, floor, write

BAR = 1.0

Spans = set[tuple[int, int, int, str]]


def spans(documents: Iterable[Any]) -> Spans:
    """The entities of documents: document, start, end, label."""
    return {
        (i, entity.start, entity.end, entity.label)
        for i, document in enumerate(documents)
        for entity in document.entities
    }


def f1(gold: Spans, found: Spans) -> float:
    """Micro F1 in points."""
    return 200 * len(gold & found) / max(1, len(gold) + len(found))


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    options = parser.parse_args()
    from nertune import Document, Tagger
    from nertune.data import read

    tagger = Tagger.load(options.model)
    gold = list(read(corpora() / "conll2003-en" / "eng.testb"))
    as_words = f1(spans(gold), spans(tagger.tag(gold)))
    texts = [Document.from_text(document.text) for document in gold]
    as_text = f1(spans(gold), spans(tagger.tag(texts)))
    alone = [
        Document.from_words(document.words[a:b], document.tags[a:b] if document.tags else None)
        for document in gold
        for a, b in document.sentences
    ]
    lines = tagger.tag_texts([document.text for document in alone])
    figures = {
        "runtime": tagger.runtime.name,
        "f1_words": as_words,
        "f1_raw_text": as_text,
        "f1_words_each_sentence_alone": f1(spans(alone), spans(tagger.tag(alone))),
        "f1_raw_text_each_sentence_alone": f1(spans(alone), spans(lines)),
    }
    write("raw_text", figures)
    floor(-abs(as_words - as_text), -BAR, "points of F1 between words and raw text, negated")


if __name__ == "__main__":
    main()
