"""Gold and predicted tags to scores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain, compress
from operator import ne

import numpy as np

from nertune import schemes
from nertune.errors import DataError
from nertune.scoring.counts import Counts, Scores
from nertune.scoring.reading import Bools, Entities, Ints, Mode, Reading


def score(
    gold: Iterable[Sequence[str]],
    predicted: Iterable[Sequence[str]],
    mode: Mode = "conlleval",
    scheme: schemes.Scheme | None = None,
) -> Scores:
    """Scores of predicted against gold tags, sentence by sentence.

    mode and scheme as in `Reading`. In conlleval mode the two sides may be written in different
    schemes; the counts of single tags then compare letters as they stand. Raises DataError where a
    sentence differs in length, TagError for a broken tag.
    """
    gold_sentences, predicted_sentences = list(gold), list(predicted)
    lengths = _checked_lengths(gold_sentences, predicted_sentences)
    names: defaultdict[str, int] = defaultdict()
    names.default_factory = names.__len__
    n_words = int(lengths.sum())
    gold_ids = _ids(gold_sentences, names, n_words)
    # Most sentences are tagged alike, and need not be looked up again.
    differs = _differing(gold_sentences, predicted_sentences)
    words = np.flatnonzero(np.repeat(differs, lengths))
    predicted_ids = gold_ids.copy()
    predicted_ids[words] = _ids(compress(predicted_sentences, differs), names, len(words))
    starts = np.zeros(n_words, dtype=bool)
    lengths = lengths[lengths > 0]
    starts[np.cumsum(lengths) - lengths] = True
    return score_ids(gold_ids, predicted_ids, list(names), starts, mode, scheme)


def score_ids(
    gold: Ints,
    predicted: Ints,
    tags: Sequence[str],
    starts: Bools,
    mode: Mode = "conlleval",
    scheme: schemes.Scheme | None = None,
) -> Scores:
    """Scores of tag ids.

    gold, predicted: (n_words,), places in `tags`; the rest as in `Reading`.
    """
    reading = Reading(tags, starts, mode, scheme)
    true, found = reading.entities(gold), reading.entities(predicted)
    right = true[2][right_entities(true, found)]
    names, n = reading.labels, len(reading.labels)
    labels = _named(names, *(np.bincount(of, minlength=n) for of in (right, found[2], true[2])))
    return Scores(labels, *_tag_counts(gold, predicted, tags))


def right_entities(gold: Entities, predicted: Entities) -> Ints:
    """Which gold entities were found, as places among them, in order."""
    # An entity is known by its first word; it is right where last word and label agree too.
    n_words = 1 + max(side[0].max(initial=-1) for side in (gold, predicted))
    last, label = np.full((2, n_words), -1)
    last[predicted[0]], label[predicted[0]] = predicted[1:]
    return np.flatnonzero((last[gold[0]] == gold[1]) & (label[gold[0]] == gold[2]))


def _tag_counts(
    gold: Ints, predicted: Ints, tags: Sequence[str]
) -> tuple[dict[str, Counts], int, int]:
    """Counts of single tags, how many words there are, and how many have the right tag."""
    # Few words are wrong: to count those takes less time than to count the right ones.
    wrong = np.flatnonzero(gold != predicted)
    true, missed, spurious = (
        np.bincount(ids, minlength=len(tags)) for ids in (gold, gold[wrong], predicted[wrong])
    )
    right = true - missed
    return _named(tags, right, right + spurious, true), len(gold), len(gold) - len(wrong)


def _named(names: Sequence[str], right: Ints, predicted: Ints, gold: Ints) -> dict[str, Counts]:
    """Counts by name, of those that are in gold or prediction."""
    rows = zip(right.tolist(), predicted.tolist(), gold.tolist(), strict=True)
    return {name: Counts(*row) for name, row in zip(names, rows, strict=True) if any(row)}


def _differing(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> Bools:
    """(n_sentences,): which may be tagged otherwise on the two sides."""
    try:
        return np.fromiter(map(ne, gold, predicted), np.bool_, len(gold))
    except ValueError:
        # Arrays compare word by word, not as a whole.
        return np.ones(len(gold), dtype=np.bool_)


def _ids(sentences: Iterable[Sequence[str]], names: dict[str, int], n_words: int) -> Ints:
    """A place in `names` for each tag, (n_words,); `names` numbers what it has not seen."""
    flat = chain.from_iterable(sentences)
    return np.fromiter(map(names.__getitem__, flat), np.int64, n_words)


def _checked_lengths(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> Ints:
    """(n_sentences,): the words of each sentence."""
    if len(gold) != len(predicted):
        raise DataError(
            f"{len(predicted)} predicted sentences for {len(gold)} gold ones; expected the same "
            "sentences in the same order"
        )
    true, found = (np.fromiter(map(len, side), np.int64, len(side)) for side in (gold, predicted))
    for i in np.flatnonzero(true != found).tolist():
        raise DataError(
            f"sentence {i + 1} has {true[i]} gold and {found[i]} predicted tags; expected one tag "
            "a word in both"
        )
    return true
