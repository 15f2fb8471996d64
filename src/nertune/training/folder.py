"""The run folder: opened, gone on with, or begun anew."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml
from filelock import FileLock, Timeout

from nertune.config import Recipe
from nertune.errors import OutputError, RecipeError
from nertune.evaluation import PREDICTIONS
from nertune.files import make_folder, whole_file

MODEL = "model"
CHECKPOINTS = "checkpoints"
_FOLDERS = (CHECKPOINTS, MODEL, "tensorboard")
_RECIPE = "recipe.yaml"
_RUN = "run.json"
_FILES = (
    "metrics.jsonl",
    "scores.json",
    PREDICTIONS,
    "labels.txt",
    _RECIPE,
    _RUN,
)
_STATE = "trainer_state.json"


def open_folder(folder: Path, resume: bool, overwrite: bool) -> str | None:
    """Make the run folder; the checkpoint to go on from, or None.

    Raises OutputError where it cannot be written, or holds a run that the caller did not mention.
    """
    if resume and overwrite:
        raise OutputError(
            f"{folder}: --resume goes on and --overwrite begins anew; expected one of them"
        )
    make_folder(folder)
    taken = [name for name in (*_FOLDERS, *_FILES) if (folder / name).exists()]
    if taken and not (folder / _RUN).is_file():
        raise OutputError(
            f"{folder}: holds {', '.join(taken)} but no {_RUN}, so it is no run folder; choose "
            "another --out, or take them away"
        )
    if overwrite:
        return None
    if MODEL in taken:
        raise OutputError(
            f"{folder}: holds a finished run; choose another --out, or begin anew with --overwrite"
        )
    last = last_checkpoint(folder)
    if last and not resume:
        raise OutputError(
            f"{folder}: holds an unfinished run; go on with --resume, or begin anew with "
            "--overwrite"
        )
    if resume and not last:
        raise OutputError(
            f"{folder / CHECKPOINTS}: there is no checkpoint to go on from; leave --resume out"
        )
    return last


def clear_folder(folder: Path) -> None:
    """Take away what an earlier run left, once it is sure that another one can begin."""
    for name in _FOLDERS:
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in _FILES:
        (folder / name).unlink(missing_ok=True)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold the run folder; OutputError where another training holds it."""
    lock = FileLock(str(folder / ".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise OutputError(
            f"{folder}: another training writes here; wait for it, or choose another --out"
        ) from None
    try:
        yield
    finally:
        lock.release()


def begin_run(folder: Path, recipe: Recipe, digests: dict[str, str]) -> None:
    """Write down what is trained on what: `recipe.yaml`, and in `run.json` the data's digests."""
    with whole_file(folder / _RUN) as handle:
        json.dump({"data": digests}, handle, indent=2)
    with whole_file(folder / _RECIPE) as handle:
        handle.write(recipe.to_yaml())


def changed_settings(folder: Path, recipe: Recipe) -> list[str]:
    """Settings of a run that differ from the recipe it was begun with; where to train may."""
    begun = yaml.safe_load((folder / _RECIPE).read_text(encoding="utf-8")) or {}
    asked = yaml.safe_load(recipe.to_yaml())
    return [
        f"{group}.{key}: was {begun.get(group, {}).get(key)!r}, is {value!r} now"
        for group in ("model", "window", "training")
        for key, value in asked[group].items()
        if begun.get(group, {}).get(key) != value and key != "device"
    ]


def check_same_run(
    folder: Path, checkpoint: Path, recipe: Recipe, tags: Sequence[str], digests: dict[str, str]
) -> None:
    """Raise RecipeError where going on from a checkpoint would mix two different runs."""
    faults = changed_settings(folder, recipe)
    before_data = json.loads((folder / _RUN).read_text(encoding="utf-8"))["data"]
    faults += [
        f"data.{name}: holds other text than when the run began"
        for name in sorted({*before_data, *digests})
        if before_data.get(name) != digests.get(name)
    ]
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    before = list(config["id2label"].values())
    if before != list(tags):
        faults.append(
            f"data.train: had the tags {', '.join(before)}, has {', '.join(tags)} now"
        )
    if faults:
        faults.append("expected the recipe the run began with; or begin anew with --overwrite")
        raise RecipeError(f"{folder}: cannot go on", faults)


def last_checkpoint(folder: Path) -> str | None:
    """The newest whole checkpoint of a run folder.

    Trainer writes `trainer_state.json` last of all, so a checkpoint without a readable one was cut
    off (a kill, a full disk); it is taken away.
    """
    whole = {}
    for checkpoint in (folder / CHECKPOINTS).glob("checkpoint-*"):
        try:
            state = json.loads((checkpoint / _STATE).read_text(encoding="utf-8"))
            whole[int(state["global_step"])] = checkpoint
        except (OSError, ValueError, KeyError):
            shutil.rmtree(checkpoint, ignore_errors=True)
    if not whole:
        return None
    last = whole[max(whole)].absolute()
    _find_best_again(last)
    return str(last)


def _find_best_again(checkpoint: Path) -> None:
    """Correct where the best checkpoint is, should the run folder have been moved."""
    state = json.loads((checkpoint / _STATE).read_text(encoding="utf-8"))
    best = state.get("best_model_checkpoint")
    here = checkpoint.parent / Path(best or "").name
    if best and Path(best) != here and here.is_dir():
        with whole_file(checkpoint / _STATE) as handle:
            json.dump({**state, "best_model_checkpoint": str(here)}, handle, indent=2)
