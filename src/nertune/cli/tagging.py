"""nertune predict."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Any, Literal

import typer

from nertune.cli.inputs import Input, Inputs
from nertune.cli.options import (
    Jobs,
    Label,
    Model,
    OnErrorOption,
    Runtime,
    Separator,
    WordColumn,
    WordPrefix,
    read_settings,
)
from nertune.cli.progress import TaggingProgress
from nertune.data import ReadReport
from nertune.documents import Document
from nertune.engine import Tagger
from nertune.errors import DocumentError, OutputError
from nertune.files import whole_file
from nertune.schemes import labels_of
from nertune.streaming import (
    Origins,
    Tagging,
    Tally,
    made_from,
    write_tagged,
    write_tagged_file,
)

Output = Literal["jsonl", "conll", "pretty"]


def predict(
    model: Model,
    files: Annotated[
        list[str] | None, typer.Argument(help="Files to read; '-' or none: standard input.")
    ] = None,
    input: Annotated[
        Input | None,
        typer.Option(
            help="text: a document a line; columns: a word a line; jsonl: native.",
            show_default="by the file's ending, else text",
        ),
    ] = None,
    format: Annotated[
        Output | None,
        typer.Option(help="What to write.", show_default="pretty on a terminal, else jsonl"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write to this file, which appears when it is whole; the same command goes on "
            "where an unfinished one stopped."
        ),
    ] = None,
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Leave out entities with a lower score.")
    ] = 0.0,
    label: Label = None,
    runtime: Runtime = "auto",
    jobs: Jobs = None,
    separator: Separator = None,
    word_column: WordColumn = 0,
    word_prefix: WordPrefix = "",
    on_error: OnErrorOption = "stop",
) -> None:
    """Find the entities in text, one document a line, and write them in the same order.

    [dim]Examples:[/]

    echo 'Ada Lovelace lived in London.' | nertune predict runs/quickstart -

    nertune predict runs/quickstart news/*.txt --label PER --label ORG --out news.jsonl

    nertune predict me/my-ner@v2 news.txt
    """
    settings = read_settings(separator, word_column, None, word_prefix, on_error)
    inputs = Inputs(files or ["-"], input, settings)
    _keep_apart(inputs.paths, out)
    tagger = Tagger.load(model, runtime=runtime, threads=jobs)
    chosen = format or ("pretty" if out is None and sys.stdout.isatty() else "jsonl")
    write = _write_pretty if chosen == "pretty" else chosen
    marks = chosen == "conll" and inputs.have_marks()
    tagging = Tagging(threshold, _known(label, tagger), write, marks)
    _Job(model, tagger, inputs, tagging).run(out)


@dataclass(frozen=True)
class _Job:
    """What is tagged, by whom, and what is kept of it."""

    model: str
    tagger: Tagger
    inputs: Inputs
    tagging: Tagging

    def run(self, out: Path | None) -> None:
        """Write to a file or to standard output, and say what was done."""
        seen = out is None and sys.stdout.isatty()  # nothing may be drawn between its lines
        progress = TaggingProgress(self.inputs, bar=sys.stderr.isatty() and not seen)
        with closing(progress):
            tally = self._write(out, progress)
        if progress.bar or out or progress.n_lines:
            progress.say(progress.summary(self.tagger.runtime.name))
        _tell(tally, self.inputs.report)

    def _write(self, out: Path | None, progress: TaggingProgress) -> Tally:
        documents = self.inputs.documents()
        if out is None:
            return write_tagged(self.tagger, documents, sys.stdout, self.tagging, progress)
        if callable(self.tagging.write) or not self.inputs.are_files:
            with whole_file(out) as handle:
                return write_tagged(self.tagger, documents, handle, self.tagging, progress)
        whole = (document for document in documents if document is not None)
        return write_tagged_file(
            self.tagger, whole, out, self._origins(), self.tagging, progress
        )

    def _origins(self) -> Origins:
        """Whether faulty lines stop the run makes no difference as long as there are none."""
        from nertune.bundle import model_folder
        from nertune.modelhub import find_model

        settings, tagging = self.inputs.settings, self.tagging
        options: dict[str, object] = {
            "--format": tagging.write,
            "--threshold": tagging.threshold,
            "--label": ", ".join(sorted(tagging.labels or ())) or "all",
            "--input": ", ".join(map(self.inputs.kind, self.inputs.paths)),
            "--separator": settings.separator,
            "--word-column": settings.word_column,
            "--word-prefix": repr(settings.word_prefix),
        }
        folder = model_folder(find_model(self.model))
        runtime = self.tagger.runtime.name
        with_faults, without = (
            made_from(self.inputs.paths, folder, runtime, {**options, "--on-error": on_error})
            for on_error in (settings.on_error, "stop")
        )
        return Origins(with_faults, without)


def _keep_apart(paths: Iterable[str], out: Path | None) -> None:
    """Refuse an output that would take the place of an input."""
    for path in paths:
        if out is not None and out.exists() and Path(path).exists() and out.samefile(path):
            raise OutputError(f"--out {out}: is the input {path}; choose another place")


def _known(labels: list[str] | None, tagger: Tagger) -> tuple[str, ...] | None:
    """The labels asked for, all of which the model must have."""
    if not labels:
        return None
    known = labels_of(tagger.settings.tags)
    for label in labels:
        if label not in known:
            raise DocumentError(
                f"--label {label}: the model has no such label; expected some of {', '.join(known)}"
            )
    return tuple(labels)


def _tell(tally: Tally, report: ReadReport) -> None:
    """What was not seen, skipped or mended."""
    if n_words := tally.words_without_pieces:
        _warn(f"{n_words:,} word{'s' * (n_words != 1)} unknown to the tokenizer got O")
    if n_pieces := tally.cut_pieces:
        _warn(f"{n_pieces:,} piece{'s' * (n_pieces != 1)} of over-long words were not seen")
    if not report.clean:
        for line in report.lines()[1:]:
            _warn(line)


def _warn(line: str) -> None:
    from nertune.cli.render import warn

    warn(line)


def _write_pretty(documents: Iterable[Document], handle: IO[str]) -> None:
    from rich.console import Console

    from nertune.cli import render

    console: Any = Console(file=handle) if handle is not sys.stdout else render.out
    for document in documents:
        render.print_highlighted(document, console)
