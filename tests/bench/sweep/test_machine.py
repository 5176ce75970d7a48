"""Defaults that this machine decides."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench.context import CACHE_LIMIT, PIXEL_LIMIT
from bench.errors import UsageError
from bench.sweep import SweepRequest, context_of
from bench.sweep.launchers import local_workers, threads_per_run
from bench.sweep.machine import cache_folder, cache_limit, exported_threads, pixel_limit


def test_the_cache_limit_comes_from_the_environment(monkeypatch):
    monkeypatch.delenv("ETL_BENCH_CACHE_LIMIT", raising=False)
    assert cache_limit() == CACHE_LIMIT
    monkeypatch.setenv("ETL_BENCH_CACHE_LIMIT", "1.5G")
    assert cache_limit() == 3 * 2**29
    monkeypatch.setenv("ETL_BENCH_CACHE_LIMIT", "much")
    with pytest.raises(UsageError, match="'much' is not understood.*20G"):
        cache_limit()


def test_the_limit_of_evaluated_images_comes_from_the_environment(monkeypatch):
    monkeypatch.delenv("ETL_BENCH_PIXEL_LIMIT", raising=False)
    assert pixel_limit() == PIXEL_LIMIT
    monkeypatch.setenv("ETL_BENCH_PIXEL_LIMIT", "0")
    assert pixel_limit() == 0


def test_the_cache_folder_is_the_users_unless_given(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder(Path("x")) == Path("x")
    if sys.platform == "linux":
        assert cache_folder(None) == tmp_path / "clip-etl-bench"


@pytest.fixture
def eight_cores(monkeypatch):
    monkeypatch.setattr("bench.sweep.launchers.cores", lambda: 8)


@pytest.mark.parametrize(
    ("exported", "options", "workers", "threads"),
    [
        (None, {}, 8, 1),
        (None, {"jobs": 2}, 2, 4),
        (None, {"jobs": 0}, 0, 8),
        (None, {"device": "cuda"}, 1, 8),
        ("", {}, 8, 1),
        ("1", {}, 8, 1),
        ("1", {"jobs": 2}, 2, 1),
        ("1", {"jobs": 0}, 0, 1),
        ("1", {"launcher": "inline"}, 0, 1),
        ("3", {}, 2, 3),
        ("16", {}, 1, 16),
        ("16", {"jobs": 2}, 2, 16),
        ("3", {"device": "cuda"}, 1, 3),
        ("4,2", {"jobs": 0}, 0, 4),
        ("16", {"launcher": "ray"}, 8, 1),
        ("16", {"launcher": "ray", "device": "cuda"}, 8, 8),
        ("16", {"launcher": "ray", "device": "cuda", "jobs_per_gpu": 4}, 8, 2),
    ],
)
def test_exported_threads_are_those_of_every_run_here(exported, options, workers, threads, monkeypatch, eight_cores):
    """On a cluster the variable belongs to the login node, and the options decide."""
    if exported is None:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", exported)
    request = SweepRequest(methods=["coop"], datasets=["spectrum_basic"], **options)
    assert threads_per_run(request, 20) == threads
    assert context_of(request, 20).threads == threads
    if request.here:
        assert local_workers(request, 20) == workers


@pytest.mark.parametrize("exported", ["0", "-1", "two", "2.5", ",2"])
def test_a_number_of_threads_that_is_none_is_refused(exported, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", exported)
    with pytest.raises(UsageError, match=rf"OMP_NUM_THREADS='{exported}' is not a number of threads"):
        exported_threads()
