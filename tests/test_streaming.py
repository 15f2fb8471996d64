"""Tagging a stream into a file: whole or not there, and gone on with after any kind of end."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from nertune import Document, Tagger, schemes
from nertune.bundle import TaggerSettings
from nertune.config import WindowSettings
from nertune.encoding import normalise_tokenizer
from nertune.errors import DataError, OutputError
from nertune.streaming import (
    Origins,
    Tagging,
    Tally,
    Watch,
    made_from,
    partial_file,
    segments,
    write_tagged,
    write_tagged_file,
)
from nertune.streaming import partial as partial_module
from nertune.streaming import writing as writing_module
from nertune.testing import TEXT, FakeRuntime, tiny_tokenizer

ORIGINS = Origins({"input 1": "a", "the option --threshold": "0.0"})


def fake_tagger() -> Tagger:
    tags = tuple(schemes.tag_set(["LOC", "PER"], schemes.SCHEMES["IOB2"]))
    chosen = TaggerSettings(tags=tags, scheme="IOB2", window=WindowSettings(pieces=64))
    return Tagger(FakeRuntime(len(tags)), chosen, normalise_tokenizer(tiny_tokenizer()))


def texts(number: int) -> list[Document]:
    return [Document.from_text(f"{TEXT[i % len(TEXT)]} {i}" * (i % 7)) for i in range(number)]


class StopsAfter(Watch):
    """Ends the run in some way after so many documents, and keeps what was said."""

    def __init__(self, number: int = -1, error: BaseException | None = None) -> None:
        self.left = number
        self.error = error or KeyboardInterrupt()
        self.said: list[str] = []

    def seen(self, tally: Tally) -> None:
        self.left -= 1
        if self.left == 0:
            raise self.error

    def say(self, line: str) -> None:
        self.said.append(line)


def written(number: int, tagging: Tagging | None = None) -> str:
    """What an unbroken run writes to a stream."""
    handle = io.StringIO()
    write_tagged(fake_tagger(), texts(number), handle, tagging)
    return handle.getvalue()


def run(
    path: Path, number: int = 200, watch: Watch | None = None, tagging: Tagging | None = None,
    origins: Origins = ORIGINS,
) -> Tally:  # fmt: skip
    return write_tagged_file(fake_tagger(), texts(number), path, origins, tagging, watch)


def stop(path: Path, after: int, error: BaseException | None = None, **more: object) -> list[str]:
    """Begin a run and end it; what it said."""
    watch = StopsAfter(after, error)
    with pytest.raises(type(watch.error)):
        run(path, watch=watch, **more)  # type: ignore[arg-type]
    return watch.said


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing_module, "SEGMENT_WORDS", 300)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


class TestSegments:
    def test_they_are_the_stream_cut_at_the_same_places_wherever_it_begins(self) -> None:
        documents = texts(100)
        found = [list(segment) for segment in segments(documents)]
        assert [document for segment in found for document in segment] == documents
        assert len(found) > 4
        rest = documents[len(found[0]) + len(found[1]) :]
        assert [list(segment) for segment in segments(rest)] == found[2:]

    def test_a_pause_ends_one_and_makes_none_by_itself(self) -> None:
        a, b = Document.from_text("a"), Document.from_text("b")
        assert [list(s) for s in segments([None, a, None, None, b, None])] == [[a], [b]]
        assert list(segments([None])) == []

    def test_empty_lines_end_one_too(self) -> None:
        found = segments(Document.from_text("") for _ in range(700))
        assert [len(list(segment)) for segment in found] == [300, 300, 100]

    def test_nothing_is_read_ahead(self) -> None:
        read = []

        def reading() -> Iterator[Document]:
            for document in texts(50):
                read.append(document)
                yield document

        first = next(segments(reading()))
        assert len(read) == 1
        assert len(list(islice(first, 3))) == 3
        assert len(read) == 3


class TestStreams:
    def test_what_came_before_a_pause_is_written_before_the_next_is_read(self) -> None:
        handle = io.StringIO()

        def typed() -> Iterator[Document | None]:
            for number in range(3):
                assert handle.getvalue().count("\n") == number
                yield Document.from_text("Ada met Charles")
                yield None

        tally = write_tagged(fake_tagger(), typed(), handle)
        assert (tally.documents, tally.words) == (3, 9)
        assert handle.getvalue().count("\n") == 3

    def test_what_the_tagger_could_not_see_is_counted(self) -> None:
        tally = write_tagged(
            fake_tagger(), [Document.from_words(["a", "\u200b"])] * 3, io.StringIO()
        )
        assert tally.words_without_pieces == 3


class TestFiles:
    def test_it_is_what_goes_to_a_stream_and_leaves_nothing_beside(self, out: Path) -> None:
        tally = run(out)
        assert out.read_text(encoding="utf-8") == written(200)
        assert tally.documents == 200
        assert tally.entities > 0
        assert names(out.parent) == ["out.jsonl"]

    def test_it_has_the_permissions_of_any_new_file(self, out: Path) -> None:
        (out.parent / "plain").touch()
        run(out)
        assert out.stat().st_mode == (out.parent / "plain").stat().st_mode

    @pytest.mark.parametrize("write", ["jsonl", "conll"])
    @pytest.mark.parametrize("after", [1, 25, 90, 199])
    def test_a_run_goes_on_where_it_stopped(self, out: Path, after: int, write: str) -> None:
        tagging = Tagging(write=write)  # type: ignore[arg-type]
        unbroken = run(out.with_name("unbroken"), tagging=tagging)
        out.with_name("unbroken").rename(out.parent / "u")
        stop(out, after, tagging=tagging)
        assert not out.exists()
        watch = StopsAfter()
        assert run(out, watch=watch, tagging=tagging) == unbroken
        assert out.read_bytes() == (out.parent / "u").read_bytes()
        assert names(out.parent) == ["out.jsonl", "u"]
        assert len(watch.said) == (after > 20)
        assert all("going on after" in line for line in watch.said)

    def test_it_can_be_stopped_again_and_again(self, out: Path) -> None:
        for _ in range(3):
            stop(out, 50)
        run(out)
        assert out.read_text(encoding="utf-8") == written(200)

    def test_what_is_kept_is_said(self, out: Path) -> None:
        (line,) = stop(out, 90)
        assert "documents are kept, and the same command goes on from there" in line
        assert names(out.parent) == [".out.jsonl.journal", ".out.jsonl.partial"]

    def test_a_run_that_got_nowhere_leaves_nothing(self, out: Path) -> None:
        out.write_text("old", encoding="utf-8")
        assert stop(out, 2) == []
        assert names(out.parent) == ["out.jsonl"]
        assert out.read_text(encoding="utf-8") == "old"

    def test_other_inputs_or_options_begin_anew_and_it_says_why(self, out: Path) -> None:
        stop(out, 90)
        other = Origins({"input 1": "b", "the option --threshold": "0.0"})
        watch = StopsAfter()
        run(out, watch=watch, origins=other)
        assert watch.said == [
            f"{out}: an unfinished run is begun anew: input 1 was a, is b"
        ]
        assert out.read_text(encoding="utf-8") == written(200)

    def test_a_fact_that_made_no_difference_so_far_is_no_reason(self, out: Path) -> None:
        stop(out, 90, origins=Origins({"on_error": "stop"}), error=DataError("x", "file", 7))
        watch = StopsAfter()
        run(out, watch=watch, origins=Origins({"on_error": "skip"}, {"on_error": "stop"}))
        assert "going on after" in watch.said[0]

    @pytest.mark.parametrize("what", ["journal", "partial"])
    def test_a_damaged_or_missing_part_is_not_trusted(self, out: Path, what: str) -> None:
        for content in ("", "{", None):
            stop(out, 90)
            part = out.parent / f".out.jsonl.{what}"
            part.unlink() if content is None else part.write_text(content)
            run(out)
            assert out.read_text(encoding="utf-8") == written(200)
            out.unlink()
            assert names(out.parent) == []

    def test_a_link_stays(self, out: Path) -> None:
        target = out.parent / "deep" / "target"
        out.symlink_to(target)
        stop(out, 90)
        run(out)
        assert out.is_symlink()
        assert target.read_text(encoding="utf-8") == written(200)


class TestFaults:
    def test_two_programs_do_not_write_one_file(self, out: Path) -> None:
        with partial_file(out, {}) as part:
            part.handle.write("mine\n")
            with pytest.raises(OutputError, match="another nertune is writing this file"):
                run(out)
        assert out.read_text() == "mine\n"
        with FileLock(out.parent / ".out.jsonl.lock"):
            pass

    def test_a_full_disk_keeps_what_was_safe(self, out: Path) -> None:
        watch = StopsAfter(90, OSError(28, "No space left on device"))
        with pytest.raises(OutputError, match=r"cannot be written \(No space left on device\)"):
            run(out, watch=watch)
        assert "documents are kept" in watch.said[0]
        run(out)
        assert out.read_text(encoding="utf-8") == written(200)

    def test_a_closed_pipe_is_no_fault_of_the_file(self, out: Path) -> None:
        with pytest.raises(BrokenPipeError):
            run(out, watch=StopsAfter(90, BrokenPipeError()))

    def test_impossible_places(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        os.mkfifo(tmp_path / "pipe")
        for place in ("/proc/out", str(tmp_path), str(tmp_path / "file" / "out")):
            with pytest.raises(OutputError, match="cannot be written"):
                run(Path(place))
        with pytest.raises(OutputError, match="leave --out out and redirect"):
            run(tmp_path / "pipe")


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import test_streaming as t
t.writing_module.SEGMENT_WORDS = 300
t.partial_module._SECONDS_BETWEEN_SYNCS = 0
class Kills(t.Watch):
    def seen(self, tally):
        if tally.documents == {after}:
            os.kill(os.getpid(), signal.SIGKILL)
t.run(Path({out!r}), watch=Kills())
"""


