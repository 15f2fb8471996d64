"""Words per second from an annotated file to a corpus on disk, and from there to the first batch.

WikiANN English repeated until it has as many sentences as MultiNERD (2.7 million), encoded in a
process of its own so that its peak memory can be told; the single file once, where every word is
new to the encoder; and the start from the cache. Fails below 300 000 words/s on the repeated file,
above 2 GB, or above 3 s.

    python benchmarks/encode_speed.py [--sentences 2700000]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from common import corpora, floor, write

WORDS_BAR, MEMORY_BAR, START_BAR = 300_000, 2.0, 3.0

CHILD = """
import json, resource, sys, time
from nertune import schemes
from nertune.config import ModelSettings, ReadSettings, TrainingSettings, WindowSettings
from nertune.corpus import Source, training_corpus
from nertune.encoding import Encoder
from nertune.bundle import encoder_source, read_tokenizer
from pathlib import Path
from typing import Any
path, cache, batch = sys.argv[1:]
if batch == "batch":
    import torch
    from nertune.training.trainer import Batches, Collator
import numpy as np
start = time.perf_counter()
tokenizer = read_tokenizer(Path(encoder_source("minilm")))
encoder = Encoder(tokenizer, WindowSettings(), True)
source = Source([path], ReadSettings(word_prefix="en:"), schemes.SCHEMES["IOB2"])
corpus = training_corpus(source, encoder, cache)
if batch == "batch":
    settings = TrainingSettings()
    batches = Batches(np.diff(corpus.window_starts), settings)
    collator = Collator(encoder, corpus, batches)
    collator(next(iter(batches)))
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps({"words": corpus.facts.words, "sentences": corpus.facts.sentences,
                  "seconds": seconds, "peak_gib": peak}))
"""


def run(path: Path, cache: Path, batch: bool = False) -> dict[str, float]:
    """One measurement in a fresh process."""
    command = [sys.executable, "-c", CHILD, str(path), str(cache), "batch" if batch else ""]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(out)  # type: ignore[no-any-return]


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sentences", type=int, default=2_700_000)
    options = parser.parse_args()
    text = (corpora() / "wikiann-en" / "train").read_text(encoding="utf-8").rstrip() + "\n\n"
    with tempfile.TemporaryDirectory() as folder:
        once, often = Path(folder) / "once", Path(folder) / "often"
        once.write_text(text, encoding="utf-8")
        with often.open("w", encoding="utf-8") as handle:
            for _ in range(max(1, options.sentences // 20_000)):
                handle.write(text)
        unseen = run(once, Path(folder) / "cache1")
        repeated = run(often, Path(folder) / "cache2")
        cached = run(often, Path(folder) / "cache2", batch=True)
    figures: dict[str, Any] = {
        "repeated_words_per_second": repeated["words"] / repeated["seconds"],
        "repeated": repeated,
        "unseen_words_per_second": unseen["words"] / unseen["seconds"],
        "unseen": unseen,
        "first_batch_from_cache_seconds": cached["seconds"],
        "cached": cached,
    }
    write("encode_speed", figures)
    floor(figures["repeated_words_per_second"], WORDS_BAR, "words/s, repeated")
    floor(-repeated["peak_gib"], -MEMORY_BAR, "peak memory in GiB, negated")
    floor(-cached["seconds"], -START_BAR, "seconds to the first batch, negated")


if __name__ == "__main__":
    main()
