"""The accuracy cost of each selection rule."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class RuleCostView:
    """A rule minus selection on validation images: a mean of `n` pairs of runs, a fraction, and its 95 % interval.

    `low` and `high` are None for one seed or one dataset, or if nothing varies.
    """

    mean: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class SelectionRuleView:
    """One selection rule.

    Args:
        rule: the value of `--selection`; `title` describes it.
        oracle: whether it reads test labels.
        costs: by measure, over all methods that ran with both rules; empty if these share no seed on any dataset.
        by_method: costs of each method, by its name.
    """

    rule: str
    title: str
    oracle: bool
    costs: Mapping[str, RuleCostView]
    by_method: Mapping[str, Mapping[str, RuleCostView]]
