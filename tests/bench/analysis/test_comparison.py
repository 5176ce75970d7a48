import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from worlds import make_world

from bench.analysis import board_verdicts
from bench.analysis.comparison import Comparison, ComparisonVerdict, compare_entries, find_entry
from bench.analysis.leaderboard import Leaderboard
from bench.analysis.leaderboard_building import board_settings, build_leaderboard
from bench.analysis.measures import H
from bench.analysis.statistics.hypothesis_tests import holm
from bench.api.comparisons import comparison_tables
from bench.errors import UsageError
from bench.results.database import Store, fresh_store

DATASETS = ("a", "b", "c")


def world(**rates: float) -> dict[str, dict[str, dict[str, float]]]:
    return {
        method: {dataset: {"base": rate, "new": rate - 0.1} for dataset in DATASETS} for method, rate in rates.items()
    }


def board_of(store: Store) -> Leaderboard:
    frame = store.runs_frame(outcomes=True)
    return build_leaderboard(frame, board_settings(frame)[0])


def compared(store: Store, a: str, b: str, *, alone: bool = False) -> Comparison:
    board = board_of(store)
    wanted = [*find_entry(board, a).run_ids, *find_entry(board, b).run_ids]
    return compare_entries(board, store.outcomes_frame(wanted), a, b, alone=alone)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    make_world(tmp_path, world(zero_shot=0.5, coop=0.70, apex=0.80, maple=0.70))
    return fresh_store(tmp_path)


def test_a_difference_is_found_on_every_dataset_with_its_sign(store: Store):
    found = compared(store, "apex", "coop")
    assert [(cell.dataset, cell.split) for cell in found.cells] == [(d, s) for d in DATASETS for s in ("base", "new")]
    for cell in found.cells:
        assert cell.difference.mean == pytest.approx(cell.score_a.mean - cell.score_b.mean)
        assert cell.difference.mean == pytest.approx(0.10, abs=0.06)
        assert cell.difference.n == 3
        assert cell.flipped[0] > cell.flipped[1]
    assert set(found.averages) == {"base", "new", H}
    assert found.averages[H].p < 0.01
    assert compared(store, "coop", "apex").averages["base"].mean == -found.averages["base"].mean


def test_verdicts_are_corrected_over_the_datasets_of_a_split(store: Store):
    found = compared(store, "coop", "maple")
    for split in ("base", "new"):
        cells = [cell for cell in found.cells if cell.split == split]
        assert [cell.p for cell in cells] == holm([cell.difference.p for cell in cells]).tolist()
        assert max(cell.p for cell in cells) > min(cell.difference.p for cell in cells)
    closer = replace(found.cells[0], p=0.04)
    assert closer.verdict in (ComparisonVerdict.A, ComparisonVerdict.B)
    assert replace(closer, p=0.06).verdict is ComparisonVerdict.INCONCLUSIVE


def test_the_same_answers_are_named_and_are_no_evidence_of_equality(tmp_path: Path):
    make_world(tmp_path, world(zero_shot=0.7, coop=0.8), images=28)
    store = fresh_store(tmp_path)
    outcomes = store.outcomes_frame()
    board = board_of(store)
    for column in ("label", "predicted"):
        outcomes[column] = 1
    for cell in compare_entries(board, outcomes, "coop", "zero_shot").cells:
        assert (cell.same_answers, cell.flipped, cell.images) == (True, (0, 0), 28)
        assert cell.difference.high - cell.difference.mean > 0.05
    other = set(find_entry(board, "coop").run_ids)
    outcomes["label"] = 2  # both are always wrong, in different ways
    outcomes.loc[outcomes["run_id"].isin(other), "predicted"] = 3
    assert not any(c.same_answers for c in compare_entries(board, outcomes, "coop", "zero_shot").cells)


