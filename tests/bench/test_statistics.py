"""Examples worked by hand, and each statistic against an oracle written another way."""

import doctest
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize
from scipy import stats as reference

from bench.statistics import correlation, families, intervals, paired, ranks, ratings
from bench.statistics.correlation import mid_ranks, random_orders, spearman
from bench.statistics.families import benjamini_hochberg, holm, rank_ranges
from bench.statistics.intervals import grouped_t, two_way_bootstrap
from bench.statistics.paired import (
    detectable_between_classifiers,
    detectable_effect,
    equivalence,
    mcnemar,
    mcnemar_p,
    seeds_needed,
    t_power,
)
from bench.statistics.ranks import critical_difference, friedman, nemenyi_constant, nemenyi_p, wilcoxon
from bench.statistics.ratings import ELO, bradley_terry, elo_ratings, win_rates


@pytest.mark.parametrize("module", [correlation, families, intervals, paired, ranks, ratings])
def test_the_examples_in_the_docs_run(module):
    assert doctest.testmod(module).failed == 0


def test_the_short_name_offers_everything():
    from bench import statistics, stats

    assert all(getattr(stats, name) is getattr(statistics, name) for name in statistics.__all__)


# --- intervals --------------------------------------------------------------------------------------------------------


def test_one_group_is_the_t_test_of_scipy():
    values = np.random.default_rng(1).normal(0.3, 1, 6)
    found, wanted = grouped_t([values]), reference.ttest_1samp(values, 0)
    low, high = wanted.confidence_interval(0.95)
    assert (found.mean, found.p, found.low, found.high) == pytest.approx((values.mean(), wanted.pvalue, low, high))
    assert found.df == pytest.approx(5)


def test_two_groups_are_welchs_test():
    """The mean of two group means is half of a difference when one of them changes sign."""
    draw = np.random.default_rng(2)
    a, b = draw.normal(1, 1, 4), draw.normal(0, 3, 7)
    found, wanted = grouped_t([a, -b]), reference.ttest_ind(a, b, equal_var=False)
    assert (found.p, found.df) == pytest.approx((wanted.pvalue, wanted.df))
    assert found.mean == pytest.approx((a.mean() - b.mean()) / 2)


def test_differences_between_datasets_are_no_noise():
    found = grouped_t([[0.1, 0.1], [0.3, 0.3]])
    assert (found.mean, found.low, found.high, found.p) == (pytest.approx(0.2), found.mean, found.mean, 0.0)


def test_a_group_with_one_seed_leaves_no_interval():
    found = grouped_t([[0.1, 0.2], [0.3]])
    assert (found.mean, found.n, found.p, found.low) == (pytest.approx(0.225), 3, None, None)


def test_an_empty_group_is_refused():
    with pytest.raises(ValueError, match="every group needs a value"):
        grouped_t([[0.1], []])


def test_the_bootstrap_of_one_seed_is_that_of_the_images():
    right = np.random.default_rng(3).random((1, 400)) < 0.7
    found = two_way_bootstrap(right, generator=np.random.default_rng(0), replicates=20_000)
    error = right.std(ddof=1) / math.sqrt(400)
    assert found.standard_error == pytest.approx(error)
    assert (found.low, found.high) == pytest.approx(
        (right.mean() - 1.96 * error, right.mean() + 1.96 * error), abs=2e-3
    )
    assert (found.n_seeds, found.n_images, found.seed_share) == (1, 400, None)


def test_seeds_that_agree_image_by_image_add_nothing():
    right = np.tile(np.random.default_rng(3).random(300) < 0.6, (3, 1))
    found = two_way_bootstrap(right, generator=np.random.default_rng(0))
    assert found.seed_share == pytest.approx(0, abs=1e-9)
    assert found.standard_error == pytest.approx(right[0].std(ddof=1) / math.sqrt(300))


def test_seeds_that_shift_everything_give_students_interval():
    values = np.array([[0.1], [0.2], [0.6]]) + np.zeros(50)
    found = two_way_bootstrap(values, generator=np.random.default_rng(0), replicates=200_000)
    low, high = reference.t.interval(0.95, 2, loc=0.3, scale=reference.sem([0.1, 0.2, 0.6]))
    assert (found.low, found.high) == pytest.approx((low, high), rel=0.03)
    assert found.seed_share == pytest.approx(1)


