"""Tagger: split, encode, batch, run, stitch, decode. The same path for training and every door."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from tokenizers import Tokenizer

from nertune import schemes
from nertune.batching import plan
from nertune.bundle import TaggerSettings
from nertune.decoding import Decoder
from nertune.documents import Document, Entity
from nertune.encoding import Batch, Encoded, Encoder, Floats, stitch
from nertune.errors import BundleError, DependencyError, DocumentError
from nertune.modelhub import open_bundle
from nertune.splitting import split

_CHUNK_WORDS = 20_000


class Runtime(Protocol):
    """What a runtime must be: a padded batch in, logits out."""

    @property
    def n_tags(self) -> int:
        """How many tags the model tells apart."""

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

    `tagger(text)` reads one text; `tagger.tag(documents)` reads a stream and keeps its order.
    batch_pieces: budget of a batch, longest window times windows.
    """

    def __init__(
        self,
        runtime: Runtime,
        settings: TaggerSettings,
        tokenizer: Tokenizer,
        batch_pieces: int = 512,
    ) -> None:
        self.runtime = runtime
        self.settings = settings
        self.batch_pieces = batch_pieces
        self.encoder = Encoder(tokenizer, settings.window, settings.shapes)
        scheme = schemes.scheme_named(settings.scheme) if settings.scheme else None
        self.decoder = Decoder(settings.tags, scheme, settings.temperature)
        self.stats = Stats()

    @classmethod
    def load(
        cls, model: str | Path, device: str | None = None, *, revision: str | None = None
    ) -> Tagger:
        """A tagger from a model folder, a run folder or a model on the Hugging Face Hub.

        model: a folder; where there is none, an id such as `user/name` or `user/name@revision`.
        device: as torch names it; none given: the GPU where there is one. revision: a branch, a tag
        or a commit on the Hub.
        Raises BundleError where the model is incomplete or cannot be had, DependencyError without
        torch.
        """
        bundle = open_bundle(model, revision)
        try:
            import torch

            from nertune.model import load_model
            from nertune.runtimes.torch import TorchRuntime
        except ModuleNotFoundError as error:
            raise DependencyError(error.name or "torch", "train", "Loading a model") from error
        place = device or ("cuda" if torch.cuda.is_available() else "cpu")
        return cls(TorchRuntime(load_model(bundle), place), bundle.settings, bundle.tokenizer)

    def __call__(self, text: str, threshold: float = 0.0) -> list[Entity]:
        """The entities of one raw text, in order; `text[e.start:e.end] == e.text`.

        threshold: entities with a lower score are left out.
        Raises DocumentError for anything but a string of valid Unicode.
        """
        if not isinstance(text, str):
            raise DocumentError(
                f"tagger(...) reads one string, got {type(text).__name__}; "
                "for several use tagger.tag(Document.from_text(t) for t in texts)"
            )
        return list(next(self.tag([Document.from_text(text)], threshold)).entities)

    def tag(self, documents: Iterable[Document], threshold: float = 0.0) -> Iterator[Document]:
        """Each document with the predicted tags and entities in place of its own, in order.

        threshold: entities with a lower score are left out, and their words get O.
        Works through the stream in chunks, so that memory does not grow with its length.
        """
        for chunk in _chunks(map(split, documents)):
            encoded = self.encoder.encode(chunk)
            emissions = self.emissions(encoded)
            tag_ids = self.decoder.best_tags(emissions, encoded.sentence_starts)
            scores = self.decoder.entity_scores(emissions, tag_ids, encoded.sentence_starts)
            names = [self.settings.tags[i] for i in tag_ids.tolist()]
            first = 0
            for document, start in zip(chunk, encoded.document_starts.tolist(), strict=False):
                last = first + len(document.sentences)
                of_document = [score for sentence in scores[first:last] for score in sentence]
                tags = names[start : start + document.n_words]
                tagged = document.with_tags(tags, of_document)
                yield tagged.with_scores_from(threshold) if threshold > 0 else tagged
                first = last

    def emissions(self, encoded: Encoded) -> Floats:
        """(n_words, n_tags): the logits of every word's first piece, in its predicting window."""
        logits = np.empty((len(encoded.ids), self.runtime.n_tags), np.float32)
        for windows in plan(encoded.window_lengths, self.batch_pieces):
            batch = self.encoder.pad(encoded, windows)
            rows = self.runtime.logits(batch)
            if not np.isfinite(rows[batch.mask.astype(bool)]).all():
                raise BundleError(
                    "the network gives scores that are no finite numbers; its weights are damaged, "
                    "or its training diverged"
                )
            starts = encoded.window_starts[windows]
            places = starts[:, None] + np.arange(batch.ids.shape[1])
            inside = batch.mask.astype(bool)
            logits[places[inside]] = rows[inside]
        self._count(encoded)
        return stitch(logits, encoded, self.decoder.outside)

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
    chunk: list[Document] = []
    n_words = 0
    for document in documents:
        chunk.append(document)
        n_words += max(1, document.n_words)  # a stream of empty texts ends a chunk too
        if n_words >= _CHUNK_WORDS:
            yield chunk
            chunk, n_words = [], 0
    if chunk:
        yield chunk
