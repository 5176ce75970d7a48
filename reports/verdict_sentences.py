"""The verdict in words: the headline, and the line below it. They read one record."""

from collections.abc import Callable, Mapping

from markupsafe import Markup

from bench.analysis import FEWEST_ELSEWHERE, Certainty, MeanTest, Verdict, best_method
from reports._format import interval, join, shorten, unsigned
from reports.titles import PHRASES
from reports.views import OverviewView

LONGEST_NAME = 40
"""The most characters of a method in the headline."""


def headline(view: OverviewView, measure: str) -> str:
    """The answer in one or two short sentences: what is best, and whether that is clear."""
    found = view.answers[measure]
    told = found.verdict
    if told.leader is None:
        if view.table.empty:
            return "No run has a score yet."
        return f"No method has a score for every dataset{' and seed' if view.seeds else ''}, so none leads yet."
    if found.lead is None:
        return f"{_short(view, told.leader)} is the only complete method: {_score(found)} % {PHRASES[measure]}."
    if told.leader == told.baseline:
        return _nothing_gains(view, found)
    finding = told.judgement_here if told.n_seeds else told.judgement_elsewhere
    return _HEADLINES[finding.known](view, found).strip()


def claim(view: OverviewView, measure: str) -> str:
    """The first sentence of the headline, without the datasets."""
    text = headline(view, measure).split("\n")[0]
    return text.replace(f" on {where(view, view.answers[measure])}", "").removesuffix(".")


def _clear(view: OverviewView, found: best_method.Answer) -> str:
    leader, other = _short(view, found.leader), _reference(view, found)
    return f"{leader} beats {other} by {_gap(found)} points on {where(view, found)}.\n{_matching(view, found)}"


def _not_clear(view: OverviewView, found: best_method.Answer) -> str:
    told, leader, other = found.verdict, _short(view, found.leader), _reference(view, found)
    if found.lead is not None and found.lead.mean < 0:  # H of the averages orders them, and not the mean of H
        return f"{leader} and {other} are not told apart on {where(view, found)}."
    if (clear := _clear_gain(told)) is not None:
        gain = found.averages[clear] - found.averages[told.baseline or ""]
        first = f"{_short(view, clear)} beats {other} by {_points(gain)} points on {where(view, found)}."
        return f"{first}\n{leader} has the highest mean, but its gain of {_gap(found)} is not clear."
    if _gap(found) == "0.0":
        return f"{leader} and {other} are level on {where(view, found)}."
    carrier = None if found.lead is None else found.lead.without  # without it, the lead would have another sign
    carried = "" if carrier is None else f", all of it on {view.title(carrier[0])}"
    return f"{leader} is not shown to beat {other} on {where(view, found)}.\nIt leads by {_gap(found)} points{carried}."


def _same_answers(view: OverviewView, found: best_method.Answer) -> str:
    names = f"{_short(view, found.leader)} and {_reference(view, found)}"
    return f"{names} are right on the same images of {where(view, found)}."


def _not_known(view: OverviewView, found: best_method.Answer) -> str:
    told = found.verdict
    first = f"{_short(view, found.leader)} is {_gap(found)} points above {_reference(view, found)}"
    why = told.judgement_here.why if told.n_seeds else told.judgement_elsewhere.why
    return f"{first} on {where(view, found)}.\nThat is not tested: {why}."


_HEADLINES: Mapping[Certainty, Callable[[OverviewView, best_method.Answer], str]] = {
    Certainty.CLEAR: _clear,
    Certainty.OPEN: _not_clear,
    Certainty.SAME: _same_answers,
    Certainty.UNKNOWN: _not_known,
}


def _nothing_gains(view: OverviewView, found: best_method.Answer) -> str:
    told = found.verdict
    first = f"No method has a higher mean than {inline(view, told.leader or '')} on {where(view, found)}."
    finding = told.judgement_here if told.n_seeds else told.judgement_elsewhere
    end = {Certainty.CLEAR: "", Certainty.OPEN: ", which is not clear", Certainty.UNKNOWN: ", which is not tested"}
    if finding.known is Certainty.SAME or _gap(found) == "0.0":
        return f"{first}\n{_short(view, told.reference)} has the same mean."
    return f"{first}\n{_short(view, told.reference)} is {_gap(found)} points lower{end[finding.known]}."


MOST_NAMED = 2
"""Methods that may be as good as the leader, of which a sentence has the names."""


def _matching(view: OverviewView, found: best_method.Answer) -> str:
    """Which methods may be as good as the leader: here, or elsewhere for published numbers; empty if that is open."""
    told = found.verdict
    few = told.may_match_here if told.n_seeds else told.may_be_best_elsewhere
    if not told.others or (told.n_seeds and not told.has_ranks):
        return ""
    if not few:
        return "No other method is as good."
    if not told.n_seeds:
        return f"Of the {len(told.others) + 1} methods with equal inputs, {len(few) + 1} may be the best elsewhere."
    named = len(few) <= MOST_NAMED
    who = join([_short(view, key) for key in few]) if named else f"{len(few)} of the {len(told.others)} others"
    return f"{who} may be as good."


