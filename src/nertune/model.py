"""AutoModelForTokenClassification in and out of a bundle; word shapes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import (
    AutoConfig,
    AutoModelForTokenClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.utils import logging as transformers_logging

from nertune.bundle import (
    FORMAT_VERSION,
    Bundle,
    TaggerSettings,
    encoder_source,
    position_limit,
    read_tokenizer,
    write_settings,
)
from nertune.config import ModelSettings, WindowSettings
from nertune.encoding import SHAPES, check_word_start, normalise_tokenizer
from nertune.errors import BundleError, RecipeError
from nertune.files import whole_folder
from nertune.modelhub import answers

# Which setting of a transformers configuration holds each dropout, by family of encoder.
_DROPOUT_NAMES = {
    "dropout": ("hidden_dropout_prob", "dropout", "mlp_dropout"),
    "attention_dropout": ("attention_probs_dropout_prob", "attention_dropout"),
    "head_dropout": ("classifier_dropout",),
}


def new_model(
    settings: ModelSettings, tags: tuple[str, ...], window: WindowSettings
) -> PreTrainedModel:
    """A pretrained encoder with a fresh tag classifier.

    Raises RecipeError where a setting does not fit the encoder, BundleError where it cannot be had.
    """
    source = encoder_source(settings.encoder)
    config = _pretrained(AutoConfig, source, settings, num_labels=len(tags))
    config.id2label = dict(enumerate(tags))
    config.label2id = {tag: i for i, tag in enumerate(tags)}
    _mark(config)
    faults = _set_dropouts(config, settings)
    limit = position_limit(config.to_dict())
    if limit and window.pieces > limit:
        faults.append(
            f"window.pieces: the encoder {settings.encoder} reads at most {limit} pieces at once "
            f"(got {window.pieces})"
        )
    if settings.shapes and not getattr(config, "type_vocab_size", 0):
        faults.append(
            f"model.shapes: the encoder {settings.encoder} ({config.model_type}) has no "
            "token_type_ids for them to ride in; set model.shapes=false"
        )
    if faults:
        raise RecipeError("recipe", faults)
    model, loading = _pretrained(
        AutoModelForTokenClassification, source, settings, config=config, output_loading_info=True
    )
    lost = sorted(name for name in loading["missing_keys"] if name not in head_parameters(model))
    if lost:
        raise BundleError(
            f"model.encoder: the weights of '{settings.encoder}' lack {len(lost)} of the encoder's "
            f"own ({lost[0]}, ...); they would be random. Expected a pretrained encoder of the "
            f"kind that its config.json names ({config.model_type})"
        )
    if settings.shapes:
        add_shapes(model)
    return model  # type: ignore[no-any-return]


def add_shapes(model: PreTrainedModel) -> None:
    """Give the segment table one row for each word shape.

    Every new row is a copy of row 0, the segment of a single text, so that the model computes what
    it did before until the rows are trained. Raises BundleError for a table that cannot be found.
    """
    table = _shape_table(model)
    if table is None:
        raise BundleError(
            f"the encoder {model.config.model_type} has no segment table for word shapes; "
            "set model.shapes=false"
        )
    rows = torch.nn.Embedding(len(SHAPES), table.embedding_dim)
    with torch.no_grad():
        rows.weight.copy_(table.weight[0].expand_as(rows.weight))
    embeddings: Any = model.base_model.embeddings
    embeddings.token_type_embeddings = rows.to(table.weight.dtype)
    model.config.type_vocab_size = len(SHAPES)


def load_model(bundle: Bundle) -> PreTrainedModel:
    """The network of a bundle, in evaluation mode."""
    try:
        with quiet():
            model, loading = AutoModelForTokenClassification.from_pretrained(
                str(bundle.folder),
                local_files_only=True,
                output_loading_info=True,
                trust_remote_code=False,
                use_safetensors=True,
            )
    except Exception as error:  # every reader of weights raises its own kind
        raise BundleError(
            f"{bundle.folder}: the weights cannot be read ({_first_line(error)}) They must be "
            "safetensors, of the sizes that config.json names"
        ) from error
    if loading["missing_keys"]:
        raise BundleError(
            f"{bundle.folder}: the weights lack {_some(loading['missing_keys'])}; is this an "
            "encoder that was never fine-tuned? Train it with 'nertune train'"
        )
    if bundle.trained_here and loading["unexpected_keys"]:
        raise BundleError(
            f"{bundle.folder}: the weights hold {_some(loading['unexpected_keys'])}, for which "
            "config.json has no place; the two files belong to different models"
        )
    model.eval()
    return model  # type: ignore[no-any-return]


def save_model(
    folder: Path, model: PreTrainedModel, settings: TaggerSettings, tokenizer: Tokenizer
) -> None:
    """Write a whole bundle; it appears at `folder` only when everything is there."""
    with whole_folder(folder) as staging:
        write_files(staging, model, settings, tokenizer)


def write_files(
    folder: Path, model: PreTrainedModel, settings: TaggerSettings, tokenizer: Tokenizer
) -> None:
    """Write the files of a bundle into an existing folder."""
    _mark(model.config)
    with quiet():
        model.save_pretrained(str(folder))
    complete(folder, settings, tokenizer)


def complete(folder: Path, settings: TaggerSettings, tokenizer: Tokenizer) -> None:
    """Make a bundle of a folder that holds a network, as a checkpoint does."""
    with quiet():
        _save_transformers_tokenizer(folder, tokenizer, settings)
    write_settings(folder, settings, tokenizer)


def head_parameters(model: PreTrainedModel) -> set[str]:
    """Names of the parameters that are new in fine-tuning: the classifier and the word shapes."""
    prefix = f"{model.base_model_prefix}."
    names = {name for name, _ in model.named_parameters() if not name.startswith(prefix)}
    table = _shape_table(model)
    if table is not None and table.num_embeddings == len(SHAPES):
        names |= {name for name, value in model.named_parameters() if value is table.weight}
    return names


def takes_shapes(model: PreTrainedModel) -> bool:
    """Whether the model's forward pass has the input that word shapes ride in."""
    return _shape_table(model) is not None


