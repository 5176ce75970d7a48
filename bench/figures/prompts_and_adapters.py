"""What prompts and adapters do to base and new classes: APEX's Figures 2, 3, 6 and 12."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.leaderboard import Leaderboard
from bench.figures.figure_data import PANELS, SHOTS, FigureData, estimate_point, over_seeds
from bench.statistics import Estimate, student_t
from reports.views import FigurePoint, FigureView

PROMPTS = ("deep_text_prompts", "ivlp", "vpt")
"""TPT, VPT+TPT and VPT in the paper's words."""
COMPONENTS = (
    "zero_shot",
    "deep_text_prompts",
    "vpt",
    "text_adapter",
    "vpt_text_adapter",
    "text_prompts_visual_adapter",
)


def gap_versus_shots(material: FigureData) -> FigureView:
    """Base minus new accuracy over shots, a panel for each dataset."""
    points = []
    for dataset in material.datasets:
        for method in PROMPTS:
            for shots, board in sorted(material.boards.items()):
                pairs, run_ids = _pairs(material, board, method, dataset)
                if pairs:
                    gap = student_t([base - new for base, new in pairs])
                    points.append(estimate_point(material.title(dataset), material.method(method), shots, gap, run_ids))
    missing, commands = _missing_shots(material, PROMPTS)
    return FigureView(
        name="apex-fig2-gap-versus-shots",
        title="Overfitting: base minus new accuracy over shots",
        source="APEX, Figures 2 and 12",
        caption="A large gap means that what was learned stays with the classes it was learned on. Datasets from easy "
        "to hard by relative transfer difficulty.",
        kind="line",
        x_title="Shots",
        y_title="Base − new, points",
        points=tuple(points),
        x_log=True,
        missing=missing,
        commands=commands,
    )


def accuracy_over_shots(material: FigureData) -> FigureView:
    """Base and new accuracy over shots, a panel for each dataset."""
    points = []
    for dataset in material.datasets:
        for method in PROMPTS:
            for shots, board in sorted(material.boards.items()):
                entry = material.entry(board, method)
                cell = entry.cells.get(dataset) if entry else None
                for split in ("base", "new") if cell else ():
                    assert cell is not None
                    series = f"{material.method(method)}, {split}"
                    points.append(
                        estimate_point(material.title(dataset), series, shots, cell.scores[split], cell.run_ids)
                    )
    missing, commands = _missing_shots(material, PROMPTS)
    return FigureView(
        name="apex-fig3-learning-curves",
        title="Learning curves of base and new classes",
        source="APEX, Figure 3",
        caption="Over shots. The paper draws them over epochs, as the next figure does.",
        kind="line",
        x_title="Shots",
        y_title="Accuracy, %",
        points=tuple(points),
        x_log=True,
        missing=missing,
        commands=commands,
    )


def component_groups(material: FigureData) -> FigureView:
    """Prompts and adapters, alone and together, on the easy and on the hard datasets."""
    points: list[FigurePoint] = []
    missing: list[str] = []
    board, lacking = material.main, []
    easy, hard = material.groups
    for group, name in ((easy, "Easy"), (hard, "Hard")):
        for split in ("base", "new"):
            for method in COMPONENTS:
                found = _group(material, board, method, group, split) if board and group else None
                if found is not None:
                    estimate, run_ids = found
                    panel = f"{name}: {PANELS[split].lower()}"
                    title = material.method(method)
                    points.append(estimate_point(panel, title, title, estimate, run_ids))
                elif group and method not in lacking:
                    lacking.append(method)
    if not easy:
        missing.append("Two groups want at least six datasets with a measured difficulty.")
    if lacking:
        missing.append(f"Not on all of these datasets: {', '.join(material.method(method) for method in lacking)}.")
    groups = " and ".join(
        f"{name}: {', '.join(material.title(dataset) for dataset in group)}"
        for name, group in (("easy", easy), ("hard", hard))
    )
    return FigureView(
        name="apex-fig6-components",
        title="Prompts and adapters on easy and on hard datasets",
        source="APEX, Figure 6",
        caption=f"Means over the datasets of each group ({groups})." if easy else "",
        kind="bar",
        x_title="",
        y_title="Accuracy, %",
        points=tuple(points),
        order=tuple(material.method(method) for method in COMPONENTS),
        missing=tuple(missing),
        commands=(material.command(lacking, [*easy, *hard]),) if lacking else (),
        own_y=True,
    )


def _pairs(
    material: FigureData, board: Leaderboard, method: str, dataset: str
) -> tuple[list[tuple[float, float]], tuple[str, ...]]:
    """Base and new accuracy of each seed."""
    entry = material.entry(board, method)
    cell = entry.cells.get(dataset) if entry else None
    if cell is None:
        return [], ()
    return [(material.scores[run]["base"], material.scores[run]["new"]) for run in cell.run_ids], cell.run_ids


def _group(
    material: FigureData, board: Leaderboard, method: str, group: Sequence[str], split: str
) -> tuple[Estimate, tuple[str, ...]] | None:
    entry = material.entry(board, method)
    if entry is None or not set(group) <= set(entry.cells):
        return None
    runs = [entry.cells[dataset].run_ids for dataset in group]
    return over_seeds([[material.scores[run][split] for run in some] for some in runs]), tuple(
        r for s in runs for r in s
    )


def _missing_shots(material: FigureData, methods: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which methods lack which shots on some dataset, and the commands for them."""
    missing, commands = [], []
    for method in methods:
        lacking = []
        for shots in SHOTS:
            board = material.boards.get(shots)
            entry = material.entry(board, method) if board else None
            if entry is None or not set(material.datasets) <= set(entry.cells):
                lacking.append(shots)
        if lacking:
            missing.append(f"{material.method(method)}: {', '.join(map(str, lacking))} shots on all datasets.")
            commands.append(material.command([method], material.datasets, lacking))
    return tuple(missing), tuple(commands)
