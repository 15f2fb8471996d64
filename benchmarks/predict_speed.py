"""Words per second from text to entities, against the Hugging Face pipeline.

A CoNLL-2003 model and 500 of its test sentences, as raw text. For each number of threads a fresh
process, bound to as many cores, holds all systems and lets them take turns; the median counts. In
the one-thread process the machine's own matrix product is measured in every round too, in the
shapes of the network. Then the entities of all test sentences: fp32 against torch, F1 of each.

    python benchmarks/predict_speed.py MODEL [--rounds 5] [--sentences 500]

MODEL must hold the graphs of `nertune export MODEL --int8`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from common import corpora, floor, write

BATCHES = (1, 4, 8, 16, 32)
BARS = {  # against the pipeline's best batch size, and against its default
    "1": {"onnx": (2.1, 2.6), "onnx-int8": (3.3, 4.0)},
    "2": {"onnx": (2.5, 2.6), "onnx-int8": (3.8, 4.0)},
}
GEMM_SHARE_BAR = 0.75
INT8_F1_BAR = 0.3


def sentences(n: int) -> list[str]:
    """Test sentences of CoNLL-2003 as raw text, drawn with a fixed seed."""
    from nertune.data import read

    documents = read(corpora() / "conll2003-en" / "eng.testb")
    every = [" ".join(d.words[a:b]) for d in documents for a, b in d.sentences]
    return random.Random(1).sample(every, n) if n else every


def turns(model: str, n_threads: int, n_rounds: int, n_sentences: int) -> dict[str, Any]:
    """All systems in turn, in this process; the seconds of each round."""
    os.sched_setaffinity(0, range(n_threads))
    os.environ["OMP_NUM_THREADS"] = str(n_threads)
    import torch
    from transformers import pipeline
    from transformers.utils import logging

    from nertune import Tagger
    from nertune.bundle import model_folder

    torch.set_num_threads(n_threads)
    logging.disable_progress_bar()
    texts = sentences(n_sentences)
    taggers = {name: Tagger.load(model, runtime=name) for name in ("torch", "onnx", "onnx-int8")}
    pipe = pipeline(
        "token-classification",
        str(model_folder(model)),
        aggregation_strategy="first",
        device="cpu",
    )
    systems: dict[str, Callable[[], Any]] = {
        f"pipeline, batch {n}": lambda n=n: pipe(texts, batch_size=n) for n in BATCHES
    }
    systems |= {
        name: lambda tagger=tagger: list(tagger.tag_texts(texts))
        for name, tagger in taggers.items()
    }
    for run in systems.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    rates = []
    for _ in range(n_rounds):
        for name, run in systems.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
            if name == "onnx" and n_threads == 1:
                rates.append(matrix_rate(taggers["torch"].runtime.model.config))
    encoded = taggers["onnx"].encoder.encode(
        list(taggers["onnx"].tag_texts(texts))
    )
    return {
        "words": sum(len(text.split()) for text in texts),
        "pieces": len(encoded.ids),
        "flops": flops(encoded, taggers["torch"].runtime.model.config),
        "seconds": seconds,
        "matrix_flops_per_second": rates,
        "torch_threads": torch.get_num_threads(),
        "runtimes": {name: tagger.runtime.name for name, tagger in taggers.items()},
    }


def flops(encoded: Any, config: Any) -> float:
    """Multiplications and additions of the matrix products for the real pieces, no padding."""
    hidden, inner, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    lengths = encoded.window_lengths
    weights = 2 * lengths.sum() * (4 * hidden**2 + 2 * hidden * inner)
    attention = 2 * 2 * (lengths**2).sum() * hidden
    return float(layers * (weights + attention))


def matrix_rate(config: Any, rows: int = 384, repeats: int = 12) -> float:
    """Operations a second of the machine's matrix product in the shapes of a layer."""
    import torch

    hidden, inner = config.hidden_size, config.intermediate_size
    shapes = [(hidden, hidden)] * 4 + [(hidden, inner), (inner, hidden)]
    pairs = [(torch.randn(rows, a), torch.randn(b, a)) for a, b in shapes]
    start = time.perf_counter()
    for _ in range(repeats):
        for left, right in pairs:
            torch.nn.functional.linear(left, right)
    seconds = time.perf_counter() - start
    return repeats * sum(2 * rows * a * b for a, b in shapes) / seconds


def child(options: argparse.Namespace, n_threads: int) -> dict[str, Any]:
    """One number of threads, in a fresh process."""
    command = [sys.executable, __file__, options.model, "--child", str(n_threads)]
    command += ["--rounds", str(options.rounds), "--sentences", str(options.sentences)]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(out.strip().splitlines()[-1])  # type: ignore[no-any-return]


def speeds(found: dict[str, Any]) -> dict[str, Any]:
    """Medians of words per second, and how many times those of the pipeline they are."""
    words = {
        name: found["words"] / statistics.median(each) for name, each in found["seconds"].items()
    }
    best = max(words[f"pipeline, batch {n}"] for n in BATCHES)
    ours = [name for name in words if not name.startswith("pipeline")]
    figures: dict[str, Any] = {
        "words_per_second": words,
        "times_the_best_pipeline": {name: words[name] / best for name in ours},
        "times_the_default_pipeline": {
            name: words[name] / words["pipeline, batch 1"] for name in ours
        },
    }
    if found["matrix_flops_per_second"]:
        rates, seconds = found["matrix_flops_per_second"], found["seconds"]["onnx"]
        figures["matrix_gflops"] = {
            "median": statistics.median(rates) / 1e9, "best": max(rates) / 1e9
        }
        figures["share_of_matrix_rate"] = {
            "median": found["flops"] / statistics.median(seconds) / statistics.median(rates),
            "best": found["flops"] / min(seconds) / max(rates),
        }
    return {**figures, "raw": found}


def parity(model: str) -> dict[str, Any]:
    """Entities of all test sentences: torch, fp32 and int8."""
    from nertune import Tagger
    from nertune.evaluation import evaluate_file

    path = corpora() / "conll2003-en" / "eng.testb"
    found = {
        name: evaluate_file(Tagger.load(model, runtime=name), path).scored
        for name in ("torch", "onnx", "onnx-int8")
    }
    expected = found["torch"].tag_ids
    return {
        "words": len(expected),
        "words_tagged_otherwise_than_by_torch": {
            name: int((one.tag_ids != expected).sum()) for name, one in found.items()
        },
        "f1": {name: 100 * one.scores.micro.f1 for name, one in found.items()},
    }


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sentences", type=int, default=500)
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(turns(options.model, options.child, options.rounds, options.sentences)))
        return
    figures: dict[str, Any] = {
        "threads": {str(n): speeds(child(options, n)) for n in (1, 2)},
        "parity": parity(options.model),
    }
    write("predict_speed", figures)
    for n, bars in BARS.items():
        for name, (best, default) in bars.items():
            one = figures["threads"][n]
            floor(one["times_the_best_pipeline"][name], best, f"{name}, {n} threads, best batch")
            floor(one["times_the_default_pipeline"][name], default, f"{name}, {n}, default batch")
    share = figures["threads"]["1"]["share_of_matrix_rate"]["median"]
    floor(share, GEMM_SHARE_BAR, "share of the matrix product's rate")
    same = figures["parity"]["words_tagged_otherwise_than_by_torch"]["onnx"]
    floor(-same, 0, "words that fp32 tags otherwise than torch, negated")
    f1 = figures["parity"]["f1"]
    floor(-abs(f1["onnx-int8"] - f1["torch"]), -INT8_F1_BAR, "points of F1 that int8 is off")


if __name__ == "__main__":
    main()
