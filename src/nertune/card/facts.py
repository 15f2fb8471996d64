"""What a card tells, gathered from a model folder and the run it lies in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nertune.bundle import MINILM, Bundle, load_bundle
from nertune.card.examples import Examples, find_examples
from nertune.card.hubnames import hub_languages, licence_fields
from nertune.config import Recipe
from nertune.errors import BundleError, RecipeError
from nertune.modelhub import is_hub_id
from nertune.reports import compare_runs
from nertune.reports.comparison import RunComparison
from nertune.reports.facts import Curve, ModelFacts, curve_of, model_facts, read_json
from nertune.schemes import labels_of

MINILM_ID = "sentence-transformers/all-MiniLM-L6-v2"
NO_REPO = "user/name"
"""Stands in the examples of a card whose repository is not known."""

_FIGURES = ("precision", "recall", "f1")


@dataclass(frozen=True)
class CardOptions:
    """What only the author of a card can say; all of it may be left out.

    license: goes before the recipe's. repo: where the model will be on the Hub, before the
    recipe's push.repo. compare: folders of other runs. examples: whether names and sentences of the
    data may stand in the card.
    """

    license: str | None = None
    repo: str | None = None
    compare: tuple[str | Path, ...] = ()
    examples: bool = True


@dataclass(frozen=True)
class Row:
    """A line of a table of scores, fractions; bands: [low, high] of each figure where known."""

    precision: float
    recall: float
    f1: float
    support: int
    bands: Mapping[str, Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class SplitScores:
    """The scores of a split; unit and n_units: what the intervals were drawn from."""

    name: str
    micro: Row
    macro: Row
    labels: dict[str, Row]
    accuracy: float
    level: float | None
    unit: str
    n_units: int
    words_per_second: float | None

    @classmethod
    def of(cls, name: str, raw: Mapping[str, Any]) -> SplitScores:
        """A split of `scores.json`."""
        bands = raw.get("intervals", {})
        by_label = bands.get("labels", {})
        return cls(
            name,
            _row(raw["micro"], bands.get("micro", {})),
            _row(raw["macro"], bands.get("macro", {})),
            {label: _row(row, by_label.get(label, {})) for label, row in raw["labels"].items()},
            float(raw["tags"]["accuracy"]),
            bands.get("level"),
            bands.get("unit", ""),
            bands.get("n_units", 0),
            raw.get("words_per_second"),
        )


@dataclass(frozen=True)
class CardFacts:
    """Everything a card says; what is not known is None or empty.

    encoder_id, dataset_id: on the Hub. warnings: of the training and its data. seeds: test F1 over
    several seeds, of which this run is one.
    """

    title: str
    repo: str | None
    license: str | None
    languages: list[str]
    bundle: Bundle
    model: ModelFacts
    scores: dict[str, SplitScores]
    threads: int | None
    warnings: list[str]
    seeds: Mapping[str, Any]
    curve: Curve | None
    encoder_id: str | None
    dataset_id: str | None
    examples: Examples
    comparison: RunComparison | None
    missing: list[str]

    @property
    def recipe(self) -> Recipe | None:
        """The recipe of the run, where it can be read."""
        return self.model.recipe

    @property
    def trained_here(self) -> bool:
        """Whether nertune trained it, and not another tool."""
        return self.bundle.trained_here

    @property
    def main(self) -> SplitScores | None:
        """The scores that count: of test, else of dev."""
        return self.scores.get("test") or self.scores.get("dev")

    @property
    def data_name(self) -> str | None:
        """What the text is called: as its author named it, else its id, else its files."""
        return self.split_data("train")

    def split_data(self, split: str) -> str | None:
        """What the text of a split is called."""
        if self.recipe is None:
            return None
        data = self.recipe.data
        files: list[str] = [data.dataset] if data.dataset else getattr(data, split)
        return data.name or self.dataset_id or data_names(files)

    def split_name(self, split: str) -> str:
        """What a split is called in the data set; `dev` or `test` for files."""
        if self.recipe is None or self.recipe.data.dataset is None:
            return split
        names: list[str] = getattr(self.recipe.data, split)
        return "+".join(names) or split


def data_names(paths: Sequence[str]) -> str:
    """Files by their names alone: where they lay is nobody's business."""
    return ", ".join(dict.fromkeys(Path(path).name for path in paths))


def gather(run: str | Path, options: CardOptions) -> CardFacts:
    """The facts of a model folder or a run folder.

    Raises BundleError for what is no whole model or holds damaged scores, DataError for runs that
    cannot be compared, RecipeError for a repository that cannot have its name.
    """
    bundle = load_bundle(run)
    model = model_facts(bundle, labels_of(bundle.settings.tags))
    folder = _run_folder(bundle.folder)
    scores, raw = _scores(folder)
    recipe = model.recipe
    repo = _checked_repo(options.repo) or (recipe.push.repo if recipe else None)
    dataset_id = _hub_id(recipe.data.dataset, folder) if recipe and recipe.data.dataset else None
    examples = Examples()
    if options.examples:
        examples = find_examples(model.labels, recipe, folder, local=dataset_id is None)
    facts = CardFacts(
        title=_title(repo, recipe, bundle.folder, folder),
        repo=repo,
        license=options.license or (recipe.license if recipe else None),
        languages=_languages(bundle, recipe),
        bundle=bundle,
        model=model,
        scores=scores,
        threads=raw.get("training", {}).get("threads"),
        warnings=[_without_folders(line, recipe) for line in raw.get("warnings", [])],
        seeds=_seeds(folder, recipe),
        curve=curve_of(folder, model.name) if folder else None,
        encoder_id=_hub_id(recipe.model.encoder, folder) if recipe else None,
        dataset_id=dataset_id,
        examples=examples,
        comparison=_comparison(bundle.folder, options.compare),
        missing=[],
    )
    facts.missing.extend(_missing(facts, folder))
    return facts


