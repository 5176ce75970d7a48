"""What repeated numbers support: intervals, paired tests, ranks, ratings and families of tests. Pure."""

from bench.statistics.correlation import EXACT_LIMIT, Correlation, mid_ranks, spearman
from bench.statistics.families import RankRange, benjamini_hochberg, holm, rank_ranges
from bench.statistics.intervals import Estimate, Interval, MeanTest, grouped_t, student_t, two_way_bootstrap
from bench.statistics.paired import (
    Equivalence,
    McNemar,
    detectable_between_classifiers,
    detectable_effect,
    equivalence,
    mcnemar,
    mcnemar_p,
    seeds_needed,
    t_power,
)
from bench.statistics.ranks import (
    CriticalDifference,
    Friedman,
    Wilcoxon,
    critical_difference,
    friedman,
    nemenyi_constant,
    nemenyi_p,
    wilcoxon,
)
from bench.statistics.ratings import ELO, Rating, bradley_terry, elo_ratings, win_rates

__all__ = [
    "ELO",
    "EXACT_LIMIT",
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
    "Wilcoxon",
    "benjamini_hochberg",
    "bradley_terry",
    "critical_difference",
    "detectable_between_classifiers",
    "detectable_effect",
    "elo_ratings",
    "equivalence",
    "friedman",
    "grouped_t",
    "holm",
    "mcnemar",
    "mcnemar_p",
    "mid_ranks",
    "nemenyi_constant",
    "nemenyi_p",
    "rank_ranges",
    "seeds_needed",
    "spearman",
    "student_t",
    "t_power",
    "two_way_bootstrap",
    "wilcoxon",
    "win_rates",
]
