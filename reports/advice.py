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
    left_out = f"gained {points(pick.gain)} on average and lost on {pick.below} of {pick.n}"
    chosen = "Chosen without the tested dataset,"
    if pick.method == view.table.baseline:
        return Markup("<b>Take {}.</b> {} the best other {}.").format(view.names[pick.method], chosen, left_out)
    if told.judgement_elsewhere.known is not Certainty.CLEAR or 2 * pick.below > pick.n:
        return Markup("<b>No method is sure to gain elsewhere.</b> {} the best {}.").format(chosen, left_out)
    return Markup("<b>Take {}.</b> {} it {}.").format(view.names[pick.method], chosen, left_out)
