"""The open score on boards: by hand from runs, in every table, and "not computed" where runs lack it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from open_runs import open_run

from bench.analysis import board_rows, dataset_table, differences, leaderboard_table
from bench.analysis.comparison import compare_entries
from bench.analysis.leaderboard import Leaderboard
from bench.analysis.leaderboard_building import build_leaderboards
from bench.analysis.measures import OPEN, HConvention
from bench.analysis.verdict import board_verdicts
from bench.api.results import load_results
from bench.record import RunRecord
from bench.results.database import fresh_store
from bench.results.shards import Shards

DATASETS, SEEDS = ("spectrum_a", "spectrum_b", "spectrum_c"), (1, 2, 3)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three methods on three datasets with three seeds; the runs of `old` have no open score, one of `part` neither."""
    folder = tmp_path_factory.mktemp("open") / "runs"
    for number, method in enumerate(("coop", "old", "part", "vpt")):
        for place, dataset in enumerate(DATASETS):
            for seed in SEEDS:
                named = {"method": method, "dataset": dataset, "task_fingerprint": f"{dataset}-{seed}"}
                record, predictions = open_run(seed, draws=100 * number + 10 * place + seed, images=30, **named)
                if method == "old" or (method, place, seed) == ("part", 0, 1):
                    record, predictions = record.model_copy(update={"open": None}), predictions[:2]
                Shards(folder).write(record, predictions)
    return folder


@pytest.fixture(scope="module")
def records(runs: Path) -> dict[tuple[str, str, int], RunRecord]:
    shards = Shards(runs)
    found = [shard.record for run_id in shards.scan() if (shard := shards.read(run_id)) is not None]
    return {(r.spec.method, r.spec.dataset, r.spec.seed): r for r in found}


