"""A sweep that is killed ends like an undisturbed one: ten kills over a short sweep; in `make reliability` 200."""

import json
import os
from pathlib import Path

import pytest
from kills import kill_around_a_sweep

KILLS = int(os.environ.get("ETL_BENCH_KILLS", "10"))


@pytest.mark.slow  # tests/bench/sweep/launch/test_launch.py kills a sweep three times
@pytest.mark.timeout(1800)
def test_a_sweep_under_kills_ends_like_an_undisturbed_one(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("FAKE_RUNNER", json.dumps({"sleep": 0.3 if KILLS == 10 else 0.6}))
    outcome = kill_around_a_sweep(tmp_path, runs=24 if KILLS == 10 else 150, kills=KILLS, seed=1)
    assert sum(outcome.kills.values()) >= (1 if KILLS == 10 else KILLS), "not all kills hit"
    assert outcome.passed, outcome
