"""Every recipe that comes with nertune is sound."""

from __future__ import annotations

import pytest
import yaml

from nertune.bundle import MINILM
from nertune.config import load_recipe, make_recipe, shipped_recipes


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_shipped_recipe_checks_clean(name, monkeypatch):
    monkeypatch.setenv("NERTUNE_DATA", "/data")
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.data.dev or recipe.data.test
    assert recipe.data.train
    assert make_recipe(yaml.safe_load(recipe.to_yaml()), name) == recipe


def test_the_quickstart_needs_nothing_but_packages(monkeypatch):
    monkeypatch.delenv("NERTUNE_DATA", raising=False)
    recipe = load_recipe("quickstart")
    assert recipe.model.encoder == MINILM
    assert all("samples" in path for path in recipe.data.train + recipe.data.dev)