def test_flips_come_from_the_stored_predictions(store: Store):
    cell = compared(store, "apex", "coop").cells[0]
    seed = cell.seeds[1]
    frames = [store.outcomes_frame([run]).query("split == 'base'") for run in (seed.run_a, seed.run_b)]
    a, b = ((frame["label"] == frame["predicted"]).to_numpy() for frame in frames)
    assert seed.only_a == tuple(frames[0]["image"][a & ~b])
    assert seed.only_b == tuple(frames[0]["image"][b & ~a])
    assert seed.only_b


def test_zero_shot_is_paired_with_every_seed(store: Store):
    cell = compared(store, "coop", "zero_shot").cells[0]
    assert [seed.seed for seed in cell.seeds] == [1, 2, 3]
    assert len({seed.run_b for seed in cell.seeds}) == 1


def test_equal_methods_are_inconclusive(store: Store):
    found = compared(store, "coop", "maple")
    assert found.averages["base"].p > 0.01
    assert {cell.verdict for cell in found.cells} == {ComparisonVerdict.INCONCLUSIVE}


def ranks_of(store: Store) -> dict[str, str]:
    return board_verdicts(board_of(store))["H"].ranks


def test_ranks_are_ranges(store: Store):
    assert ranks_of(store) == {"apex": "1", "coop": "2–3", "maple": "2–3", "zero_shot": "4"}


def test_one_run_each_is_a_verdict_on_these_images_with_this_one_training(tmp_path: Path):
    make_world(tmp_path, world(coop=0.6, apex=0.9), seeds=(1,))
    store = fresh_store(tmp_path)
    found = compared(store, "apex", "coop")
    assert all(cell.difference.n == 1 for cell in found.cells)
    assert found.averages["base"].p < 0.01
    assert found.verdict("base") is ComparisonVerdict.A
    assert found.one_training
    assert {cell.verdict for cell in found.cells} == {ComparisonVerdict.A}
    assert ranks_of(store) == {}


def test_zero_shot_counts_for_every_seed_and_h_is_computed_by_seed(store: Store):
    array = board_of(store).array
    assert set(array.by_seed("zero_shot", "a", "base")) == {1, 2, 3}
    h, base, new = (array.by_seed("coop", "a", measure)[2] for measure in (H, "base", "new"))
    assert h == pytest.approx(2 * base * new / (base + new))


def test_a_dataset_that_one_entry_lacks_is_named(tmp_path: Path):
    rates = world(coop=0.6, apex=0.7)
    del rates["apex"]["c"]
    make_world(tmp_path, rates)
    assert compared(fresh_store(tmp_path), "apex", "coop").skipped == (("c", "no common seed"),)


@pytest.mark.parametrize("lacking", [["apex"], ["apex", "coop", "maple", "vpt"]])
@pytest.mark.parametrize("other", ["coop", "zero_shot"])
def test_a_method_with_missing_runs_is_compared_as_strictly_as_a_ranked_one(
    tmp_path: Path, other: str, lacking: list[str]
):
    levels = {"zero_shot": 0.5, "coop": 0.6, "apex": 0.7, "maple": 0.6, "vpt": 0.6, "tcp": 0.6}
    rates = {
        method: {name: {"base": rate, "new": rate} for name in ("abcdef" if method in lacking else "abcdefg")}
        for method, rate in levels.items()
    }
    make_world(tmp_path, rates)
    store = fresh_store(tmp_path)
    assert not find_entry(board_of(store), "apex").rankable
    strict, planned = (compared(store, "apex", other, alone=alone) for alone in (False, True))
    assert (strict.alone, planned.alone) == (False, True)
    for held, own in (
        (strict.averages[H], planned.averages[H]),
        (strict.other_datasets[H], planned.other_datasets[H]),
    ):
        assert held.mean == own.mean
        assert held.high - held.low > own.high - own.low
        assert held.p >= own.p
    pair = strict.averages[H]
    assert pair.high - pair.mean > 1.1 * (planned.averages[H].high - pair.mean), "allows for six methods"
    turned = compared(store, other, "apex").averages[H]
    assert (turned.low, turned.high) == pytest.approx((-pair.high, -pair.low))


