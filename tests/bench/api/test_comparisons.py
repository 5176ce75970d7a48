"""Two methods are compared on the cells of the leaderboard, also where runs are missing."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from worlds import make_world

from bench.api import load_results

METHODS = ("zero_shot", "coop", "clip_adapter", "tip_adapter")
DATASETS = ("dtd", "eurosat", "food101", "ucf101")


def board_with_missing_runs(folder: Path, seed: int) -> Path:
    """Simulated runs, of which some are deleted at random, up to all of a method on a dataset."""
    draw = random.Random(seed)
    rates = {method: {name: {"all": draw.uniform(0.4, 0.8)} for name in DATASETS} for method in METHODS}
    records = make_world(folder, rates, protocol="few-shot", images=60, seed_spread=0.03)  # type: ignore[arg-type]
    trained = [record.spec for record in records if record.spec.seed]
    missing = draw.sample(trained, draw.randint(1, 6))
    method, dataset = draw.choice(METHODS[1:]), draw.choice(DATASETS)
    missing += [spec for spec in trained if (spec.method, spec.dataset) == (method, dataset)][draw.randint(0, 1) :]
    ids = {spec.run_id for spec in missing}
    for path in (folder / "shards").rglob("*"):
        if path.is_file() and path.name.split(".")[0] in ids:
            path.unlink()
    return folder


def numbers(test: dict[str, Any]) -> list[Any]:
    return [test[name] if test[name] is None else pytest.approx(test[name]) for name in ("mean", "low", "high")]


@pytest.mark.parametrize("seed", range(3))
def test_a_pair_has_the_difference_datasets_and_trainings_of_the_leaderboard(tmp_path: Path, seed: int) -> None:
    results = load_results(board_with_missing_runs(tmp_path, seed))
    (board,) = results.leaderboard().source
    (plain,) = results.leaderboard().values()
    verdict = plain["verdicts"]["all"]
    leader, reference = verdict["leader"], verdict["reference"]
    if reference is None:
        pytest.skip("one method alone has runs of all")
    (compared,) = results.compare(leader, reference).values()
    average = compared["averages"]["all"]
    assert numbers(average) == [verdict["here"][name] for name in ("mean", "low", "high")]
    assert average["groups"] == verdict["datasets"] == compared["expected_datasets"] == len(board.averaged)
    assert {cell["dataset"] for cell in compared["cells"]} == set(board.averaged)
    assert compared["one_training"] == verdict["one_training"]


def test_a_method_that_the_leaderboard_does_not_rank_is_compared_on_its_own_cells(tmp_path: Path) -> None:
    rates = {method: {name: {"all": 0.6} for name in DATASETS} for method in METHODS[:3]}
    make_world(tmp_path, rates, protocol="few-shot", images=60)  # type: ignore[arg-type]
    lone = {"tip_adapter": {name: {"all": 0.7} for name in DATASETS[:3]}}
    make_world(tmp_path, lone, protocol="few-shot", images=60)  # type: ignore[arg-type]
    (compared,) = load_results(tmp_path).compare("tip_adapter", "coop").values()
    assert compared["averages"]["all"]["groups"] == 3
    assert "on these 3 datasets" in str(load_results(tmp_path).compare("tip_adapter", "coop"))
