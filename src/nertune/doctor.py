"""What is wrong with a model or its tokenizer, what they do to a text, and the cure.

The tests of the model are those of loading it (`bundle.read_folder`, `choose_runtime`): what is
an error here is refused there. The tests of a text are the doctor's own.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from tokenizers import Tokenizer

from nertune.bundle import (
    LEVELS,
    Bundle,
    Contents,
    Finding,
    Findings,
    Place,
    find_folder,
    load_bundle,
    read_folder,
)
from nertune.documents import Document
from nertune.encoding import special_pieces
from nertune.errors import BundleError, DependencyError
from nertune.modelhub import locate
from nertune.runtime_choice import RuntimeName, choose_runtime
from nertune.splitting import split

_WORDS_AT_ONCE = 4096
_MUCH_UNKNOWN = 0.01
_MANY_PIECES = 3.0
_N_EXAMPLES = 5


def examine(
    model: str | Path | Bundle, text: str | Iterable[Document] | None = None
) -> list[Finding]:
    """Every fault and fact of a model, the worst first; with a text, what its words come to.

    model: as `Tagger.load` takes it, or a bundle. Raises BundleError only where there is no such
    folder, and where a model on the Hub cannot be had.
    """
    contents = _contents(model)
    found = Findings(contents.findings)
    if not found.errors:
        _open_graphs(load_bundle(contents.folder), found)
    if text is not None and contents.tokenizer is not None:
        documents = [Document.from_text(text)] if isinstance(text, str) else text
        window = contents.settings.window.pieces if contents.settings else 512
        _tell(_count(documents, contents.tokenizer, window), found)
    return sorted(found, key=lambda one: LEVELS.index(one.level))


def _contents(model: str | Path | Bundle) -> Contents:
    if isinstance(model, Bundle):
        return read_folder(model.folder)
    place = locate(model)
    return read_folder(find_folder(place.folder), place.names)


def _open_graphs(bundle: Bundle, found: Findings) -> None:
    """Whether the graphs can be run, and are this model's."""
    for kind, path in bundle.graphs.items():
        try:
            choose_runtime(bundle, cast("RuntimeName", kind))
        except DependencyError as error:
            found.note(Place("files", path), f"was not opened: {error}")
        except BundleError as error:
            found.error(Place("files", path), str(error).removeprefix(f"{path}: "))


@dataclass
class _Counts:
    """What the words of a text come to; examples count how often a word occurs."""

    words: int = 0
    pieces: int = 0
    unknown_pieces: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    cut: Counter[str] = field(default_factory=Counter)


def _count(documents: Iterable[Document], tokenizer: Tokenizer, window: int) -> _Counts:
    """Count words and pieces; a word is looked up once in each batch."""
    counts = _Counts()
    unknown = _unknown_id(tokenizer)
    room = window - sum(map(len, special_pieces(tokenizer)))
    words = (word for document in documents for word in split(document).words)
    for some in _batches(words):
        occurring = Counter(some)
        pieces = _ids(tokenizer, list(occurring))
        for (word, n), ids in zip(occurring.items(), pieces, strict=True):
            n_unknown = ids.count(unknown)
            counts.words += n
            counts.pieces += n * len(ids)
            counts.unknown_pieces += n * n_unknown
            if n_unknown:
                counts.unknown[word] += n
            if not ids:
                counts.lost[word] += n
            if len(ids) > room:
                counts.cut[word] += n
    return counts


def _batches(words: Iterable[str]) -> Iterator[Sequence[str]]:
    batch: list[str] = []
    for word in words:
        batch.append(word)
        if len(batch) >= _WORDS_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _ids(tokenizer: Tokenizer, words: list[str]) -> list[list[int]]:
    encode: Any = tokenizer.encode_batch
    rows = encode([[word] for word in words], is_pretokenized=True, add_special_tokens=False)
    return [row.ids for row in rows]


def _unknown_id(tokenizer: Tokenizer) -> int:
    """The id of the unknown piece; -1 where every text has pieces."""
    model: Any = tokenizer.model
    names = [getattr(model, "unk_token", None), "[UNK]", "<unk>"]
    ids = (tokenizer.token_to_id(name) for name in names if name)
    return next((place for place in ids if place is not None), -1)


def _tell(counts: _Counts, found: Findings) -> None:
    at = Place("text", "text")
    if not counts.words:
        found.warning(at, "it holds no words", "give a file with text, one document a line")
        return
    a_word = counts.pieces / counts.words
    rate = sum(counts.unknown.values()) / counts.words
    summary = f"{counts.words:,} words in {counts.pieces:,} pieces, {a_word:.2f} a word; "
    unknown = f"{counts.unknown_pieces:,} pieces in {100 * rate:.2f} % of the words are unknown"
    found.note(at, summary + (unknown if rate else "none unknown") + _examples(counts.unknown))
    other = "use a model whose tokenizer was made for this language and alphabet"
    if rate >= _MUCH_UNKNOWN:
        found.warning(
            at, f"the tokenizer does not know {100 * rate:.1f} % of the words", other
        )
    elif a_word > _MANY_PIECES:
        found.warning(at, f"the tokenizer breaks a word into {a_word:.1f} pieces", other)
    if counts.lost:
        found.warning(
            at,
            f"{counts.lost.total():,} of {counts.words:,} words have no piece at all, so they "
            "always get O" + _examples(counts.lost),
            "clean the text of them, if they are not meant (control characters, lone accents)",
        )
    if counts.cut:
        found.warning(
            at,
            f"{counts.cut.total():,} of {counts.words:,} words are longer than a window, beyond "
            "which they are not seen" + _examples(counts.cut),
            "put spaces where words end, or leave such lines out",
        )


def _examples(words: Counter[str]) -> str:
    """The commonest of some words, after a colon."""
    shown = [word for word, _ in words.most_common(_N_EXAMPLES)]
    short = (word if len(word) <= 20 else f"{word[:20]}..." for word in shown)
    told = " ".join(word if _visible(word) else ascii(word)[1:-1] for word in short)
    return f": {told}" if told else ""


def _visible(word: str) -> bool:
    return word.isprintable() and not unicodedata.category(word[0]).startswith("M")
