"""A card put together and written where `nertune push` takes it from."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from nertune.bundle import model_folder
from nertune.card import tables
from nertune.card.facts import NO_REPO, CardFacts, CardOptions, gather
from nertune.card.hubnames import language_name
from nertune.card.metadata import card_data, check_card
from nertune.card.text import listed, plain
from nertune.errors import OutputError
from nertune.files import whole_file
from nertune.modelhub import CARD
from nertune.reports.tables import percent, span

# Schemes whose tags the pipeline of transformers can put together.
_PIPELINE_SCHEMES = (None, "IOB1", "IOB2", "IO")
_TEXT = "Ada Lovelace met Charles Babbage in London."
_SEAL = "\n<!-- card of nertune, sha256 of all above: {} -->\n"
_SEALED = re.compile(re.escape(_SEAL).replace(r"\{\}", "([0-9a-f]{64})") + r"\Z")


@dataclass(frozen=True)
class WrittenCard:
    """A card on disk; missing: what its author could add, in sentences."""

    path: Path
    text: str
    missing: tuple[str, ...]


def write_card(
    run: str | Path,
    options: CardOptions | None = None,
    *,
    out: str | Path | None = None,
    overwrite: bool = False,
) -> WrittenCard:
    """Write the model card of a run folder or a model folder, into the model folder or to `out`.

    Raises OutputError where a card stands that is not as nertune wrote it, unless `overwrite`;
    BundleError for what is no whole model, DataError for runs that cannot be compared.
    """
    path = Path(out) if out else model_folder(run) / CARD
    if not overwrite:
        _check_ours(path)
    facts = gather(run, options or CardOptions())
    text = card_text(facts)
    with whole_file(path) as handle:
        handle.write(text)
    return WrittenCard(path, text, tuple(facts.missing))


def card_text(facts: CardFacts) -> str:
    """The whole file: metadata, Markdown, and a seal that tells a card that was edited."""
    data = card_data(facts)
    environment = Environment(
        loader=PackageLoader("nertune.card"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["para"] = _one_line
    body = environment.get_template("card.md.j2").render(_values(facts))
    body = re.sub(r"\n{3,}", "\n\n", body).strip()
    text = f"---\n{data.to_yaml()}\n---\n\n{body}\n"
    check_card(text, data)
    return text + _SEAL.format(_digest(text))


def is_as_written(text: str) -> bool:
    """Whether a text is a card of nertune that nobody has changed; line ends do not count."""
    text = text.replace("\r\n", "\n")
    seal = _SEALED.search(text)
    return seal is not None and seal[1] == _digest(text[: seal.start()])


def _check_ours(path: Path) -> None:
    if not path.is_file() and not path.is_symlink():
        return
    try:
        if is_as_written(path.read_text(encoding="utf-8")):
            return
    except (OSError, UnicodeDecodeError):
        pass
    raise OutputError(
        f"{path}: was written or edited by hand; expected none, or a card as nertune wrote it. "
        "Replace it with --overwrite, or write the new one elsewhere with --out"
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _values(facts: CardFacts) -> dict[str, Any]:
    """What the template is filled with; every text of data in it is escaped."""
    model, recipe, main = facts.model, facts.recipe, facts.main
    settings = facts.bundle.settings
    example = (facts.examples.sentences or [_TEXT])[0]
    return {
        "title": plain(facts.title),
        "languages": listed([plain(language_name(code)) for code in facts.languages]),
        "labels": listed(list(map(plain, model.labels))),
        "encoder": tables.encoder_name(facts),
        "data": tables.data_link(facts),
        "trained_here": facts.trained_here,
        "description": (recipe.description or "").strip() if recipe else "",
        "main": main,
        "headline": _headline(facts),
        "labels_table": tables.labels_table(facts),
        "repo": facts.repo or NO_REPO,
        "python_text": json.dumps(example, ensure_ascii=False),
        "shell_text": shlex.quote(example),
        "grouped": settings.scheme in _PIPELINE_SCHEMES,
        "scheme": settings.scheme,
        "stride": model.window_pieces // 4,
        "window": settings.window,
        "shapes": settings.shapes,
        "lowers": tables.lowers(facts.bundle),
        "shape_dropout": recipe.training.shape_dropout if recipe else None,
        "information_table": tables.information_table(facts),
        "splits": list(facts.scores),
        "splits_table": tables.splits_table(list(facts.scores.values())),
        "by_label_table": tables.by_label_table(main) if main else "",
        "seeds": _seeds(facts),
        "comparison": _comparison(facts),
        "settings_table": tables.settings_table(facts),
        "epochs_table": tables.epochs_table(facts.curve) if facts.curve else None,
        "has_dev": bool(recipe and recipe.data.dev),
        "duration": _duration(model.training),
        "temperature": settings.temperature,
        "warnings": list(map(plain, facts.warnings)),
    }


def _one_line(text: str) -> str:
    return " ".join(text.split()) + "\n"


def _duration(training: Mapping[str, Any]) -> str:
    """How long the training took."""
    seconds, speed = training.get("seconds"), training.get("words_per_second")
    if not seconds or not speed:
        return ""
    time = f"{seconds / 60:,.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
    return f"Trained in {time}, {speed:,.0f} words/s."


def _headline(facts: CardFacts) -> str:
    """F1 of the split that counts, with its interval."""
    if facts.main is None:
        return ""
    row = facts.main.micro
    band = row.bands.get("f1")
    level = f"{100 * (facts.main.level or 0.95):g}"
    return f"**{percent(row.f1)}**" + (f" ({level} % interval {span(*band)})" if band else "")


def _seeds(facts: CardFacts) -> dict[str, Any] | None:
    """Mean and standard deviation of test F1 (dev, where there is no test) over the seeds."""
    split = facts.main.name if facts.main else ""
    f1 = facts.seeds.get(split, {}).get("f1")
    numbers = list(map(str, facts.seeds.get("seeds", [])))
    if not f1 or len(numbers) < 2:
        return None
    return {
        "numbers": listed(numbers),
        "own": facts.recipe.training.seed if facts.recipe else None,
        "mean": percent(f1["mean"]),
        "deviation": percent(f1["deviation"]),
    }


def _comparison(facts: CardFacts) -> dict[str, Any] | None:
    if facts.comparison is None:
        return None
    names = tables.run_names(facts.comparison, facts.title)
    return {
        "table": tables.comparison_table(facts.comparison, names),
        "verdicts": tables.verdicts(facts.comparison, names),
    }
