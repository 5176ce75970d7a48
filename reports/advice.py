"""Advice: which method to take for easy, medium and hard tasks, what it gains and costs, and how this was checked."""

from __future__ import annotations

from markupsafe import Markup

from bench.analysis import Candidate, best_method, method_choice
from datasets_registry import EvalProtocol
from reports._format import counted, join, points, seconds, shorten, unbroken, unsigned
from reports.sentences import LONGEST_NAME, TITLE_LENGTH
from reports.titles import PHRASES
from reports.views import OverviewView


def training_text(view: OverviewView, method: Candidate, unit: str = " of training per run") -> str:
    """The time of one run, with preparation and fitting; empty if it is unknown."""
    if view.families[method.key] == EvalProtocol.TEST_TIME:  # the family has the name of its protocol
        return "learns from the unlabelled test images"
    if method.trained is False and (method.key == view.table.baseline or not method.seconds):
        return "no training"
    return "" if method.seconds is None else f"{seconds(method.seconds)}{unit}"


def picks_html(view: OverviewView, advice: best_method.Advice) -> Markup:
    """The method to take for easy, medium and hard tasks, with gain and cost; empty without difficulty groups."""
    if not advice.picks:
        return Markup("")
    items = Markup("").join(_pick(view, pick) for pick in advice.picks)
    note = Markup('<p class="note">Points over zero-shot, training time of a run:</p>')
    return note + Markup('<dl class="picks">{}</dl>').format(items)


def _pick(view: OverviewView, pick: best_method.Pick) -> Markup:
    method, name = view.table.method(pick.method), view.names[pick.method]
    titles = [shorten(view.title(dataset), TITLE_LENGTH) for dataset in pick.datasets]
    if method.key == view.table.baseline:
        text = Markup("<b>{}</b>: no method within the budget gains").format(name)
    else:
        text = Markup("<b>{}</b>").format(name)
        if pick.gain is not None and pick.low is not None and pick.high is not None:
            n = len(pick.datasets)
            ends = f"worst {points(pick.low)}, best {points(pick.high)}" if n > 1 else "one dataset"
            text += Markup(" <b>{}</b> ({})").format(points(pick.gain), ends)
    few = ", ".join(titles if len(titles) <= 4 else [*titles[:2], f"{len(titles) - 2} more"])
    near = f"{counted(pick.near, 'other')} within 1 point" if pick.near else ""
    cost = training_text(view, method, "")
    more = (cost and f", {cost}") + (near and f"; {near}")
    return Markup('<dt>{}, <span title="{}">like {}</span>:</dt> <dd>{}{}</dd>').format(
        pick.kind.capitalize(), join(titles), few, unbroken(text), unbroken(more)
    )


def advice_check(advice: best_method.Advice, measure: str) -> str:
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
    if advice.rule is method_choice.Rule.AVERAGE:
        return text + f"choosing by difficulty loses {unsigned(other)}."
    return text + f"always using the method with the best mean loses {unsigned(other)}."


def cards(view: OverviewView, measure: str) -> list[tuple[str, str]]:
    """For an easy, a medium and a hard task: its title, and what to take; empty without difficulty groups."""
    advice = view.answers[measure].advice.get("any")
    if advice is None:
        return []
    return [(_card_title(view, pick), _card_text(view, view.answers[measure], pick)) for pick in advice.picks]


def _card_title(view: OverviewView, pick: best_method.Pick) -> str:
    like = join([shorten(view.title(name), TITLE_LENGTH) for name in pick.datasets[:2]])
    n = len(pick.datasets)
    return f"{n} {pick.kind} datasets, like {like}" if n > 1 else f"{pick.kind.capitalize()}: {like}"


def _card_text(view: OverviewView, found: best_method.Answer, pick: best_method.Pick) -> str:
    method = view.table.method(pick.method)
    n, name = len(pick.datasets), shorten(view.names[pick.method], LONGEST_NAME)
    by_mean = found.advice["any"].rule is method_choice.Rule.AVERAGE
    near = f" {counted(pick.near, 'other')} within 1 point." if pick.near else ""
    if method.key == view.table.baseline:
        place = ("easy", "medium", "hard").index(pick.kind)
        largest = max((gain for row in found.gains.values() if (gain := row[place]) is not None), default=0.0)
        most = f"more than {unsigned(largest)} points " if points(largest) != "0.0" else ""
        loss = _leader_loss(view, found, place)
        return f"Stay with zero-shot: no method gains {most}on {'these ' + str(n) if n > 1 else 'it'} on average.{loss}"
    cost = training_text(view, method, "")
    gained = ""
    if pick.gain is not None and pick.low is not None and pick.high is not None:
        ends = f" (worst {points(pick.low)}, best {points(pick.high)})" if n > 1 else ""
        gained = f"{', best overall' if by_mean else ''}: {points(pick.gain)} points{ends}"
    return f"{name}{gained}{cost and f', {cost}'}.{near}"


def _leader_loss(view: OverviewView, found: best_method.Answer, place: int) -> str:
    """That the leader loses on a group of datasets; empty if it loses less than a point."""
    leader = found.leader
    gain = None if leader is None else found.gains.get(leader, (None, None, None))[place]
    if leader is None or gain is None or gain > -_CLEAR_LOSS:
        return ""
    return f" {shorten(view.names[leader], LONGEST_NAME)} loses {unsigned(-gain)}."


_CLEAR_LOSS = 0.01
