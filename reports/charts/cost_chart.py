"""Accuracy against each cost, with the Pareto front."""

from itertools import pairwise

from markupsafe import Markup

from bench.analysis import CostPoint
from bench.score_texts import score_text
from reports._format import count, seconds, size
from reports.charts.names import place_names
from reports.charts.plot import linear_axis, log_axis
from reports.charts.svg_drawing import CHANGING, DASHED, INK, PLOT, Pair, frame, group, mark, name, path, steps, svg
from reports.titles import score_title
from reports.views import BoardView

COST_AXES = {
    "train_seconds": "Preparation and training time",
    "test_seconds": "Preparation and evaluation time",
    "parameters": "Trainable parameters",
    "passes": "Tower passes: images and texts",
    "memory": "Peak memory above the start",
}
"""Titles of the axes. The first axis with a value for every entry is shown first."""
LINEAR_BELOW = {"train_seconds": 0.1, "test_seconds": 0.1, "parameters": 100, "passes": 10, "memory": 1}
"""Where the logarithmic axis becomes linear; memory is in MiB."""
_TEXT = {"parameters": count, "train_seconds": seconds, "test_seconds": seconds, "passes": count, "memory": size}


def cost_text(axis: str, cost: float) -> str:
    """A cost with the unit that fits its size."""
    return _TEXT[axis](cost)


def cost_axes(board: BoardView) -> list[str]:
    """The axes with a value for every entry; memory is not measured on all systems."""
    return [axis for axis in COST_AXES if board.costs and all(axis in point.costs for point in board.costs)]


def cost_svg(view: BoardView, axis: str, pair: Pair = CHANGING) -> Markup:
    """Every entry by its cost on one of `cost_axes`; hollow where it is not compared. The stepped line is the front."""
    unit = 2.0**20 if axis == "memory" else 1.0
    costs = [point.costs[axis] / unit for point in view.costs]
    x = log_axis(costs, PLOT.left, PLOT.right, LINEAR_BELOW[axis])
    y = linear_axis([100 * point.value.mean for point in view.costs], PLOT.bottom, PLOT.top)
    points = {point.entry: point for point in view.costs}
    places = {
        point.entry: (x.at(cost), y.at(100 * point.value.mean)) for point, cost in zip(view.costs, costs, strict=True)
    }
    front = sorted(places[point.entry] for point in view.costs if point.front.get(axis))
    stepped = [line for (x1, y1), (x2, y2) in pairwise(front) for line in ((x1, y1, x2, y1), (x2, y2, x2, y1))]
    labels = place_names(places, {key: view.entry_name(key) for key in places}, PLOT.ends, lines=stepped)
    titles = (COST_AXES[axis], score_title(view.board.measures[-1]))
    content = [
        frame(PLOT, x, y, titles, lambda tick: cost_text(axis, tick * unit)),
        path(steps(front), INK, DASHED),
        *(
            group(key, pair, _entry(labels[key].text, points[key], axis, places[key]) + name(labels, key, pair))
            for key in pair.order(points)
        ),
    ]
    return svg(PLOT.width, PLOT.height, f"Accuracy against {COST_AXES[axis].lower()}", content, len(points))


def _entry(title: str, point: CostPoint, axis: str, place: tuple[float, float]) -> Markup:
    """The mark of an entry, with its numbers and its place on the front."""
    front = point.front.get(axis)
    score, cost = score_text(point.value.mean, point.value.low, point.value.high), cost_text(axis, point.costs[axis])
    places = {
        None: "not compared: missing runs or selected on test labels",
        True: "on the front",
        False: "off the front",
    }
    tip = f"{title}: {score} % with {cost}. Pareto: {places[front]}."
    return mark(*place, tip, hollow=front is None)
