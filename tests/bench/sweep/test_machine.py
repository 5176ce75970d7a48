"""Defaults that this machine decides."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench.context import CACHE_LIMIT
from bench.errors import UsageError
from bench.sweep.machine import cache_folder, cache_limit, hidden_limit


def test_the_cache_limit_comes_from_the_environment(monkeypatch):
    monkeypatch.delenv("ETL_BENCH_CACHE_LIMIT", raising=False)
    assert cache_limit() == CACHE_LIMIT
    monkeypatch.setenv("ETL_BENCH_CACHE_LIMIT", "1.5G")
    assert cache_limit() == 3 * 2**29
    monkeypatch.setenv("ETL_BENCH_CACHE_LIMIT", "much")
    with pytest.raises(UsageError, match=r"ETL_BENCH_CACHE_LIMIT: .*'much' is not understood.*20G"):
        cache_limit()


def test_the_limit_of_hidden_states_comes_from_the_environment_or_the_device(monkeypatch):
    monkeypatch.delenv("ETL_BENCH_HIDDEN_LIMIT", raising=False)
    assert hidden_limit() is None
    monkeypatch.setenv("ETL_BENCH_HIDDEN_LIMIT", "0")
    assert hidden_limit() == 0
    monkeypatch.setenv("ETL_BENCH_HIDDEN_LIMIT", "lots")
    with pytest.raises(UsageError, match=r"ETL_BENCH_HIDDEN_LIMIT: .*'lots' is not understood.*20G"):
        hidden_limit()


def test_the_cache_folder_is_the_users_unless_given(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder(Path("x")) == Path("x")
    if sys.platform == "linux":
        assert cache_folder(None) == tmp_path / "clip-etl-bench"
