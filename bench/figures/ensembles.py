"""How pretrained and adapted models are mixed: APEX's Figure 8 and Tables 1, 5, 7, 12 and 13.

Nothing is trained for these: runs of APEX that kept both sides of their ensemble give any other weight exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bench.figures.figure_data import FigureData, estimate_point, over_seeds
from bench.record import Branches, Predictions
from bench.results.ensemble_reweighting import (
    BETAS,
    FIXED,
    SIDES,
    Floats,
    adaptive_weight,
    blended_accuracy,
    fixed_weight,
)
from bench.statistics import Estimate, student_t
from reports.views import FigurePoint, FigureView

AVERAGE = "Average"
NEW = "new"
Weight = Callable[[Branches], Floats]


@dataclass(frozen=True)
class Blends:
    """APEX's runs that kept both sides, by dataset, and whatever accuracy another weight gives them."""

    material: FigureData

    @cached_property
    def kept(self) -> Mapping[str, tuple[tuple[str, Predictions], ...]]:
        """New-class predictions of each seed by dataset, with their run ids."""
        board = self.material.main
        entry = self.material.entry(board, "apex") if board else None
        found: dict[str, tuple[tuple[str, Predictions], ...]] = {}
        for dataset in self.material.datasets if entry else ():
            assert entry is not None
            runs = entry.cells[dataset].run_ids if dataset in entry.cells else ()
            some = [(run, item) for run in runs for item in self.material.kept(run) if item.split == NEW]
            with_branches = tuple((run, item) for run, item in some if item.branches is not None)
            if with_branches:
                found[dataset] = with_branches
        return found

    def accuracies(self, dataset: str, weight: Weight, sides: str = "both") -> list[float]:
        """One for each seed."""
        found = []
        for _, item in self.kept[dataset]:
            assert item.branches is not None
            found.append(blended_accuracy(item, weight(item.branches), sides=sides))
        return found

    def run_ids(self, datasets: Sequence[str]) -> tuple[str, ...]:
        """The runs of those datasets."""
        return tuple(run for dataset in datasets for run, _ in self.kept[dataset])

    @cached_property
    def fixed(self) -> Mapping[str, Mapping[float, list[float]]]:
        """Accuracies of each seed by dataset and fixed weight."""
        return {d: {w: self.accuracies(d, _fixed(w)) for w in FIXED} for d in self.kept}

    @property
    def missing(self) -> tuple[str, ...]:
        """What the figures lack."""
        lacking = [dataset for dataset in self.material.datasets if dataset not in self.kept]
        if not lacking:
            return ()
        return (f"APEX with both sides kept on {', '.join(map(self.material.title, lacking))}.",)

    @property
    def commands(self) -> tuple[str, ...]:
        """What makes them."""
        lacking = [dataset for dataset in self.material.datasets if dataset not in self.kept]
        return (self.material.command(["apex"], lacking, options="--keep-branches --rerun all"),) if lacking else ()

    def view(
        self,
        name: str,
        title: str,
        source: str,
        caption: str,
        *,
        kind: str,
        points: Sequence[FigurePoint],
        x_title: str = "",
        y_title: str = "Accuracy on new classes, %",
        order: tuple[str, ...] = (),
        own_y: bool = False,
    ) -> FigureView:
        """A figure of new classes with what it lacks."""
        return FigureView(
            name=name,
            title=title,
            source=source,
            caption=caption,
            kind=kind,
            x_title=x_title,
            y_title=y_title,
            points=tuple(points),
            order=order,
            missing=self.missing,
            commands=self.commands,
            own_y=own_y,
        )


def _fixed(weight: float) -> Weight:
    return lambda branches: fixed_weight(branches, weight)


def distance_versus_best_weight(blends: Blends) -> FigureView:
    """The fixed weight that does best on each dataset against how far its new classes are from the trained ones."""
    points = []
    for dataset, some in blends.kept.items():
        means = {weight: float(np.mean(values)) for weight, values in blends.fixed[dataset].items()}
        best = max(means, key=lambda weight: (means[weight], -weight))
        branches = [item.branches for _, item in some if item.branches is not None]
        distance = float(np.mean([item.mean_distance.mean() for item in branches]))
        title = blends.material.title(dataset)
        points.append(
            FigurePoint("New classes", title, distance, best, None, None, len(some), blends.run_ids([dataset]))
        )
    return blends.view(
        "apex-fig8-distance-versus-weight",
        "Class distance and the best fixed ensemble weight",
        "APEX, Figure 8",
        "The weight is chosen with test labels, as in the paper: it shows what could be had, and is no method. "
        "Weight 1 is all adapted; of equally good weights the smallest.",
        kind="point",
        x_title="Mean text distance of new classes to the trained ones",
        points=points,
        y_title="Best fixed weight",
    )


