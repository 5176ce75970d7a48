"""The values that the APEX paper prints for its figures, drawn over ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache

from bench.extensions.paper_figures.figure import FigurePoint, PaperFigure
from bench.extensions.paper_figures.figure_data import PANELS, FigureData
from bench.extensions.paper_figures.prompts_and_adapters import FULL, PROMPTS
from bench.papers import published_frame
from bench.results import BETAS, FIXED

BACKBONE = "ViT-B-16.openai"
_PAPER = "APEX (EMNLP 2024, 2311.15569)"
_MORE, _SIDES, _FIXED = "Table 10", "Table 7", "Table 13"


def with_printed(figure: PaperFigure, data: FigureData) -> PaperFigure:
    """The figure with the printed values at the places that it shows; unchanged on another backbone."""
    values = _VALUES.get(figure.name)
    if values is None or data.backbone != BACKBONE or not figure.points:
        return figure
    places = {(point.panel, point.series) for point in figure.points}
    shown = {point.x for point in figure.points}
    found = [point for point in values(figure, data) if (point.panel, point.series) in places and point.x in shown]
    if not found:
        return figure
    return replace(figure, printed=tuple(found), caption=f"{figure.caption} Open marks are printed in the paper.")


@cache
def printed_accuracies() -> Mapping[tuple[str, str, str, str], float]:
    """The paper's accuracies in per cent, by table, label, dataset and split."""
    frame = published_frame()
    mine = frame[(frame["reported_in"] == _PAPER) & (frame["metric"] == "accuracy")]
    return {
        (
            str(row["source_table"]),
            f"{row['method']} {row['variant']}".strip(),
            str(row["dataset"]),
            str(row["split"]),
        ): (100 * float(row["value"]))
        for row in mine.to_dict("records")
    }


def _value(table: str, method: str, dataset: str, split: str) -> float | None:
    return printed_accuracies().get((table, method, dataset, split))


def _point(panel: str, series: str, x: float | str, y: float | None) -> Iterator[FigurePoint]:
    if y is not None:
        yield FigurePoint(panel, series, x, y, None, None, 1)


def _gaps(_: PaperFigure, data: FigureData) -> Iterator[FigurePoint]:
    for dataset in data.datasets:
        for method in PROMPTS:
            base, new = (_value(_MORE, method, dataset, split) for split in ("base", "new"))
            if base is not None and new is not None:
                yield from _point(data.title(dataset), data.method(method), 16, base - new)


def _last_epoch(figure: PaperFigure, data: FigureData) -> Iterator[FigurePoint]:
    for dataset in data.datasets:
        for method in PROMPTS:
            for split in ("base", "new"):
                panel, series = data.title(dataset), f"{data.method(method)}, {split}"
                if places := [x for x in figure.at(panel, series) if not isinstance(x, str)]:
                    yield from _point(panel, series, max(places), _value(_MORE, method, dataset, split))


def _separability(_: PaperFigure, data: FigureData) -> Iterator[FigurePoint]:
    panels = {
        "intra_over_inter_ratio": "Class separability, pairwise",
        "relative_transfer_difficulty_as_printed": "Relative transfer difficulty",
    }
    frame = published_frame()
    mine = frame[(frame["reported_in"] == _PAPER) & frame["metric"].isin(list(panels))]
    for metric, dataset, value in mine[["metric", "dataset", "value"]].itertuples(index=False, name=None):
        title = panels[str(metric)]
        yield from _point(title, title, data.title(str(dataset)), float(value))


def _groups(_: PaperFigure, data: FigureData) -> Iterator[FigurePoint]:
    tables = {"zero_shot": _MORE, "deep_text_prompts": _MORE, "vpt": _MORE, "vpt_text_adapter": _SIDES}
    for name, group in zip(("Easy", "Hard"), data.groups, strict=True):
        for method, table in tables.items():
            for split in ("base", "new"):
                values = [_value(table, method, dataset, split) for dataset in group]
                known = [value for value in values if value is not None]
                if known and len(known) == len(group):
                    title, panel = data.method(method), f"{name}: {PANELS[split].lower()}"
                    yield from _point(panel, title, title, sum(known) / len(known))