MEASURED = """
import re, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import test_streaming as t
from nertune.data.text import read_text
tagger = t.fake_tagger()
tagger.runtime._script = lambda ids: t.mostly_outside(ids)
with open({text!r}, "rb") as stream:
    t.write_tagged_file(tagger, read_text(stream), Path({out!r}), t.ORIGINS)
# ru_maxrss would count what the parent held when it forked.
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


def mostly_outside(ids: np.ndarray) -> np.ndarray:
    found = np.zeros((*ids.shape, 5), np.float32)
    found[..., 0] = 4
    found[ids % 7 == 0, 1] = 8
    return found


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    peaks = []
    for megabytes in (1, 10):
        text = tmp_path / "text"
        lines = "".join(f"{line}\n" for line in TEXT)
        text.write_text(lines * (megabytes * 1_000_000 // len(lines.encode())))
        code = MEASURED.format(
            tests=str(Path(__file__).parent), text=str(text), out=str(tmp_path / "out")
        )
        ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        peaks.append(int(ended.stdout))
    assert peaks[1] < 1.05 * peaks[0]


@pytest.mark.parametrize("after", [30, 150])
def test_a_killed_run_goes_on(out: Path, after: int) -> None:
    code = KILLED.format(tests=str(Path(__file__).parent), out=str(out), after=after)
    ended = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert {".out.jsonl.partial", ".out.jsonl.journal"} <= set(names(out.parent))
    watch = StopsAfter()
    run(out, watch=watch)
    assert "going on after" in watch.said[0]
    assert out.read_text(encoding="utf-8") == written(200)
    assert names(out.parent) == ["out.jsonl"]


def test_safe_means_on_the_disk_every_few_seconds_not_every_segment(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    run(out)
    assert len(synced) == 1
    monkeypatch.setattr(partial_module, "_SECONDS_BETWEEN_SYNCS", -1.0)
    run(out)
    assert len(synced) > 10


class TestIdentity:
    @pytest.fixture
    def model(self, tmp_path: Path) -> Path:
        folder = tmp_path / "model"
        (folder / "onnx").mkdir(parents=True)
        for name in ("tagger.json", "model.safetensors", "onnx/model.onnx"):
            (folder / name).write_text(name)
        return folder

    def test_each_part_makes_a_difference(self, model: Path, tmp_path: Path) -> None:
        text = tmp_path / "a.txt"
        text.write_text("Ada")

        def facts(runtime: str = "onnx (1 thread)", threshold: float = 0.0) -> dict[str, str]:
            return made_from([text], model, runtime, {"--threshold": threshold})

        before = facts()
        assert facts() == before
        assert facts(threshold=0.5) != before
        assert facts("onnx (2 threads)") == before
        assert facts("torch (cuda, fp32)") != facts("torch (cpu, fp32)")
        assert "the model's model.safetensors" in facts("torch (cpu, fp32)")
        assert "the model's model.safetensors" not in before
        (model / "onnx" / "model.onnx").write_text("another!!!")
        assert facts() != before
        before = facts()
        os.utime(text, ns=(0, time.time_ns() - 5_000_000_000))
        assert facts() != before
        assert before["input 1"].startswith(f"{text} (3 bytes, changed 20")
