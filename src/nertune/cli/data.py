"""nertune data: look at annotated files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nertune import schemes
from nertune.bundle import encoder_source, load_bundle, read_tokenizer
from nertune.cli import render
from nertune.cli.options import (
    Json,
    OnErrorOption,
    Separator,
    TagColumn,
    WordColumn,
    WordPrefix,
    read_settings,
)
from nertune.config import WindowSettings, make_read_settings
from nertune.data import read
from nertune.data.inspection import inspect_files
from nertune.documents import Document
from nertune.encoding import Encoder, align
from nertune.errors import BundleError, DataError
from nertune.modelhub import find_model
from nertune.splitting import split

app = typer.Typer(help="Look at annotated files before training on them.", no_args_is_help=True)


@app.command()
def inspect(
    files: Annotated[
        list[Path],
        typer.Argument(help="Annotated files, as train, dev and test; with --dataset its splits."),
    ],
    dataset: Annotated[
        str | None, typer.Option(help="Data set: Hub id, or folder of a local copy.")
    ] = None,
    config: Annotated[
        str | None, typer.Option(help="Configuration of the data set, as en.")
    ] = None,
    separator: Separator = None,
    word_column: WordColumn = 0,
    tag_column: TagColumn = -1,
    word_prefix: WordPrefix = "",
    on_error: OnErrorOption = "stop",
    as_json: Json = False,
) -> None:
    """Show sizes, columns, tag scheme, labels, lengths and examples of annotated files.

    [dim]Examples:[/]

    nertune data inspect esp.train esp.testa esp.testb

    nertune data inspect train test --dataset unimelb-nlp/wikiann --config en
    """
    settings = read_settings(separator, word_column, tag_column, word_prefix, on_error)
    if dataset is not None or config is not None:
        raw = {**settings.model_dump(), "dataset": dataset, "config": config}
        settings = make_read_settings(raw)
    inspection = inspect_files(files, settings)
    if as_json:
        render.print_json(inspection.to_dict())
    else:
        render.print_inspection(inspection)


@app.command("align")
def align_sentence(
    model: Annotated[
        str,
        typer.Argument(
            help="Model folder, run folder, encoder folder, 'minilm', or model on the Hugging Face "
            "Hub (user/name, user/name@revision)."
        ),
    ],
    file: Annotated[Path, typer.Argument(help="Annotated file.")],
    sentence: Annotated[int, typer.Option(help="Which sentence of the file, from 1.")] = 1,
    separator: Separator = None,
    word_column: WordColumn = 0,
    tag_column: TagColumn = -1,
    word_prefix: WordPrefix = "",
    on_error: OnErrorOption = "stop",
) -> None:
    """Show how the words, pieces and tags of one sentence line up.

    [dim]Example:[/]

    nertune data align minilm eng.train --sentence 3
    """
    encoder, scheme = _encoder(model)
    settings = read_settings(separator, word_column, tag_column, word_prefix, on_error)
    document, place = _sentence(file, sentence, settings)
    render.print_alignment(align(document, place, scheme, encoder))


def _encoder(model: str) -> tuple[Encoder, schemes.Scheme]:
    """The encoder of a trained model, or of a bare encoder as training would use it."""
    source = Path(encoder_source(model))
    source = source if source.is_dir() else find_model(model)
    if (source / "tagger.json").is_file() or (source / "model").is_dir():
        bundle = load_bundle(source)
        scheme = schemes.scheme_named(bundle.settings.scheme or "IOB2")
        return Encoder(bundle.tokenizer, bundle.settings.window, bundle.settings.shapes), scheme
    if not source.is_dir():
        raise BundleError(
            f"{model}: there is no such folder; expected a model folder, a run folder, an "
            "encoder's folder, or 'minilm'"
        )
    tokenizer = read_tokenizer(source)
    return Encoder(tokenizer, WindowSettings(pieces=512), True), schemes.SCHEMES["IOB2"]


def _sentence(file: Path, number: int, settings: object) -> tuple[Document, int]:
    """The document that holds a sentence of a file, and the sentence's place in it."""
    passed = 0
    for raw in read(file, settings):  # type: ignore[arg-type]
        document = split(raw)
        if passed < number <= passed + len(document.sentences):
            return document, number - passed - 1
        passed += len(document.sentences)
    raise DataError(f"has {passed} sentences; expected --sentence from 1 to {passed}", file)
