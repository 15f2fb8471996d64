"""docs/recipe.md says what the settings of a recipe are; run this file to write it anew."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from nertune.config import Recipe

PAGE = Path(__file__).parents[2] / "docs" / "recipe.md"

HEAD = """# Settings of a recipe

A recipe is a YAML file; `nertune train my.yaml --set group.key=value` changes one setting. A
relative path starts from the folder you are in. Every fault is named at once, before anything is
read. Which settings fit a small corpus stands in [your-own-corpus.md](your-own-corpus.md). This
page is written by `python tests/contracts/test_recipe_reference.py`.

```yaml
name: mine
data:
  train: train.conll        # one file or a list
  dev: dev.conll
  test: test.conll
model:
  encoder: minilm           # or a folder, or a Hub id
  shapes: true
training:
  epochs: 8
```
"""


def rows(model: type[BaseModel], prefix: str) -> list[str]:
    lines = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            continue
        default = field.get_default(call_default_factory=True)
        shown = "**required**" if default is PydanticUndefined else f"`{show(default)}`"
        values = get_args(inner) if get_origin(inner) is Literal else ()
        choices = f"; one of {', '.join(f'`{value}`' for value in values)}" if values else ""
        lines.append(f"| `{prefix}{name}` | {shown} | {field.description or ''}{choices} |")
    return lines


def show(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value) or '""'


def reference() -> str:
    parts = [HEAD]
    groups = {"": Recipe} | {
        f"{name}.": field.annotation
        for name, field in Recipe.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    }
    for prefix, model in groups.items():
        title = prefix.rstrip(".") or "top level"
        parts.append(f"## {title}\n\n| setting | default | what it does |\n|---|---|---|")
        parts.append("\n".join(rows(model, prefix)) + "\n")
    return "\n".join(parts)


def test_the_page_is_current():
    assert PAGE.read_text(encoding="utf-8") == reference()


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
