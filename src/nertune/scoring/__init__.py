"""Tag sequences to counts to precision, recall and F1.

Whole entities are counted: an entity is right where its words and its label are those of the gold
annotation. The headline reads any sequence of tags, valid or not, by conlleval's rules; strict mode
counts only what is well formed in its scheme. Counts are integers that add up, so the score of a
corpus is the sum of the scores of its parts. A fraction whose denominator is 0 is 0.
"""

from nertune.scoring.counts import Counts, Scores
from nertune.scoring.reading import (
    MODES,
    Bools,
    Entities,
    Ints,
    Mode,
    Reading,
    entity_arrays,
    strict_entity_arrays,
)
from nertune.scoring.semeval import (
    CRITERIA,
    OverlappingPairs,
    SemevalCounts,
    SemevalScores,
    Spans,
    best_pairs,
    semeval,
    semeval_arrays,
)
from nertune.scoring.tags import right_entities, score, score_ids

__all__ = [
    "CRITERIA",
    "MODES",
    "Bools",
    "Counts",
    "Entities",
    "Ints",
    "Mode",
    "OverlappingPairs",
    "Reading",
    "Scores",
    "SemevalCounts",
    "SemevalScores",
    "Spans",
    "best_pairs",
    "entity_arrays",
    "right_entities",
    "score",
    "score_ids",
    "semeval",
    "semeval_arrays",
    "strict_entity_arrays",
]