def _fixed_text(weight: float) -> str:
    return f"apex fixed-ensemble alpha={weight:.1f}"


def _best_weights(figure: PaperFigure, data: FigureData) -> Iterator[FigurePoint]:
    for dataset in data.datasets:
        values = {weight: _value(_FIXED, _fixed_text(weight), dataset, "new") for weight in FIXED}
        known = {weight: value for weight, value in values.items() if value is not None}
        for point in figure.points:
            if known and point.series == data.title(dataset):
                best = max(known, key=lambda weight: (known[weight], -weight))
                yield from _point(point.panel, point.series, point.x, best)


def _weights(_: PaperFigure, data: FigureData) -> Iterator[FigurePoint]:
    for name, title in [*((name, data.title(name)) for name in data.datasets), ("average", "Average")]:
        for weight in FIXED:
            yield from _point(title, "fixed", weight, _value(_FIXED, _fixed_text(weight), name, "new"))
            text = f"fixed {weight:g}"
            yield from _point(title, text, text, _value(_FIXED, _fixed_text(weight), name, "new"))
        adaptive = _value(_SIDES, "apex", name, "new")
        for x in (FIXED[0], FIXED[-1], "adaptive"):
            yield from _point(title, "adaptive", x, adaptive)


_SIDE_LABELS = {
    "none": "vpt_text_adapter",
    "text": "apex text-ens=on, visual-ens=off",
    "visual": "apex text-ens=off, visual-ens=on",
    "both": "apex",
}


def _sides(_: PaperFigure, data: FigureData) -> Iterator[FigurePoint]:
    groups = {"easy": "Easy", "challenge": "Hard"}
    for name, title in [*((name, data.title(name)) for name in data.datasets), ("average", "Average"), *groups.items()]:
        for side, label in _SIDE_LABELS.items():
            table = "Table 5" if name in groups else _SIDES
            yield from _point(title, side, side, _value(table, label, name, "new"))


def _betas(_: PaperFigure, data: FigureData) -> Iterator[FigurePoint]:
    for beta in BETAS if len(data.datasets) == 11 else ():
        yield from _point("Average", "adaptive", beta, _value("Table 12", f"apex beta={beta:.1f}", "average", "new"))


def _full_rank(figure: PaperFigure, data: FigureData) -> Iterator[FigurePoint]:
    table = "Table 2 (Adadelta, 20 seeds)"
    whole = {split: (panel, "average") for split, panel in PANELS.items()} if len(data.datasets) == 11 else {}
    places = [(panel, split, name) for split, (panel, name) in whole.items()]
    places += [(data.title(name), "H", name) for name in data.datasets]
    for panel, split, name in places:
        if widths := [x for x in figure.at(panel, FULL) if not isinstance(x, str)]:
            yield from _point(panel, FULL, max(widths), _value(table, "apex", name, split))


_VALUES: Mapping[str, Callable[[PaperFigure, FigureData], Iterator[FigurePoint]]] = {
    "apex-fig2-gap-versus-shots": _gaps,
    "apex-fig3-epochs": _last_epoch,
    "apex-fig5-separability": _separability,
    "apex-fig6-components": _groups,
    "apex-fig8-distance-versus-weight": _best_weights,
    "apex-fig10-adapter-ranks": _full_rank,
    "apex-fig11-adapter-ranks-by-dataset": _full_rank,
    "apex-table1-fixed-and-adaptive": _weights,
    "apex-table5-sides-by-group": _sides,
    "apex-table7-sides-by-dataset": _sides,
    "apex-table12-beta": _betas,
    "apex-table13-fixed-weights": _weights,
}
