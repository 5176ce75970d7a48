"""What a part adds to the same host, dataset by dataset, against difficulty: paired contrasts. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.analysis.difficulty_trend import Trend, fit_trend, scaled, value_table
from bench.statistics import Correlation, holm, random_orders, spearman

if TYPE_CHECKING:
    import pandas as pd

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
"""Part, method with it, the same host without it."""

PUBLISHED_CONTRASTS: tuple[tuple[str, str, str], ...] = (
    ("visual prompts", "vpt", "coop"),
    ("visual prompts", "vpt", "kgcoop"),
    ("visual prompts", "provp_ref", "coop"),
    ("visual prompts", "maple", "cocoop"),
    ("visual prompts", "rvp", "rvp_wo_visual_prompt"),
    ("text adapter", "tcp", "kgcoop"),
    ("pull towards the pretrained model", "kgcoop", "coop"),
    ("pull towards the pretrained model", "prograd", "coop"),
    ("pull towards the pretrained model", "coprompt", "maple"),
)
"""The nearest that published tables have; most of these pairs differ in more than the part."""


@dataclass(frozen=True)
class ContrastTrend:
    """The difference that a part makes, ranked against a covariate.

    Args:
        part: what the first method has and the second lacks.
        differences: by dataset.
        found: Spearman's correlation with a permutation p, None with fewer than three datasets.
        p_holm: adjusted within all contrasts and covariates shown.
        left_out: the same without the named dataset; None where it is not among them.
        left_out_name: that dataset.
        trend: the line, inconclusive where the data do not carry one.
    """

    part: str
    method: str
    without: str
    covariate: str
    differences: Mapping[str, float]
    found: Correlation | None
    p_holm: float | None
    left_out: Correlation | None
    left_out_name: str | None
    trend: Trend | None

    @property
    def verdict(self) -> str:
        """`rises` or `falls` with difficulty where the line predicts unseen datasets and the corrected p holds up."""
        if self.trend is None or not self.trend.conclusive or self.found is None or self.p_holm is None:
            return "inconclusive"
        if self.p_holm > LEVEL:
            return "not beyond chance"
        return "rises" if self.found.rho > 0 else "falls"


def contrast_trends(
    values: pd.DataFrame,
    measured: Mapping[str, Mapping[str, float]],
    *,
    contrasts: Sequence[tuple[str, str, str]] = CONTRASTS,
    leave_out: str | None = "eurosat",
) -> list[ContrastTrend]:
    """What a part adds to the same host, against every covariate, with and without one dataset.

    p values come from random (up to eight datasets: all) orders and are adjusted by Holm for all that is returned.
    Datasets without a value of the covariate take no part in its trend.

    Args:
        values: `method`, `dataset`, `value`; one row each, from one table where they are published.
        measured: see `covariates`.
        contrasts: (part, method with it, method without it); pairs that are not there are left out.
        leave_out: the dataset to leave out for comparison; EuroSAT alone makes many correlations.
    """
    table = value_table(values)
    rows: list[tuple[Any, ...]] = []
    for part, method, without in contrasts:
        if method not in table or without not in table:
            continue
        differences = {
            d: table[method][d] - table[without][d] for d in sorted(set(table[method]) & set(table[without]))
        }
        for covariate, by_dataset in measured.items():
            datasets = [d for d in differences if d in by_dataset]
            x, y = [by_dataset[d] for d in datasets], [differences[d] for d in datasets]
            found = _correlation(x, y)
            kept = [i for i, d in enumerate(datasets) if d != leave_out]
            fewer = None
            if leave_out in datasets:
                fewer = _correlation([x[i] for i in kept], [y[i] for i in kept])
            along = scaled(covariate, x)
            trend = fit_trend(along, y) if len(datasets) >= 3 and np.ptp(along) > 0 else None
            rows.append((part, method, without, covariate, differences, found, fewer, trend))
    adjusted = iter(holm([row[5].p for row in rows if row[5] is not None]).tolist())
    return [
        ContrastTrend(
            part,
            method,
            without,
            covariate,
            differences,
            found,
            None if found is None else next(adjusted),
            fewer,
            leave_out,
            trend,
        )
        for part, method, without, covariate, differences, found, fewer, trend in rows
    ]


def _correlation(x: Sequence[float], y: Sequence[float]) -> Correlation | None:
    return spearman(x, y, orders=random_orders(len(x)))
