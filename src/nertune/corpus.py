"""Encoded training text on disk: flat arrays, memory-mapped, under a fingerprint.

A corpus is built once, piece by piece, so that memory does not grow with it, and renamed into place
when it is whole. The fingerprint covers the data, the tokenizer and every setting that changes what
is stored; a corpus that any of them has outdated is simply another one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from nertune import schemes
from nertune.config import ReadSettings
from nertune.data import hub
from nertune.documents import Document
from nertune.encoding import IGNORED, Encoded, Encoder, Ints, piece_labels
from nertune.errors import DataError
from nertune.files import make_folder, whole_folder
from nertune.splits import FlatTags, SplitFacts, flat_tags, numbered, read_split, written_tags

FORMAT_VERSION = 1

_ARRAYS: dict[str, npt.DTypeLike] = {
    "ids": np.int32,
    "types": np.uint8,
    "labels": np.int16,
    "window_sizes": np.int32,
    "window_words": np.int32,
}
_META = "corpus.json"
_CHUNK_WORDS = 50_000
_STEP = 1 << 22
_MOST_TAGS = 32_000  # they are kept in 16 bits


@dataclass(frozen=True)
class Corpus:
    """Windows ready for training.

    ids, types, labels: (n_pieces,), all windows one after another; labels are places in `tags`, or
    IGNORED. window_starts: (n_windows + 1,). window_words: (n_windows,), words predicted in each.
    facts: what reading the text showed. fingerprint: its name.
    """

    ids: npt.NDArray[np.int32]
    types: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int16]
    window_starts: Ints
    window_words: npt.NDArray[np.int32]
    tags: tuple[str, ...]
    facts: SplitFacts
    fingerprint: str

    @property
    def n_windows(self) -> int:
        """How many windows there are."""
        return len(self.window_starts) - 1


@dataclass(frozen=True)
class Source:
    """What a corpus is made of: files, how they are read, and how their words are labelled."""

    paths: Sequence[str]
    settings: ReadSettings
    scheme: schemes.Scheme
    all_pieces: bool = False

    def fingerprint(self, encoder: Encoder) -> str:
        """A name for everything that decides what the corpus holds."""
        what = {
            "format": FORMAT_VERSION,
            "files": [_digest(path, self.settings) for path in self.paths],
            "read": self.settings.model_dump(include=set(ReadSettings.model_fields)),
            "scheme": self.scheme.name,
            "all_pieces": self.all_pieces,
            "tokenizer": hashlib.sha256(encoder.tokenizer.to_str().encode()).hexdigest(),
            "window": encoder.window.model_dump(),
            "shapes": encoder.shapes,
        }
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:20]


def training_corpus(
    source: Source, encoder: Encoder, cache: str | Path, rebuild: bool = False
) -> Corpus:
    """The corpus of a source: from `cache` if it is there, else built and put there.

    Of several processes that ask at once, one builds and the others wait. Raises DataError as
    reading does, and for text without a single entity; OutputError where `cache` cannot be written.
    """
    root = make_folder(Path(cache).expanduser())
    folder = root / source.fingerprint(encoder)
    with FileLock(f"{folder}.lock"):
        if rebuild or not (folder / _META).is_file():
            with whole_folder(folder) as staging:
                _build(source, encoder, staging)
        return _load(folder)


def _load(folder: Path) -> Corpus:
    meta = json.loads((folder / _META).read_text(encoding="utf-8"))
    arrays: dict[str, Any] = {
        name: np.memmap(folder / name, dtype, mode="r") for name, dtype in _ARRAYS.items()
    }
    starts = np.concatenate([[0], np.cumsum(arrays.pop("window_sizes"), dtype=np.int64)])
    facts = SplitFacts.from_dict(meta["facts"])
    tags = tuple(meta["tags"])
    return Corpus(
        window_starts=starts, tags=tags, facts=facts, fingerprint=folder.name, **arrays
    )


def _build(source: Source, encoder: Encoder, folder: Path) -> None:
    """Encode chunk by chunk; the tags get their final places when all labels are known."""
    facts = SplitFacts("train")
    names: dict[str, int] = {}
    with ExitStack() as files:
        handles: dict[str, IO[bytes]] = {
            name: files.enter_context((folder / name).open("wb")) for name in _ARRAYS
        }
        for chunk in _chunks(read_split("train", source.paths, source.settings, facts)):
            encoded = encoder.encode(chunk)
            flat = flat_tags(chunk)
            facts.count_tags(chunk, flat)
            tags, tag_of_word = _tags_of(chunk, flat, source.scheme, facts)
            for tag in tags:
                for name in (tag, schemes.continued(tag, source.scheme)):
                    names.setdefault(name, len(names))
            if len(names) > _MOST_TAGS:
                raise DataError(
                    f"{', '.join(source.paths)}: more than {_MOST_TAGS} different tags; expected "
                    "labels of kinds of entities. Is data.tag_column the column of the tags?"
                )
            tag_ids = np.array([names[tag] for tag in tags], dtype=np.int64)[tag_of_word]
            all_of = source.scheme if source.all_pieces else None
            labels = piece_labels(encoded, tag_ids, list(names), all_of)
            _append(handles, encoded, labels)
            facts.cut_pieces += encoded.n_cut_pieces
    if not facts.labels:
        raise DataError(
            f"{', '.join(source.paths)}: holds no entity; expected annotated text. Is "
            "data.tag_column the column of the tags?"
        )
    facts.count_broken()
    final = schemes.tag_set(sorted(facts.labels), source.scheme)
    places = {name: i for i, name in enumerate(final)}
    _renumber(folder / "labels", [places[name] for name in names])
    meta = {"tags": final, "facts": facts.to_dict()}
    (folder / _META).write_text(json.dumps(meta, ensure_ascii=False), encoding="utf-8")


def _tags_of(
    chunk: list[Document], flat: FlatTags, scheme: schemes.Scheme, facts: SplitFacts
) -> tuple[list[str], Ints]:
    """Tags in `scheme`, and for each word the place of its own among them.

    Documents that are valid in the scheme as they are keep their tags.
    """
    ends = np.cumsum([document.n_words for document in chunk])
    letters = {schemes.split_tag(tag)[0] for tag in flat.names} - {schemes.OUTSIDE}
    if not flat.names or len(flat.ids) < ends[-1] or not letters <= set(scheme.letters):
        anew = (written_tags(document, scheme, facts) for document in chunk)
        return numbered(list(chain.from_iterable(anew)))
    broken = np.flatnonzero(schemes.transitions(flat.names, scheme).broken(flat.ids, flat.starts))
    if not len(broken):
        return flat.names, flat.ids
    tags = [flat.names[i] for i in flat.ids.tolist()]
    for place in np.unique(np.searchsorted(ends, broken, "right")).tolist():
        document = chunk[place]
        tags[ends[place] - document.n_words : ends[place]] = document.tags_in(scheme)
    return numbered(tags)


def _append(handles: dict[str, IO[bytes]], encoded: Encoded, labels: Ints) -> None:
    starts = encoded.window_starts
    window = np.searchsorted(starts, encoded.word_piece[encoded.word_piece >= 0], "right") - 1
    columns: dict[str, npt.NDArray[Any]] = {
        "ids": encoded.ids,
        "types": encoded.types,
        "labels": labels,
        "window_sizes": np.diff(starts),
        "window_words": np.bincount(window, minlength=encoded.n_windows),
    }
    for name, dtype in _ARRAYS.items():
        columns[name].astype(dtype).tofile(handles[name])


def _renumber(path: Path, final: list[int]) -> None:
    """Give the labels on disk their final places, a stretch at a time."""
    table = np.array([*final, IGNORED], dtype=np.int16)  # IGNORED looks up the last row
    labels = np.memmap(path, np.int16, mode="r+")
    for start in range(0, len(labels), _STEP):
        part = labels[start : start + _STEP]
        part[:] = table[np.where(part == IGNORED, len(final), part)]
    labels.flush()


def _digest(path: str, settings: ReadSettings) -> str:
    """A name for what a file or a split of a data set holds; of no file its path."""
    if settings.dataset is not None:
        return hub.fingerprint(path, settings)
    if not Path(path).exists():
        return path  # reading it says what is wrong
    if not Path(path).is_file():
        raise DataError(
            "is no regular file, and training text is read more than once; write it to a file",
            path,
        )
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _chunks(documents: Iterable[Document]) -> Iterator[list[Document]]:
    chunk: list[Document] = []
    n_words = 0
    for document in documents:
        chunk.append(document)
        n_words += document.n_words
        if n_words >= _CHUNK_WORDS:
            yield chunk
            chunk, n_words = [], 0
    if chunk:
        yield chunk
