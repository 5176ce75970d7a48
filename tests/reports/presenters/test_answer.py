"""The advice: what is taken and what it gained on left-out datasets, computed again from the scores."""

from __future__ import annotations

from dataclasses import replace
from statistics import mean

import pytest
from report_sample import catalogue, difficulty_frame, runs_frame

from bench.analysis import best_method
from bench.analysis.best_method import WORTHWHILE
from reports.advice import advice_check, advice_texts, cards, may_be_as_good, training_text
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
def test_the_card_has_the_gain_of_methods_chosen_without_the_dataset(view, measure, budget):
    advice, names = view.answers[measure].advice[budget], view.table.datasets
    gains = []
    for left in names:
        means = {
            key: mean(score(view, key, name, measure) for name in names if name != left) for key in advice.candidates
        }
        chosen = max(means, key=means.get)
        gains.append(score(view, chosen, left, measure) - score(view, view.table.baseline, left, measure))
    (card,) = advice.cards
    assert (card.kind, card.gain) == ("overall", pytest.approx(mean(gains)))
    assert card.below == sum(gain < -1e-9 for gain in gains)
    best = advice.candidates[0] if card.gain >= WORTHWHILE else view.table.baseline
    assert card.method == best


def test_the_text_says_what_the_method_gained_and_costs(view):
    (shown_card,) = cards(view, "H")
    (card,) = view.answers["H"].advice["any"].cards
    assert shown_card[:2] == ("overall", "APEX")
    cost = training_text(view, view.table.method("apex"))
    over = f"a choice like this gained {points(card.gain)} on a dataset that was left out, on average"
    assert shown_card.text == f"{over}; {card.below} of 11 lost; {cost}"
    rest = f"below zero-shot on {card.below} of 11; {cost}"
    shown = advice_texts(view, "H", "any")[0].striptags().replace("\u00a0", " ")
    taken = f"Take APEX: {points(card.gain)} points on average over 11 datasets, each left out while choosing; {rest}."
    assert shown.startswith(taken)
    n = sum(key != "zero_shot" for key in may_be_as_good(view.answers["H"], "apex"))
    assert ("may be as good elsewhere" in shown) == (n > 0)
    assert training_text(view, view.table.method("zero_shot")) == "no training"
    assert training_text(view, view.table.method("apex")).endswith("of training per run")
    closed = view.answers["H"].advice["no training"]
    assert advice_texts(view, "H", "no training") == [
        '<p class="take">Stay with zero-shot CLIP: no other method fits this budget.</p>'
    ]
    assert advice_check(closed, "H") == ""


def test_zero_shot_is_advised_with_what_was_tried(view):
    stay = best_method.Pick("overall", "zero_shot", view.table.datasets, -0.003, 6)
    found = view.answers["H"]
    advice = {budget: replace(found.advice[budget], cards=(stay,), alike=(stay,)) for budget in ("any", "1 min")}
    changed = replace(view, answers={"H": replace(found, advice=advice)})
    tried = "gained −0.3 points on the dataset left out, on average."
    (card,) = cards(changed, "H")
    assert card == (
        "overall",
        "Zero-shot CLIP",
        "the best of the others gained −0.3 on a dataset that was left out, on average",
    )
    (text,) = advice_texts(changed, "H", "1 min")
    assert f"the best method within this budget {tried}" in text.striptags().replace("\u00a0", " ")


def test_the_cheapest_method_close_to_the_best_is_named(view):
    found = view.answers["H"]
    pick = replace(found.advice["any"].cards[0], cheapest="tip_adapter")
    advice = {"any": replace(found.advice["any"], alike=(pick,))}
    (text,) = advice_texts(replace(view, answers={"H": replace(found, advice=advice)}), "H", "any")
    assert "Cheapest within 1 point: Tip-Adapter" in text.striptags().replace("\u00a0", " ")


def test_the_check_names_both_rules_and_which_one_decides(view):
    for measure, answer in view.answers.items():
        advice = answer.advice["any"]
        average, nearest = (f"{100 * advice.choice.regrets[rule].mean:.1f}" for rule in best_method.RULES)
        text = advice_check(advice, measure)
        assert f"The best mean loses {average} points of" in text
        assert text.endswith(f"loses {nearest}, not less by more than one standard error, so the mean decides.")
        by_difficulty = replace(advice, choice=replace(advice.choice, policy=best_method.RULES[1]))
        assert advice_check(by_difficulty, measure).endswith("so difficulty decides.")
