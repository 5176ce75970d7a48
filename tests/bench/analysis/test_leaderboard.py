import json
from dataclasses import replace

import pytest
from leaderboard_rows import B2N, frame, run

from bench.analysis import board_rows, board_verdicts
from bench.analysis.board_tables import rows_by_dataset
from bench.analysis.entries import LONGEST_LABEL
from bench.analysis.leaderboard import Setting
from bench.analysis.leaderboard_building import board_settings, build_leaderboard
from bench.analysis.measures import H, HConvention
from bench.analysis.metrics.scores import harmonic_mean


def board_of(*runs):
    return build_leaderboard(frame(*runs), B2N)


def grid(method="coop", datasets=("dtd", "eurosat"), seeds=(1, 2, 3), **changes):
    return [run(method, dataset, seed, **changes) for dataset in datasets for seed in seeds]


def gains_of(board, entry, dataset):
    """The gains over zero-shot that exports have, by measure."""
    rows = [row for row in rows_by_dataset(board) if (row["entry"], row["dataset"]) == (entry, dataset)]
    return {row["measure"]: row["gain"] for row in rows}


def equal(accuracy):
    return {"base": accuracy, "new": accuracy}


def test_costs_of_different_devices_are_not_averaged():
    cpu, gpu = run("coop", "dtd", 1, device="cpu", train_seconds=9.0), run("coop", "dtd", 2, device="H100", steps=200)
    board = board_of(cpu, gpu)
    mixed = board.entries[0].cost
    assert mixed.device == "mixed"
    assert (mixed.train_seconds, mixed.own_seconds, mixed.eval_seconds) == (None, None, None)
    assert (mixed.added_memory_bytes, mixed.steps) == (None, 150)
    alone = board_of(cpu).entries[0].cost
    assert (alone.device, alone.train_seconds, alone.own_seconds) == ("cpu", 9.0, 10.0)
    (row,) = board_rows(board)
    assert (row["device"], row["own_seconds"]) == ("mixed", None)


@pytest.mark.parametrize("shared", [5.0, None])
def test_a_cost_is_the_runs_own_and_that_of_the_shared_features_is_apart(shared: float | None):
    rows = run("coop", "dtd", 1, shared_prepare_seconds=2.0, shared_train_seconds=shared, shared_image_passes=shared)
    board = board_of(rows)
    cost = board.entries[0].cost
    assert (cost.own_seconds, cost.shared_seconds) == (21.0, None if shared is None else 7.0)
    assert (cost.own_passes, cost.shared_passes) == (210, shared)
    (row,) = board_rows(board)
    assert [row[f"{name}_seconds"] for name in ("own", "shared")] == [21.0, cost.shared_seconds]


def test_evaluation_is_learning_time_in_the_test_time_protocol():
    setting = Setting("ViT-B-16.openai", "test-time", 0, "coop", "fp32")
    found = build_leaderboard(frame(run("tda", shots=0, protocol="test-time", train_seconds=0.0)), setting)
    assert found.entries[0].cost.own_seconds == 4.0
    assert board_rows(found)[0]["eval_seconds"] == 3.0
    assert setting.title == "ViT-B-16.openai, test-time adaptation"
    assert replace(setting, protocol="few-shot", shots=16).title == "ViT-B-16.openai, few-shot, 16 shots"


def test_the_two_conventions_by_hand():
    board = board_of(run(dataset="dtd", scores={"base": 0.9, "new": 0.1}), run(dataset="eurosat", scores=equal(0.5)))
    assert board.score("coop", "dtd", H).mean == pytest.approx(0.18)
    assert board.average("coop", "base", HConvention.H_OF_MEANS).mean == pytest.approx(0.7)
    assert board.average("coop", H, HConvention.H_OF_MEANS).mean == pytest.approx(2 * 0.7 * 0.3 / 1.0)
    assert board.average("coop", H, HConvention.MEAN_OF_H).mean == pytest.approx((0.18 + 0.5) / 2)


def test_coop_sorted_and_coop_share_a_board_and_two_precisions_do_not():
    runs = frame(run(dataset="dtd"), run(dataset="imagenet", draw="coop-sorted"))
    assert board_settings(runs) == [B2N]
    assert build_leaderboard(runs, B2N).datasets == ("dtd", "imagenet")
    rows = frame(run(), run(precision="bf16", seed=2))
    assert [build_leaderboard(rows, setting).seeds for setting in board_settings(rows)] == [(2,), (1,)]


