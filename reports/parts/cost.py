"""The cost of each method."""

from bench.analysis import EntryCost, measure_name
from bench.score_texts import time_unit
from reports._format import count, or_unknown, seconds
from reports.charts.cost_chart import COST_AXES, cost_axes, cost_svg, cost_text
from reports.parts.part import Part, chart, fold, paragraph, table
from reports.tables.page_table import Column, Table, TableCell, cell, percent_cell
from reports.views import BoardView

_COLOURS = "The two methods chosen above have colours; point at a mark to read its numbers."
_COST_CAPTION = (
    f"Left is cheaper, up is more accurate. {_COLOURS} The stepped line is the Pareto front: no other method is both "
    "at least as cheap and at least as accurate. Hollow points have missing runs or are oracles, and are not compared. "
    "The cost axis is logarithmic, and linear near zero."
)


TIMES = ("train_seconds", "test_seconds")
_SHARED = "Time for the features of the frozen backbone that a run needs, computed once for each dataset and backbone"


def cost_parts(view: BoardView) -> list[Part]:
    """The parts of the section."""
    if not view.costs:
        return [paragraph("These runs recorded no cost.", "missing")]
    tuning = (
        "Tuning: models fitted + candidates evaluated. Times are wall-clock seconds. Times and passes are those of the "
        "method itself. Shared features, which the frozen backbone computes once for each dataset, have a column of "
        "their own. Memory is the peak of a run minus the memory in use at its start, such as weights. Compare "
        "times and memory only between runs on the same machine. Memory is empty if the system does not "
        "measure it."
    )
    drawings = [(COST_AXES[axis], cost_svg(view, axis)) for axis in cost_axes(view)]
    return [
        chart(f"{view.anchor}-costs", "costs", _COST_CAPTION, "Cost as", drawings),
        fold(
            f"{view.anchor}-cost-table",
            "Cost of every method",
            "parameters, time, tower passes, memory and tuning",
            [table(_cost_table(view)), paragraph(tuning)],
        ),
    ]


def _cost_table(view: BoardView) -> Table:
    numbers = view.numbers
    costs = {entry.key: entry.cost for entry in view.board.entries}
    columns = [Column("Method", "method"), Column(measure_name(view.board.measures[-1]).title(), "percent")]
    axes = [axis for axis in COST_AXES if any(axis in point.costs for point in view.costs)]
    units = {axis: time_unit(point.costs.get(axis, 0) for point in view.costs) for axis in TIMES}
    for axis in axes:
        unit = f", {units[axis].name}" if axis in TIMES else ""
        columns.append(Column(COST_AXES[axis].partition(":")[0] + unit, "word"))
    tuning = "Models fitted + candidates evaluated for selection in one run; the tooltip shows the time"
    columns += [Column("Shared features", "word", _SHARED), Column("Tuning", "word", tuning)]
    rows: list[list[TableCell]] = []
    for point in view.costs:
        row: list[TableCell] = [numbers[point.entry], percent_cell(point.value.mean)]
        for axis in axes:
            cost = point.costs.get(axis)
            if cost is None:
                row.append(None)
            else:
                row.append(cell(_short(cost), units[axis].number(cost) if axis in TIMES else cost_text(axis, cost)))
        row += [_shared(costs[point.entry]), _tuning(costs[point.entry])]
        rows.append(row)
    caption = "Mean cost of one run."
    return Table(f"{view.anchor}-costs-table", columns, rows, caption=caption)


def _shared(cost: EntryCost | None) -> TableCell:
    """The time of the shared features, and their passes as a tooltip."""
    if cost is None:
        return None
    passes = f"{or_unknown(cost.shared_passes, count)} images and texts"
    spent = cost.shared_seconds
    return cell(None if spent is None else _short(spent), or_unknown(spent, seconds), passes)


def _tuning(cost: EntryCost | None) -> TableCell:
    if cost is None or cost.fits is None or cost.candidate_evaluations is None:
        return None
    tip = "" if cost.tuning_seconds is None else f"{seconds(cost.tuning_seconds)} spent on selection"
    text = f"{count(cost.fits)} + {count(cost.candidate_evaluations)}"
    return cell(_short(cost.candidate_evaluations), text, tip, "" if cost.candidate_evaluations else "faint")


def _short(number: float) -> float | int:
    """A number with four significant digits."""
    rounded = float(f"{number:.4g}")
    return int(rounded) if rounded.is_integer() else rounded
