"""Figures of papers, plotted from the runs in the database."""

from collections.abc import Callable, Mapping, Sequence

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
from bench.papers.figures.image_features import plain_features, prompted_features
from bench.papers.figures.printed_values import with_printed
from bench.papers.figures.prompts_and_adapters import (
    accuracy_over_epochs,
    accuracy_over_shots,
    adapter_ranks,
    adapter_ranks_by_dataset,
    component_groups,
    few_shot_accuracy,
    gap_versus_shots,
)
from bench.papers.figures.separability import separability_with_difficulty

__all__ = [
    "FEW_SHOT_FIGURES",
    "FIGURES",
    "FigureData",
    "LoadPredictions",
    "drawn_figures",
    "gather_figure_data",
]

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


def drawn_figures(data: FigureData, names: Sequence[str], *, printed: bool = True) -> tuple[PaperFigure, ...]:
    """Some figures, with `printed` those on the paper's backbone with its printed values over ours."""
    runs = EnsembleRuns(data)
    known = {**FIGURES, **FEW_SHOT_FIGURES}
    figures = (known[name](data, runs) for name in names)
    return tuple(with_printed(figure, data) if printed else figure for figure in figures)
