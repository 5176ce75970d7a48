"""Ensembles of pretrained and adapted towers: APEX's Figure 8 and Tables 1, 5, 7, 12 and 13.

Nothing is trained: stored features of both branches of APEX's ensemble give the exact accuracy of any other weight.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.analysis import FEWEST_FOR_THIRDS
from bench.extensions.paper_figures.figure import FigurePoint, PaperFigure
from bench.extensions.paper_figures.figure_data import STORE_BRANCHES, FigureData, estimate_point, over_seeds
from bench.record import Branches, Predictions
from bench.results import BETAS, FIXED, SIDES, adaptive_weight, best_fixed_weight, blended_accuracy, fixed_weight

AVERAGE = "Average"
NEW = "new"
Weight = Callable[[Branches], NDArray[np.float64]]


@dataclass(frozen=True)
class EnsembleRuns:
    """APEX's runs with the stored features of both branches, and their accuracy with other ensemble weights."""

    data: FigureData

    @cached_property
    def predictions(self) -> Mapping[str, tuple[tuple[str, Predictions], ...]]:
        """Run id and new-class predictions of each seed, by dataset."""
        found: dict[str, tuple[tuple[str, Predictions], ...]] = {}
        for dataset in self.data.datasets:
            cell = self.data.cell(self.data.main, "apex", dataset)
            runs = cell.run_ids if cell else ()
            some = [(run, item) for run in runs for item in self.data.load_predictions(run) if item.split == NEW]
            if with_branches := tuple((run, item) for run, item in some if item.branches is not None):
                found[dataset] = with_branches
        return found

    @cached_property
    def _known(self) -> dict[tuple[str, Weight, str], list[float]]:
        return {}

    def accuracies(self, dataset: str, weight: Weight, sides: str = "both") -> list[float]:
        """Accuracy of each seed."""
        key = dataset, weight, sides
        if key not in self._known:
            runs = [(item, item.branches) for _, item in self.predictions[dataset]]
            self._known[key] = [blended_accuracy(item, weight(both), sides=sides) for item, both in runs if both]
        return self._known[key]

    def run_ids(self, datasets: Iterable[str]) -> tuple[str, ...]:
        """The runs on some datasets."""
        return tuple(run for dataset in datasets for run, _ in self.predictions[dataset])

    def point(
        self, panel: str, datasets: Sequence[str], series: str, x: float | str, weight: Weight, sides: str = "both"
    ) -> FigurePoint:
        """Mean accuracy over some datasets."""
        estimate = over_seeds([self.accuracies(dataset, weight, sides) for dataset in datasets])
        return estimate_point(panel, series, x, estimate, self.run_ids(datasets))

    @property
    def panels(self) -> list[tuple[str, list[str]]]:
        """Title and datasets of a panel for each dataset, and of one for their average."""
        panels = [(self.data.title(dataset), [dataset]) for dataset in self.predictions]
        return [*panels, (AVERAGE, list(self.predictions))] if panels else []

    def view(
        self, name: str, title: str, source: str, caption: str, *, points: Sequence[FigurePoint], **fields: Any
    ) -> PaperFigure:
        """A figure of new classes, with its missing runs; `fields` are other fields of `PaperFigure`."""
        lacking = [dataset for dataset in self.data.datasets if dataset not in self.predictions]
        titles = ", ".join(map(self.data.title, lacking))
        return PaperFigure(
            name=name,
            title=title,
            source=source,
            caption=caption,
            points=tuple(points),
            missing=(f"APEX with stored branches on {titles}.",) if lacking else (),
            commands=(self.data.command(["apex"], lacking, options=STORE_BRANCHES),) if lacking else (),
            **({"y_title": "Accuracy on new classes, %"} | fields),
        )


@cache
def _fixed(weight: float) -> Weight:
    return lambda branches: fixed_weight(branches, weight)


