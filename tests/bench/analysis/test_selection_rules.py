"""What each selection rule costs: equal to plain computations in pandas on made-up runs."""

import json
from pathlib import Path

import pandas as pd
import pytest
from worlds import make_world

from bench import load_results
from bench.analysis import score_texts
from bench.analysis.comparison import compare_entries
from bench.analysis.leaderboard_building import board_settings, build_leaderboard
from bench.analysis.selection_rules import selection_command, selection_differences, selection_rule
from bench.analysis.statistics.intervals import grouped_t
from bench.results.database import fresh_store
from datasets_registry import EvalProtocol

DATASETS = "abc"
KEYS = ["method", "dataset", "seed"]


def add(folder: Path, method: str, rate: float, datasets: str = DATASETS, **changes):
    rates = {method: {dataset: {"all": rate} for dataset in datasets}}
    make_world(folder, rates, protocol=EvalProtocol.FEW_SHOT, images=120, **changes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rules")
    add(folder, "coop", 0.6)
    add(folder, "coop", 0.7, epoch_selection="validation")
    add(folder, "coop", 0.66, epoch_selection="validation", held_out_shot=True)
    add(folder, "vpt", 0.5)
    add(folder, "vpt", 0.52, epoch_selection="validation")
    add(folder, "vpt", 0.5, "ab", epoch_selection="validation", held_out_shot=True)
    add(folder, "gda", 0.8, config={"alpha": 0.1, "selection": "validation"}, recipe=None)
    add(folder, "gda", 0.87, config={"alpha": 0.1, "selection": "oracle"}, recipe=None)
    add(folder, "gda", 0.4, config={"alpha": 9.0, "selection": "fixed"}, recipe=None)
    add(folder, "zero_shot", 0.4)
    return folder


@pytest.fixture(scope="module")
def board_and_runs(folder):
    runs = fresh_store(folder).runs_frame(outcomes=True)
    return build_leaderboard(runs, board_settings(runs)[0]), runs


def rule_of(row) -> str:
    """The rule of a run, from the fields of its record."""
    if row["held_out_shot"] is True:
        return "hoso"
    epoch = row["epoch_selection"] if isinstance(row["epoch_selection"], str) else "last"
    return json.loads(row["config"]).get("selection", epoch)


def by_rule(runs):
    """Accuracies by method, dataset and seed: a column for each rule. Zero-shot and the other alpha are left out."""
    runs = runs[(runs["method"] != "zero_shot") & ~runs["config"].str.contains("9.0")].copy()
    runs["rule"] = [rule_of(row) for row in runs.to_dict("records")]
    return runs.pivot(index=KEYS, columns="rule", values="accuracy")


def test_means_are_those_of_the_paired_runs_in_pandas(board_and_runs):
    board, runs = board_and_runs
    table = by_rule(runs)
    found = {rule.rule: rule.tests["all"] for rule in selection_differences(board, runs)}
    assert list(found) == ["last", "hoso", "oracle"], "no pair, no row"
    for rule, test in found.items():
        pairs = (table[rule] - table["validation"]).dropna()
        by_dataset = pairs.groupby("dataset").mean()
        assert test.mean == pytest.approx(by_dataset.mean())
        assert (test.n, test.groups) == (len(pairs), len(by_dataset))
    assert (found["last"].n, found["hoso"].n, found["oracle"].n) == (18, 15, 9)
    assert found["last"].mean == pytest.approx(-0.06, abs=0.03)
    assert found["oracle"].low > 0 > found["last"].high


def test_the_interval_has_the_noise_of_seeds_and_images(folder, board_and_runs):
    """The outcomes of both methods are averaged for each image before they are tested."""
    board, runs = board_and_runs
    outcomes = fresh_store(folder).outcomes_frame()
    outcomes["right"] = (outcomes["label"] == outcomes["predicted"]).astype(float)
    here = runs.assign(rule=[rule_of(row) for row in runs.to_dict("records")])[["run_id", *KEYS, "rule"]]
    joined = outcomes.merge(here[here["method"].isin(["coop", "vpt"])], on="run_id")
    wide = joined.pivot(index=[*KEYS, "image"], columns="rule", values="right")
    mean = (wide["last"] - wide["validation"]).groupby(["dataset", "seed", "image"]).mean()
    tables = [mean.loc[dataset].unstack("image").to_numpy() for dataset in DATASETS]
    wanted = grouped_t([table.mean(1).tolist() for table in tables], [[table] for table in tables])
    found = selection_differences(board, runs)[0].tests["all"]
    assert (found.mean, found.low, found.high) == pytest.approx((wanted.mean, wanted.low, wanted.high))


def test_one_method_is_compared_as_by_compare(folder, board_and_runs):
    board, runs = board_and_runs
    a, b = "coop [epoch=hoso]", "coop [epoch=validation]"
    wanted = compare_entries(board, runs, fresh_store(folder).outcomes_frame(), a, b, alone=True).averages["all"]
    found = next(rule for rule in selection_differences(board, runs) if rule.rule == "hoso")
    assert vars(found.by_method[b]["all"]) == pytest.approx(vars(wanted))


def test_the_rule_of_an_entry_is_that_of_its_runs(board_and_runs):
    board, _ = board_and_runs
    rules = {entry.key: selection_rule(entry) for entry in board.entries}
    assert rules == {
        "coop [epoch=last]": "last",
        "coop [epoch=validation]": "validation",
        "coop [epoch=hoso]": "hoso",
        "vpt [epoch=last]": "last",
        "vpt [epoch=validation]": "validation",
        "vpt [epoch=hoso]": "hoso",
        "gda [alpha=0.1, selection=validation]": "validation",
        "gda [alpha=0.1, selection=oracle]": "oracle",
        "gda [alpha=9.0, selection=fixed]": "fixed",
        "zero_shot": None,
    }


def test_an_oracle_that_selects_something_else_is_not_paired(tmp_path):
    """APEX's oracle selects the ensemble weight, and its `validation` selects the epoch."""
    add(tmp_path, "apex", 0.7, config={"ensemble_weight": "adaptive"}, epoch_selection="validation")
    add(tmp_path, "apex", 0.6, config={"ensemble_weight": "adaptive"})
    add(tmp_path, "apex", 0.8, config={"ensemble_weight": "oracle"})
    runs = fresh_store(tmp_path).runs_frame(outcomes=True)
    board = build_leaderboard(runs, board_settings(runs)[0])
    assert "oracle" in {selection_rule(entry) for entry in board.entries}
    assert [rule.rule for rule in selection_differences(board, runs)] == ["last"]


def test_methods_without_a_common_seed_have_no_mean(tmp_path):
    for method, seeds in (("coop", (1, 2)), ("vpt", (3, 4))):
        add(tmp_path, method, 0.6, seeds=seeds)
        add(tmp_path, method, 0.7, seeds=seeds, epoch_selection="validation")
    runs = fresh_store(tmp_path).runs_frame(outcomes=True)
    board = build_leaderboard(runs, board_settings(runs)[0])
    [found] = selection_differences(board, runs)
    assert found.tests == {}
    assert {tests["all"].n for tests in found.by_method.values()} == {6}
    table = load_results(tmp_path).selection_rules()
    [mean, *by_method] = table.rows
    assert (mean["all"], mean["95 % of all"], mean["pairs"]) == ("–", "no common runs", 0)
    assert [row["pairs"] for row in by_method] == [6, 6]


@pytest.mark.parametrize(("last_seeds", "asks"), [((1,), False), ((1, 2), True)])
def test_the_mean_of_two_methods_asks_for_seeds_if_some_datasets_have_one(tmp_path, last_seeds, asks):
    for method in ("coop", "vpt"):
        for rule in (None, "validation"):
            add(tmp_path, method, 0.7 if rule else 0.6, "a", seeds=(1,), epoch_selection=rule)
            add(tmp_path, method, 0.7 if rule else 0.6, "b", seeds=last_seeds, epoch_selection=rule)
    table = load_results(tmp_path).selection_rules()
    rows = table.rows
    assert ({row["95 % of all"] for row in rows} == {"needs two seeds"}) == asks


def test_equal_predictions_have_a_mean_and_no_interval(tmp_path):
    add(tmp_path, "coop", 0.7, epoch_selection="validation")
    runs = fresh_store(tmp_path).runs_frame(outcomes=True)
    same = runs.assign(run_id=runs["run_id"] + "-last", epoch_selection=None)
    both = pd.concat([runs, same], ignore_index=True)
    [found] = selection_differences(build_leaderboard(both, board_settings(both)[0]), both)
    assert (found.tests["all"].mean, found.tests["all"].low) == (0, None)


@pytest.mark.parametrize(
    ("shots", "rules", "asked"),
    [(16, {None}, "validation"), (16, {"validation"}, "hoso"), (1, {"validation"}, "fixed")],
)
def test_without_pairs_the_command_adds_them(tmp_path, shots, rules, asked):
    for rule in rules:
        add(tmp_path, "coop", 0.7, epoch_selection=rule, shots=shots, recipe={"name": "demo", "lr": 1.0})
    add(tmp_path, "zero_shot", 0.5)
    runs = fresh_store(tmp_path).runs_frame(outcomes=True)
    board = build_leaderboard(runs, board_settings(runs)[0])
    assert selection_differences(board, runs) == []
    assert selection_command(board) == (
        f"etl-bench run -m coop -d a,b,c -b ViT-demo.drawn --protocol few-shot --shots {shots} --seeds 1,2,3 "
        f"--selection {asked} --recipe demo"
    )


def test_zero_shot_has_no_choice_to_make(tmp_path):
    add(tmp_path, "zero_shot", 0.5)
    runs = fresh_store(tmp_path).runs_frame(outcomes=True)
    assert selection_command(build_leaderboard(runs, board_settings(runs)[0])) == ""
    assert "this leaderboard selects anything" in load_results(tmp_path).selection_rules().notes[0]


def test_the_table_of_the_results_has_the_same_numbers(folder, board_and_runs):
    board, runs = board_and_runs
    wanted = {rule.rule: rule for rule in selection_differences(board, runs)}
    table = load_results(folder).selection_rules()
    rows = table.rows
    first = rows[0]
    assert (first["rule"], first["methods"], first["pairs"]) == ("last (last epoch)", "mean of 2 methods", 18)
    assert first["all"] == score_texts.points(wanted["last"].tests["all"].mean)
    assert [row["methods"] for row in rows[1:3]] == ["coop", "vpt"]
    assert rows[-1]["methods"] == "gda [alpha=0.1]"
    frame = table.to_frame()
    mean = frame[(frame["rule"] == "hoso") & (frame["method"] == "")].iloc[0]
    assert (mean["difference"], mean["n"]) == (wanted["hoso"].tests["all"].mean, 15)
    [found] = table.to_json()
    assert [(rule["rule"], rule["oracle"]) for rule in found["rules"]] == [
        ("last", False), ("hoso", False), ("oracle", True),
    ]  # fmt: skip
    assert "<table>" in table._repr_html_()
    assert "mean of 2 methods" in str(table)


def test_each_leaderboard_without_pairs_has_a_note_also_of_an_equal_title(tmp_path):
    for draw in ("coop", "nested"):
        add(tmp_path, "coop", 0.5, draw=draw)
    (first, second) = load_results(tmp_path).selection_rules().notes
    assert "--draw" not in first
    assert second.endswith("--selection validation --draw nested`")
