"""The advice: what is taken and what it gained on left-out datasets, computed again from the scores."""

from __future__ import annotations

from dataclasses import replace
from statistics import mean

import pytest
from report_sample import catalogue, difficulty_frame, runs_frame

from bench.analysis.best_method import WORTHWHILE, Pick
from reports.advice import card
from reports.presenters.content import PageContent
from reports.presenters.site import site_view
from reports.sentences import points


@pytest.fixture(scope="module")
def view():
    runs = runs_frame(protocols=("base-to-new",))
    runs = runs[~runs["method"].isin(["cocoop", "maple"])]
    return site_view(PageContent(runs, difficulty_frame(), catalogue(), package_version="0")).overviews[0]


def score(view, method, dataset, measure):
    base, new = (view.table.array.of_seeds(method, dataset, split) for split in ("base", "new"))
    if measure != "H":
        return mean({"base": base, "new": new}[measure])
    return mean(2 * b * n / (b + n) for b, n in zip(base, new, strict=True))


@pytest.mark.parametrize("measure", ["base", "new", "H"])
def test_the_advice_has_the_gain_of_methods_chosen_without_the_dataset(view, measure):
    found, names = view.answers[measure], view.table.datasets
    candidates = [key for key in found.verdict.ranked if key != view.table.baseline]
    gains = []
    for left in names:
        means = {key: mean(score(view, key, name, measure) for name in names if name != left) for key in candidates}
        chosen = max(means, key=means.get)
        gains.append(score(view, chosen, left, measure) - score(view, view.table.baseline, left, measure))
    pick = found.advice
    assert (pick.n, pick.gain) == (len(names), pytest.approx(mean(gains)))
    assert pick.below == sum(gain < -1e-9 for gain in gains)
    assert pick.method == (candidates[0] if pick.gain >= WORTHWHILE else view.table.baseline)


def test_the_card_says_what_the_choice_gained_and_lost_and_what_the_method_costs(view):
    pick = view.answers["H"].advice
    name, text = card(view, "H")
    assert name == "APEX"
    over = f"a choice like this gained {points(pick.gain)} on a dataset that was left out, on average"
    assert text.startswith(f"{over}; {pick.below} of 11 lost; ")
    assert text.endswith(" of training per run")


def test_zero_shot_is_advised_with_what_was_tried(view):
    found = view.answers["H"]
    changed = replace(view, answers={"H": replace(found, advice=Pick("zero_shot", -0.003, 6, 11))})
    tried = "the best of the others gained −0.3 on a dataset that was left out, on average"
    assert card(changed, "H") == ("Zero-shot CLIP", tried)
