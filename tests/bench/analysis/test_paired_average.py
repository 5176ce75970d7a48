"""Averages over datasets: the noise of seeds and of test images, and when there is no verdict."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from simulated_boards import MEASURE, SimulatedBoard
from worlds import make_world

from bench.analysis import Certainty, board_verdicts
from bench.analysis.comparison import ComparisonVerdict, compare_entries
from bench.analysis.leaderboard_building import board_settings, build_leaderboard
from bench.analysis.paired_average import board_average, dataset_means, paired_test
from bench.analysis.scores_by_seed import SeedScore, seed_scores
from bench.analysis.statistics.intervals import grouped_t, student_t
from bench.analysis.verdict import over_datasets
from bench.api.comparison_table import comparison_table
from bench.results.database import fresh_store

H = "H"


def rates(datasets: str, **methods: float) -> dict[str, dict[str, dict[str, float]]]:
    return {method: {d: {"base": rate, "new": rate - 0.1} for d in datasets} for method, rate in methods.items()}


def board_and_runs(folder: Path):
    runs = fresh_store(folder).runs_frame(outcomes=True)
    return build_leaderboard(runs, board_settings(runs)[0]), runs


def run(right_base: np.ndarray, right_new: np.ndarray, *, seeded: bool = True) -> SeedScore:
    base, new = float(right_base.mean()), float(right_new.mean())
    return SeedScore(
        "run",
        {"base": base, "new": new, H: 2 * base * new / (base + new)},
        seeded,
        {"base": ("images", right_base), "new": ("others", right_new)},
    )


def test_two_equal_seeds_give_no_interval_of_width_zero():
    """Two runs with the same accuracy say nothing about seeds; the images still vary."""
    draw = np.random.default_rng(0)
    a, b = draw.random((2, 200)) < 0.6, draw.random((2, 200)) < 0.5
    scores_a = {d: {1: run(a[0], a[1]), 2: run(a[0], a[1])} for d in "de"}
    scores_b = {d: {1: run(b[0], b[1]), 2: run(b[0], b[1])} for d in "de"}
    found = paired_test(scores_a, scores_b, "base", ["d", "e"])
    assert found.high - found.low > 0.1
    assert paired_test(scores_a, scores_a, "base", ["d", "e"]).p is None, "nothing varies"


def test_methods_without_seeds_are_tested_over_images_and_once_per_dataset():
    draw = np.random.default_rng(1)
    a, b = draw.random((2, 2, 300)) < 0.6, draw.random((2, 2, 300)) < 0.5
    scores_a = {d: dict.fromkeys((1, 2, 3), run(*a[i], seeded=False)) for i, d in enumerate("de")}
    scores_b = {d: dict.fromkeys((1, 2, 3), run(*b[i], seeded=False)) for i, d in enumerate("de")}
    found = paired_test(scores_a, scores_b, "base", ["d", "e"])
    differences = [a[i][0].astype(float) - b[i][0] for i in range(2)]
    wanted = grouped_t([[d.mean()] for d in differences], [[d[None]] for d in differences])
    assert found.n == 2
    assert (found.mean, found.low, found.p) == pytest.approx((wanted.mean, wanted.low, wanted.p))


@pytest.mark.parametrize("measure", ["base", "new", H, "gap"])
def test_the_noise_of_images_is_that_of_a_bootstrap(measure):
    """Deterministic methods on two datasets; images are resampled with replacement, base and new apart."""
    draw = np.random.default_rng(2)
    sides = {}
    for side, rate in (("a", 0.8), ("b", 0.6)):
        shared = np.random.default_rng(3).normal(size=(2, 2, 250))
        sides[side] = shared + 0.7 * draw.normal(size=(2, 2, 250)) < rate
    scores = {
        side: {d: {1: run(right[i, 0], right[i, 1], seeded=False)} for i, d in enumerate("de")}
        for side, right in sides.items()
    }
    found = paired_test(scores["a"], scores["b"], measure, ["d", "e"])
    resampled = []
    for _ in range(1500):
        picked = draw.integers(250, size=(2, 2, 250))
        means = {side: np.take_along_axis(right, picked, axis=2).mean(2) for side, right in sides.items()}
        runs = [{side: SeedScore("", _values(*mean[i]), False, {}) for side, mean in means.items()} for i in range(2)]
        resampled.append(np.mean([one["a"][measure] - one["b"][measure] for one in runs]))
    assert found.standard_error == pytest.approx(np.std(resampled), rel=0.08)


def _values(base: float, new: float) -> dict[str, float]:
    return {"base": base, "new": new, H: 2 * base * new / (base + new)}


def test_one_dataset_or_one_seed_is_said_with_the_verdict(tmp_path: Path):
    make_world(tmp_path / "dataset", rates("a", coop=0.5, apex=0.9))
    make_world(tmp_path / "seed", rates("abc", coop=0.5, apex=0.9), seeds=(1,))
    for name in ("dataset", "seed"):
        board, runs = board_and_runs(tmp_path / name)
        verdict = board_verdicts(board, seed_scores(board, runs))[H]
        assert verdict.ranks == ({} if name == "seed" else {"apex": "1", "coop": "2"})
        assert verdict.one_training == (name == "seed")
        assert verdict.judgement_elsewhere == (Certainty.UNKNOWN, "fewer than 6 datasets")
        outcomes = fresh_store(tmp_path / name).outcomes_frame()
        table = comparison_table([(board, compare_entries(board, runs, outcomes, "apex", "coop"))])
        average = table.parts[0].rows[-1]
        assert average["verdict"] == "A better"
        assert ("with this one training" in table.parts[0].text()) == (name == "seed")


def test_one_dataset_is_still_compared_on_itself(tmp_path: Path):
    make_world(tmp_path, rates("a", coop=0.5, apex=0.9))
    board, runs = board_and_runs(tmp_path)
    found = compare_entries(board, runs, fresh_store(tmp_path).outcomes_frame(), "apex", "coop")
    assert {cell.verdict for cell in found.cells} == {ComparisonVerdict.A}


def test_missing_predictions_leave_no_test(tmp_path: Path):
    make_world(tmp_path, rates("abc", coop=0.5, apex=0.9))
    board, runs = board_and_runs(tmp_path)
    runs.loc[(runs["method"] == "coop") & (runs["dataset"] == "b"), ["images", "correct"]] = None
    assert board_average(board, seed_scores(board, runs), "apex", "coop", "base").p is None
    runs.loc[runs["method"] == "coop", ["images", "correct"]] = None
    assert board_average(board, seed_scores(board, runs), "apex", "coop", "base").p is None, "all of one method"


def test_the_interval_over_datasets_is_wider_where_datasets_differ(tmp_path: Path):
    methods = {
        "coop": {d: {"base": 0.5, "new": 0.5} for d in "abcdef"},
        "apex": {d: {"base": r, "new": 0.5} for d, r in zip("abcdef", (0.4, 0.6, 0.7, 0.8, 0.45, 0.6), strict=True)},
    }
    make_world(tmp_path, methods)
    board, runs = board_and_runs(tmp_path)
    scores = seed_scores(board, runs)
    here = board_average(board, scores, "apex", "coop", "base")
    gaps = dataset_means(board, scores, "apex", "coop", "base")
    means = [
        np.mean([scores["apex"][d][s]["base"] - scores["coop"][d][s]["base"] for s in (1, 2, 3)]) for d in "abcdef"
    ]
    assert gaps == pytest.approx(means)
    wider, plain = over_datasets(gaps[None], 1)[0], student_t(means)
    assert (wider.mean, wider.low, wider.high) == pytest.approx((plain.mean, plain.low, plain.high))
    assert here.low > 0 > wider.low, "better here only"
    found = compare_entries(board, runs, fresh_store(tmp_path).outcomes_frame(), "apex", "coop")
    assert found.verdict("base") is ComparisonVerdict.A
    row = next(row for row in comparison_table([(board, found)]).parts[0].rows if row["average"] == "base")
    assert row["95 % elsewhere"].startswith("−")


def test_all_doors_use_the_images(tmp_path: Path):
    """The page, the exports and the claims test with the frame that has outcomes."""
    from reports.site.build import PageRequest, write_page

    make_world(tmp_path, rates("abc", coop=0.5, apex=0.9))
    board, runs = board_and_runs(tmp_path)
    view = write_page(PageRequest(runs=tmp_path, out=tmp_path / "page.html"))
    pair = view.boards[0].verdict.on_these("apex", "coop")
    wanted = board_average(board, seed_scores(board, runs), "apex", "coop", H)
    without = board_average(board, seed_scores(board, runs.drop(columns=["images", "correct"])), "apex", "coop", H)
    assert (pair.low, pair.high) == (wanted.low, wanted.high)
    assert wanted.low != without.low


def other_seeds(scores, seeds: tuple[int, ...]):
    return {d: dict(zip(seeds, by_seed.values(), strict=True)) for d, by_seed in scores.items()}


@pytest.mark.parametrize("seeds", [(4, 5, 6), (3, 4, 5)])
def test_methods_with_other_seeds_are_compared_unpaired_on_the_same_images(seeds):
    world = SimulatedBoard([[0.7, 0.8], [0.5, 0.6]], (400, 300), 3, 0.05)
    a, b = world.scores(np.random.default_rng(0)).values()
    found = paired_test(a, other_seeds(b, seeds), MEASURE, world.datasets)
    paired = paired_test(a, b, MEASURE, world.datasets)
    assert (found.paired, paired.paired) == (False, True)
    assert found.mean == pytest.approx(paired.mean)
    images = seeds_part = 0.0
    for dataset in world.datasets:
        means = [np.mean([run.correct[MEASURE][1] for run in side[dataset].values()], axis=0) for side in (a, b)]
        images += (means[0] - means[1]).var(ddof=1) / len(means[0])
        seeds_part += sum(np.var([run[MEASURE] for run in side[dataset].values()], ddof=1) / 3 for side in (a, b))
    assert images / 4 < found.standard_error**2 < (images + seeds_part) / 4
    assert found.p < 0.05


def test_unpaired_needs_two_seeds_of_each_and_the_same_images():
    world = SimulatedBoard([[0.7], [0.6]], (200,), 2)
    a, b = world.scores(np.random.default_rng(1)).values()
    one = {"d0": {9: b["d0"][1]}}
    assert paired_test(a, one, MEASURE, ["d0"]) is None
    elsewhere = {s + 5: replace(r, correct={MEASURE: ("other", r.correct[MEASURE][1])}) for s, r in b["d0"].items()}
    found = paired_test(a, {"d0": elsewhere}, MEASURE, ["d0"])
    assert (found.p, found.paired) == (None, False)


def test_unpaired_differences_are_covered():
    draw, world = (
        np.random.default_rng(2),
        SimulatedBoard([[0.7, 0.8, 0.6], [0.65, 0.8, 0.7]], (300, 200, 500), 3, 0.03),
    )
    truth, covered = float((world.truth[0] - world.truth[1]).mean()), []
    for _ in range(200):
        a, b = world.scores(draw).values()
        found = paired_test(a, other_seeds(b, (4, 5, 6)), MEASURE, world.datasets)
        covered.append(found.low <= truth <= found.high)
    assert np.mean(covered) >= 0.93 - 2 * np.sqrt(0.93 * 0.07 / 200)


def test_compare_says_which_datasets_are_unpaired(tmp_path: Path):
    make_world(tmp_path, rates("ab", coop=0.5), seeds=(1, 2, 3))
    make_world(tmp_path, rates("a", apex=0.9), seeds=(4, 5, 6))
    make_world(tmp_path, rates("b", apex=0.9), seeds=(1, 2, 3))
    board, runs = board_and_runs(tmp_path)
    found = compare_entries(board, runs, fresh_store(tmp_path).outcomes_frame(), "apex", "coop")
    assert {cell.dataset: cell.difference.paired for cell in found.cells} == {"a": False, "b": True}
    assert {cell.verdict for cell in found.cells} == {ComparisonVerdict.A}
    assert not found.averages["base"].paired
    assert found.skipped == ()
    table = comparison_table([(board, found)])
    assert table.notes[0].startswith("unpaired: a: A and B have other seeds there")
    assert [row["seeds"] for row in table.parts[0].details] == ["unpaired", "unpaired", 3, 3]
