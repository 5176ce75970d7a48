"""The verdict in words: the headline, and the line below it. They read one record."""

from dataclasses import dataclass

from markupsafe import Markup

from bench.analysis import FEWEST_ELSEWHERE, Certainty, MeanTest, Verdict, best_method
from reports._format import interval, join, shorten, unsigned
from reports.titles import PHRASES
from reports.views import OverviewView

LONGEST_NAME = 40
"""The most characters of a method in the headline."""


@dataclass(frozen=True)
class Headline:
    """The answer: what is best, where that holds, and what follows; `place` and `more` may be empty."""

    claim: str
    place: str = ""
    more: str = ""

    @property
    def sentence(self) -> str:
        """The claim with its place."""
        return f"{self.claim}{self.place}."


def headline(view: OverviewView, measure: str) -> Headline:
    """What is best by a measure, and whether that is clear."""
    answer = view.answers[measure]
    verdict = answer.verdict
    if verdict.leader is None:
        if view.table.empty:
            return Headline("No run has a score yet")
        return Headline(
            f"No method has a score for every dataset{' and seed' if view.seeds else ''}, so none leads yet"
        )
    if answer.lead is None:
        score = unsigned(answer.averages[verdict.leader])
        return Headline(f"{_short(view, verdict.leader)} is the only complete method: {score} % {PHRASES[measure]}")
    finding = verdict.judgement_here if verdict.n_seeds else verdict.judgement_elsewhere
    if verdict.leader == verdict.baseline:
        return _nothing_gains(view, answer, finding.known)
    leader, other, gap = _short(view, verdict.leader), _reference(view, answer), _gap(answer)
    place = f" on {where(view, answer)}"
    if finding.known is Certainty.CLEAR:
        return Headline(f"{leader} beats {other} by {gap} points", place, _matching(view, answer))
    if finding.known is Certainty.SAME:
        return Headline(f"{leader} and {other} are right on the same images", f" of {where(view, answer)}")
    if finding.known is Certainty.UNKNOWN:
        return Headline(f"{leader} is {gap} points above {other}", place, f"That is not tested: {finding.why}.")
    if answer.lead.mean < 0:  # H of the averages orders them, and not the mean of H
        return Headline(f"{leader} and {other} are not told apart", place)
    if (clear := _clear_gain(verdict)) is not None:
        test = verdict.on_these(clear, verdict.baseline or "")
        assert test is not None  # its gain is clear
        gain = _points(test.mean)
        more = f"{leader} has the highest mean, but its gain of {gap} is not clear."
        return Headline(f"{_short(view, clear)} beats {other} by {gain} points", place, more)
    if gap == "0.0":
        return Headline(f"{leader} and {other} are level", place)
    carrier = answer.lead.without  # without it, the lead would have another sign
    carried = "" if carrier is None else f", all of it on {view.title(carrier[0])}"
    return Headline(f"{leader} is not shown to beat {other}", place, f"It leads by {gap} points{carried}.")


def _nothing_gains(view: OverviewView, answer: best_method.Answer, certainty: Certainty) -> Headline:
    """The headline where zero-shot has the highest mean."""
    verdict = answer.verdict
    second, gap = _short(view, verdict.reference), _gap(answer)
    end = {Certainty.OPEN: ", which is not clear", Certainty.UNKNOWN: ", which is not tested"}.get(certainty, "")
    level = certainty is Certainty.SAME or gap == "0.0"
    more = f"{second} has the same mean." if level else f"{second} is {gap} points lower{end}."
    return Headline(
        f"No method has a higher mean than {inline(view, verdict.leader or '')}", f" on {where(view, answer)}", more
    )


MOST_NAMED = 2
"""Methods that may be as good as the leader, of which a sentence has the names."""


def _matching(view: OverviewView, answer: best_method.Answer) -> str:
    """Which methods may be as good as the leader: here, or elsewhere for published numbers; empty if that is open."""
    verdict = answer.verdict
    few = verdict.may_match_here if verdict.n_seeds else verdict.may_be_best_elsewhere
    if not verdict.others or (verdict.n_seeds and not verdict.has_ranks):
        return ""
    if not few:
        return "No other method is as good."
    if not verdict.n_seeds:
        return f"Of the {len(verdict.others) + 1} methods with equal inputs, {len(few) + 1} may be the best elsewhere."
    named = len(few) <= MOST_NAMED
    who = join([_short(view, key) for key in few]) if named else f"{len(few)} of the {len(verdict.others)} others"
    return f"{who} may be as good."