@pytest.fixture(scope="module")
def frames(runs: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Runs with their outcomes, and the outcomes of each image."""
    store = fresh_store(runs)
    return store.runs_frame(outcomes=True), store.outcomes_frame()


@pytest.fixture(scope="module")
def board(frames: tuple[pd.DataFrame, pd.DataFrame]) -> Leaderboard:
    (board,) = build_leaderboards(frames[0])
    return board


def open_h(record: RunRecord) -> float:
    base, new = record.open.base.accuracy, record.open.new.accuracy
    return 2 * base * new / (base + new)


@pytest.mark.parametrize("convention", list(HConvention))
def test_averages_equal_a_computation_by_hand(runs: Path, records: dict, convention: HConvention) -> None:
    (board,) = build_leaderboards(fresh_store(runs).runs_frame(), convention=convention)
    mine = [[records["coop", dataset, seed] for seed in SEEDS] for dataset in DATASETS]
    base, new = (np.mean([getattr(r.open, kind).accuracy for rows in mine for r in rows]) for kind in ("base", "new"))
    expected = np.mean([open_h(r) for rows in mine for r in rows])
    if convention is HConvention.H_OF_MEANS:
        expected = 2 * base * new / (base + new)
    assert board.average("coop", OPEN).mean == pytest.approx(expected)
    assert board.array.mean("coop", "spectrum_b", OPEN) == pytest.approx(np.mean([open_h(r) for r in mine[1]]))
    row = next(row for row in board_rows(board) if row["method"] == "coop")
    assert row["open"] == pytest.approx(expected)
    assert row["open_low"] < row["open"] < row["open_high"]
    assert (row["open_base"], row["open_new"]) == (pytest.approx(base), pytest.approx(new))


def test_an_entry_with_a_run_without_it_has_no_average_but_its_other_datasets(board: Leaderboard) -> None:
    assert board.measures == ("base", "new", "open", "H")
    assert board.splits == ("base", "new")
    assert board.entry("part").complete
    assert board.average("part", OPEN) is None
    known = [[board.score(key, dataset, OPEN) is not None for dataset in DATASETS] for key in ("part", "old")]
    assert known == [[False, True, True], [False] * 3]
    row = next(row for row in board_rows(board) if row["method"] == "old")
    assert row["open"] is row["open_base"] is None


def test_the_leaderboard_command_shows_it_or_says_not_computed(runs: Path, etl) -> None:
    code, out, err = etl("leaderboard", "--runs", str(runs))
    assert code == 0, err
    lines = {line.split()[1].lower(): line for line in out.splitlines() if len(line.split()) > 3}
    assert ["not computed" in lines[method] for method in ("old", "part", "coop")] == [True, True, False]
    (board,) = json.loads(etl("leaderboard", "--runs", str(runs), "--json")[1])
    by_method = {row["method"]: row for row in board["rows"]}
    assert by_method["old"]["open"] is None
    assert 0 < by_method["coop"]["open"] < 1


def test_exports_hold_it(board: Leaderboard) -> None:
    verdicts = board_verdicts(board)
    table = leaderboard_table(board, verdicts)
    cells = {row["method"]: row["open"] for row in table.texts()}
    assert cells["old"] == cells["part"] == "not computed"
    assert cells["coop"].startswith(f"{100 * board.average('coop', OPEN).mean:.2f}")
    by_dataset = dataset_table(board, verdicts["open"])
    assert "not computed" in next(row for row in by_dataset.texts() if row["method"] == "old").values()
    assert ",open_base,open_new," in table.csv().splitlines()[0]
    for text in (table.markdown(), table.latex(), by_dataset.markdown(), by_dataset.latex()):
        assert "not computed" in text


def test_compare_tests_it_on_the_runs_that_have_it(runs: Path, board: Leaderboard, frames) -> None:
    found = compare_entries(board, frames[1], "coop", "vpt")
    coop, vpt = ([board.array.by_seed(m, dataset, OPEN) for dataset in DATASETS] for m in ("coop", "vpt"))
    gaps = [a[seed] - b[seed] for a, b in zip(coop, vpt, strict=True) for seed in SEEDS]
    assert found.averages["open"].mean == pytest.approx(np.mean(gaps))
    assert found.averages["open"].p is not None
    (part,) = differences(board.array, [("coop", "part")], OPEN).values()
    assert (part.groups, part.n) == (3, 8)
    (told,) = load_results(runs).compare("coop", "vpt").values()
    assert told["averages"]["open"]["p"] is not None
    assert [row["split"] for row in told["cells"][:3]] == ["base", "new", "open"]
    for other, seeds in (("old", []), ("part", [2, 3, 3])):
        found = compare_entries(board, frames[1], "coop", other)
        assert [len(cell.seeds) for cell in found.cells if cell.split == OPEN] == seeds
        assert not found.skipped
        assert "open" not in found.averages


def test_compare_has_it_on_each_dataset(board: Leaderboard, frames, records: dict) -> None:
    outcomes = frames[1]
    found = compare_entries(board, outcomes, "coop", "vpt")
    cells = {cell.dataset: cell for cell in found.cells if cell.split == OPEN}
    assert list(cells) == list(DATASETS)
    opened = outcomes[outcomes["split"].isin(["open-base", "open-new"])]
    right = opened.assign(right=opened["label"] == opened["predicted"]).set_index(["run_id", "image"])["right"]
    for dataset, cell in cells.items():
        by_method = {m: [records[m, dataset, seed] for seed in SEEDS] for m in ("coop", "vpt")}
        means = [np.mean([open_h(record) for record in by_method[m]]) for m in ("coop", "vpt")]
        assert (cell.score_a.mean, cell.score_b.mean) == pytest.approx(means)
        assert cell.difference.mean == pytest.approx(means[0] - means[1])
        flipped = [
            right.loc[a.spec.run_id] & ~right.loc[b.spec.run_id]
            for a, b in zip(by_method["coop"], by_method["vpt"], strict=True)
        ]
        assert cell.flipped[0] == sum(int(side.sum()) for side in flipped)


def test_compare_leaves_it_out_if_seeds_have_different_images(frames: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    frame, outcomes = (one.copy() for one in frames)
    changed = set(frame.loc[(frame["seed"] == SEEDS[0]) & (frame["dataset"] == DATASETS[0]), "run_id"])
    frame.loc[frame["run_id"].isin(changed) & (frame["split"] == "open-base"), "images"] = "other images"
    (board,) = build_leaderboards(frame)
    rows = outcomes["run_id"].isin(changed) & (outcomes["split"] == "open-base")
    outcomes["image"] = outcomes["image"].astype(str).where(~rows, "other/" + outcomes["image"].astype(str))
    found = compare_entries(board, outcomes, "coop", "vpt")
    assert (DATASETS[0], "open: the runs were not scored on the same images") in found.skipped
    assert [cell.dataset for cell in found.cells if cell.split == OPEN] == list(DATASETS[1:])
