"""Which method to take: the best average, with what this choice gained and lost on left-out datasets."""

from typing import NamedTuple

from bench.analysis import Candidate
from datasets_registry import EvalProtocol
from reports._format import points, seconds
from reports.views import OverviewView


class Card(NamedTuple):
    """The method to take, and why."""

    name: str
    text: str


def card(view: OverviewView, measure: str) -> Card | None:
    """The card below the map; None without advice. Its number is that of the choice, and not of the method."""
    pick = view.answers[measure].advice
    if pick is None:
        return None
    stays = pick.method == view.table.baseline
    chosen = "the best of the others" if stays else "a choice like this"
    parts = [f"{chosen} gained {points(pick.gain)} on a dataset that was left out, on average"]
    if not stays:
        parts += [f"{pick.below} of {pick.n} lost", _training(view, view.table.method(pick.method))]
    return Card(view.names[pick.method], "; ".join(filter(None, parts)))


def _training(view: OverviewView, method: Candidate) -> str:
    """The time of one run, with preparation and fitting; empty if it is unknown."""
    if view.families[method.key] == EvalProtocol.TEST_TIME:  # the family has the name of its protocol
        return "learns from the unlabelled test images"
    if method.trained is False and not method.seconds:
        return "no training"
    return "" if method.seconds is None else f"{seconds(method.seconds)} of training per run"
