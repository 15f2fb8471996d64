"""Words per second on a GPU: nertune in fp32, bf16 and fp16 against the Hugging Face pipeline.

All test sentences of CoNLL-2003 as raw text, systems in turn, the median of several rounds; and F1
of each precision. Ends with the reason where there is no GPU.

    python benchmarks/gpu.py MODEL [--rounds 5] [--text FILE]

--text: another text, a document a line, for a machine without the corpora; then F1 is left out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import corpora, median, timed, write

BATCHES = (8, 32, 128)
PRECISIONS = ("fp32", "bf16", "fp16")


def scores(taggers: dict[str, Any]) -> dict[str, float]:
    """F1 on the test set, in points."""
    from nertune.evaluation import evaluate_file

    path = corpora() / "conll2003-en" / "eng.testb"
    return {
        name: 100 * evaluate_file(tagger, path).scored.scores.micro.f1
        for name, tagger in taggers.items()
    }


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--text", type=Path)
    options = parser.parse_args()
    import torch
    from transformers import pipeline

    from nertune import Tagger
    from nertune.bundle import model_folder
    from nertune.data import read

    if not torch.cuda.is_available():
        sys.exit("there is no GPU that torch can use; nothing was measured")
    if options.text:
        texts = options.text.read_text(encoding="utf-8").splitlines()
    else:
        gold = read(corpora() / "conll2003-en" / "eng.testb")
        texts = [" ".join(one.words[a:b]) for one in gold for a, b in one.sentences]
    taggers = {
        name: Tagger.load(options.model, "cuda", runtime="torch", precision=name)
        for name in PRECISIONS
    }
    pipe = pipeline(
        "token-classification",
        str(model_folder(options.model)),
        aggregation_strategy="first",
        device=0,
    )
    systems: dict[str, Callable[[], Any]] = {
        name: lambda tagger=tagger: list(tagger.tag_texts(texts))
        for name, tagger in taggers.items()
    }
    systems |= {f"pipeline, batch {n}": lambda n=n: pipe(texts, batch_size=n) for n in BATCHES}
    for run in systems.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    for _ in range(options.rounds):
        for name, run in systems.items():
            seconds[name].append(timed(run))
    n_words = sum(len(text.split()) for text in texts)
    write(
        "gpu",
        {
            "gpu": torch.cuda.get_device_name(),
            "words": n_words,
            "words_per_second": {name: n_words / median(each) for name, each in seconds.items()},
            "f1": {} if options.text else scores(taggers),
        },
    )


if __name__ == "__main__":
    main()