def test_the_variance_is_that_of_the_two_way_table_written_out():
    table = np.random.default_rng(4).normal(size=(3, 40)) + np.random.default_rng(5).normal(size=(3, 1))
    s, n = table.shape
    centred = table - table.mean(0) - table.mean(1)[:, None] + table.mean()
    residual = (centred**2).sum() / ((s - 1) * (n - 1))
    seeds = (n * table.mean(1).var(ddof=1) - residual) / n
    wanted = seeds / s + table.mean(0).var(ddof=1) / n
    found = two_way_bootstrap(table, generator=np.random.default_rng(0))
    assert found.standard_error**2 == pytest.approx(wanted)


def test_a_table_of_the_wrong_shape_is_refused():
    with pytest.raises(ValueError, match="seeds x images"):
        two_way_bootstrap([1.0, 2.0], generator=np.random.default_rng(0))


# --- correlation ------------------------------------------------------------------------------------------------------


def test_random_orders_approach_the_exact_p():
    x, y = list(range(9)), [2, 1, 4, 3, 6, 5, 9, 7, 0]
    found = spearman(x, y, orders=random_orders(9))
    permuted = reference.permutation_test(
        (x,), lambda order: reference.spearmanr(order, y).statistic, permutation_type="pairings", n_resamples=5_000,
        rng=np.random.default_rng(1),
    )  # fmt: skip
    assert found is not None
    assert found.p == pytest.approx(permuted.pvalue, abs=0.03)


def test_random_orders_never_give_a_p_of_zero():
    found = spearman(list(range(20)), list(range(20)), orders=random_orders(20, count=99))
    assert found is not None
    assert found.p == 0.01


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12))
def test_mid_ranks_are_those_of_scipy(values):
    assert mid_ranks(values).tolist() == reference.rankdata(values).tolist()


# --- paired -----------------------------------------------------------------------------------------------------------


def test_mcnemar_by_hand():
    """Six flips, one against five: 2 (1 + 6) / 64."""
    a = [1, 1, 1, 1, 1, 0, 1, 0]
    b = [0, 0, 0, 0, 0, 1, 1, 0]
    found = mcnemar(a, b)
    assert (found.only_a, found.only_b, found.n) == (5, 1, 8)
    assert found.p == pytest.approx(14 / 64)
    assert found.difference == 0.5


def test_mcnemar_is_the_binomial_test():
    for a, b in itertools.product(range(7), range(7)):
        wanted = reference.binomtest(a, a + b, 0.5).pvalue if a + b else 1.0
        assert float(mcnemar_p(a, b)) == pytest.approx(wanted)


def test_outcomes_of_different_images_are_refused():
    with pytest.raises(ValueError, match="one outcome of each for every image"):
        mcnemar([1, 0], [1])


def test_equivalence_is_two_one_sided_t_tests():
    values = [0.701, 0.706, 0.699, 0.704]
    found = equivalence(values, margin=0.01, reference=0.70)
    lower = reference.ttest_1samp(np.array(values) - 0.70, -0.01, alternative="greater").pvalue
    upper = reference.ttest_1samp(np.array(values) - 0.70, 0.01, alternative="less").pvalue
    assert found is not None
    assert found.p == pytest.approx(max(lower, upper))
    assert found.equal()
    assert not found.apart


def test_no_spread_and_no_repetition():
    exact = equivalence([0.7, 0.7], margin=0.01, reference=0.72)
    assert exact is not None
    assert (exact.p, exact.apart) == (1.0, True)
    assert equivalence([0.7], margin=0.01) is None
    with pytest.raises(ValueError, match="does not define equality"):
        equivalence([0.7, 0.8], margin=0.0)


def test_the_detectable_difference_of_pets_and_dtd():
    """PEERS' figures: 10 % discordant, 80 % power."""
    assert detectable_between_classifiers(50_000, 0.1) == pytest.approx(0.0040, abs=1e-4)
    assert detectable_between_classifiers(1_692, 0.1) == pytest.approx(0.0215, abs=1e-4)


