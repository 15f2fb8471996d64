"""Where windows begin and end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from nertune.config import WindowSettings
from nertune.encoding.arrays import Ints


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
        middle = (word_starts[start] + word_starts[end]) / 2
        border = int(np.searchsorted(word_starts, middle, "left"))
        borders.append(min(max(border, start, borders[-1]), end))
    borders.append(last)
    return [
        (a, b, border, next_border)
        for (a, b), border, next_border in zip(runs, borders, borders[1:], strict=False)
    ]
