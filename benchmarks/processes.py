"""Two processes against one, and a killed training that goes on against an unbroken one.

First part: an epoch of WikiANN English (its dev file, scored on its train file) in one process and
in two, with the same effective batch; every window that a process was handed is written down. Fails
where F1 differs by more than 0.8, or a window was not seen exactly once an epoch. Second part: the
quickstart corpus, unbroken, and killed with SIGKILL after its second checkpoint and resumed, one
thread each. Fails where the loss of a step differs by more than 1e-4.

    python benchmarks/processes.py [--epochs 1] [--part processes|resume]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from common import corpora, write

F1_BAR, LOSS_BAR = 0.008, 1e-4


def child(out: Path, settings: list[str], resume: bool) -> None:
    """One training; notes the windows of every batch in `out/windows-RANK`."""
    from nertune.config import load_recipe
    from nertune.training import train, trainer

    plain = trainer.Collator.__call__
    rank = os.environ.get("RANK", "0")
    out.mkdir(parents=True, exist_ok=True)

    def noting(self: Any, windows: list[int]) -> Any:
        with (out / f"windows-{rank}").open("a", encoding="utf-8") as handle:
            print(*windows, file=handle)
        return plain(self, windows)

    trainer.Collator.__call__ = noting  # type: ignore[method-assign]
    name, *settings = settings
    train(load_recipe(name, settings), out / "run", resume=resume)


def start(
    out: Path, settings: list[str], processes: int = 1, resume: bool = False
) -> subprocess.Popen[bytes]:
    """Begin a training of one thread a process."""
    launcher = [sys.executable]
    if processes > 1:
        launcher += ["-m", "torch.distributed.run", "--nproc_per_node", str(processes)]
    command = [*launcher, __file__, "--child", str(out), *settings]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([*command, "--resume"] if resume else command, env=environment)


def losses(out: Path) -> dict[int, float]:
    """The logged loss of each step; of a step that was logged twice the later."""
    lines = (out / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return {row["step"]: row["loss"] for row in rows if "loss" in row}


def processes(root: Path, epochs: int) -> dict[str, Any]:
    """One process and two, the same effective batch."""
    folder = corpora() / "wikiann-en"
    files = [f"data.train={folder / 'dev'}", f"data.dev={folder / 'train'}", "data.test=[]"]
    figures: dict[str, Any] = {"epochs": epochs}
    for n in (1, 2):
        out = root / f"processes-{n}"
        batch = f"training.batch_pieces={768 // n}"
        settings = ["wikiann-en-minilm", f"training.epochs={epochs}", batch, *files]
        if start(out, settings, n).wait():
            sys.exit(f"the training in {n} processes failed")
        report = json.loads((out / "run" / "scores.json").read_text(encoding="utf-8"))
        seen = Counter(
            window for path in out.glob("windows-*") for window in path.read_text().split()
        )
        figures[f"processes_{n}"] = {
            "dev_f1": report["dev"]["micro"]["f1"],
            "windows": len(seen),
            "times_seen": sorted(set(seen.values())),
            "words_per_second": report["training"]["words_per_second"],
            "seconds": report["training"]["seconds"],
        }
    one, two = figures["processes_1"], figures["processes_2"]
    figures["f1_difference"] = two["dev_f1"] - one["dev_f1"]
    figures["every_window_once_an_epoch"] = one["windows"] == two["windows"] and all(
        part["times_seen"] == [epochs] for part in (one, two)
    )
    return figures


def resume(root: Path) -> dict[str, Any]:
    """Unbroken, and killed and resumed."""
    settings = ["quickstart", "training.epochs=4", "training.evaluate_every=25"]
    unbroken, broken = root / "unbroken", root / "broken"
    if start(unbroken, settings).wait():
        sys.exit("the unbroken training failed")
    running = start(broken, settings)
    checkpoint = broken / "run" / "checkpoints" / "checkpoint-50" / "trainer_state.json"
    while not checkpoint.exists() and running.poll() is None:
        time.sleep(0.05)
    time.sleep(2.0)  # some steps beyond the checkpoint, which must be made again
    running.send_signal(signal.SIGKILL)
    killed = running.wait() == -signal.SIGKILL
    steps_before = max(losses(broken), default=0)
    if start(broken, settings, resume=True).wait():
        sys.exit("the resumed training failed")
    whole, again = losses(unbroken), losses(broken)
    return {
        "killed": killed,
        "last_step_logged_before_the_kill": steps_before,
        "resumed_from_step": 50,
        "steps_compared": len([step for step in whole if step > 50]),
        "same_steps": sorted(whole) == sorted(again),
        "largest_difference": max(abs(whole[step] - again[step]) for step in whole),
    }


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--part", choices=("processes", "resume"))
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--resume", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(Path(options.child[0]), options.child[1:], options.resume)
        return
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        if options.part != "processes":
            figures["resume"] = resume(Path(folder))
        if options.part != "resume":
            figures["processes"] = processes(Path(folder), options.epochs)
    write("processes" if not options.part else options.part, figures)
    broken = figures.get("resume", {})
    if broken and not (
        broken["killed"] and broken["same_steps"] and broken["largest_difference"] <= LOSS_BAR
    ):
        sys.exit(f"the resumed run differs from the unbroken one: {broken}")
    several = figures.get("processes", {})
    if several and not (
        abs(several["f1_difference"]) <= F1_BAR and several["every_window_once_an_epoch"]
    ):
        sys.exit(f"two processes differ from one: {several}")


if __name__ == "__main__":
    main()