@pytest.mark.parametrize(("n", "discordant"), [(1_692, 0.1), (3_669, 0.05), (8_100, 0.2)])
def test_the_detectable_difference_is_the_closed_form_within_5_percent(n, discordant):
    wanted = (reference.norm.ppf(0.975) + reference.norm.ppf(0.8)) * math.sqrt(discordant / n)
    assert detectable_between_classifiers(n, discordant) == pytest.approx(wanted, rel=0.05)


def test_impossible_shares_are_refused():
    with pytest.raises(ValueError, match="discordant share of 1.5"):
        detectable_between_classifiers(10, 1.5)


def test_t_power_is_that_of_the_noncentral_t():
    shift, critical = 0.8 * math.sqrt(6), reference.t.ppf(0.975, 5)
    wanted = reference.nct.sf(critical, 5, shift) + reference.nct.cdf(-critical, 5, shift)
    assert t_power(0.8, 1.0, 6) == pytest.approx(wanted, rel=1e-6)


def test_seeds_needed_is_the_first_count_with_the_power():
    """Cohen's tables: a paired effect of 0.8 standard deviations takes 15, of 0.5 takes 34."""
    assert (seeds_needed(0.8, 1.0), seeds_needed(0.5, 1.0)) == (15, 34)
    for effect in (0.3, 1.0, 3.0):
        n = seeds_needed(effect, 1.0)
        assert n is not None
        assert t_power(effect, 1.0, n) >= 0.8 > t_power(effect, 1.0, n - 1)
    assert seeds_needed(0.0, 1.0) is None
    assert seeds_needed(1e-6, 1.0) is None


def test_the_detectable_effect_has_the_power_asked_for():
    effect = detectable_effect(0.02, 3)
    assert effect is not None
    assert t_power(effect, 0.02, 3) == pytest.approx(0.8)
    assert detectable_effect(0.02, 1) is None
    assert detectable_effect(0.0, 3) == 0.0


# --- ranks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [5, 11, 20])
def test_wilcoxon_is_scipys_exact_test(n):
    values = np.random.default_rng(n).normal(0.4, 1, n)
    found, wanted = wilcoxon(values), reference.wilcoxon(values, method="exact")
    assert found is not None
    assert found.p == pytest.approx(wanted.pvalue)
    assert min(found.positive, found.negative) == wanted.statistic


def test_wilcoxon_with_ties_counts_all_signs():
    values = [1.0, 1.0, -1.0, 2.0, 2.0, 0.0, -3.0, 4.0]
    kept = [value for value in values if value]
    order = reference.rankdata(np.abs(kept))
    sums = [
        sum(r for r, sign in zip(order, signs, strict=True) if sign) for signs in itertools.product((0, 1), repeat=7)
    ]
    seen = sum(r for r, value in zip(order, kept, strict=True) if value > 0)
    centre = sum(order) / 2
    found = wilcoxon(values)
    assert found is not None
    assert found.n == 7
    assert found.p == pytest.approx(np.mean([abs(s - centre) >= abs(seen - centre) for s in sums]))


def test_the_smallest_p_of_eleven_and_of_five_datasets():
    eleven, five = wilcoxon(np.arange(1, 12)), wilcoxon(np.arange(1, 6))
    assert eleven is not None
    assert five is not None
    assert (eleven.p, five.p) == (pytest.approx(0.00098, abs=5e-6), 0.0625)
    assert wilcoxon([0.0, 0.0]) is None


@pytest.mark.parametrize("ties", [False, True])
def test_friedman_is_scipys(ties):
    scores = np.random.default_rng(6).normal(size=(11, 4)) + np.array([0, 0.5, 1, 1])
    scores = np.round(scores) if ties else scores
    found, wanted = friedman(scores), reference.friedmanchisquare(*scores.T)
    assert (found.chi_square, found.p) == pytest.approx((wanted.statistic, wanted.pvalue))


