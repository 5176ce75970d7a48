"""The cost of each method, and its accuracy over training time."""

from functools import partial

from markupsafe import Markup

from bench.analysis import EntryCost, accuracy_over_time, percent
from reports._format import count, four_digits, or_unknown, seconds
from reports.charts.cost import COST_AXES, cost_axes, cost_svg, cost_text, front_text
from reports.charts.curves import TIME_AXES, curves_svg
from reports.parts.part import Part, chart, fold, heading, paragraph, table
from reports.tables.model import Column, Table, TableCell, cell, percent_cell
from reports.titles import MEASURE_TITLES
from reports.views import BoardView

_COLOURS = "The two methods chosen above have colours; point at a mark to read its numbers."
_COST_CAPTION = (
    f"Left is cheaper, up is more accurate. {_COLOURS} The stepped line is the Pareto front: no other method is both "
    "at least as cheap and at least as accurate. Hollow points have missing runs or are oracles, and are not compared. "
    "The cost axis is logarithmic, and linear near zero."
)


def cost_parts(view: BoardView) -> list[Part]:
    """The parts of the section."""
    if not view.costs:
        return [paragraph("These runs recorded no cost.", "missing"), *_curves(view)]
    tuning = (
        "Tuning: models fitted + candidates evaluated. The bootstrap resamples datasets jointly for all methods and "
        "draws seed noise from Student’s t. Times are wall-clock seconds. Times and passes include the shared features "
        "that a run needs, at what computing them once took, whichever run did; tooltips show both parts. Memory is "
        "the peak of a run minus the memory in use at its start, such as weights and shared features. Compare times "
        "and memory only between runs on the same machine. Memory is empty if the system does not measure it."
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
        *_curves(view),
    ]


def _cost_table(view: BoardView) -> Table:
    numbers = view.numbers
    costs = {entry.key: entry.cost for entry in view.board.entries}
    columns = [Column("Method", "method"), Column(MEASURE_TITLES[view.board.measures[-1]], "percent")]
    axes = [axis for axis in COST_AXES if any(axis in point.costs for point in view.costs)]
    for title in (COST_AXES[axis] for axis in axes):
        columns.append(Column(title.partition(":")[0], "word"))
        columns.append(
            Column(
                "P(Pareto-optimal)", "word", f"Probability of being on the Pareto front of accuracy and {title.lower()}"
            )
        )
    tuning = "Models fitted + candidates evaluated for selection in one run; the tooltip shows the time"
    columns.append(Column("Tuning", "word", tuning))
    rows: list[list[TableCell]] = []
    for point in view.costs:
        row: list[TableCell] = [numbers[point.entry], percent_cell(point.value.mean)]
        for axis in axes:
            front, probability = point.front.get(axis), point.probability.get(axis)
            text = None if front is None else f"{percent(probability or 0.0, 0)} %"
            if front is not None and not point.spread:
                text = "yes" if front else "no"
            tip = front_text(front, probability, spread=point.spread)
            known = axis in point.costs
            parts = _parts(costs[point.entry], axis)
            row.append(cell(_short(point.costs[axis]), cost_text(axis, point.costs[axis]), parts) if known else None)
            row.append(cell(None if text is None else _short(probability or 0.0), text, tip, "" if front else "faint"))
        row.append(_tuning(costs[point.entry]))
        rows.append(row)
    caption = (
        "Mean cost of one run, and the bootstrap probability of being on the Pareto front (over datasets and seeds)."
    )
    return Table(f"{view.anchor}-costs-table", columns, rows, caption=caption)


def _parts(cost: EntryCost | None, axis: str) -> str:
    """The own and the shared part of a time or a number of passes; empty for other axes."""
    if cost is None or axis not in ("train_seconds", "test_seconds", "passes"):
        return ""
    shared = cost.shared_passes if axis == "passes" else cost.shared_seconds
    own = cost.own_passes if axis == "passes" else cost.own_seconds
    own_text, shared_text = (or_unknown(part, partial(cost_text, axis)) for part in (own, shared))
    return f"the method itself {own_text}, shared features {shared_text}"


def _tuning(cost: EntryCost | None) -> TableCell:
    if cost is None or cost.fits is None or cost.candidate_evaluations is None:
        return None
    tip = "" if cost.tuning_seconds is None else f"{seconds(cost.tuning_seconds)} spent on selection"
    text = f"{count(cost.fits)} + {count(cost.candidate_evaluations)}"
    return cell(_short(cost.candidate_evaluations), text, tip, "" if cost.candidate_evaluations else "faint")


def _curves(view: BoardView) -> list[Part]:
    times = view.over_time
    if times is None or not times.curves:
        return []
    baseline = (
        f" The dashed line is {view.entry_name(view.board.baseline or '')}." if times.baseline is not None else ""
    )
    caption = (
        f"Mean {MEASURE_TITLES[view.board.measures[-1]]} if all runs of a method were stopped at that point, over the "
        f"datasets and seeds of the leaderboard; recorded after 1, 2, 4, … epochs and at the end.{baseline} {_COLOURS} "
        "These numbers were not used for selection. A shorter run would also decay its learning rate earlier, so the "
        "left part of a curve usually underestimates its accuracy."
    )
    margin = four_digits(100 * accuracy_over_time.CONVERGENCE_MARGIN)
    drawings = [(title, curves_svg(view, times, axis)) for axis, title in TIME_AXES.items()]
    parts = [
        heading(f"{view.anchor}-times", "Accuracy over training time"),
        chart(f"{view.anchor}-curves", "curves", caption, "Time as", drawings),
        fold(
            f"{view.anchor}-convergence",
            "When each method converges",
            f"the first point from which it stays within {margin} point of its final score",
            [table(_convergence_table(view))],
        ),
    ]
    if times.without:
        command = Markup("<code>etl-bench run … --curve --rerun all</code> records it.")
        names = ", ".join(view.entry_name(key) for key in times.without)
        parts.append(paragraph(Markup("Methods with runs that lack a curve: {}. {}").format(names, command)))
    return parts


def _convergence_table(view: BoardView) -> Table:
    assert view.over_time is not None
    numbers = view.numbers
    columns = [
        Column("Method", "method"),
        Column("First", "percent", "Mean at the first recorded epoch"),
        Column("Final", "percent"),
        Column("Converges after", "word", "Mean preparation and training time"),
        Column("Total time", "word", "Mean preparation and training time of complete runs"),
        Column("Share", "word", "Share of the training at convergence"),
    ]
    rows = [
        [
            numbers[curve.entry],
            percent_cell(curve.points[0].value),
            percent_cell(curve.points[-1].value),
            cell(_short(curve.converged_at.seconds), seconds(curve.converged_at.seconds)),
            cell(_short(curve.points[-1].seconds), seconds(curve.points[-1].seconds)),
            cell(_short(curve.converged_at.share), f"{percent(curve.converged_at.share, 0)} %"),
        ]
        for curve in view.over_time.curves
    ]
    return Table(f"{view.anchor}-convergence-table", columns, rows)


def _short(number: float, digits: int = 4) -> float | int:
    """A number with that many significant digits."""
    found = float(f"{number:.{digits}g}")
    return int(found) if found == int(found) else found
