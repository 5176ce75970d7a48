"""Which method to take: the best average, with what this choice gained and lost on left-out datasets."""

from markupsafe import Markup

from bench.analysis import Certainty
from reports._format import points
from reports.views import OverviewView


def take(view: OverviewView, measure: str) -> Markup:
    """The answer below the table; empty without advice.

    A method is advised if its gain on other datasets is clear and the choice lost on at most half of the left-out ones.
    """
    found = view.answers[measure]
    pick, told = found.advice, found.verdict
    if pick is None:
        return Markup("")
    kind = "the other method" if pick.method == view.table.baseline else "the method"
    left_out = (
        f"On each dataset, {kind} that was best on the others gained {points(pick.gain)} on average and lost on "
        f"{pick.below} of {pick.n}."
    )
    if pick.method != view.table.baseline and (
        told.judgement_elsewhere.known is not Certainty.CLEAR or 2 * pick.below > pick.n
    ):
        return Markup("<b>No method is sure to gain elsewhere.</b> {}").format(left_out)
    return Markup("<b>Take {}.</b> {}").format(view.names[pick.method], left_out)
