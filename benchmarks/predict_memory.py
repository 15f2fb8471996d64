"""Peak memory of `nertune predict`: the same for a small and a large file.

2 and 10 MB of text with a real model, 2 and 200 MB with a runtime that computes nothing, so that
whatever would grow in reading, splitting, encoding, decoding and writing shows. The text is that of
CoNLL-2003 test, a sentence a line, repeated, each time in another order: so that every part of it
is like every other, and a larger file has no heavier stretch than a small one. Each size runs in a
process of its own. Fails where two sizes differ by more than 5 %.

    python benchmarks/predict_memory.py MODEL [--part model|fake]
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

from common import RESULTS, corpora, floor, write

GROWTH_BAR = 5.0
SIZES = {"model": (2, 10), "fake": (2, 200)}

CHILD = """
import json, re, sys
from pathlib import Path
import numpy as np
from nertune.cli import main

if sys.argv[1] == "fake":
    from nertune import Tagger, schemes
    from nertune.bundle import TaggerSettings
    from nertune.config import WindowSettings
    from nertune.encoding import normalise_tokenizer
    from nertune.testing import FakeRuntime, tiny_tokenizer

    class Forgetful(FakeRuntime):
        def logits(self, batch):
            self.batches.clear()
            return super().logits(batch)

    def script(ids):
        found = np.zeros((*ids.shape, 5), np.float32)
        found[..., 0] = 4  # O
        found[ids % 7 == 0, 1] = 8  # B-LOC
        return found

    def load(*_, **__):
        tags = tuple(schemes.tag_set(["LOC", "PER"], schemes.SCHEMES["IOB2"]))
        settings = TaggerSettings(tags=tags, scheme="IOB2", window=WindowSettings())
        runtime = Forgetful(len(tags), script)
        return Tagger(runtime, settings, normalise_tokenizer(tiny_tokenizer()))

    Tagger.load = load
del sys.argv[1]
try:
    main.main()
except SystemExit as end:
    status = end.code
# ru_maxrss would count what the parent held when it forked.
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
print(json.dumps({"status": status, "peak_mib": round(peak, 1)}))
"""


def sentences() -> list[str]:
    """The text of CoNLL-2003 test, a sentence a line."""
    from nertune.data import read

    lines = []
    for document in read(corpora() / "conll2003-en" / "eng.testb"):
        words = document.words
        lines += [" ".join(words[start:end]) + "\n" for start, end in document.sentences]
    return lines


def text_of(path: Path, megabytes: int) -> None:
    """A file of that size."""
    lines = sentences()
    size = sum(len(line.encode()) for line in lines)
    whole, rest = divmod(megabytes * 1_000_000, size)
    shuffle = random.Random(1).shuffle
    with path.open("w", encoding="utf-8") as handle:
        for _ in range(whole):
            shuffle(lines)
            handle.writelines(lines)
        handle.writelines(islice(lines, len(lines) * rest // size))


def run(part: str, model: str, text: Path, out: Path) -> dict[str, Any]:
    """One file tagged in a fresh process."""
    command = [sys.executable, "-c", CHILD, part, "predict", model, str(text), "--out", str(out)]
    start = time.perf_counter()
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if row.pop("status"):
        sys.exit(done.stderr)
    seconds = round(time.perf_counter() - start, 1)
    return {**row, "seconds": seconds, "said": done.stderr.splitlines()[-1]}


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("--part", choices=[*SIZES], help="only this one; the other stays as it was")
    options = parser.parse_args()
    figures: dict[str, Any] = {}
    for part in [options.part] if options.part else SIZES:
        with tempfile.TemporaryDirectory() as folder:
            rows: dict[str, Any] = {}
            for megabytes in SIZES[part]:
                text, out = Path(folder) / f"{megabytes}.txt", Path(folder) / "out.jsonl"
                text_of(text, megabytes)
                rows[f"{megabytes}_mb"] = run(part, options.model, text, out)
                text.unlink()
                out.unlink()
        peaks = [row["peak_mib"] for row in rows.values()]
        figures[part] = {**rows, "growth_percent": round(100 * (peaks[1] / peaks[0] - 1), 2)}
    known = RESULTS / "predict_memory.json"
    if options.part and known.exists():
        before = json.loads(known.read_text(encoding="utf-8"))
        figures = {part: before[part] for part in SIZES if part in before} | figures
    write("predict_memory", figures)
    for part in figures:
        floor(-figures[part]["growth_percent"], -GROWTH_BAR, f"{part}: growth in %, negated")


if __name__ == "__main__":
    main()
