"""Documents to windows of pieces."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from threading import Lock

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from nertune.config import WindowSettings
from nertune.documents import Document
from nertune.encoding.arrays import NO_PIECE, Encoded, Ints, Windows, ranges_of, starts_of
from nertune.encoding.tokenizer import special_pieces, word_shape
from nertune.encoding.windows import Room, lay
from nertune.errors import EncodingError

# Beyond any of these the table of known words forgets, so that memory stays flat in a stream.
_CACHED_WORDS = 1 << 17
_CACHED_PIECES = 1 << 20
_CACHED_CHARACTERS = 1 << 22
_WORDS_AT_ONCE = 256  # one call a word costs more than its pieces
_CHARACTERS_AT_ONCE = 1 << 18  # a piece under way takes a hundred times what is kept of it

# A word is read up to this many characters, and further only while it has too few pieces for a
# window. Pieces near the end of what was read could still change (WordPiece looks at up to 100
# characters together), hence the margin, in pieces.
_READ_AT_LEAST, _READ_PER_PIECE = 1 << 12, 64
_MARGIN = 256


@dataclass(frozen=True)
class Batch:
    """Windows padded to the longest: ids, mask, types, each (n_windows, n_pieces) int64."""

    ids: Ints
    mask: Ints
    types: Ints


class Encoder:
    """Turns documents into `Encoded` windows for one tokenizer.

    tokenizer must be normalised (`normalise_tokenizer`). Pieces of a word are looked up once and
    kept: a word's pieces do not depend on its neighbours. Of a word that is longer than a window
    the pieces that fit are kept; a giant one, a megabyte without a space, is read no further than
    they need.
    """

    def __init__(self, tokenizer: Tokenizer, window: WindowSettings, shapes: bool = False) -> None:
        self.tokenizer = tokenizer
        self._lock = Lock()
        self.window = window
        self.shapes = shapes
        self.before, self.after = special_pieces(tokenizer)
        self.room = window.pieces - len(self.before) - len(self.after)
        if self.room < 1:
            raise EncodingError(f"a window of {window.pieces} pieces leaves no room for a word")
        self._longest = max(_READ_AT_LEAST, _READ_PER_PIECE * self.room)
        self._clear()

    def _clear(self) -> None:
        self._rows: dict[str, int] = {}
        self._pieces = array("i")
        self._ends = array("q", [0])
        self._shapes = array("B")
        self._cut = array("q")
        self._n_characters = 0

    def _is_full(self) -> bool:
        return (
            len(self._rows) > _CACHED_WORDS
            or len(self._pieces) > _CACHED_PIECES
            or self._n_characters > _CACHED_CHARACTERS
        )

    def _forget(self) -> None:
        """Drop the words that were learned last, as a rule the rarer half; giant ones with all."""
        kept = list(islice(self._rows, len(self._rows) // 2))
        n_pieces, n_characters = self._ends[len(kept)], sum(map(len, kept))
        if n_pieces > _CACHED_PIECES // 2 or n_characters > _CACHED_CHARACTERS // 2:
            self._clear()
            return
        self._rows = {word: row for row, word in enumerate(kept)}
        self._n_characters = n_characters
        del self._pieces[n_pieces:]
        del self._ends[len(kept) + 1 :]
        del self._shapes[len(kept) :]
        del self._cut[len(kept) :]

    def encode(self, documents: Sequence[Document]) -> Encoded:
        """The windows of several documents; every word is predicted in exactly one of them."""
        words = list(chain.from_iterable(document.words for document in documents))
        pieces, sizes, shapes, n_cut = self._look_up(words)
        document_starts = starts_of([document.n_words for document in documents])
        sentence_starts = starts_of(
            [end - start for document in documents for start, end in document.sentences]
        )
        word_starts = starts_of(sizes)
        stretches = lay(
            word_starts,
            sentence_starts,
            starts_of([len(document.sentences) for document in documents]),
            Room(self.room, len(self.after), self.window),
        )
        return self._assemble(
            stretches,
            (pieces, word_starts, shapes),
            (sentence_starts, document_starts, n_cut),
        )

    def pad(self, encoded: Windows, windows: Sequence[int] | Ints) -> Batch:
        """Some windows as rows padded to the longest of them."""
        starts = encoded.window_starts[windows]
        lengths = encoded.window_starts[np.asarray(windows) + 1] - starts
        columns = np.arange(lengths.max(initial=0))
        mask = columns < lengths[:, None]
        source = np.where(mask, starts[:, None] + columns, 0)
        ids = np.where(mask, encoded.ids[source], self.pad_id).astype(np.int64)
        types = np.where(mask, encoded.types[source], 0).astype(np.int64)
        return Batch(ids, mask.astype(np.int64), types)

    @property
    def pad_id(self) -> int:
        """The id of the piece that fills rows up; any would do, since it is masked."""
        for name in ("[PAD]", "<pad>"):
            found = self.tokenizer.token_to_id(name)
            if found is not None:
                return int(found)
        return 0

    def _look_up(
        self, words: list[str]
    ) -> tuple[npt.NDArray[np.int32], Ints, npt.NDArray[np.uint8], int]:
        """Pieces of all words in a row; pieces and shape of each word; pieces left out."""
        with self._lock:  # several threads may share one encoder, and its table grows
            return self._look_up_alone(words)

    def _look_up_alone(
        self, words: list[str]
    ) -> tuple[npt.NDArray[np.int32], Ints, npt.NDArray[np.uint8], int]:
        if self._is_full():
            self._forget()
        try:
            rows = self._rows_of(words)
        except KeyError:
            self._add(list(dict.fromkeys(word for word in words if word not in self._rows)))
            rows = self._rows_of(words)
        ends = np.frombuffer(self._ends, np.int64)
        starts, sizes = ends[rows], ends[rows + 1] - ends[rows]
        n_cut = int(np.frombuffer(self._cut, np.int64)[rows].sum()) if words else 0
        pieces = np.frombuffer(self._pieces, np.int32) if self._pieces else np.zeros(0, np.int32)
        shapes = np.frombuffer(self._shapes, np.uint8) if self._shapes else np.zeros(0, np.uint8)
        return pieces[ranges_of(starts, sizes)], sizes, shapes[rows], n_cut

    def _rows_of(self, words: list[str]) -> Ints:
        return np.fromiter(map(self._rows.__getitem__, words), np.int64, len(words))

    def _add(self, words: list[str]) -> None:
        """Keep the pieces and shapes of new words."""
        giant = [word for word in words if len(word) > self._longest]
        if giant:
            words = [word for word in words if len(word) <= self._longest]
        for portion in _portions(words):
            self._keep(portion, *self._pieces_of(portion))
        for word in giant:
            self._keep([word], *self._beginning_of(word))

    def _pieces_of(self, words: list[str]) -> tuple[npt.NDArray[np.int32], Ints]:
        """All pieces in a row, and how many each word has; the tokenizer is given many at once."""
        firsts = range(0, len(words), _WORDS_AT_ONCE)
        found = self.tokenizer.encode_batch(
            [words[first : first + _WORDS_AT_ONCE] for first in firsts],
            is_pretokenized=True,
            add_special_tokens=False,
        )
        ids = np.concatenate([np.array(run.ids, np.int32) for run in found])
        owner = np.concatenate([
            np.array(run.word_ids, np.int64) + first
            for run, first in zip(found, firsts, strict=True)
        ])
        return ids, np.bincount(owner, minlength=len(words))

    def _beginning_of(self, word: str) -> tuple[npt.NDArray[np.int32], Ints, int]:
        """The pieces of as much of a giant word as a window needs; an estimate of the others.

        What is not read is taken to have as many pieces a character as what is.
        """
        n_read = self._longest
        ids, sizes = self._pieces_of([word[:n_read]])
        while n_read < len(word) and sizes[0] < self.room + _MARGIN:
            n_read = 8 * n_read if 16 * n_read < len(word) else len(word)
            ids, sizes = self._pieces_of([word[:n_read]])
        return ids, sizes, int(sizes[0]) * (len(word) - n_read) // n_read

    def _keep(
        self, words: list[str], ids: npt.NDArray[np.int32], sizes: Ints, n_unread: int = 0
    ) -> None:
        """Add rows for words with these pieces, of which no word gets more than fit a window."""
        kept = np.minimum(sizes, self.room)
        self._pieces.frombytes(ids[ranges_of(np.cumsum(sizes) - sizes, kept)].tobytes())
        self._ends.extend((self._ends[-1] + np.cumsum(kept)).tolist())
        self._cut.extend((sizes - kept + n_unread).tolist())
        self._shapes.extend(map(word_shape, words) if self.shapes else bytes(len(words)))
        self._rows.update(zip(words, range(len(self._rows), len(self._cut)), strict=True))
        self._n_characters += sum(map(len, words))

    def _assemble(
        self,
        stretches: Ints,
        words: tuple[npt.NDArray[np.int32], Ints, npt.NDArray[np.uint8]],
        edges: tuple[Ints, Ints, int],
    ) -> Encoded:
        """Copy the stretches behind each other with the special pieces between them.

        stretches: (n_stretches, 5), see `windows.lay`. words: pieces, their starts, and the shapes.
        edges: the starts of sentences and documents, and the pieces left out.
        """
        pieces, word_starts, shapes = words
        window, first, last, target, target_end = stretches.T
        sizes = word_starts[last] - word_starts[first]
        opens = np.diff(window, prepend=-1) != 0
        lead = np.where(opens, len(self.before), 0)
        ends = np.cumsum(lead + sizes + len(self.after))
        places = ends - sizes - len(self.after)

        n_pieces = int(ends[-1]) if len(ends) else 0
        ids = np.zeros(n_pieces, np.int32)
        types = np.zeros(n_pieces, np.uint8)
        inside = ranges_of(places, sizes)
        source = ranges_of(word_starts[first], sizes)
        ids[inside] = pieces[source]
        types[inside] = np.repeat(shapes, np.diff(word_starts))[source]
        for k, piece in enumerate(self.before):
            ids[places[opens] - len(self.before) + k] = piece
        for k, piece in enumerate(self.after):
            ids[places + sizes + k] = piece

        n_targets = target_end - target
        targets = ranges_of(target, n_targets)
        shift = np.repeat(places - word_starts[first], n_targets)
        word_sizes = np.diff(word_starts)
        word_piece = np.full(len(word_sizes), NO_PIECE, np.int64)
        word_piece[targets] = word_starts[targets] + shift
        word_piece[word_sizes == 0] = NO_PIECE
        window_starts = np.append((places - lead)[opens], n_pieces).astype(np.int64)
        return Encoded(ids, types, window_starts, word_piece, word_sizes, *edges)


def _portions(words: list[str]) -> Iterator[list[str]]:
    """Words in lists of so many characters as the tokenizer should have under way at once."""
    portion: list[str] = []
    size = 0
    for word in words:
        size += len(word)
        if portion and size > _CHARACTERS_AT_ONCE:
            yield portion
            portion, size = [], len(word)
        portion.append(word)
    if portion:
        yield portion
