"""Statistics of repeated numbers. Pure functions of arrays; nothing here knows what a run is.

- `student_t`, `grouped_t`, `two_way_bootstrap`: the interval of a mean over seeds, over seeds within datasets, and over
  images and seeds.
- `mcnemar`, `equivalence`: paired tests. `holm`, `rank_ranges`: many tests at once.
- `seeds_needed`, `grouped_power`, `detectable_difference`, `grouped_seeds_needed`: power.
- `friedman`, `critical_difference`, `elo_ratings`, `win_rates`: methods over several datasets.
- `spearman`, `random_orders`: rank correlation.

Example:
    >>> test = grouped_t([[0.01, 0.03], [0.02, 0.04]])  # A - B: two datasets with two seeds each
    >>> test.mean, round(test.low, 4), round(test.high, 4)  # 0.025 -+ 4.303 * 0.00707
    (0.025, -0.0054, 0.0554)
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
"""

from bench.statistics.correlation import Correlation, random_orders, spearman
from bench.statistics.intervals import Estimate, Interval, MeanTest, grouped_t, student_t, two_way_bootstrap
from bench.statistics.multiple_testing import RankRange, holm, rank_ranges
from bench.statistics.paired_tests import Equivalence, McNemar, equivalence, mcnemar
from bench.statistics.power import detectable_difference, grouped_power, grouped_seeds_needed, seeds_needed
from bench.statistics.ranks import CriticalDifference, Friedman, critical_difference, friedman
from bench.statistics.ratings import Rating, elo_ratings, win_rates

__all__ = [
    "Correlation",
    "CriticalDifference",
    "Equivalence",
    "Estimate",
    "Friedman",
    "Interval",
    "McNemar",
    "MeanTest",
    "RankRange",
    "Rating",
    "critical_difference",
    "detectable_difference",
    "elo_ratings",
    "equivalence",
    "friedman",
    "grouped_power",
    "grouped_seeds_needed",
    "grouped_t",
    "holm",
    "mcnemar",
    "random_orders",
    "rank_ranges",
    "seeds_needed",
    "spearman",
    "student_t",
    "two_way_bootstrap",
    "win_rates",
]
