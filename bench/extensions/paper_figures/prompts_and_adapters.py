"""Prompts and adapters on base and new classes: APEX's Figures 2, 3, 6, 10, 11 and 12."""

from collections.abc import Callable
from itertools import chain, product
from typing import Any

from bench.analysis import Cell, Entry, Estimate, student_t
from bench.extensions.paper_figures.figure import FigurePoint, PaperFigure
from bench.extensions.paper_figures.figure_data import FIGURE_SHOTS, PANELS, FigureData, estimate_point, over_seeds

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
RANKS = (8, 16, 32, 64, 128, 256)
ADAPTERS = {"low_rank": "linear, low rank", "bottleneck": "non-linear bottleneck"}
FULL = "linear, full rank"


def gap_versus_shots(data: FigureData) -> PaperFigure:
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


def accuracy_over_shots(data: FigureData) -> PaperFigure:
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
) -> PaperFigure:
    """A figure over shots with the missing runs; `estimates` gives the series and values of a method in one cell."""
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
            for shots in FIGURE_SHOTS
            if not data.datasets or any(not data.cell(data.boards.get(shots), method, name) for name in data.datasets)
        ]
        if lacking:
            missing.append(f"{data.method(method)}: {', '.join(map(str, lacking))} shots on all datasets.")
            commands.append(data.command([method], data.datasets, lacking))
    return PaperFigure(
        kind="line",
        x_title="Shots",
        points=tuple(points),
        x_log=True,
        missing=tuple(missing),
        commands=tuple(commands),
        **fields,
    )


def few_shot_accuracy(data: FigureData) -> PaperFigure:
    """Accuracy on all classes over shots, one panel per dataset and one for the average; a line for each entry."""
    points = []
    for shots, board in sorted(data.boards.items()):
        for entry in board.entries:
            name = data.method(entry.method) + (f" [{entry.label}]" if entry.label else "")
            for dataset, cell in entry.cells.items():
                points.append(estimate_point(data.title(dataset), name, shots, cell.scores["all"], cell.run_ids))
            if entry.complete and "all" in entry.averages and len(board.datasets) > 1:
                points.append(estimate_point("Average", name, shots, entry.averages["all"], entry.run_ids))
    order = {title: place for place, title in enumerate([*map(data.title, data.datasets), "Average"])}
    return PaperFigure(
        name="few-shot-accuracy-over-shots",
        title="Accuracy over shots",
        source="few-shot runs",
        caption="All classes; datasets are ordered by relative transfer difficulty, easy first.",
        kind="line",
        x_title="Shots",
        points=tuple(sorted(points, key=lambda point: order[point.panel])),
        x_log=True,
        own_y=True,
    )


