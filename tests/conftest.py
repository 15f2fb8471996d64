"""What all tests share: no network, one thread, and a small corpus with a small encoder."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

# Read when the libraries are imported, here and in programs that tests start.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
from pytest_socket import socket_allow_hosts

from fake_hub import TOKEN, FakeHub
from nertune.config import Recipe, make_recipe

PEOPLE = ("Ada Lovelace", "Charles Babbage", "O'Neill", "Ada", "Charles", "Málaga Sons")
PLACES = ("Lisbon", "Nairobi", "London", "Bogotá", "São Paulo", "España")
PATTERNS = (
    "{per} met {per} in {loc} .",
    "The fox jumps over {loc} on 12 May 1999 .",
    "{per} won't say whether {loc} and {loc} met ;",
    "They spoke of engines , numbers and music .",
    "El presidente visitó {loc} y {loc} el martes .",
    "officials of {loc} met {per} near {loc} .",
)


def pytest_runtest_setup() -> None:
    socket_allow_hosts(["127.0.0.1", "::1"], allow_unix_socket=True)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A Hub on this machine that the real client talks to, here; with an empty cache and a token.

    Programs started get there with `hub.environment(...)`.
    """
    from huggingface_hub import constants, file_download, utils
    from huggingface_hub.utils import _http

    with FakeHub() as server:
        settings = {
            "ENDPOINT": server.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": server.url + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_OFFLINE": False,
            "HF_HUB_CACHE": str(tmp_path / "hf" / "hub"),
            "HF_TOKEN_PATH": str(tmp_path / "hf" / "token"),
            "HF_HUB_ETAG_TIMEOUT": 1,
            "HF_HUB_DOWNLOAD_TIMEOUT": 1,
        }
        for name, value in settings.items():
            monkeypatch.setattr(constants, name, value)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        # The client waits before it tries again.
        at_once = SimpleNamespace(**{**vars(time), "sleep": lambda _: None})
        for module in (file_download, _http):
            monkeypatch.setattr(module, "time", at_once)
        utils.close_session()
        yield server
        utils.close_session()


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of real corpora."""
    if "NERTUNE_DATA" not in os.environ:
        pytest.skip("corpora not present")
    return Path(os.environ["NERTUNE_DATA"])


@dataclass(frozen=True)
class Tiny:
    """A folder with train.conll, dev.conll, test.conll (IOB2) and encoders to train on them."""

    folder: Path

    def __getattr__(self, name: str) -> Path:
        return self.folder / f"{name}.conll"

    def raw(self, **groups: dict[str, Any]) -> dict[str, Any]:
        """A recipe as nested dictionaries; `groups` are put over it."""
        raw: dict[str, Any] = {
            "name": "tiny",
            "data": {
                **{name: str(self.folder / f"{name}.conll") for name in ("train", "dev", "test")},
                "cache": str(self.folder / "cache"),
            },
            "model": {"encoder": str(self.folder / "bert"), "shapes": True},
            "window": {"pieces": 48},
            "training": {
                "epochs": 4,
                "learning_rate": 1e-2,
                "head_learning_rate": 5e-2,
                "batch_pieces": 128,
            },
        }
        for group, settings in groups.items():
            raw[group] = {**raw.get(group, {}), **settings}
        return raw

    def recipe(self, **groups: dict[str, Any]) -> Recipe:
        """A recipe that learns the corpus in about a second."""
        return make_recipe(self.raw(**groups), "tiny")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """The corpus and the encoders, made once."""
    from nertune.testing import tiny_encoder

    folder = tmp_path_factory.mktemp("tiny")
    for seed, (name, n_sentences) in enumerate((("train", 120), ("dev", 30), ("test", 30))):
        (folder / f"{name}.conll").write_text(column_text(n_sentences, seed), encoding="utf-8")
    tiny_encoder(folder / "bert")
    tiny_encoder(folder / "roberta", "roberta")
    return Tiny(folder)


def column_text(n_sentences: int, seed: int = 0) -> str:
    """Column files with names at random in a few patterns; a document mark now and then."""
    draw = random.Random(seed)
    lines = []
    for number in range(n_sentences):
        if number % 4 == 0:
            lines += ["-DOCSTART- O", ""]
        for word in draw.choice(PATTERNS).split():
            if word in ("{per}", "{loc}"):
                label = word.strip("{}").upper()
                name = draw.choice(PEOPLE if label == "PER" else PLACES)
                tags = (f"{'I' if i else 'B'}-{label}" for i in range(len(name.split())))
                lines += map(" ".join, zip(name.split(), tags, strict=True))
            else:
                lines.append(f"{word} O")
        lines.append("")
    return "\n".join(lines) + "\n"