def distance_versus_best_weight(runs: EnsembleRuns) -> PaperFigure:
    """The best fixed weight on each dataset against the distance of its new classes from the training classes."""
    points = []
    for dataset, some in runs.predictions.items():
        best = best_fixed_weight([item for _, item in some])
        branches = [item.branches for _, item in some if item.branches is not None]
        distance = float(np.mean([item.mean_distance.mean() for item in branches]))
        title = runs.data.title(dataset)
        points.append(FigurePoint("New classes", title, distance, best, None, None, len(some), runs.run_ids([dataset])))
    return runs.view(
        "apex-fig8-distance-versus-weight",
        "Class distance and the best fixed ensemble weight",
        "APEX, Figure 8",
        "The weight is chosen with test labels, as in the paper, so it is an upper bound and not a method. Weight 1 is "
        "the adapted model alone; ties go to the smallest weight.",
        kind="point",
        x_title="Mean text distance of new classes to the training classes",
        points=points,
        y_title="Best fixed weight",
        labelled=True,
    )


def fixed_and_adaptive(runs: EnsembleRuns) -> PaperFigure:
    """Table 1: some fixed weights and the adaptive weight on each dataset."""
    shown: dict[str, Weight] = {f"fixed {w:g}": _fixed(w) for w in (0.0, 0.3, 0.5, 1.0)} | {"adaptive": adaptive_weight}
    return runs.view(
        "apex-table1-fixed-and-adaptive",
        "Fixed weights and the adaptive weight",
        "APEX, Table 1",
        "The paper concludes that no fixed weight suits both easy and hard datasets. Its table shows the best weight "
        "of each dataset next to 0.4.",
        kind="bar",
        points=[
            runs.point(panel, datasets, name, name, weight)
            for panel, datasets in runs.panels
            for name, weight in shown.items()
        ],
        order=tuple(shown),
        own_y=True,
    )


def sides_by_group(runs: EnsembleRuns) -> PaperFigure:
    """Table 5: the side that is blended, on the easy and on the hard datasets."""
    groups = zip(("Easy", "Hard"), runs.data.groups, strict=True)
    complete = [(name, group) for name, group in groups if group and set(group) <= set(runs.predictions)]
    found = _sides(runs, "apex-table5-sides-by-group", "on easy and on hard datasets", "APEX, Table 5", complete)
    if all(runs.data.groups):
        return found
    lacking = f"Easy and hard datasets need {FEWEST_FOR_THIRDS} datasets with a measured difficulty."
    return replace(found, missing=(*found.missing, lacking))


def sides_by_dataset(runs: EnsembleRuns) -> PaperFigure:
    """Table 7: the blended side on each dataset."""
    return _sides(runs, "apex-table7-sides-by-dataset", "on each dataset", "APEX, Table 7", runs.panels)


def _sides(
    runs: EnsembleRuns, name: str, where: str, source: str, panels: Iterable[tuple[str, Sequence[str]]]
) -> PaperFigure:
    points = [runs.point(panel, names, side, side, adaptive_weight, side) for panel, names in panels for side in SIDES]
    return runs.view(
        name,
        f"Which side is blended, {where}",
        source,
        "The adaptive weight on the text side, the image side, both or neither.",
        kind="bar",
        points=points,
        order=SIDES,
        own_y=True,
    )


def sharpness(runs: EnsembleRuns) -> PaperFigure:
    """Table 12: how sharply the weight decreases with distance."""
    datasets = list(runs.predictions)
    return runs.view(
        "apex-table12-beta",
        "Sharpness of the adaptive weight",
        "APEX, Table 12",
        f"Mean over {len(datasets)} datasets. The paper uses 4, chosen by accuracy on new classes.",
        kind="line",
        x_title="β",
        points=[
            runs.point(AVERAGE, datasets, "adaptive", beta, partial(adaptive_weight, beta=beta))
            for beta in (BETAS if datasets else ())
        ],
    )


def fixed_weights(runs: EnsembleRuns) -> PaperFigure:
    """Table 13: every fixed weight on every dataset, and on average."""
    points = []
    for panel, datasets in runs.panels:
        points += [runs.point(panel, datasets, "fixed", weight, _fixed(weight)) for weight in FIXED]
        points += [runs.point(panel, datasets, "adaptive", x, adaptive_weight) for x in (FIXED[0], FIXED[-1])]
    return runs.view(
        "apex-table13-fixed-weights",
        "Every fixed weight",
        "APEX, Table 13",
        "Weight 1 is the adapted model alone; weight 0 keeps the learned text prompt and is not zero-shot. The "
        "horizontal line is the adaptive weight.",
        kind="line",
        x_title="Fixed weight",
        points=points,
        own_y=True,
    )
