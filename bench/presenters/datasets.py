"""Facts about a dataset and its difficulty, as a view."""

from __future__ import annotations

from bench.presenters.catalogue import DatasetFacts
from bench.presenters.difficulty import MEASURES, Measured
from bench.presenters.values import view_of
from reports.views import DatasetView, ExampleView, MeasureView


def dataset_view(name: str, measured: Measured, facts: DatasetFacts, examples: tuple[ExampleView, ...]) -> DatasetView:
    """A dataset of a board; measures without a title come last, under their own name."""
    present = {measure for measure, _ in measured.values}
    measures = tuple(
        MeasureView(
            measure,
            MEASURES.get(measure, measure),
            {split: value for (other, split), value in measured.values.items() if other == measure},
        )
        for measure in [*(known for known in MEASURES if known in present), *sorted(present - set(MEASURES))]
    )
    n_classes = dict(measured.n_classes)
    return view_of(DatasetView, facts, name=name, n_classes=n_classes, measures=measures, examples=examples)
