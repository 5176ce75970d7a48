"""Base and new accuracy during prompt training: APEX's Figure 3, from runs that recorded it."""

from __future__ import annotations

from bench.analysis.leaderboard import Cell
from bench.figures.figure_data import FigureData, estimate_point
from bench.figures.prompts_and_adapters import PROMPTS
from bench.statistics import student_t
from reports.views import FigurePoint, FigureView


def accuracy_over_epochs(data: FigureData) -> FigureView:
    """Base and new accuracy over the epochs that all seeds recorded, one panel per dataset."""
    points: list[FigurePoint] = []
    lacking: list[str] = []
    for method in PROMPTS:
        entry = data.entry(data.main, method) if data.main else None
        cells = entry.cells if entry else {}
        drawn = {name: _points(data, method, cells[name]) for name in data.datasets if name in cells}
        points += [point for found in drawn.values() for point in found]
        if not all(drawn.get(name) for name in data.datasets) or not data.datasets:
            lacking.append(method)
    order = [data.title(dataset) for dataset in data.datasets]
    missing = f"No accuracy during training on some dataset: {', '.join(map(data.method, lacking))}."
    return FigureView(
        name="apex-fig3-epochs",
        title="Base and new classes during training",
        source="APEX, Figure 3",
        caption="After 1, 2, 4, ... epochs of each training run, and at its end.",
        kind="line",
        x_title="Epochs",
        points=tuple(sorted(points, key=lambda point: order.index(point.panel))),
        x_log=True,
        missing=(missing,) if lacking else (),
        commands=(data.command(lacking, data.datasets, options="--curve --rerun all"),) if lacking else (),
    )


def _points(data: FigureData, method: str, cell: Cell) -> list[FigurePoint]:
    curves = [data.curves.get(run_id, {}) for run_id in cell.run_ids]
    shared = sorted(set.intersection(*(set(curve) for curve in curves))) if curves else []
    return [
        estimate_point(
            data.title(cell.dataset),
            f"{data.method(method)}, {split}",
            epoch,
            student_t([curve[epoch][split] for curve in curves]),
            cell.run_ids,
        )
        for split in ("base", "new")
        for epoch in shared
    ]
