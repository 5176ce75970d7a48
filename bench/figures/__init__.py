"""Figures of papers as named views, redrawn from whatever runs are in the database."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bench.figures.adapter_ranks import adapter_ranks
from bench.figures.ensembles import (
    Blends,
    distance_versus_best_weight,
    fixed_and_adaptive,
    fixed_weights,
    sharpness,
    sides_by_dataset,
    sides_by_group,
)
from bench.figures.epoch_curves import accuracy_over_epochs
from bench.figures.figure_data import FigureData, LoadPredictions, gather
from bench.figures.prompts_and_adapters import accuracy_over_shots, component_groups, gap_versus_shots
from bench.figures.separability import separability_with_difficulty
from reports.views import FigureView

__all__ = ["FIGURE_SETS", "FigureData", "LoadPredictions", "apex_figures", "gather"]


def apex_figures(material: FigureData) -> tuple[FigureView, ...]:
    """The figures and ensemble tables of the APEX paper (EMNLP 2024)."""
    blends = Blends(material)
    return (
        gap_versus_shots(material),
        accuracy_over_shots(material),
        accuracy_over_epochs(material),
        separability_with_difficulty(material),
        component_groups(material),
        distance_versus_best_weight(blends),
        adapter_ranks(material),
        fixed_and_adaptive(blends),
        sides_by_group(blends),
        sides_by_dataset(blends),
        sharpness(blends),
        fixed_weights(blends),
    )


FIGURE_SETS: Mapping[str, Callable[[FigureData], tuple[FigureView, ...]]] = {"apex": apex_figures}
"""Sets of figures by the name that `etl-bench report --figures` takes."""