def test_a_cell_is_a_mean_over_seeds_with_a_student_t_interval():
    board = board_of(*[run(seed=s, scores={"base": b, "new": 0.5}) for s, b in [(1, 0.70), (2, 0.80), (3, 0.90)]])
    base, new, h = (board.score("coop", "dtd", measure) for measure in ("base", "new", H))
    assert base.mean == pytest.approx(0.8)
    assert base.half_width == pytest.approx(4.302653 * 0.1 / 3**0.5, abs=1e-6)
    assert new.half_width == pytest.approx(0)
    assert h.mean == pytest.approx(sum(harmonic_mean(b, 0.5) for b in (0.7, 0.8, 0.9)) / 3), "mean of H"
    assert len(set(board.array.ids("coop", "dtd"))) == 3
    assert board.scored("coop", "dtd") == (3, 3)


def test_the_average_interval_is_over_seeds_and_stays_between_0_and_1():
    scores = {("dtd", 1): 0.6, ("dtd", 2): 0.62, ("eurosat", 1): 0.5, ("eurosat", 2): 0.5}
    board = board_of(*[run(dataset=d, seed=s, scores=equal(a)) for (d, s), a in scores.items()])
    average = board.average("coop", "base")
    assert (average.mean, average.n) == (pytest.approx(0.555), 2)
    assert average.half_width == pytest.approx(12.7062 * 0.00707107 / 2**0.5, abs=1e-5), "seed averages 0.55 and 0.56"
    board = board_of(*[run(seed=s, scores=equal(a)) for s, a in ((1, 0.5), (2, 0.9))])
    for found in (board.average("coop", "base"), board.score("coop", "dtd", "H")):
        assert (found.low, found.high) == (0.0, 1.0)


def test_permuting_rows_changes_nothing():
    rows = frame(*grid("coop"), *grid("apex", seeds=(1, 2)), *grid("zero_shot", seeds=(0,), shots=0))
    for state in range(2):
        found, wanted = build_leaderboard(rows.sample(frac=1, random_state=state), B2N), build_leaderboard(rows, B2N)
        assert (found.entries, found.missing, found.baseline) == (wanted.entries, wanted.missing, wanted.baseline)
        assert board_rows(found) == board_rows(wanted)


def test_a_missing_seed_is_flagged_and_has_no_rank_and_no_interval():
    board = board_of(*grid("coop"), *grid("apex")[:-1])
    apex = board.entry("apex")
    assert (apex.n, apex.expected, apex.complete, apex.rankable) == (5, 6, False, False)
    assert [(cell.dataset, cell.seed, cell.error) for cell in apex.missing] == [("eurosat", 3, None)]
    assert board.average("apex", H).half_width is None
    assert not board.complete
    assert [entry.key for entry in board.entries] == ["coop", "apex"], "incomplete entries come last"
    assert [row["complete"] for row in board_rows(board)] == [True, False]


def test_a_failed_seed_is_listed_with_its_message_and_an_entry_with_no_other_runs_without_numbers():
    failed = {"status": "failed", "error_message": "out of memory"}
    board = board_of(*grid(datasets=("dtd",), seeds=(1, 2)), run(seed=3, **failed), run("apex", **failed))
    coop, apex = (board.entry(name) for name in ("coop", "apex"))
    assert (coop.n, coop.expected, coop.complete) == (2, 3, False)
    assert [(cell.seed, cell.error) for cell in coop.missing] == [(3, "out of memory")]
    assert (apex.n, board.average("apex", H), apex.cost) == (0, None, None)


def test_zero_shot_joins_every_board_as_baseline_and_alone_has_its_own():
    rows = frame(
        *grid("coop", shots=16),
        *grid("coop", shots=4),
        *grid("zero_shot", seeds=(0,), shots=0, draw="nested", scores=equal(0.7)),
    )
    assert [setting.shots for setting in board_settings(rows)] == [4, 16]
    for setting in board_settings(rows):
        board = build_leaderboard(rows, setting)
        zero = board.entry("zero_shot")
        assert board.baseline == "zero_shot"
        assert (zero.n, zero.expected, zero.complete) == (2, 2, True)
        assert board.average("zero_shot", "base").half_width is None
        assert gains_of(board, "coop", "dtd") == pytest.approx(
            {"base": 0.1, "new": -0.1, "H": 0.8 * 2 * 0.6 / 1.4 - 0.7}
        )
    (alone,) = board_settings(rows[rows["method"] == "zero_shot"])
    assert alone.shots == 0
    assert build_leaderboard(rows[rows["method"] == "zero_shot"], alone).entries[0].complete


