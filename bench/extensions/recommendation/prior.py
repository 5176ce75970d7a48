"""Prior knowledge before any training: published numbers and own runs, and the policy that chooses by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.analysis import method_choice
from bench.errors import StoreError
from datasets_registry import EvalProtocol

if TYPE_CHECKING:
    import pandas as pd

    from bench.extensions.recommendation.request import RecommendRequest

_FEWEST_DATASETS = 3
_FEWEST_METHODS = 2
"""Smallest numbers of datasets and methods of a table that is used for a choice."""


@dataclass(frozen=True)
class PublishedNumbers:
    """What papers say.

    Args:
        frame: as of `bench.papers.published_frame`.
        difficulty: as of `bench.papers.published_difficulty`.
        datasets: the datasets of a complete table, in its order.
    """

    frame: pd.DataFrame
    difficulty: pd.DataFrame
    datasets: Sequence[str]


@dataclass(frozen=True)
class Prior:
    """One source of prior knowledge.

    Args:
        source: the source in words, with its setting.
        pick: the method that the policy chooses for this dataset.
    """

    source: str
    known: method_choice.Known
    choice: method_choice.PolicyChoice
    pick: str


def priors(
    request: RecommendRequest, published: PublishedNumbers, difficulty: float | None, zero_shot: float | None
) -> list[Prior]:
    """Prior knowledge of the candidates from published numbers and from own runs on other datasets.

    A source with too few candidates or datasets for this backbone is left out.

    Args:
        difficulty: relative transfer difficulty (RTD) of this dataset, measured on its labelled training images.
        zero_shot: zero-shot accuracy on the same images.
    """
    backbone = _slug(request.sweep.backbones[0])
    found = [published_table(published, request, backbone), own_table(own_runs(request), request, backbone)]
    made = []
    for item in found:
        if item is not None:
            source, known = item
            choice = method_choice.judge_policies(known)
            made.append(
                Prior(source, known, choice, method_choice.choose_for(known, choice.policy, difficulty, zero_shot))
            )
    return made


def published_table(
    published: PublishedNumbers, request: RecommendRequest, backbone: str
) -> tuple[str, method_choice.Known] | None:
    """The few-shot table of the ledger for a backbone, at the closest number of shots.

    It includes unmodified candidates with a number on all of its datasets. For a method in several sources, the mean is
    used.
    """
    frame = published.frame
    frame = frame[(frame["protocol"] == EvalProtocol.FEW_SHOT) & (frame["split"] == "all") & (frame["variant"] == "")]
    frame = frame[frame["metric"] == "accuracy"]
    frame = frame[frame["dataset"].isin(published.datasets) & frame["method"].isin(request.sweep.methods)]
    mine = frame[frame["backbone"] == backbone]
    for count in sorted(mine["shots"].dropna().unique(), key=lambda value: abs(np.log(value / request.shots))):
        table = mine[mine["shots"] == count].pivot_table(index="method", columns="dataset", values="value")
        table = table.reindex(columns=list(published.datasets)).dropna()
        if len(table) >= _FEWEST_METHODS:
            hard = published.difficulty
            hard = hard[hard["backbone"] == backbone]
            transfer, zero_shot = (
                dict(zip(hard["dataset"], hard[column], strict=True))
                for column in ("relative_transfer_difficulty", "zero_shot_accuracy")
            )
            return f"published numbers, {backbone}, {count} shots", _known(table, transfer, zero_shot)
    return None


def own_runs(request: RecommendRequest) -> pd.DataFrame | None:
    """The runs of the runs folder; None if there are none, or if another process has locked the database."""
    from bench.results import fresh_store

    if not (request.runs / "shards").is_dir():
        return None
    try:
        return fresh_store(request.runs).runs_frame()
    except StoreError:
        return None


def own_table(
    runs: pd.DataFrame | None, request: RecommendRequest, backbone: str
) -> tuple[str, method_choice.Known] | None:
    """Own few-shot results of this backbone and number of shots on other datasets."""
    from bench.analysis import build_leaderboards

    if runs is None or runs.empty:
        return None
    runs = runs[(runs["dataset"] != request.dataset) & (runs["protocol"] == EvalProtocol.FEW_SHOT)]
    runs = runs[runs["method"].isin(request.sweep.methods)]
    found = build_leaderboards(runs, protocol=EvalProtocol.FEW_SHOT, shots=[request.shots], backbone=backbone)
    boards = [board for board in found if board.setting.plain]
    if not boards:
        return None
    import pandas as pd

    rows = {}
    for entry in boards[0].entries:
        if entry.rankable and entry.method not in rows:
            rows[entry.method] = {name: cell.scores["all"].mean for name, cell in entry.cells.items()}
    table = pd.DataFrame.from_dict(rows, orient="index").dropna()
    if len(table) < _FEWEST_METHODS or len(table.columns) < _FEWEST_DATASETS:
        return None
    zero_shot = rows.get("zero_shot", {})
    classes = dict(zip(runs["dataset"], runs["n_classes"], strict=True))
    hard = {name: 1 / float(classes[name]) / value for name, value in zero_shot.items() if value > 0}
    return f"own runs in {request.runs}, {backbone}, {request.shots} shots", _known(table, hard, zero_shot)


def earlier_costs(runs: pd.DataFrame | None, backbone: str) -> dict[str, float]:
    """Median training seconds by method, from own runs on this backbone, for which features are cached."""
    if runs is None or runs.empty:
        return {}
    mine = runs[(runs["backbone"] == backbone) & (runs["shots"] > 0)].dropna(subset=["train_seconds"])
    seconds = (mine["prepare_seconds"] + mine["train_seconds"]).groupby(mine["method"]).median()
    return {str(name): float(value) for name, value in seconds.items()}


def _known(table: pd.DataFrame, difficulty: dict[str, float], zero_shot: dict[str, float]) -> method_choice.Known:
    names = tuple(map(str, table.columns))
    return method_choice.Known(
        tuple(map(str, table.index)),
        names,
        table.to_numpy(dtype=float),
        tuple(difficulty.get(name) for name in names),
        tuple(zero_shot.get(name) for name in names),
    )


def _slug(backbone: str) -> str:
    from methods import parse_backbone

    return parse_backbone(backbone).slug
