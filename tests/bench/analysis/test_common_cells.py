"""On which datasets and seeds entries are compared when not all have the same."""

from __future__ import annotations

import pandas as pd
import pytest
from leaderboard_rows import B2N, frame, run

from bench.analysis.leaderboard_building import build_leaderboard, common_cells, compared_leaderboard
from bench.extensions.boards.page import without_extra_gaps

DATASETS = ("dtd", "eurosat", "food101")
METHODS = ("coop", "kgcoop", "maple", "vpt")


def runs_of(method: str, datasets: tuple[str, ...] = DATASETS, seeds: tuple[int, ...] = (1, 2, 3)) -> list[list[dict]]:
    return [run(method, dataset, seed) for dataset in datasets for seed in seeds]


def frame_of(*parts: list[list[dict]]) -> pd.DataFrame:
    return frame(*[row for part in parts for row in part])


def common_of(*parts: list[list[dict]]):
    return common_cells(build_leaderboard(frame_of(*parts), B2N))


ZERO_SHOT = [run("zero_shot", dataset, 0, 0, recipe=None, recipe_name=None) for dataset in DATASETS]
FOUR = [ZERO_SHOT, *(runs_of(method) for method in METHODS)]
NEWCOMERS = {  # datasets and seeds of an entry that joins the four
    "more seeds": (DATASETS, (1, 2, 3, 4, 5)),
    "fifty seeds of all datasets": (DATASETS, tuple(range(1, 51))),
    "fifty seeds of one dataset": (("dtd",), tuple(range(1, 51))),
    "another dataset": ((*DATASETS, "sun397"), (1, 2, 3)),
    "one run of another dataset and seed": (("sun397",), (9,)),
}


@pytest.mark.parametrize("name", NEWCOMERS)
def test_one_entry_with_more_runs_leaves_no_other_without_a_rank(name: str) -> None:
    assert common_of(*FOUR) is None
    datasets, seeds = NEWCOMERS[name]
    board = compared_leaderboard(frame_of(*FOUR, runs_of("tip", datasets, seeds)), B2N)
    assert board.common is not None
    assert (board.datasets, board.seeds) == (DATASETS, (1, 2, 3))
    ranked = {entry.key for entry in board.entries if entry.rankable}
    assert ranked >= {"zero_shot", *METHODS}
    assert ("tip" in ranked) == (set(DATASETS) <= set(datasets))
    assert board.missing, "gaps stay visible"
    owned = without_extra_gaps(board)
    assert {cell.entry for cell in owned.missing} == (set() if "tip" in ranked else {"tip"}), "on several boards"
    assert all(entry.coverage == entry.planned for entry in owned.entries if entry.key != "tip")


def test_a_failed_run_stays_listed_where_it_is_not_compared() -> None:
    failed = [run("coop", "dtd", 4, status="failed", error_message="no memory")]
    board = without_extra_gaps(
        compared_leaderboard(frame_of(*FOUR, failed, runs_of("tip", seeds=(1, 2, 3, 4, 5))), B2N)
    )
    assert board.common is not None
    assert [(cell.entry, cell.seed, cell.error) for cell in board.missing] == [("coop", 4, "no memory")]


def test_an_entry_that_lacks_a_run_changes_nothing_for_the_others() -> None:
    lacking = runs_of("coop")[:2] + runs_of("coop")[3:]
    board = compared_leaderboard(frame_of(ZERO_SHOT, lacking, *FOUR[2:]), B2N)
    assert board.common is None
    assert [entry.key for entry in board.entries if not entry.rankable] == ["coop"]


def test_the_grid_has_most_pairs_among_those_that_half_of_the_entries_have() -> None:
    """Two of four have 3 datasets with 2 seeds (6 pairs), all have 2 with 1 (12), three have 2 with 3 (18)."""
    two = ("dtd", "eurosat")
    first, second = runs_of("coop", (*two, "sun397")), runs_of("kgcoop", (*two, "food101"))
    few = runs_of("vpt", two, (1,)) + runs_of("vpt", ("sun397",), (4,))
    found = common_of(first, second, runs_of("maple", two), few)
    assert (found.datasets, found.seeds) == (two, (1, 2, 3))
    assert (set(found.entries), found.without) == ({"coop", "kgcoop", "maple"}, ("vpt",))


def test_half_of_five_entries_are_three() -> None:
    found = common_of(runs_of("coop"), runs_of("kgcoop"), *(runs_of(m, DATASETS[:2]) for m in ("maple", "vpt", "tip")))
    assert (found.datasets, len(found.entries)) == (DATASETS[:2], 5)


def test_many_seeds_take_no_time() -> None:
    seeds = tuple(range(1, 41))
    found = common_of(*(runs_of(method, DATASETS, seeds[: 10 + 7 * i]) for i, method in enumerate(METHODS)))
    shape = (found.datasets, len(found.seeds), len(found.entries))
    assert shape == (DATASETS, 10, 4), "6 x 10 pairs are more than 3 x 17"


def test_two_entries_that_share_a_grid_are_compared_where_no_third_does_and_none_that_share_no_cell() -> None:
    alone = [runs_of("maple", ("food101",)), runs_of("vpt", ("sun397",))]
    found = common_of(runs_of("coop"), runs_of("kgcoop", DATASETS[:2]), *alone)
    assert (found.datasets, found.seeds) == (DATASETS[:2], (1, 2, 3))
    assert (set(found.entries), set(found.without)) == ({"coop", "kgcoop"}, {"maple", "vpt"})
    assert common_of(runs_of("coop", ("dtd",), (1,)), runs_of("vpt", ("eurosat",), (2,))) is None
