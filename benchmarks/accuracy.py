"""F1 of a shipped recipe on its corpus, overall and by label, for one seed or several.

Where a test split has several files, as WikiNEuRal's four languages, each file is scored as well.
RONEC comes without a train file and with one file for dev and test: valid.json is halved. The run
folder stays; a run that was broken off goes on with --resume.

    python benchmarks/accuracy.py conll2003-minilm --seeds 1,2,3 --out runs/conll2003
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from common import corpora, floor, write
from nertune import Tagger
from nertune.config import ReadSettings, Recipe, load_recipe
from nertune.evaluation import evaluate_file
from nertune.scoring import Scores
from nertune.training import train_seeds

BARS = {"conll2003-minilm": 0.888}


def recipe_of(name: str, settings: list[str], out: Path) -> Recipe:
    """The recipe, with RONEC's second file divided into dev and test."""
    if name == "ronec-minilm":
        rows = json.loads((corpora() / "ronec-ro" / "valid.json").read_text(encoding="utf-8"))
        middle = len(rows) // 2
        out.mkdir(parents=True, exist_ok=True)
        for split, part in (("dev", rows[:middle]), ("test", rows[middle:])):
            path = out / f"ronec-{split}.json"
            path.write_text(json.dumps(part, ensure_ascii=False), encoding="utf-8")
            settings = [*settings, f"data.{split}={path}"]
    return load_recipe(name, settings)


def by_file(model: Path, paths: list[str], settings: ReadSettings) -> dict[str, Any]:
    """Scores of the test split, and of each of its files by the folder it lies in."""
    tagger = Tagger.load(model)
    scores = {}
    for path in paths:
        scores[Path(path).parent.name] = evaluate_file(tagger, path, settings).scored.scores
    return {
        "test": brief(sum(scores.values(), Scores()).to_dict()),
        "by_file": {name: brief(one.to_dict()) for name, one in scores.items()},
    }


def brief(scores: Any) -> dict[str, Any]:
    """What is kept of a report: whole entities overall and by label."""
    return {key: scores[key] for key in ("micro", "labels", "loss") if key in scores}


def main() -> None:
    """Train, score and write `results/NAME.json`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("recipe")
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--set", dest="settings", action="append", default=[])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    out = options.out or Path("runs") / options.recipe
    recipe = recipe_of(options.recipe, options.settings, out)
    tests = recipe.data.test
    if len(tests) > 1:  # scored below, file by file
        recipe = recipe_of(options.recipe, [*options.settings, "data.test=[]"], out)
    seeds = [int(seed) for seed in options.seeds.split(",")]
    train_seeds(recipe, out, seeds, resume=options.resume, overwrite=not options.resume)
    runs = {}
    for seed in seeds:
        folder = out / f"seed-{seed}"
        report = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
        runs[str(seed)] = {
            **{split: brief(report[split]) for split in ("dev", "test") if split in report},
            **(by_file(folder, tests, recipe.data) if len(tests) > 1 else {}),
            "training": report["training"],
        }
    f1 = [run["test"]["micro"]["f1"] for run in runs.values()]
    figures = {
        "recipe": recipe.model_dump(exclude={"data"}),
        "settings": options.settings,
        "mean_test_f1": statistics.fmean(f1),
        "deviation": statistics.stdev(f1) if len(f1) > 1 else 0.0,
        "seeds": runs,
    }
    write(options.recipe, figures)
    floor(figures["mean_test_f1"], BARS.get(options.recipe, 0.0), "mean test F1")


if __name__ == "__main__":
    main()