def _mark(config: Any) -> None:
    """Say in `config.json` that `tagger.json` belongs beside it."""
    config.nertune = {"format_version": FORMAT_VERSION}


def _shape_table(model: PreTrainedModel) -> torch.nn.Embedding | None:
    embeddings = getattr(model.base_model, "embeddings", None)
    table = getattr(embeddings, "token_type_embeddings", None)
    return table if isinstance(table, torch.nn.Embedding) else None


def _set_dropouts(config: Any, settings: ModelSettings) -> list[str]:
    """Put the recipe's dropouts into a configuration; the faults found."""
    faults = []
    for setting, names in _DROPOUT_NAMES.items():
        value = getattr(settings, setting)
        if value is None:
            continue
        known = [name for name in names if hasattr(config, name)]
        for name in known:
            setattr(config, name, value)
        if not known:
            faults.append(
                f"model.{setting}: the encoder {settings.encoder} ({config.model_type}) has no "
                "such dropout; leave the setting out"
            )
    return faults


def _pretrained(kind: Any, source: str, settings: ModelSettings, **options: Any) -> Any:
    # transformers asks a Hub out of reach twelve times, and waits 47 s in between.
    here = Path(source).is_dir() or not answers(source, settings.revision)
    try:
        with quiet():
            return kind.from_pretrained(
                source,
                revision=settings.revision,
                trust_remote_code=False,
                local_files_only=here,
                **options,
            )
    except Exception as error:  # transformers raises OSError, ValueError, KeyError and others
        raise BundleError(
            f"model.encoder: '{settings.encoder}' cannot be loaded: {_first_line(error)} Give the "
            "folder of an encoder, a Hub id (with a network, or in the local cache), or 'minilm'"
        ) from error


def new_tokenizer(settings: ModelSettings) -> Tokenizer:
    """The encoder's tokenizer, normalised (see `encoding.normalise_tokenizer`)."""
    source = encoder_source(settings.encoder)
    folder = Path(source)
    if (folder / "tokenizer.json").is_file():
        tokenizer = read_tokenizer(folder)
    else:
        loaded = _pretrained(AutoTokenizer, source, settings)
        tokenizer = normalise_tokenizer(loaded.backend_tokenizer)
    check_word_start(tokenizer)
    return tokenizer


def _save_transformers_tokenizer(
    folder: Path, tokenizer: Tokenizer, settings: TaggerSettings
) -> None:
    """`tokenizer_config.json`, so that plain transformers reads the same tokenizer."""
    names = {
        "pad_token": ("[PAD]", "<pad>"),
        "unk_token": ("[UNK]", "<unk>"),
        "cls_token": ("[CLS]", "<s>"),
        "sep_token": ("[SEP]", "</s>"),
        "mask_token": ("[MASK]", "<mask>"),
    }
    present = {
        role: next(word for word in words if tokenizer.token_to_id(word) is not None)
        for role, words in names.items()
        if any(tokenizer.token_to_id(word) is not None for word in words)
    }
    kind: Any = PreTrainedTokenizerFast
    wrapped = kind(
        tokenizer_object=tokenizer, model_max_length=settings.window.pieces, **present
    )
    wrapped.save_pretrained(str(folder))


def _some(names: Iterable[str]) -> str:
    """The first of some names, and how many more there are."""
    first, *others = sorted(names)
    return f"{first} and {len(others)} more" if others else first


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f"{lines[0].rstrip('.')}."


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from printing: bars for single files, its table of weights that are new."""
    logs: Any = transformers_logging
    level, bars = logs.get_verbosity(), logs.is_progress_bar_enabled()
    logs.set_verbosity_error()
    logs.disable_progress_bar()
    try:
        yield
    finally:
        logs.set_verbosity(level)
        if bars:
            logs.enable_progress_bar()
