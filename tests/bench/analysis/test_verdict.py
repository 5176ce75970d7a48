"""One record of what is known: its parts agree with each other, and with simulated truth."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from report_sample import runs_frame
from scipy import stats
from simulated_boards import SimulatedBoard, drawn_leaderboard

from bench.analysis import FEWEST_ELSEWHERE, Certainty, board_verdicts, differences
from bench.analysis.leaderboard_building import board_settings, build_leaderboard
from bench.analysis.statistics.intervals import MeanTest
from bench.analysis.verdict import board_verdict, simultaneous_tests, verdict_notes, verdict_on_rows, why_no_ranks


def board_of(frame, index=0):
    return build_leaderboard(frame, board_settings(frame)[index])


@pytest.fixture(scope="module")
def sample():
    return board_of(runs_frame(protocols=("base-to-new",)))


def test_every_pair_has_the_mean_of_the_paired_test_and_no_shorter_interval(sample):
    verdict = board_verdicts(sample)["H"]
    pairs = list(combinations(verdict.ranked, 2))
    assert len(verdict.here) == len(pairs)
    for a, b in pairs:
        plain = differences(sample.array, [(a, b)], "H")[a, b]
        found, turned = verdict.on_these(a, b), verdict.on_these(b, a)
        assert found.mean == pytest.approx(plain.mean)
        assert found.low <= plain.low + 1e-9
        assert (turned.mean, turned.low, turned.high) == (-found.mean, -found.high, -found.low)


def test_each_measure_has_ranks_of_its_own_and_incomplete_entries_have_none(sample):
    found = board_verdicts(sample)
    assert [verdict.measure for verdict in found.values()] == list(found) == list(sample.measures)
    for measure, verdict in found.items():
        averages = {e.key: sample.average(e.key, measure).mean for e in sample.entries if e.rankable}
        assert list(verdict.ranked) == sorted(averages, key=lambda key: -averages[key])
        for place, key in enumerate(verdict.ranked, 1):
            best, _, worst = verdict.ranks[key].partition("–")
            assert int(best) <= place <= int(worst or best)
    assert found["base"].ranks != found["new"].ranks
    verdict = found["H"]
    assert set(verdict.ranks).isdisjoint({"maple", "cocoop"})
    assert any("2 of 8" in note for note in verdict_notes(sample, verdict))


def test_one_definition_of_others_and_of_the_reference_also_without_zero_shot(world):
    board = world({"zero_shot": 0.5, "coop": 0.9, "apex": 0.9, "maple": 0.6}).board
    verdict = board_verdicts(board)["H"]
    assert verdict.reference == "zero_shot"
    assert set(verdict.others) == {"coop", "apex", "maple"} - {verdict.leader}
    assert verdict.may_match_here == verdict.others[:1]
    assert verdict.judgement_here.known is Certainty.CLEAR
    assert verdict.judgement_elsewhere == (Certainty.UNKNOWN, f"fewer than {FEWEST_ELSEWHERE} datasets")
    assert set(verdict.clear_gains) == {"coop", "apex", "maple"}
    board = world({"coop": 0.9, "apex": 0.5}).board
    verdict = board_verdicts(board)["H"]
    assert (verdict.leader, verdict.reference, verdict.by_chance) == ("coop", "apex", None)


def test_the_same_answers_are_no_difference_and_no_verdict(world):
    board = world({"coop": 0.9, "apex": 0.5}).board
    rows = [board.array.rows["coop"]] * 2  # apex has the runs of coop
    values = {split: board.array.values[split][rows] for split in ("base", "new")}
    array = replace(board.array, values=values, run_ids=board.array.run_ids[rows])
    verdict = board_verdict(replace(board, array=array), "base")
    test = verdict.on_these("coop", "apex")
    assert not test.clear
    assert (verdict.judgement_here.known is Certainty.SAME) == (test.low is None)


def test_one_seed_is_said_with_the_verdict(world):
    board = world({"coop": 0.9, "apex": 0.5}, datasets="a", seeds=(1,)).board
    verdict = board_verdicts(board)["H"]
    assert (verdict.one_training, verdict.judgement_here.known) == (True, Certainty.CLEAR)
    assert verdict.ranks == {}
    assert why_no_ranks(verdict) in verdict_notes(board, verdict)


def test_variants_of_a_method_are_counted(world):
    parts = [({"coop": {"a": {"all": 0.7}}}, {"config": {"n_ctx": n_ctx}}) for n_ctx in (4, 16)]
    assert board_verdicts(world(*parts, protocol="few-shot").board)["all"].variants == 2


def test_the_board_of_a_dataset_has_the_verdict_on_it(sample):
    verdict = board_verdict(sample.on_dataset("dtd"), "H")
    best = max(verdict.ranked, key=lambda key: sample.array.mean(key, "dtd", "H"))
    assert (verdict.leader, verdict.n_datasets) == (best, 1)


def test_published_means_are_judged_by_their_datasets():
    draw = np.random.default_rng(0)
    zero = draw.uniform(0.3, 0.7, 11)
    rows = {"coop": zero + draw.normal(0.1, 0.02, 11), "zero_shot": zero}
    verdict = verdict_on_rows("all", {key: row.mean() for key, row in rows.items()}, rows, "zero_shot")
    test, wanted = verdict.on_others("coop", "zero_shot"), stats.ttest_1samp(rows["coop"] - zero, 0.0)
    ends = wanted.confidence_interval()
    assert (test.low, test.high, test.p) == pytest.approx((ends.low, ends.high, wanted.pvalue), rel=0.02)
    assert verdict.judgement_here == (Certainty.UNKNOWN, "one printed value for each dataset")
    assert verdict.judgement_elsewhere.known is Certainty.CLEAR


def drawn(draw, k, n, gain, noise):
    """Means of zero-shot and k methods on n datasets: gains vary over datasets, half of it for all methods alike."""
    zero, alike = draw.uniform(0.3, 0.8, n), draw.normal(0.0, noise, n)
    own = draw.normal(0.0, noise, (k, n))
    rows = {f"m{number:02}": zero + gain + np.sqrt(0.5) * (alike + row) for number, row in enumerate(own)}
    return {"zero_shot": zero, **rows}


@pytest.mark.parametrize(("k", "n"), [(1, 6), (30, 11)])
def test_the_best_of_many_methods_rarely_seems_better_elsewhere_without_being(k, n):
    draw = np.random.default_rng(k)
    repetitions, false = 100, 0
    for _ in range(repetitions):
        rows = drawn(draw, k, n, 0.0, 0.03)
        verdict = verdict_on_rows("all", {key: row.mean() for key, row in rows.items()}, rows, "zero_shot")
        false += verdict.leader != "zero_shot" and verdict.judgement_elsewhere.known is Certainty.CLEAR
    assert false <= stats.binom.ppf(0.999, repetitions, 0.04)


def here_of(draw, k, df=30.0):
    """Tests on datasets of k methods that equal zero-shot in truth, whose errors are estimated."""
    true = draw.uniform(0.003, 0.012, k + 1)
    means = true * draw.normal(size=k + 1)
    errors = true * np.sqrt(draw.chisquare(df / 2, k + 1) / (df / 2))
    names = ["zero_shot", *(f"m{number:02}" for number in range(k))]
    return verdict_on_means(names, means, errors, df)


def verdict_on_means(names, means, errors, df):
    """The verdict on independent means of methods with such standard errors."""
    tests = {
        (names[a], names[b]): MeanTest.from_error(means[a] - means[b], 9, 3, float(np.hypot(errors[a], errors[b])), df)
        for a, b in combinations(range(len(names)), 2)
    }
    averages = dict(zip(names, means, strict=True))
    rows = {name: np.array([mean]) for name, mean in averages.items()}
    return verdict_on_rows("all", averages, rows, "zero_shot" if names[0] == "zero_shot" else None, tests)


@pytest.mark.parametrize(("k", "repetitions"), [(1, 100), (12, 60)])
def test_a_clear_gain_here_is_rarely_false(k, repetitions):
    """At most 3 % of worlds without any gain have a method that is clearly better than zero-shot."""
    draw = np.random.default_rng(k)
    false = sum(bool(here_of(draw, k).clear_gains) for _ in range(repetitions))
    assert false <= stats.binom.ppf(0.999, repetitions, 0.03)


def test_a_leader_by_another_average_is_not_called_clearly_better():
    """H of the average accuracies may order two methods, and the mean of H the other way round."""
    rows = {"coop": np.linspace(0.5, 0.6, 8), "zero_shot": np.linspace(0.56, 0.66, 8) + 0.001 * np.arange(8) ** 2}
    verdict = verdict_on_rows("H", {"coop": 0.7, "zero_shot": 0.6}, rows, "zero_shot")
    assert (verdict.leader, verdict.on_others("coop", "zero_shot").clear) == ("coop", True)
    assert verdict.judgement_elsewhere.known is Certainty.OPEN


def drawn_verdict(draw, *simulated):
    return board_verdict(drawn_leaderboard(SimulatedBoard(*simulated), draw), "all")


def test_a_true_gain_of_the_stated_difference_is_told_on_four_boards_in_five():
    draw, equal = np.random.default_rng(4), np.array([[0.45, 0.55, 0.65, 0.75]] * 5)
    noise = [250] * 4, 3, 0.03
    stated = np.mean([drawn_verdict(draw, equal, *noise).detectable.difference for _ in range(30)])
    better = equal + np.array([0.0, stated, 0.0, 0.0, 0.0])[:, None]
    told = [("m1" in drawn_verdict(draw, better, *noise).clear_gains) for _ in range(70)]
    assert np.mean(told) == pytest.approx(0.8, abs=3 * np.sqrt(0.8 * 0.2 / 70))


def test_a_higher_mean_has_no_worse_bound_of_its_rank():
    """The third method varies so much that it is separated from none; the second is separated from the first."""
    means, errors = [0.70, 0.68, 0.67, 0.60], [0.002, 0.002, 0.05, 0.002]
    verdict = replace(verdict_on_means(["a", "b", "c", "zero_shot"], means, errors, 50), n_seeds=3)
    assert verdict.on_these("a", "b").clear
    assert verdict.ranks == {"a": "1–2", "b": "2–3", "c": "2–4", "zero_shot": "3–4"}


@pytest.mark.parametrize(
    ("seeds", "shared", "gain", "other"), [(1, False, 50, 50), (2, False, 8, 8), (2, True, 2, 2), (3, False, 50, 16)]
)
def test_few_seeds_have_few_degrees_of_freedom(seeds, shared, gain, other):
    """Two for each dataset and seed beyond the first, or in all where each training is tested on all datasets."""
    plain = MeanTest.from_error(0.02, 4 * seeds, 4, 0.01, 50.0)
    test = replace(plain, smallest_group=seeds, shared_training=shared)
    found = simultaneous_tests({("coop", "zero_shot"): test, ("coop", "vpt"): test}, "zero_shot")
    for pair, df in ((("coop", "zero_shot"), gain), (("coop", "vpt"), other)):
        assert found[pair].df == df
        assert found[pair].high - found[pair].mean == pytest.approx(stats.t.ppf(0.975, df) * 0.01)


@pytest.mark.parametrize(("seeds", "images", "spread"), [(2, 250, 0.06), (3, 1000, 0.1)])
def test_few_seeds_that_differ_much_rarely_show_a_difference_that_is_none(seeds, images, spread):
    """At most 4 % of boards show a gain and 3 % another difference; without a limit of the degrees of freedom, half."""
    draw, repetitions = np.random.default_rng(6), 15
    equal = np.full((13, 1), 0.6), [images], seeds, spread
    verdicts = [drawn_verdict(draw, *equal) for _ in range(repetitions)]
    false = sum(any(test.clear for test in verdict.here.values()) for verdict in verdicts)
    assert false <= stats.binom.ppf(0.99, repetitions, 0.07)
    assert seeds > 2 or not any(verdict.ranks for verdict in verdicts)


def test_gains_hold_together_at_five_per_cent_and_other_pairs_at_two_and_a_half():
    names = ["a", "b", "c", "zero_shot"]
    tests = {pair: MeanTest.from_error(0.0, 9, 3, 0.01, 1e6) for pair in combinations(names, 2)}
    found = simultaneous_tests(tests, "zero_shot")
    gain, other = found["a", "zero_shot"], found["a", "b"]
    assert other.high / 0.01 == pytest.approx(stats.norm.ppf(1 - 0.025 / 2 / 3), rel=1e-4)
    assert gain.high / 0.01 == pytest.approx(2.35, abs=0.02), "Dunnett's table: three differences, two-sided 5 %"
