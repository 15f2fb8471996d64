"""Where windows begin and end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from nertune.config import WindowSettings
from nertune.encoding.arrays import Ints, starts_of


@dataclass(frozen=True)
class Room:
    """Pieces that words may fill in a window of one sentence; what each further sentence costs."""

    pieces: int
    separator: int
    window: WindowSettings


def lay(word_starts: Ints, sentence_starts: Ints, document_starts: Ints, room: Room) -> Ints:
    """Divide documents into windows.

    word_starts: in pieces; sentence_starts: in words; document_starts: in sentences. Returns
    (n_stretches, 5): a window is one or several stretches of words, each `(window, first word,
    last word, first predicted word, last predicted word)`, half-open; every word is predicted once.
    """
    sizes = np.diff(word_starts[sentence_starts])
    whole = _fits_whole(sizes, document_starts, room)
    document = np.repeat(np.arange(len(whole)), np.diff(document_starts))
    kept = np.flatnonzero(whole[document])
    first, last = sentence_starts[kept], sentence_starts[kept + 1]
    rows = np.stack([document[kept], np.zeros_like(kept), first, last, first, last], axis=1)
    others = [
        (place, *row)
        for place in np.flatnonzero(~whole).tolist()
        for row in _divided(word_starts, sentence_starts, document_starts[place : place + 2], room)
    ]
    rows = np.concatenate([rows, np.array(others, dtype=np.int64).reshape(-1, 6)])
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    opens = np.diff(rows[:, :2], axis=0, prepend=-1).any(axis=1)
    return np.column_stack([np.cumsum(opens) - 1, rows[:, 2:]])


def _fits_whole(sizes: Ints, document_starts: Ints, room: Room) -> npt.NDArray[np.bool_]:
    """(n_documents,): whether a document makes a single window."""
    n_sentences = np.diff(document_starts)
    paid = starts_of(sizes + room.separator)[document_starts]
    fits: npt.NDArray[np.bool_] = np.diff(paid) - room.separator <= room.pieces
    if room.window.sentences:
        fits &= n_sentences <= room.window.sentences
    return fits


def _divided(
    word_starts: Ints, sentence_starts: Ints, document: Ints, room: Room
) -> Iterator[tuple[int, int, int, int, int]]:
    """The stretches of a document of several windows, which count from 0.

    document: its first sentence, and the one after its last.
    """
    begin, end = document.tolist()
    edges = sentence_starts[begin : end + 1].tolist()
    sizes = np.diff(word_starts[edges]).tolist()
    window = 0
    for seen, target, target_end, seen_end in _windows_of(sizes, 0, end - begin, room):
        if sizes[target] > room.pieces:
            parts = _divide(word_starts, edges[target], edges[target + 1], room.pieces)
            yield from ((window + i, *part) for i, part in enumerate(parts))
            window += len(parts)
            continue
        for k in range(seen, seen_end):
            first, last = edges[k], edges[k + 1]
            yield window, first, last, *((first, last) if target <= k < target_end else (0, 0))
        window += 1


def _windows_of(
    sizes: list[int], begin: int, end: int, room: Room
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


def _context_size(sizes: list[int], target: int, edges: tuple[int, int], room: Room) -> int:
    """Pieces of the context before `target`."""
    first = max(edges[0], target - room.window.context)
    return sum(size + room.separator for size in sizes[first:target])


def _ahead_size(sizes: list[int], first: int, end: int, room: Room) -> int:
    """Pieces of the context that begins with the sentence `first`."""
    last = min(end, first + room.window.context)
    return sum(size + room.separator for size in sizes[first:last])


def _grow(
    sizes: list[int], target: tuple[int, int, int], edges: tuple[int, int], room: Room
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
        # The word that did not fit must fit the next window, or that would lie inside this one.
        back = max(word_starts[b] - room // 3, word_starts[b + 1] - room)
        a = max(a + 1, min(b, int(np.searchsorted(word_starts, back, "left"))))
    borders = [first]
    for (_, end), (start, _) in pairwise(runs):
        # Rounded up, not a fraction: for one number that is none numpy copies the whole array.
        middle = (word_starts[start] + word_starts[end] + 1) // 2
        border = int(np.searchsorted(word_starts, middle, "left"))
        borders.append(min(max(border, start, borders[-1]), end))
    borders.append(last)
    return [
        (a, b, border, next_border)
        for (a, b), border, next_border in zip(runs, borders, borders[1:], strict=False)
    ]