def known_lines(view: OverviewView, measure: str) -> Markup:
    """One line: what is sure or open here and elsewhere, and what may be as good; empty without a comparison."""
    answer = view.answers[measure]
    verdict = answer.verdict
    if answer.lead is None:
        return Markup("")
    here, elsewhere = verdict.on_these(*_compared(verdict)), verdict.on_others(*_compared(verdict))
    parts = []
    if ends(here):
        parts.append(_known("here", here, f"on {where(view, answer)}", alone=verdict.one_training))
    elif verdict.n_seeds and verdict.judgement_here.why:
        parts.append(Markup("Not known <b>here</b>: {}.").format(verdict.judgement_here.why))
    elif not verdict.n_seeds:
        parts.append(Markup("Not tested <b>here</b>: single printed values."))
    if ends(elsewhere):
        parts.append(_known("elsewhere", elsewhere, "on datasets like these"))
    elif 0 < verdict.n_datasets < FEWEST_ELSEWHERE and verdict.n_seeds:
        parts.append(Markup("Not known <b>elsewhere</b>: {}.").format(few_datasets(verdict.n_datasets)))
    parts.append(Markup.escape(headline(view, measure).more))
    if (n := verdict.variants) > 1:
        parts.append(
            Markup("{} is the best of {} settings of its method on these test images.").format(
                _short(view, verdict.leader), n
            )
        )
    return Markup(" ").join(filter(None, parts))


def _known(place: str, test: MeanTest | None, on: str, *, alone: bool = False) -> Markup:
    """The interval of the gain at a place, and whether it is sure, which trainings `alone`, with one seed, are not."""
    if alone:
        return Markup("<b>{}</b>: {} (95 %) for these trainings alone.").format(place.capitalize(), ends(test))
    sure = "Sure" if test is not None and test.clear else "Not sure"
    return Markup("{} <b>{}</b>: {} (95 %) {}.").format(sure, place, ends(test), on)


MOST_FAR = 2
"""Trainings far below the others that a sentence names."""


def far_trainings(view: OverviewView, verdict: Verdict) -> str:
    """Which trainings are far worse than the others of their method, as a sentence; empty if none is."""
    far = verdict.far_trainings
    if not far:
        return ""
    named = [f"{_short(view, run.entry)} on {view.title(run.dataset)} (seed {run.seed})" for run in far[:MOST_FAR]]
    more = [f"{len(far) - MOST_FAR} more"] if far[MOST_FAR:] else []
    below = f"{'up to ' if far[1:] else ''}{unsigned(far[0].below)} points"
    return f"{join([*named, *more])}: {below} below the best training there, and part of the mean."


def _clear_gain(verdict: Verdict) -> str | None:
    """The best method with a clear gain over zero-shot, if the leader's is not clear."""
    if verdict.n_seeds and verdict.reference == verdict.baseline and verdict.judgement_here.known is Certainty.OPEN:
        return next(iter(verdict.clear_gains), None)
    return None


def _compared(verdict: Verdict) -> tuple[str, str]:
    """The pair that the headline is about, so that a gain over zero-shot has zero-shot as the second."""
    pair = _clear_gain(verdict) or verdict.leader or "", verdict.reference or ""
    return (pair[1], pair[0]) if verdict.leader == verdict.baseline else pair


def few_datasets(n: int) -> str:
    """That so few datasets say nothing about others."""
    return "one dataset cannot tell about others" if n == 1 else f"{n} datasets cannot tell about others"


def ends(test: MeanTest | None) -> str:
    """The interval of a difference in points; empty without one."""
    return "" if test is None or test.low is None or test.high is None else interval(test.low, test.high)


def where(view: OverviewView, answer: best_method.Answer) -> str:
    """The datasets of a verdict within a sentence, and that each method was trained once."""
    n = len(view.datasets)
    text = "this dataset" if n == 1 else f"these {n} datasets"
    if answer.verdict.one_training and answer.verdict.judgement_here.known is not Certainty.UNKNOWN:
        text += ", with this one training" if n == 1 else ", with one training on each"
    return text


def inline(view: OverviewView, key: str) -> str:
    """The name of a method within a sentence."""
    name = view.names[key]
    return name[0].lower() + name[1:] if key == view.table.baseline and name.startswith("Zero-shot") else name


def _gap(answer: best_method.Answer) -> str:
    """The size of the lead in points."""
    assert answer.lead is not None
    return _points(answer.lead.mean)


def _points(gain: float) -> str:
    """A difference without its sign; two decimals where one would be zero."""
    text = unsigned(abs(gain))
    return text if text != "0.0" else f"{abs(100 * gain):.2f}".replace("0.00", "0.0")


def _short(view: OverviewView, key: str | None) -> str:
    return shorten(view.names[key or ""], LONGEST_NAME)


def _reference(view: OverviewView, answer: best_method.Answer) -> str:
    return shorten(inline(view, answer.verdict.reference or ""), LONGEST_NAME)