def test_averages_of_a_transfer_board_leave_out_the_source():
    def transfer(seed: int, **scores: float):
        return run("coop", "imagenet", seed, protocol="cross-dataset", scores=scores, targets='["dtd", "eurosat"]')

    rows = frame(
        transfer(1, all=0.9, dtd=0.3, eurosat=0.5),
        transfer(2, all=0.7, dtd=0.4, eurosat=0.6),
        run("zero_shot", "imagenet", 0, 0, protocol="cross-dataset", scores={"all": 0.6, "dtd": 0.35, "eurosat": 0.2}),
        run("coop", "other_source", 1, protocol="cross-dataset", scores={"all": 0.1, "dtd": 0.1, "eurosat": 0.1}),
    )
    first, second = board_settings(rows)
    assert (first.source, second.source) == ("imagenet", "other_source")
    board = build_leaderboard(rows, first)
    assert board.datasets == ("dtd", "eurosat", "imagenet")
    assert board.averaged == ("dtd", "eurosat")
    average = board.average("coop", "all")
    assert average.mean == pytest.approx((0.3 + 0.4 + 0.5 + 0.6) / 4)
    assert average.std == pytest.approx(0.05 * 2**0.5), "means 0.4 and 0.5"
    assert board.score("coop", "imagenet", "all").mean == pytest.approx(0.8)
    assert gains_of(board, "coop", "eurosat")["all"] == pytest.approx(0.55 - 0.2)
    row = next(row for row in board_rows(board) if row["entry"] == "coop")
    assert row["by_dataset"] == pytest.approx({"dtd": 0.35, "eurosat": 0.55, "imagenet": 0.8})
    assert board.array.stored == {("dtd", "all"): "dtd", ("eurosat", "all"): "eurosat"}


def test_runs_on_an_older_task_and_zero_shot_on_another_test_list_are_excluded_and_listed():
    newer = run("apex", run_id="new", task_fingerprint="bbbb", day=1)
    board = board_of(run(run_id="old", task_fingerprint="aaaa"), newer)
    assert [(aside.run_id, aside.entry) for aside in board.excluded] == [("old", "coop")]
    assert "other images" in board.excluded[0].reason
    assert board.entry("coop").n == 0
    board = board_of(run("zero_shot", shots=0, seed=0, n=50), run(day=1))
    assert [aside.entry for aside in board.excluded] == ["zero_shot"]
    assert "50 test images" in board.excluded[0].reason
    assert set(gains_of(board, "coop", "dtd").values()) == {None}


def test_few_shot_boards_are_ordered_by_accuracy():
    setting = Setting("ViT-B-16.openai", "few-shot", 16, "coop", "fp32")
    runs = [run(name, protocol="few-shot", scores={"all": score}) for name, score in (("a", 0.5), ("b", 0.6))]
    board = build_leaderboard(frame(*runs), setting)
    assert board.measures == ("all",)
    assert [entry.key for entry in board.entries] == ["b", "a"]


PROMPTS = [json.dumps({"n_ctx": n, "init": "a photo of a"}) for n in (4, 16)]
NESTED = json.dumps({"n_ctx": 4, "init": "a photo of a", "head": {"width": 8, "norm": True}})
RATES = [json.dumps({"lr": 0.1, "epochs": epochs}) for epochs in (3, 5)]
ZERO = run("zero_shot", shots=0, seed=0, recipe=None, recipe_name=None)
APEX, CUSTOM, DEMO = run("apex"), {"recipe_name": "custom"}, {"recipe_name": "demo"}
NAMES = {
    "configs, by what differs": ([run(config=c) for c in PROMPTS], "coop [n_ctx=16]; coop [n_ctx=4]"),
    "recipes, by their names": (
        [run(run_id="a"), run(run_id="b", recipe='{"epochs": 5}', recipe_name="short"), APEX],
        "apex; coop [recipe=published]; coop [recipe=short]",
    ),
    "recipes of one name, by what differs": (
        [run(run_id="a"), run(run_id="b", recipe='{"epochs": 5}')],
        "coop [recipe.epochs=50]; coop [recipe.epochs=5]",
    ),
    "custom recipes, by what differs": (
        [run(run_id=recipe, recipe=recipe, **CUSTOM) for recipe in RATES],
        "coop [recipe.epochs=3]; coop [recipe.epochs=5]",
    ),
    "an oracle alone": (
        [*grid("tip_adapter", config='{"beta": 1.0, "selection": "oracle"}'), *grid()],
        "coop; tip_adapter [selection=oracle]",
    ),
    "an ensemble alone": (
        [*grid("gda", config='{"alpha": 0.1, "selection": "ensemble"}'), *grid()],
        "coop; gda [selection=ensemble]",
    ),
    "a custom recipe alone": ([run(**CUSTOM), APEX], "coop [recipe=custom]; apex"),
    "custom recipes of two methods": (
        [run(**CUSTOM), run("apex", **CUSTOM)],
        "coop [recipe=custom]; apex [recipe=custom]",
    ),
    "changed settings alone": (
        [run(config=NESTED, changed_settings="head,n_ctx"), APEX],
        "coop [head.norm=true, head.width=8, n_ctx=4]; apex",
    ),
    "no changed settings": ([run(config=NESTED, changed_settings="")], "coop"),
    "a demo": ([ZERO, run(**DEMO), run("apex", **DEMO)], "zero_shot; coop; apex"),
    "a demo recipe beside others": ([ZERO, run(**DEMO), APEX], "zero_shot; coop [recipe=demo]; apex"),
    "selected epochs": (
        [row for way in (None, "validation", "oracle") for row in grid(epoch_selection=way)],
        "coop [epoch=last]; coop [epoch=oracle]; coop [epoch=validation]",
    ),
    "a selected epoch alone": (grid(epoch_selection="validation"), "coop [epoch=validation]"),
}
"""Runs, and the keys of their entries."""


