"""How sure a score is: bootstrap intervals, paired tests, calibration.

Intervals and tests work on integer counts by unit. A unit is what was drawn together: a document
where documents are known, else a sentence. Counts are arrays (n_units, 3, n_labels), or
(n_units, 3) for all labels together, of `CORRECT, PREDICTED, GOLD`; their sums over the units are
those of `scoring.Counts`. 0/0 is 0, as in scores.
"""

from nertune.statistics.bootstrap import (
    Bands,
    Interval,
    Intervals,
    counts_by_unit,
    intervals,
)
from nertune.statistics.calibration import Reliability, Threshold, reliability, thresholds
from nertune.statistics.comparison import Comparison, Measure, compare

__all__ = [
    "Bands",
    "Comparison",
    "Interval",
    "Intervals",
    "Measure",
    "Reliability",
    "Threshold",
    "compare",
    "counts_by_unit",
    "intervals",
    "reliability",
    "thresholds",
]
