"""Documents to windows of pieces, and logits back to emissions.

The same arithmetic lays the windows of training and of inference. What a document gets depends on
nothing but the document: windows never join two documents, and break at sentence ends; only a
sentence longer than a window is divided, and then each word is taken from the window in which it
stands farthest from an edge.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from nertune.config import WindowSettings
from nertune.documents import Document
from nertune.errors import EncodingError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

NO_PIECE = -1
"""Stands in `Encoded.word_piece` for a word of which the tokenizer leaves nothing."""

NEVER = np.float32(-1e4)
"""The emission of a tag that a word cannot have."""

_CACHED_WORDS = 1 << 20

SHAPES = (
    "unknown", "lower", "capitalised", "capitals", "one capital", "mixed",
    "digits", "number", "letters and digits", "punctuation",
)  # fmt: skip
"""Word shapes; a shape's place in this tuple is its `token_type_id`. 0 is what a word without
letters of two cases gets, and every special piece."""


def word_shape(word: str) -> int:
    """The place of a word's shape in SHAPES."""
    if word.isdigit():
        return 6
    has_digit = any(char.isdigit() for char in word)
    letters = [char for char in word if char.isalpha()]
    if not letters:
        return 7 if has_digit else 9
    if has_digit:
        return 8
    n_upper = sum(char.isupper() for char in letters)
    if n_upper == 0:
        return 1 if any(char.islower() for char in letters) else 0
    if n_upper == len(letters):
        return 4 if n_upper == 1 else 3
    return 2 if letters[0].isupper() and n_upper == 1 else 5


def normalise_tokenizer(tokenizer: Tokenizer) -> Tokenizer:
    """A copy that neither cuts nor pads and gives every word its initial space.

    Byte-level BPE writes a word after a space with other pieces than one at the start of a text;
    words given one by one must all be written as after a space.
    """
    raw = json.loads(tokenizer.to_str())
    raw["truncation"] = None
    raw["padding"] = None
    for step in _steps(raw.get("pre_tokenizer")):
        if step["type"] == "ByteLevel":
            step["add_prefix_space"] = True
    return Tokenizer.from_str(json.dumps(raw))


def _steps(step: dict[str, object] | None) -> Iterator[dict[str, object]]:
    if step is None:
        return
    inner = step.get("pretokenizers")
    if isinstance(inner, list):
        for part in inner:
            yield from _steps(part)
    else:
        yield step


