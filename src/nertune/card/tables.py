"""The tables of a card, as Markdown."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nertune.bundle import MINILM, Bundle
from nertune.card.facts import MINILM_ID, CardFacts, Row, SplitScores, data_names
from nertune.card.hubnames import language_name, licence_fields
from nertune.card.text import plain, table
from nertune.reports.comparison import RunComparison, RunScores
from nertune.reports.facts import Curve
from nertune.reports.tables import percent, span

_UNKNOWN = "not known"
_MOST_EPOCHS = 12
# Settings that say nothing where they have this value.
_OFF: Mapping[str, Any] = {
    "accumulation": 1, "adversarial": 0, "context": 0, "device": "auto", "evaluate_every": 0,
    "patience": 0, "sentences": 0, "shapes": False,
}  # fmt: skip


def hub_link(name: str, kind: str = "") -> str:
    """A link to a model on the Hub, or with kind `datasets/` to a data set."""
    return f"[{plain(name)}](https://huggingface.co/{kind}{name})"


def encoder_name(facts: CardFacts) -> str | None:
    """The encoder, with a link where it is on the Hub."""
    if facts.encoder_id:
        return hub_link(facts.encoder_id)
    return plain(Path(facts.recipe.model.encoder).name) if facts.recipe else None


def data_link(facts: CardFacts) -> str | None:
    """What the training text is called, with a link where it is on the Hub."""
    if facts.data_name is None:
        return None
    named = plain(facts.data_name)
    if facts.dataset_id is None:
        return named
    link = hub_link(facts.dataset_id, "datasets/")
    return link if facts.data_name == facts.dataset_id else f"{named} ({link})"


def labels_table(facts: CardFacts) -> str:
    """The labels, with names of each from the data."""
    forms = facts.examples.forms
    if not forms:
        return table(("label",), [(plain(label),) for label in facts.model.labels])
    rows = [(plain(label), ", ".join(map(plain, forms[label]))) for label in facts.model.labels]
    return table(("label", f"frequent in the {facts.examples.source} text"), rows, texts=2)


def information_table(facts: CardFacts) -> str:
    """What the model is: language, licence, case, lengths, sizes."""
    model, bundle = facts.model, facts.bundle
    precision = bundle.config.get("dtype") or bundle.config.get("torch_dtype")
    kind = f", {plain(str(precision))}" if precision else ""
    rows = {
        "language": ", ".join(map(_language, facts.languages)) or _UNKNOWN,
        "licence": _licence(facts.license) if facts.license else "none named",
        "encoder": encoder_name(facts) or _UNKNOWN,
        "case": case_of(bundle),
        "window": f"{model.window_pieces} pieces; longer text is divided, nothing is cut off",
        "tag scheme": model.scheme or "none",
        "parameters": f"{model.n_parameters:,}",
        "weights": f"{megabytes(model.megabytes)} MB{kind} (safetensors)",
    }
    if facts.main and facts.main.words_per_second:
        n = facts.threads
        threads = f" ({n} CPU thread{'s' * (n != 1)})" if n else ""
        speed = f"{facts.main.words_per_second:,.0f} words/s"
        rows["speed"] = f"{speed} on the machine that trained it{threads}"
    if bundle.settings.nertune_version:
        rows["nertune"] = plain(bundle.settings.nertune_version)
    return table(("", ""), list(rows.items()), texts=2)


def case_of(bundle: Bundle) -> str:
    """Whether the encoder sees capitals and accents."""
    if not lowers(bundle):
        return "cased"
    accents = "" if _keeps(bundle, "é") else " and without accents"
    shapes = "; capitals are told to it as word shapes" if bundle.settings.shapes else ""
    return f"uncased: text is read in lower case{accents}{shapes}"


def lowers(bundle: Bundle) -> bool:
    """Whether capitals are lost to the tokenizer."""
    return not _keeps(bundle, "A")


def megabytes(size: float) -> str:
    """A size in MB, two figures at least."""
    return f"{size:.0f}" if size >= 10 else f"{size:.2g}"


def splits_table(splits: Sequence[SplitScores]) -> str:
    """Precision, recall, F1 of each split with their intervals."""
    columns = ("split", "precision", "recall", "F1", "macro F1", "accuracy", "entities")
    return table(columns, [
        (
            split.name,
            *(_figure(split.micro, name) for name in ("precision", "recall", "f1")),
            _figure(split.macro, "f1"),
            percent(split.accuracy),
            f"{split.micro.support:,}",
        )
        for split in splits
    ])  # fmt: skip


def by_label_table(split: SplitScores) -> str:
    """The scores of each label of a split."""
    rows = [_label_row(plain(label), row) for label, row in split.labels.items()]
    rows.append([f"**{cell}**" if cell else "" for cell in _label_row("all", split.micro)])
    interval = f"{100 * (split.level or 0.95):g} % interval of F1"
    known = bool(split.micro.bands)
    columns = ("label", "precision", "recall", "F1", *([interval] if known else []), "entities")
    return table(columns, rows)


def settings_table(facts: CardFacts) -> str | None:
    """The settings that the training was done with."""
    recipe = facts.recipe
    if recipe is None:
        return None
    data = recipe.data
    splits = {
        name: plain("+".join(paths) if data.dataset else data_names(paths))
        for name, paths in (("train", data.train), ("dev", data.dev), ("test", data.test))
        if paths
    }
    rows = [(f"`data.{name}`", value) for name, value in splits.items()]
    rows += [
        (f"`{group}.{name}`", plain(_value(value)))
        for group in ("model", "window", "training")
        for name, value in getattr(recipe, group)
        if value is not None and name not in ("encoder", "scheme") and value != _OFF.get(name)
    ]
    return table(("setting", "value"), rows, texts=2)


def epochs_table(curve: Curve) -> str | None:
    """Losses and dev F1 by epoch; None where dev was not scored."""
    best = curve.best
    if best is None:
        return None
    losses, dev_losses = dict(curve.train_loss), dict(curve.dev_loss)
    points = [*curve.dev_f1]
    if len(points) > _MOST_EPOCHS:
        points = [point for point in points if point[0] in (best, points[0][0], points[-1][0])]
    rows = [
        [f"{epoch:g}", _loss(losses.get(epoch)), _loss(dev_losses.get(epoch)), percent(f1)]
        for epoch, f1 in points
    ]
    rows = [[f"**{cell}**" for cell in row] if float(row[0]) == float(f"{best:g}") else row
            for row in rows]  # fmt: skip
    return table(("epoch", "training loss", "dev loss", "dev F1"), rows)


def comparison_table(comparison: RunComparison, names: Sequence[str]) -> str:
    """This run and the others: F1 with interval, size, speed."""
    rows = [_run_row(run, name) for run, name in zip(comparison.runs, names, strict=True)]
    rows[0] = [f"**{cell}**" if cell else "" for cell in rows[0]]
    columns = ("model", "encoder", "F1", "95 % interval", "MB", "M parameters", "words/s")
    return table(columns, rows, texts=2)


def verdicts(comparison: RunComparison, names: Sequence[str]) -> list[str]:
    """Whether this run or another is better, a sentence for each other."""
    pairs = comparison.pairs[: len(names) - 1]  # those with the first run come first
    bold = [f"**{name}**" for name in names]
    return [
        f"{pair.verdict(bold[0], other)}." if pair
        else f"{bold[0]} and {other} were tested on different text: their scores say little about "
        "which is better."
        for (_, _, pair), other in zip(pairs, bold[1:], strict=True)
    ]  # fmt: skip


def run_names(comparison: RunComparison, title: str) -> list[str]:
    """A name for each run, no two alike: of the recipe, else of the folder."""
    bases = [title, *(_recipe_name(run) for run in comparison.runs[1:])]
    often = Counter(bases)
    names = [base if often[base] == 1 else f"{base} {Path(run.model.name).name}"
             for base, run in zip(bases, comparison.runs, strict=True)]  # fmt: skip
    return [plain(name) for name in _numbered([title, *names[1:]])]


def _numbered(names: Sequence[str]) -> Iterator[str]:
    seen: Counter[str] = Counter()
    for name in names:
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name} ({seen[name]})"


def _recipe_name(run: RunScores) -> str:
    recipe = run.model.recipe
    return recipe.name if recipe and recipe.name != "run" else Path(run.model.name).name


def _run_row(run: RunScores, name: str) -> list[str]:
    model, f1 = run.model, run.intervals.micro.f1
    speed = f"{run.words_per_second:,.0f}" if run.words_per_second else ""
    source = model.recipe.model.encoder if model.recipe else ""
    encoder = plain(Path(MINILM_ID if source == MINILM else source).name)
    size = f"{model.n_parameters / 1e6:.1f}"
    return [name, encoder, percent(run.micro.f1), span(f1.low, f1.high),
            megabytes(model.megabytes), size, speed]  # fmt: skip


def _licence(licence: str) -> str:
    known = licence_fields(licence)["license"]
    return plain(licence if known == "other" else known)


def _language(code: str) -> str:
    name = language_name(code)
    return plain(code if name == code else f"{name} ({code})")


def _figure(row: Row, name: str) -> str:
    band = row.bands.get(name)
    return percent(getattr(row, name)) + (f" ({span(*band)})" if band else "")


def _label_row(label: str, row: Row) -> list[str]:
    band = row.bands.get("f1")
    figures = [percent(figure) for figure in (row.precision, row.recall, row.f1)]
    return [label, *figures, *([span(*band)] if band else []), f"{row.support:,}"]


def _value(value: object) -> str:
    """A setting as YAML has it."""
    return f"{value:g}" if isinstance(value, float) else str(value).replace("True", "true")


def _loss(loss: float | None) -> str:
    return "" if loss is None else f"{loss:.4f}"


def _keeps(bundle: Bundle, sign: str) -> bool:
    """Whether the tokenizer's normaliser leaves a sign as it is."""
    normalizer: Any = bundle.tokenizer.normalizer
    if normalizer is None:
        return True
    return sign in unicodedata.normalize("NFC", normalizer.normalize_str(sign))
