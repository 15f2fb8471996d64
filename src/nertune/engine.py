"""Tagger: split, encode, batch, run, stitch, decode. The same path for training and every door."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from numbers import Real
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from tokenizers import Tokenizer

from nertune import schemes
from nertune.batching import plan
from nertune.bundle import TaggerSettings
from nertune.decoding import Decoder
from nertune.documents import Document, Entity
from nertune.documents.streams import of_documents, of_texts, of_words
from nertune.encoding import Batch, Encoded, Encoder, Floats, Ints, stitch
from nertune.errors import BundleError, DocumentError
from nertune.modelhub import open_bundle
from nertune.posteriors import Doubles
from nertune.runtime_choice import Precision, RuntimeName, choose_runtime
from nertune.splitting import split
from nertune.tables import Level, Texts

_FIRST_CHUNK_WORDS = 2_000
# Measured on CoNLL-2003: one batch more costs as much as some 24 padded pieces of a budget of 384.
_PIECES_FOR_ONE_PADDED = 16
_CHUNK_WORDS = 20_000


class Runtime(Protocol):
    """What a runtime must be: a padded batch in, logits out."""

    @property
    def name(self) -> str:
        """What it is and how it runs, for people."""

    @property
    def workers(self) -> int:
        """How many threads may ask for logits at once."""

    @property
    def batch_pieces(self) -> int:
        """The budget of a batch, longest window times windows, that suits it."""

    def logits(self, batch: Batch) -> Floats:
        """(n_windows, n_pieces, n_tags)."""


@dataclass
class Stats:
    """What a tagger has done since it was made."""

    documents: int = 0
    words: int = 0
    predicted_words: int = 0
    windows: int = 0
    pieces: int = 0
    words_without_pieces: int = 0
    cut_pieces: int = 0


class Tagger:
    """Finds entities.

    `tagger(text)` reads one text; `tag`, `tag_texts` and `tag_words` read streams and keep their
    order. batch_pieces: budget of a batch, longest window times windows; none given: the runtime's.
    """

    def __init__(
        self,
        runtime: Runtime,
        settings: TaggerSettings,
        tokenizer: Tokenizer,
        batch_pieces: int | None = None,
    ) -> None:
        self.runtime = runtime
        self.settings = settings
        self.batch_pieces = batch_pieces or runtime.batch_pieces
        self.encoder = Encoder(tokenizer, settings.window, settings.shapes)
        scheme = schemes.scheme_named(settings.scheme) if settings.scheme else None
        self.decoder = Decoder(settings.tags, scheme, settings.temperature)
        self.stats = Stats()

    @classmethod
    def load(
        cls,
        model: str | Path,
        device: str | None = None,
        *,
        revision: str | None = None,
        runtime: RuntimeName = "auto",
        threads: int | None = None,
        precision: Precision = "fp32",
    ) -> Tagger:
        """A tagger from a model folder, a run folder or a model on the Hugging Face Hub.

        model: a folder; where there is none, a name as `es.ner` ('nertune names' lists them), or an
        id of the Hub as `user/name`; both may end with `@revision`.
        device: as torch names it; none given: the GPU where there is one. revision: a branch, a tag
        or a commit on the Hub. runtime: `auto` takes the int8 graph of `nertune export`, else its
        fp32 graph, else torch; `tagger.runtime.name` says which. threads: cores to use; none given:
        those that are free. precision: fp32, or bf16 and fp16, which torch computes with on a GPU.
        Raises BundleError where the model is incomplete or cannot be had, DependencyError where the
        runtime is not installed.
        """
        bundle = open_bundle(model, revision)
        chosen = choose_runtime(bundle, runtime, device, threads, precision)
        return cls(chosen, bundle.settings, bundle.tokenizer)

    def __repr__(self) -> str:
        """What runs, and what it finds."""
        return f"<Tagger: {self.runtime.name}; {', '.join(self.labels)}>"

    @property
    def labels(self) -> list[str]:
        """The labels that its entities may have."""
        return schemes.labels_of(self.settings.tags)

    def __call__(
        self, text: str, threshold: float = 0.0, labels: Collection[str] | None = None
    ) -> list[Entity]:
        """The entities of one raw text, in order; `text[e.start:e.end] == e.text`.

        threshold: entities with a lower score are left out. labels: so are those with another
        label. Raises DocumentError for anything but a string of valid Unicode.
        """
        if not isinstance(text, str):
            raise DocumentError(
                f"tagger(...) reads one string, got {type(text).__name__}; "
                "for several use tagger.tag_texts(texts), for words tagger.tag_words(sentences)"
            )
        return list(next(self.tag([Document.from_text(text)], threshold, labels)).entities)

    def tag(
        self,
        documents: Iterable[Document],
        threshold: float = 0.0,
        labels: Collection[str] | None = None,
    ) -> Iterator[Document]:
        """Each document with the predicted tags and entities in place of its own, in order.

        threshold: entities with a lower score are left out, and their words get O; labels: so are
        entities with another label. Works through the stream in chunks, so that memory does not
        grow with its length; the next chunk is read and encoded while the runtime is at work.
        Raises DocumentError for a label that the model does not know, or a threshold outside 0..1.
        """
        for tagged, _, _ in self._tagged(documents, threshold, labels):
            yield from tagged

    def tag_texts(
        self,
        texts: Iterable[str],
        threshold: float = 0.0,
        labels: Collection[str] | None = None,
    ) -> Iterator[Document]:
        """As `tag`, for raw texts: a list, a generator, a column of pandas.

        Raises DocumentError that names the place of what is no string.
        """
        return self.tag(of_texts(texts), threshold, labels)

    def tag_words(
        self,
        sentences: Iterable[Sequence[str]],
        threshold: float = 0.0,
        labels: Collection[str] | None = None,
    ) -> Iterator[Document]:
        """As `tag`, for sentences that are lists of words already, each a document of its own.

        Raises DocumentError that names the place of what is no list of words.
        """
        return self.tag(of_words(sentences), threshold, labels)

    def table(
        self,
        data: Any,
        level: Level = "entity",
        threshold: float = 0.0,
        labels: Collection[str] | None = None,
        column: str = "text",
    ) -> Any:
        """What is found, as a pandas DataFrame with a row an entity, word, sentence or document.

        data: a string, several strings, a pandas Series, or a pandas DataFrame with the texts in
        `column`. The index tells which row of the input a row is of; the other columns of a
        DataFrame are carried along. The rest of the columns are those of `tables.to_frame` at this
        level, without `document` and `id`. A missing text (None, NaN) has no row, and at level
        "document" one with text None and counts 0. threshold, labels: as in `tag`.
        Raises DocumentError for what is no text, before anything is tagged, and for a column that
        the table has too; DependencyError without pandas.
        """
        texts = Texts.of(data, level, column)
        return texts.frame(self.tag_texts(texts.present, threshold, labels), level)

    def word_probabilities(
        self,
        documents: Iterable[Document],
        threshold: float = 0.0,
        labels: Collection[str] | None = None,
    ) -> Iterator[tuple[Document, Doubles]]:
        """As `tag`, and with each document the probability of each tag at each word.

        (n_words, n_tags), columns in the order of `settings.tags`: over all tag sequences that the
        scheme allows, as entity scores are, and whatever threshold and labels leave out.
        """
        for tagged, encoded, emissions in self._tagged(documents, threshold, labels):
            found = self.decoder.word_probabilities(emissions, encoded.sentence_starts)
            for document, start in zip(tagged, encoded.document_starts.tolist(), strict=False):
                yield document, found[start : start + document.n_words]

    def emissions(self, encoded: Encoded) -> Floats:
        """(n_words, n_tags): the logits of every word's first piece, in its predicting window."""
        with self._workers() as pool:
            return self._begin(encoded, pool)()

    def _tagged(
        self, documents: Iterable[Document], threshold: float, labels: Collection[str] | None
    ) -> Iterator[tuple[list[Document], Encoded, Floats]]:
        """The stream in chunks: the tagged documents, and what they were found in."""
        labels = self._known(labels)
        _check_probability(threshold)
        everything = threshold <= 0 and labels is None
        for chunk, encoded, emissions in self._emissions_of(documents):
            tag_ids = self.decoder.best_tags(emissions, encoded.sentence_starts)
            scores = self.decoder.entity_scores(emissions, tag_ids, encoded.sentence_starts)
            names = [self.settings.tags[i] for i in tag_ids.tolist()]
            tagged, first = [], 0
            for document, start in zip(chunk, encoded.document_starts.tolist(), strict=False):
                last = first + len(document.sentences)
                of_document = [score for sentence in scores[first:last] for score in sentence]
                found = document.with_tags(names[start : start + document.n_words], of_document)
                tagged.append(found if everything else found.only(threshold, labels))
                first = last
            yield tagged, encoded, emissions

    def _emissions_of(
        self, documents: Iterable[Document]
    ) -> Iterator[tuple[Sequence[Document], Encoded, Floats]]:
        """The stream in chunks, with their emissions."""
        under_way: deque[tuple[Sequence[Document], Encoded, Callable[[], Floats]]] = deque()
        with self._workers() as pool:
            for chunk in _chunks(map(split, of_documents(documents))):
                encoded = self.encoder.encode(chunk)
                under_way.append((chunk, encoded, self._begin(encoded, pool)))
                if len(under_way) > (1 if pool else 0):
                    chunk, encoded, finish = under_way.popleft()
                    yield chunk, encoded, finish()
            for chunk, encoded, finish in under_way:
                yield chunk, encoded, finish()

    @contextmanager
    def _workers(self) -> Iterator[ThreadPoolExecutor | None]:
        """The threads of a call; none where the runtime does one thing after another."""
        if self.runtime.workers < 2:
            yield None
            return
        pool = ThreadPoolExecutor(self.runtime.workers, "nertune")
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)

    def _begin(self, encoded: Encoded, pool: ThreadPoolExecutor | None) -> Callable[[], Floats]:
        """Set the runtime to work; the function returned waits for it and gives the emissions."""
        logits = np.empty((len(encoded.ids), len(self.settings.tags)), np.float32)
        most_padding = self.batch_pieces // _PIECES_FOR_ONE_PADDED
        batches = plan(encoded.window_lengths, self.batch_pieces, most_padding=most_padding)
        run = partial(self._run, encoded, logits)
        started = map(run, batches) if pool is None else [pool.submit(run, b) for b in batches]

        def finish() -> Floats:
            for one in started:
                if isinstance(one, Future):
                    one.result()
            self._count(encoded)
            return stitch(logits, encoded, self.decoder.outside)

        return finish

    def _run(self, encoded: Encoded, logits: Floats, windows: Ints) -> None:
        """Put the logits of some windows in their places."""
        batch = self.encoder.pad(encoded, windows)
        rows = self.runtime.logits(batch)
        inside = batch.mask.astype(bool)
        found = rows[inside]
        if not np.isfinite(found).all():
            raise BundleError(
                "the network gives scores that are no finite numbers; its weights are damaged, "
                "or its training diverged"
            )
        places = encoded.window_starts[windows][:, None] + np.arange(batch.ids.shape[1])
        logits[places[inside]] = found

    def _known(self, labels: Iterable[str] | None) -> tuple[str, ...] | None:
        """The labels asked for, read once: they may come from a generator."""
        if labels is None:
            return None
        if isinstance(labels, str) or not isinstance(labels, Iterable):
            raise DocumentError(f"labels={labels!r}: expected several, as [{labels!r}]")
        known = self.labels
        chosen = tuple(labels)
        unknown = [label for label in chosen if label not in known]
        if unknown:
            raise DocumentError(
                f"the model does not know the label {unknown[0]!r}; it knows {', '.join(known)}"
            )
        return chosen

    def _count(self, encoded: Encoded) -> None:
        lost = int((encoded.word_piece < 0).sum())
        self.stats.documents += len(encoded.document_starts) - 1
        self.stats.words += encoded.n_words
        self.stats.predicted_words += encoded.n_words - lost
        self.stats.windows += encoded.n_windows
        self.stats.pieces += len(encoded.ids)
        self.stats.words_without_pieces += lost
        self.stats.cut_pieces += encoded.n_cut_pieces


def _chunks(documents: Iterable[Document]) -> Iterator[Sequence[Document]]:
    """Small chunks first, so that the first entities come soon; then larger, which go faster."""
    chunk: list[Document] = []
    n_words, enough = 0, _FIRST_CHUNK_WORDS
    for document in documents:
        chunk.append(document)
        # A stream of empty texts, or of words of a million characters, ends a chunk too.
        n_words += max(1, document.n_words, len(document.text) // 16)
        if n_words >= enough:
            yield chunk
            chunk, n_words, enough = [], 0, min(4 * enough, _CHUNK_WORDS)
    if chunk:
        yield chunk


def _check_probability(threshold: object) -> None:
    if not isinstance(threshold, Real) or not 0 <= float(threshold) <= 1:
        raise DocumentError(f"threshold={threshold!r}: expected a probability, 0 to 1")
