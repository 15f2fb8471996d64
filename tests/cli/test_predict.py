"""nertune predict as a batch command: inputs, output, progress, faults."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from nertune.cli.tagging import _keep_apart
from nertune.errors import OutputError
from nertune.streaming import writing

LINES = "Ada met Charles in London .\n\nBogotá y São Paulo\n"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: Any) -> Path:
    from nertune.testing import tiny_bundle

    return tiny_bundle(tmp_path_factory.mktemp("bundle") / "model")


@pytest.fixture
def news(tmp_path: Path) -> Path:
    path = tmp_path / "news.txt"
    path.write_text(LINES * 40, encoding="utf-8")
    return path


def rows(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


class TestOptions:
    def test_only_the_labels_asked_for(self, cli: Any, bundle: Path, news: Path) -> None:
        def found(*labels: str) -> list[Any]:
            chosen = [part for label in labels for part in ("--label", label)]
            text = cli("predict", bundle, news, *chosen).worked()
            return [e for row in rows(text) for e in row["entities"]]

        every, persons = found(), found("PER")
        assert {entity["label"] for entity in every} == {"PER", "LOC"}
        assert persons == [entity for entity in every if entity["label"] == "PER"]
        assert found("PER", "LOC") == every

    def test_a_label_that_the_model_does_not_have(self, cli: Any, bundle: Path) -> None:
        text = cli("predict", bundle, "--label", "PRE").failed()
        assert "PRE" in text
        assert "LOC" in text

    @pytest.mark.parametrize("number", ["0", "-1", "x"])
    def test_jobs_that_are_none(self, cli: Any, bundle: Path, number: str) -> None:
        ended = cli("predict", bundle, "--jobs", number)
        assert ended.status == 2
        assert "--jobs" in ended.err

    def test_jobs(self, cli: Any, bundle: Path) -> None:
        assert rows(cli("predict", bundle, "--jobs", 1, stdin=b"Ada").worked())

    def test_a_runtime_that_the_folder_has_nothing_for(self, cli: Any, bundle: Path) -> None:
        assert "onnx" in cli("predict", bundle, "--runtime", "onnx", stdin=b"Ada").failed()


class TestInputs:
    @pytest.mark.parametrize(
        ("name", "message"),
        [("nowhere.txt", "no such file"), (".", "is a folder; expected a file"),
         ("/proc/self/mem/x", "cannot be read")],
    )  # fmt: skip
    def test_a_bad_input_is_told_before_anything_is_read(
        self, cli: Any, bundle: Path, news: Path, name: str, message: str
    ) -> None:
        ended = cli("predict", bundle, news, name, "--out", news.parent / "out")
        assert ended.failed().startswith(f"{name}: {message}")
        assert [path.name for path in news.parent.iterdir()] == ["news.txt"]

    def test_a_faulty_row_is_told_with_its_place_and_handled_as_asked(
        self, cli: Any, bundle: Path, tmp_path: Path
    ) -> None:
        path = tmp_path / "rows.jsonl"
        path.write_bytes(b'{"text": "Ada"}\n{"text": null}\n{"text": "Bob"}\n')
        assert cli("predict", bundle, path).err.startswith(
            f"error: {path}:2: 'text' is missing or null"
        )
        for on_error in ("skip", "repair"):
            ended = cli("predict", bundle, path, "--on-error", on_error)
            assert [row["text"] for row in rows(ended.worked())] == ["Ada", "Bob"]
            assert ended.err == f"warning: skipped once: no text (first at {path}:2)\n"

    def test_repair_keeps_a_line_that_is_not_utf8(self, cli: Any, bundle: Path) -> None:
        ended = cli("predict", bundle, "--on-error", "repair", stdin=b"Ada\ncaf\xe9\n")
        assert [row["text"] for row in rows(ended.worked())] == ["Ada", "caf\ufffd"]
        warnings = ended.err.splitlines(keepends=True)
        assert warnings[0] == "warning: 1 word unknown to the tokenizer got O\n"
        assert warnings[1] == "warning: repaired once: not UTF-8 (first at <stdin>:2)\n"


class TestOut:
    def test_the_last_line_says_what_was_done(self, cli: Any, bundle: Path, news: Path) -> None:
        ended = cli("predict", bundle, news, "--out", news.parent / "out.jsonl")
        assert ended.worked() == ""
        assert ended.err.startswith("120 documents, 400 words, ")
        assert " words/s with torch" in ended.err
        assert ended.err.count("\n") == 1

    def test_a_short_run_to_standard_output_says_nothing(self, cli: Any, bundle: Path) -> None:
        assert cli("predict", bundle, stdin=b"Ada").err == ""

    @pytest.mark.parametrize("target", ["jsonl", "conll", "pretty"])
    def test_a_file_holds_what_standard_output_would_get(
        self, cli: Any, bundle: Path, news: Path, target: str
    ) -> None:
        out = news.parent / "out"
        text = cli("predict", bundle, news, "--format", target).worked()
        cli("predict", bundle, news, "--format", target, "--out", out).worked()
        assert out.read_text(encoding="utf-8") == text

    def test_the_same_command_goes_on_after_a_fault(
        self, cli: Any, bundle: Path, news: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(writing, "SEGMENT_WORDS", 100)
        out = news.parent / "out.jsonl"
        with news.open("ab") as handle:
            handle.write(b"caf\xe9\nlast\n")
        stopped = cli("predict", bundle, news, "--out", out)
        assert stopped.status == 2
        assert not out.exists()
        assert f"error: {news}:121: not UTF-8" in stopped.err
        ended = cli("predict", bundle, news, "--out", out, "--on-error", "repair")
        assert "going on after" in ended.err
        assert "121: " not in ended.err
        assert f"repaired once: not UTF-8 (first at {news}:121)" in ended.err
        assert out.read_text(encoding="utf-8") == cli(
            "predict", bundle, news, "--on-error", "repair"
        ).worked()

    def test_another_threshold_begins_anew(
        self, cli: Any, bundle: Path, news: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(writing, "SEGMENT_WORDS", 100)
        out = news.parent / "out.jsonl"
        with news.open("ab") as handle:
            handle.write(b"caf\xe9\n")
        assert cli("predict", bundle, news, "--out", out).status == 2
        ended = cli("predict", bundle, news, "--out", out, "--on-error", "skip",
                    "--threshold", 0.5)
        assert ended.worked() == ""
        assert "begun anew: the option --threshold was 0.0, is 0.5" in ended.err

    def test_standard_input_is_written_whole(
        self, cli: Any, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(writing, "SEGMENT_WORDS", 1)
        out = tmp_path / "out.jsonl"
        assert cli("predict", bundle, "--out", out, stdin=b"a\nb\ncaf\xe9\n").status == 2
        assert list(tmp_path.iterdir()) == []


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "nertune", "predict", *map(str, arguments)]


def careful(*arguments: object) -> list[str]:
    """The command, in small segments that are brought to the disk at once."""
    code = (
        "from nertune.streaming import partial, writing; from nertune.cli.main import main\n"
        "partial._SECONDS_BETWEEN_SYNCS, writing.SEGMENT_WORDS = 0, 500; main()"
    )
    return [sys.executable, "-c", code, "predict", *map(str, arguments)]


class TestTerminals:
    """The program on a terminal of its own, 80 columns wide."""

    def typed(self, arguments: list[str], lines: list[bytes]) -> str:
        """What a terminal shows when each line is typed after the answer to the one before."""
        terminal, end = pty.openpty()
        process = subprocess.Popen(arguments, stdin=end, stdout=end, stderr=end, close_fds=True)
        os.close(end)
        shown = b""
        try:
            for line in lines:
                os.write(terminal, line)
                shown += self._until(terminal, b"[" if b"\n" in line else None)
            process.wait(timeout=60)
        finally:
            process.kill()
            os.close(terminal)
        return shown.decode()

    def _until(self, terminal: int, mark: bytes | None) -> bytes:
        shown, deadline = b"", time.monotonic() + 60
        while time.monotonic() < deadline:
            if not select.select([terminal], [], [], 0.1)[0]:
                continue
            try:
                some = os.read(terminal, 4096)
            except OSError:  # the other end is closed
                return shown
            shown += some
            if mark and mark in shown and shown.endswith(b"\n"):
                return shown
        raise AssertionError(shown)

    @pytest.mark.slow
    def test_each_line_is_answered_at_once(self, bundle: Path, monkeypatch: Any) -> None:
        monkeypatch.setenv("NO_COLOR", "1")
        lines = [b"Ada met Charles in London .\n", b"Bob in Rome .\n", b"\x04"]
        shown = self.typed(command(bundle), lines)
        assert shown.count("[") >= 2
        assert "Traceback" not in shown
        assert "words/s" not in shown

    @pytest.mark.slow
    def test_a_pipe_that_stays_open_is_answered_too(self, bundle: Path) -> None:
        pipe = subprocess.PIPE
        with subprocess.Popen(command(bundle), stdin=pipe, stdout=pipe, bufsize=0) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            for name in ("Ada", "Bob"):
                process.stdin.write(f"{name} ran .\n".encode())
                assert select.select([process.stdout], [], [], 60)[0]
                assert json.loads(process.stdout.readline())["text"] == f"{name} ran ."
            process.stdin.close()
            assert process.wait(timeout=30) == 0


@pytest.mark.slow
class TestEnds:
    def test_killed_and_interrupted_it_goes_on_to_the_same_bytes(
        self, bundle: Path, tmp_path: Path
    ) -> None:
        news, out, unbroken = (tmp_path / name for name in ("news.txt", "out", "unbroken"))
        news.write_text(LINES * 5_000, encoding="utf-8")
        with started(careful(bundle, news, "--out", out)) as process:
            wait_for(tmp_path / ".out.journal", process)
            process.send_signal(signal.SIGKILL)
            assert process.wait(timeout=60) == -signal.SIGKILL
        with started(careful(bundle, news, "--out", out)) as process:
            assert process.stderr is not None
            assert b"going on after" in process.stderr.readline()
            process.send_signal(signal.SIGINT)
            assert b"the same command goes on from there" in process.stderr.read()
            assert process.wait(timeout=60) == 130
        assert not out.exists()
        ended = subprocess.run(
            careful(bundle, news, "--out", out), capture_output=True, check=True
        )
        assert b"going on after" in ended.stderr
        subprocess.run(careful(bundle, news, "--out", unbroken), capture_output=True, check=True)
        assert out.read_bytes() == unbroken.read_bytes()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["news.txt", "out", "unbroken"]


def started(arguments: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(arguments, stderr=subprocess.PIPE)


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_output_never_takes_the_place_of_an_input(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("Ada\n", encoding="utf-8")
    with pytest.raises(OutputError, match="is the input"):
        _keep_apart([str(text)], text)
    _keep_apart([str(text), "-"], tmp_path / "other.jsonl")