@pytest.mark.parametrize("case", NAMES)
def test_an_entry_is_named_by_what_tells_it_apart_and_by_what_is_not_published(case: str):
    runs, keys = NAMES[case]
    assert sorted(entry.key for entry in board_of(*runs).entries) == sorted(keys.split("; "))


def test_a_recipe_with_the_name_of_a_published_one_and_other_values_is_custom():
    (entry,) = board_of(run(changed_settings="recipe")).entries
    assert (entry.key, entry.recipe_name) == ("coop [recipe=custom]", "custom")


def test_long_settings_are_cut_in_names_and_names_stay_unique():
    rows = [run(config=json.dumps({"text": "x" * 10_000 + end}), changed_settings="text") for end in ("1", "2")]
    keys = {entry.key for entry in board_of(*rows).entries}
    assert len(keys) == 2
    assert max(map(len, keys)) < LONGEST_LABEL + 20


def test_an_entry_that_was_selected_on_test_labels_is_shown_with_its_optimism_and_neither_ranked_nor_compared():
    picked = {"config": '{"selection": "oracle"}', "selected_on_test": "beta=2", "scores": equal(0.9)}
    board = board_of(*grid("tip_adapter_f", optimism=0.02, **picked), *grid(), *grid("vpt", seeds=(1, 2)))
    key = "tip_adapter_f [selection=oracle]"
    assert [(e.key, e.rankable, e.oracle, e.complete) for e in board.entries] == [
        ("coop", True, False, True),
        (key, False, True, True),
        ("vpt", False, False, False),
    ]
    rows = {row["entry"]: row for row in board_rows(board)}
    assert (rows["coop"]["oracle"], "optimism" in rows["coop"]) == (False, False)
    assert rows[key]["optimism"] == pytest.approx(equal(0.02))
    verdict = board_verdicts(board)["H"]
    assert (verdict.ranks, verdict.here) == ({"coop": "1"}, {})


@pytest.mark.parametrize(("gaps", "optimism"), [((0.01, 0.03, 0.05), equal(0.03)), ((0.1, None), {})])
def test_the_optimism_is_the_mean_over_runs_and_missing_if_one_did_not_record_it(gaps, optimism):
    recorded = [{} if gap is None else {"optimism": gap} for gap in gaps]
    (entry,) = board_of(*[run("clap", seed=s, selected_on_test="x", **more) for s, more in enumerate(recorded)]).entries
    assert entry.oracle
    assert entry.optimism == pytest.approx(optimism)


def test_added_memory_and_the_cost_of_selection_are_known_only_if_every_run_recorded_them():
    """Earlier releases did not."""
    older, newer = run("coop", "dtd", 1, added_memory_bytes=None), run("coop", "dtd", 2, added_memory_bytes=5)
    assert board_of(newer).entries[0].cost.added_memory_bytes == 5
    assert board_of(older, newer).entries[0].cost.added_memory_bytes is None
    known = grid("gda", fits=0, candidate_evaluations=12, tuning_seconds=0.5)
    (entry,) = board_of(*known).entries
    assert (entry.cost.fits, entry.cost.candidate_evaluations, entry.cost.tuning_seconds) == (0, 12, 0.5)
    (entry,) = board_of(*known[:-1], *grid("gda")[-1:]).entries
    assert entry.cost.candidate_evaluations is None


def test_of_repeated_runs_the_newest_of_the_boards_draw_counts():
    zero = {"method": "zero_shot", "shots": 0}
    board = board_of(
        *grid("coop", datasets=("dtd",)),
        run(**zero, seed=0, draw="coop", day=1, run_id="old"),
        run(**zero, seed=5, draw="coop", day=2, run_id="new"),
        run(**zero, seed=0, draw="nested", day=3, run_id="other draw"),
    )
    assert board.entry("zero_shot").run_ids == ("new",)
    assert {aside.run_id: aside.reason for aside in board.excluded} == {
        "old": "repeats run new",
        "other draw": "repeats run new",
    }
