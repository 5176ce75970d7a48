"""Prompts and adapters on base and new classes: APEX's Figures 2, 3, 6 and 12."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bench.analysis.leaderboard import Cell, Leaderboard
from bench.figures.figure_data import PANELS, SHOTS, FigureData, estimate_point, over_seeds
from bench.statistics import Estimate, student_t
from reports.views import FigurePoint, FigureView

PROMPTS = ("deep_text_prompts", "ivlp", "vpt")
"""TPT, VPT+TPT and VPT in the paper."""
COMPONENTS = (
    "zero_shot",
    "deep_text_prompts",
    "vpt",
    "text_adapter",
    "vpt_text_adapter",
    "text_prompts_visual_adapter",
)


def gap_versus_shots(data: FigureData) -> FigureView:
    """Base minus new accuracy over shots, one panel per dataset."""

    def gap(method: str, cell: Cell) -> list[tuple[str, Estimate]]:
        return [(method, student_t([data.scores[run]["base"] - data.scores[run]["new"] for run in cell.run_ids]))]

    return _over_shots(
        data,
        gap,
        name="apex-fig2-gap-versus-shots",
        title="Overfitting: base minus new accuracy over shots",
        source="APEX, Figures 2 and 12",
        caption="A large gap means that what a method learns does not transfer from base to new classes. Datasets are "
        "ordered by relative transfer difficulty, easy first.",
        y_title="Base − new, points",
    )


def accuracy_over_shots(data: FigureData) -> FigureView:
    """Base and new accuracy over shots, one panel per dataset."""
    return _over_shots(
        data,
        lambda method, cell: [(f"{method}, {split}", cell.scores[split]) for split in ("base", "new")],
        name="apex-fig3-learning-curves",
        title="Learning curves of base and new classes",
        source="APEX, Figure 3",
        caption="Over shots; the paper and the next figure plot epochs.",
    )


def _over_shots(
    data: FigureData, estimates: Callable[[str, Cell], list[tuple[str, Estimate]]], **fields: Any
) -> FigureView:
    """A figure over shots with the missing runs.

    Args:
        data: of the figure.
        estimates: series and values of a method, by its title, in one cell.
        fields: other fields of `FigureView`.
    """
    points = [
        estimate_point(data.title(dataset), series, shots, estimate, cell.run_ids)
        for dataset in data.datasets
        for method in PROMPTS
        for shots, board in sorted(data.boards.items())
        if (cell := data.cell(board, method, dataset)) is not None
        for series, estimate in estimates(data.method(method), cell)
    ]
    missing, commands = [], []
    for method in PROMPTS:
        lacking = [
            shots
            for shots in SHOTS
            if not data.datasets or any(not data.cell(data.boards.get(shots), method, name) for name in data.datasets)
        ]
        if lacking:
            missing.append(f"{data.method(method)}: {', '.join(map(str, lacking))} shots on all datasets.")
            commands.append(data.command([method], data.datasets, lacking))
    return FigureView(
        kind="line",
        x_title="Shots",
        points=tuple(points),
        x_log=True,
        missing=tuple(missing),
        commands=tuple(commands),
        **fields,
    )


def component_groups(data: FigureData) -> FigureView:
    """Prompts and adapters, alone and combined, on easy and on hard datasets."""
    points: list[FigurePoint] = []
    missing: list[str] = []
    board, lacking = data.main, []
    easy, hard = data.groups
    for group, name in ((easy, "Easy"), (hard, "Hard")):
        for split in ("base", "new"):
            for method in COMPONENTS:
                found = _group(data, board, method, group, split) if board and group else None
                if found is not None:
                    estimate, run_ids = found
                    panel = f"{name}: {PANELS[split].lower()}"
                    title = data.method(method)
                    points.append(estimate_point(panel, title, title, estimate, run_ids))
                elif group and method not in lacking:
                    lacking.append(method)
    if not easy:
        missing.append("Two groups need at least six datasets with a measured difficulty.")
    if lacking:
        missing.append(f"Not run on all of these datasets: {', '.join(data.method(method) for method in lacking)}.")
    groups = " and ".join(
        f"{name}: {', '.join(data.title(dataset) for dataset in group)}"
        for name, group in (("easy", easy), ("hard", hard))
    )
    return FigureView(
        name="apex-fig6-components",
        title="Prompts and adapters on easy and on hard datasets",
        source="APEX, Figure 6",
        caption=f"Means over the datasets of each group ({groups})." if easy else "",
        kind="bar",
        points=tuple(points),
        order=tuple(data.method(method) for method in COMPONENTS),
        missing=tuple(missing),
        commands=(data.command(lacking, [*easy, *hard]),) if lacking else (),
        own_y=True,
    )


def _group(
    data: FigureData, board: Leaderboard, method: str, group: Sequence[str], split: str
) -> tuple[Estimate, tuple[str, ...]] | None:
    entry = data.entry(board, method)
    if entry is None or not set(group) <= set(entry.cells):
        return None
    runs = [entry.cells[dataset].run_ids for dataset in group]
    return over_seeds([[data.scores[run][split] for run in some] for some in runs]), tuple(r for s in runs for r in s)