def fixed_and_adaptive(blends: Blends) -> FigureView:
    """Table 1: some fixed weights and the adaptive one on each dataset."""
    shown: dict[str, Weight] = {f"fixed {w:g}": _fixed(w) for w in (0.0, 0.3, 0.5, 1.0)} | {"adaptive": adaptive_weight}
    return blends.view(
        "apex-table1-fixed-and-adaptive",
        "Fixed weights and the adaptive one",
        "APEX, Table 1",
        "No fixed weight suits easy and hard datasets alike; the adaptive one needs no choice. The paper's table shows "
        "the weight that is best for a dataset beside 0.4.",
        kind="bar",
        points=_by_dataset(blends, {name: (weight, "both") for name, weight in shown.items()}),
        order=tuple(shown),
        own_y=True,
    )


def sides_by_group(blends: Blends) -> FigureView:
    """Table 5: which side is blended, on the easy and on the hard datasets."""
    points = []
    for name, group in zip(("Easy", "Hard"), blends.material.groups, strict=True):
        held = [dataset for dataset in group if dataset in blends.kept]
        if held and len(held) == len(group):
            for side in SIDES:
                estimate = over_seeds([blends.accuracies(d, adaptive_weight, side) for d in held])
                points.append(estimate_point(name, side, side, estimate, blends.run_ids(held)))
    return blends.view(
        "apex-table5-sides-by-group",
        "Which side is blended, on easy and on hard datasets",
        "APEX, Table 5",
        "The adaptive weight on the text side, on the image side, on both or on none.",
        kind="bar",
        points=points,
        order=SIDES,
        own_y=True,
    )


def sides_by_dataset(blends: Blends) -> FigureView:
    """Table 7: the same on each dataset."""
    return blends.view(
        "apex-table7-sides-by-dataset",
        "Which side is blended, on each dataset",
        "APEX, Table 7",
        "The adaptive weight on the text side, on the image side, on both or on none.",
        kind="bar",
        points=_by_dataset(blends, {side: (adaptive_weight, side) for side in SIDES}),
        order=SIDES,
        own_y=True,
    )


def sharpness(blends: Blends) -> FigureView:
    """Table 12: how sharply the weight falls with the distance."""
    points = []
    for beta in BETAS if blends.kept else ():
        estimate = over_seeds([blends.accuracies(d, _adaptive(beta)) for d in blends.kept])
        points.append(estimate_point(AVERAGE, "adaptive", beta, estimate, blends.run_ids(list(blends.kept))))
    return blends.view(
        "apex-table12-beta",
        "Sharpness of the adaptive weight",
        "APEX, Table 12",
        f"Mean over {len(blends.kept)} datasets. The paper takes 4, chosen on the accuracy of new classes.",
        kind="line",
        x_title="β",
        points=points,
    )


def fixed_weights(blends: Blends) -> FigureView:
    """Table 13: every fixed weight on every dataset, and on average."""
    points = []
    for dataset, by_weight in blends.fixed.items():
        for weight, values in by_weight.items():
            title = blends.material.title(dataset)
            points.append(estimate_point(title, "fixed", weight, student_t(values), blends.run_ids([dataset])))
        own = student_t(blends.accuracies(dataset, adaptive_weight))
        points += _level(blends.material.title(dataset), own, blends.run_ids([dataset]))
    if blends.kept:
        everyone = blends.run_ids(list(blends.kept))
        for weight in FIXED:
            mean = over_seeds([by_weight[weight] for by_weight in blends.fixed.values()])
            points.append(estimate_point(AVERAGE, "fixed", weight, mean, everyone))
        own = over_seeds([blends.accuracies(d, adaptive_weight) for d in blends.kept])
        points += _level(AVERAGE, own, everyone)
    return blends.view(
        "apex-table13-fixed-weights",
        "Every fixed weight",
        "APEX, Table 13",
        "Weight 1 is no ensemble; weight 0 keeps the learned text prompt and is not zero-shot. The level line is the "
        "adaptive weight.",
        kind="line",
        x_title="Fixed weight",
        points=points,
        own_y=True,
    )


def _level(panel: str, estimate: Estimate, run_ids: tuple[str, ...]) -> list[FigurePoint]:
    """A level line from end to end."""
    return [estimate_point(panel, "adaptive", weight, estimate, run_ids) for weight in (FIXED[0], FIXED[-1])]


def _adaptive(beta: float) -> Weight:
    return lambda branches: adaptive_weight(branches, beta=beta)


def _by_dataset(blends: Blends, ways: Mapping[str, tuple[Weight, str]]) -> tuple[FigurePoint, ...]:
    """Each way on each dataset, and on average."""
    points = []
    table = {d: {name: blends.accuracies(d, *way) for name, way in ways.items()} for d in blends.kept}
    for dataset, by_name in table.items():
        for name, values in by_name.items():
            title = blends.material.title(dataset)
            points.append(estimate_point(title, name, name, student_t(values), blends.run_ids([dataset])))
    for name in ways if table else ():
        mean = over_seeds([by_name[name] for by_name in table.values()])
        points.append(estimate_point(AVERAGE, name, name, mean, blends.run_ids(list(table))))
    return tuple(points)
