"""Offsets and alignment of 100 000 odd strings with every family of tokenizers.

Strings that mix emoji, marks, controls, joiners, all kinds of white space, and scripts
(`nertune.testing.odd_texts`) are tagged with a fake runtime that finds entities almost everywhere.
Counted is whatever `offset_faults` and `piece_faults` find: an entity that does not spell its
stretch of the text, a word without exactly one tag, pieces that are not those of the word. Fails on
any.

    python benchmarks/fuzz_offsets.py [--strings 100000] [--seed 0]
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from dataclasses import asdict
from itertools import chain, islice
from typing import Any

from common import write
from nertune import Document, Tagger, schemes
from nertune.bundle import TaggerSettings
from nertune.config import WindowSettings
from nertune.encoding import normalise_tokenizer
from nertune.splitting import split
from nertune.testing import (
    FAMILIES,
    FakeRuntime,
    Family,
    odd_texts,
    offset_faults,
    piece_faults,
    tiny_tokenizer,
    varied_logits,
)

AT_ONCE = 2000
EXAMPLES = 5


def tagger_of(family: Family) -> Tagger:
    """A tagger without a network, whose short windows divide sentences and cut words."""
    tags = tuple(schemes.tag_set(["LOC", "PER"], schemes.SCHEMES["IOB2"]))
    chosen = TaggerSettings(tags=tags, scheme="IOB2", window=WindowSettings(pieces=48, context=1))
    runtime = FakeRuntime(len(tags), varied_logits(len(tags)))
    return Tagger(runtime, chosen, normalise_tokenizer(tiny_tokenizer(family)))


def faults_of(tagger: Tagger, texts: list[str]) -> tuple[list[str], int]:
    """What is wrong with the tagged texts and their pieces, and how many entities were found."""
    documents = [split(Document.from_text(text)) for text in texts]
    tagged = list(tagger.tag(documents))
    faults = [
        f"{text!a}: {fault}"
        for text, document in zip(texts, tagged, strict=True)
        for fault in offset_faults(text, document)
    ]
    words = list(chain.from_iterable(document.words for document in documents))
    encoded = tagger.encoder.encode(documents)
    faults += piece_faults(words, encoded, tagger.encoder)
    tags = list(chain.from_iterable(document.tags or () for document in tagged))
    faults += [
        f"{word!a} has no piece and the tag {tag}"
        for word, tag, place in zip(words, tags, encoded.word_piece, strict=True)
        if place < 0 and tag != schemes.OUTSIDE
    ]
    return faults, sum(len(document.entities) for document in tagged)


def run(family: Family, n_strings: int, seed: int) -> dict[str, Any]:
    """All strings through one family."""
    tagger = tagger_of(family)
    texts = odd_texts(seed, n_strings)
    faults: list[str] = []
    n_entities = 0
    start = time.perf_counter()
    while portion := list(islice(texts, AT_ONCE)):
        found, entities = faults_of(tagger, portion)
        faults += found
        n_entities += entities
    seconds = time.perf_counter() - start
    stats = asdict(tagger.stats)
    if stats["predicted_words"] + stats["words_without_pieces"] != stats["words"]:
        faults.append(f"the counts do not add up: {stats}")
    for fault in faults[:EXAMPLES]:
        print(f"{family}: {fault}", file=sys.stderr)
    print(f"{family}: {len(faults)} violations, {seconds:.0f} s", flush=True)
    return {
        "violations": len(faults),
        "examples": faults[:EXAMPLES],
        "strings": stats["documents"],
        "words": stats["words"],
        "words_without_pieces": stats["words_without_pieces"],
        "windows": stats["windows"],
        "cut_pieces": stats["cut_pieces"],
        "entities": n_entities,
        "seconds": round(seconds, 1),
    }


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--strings", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    kinds = {family: run(family, options.strings, options.seed) for family in FAMILIES}
    violations = sum(kind["violations"] for kind in kinds.values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    figures = {"strings": options.strings, "seed": options.seed, "peak_gib": peak}
    write("fuzz_offsets", {**figures, "violations": violations, "kinds": kinds})
    if violations:
        sys.exit(f"{violations} violations")


if __name__ == "__main__":
    main()
