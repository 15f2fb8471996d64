"""Raw text, a document a line; and pipes, where the next line may be long in coming."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from nertune.config import ReadSettings
from nertune.data import ReadReport, read_stream
from nertune.data.arriving import ArrivingStream, can_wait, with_pauses
from nertune.data.text import read_text
from nertune.errors import DataError

FAULTY = b"Ada\ncaf\xe9 Rome\nBob\n"


def texts(content: bytes, report: ReadReport | None = None, on_error: str = "stop") -> list[str]:
    settings = ReadSettings(on_error=on_error)
    return [d.text for d in read_text(io.BytesIO(content), settings, report, "file")]


def test_every_line_is_a_document() -> None:
    assert texts(b"a\n\n b \r\nc\rd") == ["a", "", " b ", "c\rd"]
    assert texts(b"") == []


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    assert texts(b"\xef\xbb\xbfa\n\xef\xbb\xbfb") == ["a", "\ufeffb"]


class TestFaults:
    def test_stop_names_the_line_and_the_cures(self) -> None:
        with pytest.raises(DataError) as caught:
            texts(FAULTY)
        assert str(caught.value) == (
            "file:2: not UTF-8 (byte 0xE9 at column 4); expected UTF-8; convert it, e.g. iconv -f "
            "latin1 -t utf8, or read on with --on-error skip or repair"
        )

    def test_skip_leaves_the_line_out_and_counts_it(self) -> None:
        report = ReadReport()
        assert texts(FAULTY, report, "skip") == ["Ada", "Bob"]
        assert report.lines() == ["read 2 documents", "skipped once: not UTF-8 (first at file:2)"]

    def test_repair_keeps_what_can_be_read_and_counts_it(self) -> None:
        report = ReadReport()
        assert texts(FAULTY, report, "repair") == ["Ada", "caf\ufffd Rome", "Bob"]
        assert report.lines()[1:] == ["repaired once: not UTF-8 (first at file:2)"]

    def test_a_fault_in_the_first_line_behind_a_byte_order_mark(self) -> None:
        assert texts(b"\xef\xbb\xbfa\xff", None, "repair") == ["a\ufffd"]


@pytest.fixture
def pipe() -> Iterator[tuple[ArrivingStream, io.FileIO]]:
    source, sink = os.pipe()
    with ExitStack() as stack:
        reading = stack.enter_context(os.fdopen(source, "rb"))
        writing = stack.enter_context(os.fdopen(sink, "wb", buffering=0))
        assert can_wait(reading)
        yield ArrivingStream(reading), writing


class TestPipes:
    def test_a_pause_comes_when_all_that_is_there_is_read(self, pipe) -> None:
        stream, writing = pipe
        documents = with_pauses(read_text(stream), stream)
        writing.write(b"a\nb\n")
        assert [d and d.text for d in (next(documents), next(documents), next(documents))] == [
            "a", "b", None,
        ]  # fmt: skip
        writing.write(b"c\n" * 100_00)
        writing.close()
        rest = list(documents)
        assert len(rest) == 10_000
        assert None not in rest

    @pytest.mark.parametrize(
        ("kind", "content"), [("columns", b"Ada\n\n"), ("jsonl", b'{"text": "Ada"}\n')]
    )
    def test_rows_too(self, pipe, kind: str, content: bytes) -> None:
        stream, writing = pipe
        settings = ReadSettings(format=kind, tag_column=None)
        documents = with_pauses(read_stream(stream, settings), stream)
        for _ in range(3):
            writing.write(content)
            assert next(documents).text == "Ada"
            assert next(documents) is None
        writing.close()
        assert list(documents) == []

    def test_only_a_pipe_or_a_terminal_can_make_one_wait(self, tmp_path) -> None:
        (tmp_path / "file").touch()
        with (tmp_path / "file").open("rb") as stream:
            assert not can_wait(stream)
        assert not can_wait(io.BytesIO())
