"""Reports without a model: a file's own tags, blurred, as its predictions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from nertune import schemes
from nertune.analysis import TrainingText
from nertune.config import ReadSettings
from nertune.decoding import Decoder
from nertune.evaluation import Evaluated, Scored, SplitResult, judge
from nertune.reports import Report, build_report
from nertune.reports.facts import Curve, ModelFacts
from nertune.scoring import score_ids
from nertune.splits import load_gold

IOB2 = schemes.SCHEMES["IOB2"]


def made_report(path: Path, noise: float = 1.6, curves: Sequence[Curve] = ()) -> Report:
    """A report on an annotated file; with more noise its predictions are worse."""
    gold = load_gold(path.name, [str(path)], ReadSettings(), IOB2)
    labels = sorted(gold.facts.labels)
    tags = [schemes.OUTSIDE, *(f"{letter}-{label}" for label in labels for letter in "BI")]
    ids = np.array([tags.index(tag) for tag in gold.tags])
    draw = np.random.default_rng(1)
    emissions = (draw.normal(size=(len(ids), len(tags))) * noise).astype(np.float32)
    emissions[np.arange(len(ids)), ids] += 4
    judged = judge(gold, tags, ids)
    decoder = Decoder(tuple(tags), IOB2)
    predicted = decoder.best_tags(emissions, judged.sentence_starts)
    scored = Scored(score_ids(ids, predicted, tags, judged.starts), 0.0, 0, predicted)
    evaluated = Evaluated(
        SplitResult(gold, tags, scored, 1234.5), emissions, judged.sentence_starts
    )
    settings = SimpleNamespace(scheme="IOB2", temperature=1.0)
    tagger: Any = SimpleNamespace(decoder=decoder, settings=settings)
    model = ModelFacts("made", "IOB2", tuple(labels), 1_000_000, 4.0, 128, shapes=False)
    return build_report(evaluated, cast(Any, tagger), model, TrainingText(), curves)
