"""Rows through a tagger, some of which it cannot tag."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from nertune.bundle import TaggerSettings
from nertune.config import WindowSettings
from nertune.documents import Document
from nertune.encoding import normalise_tokenizer
from nertune.engine import Tagger
from nertune.spark.tagging import Outcome, Prepared, tag_rows
from nertune.testing import FakeRuntime, tiny_tokenizer

TAGS = ("O", "B-PER", "I-PER")


def tagger(poison: str = "") -> Tagger:
    """A tagger that fails whenever a batch holds the word `poison`."""
    tokenizer = normalise_tokenizer(tiny_tokenizer("bert-cased"))
    ids = tokenizer.encode(poison, add_special_tokens=False).ids if poison else []

    def script(pieces: Any) -> Any:
        if ids and np.isin(ids, pieces).all():
            raise RuntimeError("out of memory")
        return np.sin(pieces[..., None] * 12.9898 + np.arange(3) * 78.233).astype(np.float32)

    settings = TaggerSettings(tags=TAGS, scheme="IOB2", window=WindowSettings(pieces=64))
    return Tagger(FakeRuntime(3, script), settings, tokenizer)


def prepared(*texts: str) -> Iterator[Prepared]:
    for number, text in enumerate(texts):
        yield b"%d" % number, [0], [Document.from_text(text)]


def test_the_rows_that_fail_are_told_and_the_others_are_tagged() -> None:
    texts = ["Ada met Charles .", "Lisbon", "Nairobi", "Lisbon and London", ""] * 40
    found = list(tag_rows(tagger("Lisbon").tag, prepared(*texts)))
    [*expected] = tagger().tag_texts(texts)
    assert len(found) == len(texts)
    for number, (text, one) in enumerate(zip(texts, found, strict=True)):
        if "Lisbon" in text:
            assert one == Outcome(number, b"%d" % number, "RuntimeError: out of memory")
        else:
            assert not isinstance(one, Outcome)
            assert [document.tags for document in one[1]] == [expected[number].tags]


def test_rows_of_no_document_of_several_and_failed_ones_keep_their_places() -> None:
    pair = [Document.from_text("Ada"), Document.from_text("Lisbon .")]
    rows: list[Prepared] = [
        (b"a", [], "no text"),
        (b"b", [0, 0], pair),
        (b"c", [], []),
        *prepared("x"),
    ]
    failed, two, none, one = tag_rows(tagger().tag, iter(rows))
    assert failed == Outcome(0, b"a", "no text")
    assert not isinstance(two, Outcome)
    assert [document.text for document in two[1]] == ["Ada", "Lisbon ."]
    assert none == ([], [])
    assert not isinstance(one, Outcome)
    assert len(one[1][0].tags or ()) == 1


def test_a_fault_of_spark_itself_is_no_row_s() -> None:
    def rows() -> Iterator[Prepared]:
        yield from prepared("Ada")
        raise OSError("the stream broke")

    with pytest.raises(OSError, match="the stream broke"):
        list(tag_rows(tagger().tag, rows()))
