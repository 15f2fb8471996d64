"""How fast tags become scores, against seqeval's classification report.

The CoNLL-2003 test set, a share of 3 % of its tags replaced at random as the prediction: both sides
get the same lists of tags and give the full report by label, by turns. Then the same sentences over
and over until there are 350 000, in a process of its own so that its peak memory can be told; and
intervals from 1000 resamples of the test set. Fails below 50 times seqeval, above 10 s or 1 GB, or
above 1 s for the intervals.

    python benchmarks/score_speed.py [--rounds 7] [--sentences 350000]
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import time
import warnings
from itertools import chain

import numpy as np

from common import corpora, floor, median, timed, write
from nertune.data import read
from nertune.scoring import Ints, Reading, score
from nertune.statistics import counts_by_unit, intervals

RATIO_BAR, SECONDS_BAR, GIGABYTES_BAR, INTERVALS_BAR = 50.0, 10.0, 1.0, 1.0
OURS_PER_ROUND = 50  # as long in all as seqeval once: other work on the machine slows both alike

Sentences = list[list[str]]


def test_set() -> tuple[Sentences, Sentences]:
    """Gold tags, and the same with 3 % replaced."""
    documents = read(corpora() / "conll2003-en" / "eng.testb")
    gold = [list(tags) for document in documents for tags in document.sentence_tags()]
    draw, names = random.Random(1), sorted(set(chain.from_iterable(gold)))
    predicted = [
        [draw.choice(names) if draw.random() < 0.03 else tag for tag in tags] for tags in gold
    ]
    return gold, predicted


def against_seqeval(gold: Sentences, predicted: Sentences, n_rounds: int) -> dict[str, float]:
    """Median seconds of both sides, and of their ratio round by round."""
    from seqeval.metrics import classification_report

    warnings.simplefilter("ignore")
    report = classification_report(gold, predicted, output_dict=True)
    ours = score(gold, predicted)
    for row in ("precision", "recall"):
        assert getattr(ours.micro, row) == report["micro avg"][row]
    rounds = []
    for _ in range(n_rounds):
        theirs = timed(lambda: classification_report(gold, predicted, output_dict=True))
        mine = timed(lambda: [score(gold, predicted).to_dict() for _ in range(OURS_PER_ROUND)])
        rounds.append((theirs, mine / OURS_PER_ROUND))
    return {
        "seqeval_seconds": median([theirs for theirs, _ in rounds]),
        "nertune_seconds": median([mine for _, mine in rounds]),
        "ratio": median([theirs / mine for theirs, mine in rounds]),
    }


def large(n_sentences: int) -> dict[str, float]:
    """Score many sentences in this process; every sentence is a list of its own."""
    sides = test_set()
    times = -(-n_sentences // len(sides[0]))
    gold, predicted = (
        [list(tags) for _ in range(times) for tags in side][:n_sentences] for side in sides
    )
    start = time.perf_counter()
    summary = score(gold, predicted).to_dict()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    assert summary
    return {
        "sentences": len(gold),
        "words": sum(map(len, gold)),
        "seconds": seconds,
        "peak_gb": peak,
    }


def in_child(n_sentences: int) -> dict[str, float]:
    """`large` in a fresh process."""
    command = [sys.executable, __file__, "--child", "--sentences", str(n_sentences)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(out)  # type: ignore[no-any-return]


def interval_seconds(gold: Sentences, predicted: Sentences, n_rounds: int) -> float:
    """Median seconds from tag ids to all intervals, each sentence a unit."""
    names = sorted({*chain.from_iterable(gold), *chain.from_iterable(predicted)})
    places = {name: i for i, name in enumerate(names)}

    def ids(sentences: Sentences) -> Ints:
        return np.array([places[tag] for tags in sentences for tag in tags], dtype=np.int64)

    lengths = np.array([len(tags) for tags in gold])
    units = np.repeat(np.arange(len(gold)), lengths)
    starts = np.diff(units, prepend=-1) > 0
    true, found, reading = ids(gold), ids(predicted), Reading(names, starts)
    return median(
        [
            timed(lambda: intervals(counts_by_unit(true, found, reading, units), 1000))
            for _ in range(n_rounds)
        ]
    )


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--sentences", type=int, default=350_000)
    parser.add_argument("--child", action="store_true", help="measure the large set and end")
    options = parser.parse_args()
    if options.child:
        print(json.dumps(large(options.sentences)))
        return
    gold, predicted = test_set()
    speed = against_seqeval(gold, predicted, options.rounds)
    many = in_child(options.sentences)
    seconds = interval_seconds(gold, predicted, options.rounds)
    write("score_speed", {**speed, "large": many, "intervals_seconds": seconds})
    floor(speed["ratio"], RATIO_BAR, "nertune over seqeval")
    floor(-many["seconds"], -SECONDS_BAR, "seconds for the large set, negated")
    floor(-many["peak_gb"], -GIGABYTES_BAR, "peak memory in GB, negated")
    floor(-seconds, -INTERVALS_BAR, "seconds for the intervals, negated")


if __name__ == "__main__":
    main()