def known_lines(view: OverviewView, measure: str) -> Markup:
    """One line: what is sure or open here and elsewhere, and what may be as good; empty without a comparison."""
    found = view.answers[measure]
    told = found.verdict
    if found.lead is None:
        return Markup("")
    here, elsewhere = told.on_these(*_compared(told)), told.on_others(*_compared(told))
    parts = []
    if ends(here):
        parts.append(_known("here", here, f"on {where(view, found)}"))
    elif told.n_seeds and told.judgement_here.why:
        parts.append(Markup("Not known <b>here</b>: {}.").format(told.judgement_here.why))
    elif not told.n_seeds:
        parts.append(Markup("Not tested <b>here</b>: single printed values."))
    if ends(elsewhere):
        parts.append(_known("elsewhere", elsewhere, "on datasets like these"))
    elif _is_few(told):
        parts.append(Markup("Not known <b>elsewhere</b>: {}.").format(few_datasets(told.n_datasets)))
    parts.append(Markup.escape(headline(view, measure).partition("\n")[2]))
    if (n := told.variants) > 1:
        parts.append(Markup("The leader is the best of {} settings of its method on these test images.").format(n))
    return Markup(" ").join(filter(None, parts))


def _known(place: str, test: MeanTest | None, on: str) -> Markup:
    """The interval of the gain at a place."""
    sure = "Sure" if test is not None and test.clear else "Not sure"
    return Markup("{} <b>{}</b>: {} (95 %) {}.").format(sure, place, ends(test), on)


MOST_FAR = 2
"""Trainings far below the others that a sentence names."""


def far_trainings(view: OverviewView, told: Verdict) -> str:
    """Which trainings are far worse than the others of their method, as a sentence; empty if none is."""
    far = told.far_trainings
    if not far:
        return ""
    named = [f"{_short(view, one.entry)} on {view.title(one.dataset)} (seed {one.seed})" for one in far[:MOST_FAR]]
    more = [f"{len(far) - MOST_FAR} more"] if far[MOST_FAR:] else []
    below = f"{'up to ' if far[1:] else ''}{unsigned(far[0].below)} points"
    return f"{join([*named, *more])}: {below} below the best training there, and part of the mean."


def _clear_gain(told: Verdict) -> str | None:
    """The best method with a clear gain over zero-shot, if the leader's is not clear."""
    if told.reference != told.baseline or not told.n_seeds or told.judgement_here.known is not Certainty.OPEN:
        return None
    return next(iter(told.clear_gains), None)


def _compared(told: Verdict) -> tuple[str, str]:
    """The pair that the headline is about, so that a gain over zero-shot has zero-shot as the second."""
    pair = _clear_gain(told) or told.leader or "", told.reference or ""
    return (pair[1], pair[0]) if told.leader == told.baseline else pair


def _is_few(told: Verdict) -> bool:
    """Whether runs are of too few datasets to say anything about others."""
    return told.n_seeds > 0 and told.n_datasets < FEWEST_ELSEWHERE


def few_datasets(n: int) -> str:
    """That so few datasets say nothing about others."""
    return "one dataset cannot tell about others" if n == 1 else f"{n} datasets cannot tell about others"


def ends(test: MeanTest | None) -> str:
    """The interval of a difference in points; empty without one."""
    return "" if test is None or test.low is None or test.high is None else interval(test.low, test.high)


def where(view: OverviewView, found: best_method.Answer) -> str:
    """The datasets of a verdict within a sentence, and that each method was trained once."""
    n = len(view.datasets)
    text = "this dataset" if n == 1 else f"these {n} datasets"
    if found.verdict.one_training and found.verdict.judgement_here.known is not Certainty.UNKNOWN:
        text += ", with this one training" if n == 1 else ", with one training on each"
    return text


def inline(view: OverviewView, key: str) -> str:
    """The name of a method within a sentence."""
    name = view.names[key]
    return name[0].lower() + name[1:] if key == view.table.baseline and name.startswith("Zero-shot") else name


def _score(found: best_method.Answer) -> str:
    return unsigned(found.averages[found.leader or ""])


def _gap(found: best_method.Answer) -> str:
    """The size of the lead in points."""
    assert found.lead is not None
    return _points(found.lead.mean)


def _points(gain: float) -> str:
    """A difference without its sign; two decimals where one would be zero."""
    text = unsigned(abs(gain))
    return text if text != "0.0" else f"{abs(100 * gain):.2f}".replace("0.00", "0.0")


def _short(view: OverviewView, key: str | None) -> str:
    return shorten(view.names[key or ""], LONGEST_NAME)


def _reference(view: OverviewView, found: best_method.Answer) -> str:
    return shorten(inline(view, found.verdict.reference or ""), LONGEST_NAME)
