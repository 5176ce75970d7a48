"""Two methods on the same images with the same seeds: their cells, averages, verdicts, and the command."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from bench.analysis import H, board_verdicts, compare_entries, differences, find_entry
from bench.analysis.comparison import ComparisonVerdict
from bench.analysis.statistics.hypothesis_tests import holm
from bench.analysis.statistics.intervals import student_t
from bench.api.comparisons import comparison_tables
from bench.errors import UsageError

A, INCONCLUSIVE = ComparisonVerdict.A, ComparisonVerdict.INCONCLUSIVE


@pytest.fixture(scope="module")
def four(world):
    """CoOp and MaPLe are equal, APEX is better and zero-shot worse."""
    return world({"zero_shot": 0.5, "coop": 0.70, "apex": 0.80, "maple": 0.70})


def compared(made, a, b, **options):
    return compare_entries(made.board, made.outcomes, a, b, **options)


def test_a_difference_is_found_on_every_dataset_with_its_sign(four):
    found = compared(four, "apex", "coop")
    assert [(cell.dataset, cell.split) for cell in found.cells] == [(d, s) for d in "abc" for s in ("base", "new")]
    for cell in found.cells:
        assert cell.difference.mean == pytest.approx(cell.score_a.mean - cell.score_b.mean)
        assert cell.difference.mean == pytest.approx(0.10, abs=0.06)
        assert cell.difference.n == 3
        assert cell.flipped[0] > cell.flipped[1]
    assert set(found.averages) == {"base", "new", H}
    assert found.averages[H].p < 0.01
    assert compared(four, "coop", "apex").averages["base"].mean == -found.averages["base"].mean


def test_equal_methods_are_inconclusive_and_verdicts_are_corrected_over_the_datasets_of_a_split(four):
    found = compared(four, "coop", "maple")
    assert found.averages["base"].p > 0.01
    assert {cell.verdict for cell in found.cells} == {INCONCLUSIVE}
    for split in ("base", "new"):
        cells = [cell for cell in found.cells if cell.split == split]
        assert [cell.p for cell in cells] == holm([cell.difference.p for cell in cells]).tolist()
        assert max(cell.p for cell in cells) > min(cell.difference.p for cell in cells)
    better = replace(found.cells[0].difference, mean=0.02, low=0.01, high=0.03)
    closer = replace(found.cells[0], p=0.04, difference=better)
    assert closer.verdict is A
    assert replace(closer, difference=replace(better, low=0.0001)).verdict is INCONCLUSIVE, "0.0 is printed"
    assert replace(closer, p=0.06).verdict is INCONCLUSIVE


def test_the_same_answers_are_named_and_are_no_evidence_of_equality(world):
    few = world({"zero_shot": 0.7, "coop": 0.8}, images=28)
    outcomes = few.outcomes.assign(label=1, predicted=1)
    for cell in compare_entries(few.board, outcomes, "coop", "zero_shot").cells:
        assert (cell.same_answers, cell.flipped, cell.images) == (True, (0, 0), 28)
        assert cell.difference.high - cell.difference.mean > 0.05
    outcomes["label"] = 2  # both are always wrong, in different ways
    outcomes.loc[outcomes["run_id"].isin(find_entry(few.board, "coop").run_ids), "predicted"] = 3
    assert not any(c.same_answers for c in compare_entries(few.board, outcomes, "coop", "zero_shot").cells)


def test_flips_come_from_the_stored_predictions(four):
    seed = compared(four, "apex", "coop").cells[0].seeds[1]
    frames = [four.store.outcomes_frame([run]).query("split == 'base'") for run in (seed.run_a, seed.run_b)]
    a, b = ((frame["label"] == frame["predicted"]).to_numpy() for frame in frames)
    assert seed.only_a == tuple(frames[0]["image"][a & ~b])
    assert seed.only_b == tuple(frames[0]["image"][b & ~a])
    assert seed.only_b
    seeds = compared(four, "coop", "zero_shot").cells[0].seeds
    assert [seed.seed for seed in seeds] == [1, 2, 3], "zero-shot is paired with each"
    assert len({seed.run_b for seed in seeds}) == 1


def test_one_dataset_or_one_seed_is_said_with_the_verdict(world):
    for name, options in (("dataset", {"datasets": "a"}), ("seed", {"seeds": (1,)})):
        made = world({"coop": 0.5, "apex": 0.9}, **options)
        found = compared(made, "apex", "coop")
        assert {cell.verdict for cell in found.cells} == {found.verdict("base")} == {A}
        assert {cell.difference.n for cell in found.cells} == ({1} if name == "seed" else {3})
        assert found.one_training == (name == "seed")
        assert board_verdicts(made.board)[H].ranks == ({} if name == "seed" else {"apex": "1", "coop": "2"})
        table = comparison_tables([(made.board, found)])[0]
        assert table.texts()[-1]["verdict"] == "A better"
        assert ("with this one training" in table.below()) == (name == "seed")


def test_a_method_with_missing_runs_is_compared_as_strictly_as_a_ranked_one(world):
    complete = {"zero_shot": 0.5, "coop": 0.6, "maple": 0.6, "tcp": 0.6}
    made = world(complete, ({"apex": 0.7}, {"datasets": "abcdef"}), datasets="abcdefg", images=100)
    assert not find_entry(made.board, "apex").rankable
    assert compared(made, "apex", "coop").skipped == (("g", "no common seed"),)
    for other in ("coop", "zero_shot"):
        strict, planned = (compared(made, "apex", other, alone=alone) for alone in (False, True))
        assert (strict.alone, planned.alone) == (False, True)
        for name in ("averages", "other_datasets"):
            held, own = (getattr(found, name)[H] for found in (strict, planned))
            assert held.mean == own.mean
            assert held.high - held.low > own.high - own.low
            assert held.p >= own.p
        pair = strict.averages[H]
        assert pair.high - pair.mean > 1.1 * (planned.averages[H].high - pair.mean), "allows for five methods"
        turned = compared(made, other, "apex").averages[H]
        assert (turned.low, turned.high) == pytest.approx((-pair.high, -pair.low))


def test_images_are_paired_by_name_and_other_images_not_at_all(four):
    outcomes, wanted = four.outcomes, compared(four, "apex", "coop")
    some = outcomes["run_id"].isin(find_entry(four.board, "coop").run_ids)
    turned = compare_entries(four.board, pd.concat([outcomes[~some], outcomes[some].iloc[::-1]]), "apex", "coop")
    assert [cell.flipped for cell in turned.cells] == [cell.flipped for cell in wanted.cells]
    assert [cell.difference for cell in turned.cells] == [cell.difference for cell in wanted.cells]
    first = outcomes["run_id"].isin(find_entry(four.board, "apex").run_ids) & (outcomes["position"] == 0)
    renamed = outcomes.assign(image=outcomes["image"].mask(first, "another.png"))
    found = compare_entries(four.board, renamed, "apex", "coop")
    assert not found.cells
    assert found.skipped[0] == ("a", "base: the runs were not scored on the same images")


def test_datasets_without_common_seeds_are_unpaired_and_named(world):
    parts = ({"coop": 0.5}, ({"apex": 0.9}, {"datasets": "a", "seeds": (4, 5, 6)}), ({"apex": 0.9}, {"datasets": "b"}))
    made = world(*parts, datasets="ab")
    found = compared(made, "apex", "coop")
    assert {cell.dataset: cell.difference.paired for cell in found.cells} == {"a": False, "b": True}
    assert {cell.verdict for cell in found.cells} == {A}
    assert not found.averages["base"].paired
    assert found.skipped == ()
    table = comparison_tables([(made.board, found)])
    assert table.notes[0].startswith("unpaired: a: A and B have other seeds there")
    assert [row["seeds"] for row in table[0].details.texts()] == ["unpaired", "unpaired", "3", "3"]


def test_the_interval_over_datasets_is_wider_where_datasets_differ(world):
    rates = zip("abcdef", (0.4, 0.6, 0.7, 0.8, 0.45, 0.6), strict=True)
    made = world({"coop": 0.5, "apex": {d: {"base": rate, "new": 0.5} for d, rate in rates}}, datasets="abcdef")
    means = [made.board.array.mean("apex", d, "base") - made.board.array.mean("coop", d, "base") for d in "abcdef"]
    found, plain = compared(made, "apex", "coop"), student_t(means)
    wider = found.other_datasets["base"]
    assert (wider.mean, wider.low, wider.high) == pytest.approx((plain.mean, plain.low, plain.high))
    assert found.averages["base"].low > 0 > wider.low, "better here only"
    assert found.verdict("base") is A
    row = next(row for row in comparison_tables([(made.board, found)])[0].texts() if row["average"] == "base")
    assert row["95 % elsewhere"].startswith("−")


def test_entries_are_found_by_key_or_method(world):
    board = world({"coop": 0.6}, ({"coop": 0.7}, {"config": {"n_ctx": 8}})).board
    assert find_entry(board, "coop [n_ctx=8]").config == {"n_ctx": 8}
    for name, message in (("coop", "'coop' has 2 entries here.*n_ctx=8"), ("cop", "No entry 'cop'.*has: coop")):
        with pytest.raises(UsageError, match=message):
            find_entry(board, name)
    with pytest.raises(UsageError, match="same entry"):
        compare_entries(board, pd.DataFrame(), "coop [n_ctx=8]", "coop [n_ctx=8]")


def test_the_page_has_the_noise_of_the_images(four, tmp_path):
    """So have exports and claims, which read the frame with outcomes."""
    from reports.site.build import PageRequest, write_page

    array = four.board.array
    view = write_page(PageRequest(runs=four.folder, out=tmp_path / "page.html"))
    pair = view.boards[0].verdict.on_these("apex", "coop")
    wanted, without = (
        differences(of, [("apex", "coop")], H)["apex", "coop"] for of in (array, replace(array, read=None))
    )
    assert (pair.mean, pair.standard_error) == (wanted.mean, wanted.standard_error)
    assert wanted.standard_error != without.standard_error


def test_the_command_prints_what_it_found(etl, four):
    runs = ("--runs", str(four.folder))
    code, out, err = etl("compare", "apex", "coop", *runs, "--images")
    assert code == 0
    assert "APEX (A) minus CoOp (B)" in out
    assert out.splitlines()[1].startswith("average  ")
    assert "By dataset and split: " in out
    assert "dataset " not in out.splitlines()[1], "--verbose adds the datasets"
    assert "right: a base seed 1 a/base/" in out
    _, whole, _ = etl("compare", "apex", "coop", *runs, "--verbose")
    assert "dataset " in whole
    assert ("power: " in out + err, "power: " in whole) == (False, True)
    (answer,) = json.loads(etl("compare", "apex", "coop", *runs, "--json")[1])
    assert len(answer["cells"]) == 6
    assert answer["cells"][0]["difference"]["low"] < answer["cells"][0]["difference"]["mean"]
    code, _, err = etl("compare", "apex", "tcp", *runs)
    assert code == 2
    assert "apex, coop, maple, zero_shot" in err


def test_what_only_a_and_only_b_have_right_stand_together_at_every_width(four):
    (table,) = comparison_tables([(four.board, compared(four, "apex", "coop"))])
    heads = [table.details.text(width).splitlines()[0] for width in range(60, 200, 4)]
    assert {("only A" in head, "only B" in head) for head in heads} == {(True, True), (False, False)}
