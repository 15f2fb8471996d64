"""A tagger scored on annotated text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nertune import schemes
from nertune.config import ReadSettings
from nertune.decoding import cross_entropy
from nertune.encoding import NO_PIECE, Encoder, Ints
from nertune.engine import Tagger
from nertune.scoring import Scores, score_ids
from nertune.splits import GoldSplit, load_gold


def evaluate_file(
    tagger: Tagger, path: str | Path, settings: ReadSettings | None = None
) -> tuple[Scored, GoldSplit]:
    """A tagger scored on an annotated file, and what was read.

    Raises DataError as `read` does.
    """
    scheme = schemes.scheme_named(tagger.settings.scheme or "IOB2")
    gold = load_gold(Path(path).name, [str(path)], settings or ReadSettings(), scheme)
    return GoldScorer(gold, tagger.encoder, tagger.settings.tags)(tagger), gold


@dataclass(frozen=True)
class Scored:
    """A split, or a process's share of it, scored: sums, so that shares add up.

    loss is summed over the n_known words that have pieces and a gold tag which the model has.
    tag_ids: (n_words,), the predicted tags.
    """

    scores: Scores
    loss: float
    n_known: int
    tag_ids: Ints

    @property
    def mean_loss(self) -> float:
        """The loss a word."""
        return self.loss / max(1, self.n_known)


class GoldScorer:
    """Scores a live tagger on one split: encoded once, predicted again at every evaluation.

    share: which of how many processes this is; each takes every n-th document.
    """

    def __init__(
        self,
        gold: GoldSplit,
        encoder: Encoder,
        tags: Sequence[str],
        share: tuple[int, int] = (0, 1),
    ) -> None:
        self.gold = gold
        self.share = share
        self.encoded = encoder.encode(gold.documents[share[0] :: share[1]])
        own = _words_of_share(gold, *share)
        self.names = [*tags, *dict.fromkeys(tag for tag in gold.tags if tag not in tags)]
        places = {tag: i for i, tag in enumerate(self.names)}
        ids = np.fromiter(map(places.__getitem__, gold.tags), np.int64, len(gold.tags))
        self.gold_ids = ids[own]
        self.starts = np.zeros(self.encoded.n_words, dtype=bool)
        self.starts[self.encoded.sentence_starts[:-1]] = True

    def __call__(self, tagger: Tagger) -> Scored:
        """Predict and score this process's share."""
        emissions = tagger.emissions(self.encoded)
        predicted = tagger.decoder.best_tags(emissions, self.encoded.sentence_starts)
        scores = score_ids(self.gold_ids, predicted, self.names, self.starts)
        known = (self.gold_ids < emissions.shape[1]) & (self.encoded.word_piece != NO_PIECE)
        loss = cross_entropy(emissions[known], self.gold_ids[known])
        return Scored(scores, loss, int(known.sum()), predicted)


def add_shares(gold: GoldSplit, shares: Sequence[Scored]) -> Scored:
    """What all processes found on a split, as if one had; shares in the order of the processes."""
    tag_ids = np.empty(len(gold.tags), dtype=np.int64)
    for i, share in enumerate(shares):
        tag_ids[_words_of_share(gold, i, len(shares))] = share.tag_ids
    return Scored(
        sum((share.scores for share in shares), Scores()),
        sum(share.loss for share in shares),
        sum(share.n_known for share in shares),
        tag_ids,
    )


def _words_of_share(gold: GoldSplit, process: int, n_processes: int) -> npt.NDArray[np.bool_]:
    """(n_words,): the words of every n-th document."""
    mine = np.arange(len(gold.documents)) % n_processes == process
    return np.repeat(mine, [document.n_words for document in gold.documents])
