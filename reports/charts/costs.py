"""The axes of the charts of cost, and the texts of their values; `script/charts.js` draws them."""

from bench.analysis import percent
from reports._format import count, seconds, size
from reports.views import BoardView

COST_AXES = {
    "train_seconds": "Preparation and training time",
    "test_seconds": "Preparation and evaluation time",
    "parameters": "Trainable parameters",
    "passes": "Tower passes: images and texts",
    "memory": "Peak memory above the start",
}
"""Titles of the axes. The first axis with a value for every entry is shown first."""
_TEXT = {"parameters": count, "train_seconds": seconds, "test_seconds": seconds, "passes": count, "memory": size}


def cost_text(axis: str, cost: float) -> str:
    """A cost with the unit that fits its size."""
    return _TEXT[axis](cost)


def cost_axes(board: BoardView) -> list[str]:
    """The axes with a value for every entry; memory is not measured on all systems."""
    return [axis for axis in COST_AXES if board.costs and all(axis in point.costs for point in board.costs)]


def front_text(on_front: bool | None, probability: float | None, *, spread: bool) -> str:
    """States whether an entry is on the Pareto front, and the probability."""
    if on_front is None or probability is None:
        return "not compared: missing runs or selected on test labels"
    place = "on the front" if on_front else "off the front"
    return f"{place}, probability {percent(probability, 0)} %" if spread else f"{place}; one seed, no probability"