def test_demsars_example_of_four_methods_on_fourteen_datasets():
    """Average ranks 3.143, 2.000, 2.893, 1.964; chi-square 9.28 without the correction for ties, which raises it."""
    found = friedman(DEMSAR)
    assert found.ranks == pytest.approx((3.143, 2.000, 2.893, 1.964), abs=1e-3)
    plain = 12 * 14 / 20 * (sum(rank**2 for rank in found.ranks) - 25)
    assert plain == pytest.approx(9.28, abs=0.01)
    assert found.chi_square == pytest.approx(reference.friedmanchisquare(*DEMSAR.T).statistic)
    assert found.chi_square > plain
    shown = critical_difference(["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"], DEMSAR)
    assert shown.difference == pytest.approx(1.25, abs=0.01)  # 2.569 sqrt(4 * 5 / (6 * 14))


# AUC of C4.5, +m, +cf, +m+cf: Demšar 2006, Table 6
DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975], [0.957, 0.978, 0.946, 0.970],
    ]
)  # fmt: skip


def test_nemenyi_constants_are_demsars_table():
    table = {2: 1.960, 3: 2.343, 4: 2.569, 5: 2.728, 6: 2.850, 7: 2.949, 8: 3.031, 9: 3.102, 10: 3.164}
    for k, q in table.items():  # the table is printed with three digits, some of them cut and not rounded
        assert nemenyi_constant(k) == pytest.approx(q, abs=1.5e-3)
    assert nemenyi_constant(10, level=0.1) == pytest.approx(2.920, abs=1e-3)
    assert nemenyi_constant(7) == pytest.approx(
        reference.studentized_range.ppf(0.95, 7, np.inf) / math.sqrt(2), abs=1e-4
    )
    with pytest.raises(ValueError, match="cannot be compared"):
        nemenyi_constant(1)


@pytest.mark.parametrize(("k", "wanted"), [(3, 1.00), (5, 1.84), (8, 3.17), (10, 4.08), (13, 5.50)])
def test_the_critical_difference_over_eleven_datasets_is_divided_by_root_two(k, wanted):
    shown = critical_difference([str(i) for i in range(k)], np.random.default_rng(k).normal(size=(11, k)))
    assert shown.difference == pytest.approx(wanted, abs=0.005)
    assert shown.low_power is (shown.difference > (k - 1) / 3)


def test_nemenyi_p_is_the_studentised_range():
    wanted = reference.studentized_range.sf(1.5 * math.sqrt(2) / math.sqrt(4 * 5 / (6 * 14)), 4, np.inf)
    assert nemenyi_p(3.5, 2.0, k=4, n=14) == pytest.approx(wanted, abs=1e-6)


def test_cliques_equal_brute_force_on_200_random_tables():
    for seed in range(200):
        draw = np.random.default_rng(seed)
        k, n = int(draw.integers(2, 9)), int(draw.integers(3, 30))
        names = [f"m{i}" for i in range(k)]
        shown = critical_difference(names, draw.normal(size=(n, k)) + draw.normal(size=k))
        rank = dict(zip(shown.names, shown.ranks, strict=True))
        alike = [
            set(group)
            for size in range(2, k + 1)
            for group in itertools.combinations(names, size)
            if max(rank[m] for m in group) - min(rank[m] for m in group) < shown.difference
        ]
        maximal = {frozenset(group) for group in alike if not any(group < other for other in alike)}
        assert {frozenset(clique) for clique in shown.cliques} == maximal


def test_tables_with_gaps_or_too_small_are_refused():
    with pytest.raises(ValueError, match="with gaps"):
        friedman([[1.0, math.nan], [1.0, 2.0]])
    with pytest.raises(ValueError, match="at least 2 datasets x 2 methods"):
        friedman([[1.0, 2.0]])
    with pytest.raises(ValueError, match="2 names for 3 columns"):
        critical_difference(["a", "b"], np.zeros((4, 3)))


def test_methods_that_always_tie_share_the_middle_rank():
    found = friedman(np.ones((4, 3)))
    assert (found.ranks, found.p, found.p_f) == ((2.0, 2.0, 2.0), 1.0, 1.0)


