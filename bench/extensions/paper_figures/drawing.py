"""Figures of papers, plotted from the runs in the database."""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from bench.errors import BenchError
from bench.extensions.paper_figures.chart import figure_specification
from bench.extensions.paper_figures.ensembles import (
    EnsembleRuns,
    distance_versus_best_weight,
    fixed_and_adaptive,
    fixed_weights,
    sharpness,
    sides_by_dataset,
    sides_by_group,
)
from bench.extensions.paper_figures.figure import PaperFigure
from bench.extensions.paper_figures.figure_data import FigureData, gather_figure_data
from bench.extensions.paper_figures.image_features import plain_features, prompted_features
from bench.extensions.paper_figures.printed_values import with_printed
from bench.extensions.paper_figures.prompts_and_adapters import (
    accuracy_over_epochs,
    accuracy_over_shots,
    adapter_ranks,
    adapter_ranks_by_dataset,
    component_groups,
    few_shot_accuracy,
    gap_versus_shots,
)
from bench.extensions.paper_figures.separability import separability_with_difficulty
from bench.papers import registered
from bench.record import Predictions
from bench.results import Shards, fresh_store, write_listed
from reports import CHART_FORMATS, chart_file

FIGURES: Mapping[str, Callable[[FigureData, EnsembleRuns], PaperFigure]] = {
    "apex-fig2-gap-versus-shots": lambda data, _: gap_versus_shots(data),
    "apex-fig3-learning-curves": lambda data, _: accuracy_over_shots(data),
    "apex-fig3-epochs": lambda data, _: accuracy_over_epochs(data),
    "apex-fig4-image-features": lambda data, _: plain_features(data),
    "apex-fig5-separability": lambda data, _: separability_with_difficulty(data),
    "apex-fig6-components": lambda data, _: component_groups(data),
    "apex-fig7-prompted-features": lambda data, _: prompted_features(data),
    "apex-fig8-distance-versus-weight": lambda _, runs: distance_versus_best_weight(runs),
    "apex-fig10-adapter-ranks": lambda data, _: adapter_ranks(data),
    "apex-fig11-adapter-ranks-by-dataset": lambda data, _: adapter_ranks_by_dataset(data),
    "apex-table1-fixed-and-adaptive": lambda _, runs: fixed_and_adaptive(runs),
    "apex-table5-sides-by-group": lambda _, runs: sides_by_group(runs),
    "apex-table7-sides-by-dataset": lambda _, runs: sides_by_dataset(runs),
    "apex-table12-beta": lambda _, runs: sharpness(runs),
    "apex-table13-fixed-weights": lambda _, runs: fixed_weights(runs),
}
"""The figures and ensemble tables of the APEX paper (EMNLP 2024), by name."""
FEW_SHOT_FIGURES: Mapping[str, Callable[[FigureData, EnsembleRuns], PaperFigure]] = {
    "few-shot-accuracy-over-shots": lambda data, _: few_shot_accuracy(data),
}
"""Figures of few-shot runs, by name; their data are those of that protocol."""
NAMES = (*FIGURES, *FEW_SHOT_FIGURES)


def drawn_figures(data: FigureData, names: Sequence[str], *, printed: bool = True) -> tuple[PaperFigure, ...]:
    """Some figures, with `printed` those on the paper's backbone with its printed values over ours."""
    runs = EnsembleRuns(data)
    known = {**FIGURES, **FEW_SHOT_FIGURES}
    figures = (known[name](data, runs) for name in names)
    return tuple(with_printed(figure, data) if printed else figure for figure in figures)


def draw(folder: Path, names: Sequence[str], run_ids: Collection[str], *, printed: bool) -> tuple[PaperFigure, ...]:
    """Some figures by name, from these runs of a folder; see `bench.extension.FigureDrawer`."""
    store, shards = fresh_store(folder), Shards(folder)

    def stored(run_id: str) -> tuple[Predictions, ...]:
        shard = shards.read(run_id)
        return shard.predictions if shard else ()

    runs = store.runs_frame()
    runs = runs[runs["run_id"].isin(list(run_ids))].reset_index(drop=True)
    found: list[PaperFigure] = []
    for protocol, known in (("base-to-new", FIGURES), ("few-shot", FEW_SHOT_FIGURES)):
        if chosen := [name for name in names if name in known]:
            frames = runs, store.difficulty_frame(), registered(), stored, None
            found += drawn_figures(gather_figure_data(*frames, protocol), chosen, printed=printed)
    return tuple(found)


def write(figures: Mapping[str, PaperFigure], folder: Path, *, force: bool = False) -> list[Path]:
    """Write every figure that has data as SVG, Vega-Lite, PDF and PNG files of its name; returns their paths.

    Raises:
        BenchError: if a figure cannot be converted to PDF or PNG; its SVG file is written.
        UsageError: if a file that etl-bench did not write is in the way, unless `force`.
    """
    files: dict[str, bytes] = {}
    for name, figure in figures.items():
        if not figure.points:
            continue
        specification = figure_specification(figure)
        for kind in CHART_FORMATS:
            try:
                files[f"{name}.{kind}"] = chart_file(specification, kind)
            except RuntimeError as error:
                write_listed(folder, files, force=force)
                raise BenchError(
                    f"Figure {name} is written as SVG, but not as {kind.upper()}: {error}. "
                    "Convert the SVG file with another program, such as Inkscape."
                ) from error
    return write_listed(folder, files, force=force)
