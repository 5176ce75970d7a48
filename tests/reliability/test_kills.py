"""The small version of `make reliability`: ten kills over a short sweep."""

import json
from pathlib import Path

import pytest
from kills import kill_around_a_sweep


@pytest.mark.slow  # tests/bench/sweep/launch/test_launch.py kills a sweep three times
def test_a_sweep_under_kills_ends_like_an_undisturbed_one(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("FAKE_RUNNER", json.dumps({"sleep": 0.3}))
    outcome = kill_around_a_sweep(tmp_path, runs=24, kills=10, seed=1)
    assert sum(outcome.kills.values()) >= 1, "not all kills hit"
    assert outcome.passed, outcome
