"""One model of a run: the recipe file, `--set` on the command line and the reference docs."""

from nertune.config.loading import (
    load_recipe,
    make_read_settings,
    make_recipe,
    shipped_recipes,
    valid_keys,
)
from nertune.config.settings import (
    DataSettings,
    ModelSettings,
    OnError,
    PushSettings,
    ReadSettings,
    Recipe,
    Settings,
    TrainingSettings,
    WindowSettings,
)

__all__ = [
    "DataSettings",
    "ModelSettings",
    "OnError",
    "PushSettings",
    "ReadSettings",
    "Recipe",
    "Settings",
    "TrainingSettings",
    "WindowSettings",
    "load_recipe",
    "make_read_settings",
    "make_recipe",
    "shipped_recipes",
    "valid_keys",
]
