"""Difficulty of datasets before any training: APEX's Figure 5 (Tables 16 and 17)."""

from bench.analysis import dataset_difficulty
from bench.extensions.paper_figures.figure import FigurePoint, PaperFigure
from bench.extensions.paper_figures.figure_data import FigureData

SEPARABILITY = {
    "separability_pairwise": "Class separability, pairwise",
    "separability_prototype": "Class separability, prototypes",
}


def separability_with_difficulty(data: FigureData) -> PaperFigure:
    """Separability of the image features of each dataset, by rising transfer difficulty."""
    panels = {**SEPARABILITY, dataset_difficulty.RTD: "Relative transfer difficulty"}
    points = [
        FigurePoint(title, title, data.title(dataset), data.measures[dataset, "all", measure], None, None, 1)
        for measure, title in panels.items()
        for dataset in data.datasets
        if (dataset, "all", measure) in data.measures
    ]
    unknown = [dataset for dataset in data.datasets if data.rtd(dataset) is None]
    return PaperFigure(
        name="apex-fig5-separability",
        title="Class separability of the datasets, from easy to hard",
        source="APEX, Figure 5, Tables 16 and 17",
        caption="Cosine within classes divided by cosine between classes of the frozen image features, over all "
        "classes. The paper gives no formula, so both readings are shown: all pairs of images, and images with class "
        "means.",
        kind="bar",
        y_title="Value",
        points=tuple(points),
        order=tuple(data.title(dataset) for dataset in data.datasets),
        missing=(f"Not measured: {', '.join(map(data.title, unknown))}.",) if unknown else (),
        commands=(data.command(["zero_shot"], unknown),) if unknown else (),
        own_y=True,
    )
