"""Contrasts of a method with and without one component, dataset by dataset, against dataset difficulty. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from bench.analysis.difficulty_trend import Trend, fit_trend, scaled, value_table
from bench.statistics import Correlation, holm, random_orders, spearman

LEVEL = 0.05

CONTRASTS: tuple[tuple[str, str, str], ...] = (
    ("visual prompts", "ivlp", "deep_text_prompts"),
    ("visual prompts", "vpt_text_adapter", "text_adapter"),
    ("visual prompts", "vpt", "zero_shot"),
    ("text adapter", "vpt_text_adapter", "vpt"),
    ("text adapter", "text_adapter", "zero_shot"),
    ("text prompts", "ivlp", "vpt"),
    ("visual adapter", "text_prompts_visual_adapter", "deep_text_prompts"),
    ("visual adapter", "visual_adapter", "zero_shot"),
    ("ensemble", "apex", "vpt_text_adapter"),
)
"""Component, method with the component, the same method without it."""

PUBLISHED_CONTRASTS: tuple[tuple[str, str, str], ...] = (
    ("visual prompts", "vpt", "coop"),
    ("visual prompts", "vpt", "kgcoop"),
    ("visual prompts", "provp_ref", "coop"),
    ("visual prompts", "maple", "cocoop"),
    ("visual prompts", "rvp", "rvp_wo_visual_prompt"),
    ("text adapter", "tcp", "kgcoop"),
    ("regularisation towards the pretrained model", "kgcoop", "coop"),
    ("regularisation towards the pretrained model", "prograd", "coop"),
    ("regularisation towards the pretrained model", "coprompt", "maple"),
)
"""The closest pairs in published tables; most of them differ in more than the component."""


@dataclass(frozen=True)
class ContrastTrend:
    """The effect of a component as a function of a difficulty covariate.

    Args:
        part: the component that the first method has and the second lacks.
        found: Spearman's correlation with a permutation p value, None with fewer than three datasets.
        p_holm: adjusted over all contrasts and covariates of the table.
        trend: the regression line, None with fewer than three datasets or if the covariate is constant.
    """

    part: str
    method: str
    without: str
    covariate: str
    differences: Mapping[str, float]
    found: Correlation | None
    p_holm: float | None
    trend: Trend | None

    @property
    def verdict(self) -> str:
        """`rises` or `falls` with difficulty, `not significant`, or `inconclusive` if the line does not predict."""
        if self.trend is None or not self.trend.conclusive or self.found is None or self.p_holm is None:
            return "inconclusive"
        if self.p_holm > LEVEL:
            return "not significant"
        return "rises" if self.found.rho > 0 else "falls"


def contrast_trends(
    values: pd.DataFrame,
    measured: Mapping[str, Mapping[str, float]],
    *,
    contrasts: Sequence[tuple[str, str, str]] = CONTRASTS,
) -> list[ContrastTrend]:
    """The effect of each component on the same method, against every covariate.

    p values come from random orders (from all orders for up to eight datasets) and are adjusted by Holm over all
    returned trends. Datasets without a value of the covariate are left out of its trend.

    Args:
        values: frame of `method`, `dataset` and `value` (a fraction); published values must be from one table.
        contrasts: (component, method with it, method without it); pairs that have not been run are left out.
    """
    table = value_table(values)
    rows: list[ContrastTrend] = []
    for part, method, without in contrasts:
        if method not in table or without not in table:
            continue
        differences = {
            d: table[method][d] - table[without][d] for d in sorted(set(table[method]) & set(table[without]))
        }
        for covariate, by_dataset in measured.items():
            datasets = [d for d in differences if d in by_dataset]
            x, y = [by_dataset[d] for d in datasets], [differences[d] for d in datasets]
            found = spearman(x, y, orders=random_orders(len(datasets)))
            along = scaled(covariate, x)
            trend = fit_trend(along, y) if len(datasets) >= 3 and np.ptp(along) > 0 else None
            rows.append(ContrastTrend(part, method, without, covariate, differences, found, None, trend))
    adjusted = iter(holm([row.found.p for row in rows if row.found is not None]).tolist())
    return [row if row.found is None else replace(row, p_holm=next(adjusted)) for row in rows]