def test_runs_on_different_images_are_not_paired(tmp_path: Path):
    """Boards already exclude lists of different lengths; here the predictions differ."""
    make_world(tmp_path, world(coop=0.6, apex=0.7))
    store = fresh_store(tmp_path)
    board = board_of(store)
    outcomes = store.outcomes_frame()
    apex = set(find_entry(board, "apex").run_ids)
    outcomes.loc[outcomes["run_id"].isin(apex) & (outcomes["position"] == 0), "image"] = "another.png"
    found = compare_entries(board, outcomes, "apex", "coop")
    assert not found.cells
    assert found.skipped[0] == ("a", "base: the runs were not scored on the same images")


def test_images_in_another_order_are_paired_by_name(store: Store):
    frame, board = store.runs_frame(outcomes=True), board_of(store)
    outcomes = store.outcomes_frame()
    wanted = compare_entries(board, outcomes, "apex", "coop")
    one_method = set(find_entry(board, "coop").run_ids)
    one_seed = set(frame.loc[frame["seed"] == 2, "run_id"])
    for some in (one_method, one_seed):
        turned = outcomes[outcomes["run_id"].isin(some)].iloc[::-1]
        found = compare_entries(board, pd.concat([outcomes[~outcomes["run_id"].isin(some)], turned]), "apex", "coop")
        assert [cell.flipped for cell in found.cells] == [cell.flipped for cell in wanted.cells]
        assert [cell.difference for cell in found.cells] == [cell.difference for cell in wanted.cells]


def test_entries_are_found_by_key_or_method(tmp_path: Path):
    make_world(tmp_path, world(coop=0.6))
    make_world(tmp_path, world(coop=0.7), config={"n_ctx": 8})
    board = board_of(fresh_store(tmp_path))
    assert find_entry(board, "coop [n_ctx=8]").config == {"n_ctx": 8}
    with pytest.raises(UsageError, match="'coop' has 2 entries here.*n_ctx=8"):
        find_entry(board, "coop")
    with pytest.raises(UsageError, match="No entry 'cop'.*has: coop"):
        find_entry(board, "cop")


def test_comparing_an_entry_with_itself_is_an_error(store: Store):
    with pytest.raises(UsageError, match="same entry, 'coop'"):
        compared(store, "coop", "coop")


# --- command ----------------------------------------------------------------------------------------------------------


def test_compare_prints_what_it_found(etl, store: Store):
    code, out, err = etl("compare", "apex", "coop", "--runs", str(store.runs), "--images")
    assert code == 0
    assert "APEX (A) minus CoOp (B)" in out
    assert out.splitlines()[1].startswith("average  ")
    assert "By dataset and split: " in out
    assert "dataset " not in out.splitlines()[1], "--verbose adds the datasets"
    _, whole, _verbose = etl("compare", "apex", "coop", "--runs", str(store.runs), "--verbose")
    assert len(whole.splitlines()) >= len([line for line in out.splitlines() if "only " not in line]) + 8
    assert "power: " not in out + err
    assert "power: " in whole
    assert "right: a base seed 1 a/base/" in out
    _, out, _ = etl("compare", "apex", "coop", "--runs", str(store.runs), "--json")
    (answer,) = json.loads(out)
    assert len(answer["cells"]) == 6
    assert answer["cells"][0]["difference"]["low"] < answer["cells"][0]["difference"]["mean"]


def test_what_only_a_and_only_b_have_right_stand_together_at_every_width(store: Store):
    (table,) = comparison_tables([(board_of(store), compared(store, "apex", "coop"))])
    heads = [table.details.text(width).splitlines()[0] for width in range(60, 200)]
    assert {("only A" in head, "only B" in head) for head in heads} == {(True, True), (False, False)}


def test_compare_names_the_available_entries(etl, store: Store):
    code, _, err = etl("compare", "apex", "tcp", "--runs", str(store.runs))
    assert code == 2
    assert "No leaderboard in" in err
    assert "apex, coop, maple, zero_shot" in err
