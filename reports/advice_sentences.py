"""Sentences of the advice: the method for easy, medium and hard tasks, its cost, and the loss of the advice."""

from markupsafe import Markup

from reports._format import counted, join, points, seconds, shorten, unbroken, unsigned
from reports.answer_sentences import PHRASES
from reports.views import TEST_TIME, AdviceView, OverviewView, PickView, RankedMethodView

TITLE_LENGTH = 24
"""The most characters of a dataset's name."""


def cost_text(method: RankedMethodView, unit: str = " of training per run") -> str:
    """The time of one run: preparation and training; empty if it is unknown."""
    if method.family == TEST_TIME:
        return "learns from the unlabelled test images"
    if method.trained is False:
        return "no training"
    return "" if method.seconds is None else f"{seconds(method.seconds)}{unit}"


def picks_html(view: OverviewView, advice: AdviceView) -> Markup:
    """The method to take for easy, medium and hard tasks, with gain and cost; empty without difficulty groups."""
    if not advice.picks:
        return Markup("")
    items = Markup("").join(_pick(view, pick) for pick in advice.picks)
    note = Markup('<p class="note">Points over zero-shot, training time of a run:</p>')
    return note + Markup('<dl class="picks">{}</dl>').format(items)


def _pick(view: OverviewView, pick: PickView) -> Markup:
    method = view.method(pick.method)
    like = join([shorten(title, TITLE_LENGTH) for title in pick.datasets])
    if method.key == view.baseline:
        text = Markup("<b>{}</b>: no method within the budget gains").format(method.name)
    else:
        text = Markup("<b>{}</b>").format(method.name)
        if pick.gain is not None and pick.low is not None and pick.high is not None:
            n = len(pick.datasets)
            ends = f"worst {points(pick.low)}, best {points(pick.high)}" if n > 1 else "one dataset"
            text += Markup(" <b>{}</b> ({})").format(points(pick.gain), ends)
    near = f"{counted(pick.near, 'other')} within 1 point" if pick.near else ""
    cost = cost_text(method, "")
    more = (cost and f", {cost}") + (near and f"; {near}")
    return Markup('<dt>{}, <span title="{}">like {}</span>:</dt> <dd>{}{}</dd>').format(
        pick.kind.capitalize(), like, _few(pick), unbroken(text), unbroken(more)
    )


def _few(pick: PickView) -> str:
    titles = [shorten(title, TITLE_LENGTH) for title in pick.datasets]
    return ", ".join(titles if len(titles) <= 4 else [*titles[:2], f"{len(titles) - 2} more"])


def advice_check(advice: AdviceView, measure: str) -> str:
    """The loss of the advice on left-out datasets; empty with a single dataset."""
    if len(advice.candidates) == 1:
        return "No other method fits this budget."
    if not advice.lost:
        return ""
    text = (
        f"Leave-one-dataset-out: this advice loses {unsigned(advice.lost[advice.rule])} points of "
        f"{PHRASES[measure]} on average ({unsigned(advice.worst[advice.rule])} at worst) against the best method; "
    )
    other = next((value for rule, value in advice.lost.items() if rule != advice.rule), None)
    if other is None:
        return text + "too few difficulties are known to choose by difficulty."
    if advice.rule == "average":
        return text + f"choosing by difficulty loses {unsigned(other)}."
    return text + f"always using the method with the best mean loses {unsigned(other)}."
