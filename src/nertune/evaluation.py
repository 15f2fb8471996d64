"""A tagger scored on annotated text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nertune import schemes
from nertune.config import ReadSettings
from nertune.decoding import cross_entropy
from nertune.encoding import Encoder
from nertune.engine import Tagger
from nertune.scoring import Scores, score_ids
from nertune.splits import GoldSplit, load_gold


def evaluate_file(
    tagger: Tagger, path: str | Path, settings: ReadSettings | None = None
) -> tuple[Scores, float, GoldSplit]:
    """Scores of a tagger on an annotated file, the loss a word, and what was read.

    Raises DataError as `read` does.
    """
    scheme = schemes.scheme_named(tagger.settings.scheme or "IOB2")
    gold = load_gold(Path(path).name, [str(path)], settings or ReadSettings(), scheme)
    scores, loss = GoldScorer(gold, tagger.encoder, tagger.settings.tags)(tagger)
    return scores, loss, gold


class GoldScorer:
    """Scores a live tagger on one split: encoded once, predicted again at every evaluation."""

    def __init__(self, gold: GoldSplit, encoder: Encoder, tags: Sequence[str]) -> None:
        self.gold = gold
        self.encoded = encoder.encode(gold.documents)
        self.names = [*tags, *dict.fromkeys(tag for tag in gold.tags if tag not in tags)]
        places = {tag: i for i, tag in enumerate(self.names)}
        self.gold_ids = np.fromiter(map(places.__getitem__, gold.tags), np.int64, len(gold.tags))
        self.starts = np.zeros(self.encoded.n_words, dtype=bool)
        self.starts[self.encoded.sentence_starts[:-1]] = True

    def __call__(self, tagger: Tagger) -> tuple[Scores, float]:
        """Scores, and the loss a word: over the words whose gold tag the model has."""
        emissions = tagger.emissions(self.encoded)
        predicted = tagger.decoder.best_tags(emissions, self.encoded.sentence_starts)
        scores = score_ids(self.gold_ids, predicted, self.names, self.starts)
        known = self.gold_ids < emissions.shape[1]
        loss = cross_entropy(emissions[known], self.gold_ids[known])
        return scores, loss / max(1, int(known.sum()))
