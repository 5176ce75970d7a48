"""Learning curves end at the board's averages; runs of different lengths are aligned by share."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_runner import make_record, make_score, make_spec

from bench.analysis.accuracy_over_time import AnytimePoint, convergence, entries_without_curve, learning_curves
from bench.analysis.leaderboard import HConvention, Leaderboard
from bench.analysis.leaderboard_building import board_settings, build_leaderboard
from bench.record import CurvePoint
from bench.results.database import Store
from bench.results.shards import Shards

BASE = {("a", 1): 0.6, ("a", 2): 0.8, ("b", 1): 0.5, ("b", 2): 0.7}
NEW = {("a", 1): 0.5, ("a", 2): 0.3, ("b", 1): 0.9, ("b", 2): 0.8}


def curve(base: float, new: float, epochs: tuple[int, ...] = (1, 2, 4)) -> list[CurvePoint]:
    """From a tenth below the end to the end."""
    return [
        CurvePoint(
            epoch=epoch,
            epochs=epochs[-1],
            steps=10 * epoch,
            seconds=float(epoch),
            accuracy={"base": base - 0.1 * (1 - epoch / epochs[-1]), "new": new},
        )
        for epoch in epochs
    ]


def write(folder: Path, method: str, *, epochs: dict[str, tuple[int, ...]] | None = None, drop: bool = False) -> None:
    for (dataset, seed), base in BASE.items():
        new = NEW[dataset, seed]
        points = curve(base, new, (epochs or {}).get(dataset, (1, 2, 4)))
        record = make_record(
            make_spec(method=method, dataset=dataset, seed=seed),
            scores=[make_score("base", base), make_score("new", new)],
            curve=[] if drop and (dataset, seed) == ("b", 2) else points,
        )
        Shards(folder).write(record)


def board_of(folder: Path, convention: HConvention = HConvention.H_OF_MEANS) -> tuple[Leaderboard, Store]:
    store = Store(folder)
    store.ingest(Shards(folder))
    runs = store.runs_frame()
    (setting,) = board_settings(runs)
    return build_leaderboard(runs, setting, convention=convention), store


@pytest.mark.parametrize("convention", HConvention)
def test_a_curve_ends_at_the_average_of_the_board(convention: HConvention, tmp_path: Path):
    write(tmp_path, "coop")
    board, store = board_of(tmp_path, convention)
    (found,) = learning_curves(board, store.runs_frame(), store.curves_frame())
    average = board.entries[0].average("H", convention)
    assert average is not None
    assert found.points[-1].value == pytest.approx(average.mean, abs=1e-12)
    assert [point.share for point in found.points] == [0.25, 0.5, 1.0]
    assert len(found.run_ids) == 4


def test_averages_by_hand(tmp_path: Path):
    write(tmp_path, "coop")
    board, store = board_of(tmp_path)
    (found,) = learning_curves(board, store.runs_frame(), store.curves_frame())
    base, new = sum(BASE.values()) / 4 - 0.1 * 0.75, sum(NEW.values()) / 4
    assert found.points[0].value == pytest.approx(2 * base * new / (base + new))
    assert found.points[0].seconds == pytest.approx(1.0 + 0.1 + 0.5), "own and shared preparation"
    assert [point.steps for point in found.points] == [10, 20, 40]


def test_runs_of_different_lengths_are_aligned_by_share(tmp_path: Path):
    """At each share, a run has the accuracy of its last recorded epoch; a curve starts at the latest first epoch."""
    write(tmp_path, "coop", epochs={"b": (1, 2, 4, 8, 10)})
    board, store = board_of(tmp_path)
    (found,) = learning_curves(board, store.runs_frame(), store.curves_frame())
    assert [point.share for point in found.points] == [0.25, 0.4, 0.5, 0.8, 1.0]
    assert [point.steps for point in found.points] == [(10 + 20) / 2, (10 + 40) / 2, 30, (20 + 80) / 2, 70]


def test_an_entry_with_a_run_without_curve_has_none_and_is_listed(tmp_path: Path):
    write(tmp_path, "coop")
    write(tmp_path, "vpt", drop=True)
    board, store = board_of(tmp_path)
    found = learning_curves(board, store.runs_frame(), store.curves_frame())
    assert [item.entry for item in found] == ["coop"]
    assert entries_without_curve(board, found, store.runs_frame()) == ("vpt",)


def test_incomplete_entries_have_no_curve(tmp_path: Path):
    write(tmp_path, "coop")
    write(tmp_path, "vpt")
    board, store = board_of(tmp_path)
    runs = store.runs_frame().query("not (method == 'coop' and dataset == 'a' and seed == 1)")
    other = build_leaderboard(runs, board.setting)
    assert [found.entry for found in learning_curves(other, runs, store.curves_frame())] == ["vpt"]


@pytest.mark.parametrize(
    ("values", "converged"),
    [
        ([0.5, 0.6, 0.7], 2),
        ([0.5, 0.695, 0.7], 1),
        ([0.7, 0.7, 0.7], 0),
        ([0.9, 0.5, 0.7], 2),
        ([0.9, 0.8, 0.7], 0),
    ],
)
def test_a_curve_has_converged_where_it_stays_near_its_end(values: list[float], converged: int):
    points = tuple(AnytimePoint((i + 1) / 3, float(i), float(i), value) for i, value in enumerate(values))
    assert convergence(points) is points[converged]
