"""What a dataset is, and how hard it is."""

from __future__ import annotations

from bench.presenters.catalogue import DatasetFacts
from bench.presenters.difficulty import MEASURES, Measured
from reports.views import DatasetView, ExampleView, MeasureView


def dataset_view(name: str, measured: Measured, facts: DatasetFacts, examples: tuple[ExampleView, ...]) -> DatasetView:
    """A dataset of a board; measures that are not in the catalogue of them come last, under their own name."""
    present = {measure for measure, _ in measured.values}
    order = [measure for measure in MEASURES if measure in present] + sorted(present - set(MEASURES))
    measures = tuple(
        MeasureView(
            measure,
            MEASURES.get(measure, measure),
            {split: value for (other, split), value in measured.values.items() if other == measure},
        )
        for measure in order
    )
    return DatasetView(
        name,
        facts.title,
        facts.summary,
        facts.domain,
        facts.licence,
        facts.homepage,
        dict(measured.n_classes),
        measures,
        examples,
    )