def _row(raw: Mapping[str, Any], bands: Mapping[str, Sequence[float]]) -> Row:
    precision, recall, f1 = (float(raw[name]) for name in _FIGURES)
    return Row(precision, recall, f1, int(raw["support"]), bands)


def _run_folder(model: Path) -> Path | None:
    """The run folder that a model folder lies in."""
    run = model.parent
    known = any((run / name).is_file() for name in ("recipe.yaml", "scores.json"))
    return run if model.name == "model" and known else None


def _scores(run: Path | None) -> tuple[dict[str, SplitScores], dict[str, Any]]:
    """The splits of a run's `scores.json`, and the whole of it; empty where there is none."""
    path = run / "scores.json" if run else None
    if path is None or not path.is_file():
        return {}, {}
    raw = read_json(path)
    splits: dict[str, SplitScores]
    try:
        splits = {name: SplitScores.of(name, raw[name]) for name in ("test", "dev") if name in raw}
        if not raw:
            raise ValueError
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BundleError(
            f"{path}: does not hold what 'nertune train' writes there; put the file of the run "
            "back, or take it away for a card that tells no scores"
        ) from None
    return splits, raw


def _title(repo: str | None, recipe: Recipe | None, model: Path, run: Path | None) -> str:
    """The repository's name, else the recipe's, else the folder's."""
    if repo:
        return repo.rpartition("/")[2]
    if recipe and recipe.name != "run":
        return recipe.name
    return (run or model).resolve().name


def _languages(bundle: Bundle, recipe: Recipe | None) -> list[str]:
    one = (recipe.language if recipe else None) or bundle.settings.language
    return [one] if one else list(recipe.data.languages) if recipe else []


def _checked_repo(repo: str | None) -> str | None:
    if repo is not None and not is_hub_id(repo):
        raise RecipeError("--repo", [f"'{repo}' is no name of a repository; expected user/name"])
    return repo


def _hub_id(name: str, run: Path | None) -> str | None:
    """The name of an encoder or a data set where it is an id of the Hub, and no folder.

    A relative folder that is gone looks like an id; it is searched for above the run folder too,
    where the training was begun.
    """
    if name == MINILM:
        return MINILM_ID
    places = [Path(), *(run.resolve().parents if run else ())]
    here = any((place / name).exists() for place in places)
    return None if here or not is_hub_id(name) else name


def _without_folders(line: str, recipe: Recipe | None) -> str:
    """A warning that names files, but not the folders they lie in."""
    data = recipe.data if recipe else None
    paths = [*data.train, *data.dev, *data.test, data.dataset or ""] if data else []
    for path in sorted(filter(None, paths), key=len, reverse=True):
        line = line.replace(path, Path(path).name)
    return line


def _seeds(run: Path | None, recipe: Recipe | None) -> Mapping[str, Any]:
    """The summary of several seeds that this run is one of."""
    raw = read_json(run.parent / "seeds.json") if run and recipe else {}
    return raw if recipe and recipe.training.seed in raw.get("seeds", []) else {}


def _comparison(model: Path, others: Sequence[str | Path]) -> RunComparison | None:
    """This run, then the others; itself among them is passed over."""
    runs = {load_bundle(other).folder.resolve(): Path(other) for other in others}
    runs.pop(model.resolve(), None)
    return compare_runs([model, *runs.values()]) if runs else None


def _missing(facts: CardFacts, run: Path | None) -> list[str]:
    """What the author could add, in sentences."""
    lines = []
    if not facts.repo:
        lines.append(f"the examples load '{NO_REPO}'; name the repository with --repo")
    if not facts.license:
        lines.append("the card names no licence; add --license apache-2.0, or another")
    elif licence_fields(facts.license)["license"] == "other":
        lines.append(f"the Hub has no id for the licence '{facts.license}': written as other")
    if not facts.languages:
        lines.append("the language is not known; write it into recipe.yaml, as language: es")
    elif not hub_languages(facts.languages):
        names = ", ".join(facts.languages)
        lines.append(f"'{names}' is no code of ISO 639, as es: it is left out of the metadata")
    if run is None:
        lines.append("this is a model folder without its run: scores and training are not known")
    elif facts.recipe is None:
        lines.append("recipe.yaml is not there or not readable: the card tells of no training")
    if run and not facts.scores:
        lines.append("no split was scored: the card holds no scores")
    return lines
