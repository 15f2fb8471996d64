"""What the workers do for a score: batches of tags to counts that add up, a few rows a partition.

Nothing here needs a session. A fault of the data is a row too, so that the driver can raise it as
it is, and not inside what Spark says about a worker.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, islice, pairwise
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nertune import schemes
from nertune.documents import Document
from nertune.errors import DataError, DocumentError, NertuneError, TagError
from nertune.scoring import Bools, Counts, Ints, Mode, Scores, score_ids
from nertune.scoring import score as score_tags
from nertune.spark.models import ModelSpec, tagger_of
from nertune.splits import SplitFacts, written_tags

FAULT, LABEL, TAG, WORDS, PAIR = "fault", "label", "tag", "words", "pair"
"""What a row counts; a fault counts nothing."""

_DOCUMENTS = 1_000

CountRow = tuple[str, str, Counts]
"""What is counted, its name, and the counts."""


class Counting(Protocol):
    """What is counted in the batches of a partition."""

    def rows(self, batches: Iterable[pa.RecordBatch]) -> Iterator[CountRow]:
        """The counts of all batches. Raises NertuneError for a fault of the data."""


def in_arrow(work: Counting) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """What `mapInArrow` wants; its batches hold kind, name, correct, predicted and gold."""

    def count(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        try:
            rows = list(work.rows(batches))
        except UnicodeDecodeError as error:
            rows = [_fault("DataError", f"a word or tag is no valid UTF-8 ({error}); {_DECODE}")]
        except NertuneError as error:
            rows = [_fault(type(error).__name__, str(error))]
        counts = [(one.correct, one.predicted, one.gold) for _, _, one in rows]
        names = pa.array([name for _, name, _ in rows], pa.string())
        columns = [pa.array(list(column), pa.int64()) for column in zip(*counts, strict=True)]
        kinds = pa.array([kind for kind, _, _ in rows], pa.string())
        yield pa.RecordBatch.from_arrays(
            [kinds, names, *(columns or [pa.array([], pa.int64())] * 3)],
            names=["kind", "name", "correct", "predicted", "gold"],
        )

    return count


_DECODE = "decode the source with its real encoding"


def _fault(kind: str, message: str) -> CountRow:
    return FAULT, json.dumps([message, kind]), Counts()


# --- scores and evidence as rows ---


def score_rows(scores: Scores) -> Iterator[CountRow]:
    """Scores as rows; `scores_of` reads them back."""
    yield WORDS, "", Counts(correct=scores.n_correct_words, gold=scores.n_words)
    yield from ((LABEL, name, counts) for name, counts in scores.labels.items())
    yield from ((TAG, name, counts) for name, counts in scores.tags.items())


def scores_of(rows: Iterable[CountRow]) -> Scores:
    """The scores that rows hold which were summed by kind and name."""
    by_kind: dict[str, dict[str, Counts]] = {LABEL: {}, TAG: {}, WORDS: {}}
    for kind, name, counts in rows:
        by_kind[kind][name] = counts
    words = by_kind[WORDS].get("", Counts())
    return Scores(by_kind[LABEL], by_kind[TAG], words.gold, words.correct)


def evidence_rows(evidence: schemes.SchemeEvidence) -> Iterator[CountRow]:
    """Evidence of a scheme as rows; `evidence_of` reads them back."""
    for pair, count in evidence.pairs.items():
        yield PAIR, json.dumps(pair), Counts(gold=count)


def evidence_of(rows: Iterable[CountRow]) -> schemes.SchemeEvidence:
    """The evidence that rows hold which were summed by kind and name."""
    evidence = schemes.SchemeEvidence()
    for _, name, counts in rows:
        before, after, same = json.loads(name)
        evidence.pairs[before, after, same] += counts.gold
    return evidence


# --- columns of sentences ---


@dataclass(frozen=True)
class Sentences:
    """A column of a batch, flat: what is in its sentences, word by word.

    values: (n_words,) strings. lengths, rows: (n_sentences,), the words of each sentence and the
    row of the batch, of n_rows, that it stands in. done: the rows of the batches before.
    """

    values: pa.Array
    lengths: Ints
    rows: Ints
    n_rows: int
    done: int

    def row_of(self, word: int) -> int:
        """The row of the partition that a word stands in."""
        sentence = int(np.searchsorted(np.cumsum(self.lengths), word, "right"))
        return self.done + int(self.rows[sentence])

    @property
    def starts(self) -> Bools:
        """(n_words,), True at the first word of each sentence."""
        starts = np.zeros(len(self.values), dtype=np.bool_)
        lengths = self.lengths[self.lengths > 0]
        starts[np.cumsum(lengths) - lengths] = True
        return starts

    def by_row(self) -> Iterator[list[int]]:
        """For each row the lengths of its sentences."""
        edges = np.searchsorted(self.rows, np.arange(self.n_rows + 1))
        for first, last in pairwise(edges.tolist()):
            yield self.lengths[first:last].tolist()


@dataclass(frozen=True)
class Reader:
    """Reads columns of arrays, or of arrays of arrays, and tells what is wrong with which row.

    what: what each column holds, for messages. names: of tags that are given as ids.
    """

    what: tuple[str, ...]
    names: tuple[str, ...] | None

    def read(self, batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[Sentences, ...]]:
        """The columns of each batch, which hold the same sentences. Raises DataError."""
        done = 0
        for batch in batches:
            pairs = zip(batch.columns, self.what, strict=True)
            columns = tuple(self._sentences(column, what, done) for column, what in pairs)
            for other, what in zip(columns[1:], self.what[1:], strict=True):
                self._check_alike(columns[0], other, what, done)
            if batch.num_rows:
                yield columns
            done += batch.num_rows

    def _sentences(self, given: pa.Array, what: str, done: int) -> Sentences:
        column, rows = given, np.arange(len(given))
        _check_filled(column, rows + done, what)
        while _is_list(column.type.value_type):
            rows = np.repeat(rows, _lengths(column))
            column = column.flatten()
            _check_filled(column, rows + done, what)
        lengths = _lengths(column)
        values = column.flatten()
        owners = np.repeat(rows, lengths) + done
        _check_filled(values, owners, what)
        if pa.types.is_integer(values.type):
            values = self._named(values, owners)
        return Sentences(values.cast(pa.string()), lengths, rows, len(given), done)

    def _named(self, ids: pa.Array, owners: Ints) -> pa.Array:
        names = self.names or ()
        values = ids.to_numpy(zero_copy_only=False)
        for i in np.flatnonzero((values < 0) | (values >= len(names))).tolist():
            raise DataError(
                f"{_row(owners[i])} has the tag id {values[i]}, but there are {len(names)} names; "
                f"expected an id from 0 to {len(names) - 1}"
            )
        return pa.array(names, pa.string()).take(ids)

    def _check_alike(self, one: Sentences, other: Sentences, what: str, done: int) -> None:
        sizes = [np.bincount(side.rows, minlength=side.n_rows) for side in (one, other)]
        for row in np.flatnonzero(sizes[0] != sizes[1]).tolist():
            raise DataError(
                f"{_row(row + done)} has {sizes[0][row]} sentences of {self.what[0]} and "
                f"{sizes[1][row]} of {what}; expected the same sentences in both"
            )
        for i in np.flatnonzero(one.lengths != other.lengths).tolist():
            row = one.rows[i]
            number = i - int(np.searchsorted(one.rows, row))
            place = f", sentence {number}," if sizes[0][row] > 1 else ""
            raise DataError(
                f"{_row(row + done)}{place} has {one.lengths[i]} {self.what[0]} and "
                f"{other.lengths[i]} {what}; expected one a word in both"
            )


def _is_list(kind: Any) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _lengths(column: pa.Array) -> Ints:
    lengths: Ints = pc.list_value_length(column).to_numpy(zero_copy_only=False).astype(np.int64)
    return lengths


def _check_filled(values: pa.Array, rows: Ints, what: str) -> None:
    if values.null_count:
        first = int(np.argmax(values.is_null().to_numpy(zero_copy_only=False)))
        raise DataError(
            f"{_row(rows[first])} has a null among its {what}, or in their place; expected one a "
            "word. Leave such rows out, with frame.dropna(), or mend them"
        )


def _row(row: int) -> str:
    from pyspark import TaskContext

    task = TaskContext.get()
    where = f" of partition {task.partitionId()}" if task else ""
    return f"row {row}{where} (from 0)"


def _numbered(*sides: Sentences) -> tuple[list[str], list[Ints]]:
    """The tags there are, and for each side the place of each word's tag among them, (n_words,).

    Raises TagError that names the row of a tag that is none.
    """
    coded = pa.concat_arrays([side.values for side in sides]).dictionary_encode()
    ids = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    of_sides = np.split(ids, len(sides))
    names = coded.dictionary.to_pylist()
    for place, name in enumerate(names):
        try:
            schemes.split_tag(name)
        except TagError as error:
            found = (
                (side, np.flatnonzero(of == place))
                for side, of in zip(sides, of_sides, strict=True)
            )
            row = next(side.row_of(int(words[0])) for side, words in found if len(words))
            raise TagError(f"{_row(row)}: {error}") from None
    return names, of_sides


# --- what is counted ---


@dataclass(frozen=True)
class CountScores:
    """The scores of predicted against gold tags, the two columns of each batch."""

    reader: Reader
    mode: Mode
    scheme: schemes.Scheme | None

    def rows(self, batches: Iterable[pa.RecordBatch]) -> Iterator[CountRow]:
        """See `Counting`."""
        total = Scores()
        for gold, predicted in self.reader.read(batches):
            names, [true, found] = _numbered(gold, predicted)
            total += score_ids(true, found, names, gold.starts, self.mode, self.scheme)
        yield from score_rows(total)


@dataclass(frozen=True)
class CountEvidence:
    """The evidence of a scheme that tags give, the one column of each batch."""

    reader: Reader

    def rows(self, batches: Iterable[pa.RecordBatch]) -> Iterator[CountRow]:
        """See `Counting`."""
        evidence = schemes.SchemeEvidence()
        for [tags] in self.reader.read(batches):
            names, [ids] = _numbered(tags)
            evidence.add_pairs(names, ids, tags.starts)
        yield from evidence_rows(evidence)


@dataclass(frozen=True)
class CountFound:
    """The scores of what a model finds in words against their tags, the two columns of each batch.

    scheme: the one that the tags are written in.
    """

    reader: Reader
    model: ModelSpec
    threshold: float
    scheme: str

    def rows(self, batches: Iterable[pa.RecordBatch]) -> Iterator[CountRow]:
        """See `Counting`."""
        tagger = tagger_of(self.model)
        wanted = schemes.scheme_named(tagger.settings.scheme or "IOB2")
        waiting: deque[Document] = deque()
        tagged = tagger.tag(_noted(self._documents(batches), waiting), self.threshold)
        total = Scores()
        while found := list(islice(tagged, _DOCUMENTS)):
            gold = [self._gold(waiting.popleft(), wanted) for _ in found]
            predicted = [list(one.tags or ()) for one in found]
            total += score_tags(_by_sentence(found, gold), _by_sentence(found, predicted))
        yield from score_rows(total)

    def _gold(self, document: Document, wanted: schemes.Scheme) -> list[str]:
        """The tags of a document in the model's scheme, which may be as they are."""
        if self.scheme == wanted.name:
            return list(document.tags or ())
        return written_tags(document, wanted, SplitFacts(""))

    def _documents(self, batches: Iterable[pa.RecordBatch]) -> Iterator[Document]:
        done = 0
        for words, tags in self.reader.read(batches):
            flat, flat_tags = words.values.to_pylist(), tags.values.to_pylist()
            first = 0
            for row, lengths in enumerate(words.by_row()):
                last = first + sum(lengths)
                edges = accumulate(filter(None, lengths), initial=0)
                try:
                    yield Document.from_words(
                        flat[first:last], flat_tags[first:last], list(pairwise(edges))
                    )
                except DocumentError as error:
                    raise DataError(f"{_row(done + row)}: {error}") from None
                first = last
            done += words.n_rows


def _noted(documents: Iterable[Document], waiting: deque[Document]) -> Iterator[Document]:
    for document in documents:
        waiting.append(document)
        yield document


def _by_sentence(documents: Iterable[Document], tags: Iterable[list[str]]) -> list[list[str]]:
    """The tags of documents, sentence by sentence."""
    pairs = zip(documents, tags, strict=True)
    return [of_one[start:end] for document, of_one in pairs for start, end in document.sentences]
