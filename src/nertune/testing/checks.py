"""What must hold of every tagged text, whatever the text and the model."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from nertune import schemes
from nertune.documents import Document
from nertune.encoding import NO_PIECE, Encoded, Encoder


def offset_faults(text: str, tagged: Document) -> list[str]:
    """What is wrong with the words, tags and entities that a tagger found in `text`; [] if nothing.

    Entities spell their stretch of the caller's own text, are in order and apart, and begin and
    end with words; words cover every visible character once; each has one tag; the tags spell the
    entities.
    """
    if tagged.text != text:
        return [f"the text has become {tagged.text!a}"]
    return [*_word_faults(text, tagged), *_entity_faults(text, tagged), *_tag_faults(tagged)]


def _word_faults(text: str, tagged: Document) -> Iterator[str]:
    spans = tagged.word_spans
    if any(after[0] < before[1] for before, after in pairwise(spans)):
        yield "words overlap or are out of order"
    if "".join(text[start:end] for start, end in spans) != "".join(text.split()):
        yield "words do not cover the visible characters once"
    if [edge for start, end in tagged.sentences for edge in range(start, end)] != [
        *range(tagged.n_words)
    ]:
        yield "sentences do not cover the words once"


def _entity_faults(text: str, tagged: Document) -> Iterator[str]:
    starts = {start for start, _ in tagged.word_spans}
    ends = {end for _, end in tagged.word_spans}
    last = 0
    for entity in tagged.entities:
        if text[entity.start : entity.end] != entity.text or not entity.text:
            yield f"{entity}: its stretch reads {text[entity.start : entity.end]!a}"
        if entity.start not in starts or entity.end not in ends:
            yield f"{entity}: begins or ends inside a word"
        if entity.start < last:
            yield f"{entity}: overlaps the one before"
        last = entity.end


def _tag_faults(tagged: Document) -> Iterator[str]:
    tags = tagged.tags
    if tags is None or len(tags) != tagged.n_words:
        yield f"{tagged.n_words} words have {len(tags or ())} tags"
        return
    spelled = [
        (start + first, start + last, label)
        for start, end in tagged.sentences
        for first, last, label in schemes.decode(tags[start:end])
    ]
    if spelled != tagged.label_spans:
        yield f"the tags spell {spelled}, the entities are {tagged.label_spans}"


def piece_faults(words: list[str], encoded: Encoded, encoder: Encoder) -> list[str]:
    """Words whose pieces are not the first ones that the tokenizer gives each by itself.

    words: those of the encoded documents, one after another. A word of which the tokenizer leaves
    nothing must have no piece.
    """
    places = dict(zip(words, zip(encoded.word_piece, encoded.word_sizes, strict=True), strict=True))
    alone = encoder.tokenizer.encode_batch(
        [[word] for word in places], is_pretokenized=True, add_special_tokens=False
    )
    faults = []
    for (word, (place, size)), whole in zip(places.items(), alone, strict=True):
        found = [] if place == NO_PIECE else encoded.ids[place : place + size].tolist()
        if found != whole.ids[: encoder.room]:
            faults.append(f"{word!a} has the pieces {found}, not {whole.ids[: encoder.room]}")
    return faults