# --- ratings ----------------------------------------------------------------------------------------------------------


def test_two_methods_by_hand():
    """Three wins to one is odds of three: 400 log10(3) points between them."""
    strengths = bradley_terry([[0, 3], [1, 0]], prior=0.0)
    assert ELO * (strengths[0] - strengths[1]) == pytest.approx(400 * math.log10(3))


def test_strengths_maximise_the_likelihood():
    wins = np.random.default_rng(7).integers(1, 9, (5, 5)).astype(float)
    np.fill_diagonal(wins, 0)

    def loss(theta):
        return sum(wins[i, j] * math.log1p(math.exp(theta[j] - theta[i])) for i in range(5) for j in range(5) if i != j)

    wanted = optimize.minimize(loss, np.zeros(5), method="BFGS", options={"gtol": 1e-9}).x
    assert bradley_terry(wins, prior=0.0) == pytest.approx(wanted - wanted.mean(), abs=1e-6)


def test_many_tables_at_once_are_each_alone():
    wins = np.random.default_rng(8).integers(0, 6, (4, 3, 3)).astype(float)
    assert bradley_terry(wins) == pytest.approx(np.array([bradley_terry(table) for table in wins]), abs=1e-8)


def test_always_winning_needs_a_prior():
    with pytest.raises(ValueError, match="Use a prior above 0"):
        bradley_terry([[0, 4], [0, 0]], prior=0.0)
    assert np.isfinite(bradley_terry([[0, 4], [0, 0]])).all()


def test_ratings_are_ordered_with_win_rates_and_intervals():
    scores = [[0.9, 0.5, 0.5], [0.8, 0.7, 0.2], [0.9, 0.9, 0.1]]
    found = elo_ratings(["a", "b", "c"], scores, generator=np.random.default_rng(0))
    assert [rating.name for rating in found] == ["a", "b", "c"]
    assert [rating.win_rate for rating in found] == pytest.approx([5.5 / 6, 3 / 6, 0.5 / 6])
    assert np.mean([rating.elo for rating in found]) == pytest.approx(1000)
    assert all(rating.low <= rating.elo <= rating.high for rating in found)
    assert win_rates(scores)[0].tolist() == pytest.approx([0.5, 2.5 / 3, 1.0])


def test_one_dataset_has_no_bootstrap():
    (first, _) = elo_ratings(["a", "b"], [[0.9, 0.5]], generator=np.random.default_rng(0))
    assert (first.low, first.high) == (None, None)
    with pytest.raises(ValueError, match="full table of datasets x 2 methods"):
        elo_ratings(["a", "b"], [[0.9]], generator=np.random.default_rng(0))


# --- families ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_rejects_what_the_stepwise_rule_rejects(p_values):
    adjusted = holm(p_values)
    order = np.argsort(p_values, kind="stable")
    for level in (0.01, 0.05, 0.2):
        rejected = set()
        for step, i in enumerate(order):
            if p_values[i] * (len(p_values) - step) > level:
                break
            rejected.add(int(i))
        assert set(np.flatnonzero(adjusted <= level).tolist()) == rejected


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_benjamini_hochberg_is_scipys(p_values):
    assert benjamini_hochberg(p_values) == pytest.approx(reference.false_discovery_control(p_values))


def test_families_are_adjusted_row_by_row():
    p = np.random.default_rng(9).random((5, 6))
    assert holm(p) == pytest.approx(np.array([holm(row) for row in p]))
    assert benjamini_hochberg(p) == pytest.approx(np.array([benjamini_hochberg(row) for row in p]))
    with pytest.raises(ValueError, match=r"0\.\.1"):
        holm([0.5, 1.5])


def test_a_four_way_tie_is_1_to_4():
    assert [str(r) for r in rank_ranges(["a", "b", "c", "d"], {})] == ["1–4"] * 4


def test_rank_ranges_follow_what_is_shown():
    better = {("a", "b"): True, ("a", "c"): True, ("b", "c"): False}
    assert [str(r) for r in rank_ranges(["a", "b", "c"], better)] == ["1", "2–3", "2–3"]
