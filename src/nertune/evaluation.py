"""A tagger scored on annotated text, and its temperature fitted."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nertune import schemes
from nertune.analysis import Judged
from nertune.config import ReadSettings
from nertune.decoding import Decoder, cross_entropy
from nertune.encoding import NO_PIECE, Encoder, Floats, Ints
from nertune.engine import Tagger
from nertune.posteriors import Doubles
from nertune.scoring import Scores, score_ids
from nertune.splits import GoldSplit, load_gold
from nertune.statistics import counts_by_unit, intervals

PREDICTIONS = "test_predictions.conll"
"""What a run folder calls its test predictions: word, gold tag, predicted tag."""

_LEAST_ENTITIES = 100
_CALIBRATION_ENTITIES = 4000


def evaluate_file(
    tagger: Tagger, path: str | Path, settings: ReadSettings | None = None
) -> Evaluated:
    """A tagger scored on an annotated file.

    Raises DataError as `read` does.
    """
    scheme = schemes.scheme_named(tagger.settings.scheme or "IOB2")
    gold = load_gold(Path(path).name, [str(path)], settings or ReadSettings(), scheme)
    scorer = GoldScorer(gold, tagger.encoder, tagger.settings.tags)
    start = time.perf_counter()
    emissions = tagger.emissions(scorer.encoded)
    scored = scorer.score(tagger, emissions)
    seconds = time.perf_counter() - start
    speed = scorer.encoded.n_words / max(seconds, 1e-9)
    result = SplitResult(gold, scorer.names, scored, speed)
    return Evaluated(result, emissions, scorer.encoded.sentence_starts)


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

    @property
    def own(self) -> GoldSplit:
        """This process's share of the split."""
        mine = _words_of_share(self.gold, *self.share)
        documents = self.gold.documents[self.share[0] :: self.share[1]]
        return replace(self.gold, documents=documents, tags=list(compress(self.gold.tags, mine)))

    def __call__(self, tagger: Tagger) -> Scored:
        """Predict and score this process's share."""
        return self.score(tagger, tagger.emissions(self.encoded))

    def score(self, tagger: Tagger, emissions: Floats) -> Scored:
        """Score emissions (n_words, n_tags) of this process's share."""
        predicted = tagger.decoder.best_tags(emissions, self.encoded.sentence_starts)
        scores = score_ids(self.gold_ids, predicted, self.names, self.starts)
        known = (self.gold_ids < emissions.shape[1]) & (self.encoded.word_piece != NO_PIECE)
        loss = cross_entropy(emissions[known], self.gold_ids[known])
        return Scored(scores, loss, int(known.sum()), predicted)


def judge(gold: GoldSplit, names: Sequence[str], tag_ids: Ints) -> Judged:
    """A whole split with predicted tags, places in `names`, which must hold the gold tags too."""
    places = {tag: i for i, tag in enumerate(names)}
    gold_ids = np.fromiter(map(places.__getitem__, gold.tags), np.int64, len(gold.tags))
    starts, document_starts = np.zeros((2, len(gold.tags)), dtype=bool)
    first = 0
    for document in gold.documents:
        document_starts[first : first + 1] = True
        starts[[first + start for start, _ in document.sentences]] = True
        first += document.n_words
    words = [word for document in gold.documents for word in document.words]
    return Judged(words, names, gold_ids, tag_ids, starts, document_starts)


@dataclass(frozen=True)
class SplitResult:
    """A split predicted with the chosen weights; words_per_second: from encoded text to scores."""

    gold: GoldSplit
    names: list[str]
    scored: Scored
    words_per_second: float

    def judged(self) -> Judged:
        """Its words with gold and predicted tags."""
        return judge(self.gold, self.names, self.scored.tag_ids)

    def to_dict(self) -> dict[str, Any]:
        """Scores, the interval of each, loss and speed, ready for JSON."""
        judged = self.judged()
        unit, units = judged.units()
        counts = counts_by_unit(judged.gold, judged.predicted, judged.reading, units)
        return {
            **self.scored.scores.to_dict(),
            "intervals": {"unit": unit, **intervals(counts).to_dict(judged.labels)},
            "loss": self.scored.mean_loss,
            "words_per_second": self.words_per_second,
        }


@dataclass(frozen=True)
class Evaluated:
    """A tagger's work on a file, and what scores of entities are made of.

    emissions: (n_words, n_tags). sentence_starts: (n_sentences + 1,), in words.
    """

    result: SplitResult
    emissions: Floats
    sentence_starts: Ints

    @property
    def scored(self) -> Scored:
        """Scores, loss and predicted tags."""
        return self.result.scored

    @property
    def gold(self) -> GoldSplit:
        """What was read."""
        return self.result.gold

    def entity_scores(self, decoder: Decoder) -> Doubles:
        """(n_predicted_entities,): the score of each, in order."""
        scores = decoder.entity_scores(self.emissions, self.scored.tag_ids, self.sentence_starts)
        return np.array([score for sentence in scores for score in sentence])


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


def fit_temperature(decoder: Decoder, emissions: Floats, judged: Judged) -> float | None:
    """The temperature under which entity scores are most honest on a split.

    It minimises the log loss of the predicted entities' scores against which of them are right
    (temperature scaling, Guo et al. 2017, for whole entities), by golden-section search between
    1/8 and 8. emissions: (n_words, n_tags). No entity changes. None for fewer than 100 predicted
    entities, which could be right or wrong by chance.
    """
    starts = _first_sentences(judged, _CALIBRATION_ENTITIES)
    n_words = int(starts[-1])
    n_entities = int(np.searchsorted(judged.found_entities[0], n_words))
    right = judged.found_right[:n_entities]
    if n_entities < _LEAST_ENTITIES:
        return None

    def loss(log_temperature: float) -> float:
        one = replace(decoder, temperature=math.exp(log_temperature))
        scores = one.entity_scores(emissions[:n_words], judged.predicted[:n_words], starts)
        flat = np.clip([score for sentence in scores for score in sentence], 1e-9, 1 - 1e-9)
        return float(-np.log(np.where(right, flat, 1 - flat)).mean())

    return round(math.exp(_lowest(loss, -math.log(8), math.log(8))), 3)


def _first_sentences(judged: Judged, n_entities: int) -> Ints:
    """Starts of sentences, (n + 1,) in words, up to the one in which that entity stands."""
    first = judged.found_entities[0]
    last = first[min(n_entities, len(first)) - 1] if len(first) else 0
    return judged.sentence_starts[: int(judged.sentence_of(np.array([last]))[0]) + 2]


def _lowest(loss: Callable[[float], float], low: float, high: float) -> float:
    """Where a function with one valley is lowest, to a hundredth (Kiefer 1953)."""
    share = (math.sqrt(5) - 1) / 2
    a, b = high - share * (high - low), low + share * (high - low)
    loss_a, loss_b = loss(a), loss(b)
    while high - low > 0.01:
        if loss_a < loss_b:
            high, b, loss_b = b, a, loss_a
            a = high - share * (high - low)
            loss_a = loss(a)
        else:
            low, a, loss_a = a, b, loss_b
            b = low + share * (high - low)
            loss_b = loss(b)
    return (low + high) / 2
