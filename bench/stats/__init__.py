"""What the numbers of a few runs allow one to say: intervals, differences, ranks.

`scores.py` reads a run's score from its record; `runs.py` puts the runs of a cell on a scale on
which their spread is even; `moderation.py` lets all cells together say how far seeds lie apart;
`comparison.py` and `ranks.py` rest on these three, and `intervals.py` is the arithmetic below.
"""

from bench.stats.comparison import Contrast, Pairs, interval
from bench.stats.intervals import (
    ALPHA,
    Difference,
    Interval,
    Spread,
    estimate,
    geometric_interval,
    mean_interval,
    p_value,
    paired_interval,
    q_values,
    quantile,
    smallest_count,
    total,
    wilson,
)
from bench.stats.moderation import Prior, prior_of
from bench.stats.ranks import FEWEST_SEEDS, Ranking, ranking
from bench.stats.runs import LOGIT, Group, Runs, Scale, scale_of
from bench.stats.scores import Score, pool, score
from bench.stats.slides import SHORTEST_HISTORY, SLIDE_ALPHA, Slide, slide

__all__ = [
    "ALPHA",
    "FEWEST_SEEDS",
    "LOGIT",
    "SHORTEST_HISTORY",
    "SLIDE_ALPHA",
    "Contrast",
    "Difference",
    "Group",
    "Interval",
    "Pairs",
    "Prior",
    "Ranking",
    "Runs",
    "Scale",
    "Score",
    "Slide",
    "Spread",
    "estimate",
    "geometric_interval",
    "interval",
    "mean_interval",
    "p_value",
    "paired_interval",
    "pool",
    "prior_of",
    "q_values",
    "quantile",
    "ranking",
    "scale_of",
    "score",
    "slide",
    "smallest_count",
    "total",
    "wilson",
]
