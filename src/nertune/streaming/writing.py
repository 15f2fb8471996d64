"""A stream of documents, tagged and written in segments.

A segment is a run of documents of about `SEGMENT_WORDS` words that the tagger sees as a stream of
its own, so that what comes out of it follows from its documents alone, to the last digit: a run
that goes on after the third segment writes the same bytes as one that was never stopped. (The
chunks of `Tagger.tag` grow from the beginning of a stream; cut anywhere else, they would be batched
otherwise, and scores would differ in the last digits.)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Literal

from nertune.data import write_columns, write_jsonl
from nertune.documents import Document
from nertune.engine import Tagger
from nertune.streaming.partial import PartialFile, partial_file

SEGMENT_WORDS = 50_000
_CHARACTERS_A_WORD = 6
_SECONDS_BETWEEN_FLUSHES = 0.5

Writer = Callable[[Iterable[Document], IO[str]], None]


@dataclass
class Tally:
    """What has been written, in all tries together."""

    documents: int = 0
    words: int = 0
    entities: int = 0
    words_without_pieces: int = 0
    cut_pieces: int = 0


class Watch:
    """Who is told how it goes on; this one does nothing with it."""

    def begins(self, tally: Tally) -> None:
        """Tagging begins; `tally` is what an earlier try has written."""

    def seen(self, tally: Tally) -> None:
        """One more document is written; the tally is the same object every time."""

    def say(self, line: str) -> None:
        """Something that is worth a sentence."""


@dataclass(frozen=True)
class Origins:
    """All that an output follows from (see `made_from`); or_from: what gives the same so far."""

    made_from: Mapping[str, str]
    or_from: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Tagging:
    """What is kept of the entities found, and how they are written.

    threshold: entities with a lower score are left out. labels: only these are kept; None: all.
    write: a format, or a function that writes documents. marks: whether a column file has a mark
    before each document.
    """

    threshold: float = 0.0
    labels: tuple[str, ...] | None = None
    write: Literal["jsonl", "conll"] | Writer = "jsonl"
    marks: bool = True

    @property
    def writer(self) -> Writer:
        """Writes documents; what it writes of one does not depend on the others."""
        if self.write == "conll":
            return partial(write_columns, marks=self.marks)
        return write_jsonl if self.write == "jsonl" else self.write


def write_tagged(
    tagger: Tagger,
    documents: Iterable[Document | None],
    handle: IO[str],
    tagging: Tagging | None = None,
    watch: Watch | None = None,
) -> Tally:
    """Write the documents with the entities found, in order, to a text stream.

    None stands where the next document may be long in coming: what came before it is written and
    flushed first.
    """
    tagging, watch = tagging or Tagging(), watch or Watch()
    counter = _Counter(tagger, Tally(), watch, handle)
    for segment in segments(documents):
        found = tagger.tag(segment, tagging.threshold, tagging.labels)
        tagging.writer(counter.counted(found), handle)
        handle.flush()
        counter.add_losses()
    return counter.tally


def write_tagged_file(
    tagger: Tagger,
    documents: Iterable[Document],
    path: Path,
    origins: Origins,
    tagging: Tagging | None = None,
    watch: Watch | None = None,
) -> Tally:
    """Write to a file that takes its name when it is whole, going on where an earlier try stopped.

    origins: an earlier try is gone on with only where it named the same. `documents` is the whole
    stream in any case: those that are written already are read past.
    Raises OutputError where the file cannot be written, or another program is writing it.
    """
    tagging, watch = tagging or Tagging(), watch or Watch()
    with partial_file(path, origins.made_from, origins.or_from) as part:
        tally = Tally(**part.state)
        try:
            _say_how_it_begins(path, part, watch)
            stream = iter(documents)
            next(islice(stream, tally.documents, tally.documents), None)
            counter = _Counter(tagger, tally, watch)
            for segment in segments(stream):
                found = tagger.tag(segment, tagging.threshold, tagging.labels)
                tagging.writer(counter.counted(found), part.handle)
                counter.add_losses()
                part.keep(asdict(tally))
        except BaseException:
            if part.state:
                watch.say(
                    f"{path}: stopped; {part.state['documents']:,} documents are kept, and the "
                    "same command goes on from there"
                )
            raise
    return tally


def _say_how_it_begins(path: Path, part: PartialFile, watch: Watch) -> None:
    if part.state:
        done = part.state["documents"]
        watch.say(f"{path}: going on after {done:,} documents of an unfinished run")
    elif part.changed:
        watch.say(f"{path}: an unfinished run is begun anew: {'; '.join(part.changed)}")


class _Counter:
    """Counts what goes by, and shows it from time to time to whoever reads along."""

    def __init__(
        self, tagger: Tagger, tally: Tally, watch: Watch, handle: IO[str] | None = None
    ) -> None:
        self.tally = tally
        self._stats = tagger.stats
        self._before = self._losses()
        watch.begins(tally)
        self._watch = watch
        self._handle = handle
        self._flushed = 0.0

    def counted(self, documents: Iterable[Document]) -> Iterator[Document]:
        tally = self.tally
        for document in documents:
            yield document
            tally.documents += 1
            tally.words += document.n_words
            tally.entities += len(document.entities)
            self._watch.seen(tally)
            self._flush_now_and_then()

    def _flush_now_and_then(self) -> None:
        if self._handle is not None and time.monotonic() - self._flushed > _SECONDS_BETWEEN_FLUSHES:
            self._handle.flush()
            self._flushed = time.monotonic()

    def add_losses(self) -> None:
        """What the tagger could not see; known at the end of a segment, since it reads ahead."""
        now = self._losses()
        self.tally.words_without_pieces += now[0] - self._before[0]
        self.tally.cut_pieces += now[1] - self._before[1]
        self._before = now

    def _losses(self) -> tuple[int, int]:
        return self._stats.words_without_pieces, self._stats.cut_pieces


def segments(documents: Iterable[Document | None]) -> Iterator[Iterator[Document]]:
    """The stream in runs of about SEGMENT_WORDS words; None ends one too.

    Lazily: each must be read to its end before the next is asked for. Where they end follows from
    the documents alone.
    """
    stream = iter(documents)
    for first in stream:
        if first is not None:
            yield _segment(first, stream)


def _segment(first: Document, stream: Iterator[Document | None]) -> Iterator[Document]:
    document: Document | None = first
    n_words = 0
    while document is not None:
        yield document
        n_words += _words_about(document)
        if n_words >= SEGMENT_WORDS:
            return
        document = next(stream, None)


def _words_about(document: Document) -> int:
    """Words of a document; raw text has none yet. At least 1: a run of empty lines ends too."""
    if document.split:
        return document.n_words + 1
    return len(document.text) // _CHARACTERS_A_WORD + 1
