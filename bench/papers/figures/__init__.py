"""Figures of papers, plotted from the runs in the database."""

from collections.abc import Callable, Mapping

from bench.papers.figures.ensembles import (
    EnsembleRuns,
    distance_versus_best_weight,
    fixed_and_adaptive,
    fixed_weights,
    sharpness,
    sides_by_dataset,
    sides_by_group,
)
from bench.papers.figures.figure import PaperFigure
from bench.papers.figures.figure_data import FigureData, LoadPredictions, gather_figure_data
from bench.papers.figures.prompts_and_adapters import (
    accuracy_over_epochs,
    accuracy_over_shots,
    adapter_ranks,
    component_groups,
    gap_versus_shots,
)
from bench.papers.figures.separability import separability_with_difficulty

__all__ = ["FIGURE_SETS", "FigureData", "LoadPredictions", "apex_figures", "gather_figure_data"]


def apex_figures(data: FigureData) -> tuple[PaperFigure, ...]:
    """The figures and ensemble tables of the APEX paper (EMNLP 2024)."""
    runs = EnsembleRuns(data)
    return (
        gap_versus_shots(data),
        accuracy_over_shots(data),
        accuracy_over_epochs(data),
        separability_with_difficulty(data),
        component_groups(data),
        distance_versus_best_weight(runs),
        adapter_ranks(data),
        fixed_and_adaptive(runs),
        sides_by_group(runs),
        sides_by_dataset(runs),
        sharpness(runs),
        fixed_weights(runs),
    )


FIGURE_SETS: Mapping[str, Callable[[FigureData], tuple[PaperFigure, ...]]] = {"apex": apex_figures}
"""Sets of figures by the name that `etl-bench report --figures` takes."""
