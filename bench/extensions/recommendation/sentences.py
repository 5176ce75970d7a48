"""The sentences of an answer: what is known of each method, what is not, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench._util.words import counted
from bench.analysis import BASELINE, MeanTest, score_texts
from bench.extensions.recommendation.answer import RaceVerdict, RemainingMethod
from bench.extensions.recommendation.elimination import ERROR_RATE
from bench.extensions.recommendation.race import Dropped
from bench.extensions.recommendation.request import whole_minutes

if TYPE_CHECKING:
    from bench.extensions.recommendation.result import Recommendation

_MOST_NAMED = 4
"""Largest number of methods that a sentence lists."""


def answer(found: Recommendation) -> list[str]:
    """The method, whether adapting pays, and what is known of the other methods."""
    accuracy, race = found.decision.accuracy, found.race
    images = counted(race.outcomes.images_scored(found.pick), "labelled image")
    interval = f" (95 % interval {_range(accuracy)})" if accuracy.low is not None else ""
    lines = [f"Take {found.pick}: {100 * accuracy.mean:.1f} % expected on unseen images{interval}, from {images}."]
    if found.final_images > found.plan.drawn:
        lines.append(
            f"That is measured with {found.plan.shots} images of each class in training. The model trained on all "
            f"{found.final_images} is probably better, which is not measured."
        )
    if untried := list(race.untried):
        verb = "was" if len(untried) == 1 else "were"
        lines.append(
            f"{counted(len(untried), 'method')} {verb} not tried for lack of time: {_listed(untried)}. Repeat the "
            f"command with --budget {whole_minutes(race.needed)} (an estimate); finished runs are kept."
        )
    known = _known(found)
    return (
        [*lines, *_choice(found), *_adapting(found), *known]
        if known
        else [*lines, "It was compared with no other method."]
    )


def _choice(found: Recommendation) -> list[str]:
    best = found.decision.leader
    if found.pick == best:
        return ["It led the race, in which methods are compared on the same images."]
    return [
        f"{best} led the race, in which methods are compared on the same images; {found.pick} is the cheapest method "
        f"that was at most {found.margin_text} below it."
    ]


def _adapting(found: Recommendation) -> list[str]:
    """Whether the best method is better than zero-shot CLIP; empty if zero-shot was not scored."""
    if found.decision.leader == BASELINE:
        return ["It is not shown that adapting pays: no method had a higher accuracy than zero-shot CLIP."]
    leaders = {item.method: item.leader for item in found.race.dropped}
    every: list[RemainingMethod | Dropped] = [*found.decision.standings, *found.race.dropped]
    for item in every:
        if item.method == BASELINE and (test := item.below_leader) is not None:
            best = leaders.get(BASELINE, found.decision.leader)
            sure = "Adapting pays" if test.low is not None and test.low > 0 else "It is not shown that adapting pays"
            then = "" if best == found.decision.leader else ", which led then"
            return [f"{sure}: zero-shot CLIP was {_behind([test])} {best}{_bracketed(test)}{then}."]
    return []


def _known(found: Recommendation) -> list[str]:
    """One sentence for each verdict, with the methods that it is said of."""
    best, margin = found.decision.leader, found.margin_text
    names: dict[str, list[str]] = {}
    for item in found.decision.standings:
        names.setdefault(item.verdict, []).append(item.method)
    dropped = [item.method for item in found.race.dropped if item.below_leader is not None]
    said = [
        (f"Not shown to differ from {best}", names.get(RaceVerdict.SAME)),
        (f"At most {margin} worse than {best}", names.get(RaceVerdict.EQUAL)),
        (f"Worse than {best}, perhaps by less than {margin}", names.get(RaceVerdict.WORSE)),
        (f"Worse by more than {margin}", dropped),
    ]
    lines = [f"{what}: {_listed(methods)}." for what, methods in said if methods]
    for verdict, what in (
        (RaceVerdict.UNKNOWN, "Too few labels to tell whether they are worse"),
        (RaceVerdict.STOPPED, "Stopped early, so less is known of them"),
    ):
        if items := [item for item in found.decision.standings if item.verdict is verdict]:
            lines.append(f"{what}: {_by_folds(found, items)}.")
    return lines


def _by_folds(found: Recommendation, items: Sequence[RemainingMethod]) -> str:
    """Methods by the number of folds that they were trained on, the most first."""
    by_folds: dict[int, list[RemainingMethod]] = {}
    for item in items:
        by_folds.setdefault(found.race.outcomes.trainings(item.method), []).append(item)
    parts = []
    for folds, members in sorted(by_folds.items(), reverse=True):
        tests = [item.below_leader for item in members if item.below_leader is not None]
        names = _listed([item.method for item in members])
        parts.append(f"{names}, {_behind(tests)} after {counted(folds, 'fold')}")
    return "; ".join(parts)


def evidence(found: Recommendation) -> list[str]:
    """How the race went, what its numbers rest on, and what more labels would add."""
    race, plan = found.race, found.plan
    share = f", {100 * race.share:.0f} % of the time that all methods on all folds would take" if race.share else ""
    lines = [
        f"Race: {counted(race.trainings, 'run')} on {plan.images} labelled images of {plan.classes} classes "
        f"in {race.seconds:.0f} s{share}. It ended because {race.why}."
    ]
    if plan.shots < plan.wanted:
        lines.append(
            f"Each run had {plan.shots} images per class instead of {plan.wanted}, since the others are held out. "
            f"With {plan.wanted} the accuracy is probably slightly higher."
        )
    for item in race.dropped:
        if item.below_leader is None:
            after = f" after {counted(item.trainings, 'run')}" if item.trainings else ""
            lines.append(f"Out: {item.method}, {item.reason}{after}.")
    lines += [f"Not tried: {name}, {reason}." for name, reason in race.untried.items()]
    return [*lines, *_promise(found), *_more_labels(found)]


def _promise(found: Recommendation) -> list[str]:
    tried = len(found.request.sweep.methods) - len(found.race.untried)
    if tried < 2:
        return []
    tests = [item.below_leader for item in found.decision.standings if item.below_leader is not None]
    lines = [
        f"Intervals of differences allow for all {tried} methods that were tried and for repeated looks. The chance "
        f"that the best of them is called more than {found.margin_text} worse is at most {100 * ERROR_RATE:.0f} %."
    ]
    if tests and all(test.low is None for test in tests):
        lines = [
            "One fold tells nothing of the noise of trainings: differences have no interval, and that of the accuracy "
            "is about other images only."
        ]
    if (taken := f"{100 * found.decision.optimism:.1f}") != "0.0":
        lines.append(
            f"The expected accuracy is {taken} points lower than the one in the table, because the best of several "
            "methods looks better than it is."
        )
    return lines


def _more_labels(found: Recommendation) -> list[str]:
    if found.doubling is None:
        return [f"The gain from twice the labels is unknown: {found.no_doubling}."]
    gain = found.doubling.gain
    return [
        f"Twice the labels ({2 * found.plan.shots} per class) would change the accuracy by about "
        f"{score_texts.points(gain.mean)} points{_bracketed(gain)}, if the error keeps falling at this rate."
    ]


def prior(found: Recommendation) -> list[str]:
    """What published and own results on other datasets would have chosen."""
    if not found.priors:
        return ["Without a race: too few published or own results of these methods on this backbone."]
    lines = []
    for item in found.priors:
        policy = item.choice.policy
        lost = item.choice.regrets.get(policy)
        known = f"{len(item.known.methods)} methods, {len(item.known.datasets)} datasets"
        loss = "" if lost is None else f"; on a left-out dataset this rule loses {100 * lost.mean:.1f} points"
        lines.append(f"Without a race: {item.pick}, by {policy} in {item.source} ({known}{loss}).")
    return lines


def heading(found: Recommendation) -> list[str]:
    """The lines above the commands."""
    used, every = found.final_images, found.plan.training_images
    lines: list[str] = []
    if used < every and found.pick != BASELINE:
        lines.append(f"{used} of {every} labelled images are used; --final all trains on all.")
    if not found.keeps_model:
        return [*lines, "Command that trains it (no model is kept, since imported features have no image tower):"]
    return [*lines, "Commands that train it, keep the model, and predict:"]


def _behind(tests: Sequence[MeanTest]) -> str:
    """How far methods are below the best: a number or a range of points.

    Example:
        >>> _behind([MeanTest(0.017, 4, 1), MeanTest(0.021, 4, 1)]), _behind([MeanTest(-0.007, 2, 1)])
        ('1.7 to 2.1 points behind', '0.7 points ahead')
    """
    shown = sorted({round(100 * test.mean, 1) for test in tests})
    if shown[-1] < 0:
        return f"{' to '.join(f'{-value:.1f}' for value in sorted({shown[0], shown[-1]}, reverse=True))} points ahead"
    return f"{' to '.join(f'{value:.1f}' for value in sorted({shown[0], shown[-1]}))} points behind"


def _range(test: MeanTest) -> str:
    return "" if test.low is None or test.high is None else f"{100 * test.low:.1f} to {100 * test.high:.1f}"


def _bracketed(test: MeanTest) -> str:
    return "" if test.low is None or test.high is None else f" ({score_texts.points_interval(test.low, test.high)})"


def _listed(names: Sequence[str]) -> str:
    if len(names) > _MOST_NAMED:
        return f"{', '.join(names[:_MOST_NAMED])} and {counted(len(names) - _MOST_NAMED, 'other')}"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
