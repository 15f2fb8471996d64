"""Everything a report on one model and one file says, computed once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import nertune
from nertune import schemes
from nertune.analysis import (
    Confusion,
    EntityError,
    Judged,
    Slice,
    TrainingText,
    confusion,
    entity_errors,
    slices,
)
from nertune.bundle import Bundle
from nertune.config import Recipe
from nertune.corpus import Source
from nertune.encoding import Encoder
from nertune.engine import Tagger
from nertune.errors import NertuneError
from nertune.evaluation import Evaluated
from nertune.reports.facts import Curve, ModelFacts, curve_of, model_facts, read_json
from nertune.scoring import Scores, SemevalScores, Spans, score_ids, semeval_arrays
from nertune.splits import read_split
from nertune.statistics import (
    Intervals,
    Reliability,
    Threshold,
    counts_by_unit,
    intervals,
    reliability,
    thresholds,
)


@dataclass(frozen=True)
class Report:
    """One model on one file: scores, how sure they are, and where it fails.

    strict: the same in seqeval's strict mode, where the gold tags' scheme has one. unit: what the
    bootstrap draws, documents or sentences. notes: what was skipped, mended or is missing.
    """

    title: str
    file: str
    sizes: dict[str, int]
    scores: Scores
    strict: Scores | None
    intervals: Intervals
    unit: str
    semeval: SemevalScores
    judged: Judged
    errors: list[EntityError]
    confusion: Confusion
    slices: list[Slice]
    reliability: Reliability | None
    thresholds: list[Threshold]
    temperature: float
    words_per_second: float
    model: ModelFacts
    curves: Sequence[Curve] = ()
    notes: Sequence[str] = ()
    date: str = field(default_factory=lambda: time.strftime("%Y-%m-%d"))

    @property
    def labels(self) -> list[str]:
        """The labels of the intervals, in order."""
        return self.judged.labels

    def error_counts(self) -> dict[str, dict[str, int]]:
        """How many errors of each kind, by the gold label (the predicted one of the spurious)."""
        counts: dict[str, dict[str, int]] = {}
        for error in self.errors:
            span = error.gold or error.predicted
            row = counts.setdefault(span[2] if span else "", {})
            row[error.kind] = row.get(error.kind, 0) + 1
        return dict(sorted(counts.items()))

    def sentence(self, number: int) -> Sequence[str]:
        """The words of a sentence."""
        starts = self.judged.sentence_starts
        return self.judged.words[starts[number] : starts[number + 1]]

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON; fractions from 0 to 1, unrounded."""
        return {
            "title": self.title,
            "file": self.file,
            "date": self.date,
            "nertune_version": nertune.__version__,
            "model": self.model.to_dict(),
            "sizes": self.sizes,
            "words_per_second": self.words_per_second,
            **self.scores.to_dict(),
            "strict": self.strict.to_dict() if self.strict else None,
            "intervals": {"unit": self.unit, **self.intervals.to_dict(self.labels)},
            "semeval": self.semeval.to_dict(),
            "error_counts": self.error_counts(),
            "confusion": asdict(self.confusion),
            "slices": {
                one.name: {part: counts.to_dict() for part, counts in one.parts}
                for one in self.slices
            },
            "calibration": {
                "temperature": self.temperature,
                **(self.reliability.to_dict() if self.reliability else {}),
                "thresholds": [row.to_dict() for row in self.thresholds],
            },
            "curves": [asdict(curve) for curve in self.curves],
            "notes": list(self.notes),
            "errors": [self._error(error) for error in self.errors],
        }

    def _error(self, error: EntityError) -> dict[str, Any]:
        words = self.sentence(error.sentence)
        sides = {"gold": error.gold, "predicted": error.predicted}
        return {
            "kind": error.kind,
            "sentence": error.sentence + 1,
            **{
                name: span and {"words": list(words[span[0] : span[1]]), "label": span[2]}
                for name, span in sides.items()
            },
            "score": error.score,
            "text": " ".join(words),
        }


def build_report(
    evaluated: Evaluated,
    tagger: Tagger,
    model: ModelFacts,
    train: TrainingText | None = None,
    curves: Sequence[Curve] = (),
) -> Report:
    """The report on a tagger and a file it was scored on.

    train: what the training text held, where it is at hand; curves: of the training.
    """
    scores = evaluated.entity_scores(tagger.decoder)
    judged = replace(evaluated.result.judged(), scores=scores)
    unit, units = judged.units()
    counts = counts_by_unit(judged.gold, judged.predicted, judged.reading, units)
    errors = entity_errors(judged)
    facts = evaluated.gold.facts
    notes = facts.lines()
    if train is None:
        notes.append(
            "the training text is not at hand, or has changed: no figures for seen and unseen "
            "entities"
        )
    return Report(
        title=f"{model.name} on {facts.name}",
        file=facts.name,
        sizes={
            "documents": facts.documents,
            "sentences": facts.sentences,
            "words": facts.words,
            "entities": len(judged.gold_entities[0]),
            "predicted": len(judged.found_entities[0]),
        },
        scores=evaluated.scored.scores,
        strict=_strict(judged, tagger.settings.scheme),
        intervals=intervals(counts),
        unit=unit,
        semeval=semeval_arrays(
            Spans.of_words(judged.gold_entities),
            Spans.of_words(judged.found_entities),
            judged.labels,
        ),
        judged=judged,
        errors=errors,
        confusion=confusion(judged, errors),
        slices=slices(judged, train),
        reliability=reliability(scores, judged.found_right),
        thresholds=thresholds(scores, judged.found_right, len(judged.gold_entities[0])),
        temperature=tagger.settings.temperature,
        words_per_second=evaluated.result.words_per_second,
        model=model,
        curves=curves,
        notes=notes,
    )


def report_on_run(evaluated: Evaluated, tagger: Tagger, bundle: Bundle) -> Report:
    """The report on a model, with what its run folder tells: curves, settings, training text."""
    model = model_facts(bundle, schemes.labels_of(tagger.settings.tags))
    curve = curve_of(bundle.folder.parent, model.name)
    train = training_text(model.recipe, bundle, tagger.encoder)
    return build_report(evaluated, tagger, model, train, [curve] if curve else [])


def training_text(
    recipe: Recipe | None, bundle: Bundle, encoder: Encoder
) -> TrainingText | None:
    """What a run's training text holds; None where it is not at hand or has changed."""
    if recipe is None:
        return None
    try:
        data, scheme = recipe.data, schemes.scheme_named(recipe.model.scheme)
        all_pieces = recipe.training.loss_pieces == "all"
        found = Source(data.train, data, scheme, all_pieces).fingerprint(encoder)
        digests = read_json(bundle.folder.parent / "run.json").get("data")
        if not isinstance(digests, dict) or digests.get("train") != found:
            return None
        return TrainingText().add(read_split("train", recipe.data.train, recipe.data))
    except NertuneError:
        return None


def _strict(judged: Judged, scheme: str | None) -> Scores | None:
    """Scores in strict mode; None where the gold tags are not all of the model's scheme."""
    if scheme is None:
        return None
    known = schemes.scheme_named(scheme)
    letters = {schemes.split_tag(tag)[0] for tag in judged.tags} - {schemes.OUTSIDE}
    if not letters <= set(known.letters):
        return None
    return score_ids(
        judged.gold, judged.predicted, judged.tags, judged.starts, "strict", known
    )
