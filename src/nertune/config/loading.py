"""Recipes from YAML files, overrides and dictionaries.

Every fault of a recipe is named at once, with the nearest valid key for a mistyped one.
"""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from nertune.config.settings import PACKAGE_FOLDER, ReadSettings, Recipe
from nertune.errors import RecipeError

_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 2, 80, 80


class _Loader(yaml.SafeLoader):
    """YAML in which a key may stand only once; of two, the plain loader would drop the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep) for key, _ in node.value]
        twice = [key for i, key in enumerate(keys) if key in keys[:i]]
        if twice:
            raise yaml.YAMLError(f"the key '{twice[0]}' stands there twice {node.start_mark}")
        return super().construct_mapping(node, deep)


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a YAML recipe, or one of ours by name; each override is `key.key=value`.

    Raises RecipeError that lists all faults of file and overrides together.
    """
    where = str(path)
    try:
        raw = yaml.load(_recipe_file(path).read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError:
        names = ", ".join(shipped_recipes())
        raise RecipeError(
            where, [f"there is no such file; expected a YAML recipe, or one of ours: {names}"]
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(where, [f"cannot be read: {error}"]) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RecipeError(where, [f"is not valid YAML: {' '.join(str(error).split())}"]) from None
    if not isinstance(raw, dict):
        raise RecipeError(where, ["holds no settings; expected keys such as data: and model:"])
    faults = [fault for item in overrides for fault in _override(raw, item)]
    return make_recipe(raw, where, faults)


def shipped_recipes() -> list[str]:
    """The names of the recipes that come with nertune."""
    return sorted(path.stem for path in (PACKAGE_FOLDER / "recipes").glob("*.yaml"))


def _recipe_file(path: str | Path) -> Path:
    """A recipe's file: `path` itself, or our recipe of that name where there is no such file."""
    ours = PACKAGE_FOLDER / "recipes" / f"{path}.yaml"
    return ours if not Path(path).exists() and ours.is_file() else Path(path)


def make_recipe(raw: Mapping[str, Any], where: str, faults: Sequence[str] = ()) -> Recipe:
    """A recipe from nested dictionaries; `faults` found before are reported with the new ones."""
    try:
        recipe = Recipe.model_validate(raw)
    except ValidationError as error:
        raise RecipeError(where, [*faults, *_readable(error)]) from None
    if faults:
        raise RecipeError(where, list(faults))
    return recipe


def make_read_settings(raw: Mapping[str, Any]) -> ReadSettings:
    """Settings from the options of a command; RecipeError lists all faults."""
    try:
        return ReadSettings.model_validate(raw)
    except ValidationError as error:
        raise RecipeError("options", _readable(error)) from None


def valid_keys(model: type[BaseModel] = Recipe, prefix: str = "") -> list[str]:
    """Every key of a recipe in dotted form."""
    keys = []
    for name, info in model.model_fields.items():
        keys.append(prefix + name)
        inner = info.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            keys += valid_keys(inner, f"{prefix}{name}.")
    return keys


def _override(raw: dict[str, Any], item: str) -> list[str]:
    """Put one `key=value` into the raw recipe; the faults found."""
    key, equals, text = item.partition("=")
    if not equals or not key.strip():
        return [f"--set {item}: expected key=value, as --set training.epochs=3"]
    *groups, last = key.strip().split(".")
    target: Any = raw
    for group in groups:
        if not isinstance(target, dict):
            return [f"--set {item}: '{key}' is no group of settings"]
        if target.get(group) is None:
            target[group] = {}
        target = target[group]
    if not isinstance(target, dict):
        return [f"--set {item}: '{key}' is no group of settings"]
    try:
        target[last] = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return [f"--set {item}: the value is not valid YAML; put it in quotes"]
    return []


def _readable(error: ValidationError) -> list[str]:
    """pydantic's faults as sentences in the user's own names."""
    faults = []
    for fault in error.errors():
        key = ".".join(str(part) for part in fault["loc"])
        message = fault["msg"].removeprefix("Value error, ")
        given = fault["input"]
        if fault["type"] == "extra_forbidden":
            nearest = _nearest(key)
            hint = f"; did you mean '{nearest}'?" if nearest else ""
            faults.append(f"{key}: there is no such setting{hint}")
        elif fault["type"] == "missing":
            faults.append(f"{key}: must be given")
        elif fault["type"] == "model_type":
            shown = _SHORT.repr(given)
            faults.append(f"{key}: is a group of settings; expected keys in it (got {shown})")
        elif fault["type"] == "too_short" and key:
            faults.append(f"{key}: must not be empty")
        elif not key:
            faults.append(message)
        else:
            faults.append(f"{key}: {_lower_first(message)} (got {_SHORT.repr(given)})")
    return faults


def _nearest(key: str) -> str | None:
    """The valid key that `key` most likely means: in its own group first, then anywhere."""
    group, _, name = key.rpartition(".")
    keys = valid_keys()
    siblings = {k.rpartition(".")[2]: k for k in keys if k.rpartition(".")[0] == group}
    near = difflib.get_close_matches(name, siblings, n=1, cutoff=0.6)
    if near:
        return siblings[near[0]]
    by_name = {k.rpartition(".")[2]: k for k in keys}
    near = difflib.get_close_matches(name, by_name, n=1, cutoff=0.75)
    return by_name[near[0]] if near else None


def _lower_first(message: str) -> str:
    return message[:1].lower() + message[1:]
