"""Column files are read many lines at a time: where one such stretch ends must not be seen."""

from __future__ import annotations

import io
import os
from itertools import pairwise
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nertune.config import ReadSettings
from nertune.data import ReadReport, read_stream
from nertune.data import lines as lines_module
from nertune.data.lines import blocks, stretches
from nertune.errors import DataError

SIZES = st.sampled_from([1, 2, 5, 11, 60])
LINES = st.lists(st.sampled_from([
    b"a O", b"b B-X", b"en:c O", b"", b"", b" \t", b"d NN O", b"e X", b"-DOCSTART- O", b"# x = y",
    b"\xff O", b"f O\r", b"\r", b"\xc2\xa0 O", b"\xe2\x80\xa8", b"g O\rh O",
]), max_size=25)  # fmt: skip


def outcome(content: bytes, given: ReadSettings) -> tuple[object, ...]:
    """All that reading gives: documents, counts and the error."""
    report, documents = ReadReport(), []
    try:
        for document in read_stream(io.BytesIO(content), given, report):
            documents.append(document)
    except DataError as error:
        return documents, report, str(error)
    return documents, report, None


@settings(max_examples=200, deadline=None)
@given(content=LINES.map(b"\n".join), size=SIZES, last=st.sampled_from([b"", b"\n", b"\n\n"]))
def test_stretches_are_the_file_and_end_at_blank_lines(content, size, last):
    content += last
    with patch.object(lines_module, "_STRETCH_BYTES", size):
        found = list(stretches(io.BufferedReader(io.BytesIO(content))))
    assert b"".join(raw for _, raw in found) == content
    for (number, raw), (next_number, _) in pairwise(found):
        assert [*io.BytesIO(raw)][-1].isspace()
        assert next_number == number + raw.count(b"\n")
    every = [line for stretch in found for _, block in blocks(stretch) for line in block]
    assert every == [line for line in io.BytesIO(content) if not line.isspace()]
    for number, block in (each for stretch in found for each in blocks(stretch)):
        assert list(io.BytesIO(content))[number - 1 : number - 1 + len(block)] == block


@settings(max_examples=200, deadline=None)
@given(content=LINES.map(b"\n".join), size=SIZES, separator=st.sampled_from([None, " "]),
       on_error=st.sampled_from(["stop", "skip", "repair"]))  # fmt: skip
def test_what_is_read_does_not_depend_on_where_stretches_end(content, size, separator, on_error):
    given = ReadSettings(
        format="columns", separator=separator, on_error=on_error, word_prefix="en:"
    )
    expected = outcome(content, given)
    with patch.object(lines_module, "_STRETCH_BYTES", size):
        assert outcome(content, given) == expected


def test_something_peculiar_far_into_a_file_changes_nothing_around_it(reading):
    sentence = "in O\nRome B-LOC\n\n"
    odds = {"a\xa0b O\n\n": ["a\xa0b"], "# id = c\na O\n\n": ["a"], "\t \n\n": None}
    for odd, words in odds.items():
        documents = reading(sentence * 900 + odd + sentence * 900)
        kept = [document.words for document in documents if document.words != ["in", "Rome"]]
        assert kept == ([words] if words else [])
        assert len(documents) == 1800 + len(kept)
    for row in ("x NN", "x B-"):
        message = reading.fails(f"{sentence * 900}ok O\n{row}\n\n{sentence * 900}", DataError)
        assert message.startswith("file:2702: ")


@pytest.mark.parametrize("separator", [None, "\t", ";"])
def test_white_space_behind_a_prefix_is_no_part_of_the_word(reading, separator):
    between = separator or " "
    for space in ("\xa0", *(" " * (separator is not None))):
        content = f"en:{space}in{between}O\nen:Rome{between}B-LOC\n"
        documents = reading(content, word_prefix="en:", separator=separator)
        assert [document.words for document in documents] == [["in", "Rome"]]
        blank = reading.fails(
            f"a{between}O\nen:{space}{between}O\n", DataError,
            word_prefix="en:", separator=separator,
        )  # fmt: skip
        assert blank.startswith("file:2: no word in")


def test_sentences_come_out_of_a_pipe_that_is_still_open():
    source, sink = os.pipe()
    with os.fdopen(source, "rb") as stream, os.fdopen(sink, "wb", buffering=0) as pipe:
        pipe.write(b"a O\n\nb")
        documents = read_stream(stream)
        pipe.write(b" O\n\n")
        assert next(documents).words == ["a"]
        assert next(documents).words == ["b"]
        pipe.write(b"c O\n")
        pipe.close()
        assert [document.words for document in documents] == [["c"]]
