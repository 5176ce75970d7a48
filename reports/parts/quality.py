"""Calibration, and gains as a share of the zero-shot errors."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.analysis import Estimate, percent, prediction_sets
from reports._format import counted, signed_points
from reports.charts.reliability import reliability_svg
from reports.parts.part import Part, chart, fold, paragraph, table
from reports.tables.model import Column, Table, TableCell, cell
from reports.titles import PANEL_TITLES
from reports.views import BoardView


@dataclass(frozen=True)
class Measure:
    """One measure: title with the better direction, explanation, and formatting of a value."""

    name: str
    title: str
    hint: str
    text: Callable[[float], str]


def _share(value: float) -> str:
    return signed_points(value).removeprefix("+")


QUALITY_COLUMNS = (
    Measure("accuracy", "Accuracy ↑", "Top-1, percent", percent),
    Measure("headroom_gain", "Zero-shot errors removed ↑", "Gain as a share of the zero-shot errors, percent", _share),
    Measure("ece", "ECE ↓", "Expected calibration error, 15 bins of equal mass, percent", percent),
    Measure("brier", "Brier ↓", "Mean squared error of the probabilities, 0 to 2", "{:.4f}".format),
    Measure("nll", "NLL ↓", "Mean negative log-likelihood, nats", "{:.3f}".format),
    Measure("aurc", "AURC ↓", "Area under the risk-coverage curve, percent", percent),
    Measure("worst_class_accuracy", "Worst class ↑", "Accuracy on the worst class, percent", percent),
)
SET_COLUMNS = (
    Measure("set_size", "Set size ↓", "Mean number of classes in the prediction sets", "{:.2f}".format),
    Measure("set_coverage", "Set coverage", "Share of the prediction sets that contain the true class", percent),
)
"""Columns of tables in which a run has prediction sets."""


_RELIABILITY = (
    "How often predictions of each confidence are right, for the two methods chosen above. On the dashed line, "
    "confidence and accuracy are equal; below it, a method is too sure. In the curves, all datasets and runs count the "
    "same. Hollow marks have fewer than 20 predictions. Bars are shares of the predictions. "
    "Point at a mark to read its numbers."
)


def quality_parts(view: BoardView) -> list[Part]:
    """The parts of the section: the reliability curves, and a table for each class split."""
    if not view.quality:
        return [paragraph("These runs have no stored predictions.", "missing")]
    parts = []
    if view.reliability:
        splits = dict.fromkeys(curve.split for curve in view.reliability)
        drawings = [(PANEL_TITLES.get(split, split), reliability_svg(view, split)) for split in splits]
        parts.append(chart(f"{view.anchor}-reliability", "reliability", _RELIABILITY, "Classes", drawings))
    for split in dict.fromkeys(row.split for row in view.quality):
        content = [table(_quality_table(view, split))]
        for item in view.agreement:
            if item.split == split:
                ends = (
                    ""
                    if item.low is None or item.high is None
                    else f" (95 % interval over {counted(item.datasets, 'dataset')} {item.low:.2f} to {item.high:.2f})"
                )
                content.append(
                    paragraph(
                        f"The orders of the {item.entries} methods by headroom gain and by accuracy agree with "
                        f"Kendall’s τ = {item.tau:.2f}{ends}."
                    )
                )
        title = PANEL_TITLES.get(split, split)
        parts.append(fold(f"{view.anchor}-quality-{split}", title, "means over datasets", content))
    note = (
        "Headroom gain is (accuracy − zero-shot) / (1 − zero-shot): 1 is the maximum, negative values are losses. ECE "
        "uses 15 bins of equal mass. AURC is the error rate on the k most confident images, averaged over all k. The "
        "worst class is the one with the lowest accuracy."
    )
    if any(measure.name in row.values for row in view.quality for measure in SET_COLUMNS):
        note += (
            f" Prediction sets promise to contain the true class with {100 * prediction_sets.PROMISE:g} %; their "
            "coverage should be close to it. Runs have them if they kept models and selected nothing on their "
            "validation images."
        )
    return [*parts, paragraph(note)]


def _measures(view: BoardView, split: str) -> list[Measure]:
    """The columns of a split's table."""
    known = {name for row in view.quality if row.split == split for name in row.values}
    return [*QUALITY_COLUMNS, *(measure for measure in SET_COLUMNS if measure.name in known)]


def _quality_table(view: BoardView, split: str) -> Table:
    numbers, measures = view.numbers, _measures(view, split)
    columns = [Column("Method", "method")]
    columns += [Column(measure.title, "word", measure.hint, "score") for measure in measures]
    hint = "Datasets averaged over; headroom excludes datasets with perfect zero-shot accuracy"
    columns.append(Column("Datasets", "number", hint))
    rows: list[list[TableCell]] = []
    for row in view.quality:
        if row.split != split:
            continue
        cells: list[TableCell] = []
        for column in measures:
            value = row.values.get(column.name)
            if value is None:
                cells.append(None)
                continue
            reach = _reach(value, column)
            tip = f"n = {counted(value.n, 'seed')}, {counted(row.datasets[column.name], 'dataset')}"
            cells.append(cell(float(f"{value.mean:.5g}"), f"{column.text(value.mean)}{reach}", tip))
        rows.append([numbers[row.entry], *cells, row.datasets["accuracy"]])
    caption = (
        f"{PANEL_TITLES.get(split, split)}: means over datasets with 95 % intervals over seeds and test images, "
        "recomputed from stored predictions. Arrows show which direction is better."
    )
    return Table(f"{view.anchor}-quality-table-{split}", columns, rows, caption=caption, classes="quality")


def _reach(value: Estimate, column: Measure) -> str:
    """The interval after a number: one half-width, or both sides where they differ."""
    if value.sides is None:
        return ""
    below, above = map(column.text, value.sides)
    return f" ±{below}" if below == above else f" −{below}/+{above}"