def special_pieces(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """The pieces that the tokenizer puts before and after a text, as `[CLS]` and `[SEP]`."""
    encoding = tokenizer.encode("a", add_special_tokens=True)
    mask = encoding.special_tokens_mask
    n_before = mask.index(0) if 0 in mask else len(mask)
    n_after = mask[::-1].index(0) if 0 in mask else 0
    ids = encoding.ids
    return ids[:n_before], ids[len(ids) - n_after :]


@dataclass(frozen=True)
class Encoded:
    """Documents as windows of pieces, in flat arrays.

    ids, types: (n_pieces,), all windows one after another; `types` holds the word shapes (0 where
    the model has none). window_starts: (n_windows + 1,). word_piece: (n_words,), where in `ids`
    the first piece of each word stands, in the window that predicts the word, or NO_PIECE.
    word_sizes: (n_words,), how many pieces the word has there. sentence_starts: (n_sentences + 1,)
    and document_starts: (n_documents + 1,), in words. n_cut_pieces: pieces left out of single words
    longer than a whole window (the word is predicted all the same).
    """

    ids: npt.NDArray[np.int32]
    types: npt.NDArray[np.uint8]
    window_starts: Ints
    word_piece: Ints
    word_sizes: Ints
    sentence_starts: Ints
    document_starts: Ints
    n_cut_pieces: int = 0

    @property
    def n_windows(self) -> int:
        """How many windows there are."""
        return len(self.window_starts) - 1

    @property
    def n_words(self) -> int:
        """How many words there are, each of them predicted once."""
        return len(self.word_piece)

    @property
    def window_lengths(self) -> Ints:
        """(n_windows,), pieces of each window, special ones included."""
        return np.diff(self.window_starts)


@dataclass(frozen=True)
class Batch:
    """Windows padded to the longest: ids, mask, types, each (n_windows, n_pieces) int64."""

    ids: Ints
    mask: Ints
    types: Ints


class Encoder:
    """Turns documents into `Encoded` windows for one tokenizer.

    tokenizer must be normalised (`normalise_tokenizer`). Pieces of a word are looked up once and
    kept: a word's pieces do not depend on its neighbours.
    """

    def __init__(self, tokenizer: Tokenizer, window: WindowSettings, shapes: bool = False) -> None:
        self.tokenizer = tokenizer
        self.window = window
        self.shapes = shapes
        self.before, self.after = special_pieces(tokenizer)
        self.room = window.pieces - len(self.before) - len(self.after)
        if self.room < 1:
            raise EncodingError(f"a window of {window.pieces} pieces leaves no room for a word")
        self._clear()

    def _clear(self) -> None:
        self._rows: dict[str, int] = {}
        self._pieces = array("i")
        self._ends = array("q", [0])
        self._shapes = array("B")

    def encode(self, documents: Sequence[Document]) -> Encoded:
        """The windows of several documents; every word is predicted in exactly one of them."""
        words = list(chain.from_iterable(document.words for document in documents))
        pieces, sizes, shapes, n_cut = self._look_up(words)
        document_starts = _starts([document.n_words for document in documents])
        sentence_ends = [
            first + end
            for document, first in zip(documents, document_starts.tolist(), strict=False)
            for _, end in document.sentences
        ]
        sentence_starts = np.array([0, *sentence_ends], dtype=np.int64)
        word_starts = _starts(sizes)
        stretches = _lay(
            word_starts,
            sentence_starts,
            _starts([len(document.sentences) for document in documents]),
            _Room(self.room, len(self.after), self.window),
        )
        return self._assemble(
            stretches,
            (pieces, word_starts, shapes),
            (sentence_starts, document_starts, n_cut),
        )

    def pad(self, encoded: Encoded, windows: Sequence[int] | Ints) -> Batch:
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
        """Pieces of all words, one after another; pieces and shape of each word; pieces left out."""
        if len(self._rows) > _CACHED_WORDS:
            self._clear()
        get = self._rows.get
        unseen = list(dict.fromkeys(word for word in words if get(word) is None))
        if unseen:
            self._add(unseen)
        rows = np.fromiter(map(self._rows.__getitem__, words), np.int64, len(words))
        ends = np.frombuffer(self._ends, np.int64)
        starts, full = ends[rows], ends[rows + 1] - ends[rows]
        sizes = np.minimum(full, self.room)
        pieces = np.frombuffer(self._pieces, np.int32) if self._pieces else np.zeros(0, np.int32)
        shapes = np.frombuffer(self._shapes, np.uint8) if self._shapes else np.zeros(0, np.uint8)
        return pieces[_ranges(starts, sizes)], sizes, shapes[rows], int((full - sizes).sum())

    def _add(self, words: list[str]) -> None:
        encodings = self.tokenizer.encode_batch_fast(
            [[word] for word in words], is_pretokenized=True, add_special_tokens=False
        )
        for word, encoding in zip(words, encodings, strict=True):
            self._rows[word] = len(self._rows)
            self._pieces.extend(encoding.ids)
            self._ends.append(len(self._pieces))
            self._shapes.append(word_shape(word) if self.shapes else 0)

    def _assemble(
        self,
        stretches: Ints,
        words: tuple[npt.NDArray[np.int32], Ints, npt.NDArray[np.uint8]],
        edges: tuple[Ints, Ints, int],
    ) -> Encoded:
        """Copy the stretches behind each other with the special pieces between them.

        stretches: (n_stretches, 5), see `_lay`. words: pieces, their starts, and the shapes.
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
        inside = _ranges(places, sizes)
        source = _ranges(word_starts[first], sizes)
        ids[inside] = pieces[source]
        types[inside] = np.repeat(shapes, np.diff(word_starts))[source]
        for k, piece in enumerate(self.before):
            ids[places[opens] - len(self.before) + k] = piece
        for k, piece in enumerate(self.after):
            ids[places + sizes + k] = piece

        n_targets = target_end - target
        targets = _ranges(target, n_targets)
        shift = np.repeat(places - word_starts[first], n_targets)
        word_sizes = np.diff(word_starts)
        word_piece = np.full(len(word_sizes), NO_PIECE, np.int64)
        word_piece[targets] = word_starts[targets] + shift
        word_piece[word_sizes == 0] = NO_PIECE
        window_starts = np.append((places - lead)[opens], n_pieces).astype(np.int64)
        return Encoded(ids, types, window_starts, word_piece, word_sizes, *edges)


def stitch(logits: Floats, encoded: Encoded, outside: int = 0) -> Floats:
    """Emissions from the logits of all pieces: the logits of each word's first piece.

    logits: (n_pieces, n_tags), in the order of `encoded.ids`. Returns (n_words, n_tags). A word
    without a piece can only be `outside`, the place of O among the tags.
    """
    emissions = logits[np.maximum(encoded.word_piece, 0)] if len(logits) else logits
    lost = encoded.word_piece == NO_PIECE
    if lost.any():
        if not len(logits):
            emissions = np.empty((encoded.n_words, logits.shape[1]), np.float32)
        emissions[lost] = NEVER
        emissions[lost, outside] = 0
    return emissions


@dataclass(frozen=True)
class _Room:
    """Pieces that words may fill in a window of one sentence; what each further sentence costs."""

    pieces: int
    separator: int
    window: WindowSettings


def _lay(word_starts: Ints, sentence_starts: Ints, document_starts: Ints, room: _Room) -> Ints:
    """Divide documents into windows.

    word_starts: in pieces; sentence_starts: in words; document_starts: in sentences. Returns
    (n_stretches, 5): a window is one or several stretches of words, each `(window, first word,
    last word, first predicted word, last predicted word)`, half-open; every word is predicted once.
    """
    sizes = np.diff(word_starts[sentence_starts]).tolist()
    edges = sentence_starts.tolist()
    rows: list[tuple[int, int, int, int, int]] = []
    n_windows = 0
    for begin, end in zip(document_starts[:-1].tolist(), document_starts[1:].tolist(), strict=True):
        for seen, target, target_end, seen_end in _windows_of(sizes, begin, end, room):
            if sizes[target] > room.pieces:
                parts = _divide(word_starts, edges[target], edges[target + 1], room.pieces)
                rows += [(n_windows + i, *part) for i, part in enumerate(parts)]
                n_windows += len(parts)
                continue
            for k in range(seen, seen_end):
                predicted = target <= k < target_end
                first, last = edges[k], edges[k + 1]
                rows.append((n_windows, first, last, *((first, last) if predicted else (0, 0))))
            n_windows += 1
    return np.array(rows, dtype=np.int64).reshape(-1, 5)


def _windows_of(
    sizes: list[int], begin: int, end: int, room: _Room
) -> Iterator[tuple[int, int, int, int]]:
    """The windows of one document as sentences `(seen, predicted, predicted_end, seen_end)`.

    A sentence that is too long stands alone. Context is added only while it fits.
    """
    most = room.window.sentences or end - begin
    target = begin
    while target < end:
        target_end = target + 1
        seen, seen_end, used = target, target_end, sizes[target]
        if used <= room.pieces:
            limit = max(target_end, min(end, target + most))
            reserve = _context_size(sizes, target, (begin, end), room)
            while target_end < limit:
                more = sizes[target_end] + room.separator
                ahead = _ahead_size(sizes, target_end + 1, end, room)
                if used + more + reserve + ahead > room.pieces:
                    break
                used += more
                target_end += 1
            seen, seen_end = _grow(sizes, (target, target_end, used), (begin, end), room)
        yield seen, target, target_end, seen_end
        target = target_end


def _context_size(sizes: list[int], target: int, edges: tuple[int, int], room: _Room) -> int:
    """Pieces of the context before `target`."""
    first = max(edges[0], target - room.window.context)
    return sum(size + room.separator for size in sizes[first:target])


def _ahead_size(sizes: list[int], first: int, end: int, room: _Room) -> int:
    """Pieces of the context that begins with the sentence `first`."""
    last = min(end, first + room.window.context)
    return sum(size + room.separator for size in sizes[first:last])


def _grow(
    sizes: list[int], target: tuple[int, int, int], edges: tuple[int, int], room: _Room
) -> tuple[int, int]:
    """Add context on both sides by turns, nearest first, until it is enough or no longer fits."""
    seen, seen_end, used = target
    first = max(edges[0], seen - room.window.context)
    last = min(edges[1], seen_end + room.window.context)
    while seen > first or seen_end < last:
        before = seen
        after = seen_end
        if seen > first and used + sizes[seen - 1] + room.separator <= room.pieces:
            seen -= 1
            used += sizes[seen] + room.separator
        if seen_end < last and used + sizes[seen_end] + room.separator <= room.pieces:
            used += sizes[seen_end] + room.separator
            seen_end += 1
        if (seen, seen_end) == (before, after):
            break
    return seen, seen_end


def _divide(
    word_starts: Ints, first: int, last: int, room: int
) -> list[tuple[int, int, int, int]]:
    """Overlapping stretches of one long sentence as `(first, last, predicted, predicted_end)`.

    Neighbours share about a third of a window; the border between them is the middle of what they
    share, so that each word is taken where it has most context.
    """
    runs: list[tuple[int, int]] = []
    a = first
    while True:
        b = int(np.searchsorted(word_starts, word_starts[a] + room, "right")) - 1
        b = min(b, last)
        if b == last:  # fill the last window up from behind
            lowest = runs[-1][0] + 1 if runs else first
            a = max(lowest, int(np.searchsorted(word_starts, word_starts[last] - room, "left")))
            runs.append((a, last))
            break
        runs.append((a, b))
        back = int(np.searchsorted(word_starts, word_starts[b] - room // 3, "left"))
        a = max(a + 1, min(back, b))
    borders = [first]
    for (_, end), (start, _) in zip(runs, runs[1:], strict=False):
        middle = (word_starts[start] + word_starts[end]) / 2
        border = int(np.searchsorted(word_starts, middle, "left"))
        borders.append(min(max(border, start, borders[-1]), end))
    borders.append(last)
    return [
        (a, b, border, next_border)
        for (a, b), border, next_border in zip(runs, borders, borders[1:], strict=False)
    ]


def _starts(sizes: Sequence[int] | Ints) -> Ints:
    """Where each of several stretches begins, and where the last ends: (n + 1,)."""
    return np.concatenate([[0], np.cumsum(np.asarray(sizes, dtype=np.int64))]).astype(np.int64)


def _ranges(starts: Ints, sizes: Ints) -> Ints:
    """The numbers `start .. start + size` of all stretches, one after another."""
    ends = np.cumsum(sizes)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) + np.repeat(starts - (ends - sizes), sizes)


def join(parts: Sequence[Encoded]) -> Encoded:
    """Several encoded stretches of a corpus as one."""
    if len(parts) == 1:
        return parts[0]
    piece_shift = _starts([len(part.ids) for part in parts])
    word_shift = _starts([part.n_words for part in parts])

    def starts(name: str, shifts: Ints) -> Ints:
        arrays = [getattr(part, name)[:-1] + s for part, s in zip(parts, shifts, strict=False)]
        return np.append(np.concatenate(arrays), shifts[-1]).astype(np.int64)

    word_piece = [
        np.where(part.word_piece == NO_PIECE, NO_PIECE, part.word_piece + shift)
        for part, shift in zip(parts, piece_shift, strict=False)
    ]
    return Encoded(
        np.concatenate([part.ids for part in parts]),
        np.concatenate([part.types for part in parts]),
        starts("window_starts", piece_shift),
        np.concatenate(word_piece),
        np.concatenate([part.word_sizes for part in parts]),
        starts("sentence_starts", word_shift),
        starts("document_starts", word_shift),
        sum(part.n_cut_pieces for part in parts),
    )
