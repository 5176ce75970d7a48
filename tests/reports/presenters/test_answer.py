"""The advice: what is taken for easy and hard tasks, computed again from the scores."""

from __future__ import annotations

from statistics import mean

import pytest
from report_sample import catalogue, difficulty_frame, runs_frame

from bench.analysis.best_method import WORTHWHILE
from reports.advice import advice_check, picks_html, training_text
from reports.presenters.content import PageContent
from reports.presenters.site import site_view
from reports.sentences import points


@pytest.fixture(scope="module")
def view():
    runs = runs_frame(protocols=("base-to-new",))
    runs = runs[~runs["method"].isin(["cocoop", "maple"])]
    return site_view(PageContent(runs, difficulty_frame(), catalogue(), package_version="0")).overviews[0]


def score(view, method, dataset, measure):
    cell = view.table.scores[method, dataset]
    if measure != "H":
        return mean(cell[measure])
    return mean(2 * base * new / (base + new) for base, new in zip(cell["base"], cell["new"], strict=True))


@pytest.mark.parametrize("measure", ["base", "new", "H"])
@pytest.mark.parametrize("budget", ["any", "1 min", "100k parameters"])
def test_the_picks_follow_the_rule_within_the_budget(view, measure, budget):
    advice = view.answers[measure].advice[budget]
    names = view.table.datasets
    assert [pick.kind for pick in advice.picks] == ["easy", "medium", "hard"]
    for pick in advice.picks:
        group = pick.datasets
        seen = group if advice.rule == "alike" else names
        means = {key: mean(score(view, key, name, measure) for name in seen) for key in advice.candidates}
        best = max(means, key=means.get)
        gain = mean(score(view, best, d, measure) - score(view, view.table.baseline, d, measure) for d in group)
        if view.table.baseline in advice.candidates and gain < WORTHWHILE:
            assert (pick.method, pick.gain, pick.near) == (view.table.baseline, 0.0, 0)
            continue
        assert means[pick.method] == pytest.approx(max(means.values()))
        here = {key: mean([score(view, key, d, measure) for d in group]) for key in means}
        assert pick.near == sum(value >= here[pick.method] - 0.01 for value in here.values()) - 1
        gains = [score(view, pick.method, d, measure) - score(view, view.table.baseline, d, measure) for d in group]
        assert (pick.low, pick.gain, pick.high) == pytest.approx((min(gains), mean(gains), max(gains)))


def test_each_pick_says_what_it_gains_and_costs(view):
    advice = view.answers["H"].advice["any"]
    text = picks_html(view, advice).striptags().replace("\u00a0", " ")
    for pick in advice.picks:
        method = view.table.method(pick.method)
        assert f"{pick.kind.capitalize()}, like " in text
        ends = f"worst {points(pick.low)}, best {points(pick.high)}"
        assert f"{points(pick.gain)} ({ends}), {training_text(view, method, '')}" in text
    assert training_text(view, view.table.method("zero_shot")) == "no training"
    assert training_text(view, view.table.method("apex")).endswith("of training per run")
    closed = view.answers["H"].advice["no training"]
    assert "within the budget gains" in picks_html(view, closed).striptags()
    assert "method fits this budget." in advice_check(closed, "H")


def test_the_check_names_both_rules_once(view):
    for measure, answer in view.answers.items():
        advice = answer.advice["any"]
        lost = {rule: f"{100 * value:.1f}" for rule, value in advice.lost.items()}
        text = advice_check(advice, measure)
        other = "alike" if advice.rule == "average" else "average"
        assert f"this advice loses {lost[advice.rule]} points of" in text
        assert text.endswith(f" loses {lost[other]}.")