def accuracy_over_epochs(data: FigureData) -> PaperFigure:
    """Base and new accuracy over the epochs that all seeds recorded, one panel per dataset."""
    points: list[FigurePoint] = []
    lacking: list[str] = []
    for method in PROMPTS:
        entry = data.entry(data.main, method)
        cells = entry.cells if entry else {}
        by_dataset = [_epoch_points(data, method, cells[name]) if name in cells else [] for name in data.datasets]
        points += [point for found in by_dataset for point in found]
        if not by_dataset or not all(by_dataset):
            lacking.append(method)
    order = [data.title(dataset) for dataset in data.datasets]
    missing = f"No accuracy during training on some dataset: {', '.join(map(data.method, lacking))}."
    return PaperFigure(
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


def _epoch_points(data: FigureData, method: str, cell: Cell) -> list[FigurePoint]:
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


def component_groups(data: FigureData) -> PaperFigure:
    """Prompts and adapters, alone and combined, on easy and on hard datasets."""
    points, missing = [], []
    easy, hard = data.groups
    entries = {method: data.entry(data.main, method) for method in COMPONENTS}
    cells = {method: entry.cells if entry else {} for method, entry in entries.items()}
    for name, group in (("Easy", easy), ("Hard", hard)):
        for split, method in product(("base", "new"), COMPONENTS):
            if group and set(group) <= set(cells[method]):
                runs = [cells[method][dataset].run_ids for dataset in group]
                estimate = over_seeds([[data.scores[run][split] for run in some] for some in runs])
                title, panel = data.method(method), f"{name}: {PANELS[split].lower()}"
                points.append(estimate_point(panel, title, title, estimate, tuple(chain.from_iterable(runs))))
    gaps = (method for group in (easy, hard) for method in COMPONENTS if not set(group) <= set(cells[method]))
    lacking = list(dict.fromkeys(gaps))
    if not easy:
        missing.append("Two groups need at least six datasets with a measured difficulty.")
    if lacking:
        missing.append(f"Not run on all of these datasets: {', '.join(map(data.method, lacking))}.")
    groups = f"easy: {', '.join(map(data.title, easy))} and hard: {', '.join(map(data.title, hard))}"
    return PaperFigure(
        name="apex-fig6-components",
        title="Prompts and adapters on easy and on hard datasets",
        source="APEX, Figure 6",
        caption=f"Means over the datasets of each group ({groups})." if easy else "",
        kind="bar",
        points=tuple(points),
        order=tuple(map(data.method, COMPONENTS)),
        missing=tuple(missing),
        commands=(data.command(lacking, [*easy, *hard]),) if lacking else (),
        own_y=True,
    )


def adapter_ranks(data: FigureData) -> PaperFigure:
    """APEX with low-rank linear and with bottleneck adapters, over their inner width."""
    return _ranks(
        data,
        [
            estimate_point(panel, series, rank, entry.averages["h_of_means" if split == "H" else split], entry.run_ids)
            for split, panel in PANELS.items()
            for entry, series, rank in _swept(data)
            if entry.complete
        ],
        name="apex-fig10-adapter-ranks",
        title="Inner width of the text adapter",
        source="APEX, Figure 10",
        caption="Means over the datasets of the board. The horizontal line is the full-rank linear adapter.",
    )


def adapter_ranks_by_dataset(data: FigureData) -> PaperFigure:
    """The same on each dataset: the harmonic mean of base and new accuracy."""
    return _ranks(
        data,
        [
            estimate_point(data.title(name), series, rank, entry.cells[name].scores["H"], entry.cells[name].run_ids)
            for name in data.datasets
            for entry, series, rank in _swept(data)
            if name in entry.cells and "H" in entry.cells[name].scores
        ],
        name="apex-fig11-adapter-ranks-by-dataset",
        title="Inner width of the text adapter on each dataset",
        source="APEX, Figure 11",
        caption="Harmonic mean of base and new accuracy. The horizontal line is the full-rank linear adapter.",
    )


def _swept(data: FigureData) -> list[tuple[Entry, str, int]]:
    """APEX's entries with an inner width, as (entry, series, width); the full-rank adapter at every width."""
    entries = [entry for entry in data.main.entries if entry.method == "apex" and entry.cells] if data.main else []
    swept = [(entry, *_adapter(entry)) for entry in entries if _adapter(entry)[0] in ADAPTERS]
    widths = sorted({rank for _, _, rank in swept})
    ordered = sorted(swept, key=lambda item: (item[1], item[2]))
    found = [(entry, ADAPTERS[kind], rank) for entry, kind, rank in ordered]
    return [*found, *((entry, FULL, width) for entry in entries if _is_full_rank(entry) for width in widths)]


def _ranks(data: FigureData, points: list[FigurePoint], **fields: Any) -> PaperFigure:
    """A figure over widths, with the widths that were not run."""
    have = {(series, rank) for _, series, rank in _swept(data)}
    lacking = {kind: [rank for rank in RANKS if (series, rank) not in have] for kind, series in ADAPTERS.items()}
    return PaperFigure(
        kind="line",
        x_title="Rank or bottleneck width",
        points=tuple(points),
        x_log=True,
        missing=tuple(
            f"{ADAPTERS[kind]}: width {', '.join(map(str, some))}." for kind, some in lacking.items() if some
        ),
        commands=tuple(
            data.command(
                ["apex"], data.datasets, options=f"--set apex.adapter={kind} --set apex.rank={','.join(map(str, some))}"
            )
            for kind, some in lacking.items()
            if some
        ),
        own_y=True,
        **fields,
    )


def _adapter(entry: Entry) -> tuple[str, int]:
    return str(entry.config.get("adapter", "linear")), int(entry.config.get("rank", 0))


def _is_full_rank(entry: Entry) -> bool:
    """Whether the adapter is the paper's, with the default ensemble."""
    config = entry.config
    is_default = config.get("ensemble") == "both" and config.get("ensemble_weight") == "adaptive"
    return _adapter(entry)[0] == "linear" and is_default
