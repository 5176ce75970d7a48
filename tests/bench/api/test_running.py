"""Requests that are carried out together from Python. The runs are faked."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.api import run_request
from bench.errors import ImpossibleCombinationError
from bench.results import Shards
from bench.sweep import SweepLog, SweepRequest
from bench.sweep.sweep_files import planned_run_ids


def request_of(depth: int, runs: Path, **options: object) -> SweepRequest:
    """VPT with prompts in that many blocks; the text and image towers have fewer than 99."""
    values = {"methods": "vpt", "datasets": "spectrum_basic", "runner": "fake_runner", "jobs": 0, "cache": runs / "c"}
    return SweepRequest.build(**values | {"seeds": 1, "runs": runs, "overrides": [f"vpt.depth={depth}"]} | options)


@pytest.mark.parametrize("depths", [(99, 1), (1, 99)])
def test_a_request_that_is_impossible_does_not_keep_the_others_from_running(
    depths: tuple[int, int], tmp_path: Path
) -> None:
    first, second = (request_of(depth, tmp_path) for depth in depths)
    outcome = run_request(first, SweepLog(), also=[second])
    assert outcome.exit_code == 3
    assert ["99" in item.reason for item in outcome.plan.rejected] == [True]
    assert len(outcome.plan.specs) == len(Shards(tmp_path).scan()) == 1
    (file,) = (tmp_path / "sweeps").iterdir()
    assert planned_run_ids(file) == [outcome.plan.specs[0].run_id]


def test_nothing_runs_if_all_requests_are_impossible(tmp_path: Path) -> None:
    first, second = (request_of(depth, tmp_path) for depth in (98, 99))
    with pytest.raises(ImpossibleCombinationError, match="depth=99"):
        run_request(first, SweepLog(), also=[second])
    assert Shards(tmp_path).scan() == []
