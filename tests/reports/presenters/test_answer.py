"""The advice: what is taken and what it gained on left-out datasets, computed again from the scores."""

from __future__ import annotations

from dataclasses import replace
from statistics import mean

import pytest
from report_sample import runs_frame, sample_site

from bench.analysis.best_method import WORTHWHILE, Pick
from reports._format import points
from reports.sentences import take


@pytest.fixture(scope="module")
def view():
    runs = runs_frame(protocols=("base-to-new",))
    runs = runs[~runs["method"].isin(["cocoop", "maple"])]
    return sample_site(runs).overviews[0]


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


def test_the_answer_is_a_method_only_if_its_gain_elsewhere_is_clear_and_most_datasets_gain(view):
    found = view.answers["H"]
    pick = found.advice
    text = take(view, "H").striptags()
    assert text.startswith("If in doubt, take APEX.")
    assert text.endswith(f"gained {points(pick.gain)} on average and lost on {pick.below} of 11.")

    def said(answer):
        return take(replace(view, answers={"H": answer}), "H").striptags().partition(".")[0]

    assert said(replace(found, advice=replace(pick, below=6))) == ("No method is sure to gain elsewhere")
    open_elsewhere = {pair: replace(test, low=-0.1, high=0.3) for pair, test in found.verdict.elsewhere.items()}
    unsure = replace(found, verdict=replace(found.verdict, elsewhere=open_elsewhere))
    assert said(unsure) == "No method is sure to gain elsewhere"
    assert said(replace(found, advice=None)) == ""
    changed = replace(view, answers={"H": replace(view.answers["H"], advice=Pick("zero_shot", -0.003, 6, 11))})
    text = take(changed, "H").striptags()
    assert text.startswith("If in doubt, take Zero-shot CLIP.")
    assert text.endswith("the other method that was best on the others gained −0.3 on average and lost on 6 of 11.")
