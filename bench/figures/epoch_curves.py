"""Base and new accuracy while prompts are trained: APEX's Figure 3, from runs that recorded it."""

from __future__ import annotations

from bench.analysis.leaderboard import Cell
from bench.figures.figure_data import FigureData, estimate_point
from bench.figures.prompts_and_adapters import PROMPTS
from bench.statistics import student_t
from reports.views import FigurePoint, FigureView


def accuracy_over_epochs(material: FigureData) -> FigureView:
    """Base and new accuracy over epochs, a panel for each dataset; epochs that all seeds recorded."""
    points: list[FigurePoint] = []
    lacking: list[str] = []
    for method in PROMPTS:
        entry = material.entry(material.main, method) if material.main else None
        cells = entry.cells if entry else {}
        drawn = {name: _points(material, method, cells[name]) for name in material.datasets if name in cells}
        points += [point for found in drawn.values() for point in found]
        if not all(drawn.get(name) for name in material.datasets) or not material.datasets:
            lacking.append(method)
    order = [material.title(dataset) for dataset in material.datasets]
    missing = f"No accuracy along the training on some dataset: {', '.join(map(material.method, lacking))}."
    return FigureView(
        name="apex-fig3-epochs",
        title="Base and new classes while training",
        source="APEX, Figure 3",
        caption="After 1, 2, 4, ... epochs of one training, and at its end.",
        kind="line",
        x_title="Epochs",
        y_title="Accuracy, %",
        points=tuple(sorted(points, key=lambda point: order.index(point.panel))),
        x_log=True,
        missing=(missing,) if lacking else (),
        commands=(material.command(lacking, material.datasets, options="--curve --rerun all"),) if lacking else (),
    )


def _points(material: FigureData, method: str, cell: Cell) -> list[FigurePoint]:
    curves = [material.curves.get(run_id, {}) for run_id in cell.run_ids]
    shared = sorted(set.intersection(*(set(curve) for curve in curves))) if curves else []
    return [
        estimate_point(
            material.title(cell.dataset),
            f"{material.method(method)}, {split}",
            epoch,
            student_t([curve[epoch][split] for curve in curves]),
            cell.run_ids,
        )
        for split in ("base", "new")
        for epoch in shared
    ]
