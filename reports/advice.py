"""Advice: which method to take, what it gained on left-out datasets and costs, and how the rule was chosen."""

from __future__ import annotations

from typing import NamedTuple

from markupsafe import Markup

from bench.analysis import Candidate, best_method
from datasets_registry import EvalProtocol
from reports._format import counted, join, points, seconds, shorten, unbroken, unsigned
from reports.sentences import TITLE_LENGTH
from reports.titles import PHRASES
from reports.verdict_sentences import LONGEST_NAME
from reports.views import OverviewView

BUDGET_TITLES = {
    "any": "any",
    "no training": "no gradient steps",
    "1 min": "at most 1 min of training",
    "100k parameters": "at most 100k parameters",
}


def training_text(view: OverviewView, method: Candidate) -> str:
    """The time of one run, with preparation and fitting; empty if it is unknown."""
    if view.families[method.key] == EvalProtocol.TEST_TIME:  # the family has the name of its protocol
        return "learns from the unlabelled test images"
    if method.trained is False and (method.key == view.table.baseline or not method.seconds):
        return "no training"
    return "" if method.seconds is None else f"{seconds(method.seconds)} of training per run"


class Card(NamedTuple):
    """What to take for all data (`overall`), or for easy, medium or hard data."""

    kind: str
    name: str
    text: str


def cards(view: OverviewView, measure: str) -> list[Card]:
    """One card, or one for easy, medium and hard data; empty without advice."""
    advice = view.answers[measure].advice.get("any")
    return [] if advice is None else [_card(view, pick) for pick in advice.cards]


def _card(view: OverviewView, pick: best_method.Pick) -> Card:
    """The number is that of the choice, and not of the method that it ends with."""
    name, start = view.names[pick.method], "" if pick.kind == "overall" else f"for {pick.kind} data: "
    if pick.gain is None:
        return Card(pick.kind, name, f"{start}no other method fits")
    n = len(pick.datasets)
    chosen = "a choice like this" if pick.method != view.table.baseline else "the best of the others"
    parts = [f"{start}{chosen} gained {points(pick.gain)} on a dataset that was left out, on average"]
    if pick.method != view.table.baseline:
        parts += [f"{pick.below} of {n} lost", training_text(view, view.table.method(pick.method))]
    return Card(pick.kind, name, "; ".join(filter(None, parts)))


def advice_texts(view: OverviewView, measure: str, budget: str) -> list[Markup]:
    """What to take within a budget, as paragraphs: for each `Advice.alike` one text."""
    found = view.answers[measure]
    return [_advice_text(view, found, found.advice[budget], pick) for pick in found.advice[budget].alike]


def advice_check(advice: best_method.Advice, measure: str) -> str:
    """How gains were measured, and what the two rules lose on left-out datasets; empty if there is no choice."""
    average, nearest = best_method.RULES
    lost = {policy: unsigned(regret.mean) for policy, regret in advice.choice.regrets.items()}
    if not lost:
        return ""
    text = (
        "Gains and losses are means over the datasets, each left out while the method was chosen on the others. The "
        f"best mean loses {lost[average]} points of {PHRASES[measure]} against the best method of a dataset left out; "
    )
    if nearest not in lost:
        return f"{text}too few difficulties are known to choose by difficulty."
    decides = advice.choice.policy is nearest
    return (
        f"{text}choosing by difficulty loses {lost[nearest]}, {'' if decides else 'not '}less by more than one "
        f"standard error, so {'difficulty' if decides else 'the mean'} decides."
    )


def _take(view: OverviewView, pick: best_method.Pick, within: str = "") -> str:
    """The method to take, with its gain and cost; for zero-shot what was tried. `within` names a budget."""
    if pick.gain is None:
        return "Stay with zero-shot CLIP: no other method fits this budget."
    if pick.method == view.table.baseline:
        return (
            f"Stay with zero-shot CLIP: chosen on the other datasets, the best method{within} gained "
            f"{points(pick.gain)} points on the dataset left out, on average."
        )
    cost, n = training_text(view, view.table.method(pick.method)), len(pick.datasets)
    name = shorten(view.names[pick.method], LONGEST_NAME)
    over = f"Take {name}: {points(pick.gain)} points on average over {n} datasets, each left out while choosing"
    return f"{over}; below zero-shot on {pick.below} of {n}{cost and f'; {cost}'}."


def _advice_text(
    view: OverviewView, found: best_method.Answer, advice: best_method.Advice, pick: best_method.Pick
) -> Markup:
    """What to take, which others may be as good, and to which datasets that applies."""
    within = "" if advice is found.advice["any"] else " within this budget"
    parts = [("take", _take(view, pick, within)), ("", _others(view, found, advice, pick))]
    if pick.kind == "alike":
        titles = [shorten(view.title(name), TITLE_LENGTH) for name in pick.datasets]
        parts.append(("note", f"Most similar here: {join(titles)}."))
    texts = [Markup('<p class="{}">{}</p>').format(kind, unbroken(text)) for kind, text in parts if text]
    return Markup("").join(texts)


def _others(view: OverviewView, found: best_method.Answer, advice: best_method.Advice, pick: best_method.Pick) -> str:
    """How many others may be as good as the method to take, and the cheapest one close to it."""
    if pick.method not in advice.candidates:
        return ""
    n = sum(key in advice.candidates for key in may_be_as_good(found, pick.method))
    text = f"{n} of {counted(len(advice.candidates) - 1, 'other')} may be as good elsewhere." if n else ""
    if pick.cheapest != pick.method:
        cost = training_text(view, view.table.method(pick.cheapest))
        text += f" Cheapest within 1 point: {shorten(view.names[pick.cheapest], LONGEST_NAME)}{cost and f', {cost}'}."
    return text.strip()


def may_be_as_good(found: best_method.Answer, key: str) -> tuple[str, ...]:
    """The methods that may be as good as the given one on other datasets of this kind."""
    return found.verdict.open_elsewhere(key)
