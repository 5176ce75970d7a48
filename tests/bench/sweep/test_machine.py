"""What this machine decides: GPUs from the listing of the driver's tool, devices, workers, threads and the cache."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from one_case import for_each

from bench.context import CACHE_LIMIT, PIXEL_LIMIT
from bench.errors import UsageError
from bench.sweep import SweepRequest, context_of, machine, resolve_device
from bench.sweep.device_choice import local_devices, parse_device
from bench.sweep.launchers import local_workers, threads_per_run
from bench.sweep.machine import (
    Gpu,
    cache_folder,
    cache_limit,
    exported_threads,
    find_gpus,
    parse_listing,
    pixel_limit,
)

# --- GPUs, in the order in which torch counts them --------------------------------------------------------------------

TWO = "0, GPU-aa1, NVIDIA H100 80GB HBM3, 500, Disabled\n1, GPU-bb2, NVIDIA H100 80GB HBM3, 80000, Disabled\n"
UNEQUAL = "0, GPU-aa1, NVIDIA T4, 500, [N/A]\n1, GPU-bb2, NVIDIA H100, 80000, [N/A]\n"


@pytest.fixture
def asked_again() -> Iterator[None]:
    find_gpus.cache_clear()
    yield
    find_gpus.cache_clear()


@for_each(
    ("listing", "visible", "order", "tokens"),
    [
        (TWO, None, None, ["0", "1"]),
        (TWO, "1", None, ["1"]),
        (TWO, "1,0", None, ["1", "0"]),
        (TWO, "GPU-bb", None, ["GPU-bb"]),
        (TWO, "0,-1,1", None, ["0"]),
        (TWO, "", None, []),
        (TWO, "7", None, []),
        (UNEQUAL, None, None, None),
        (UNEQUAL, "1", "PCI_BUS_ID", ["1"]),
        (TWO.replace("Disabled", "Enabled"), None, None, None),
        ("No devices were found", None, None, None),
        ("", None, None, []),
    ],
)
def test_visible_devices(listing: str, visible: str | None, order: str | None, tokens: list[str] | None) -> None:
    found = parse_listing(listing, visible, order)
    assert (found if found is None else [gpu.token for gpu in found]) == tokens
    assert [gpu.index for gpu in found or ()] == list(range(len(tokens or [])))


def test_names_and_free_memory() -> None:
    found = parse_listing(TWO.replace("500", "[N/A]"), None, None)
    name = "NVIDIA H100 80GB HBM3"
    assert [(gpu.name, gpu.free) for gpu in found] == [(name, None), (name, 80000 * 2**20)]


@pytest.mark.skipif(sys.platform == "win32", reason="the pretended tool is a shell script")
@pytest.mark.usefixtures("asked_again")
def test_the_driver_is_asked_once_and_torch_where_it_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool, listing = tmp_path / "nvidia-smi", tmp_path / "listing"
    tool.write_text(f"#!/bin/sh\nexec cat {listing}\n")
    tool.chmod(0o755)
    listing.write_text(TWO)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(machine, "_torch_can_use_gpus", lambda: True)
    monkeypatch.setattr(machine, "_listed_by_torch", lambda: ("by torch",))
    assert [gpu.token for gpu in find_gpus()] == ["0", "1"]
    listing.unlink()
    assert len(find_gpus()) == 2
    find_gpus.cache_clear()
    assert find_gpus() == ("by torch",)


@pytest.mark.usefixtures("asked_again")
def test_a_torch_without_cuda_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(machine, "_torch_can_use_gpus", lambda: False)
    monkeypatch.setattr(subprocess, "run", refused)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert find_gpus() == ()


@pytest.mark.usefixtures("asked_again")
def test_devices_that_torch_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(machine, "_torch_can_use_gpus", lambda: False)  # as a pretended device is
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda i: f"GPU {i}")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda i: (i + 5, 9))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-x")
    assert [(gpu.index, gpu.name, gpu.free, gpu.token) for gpu in find_gpus()] == [
        (0, "GPU 0", 5, "3"),
        (1, "GPU 1", 6, "GPU-x"),
    ]


# --- `--device` here and on a cluster ---------------------------------------------------------------------------------

Pretend = Callable[..., None]
GIB = 2**30


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> Pretend:
    """Pretends a machine with GPUs of that many free bytes, or a Mac."""

    def pretend(*free: int | None, mac: bool = False) -> None:
        gpus = tuple(Gpu(i, f"GPU {i}", n, str(10 + i)) for i, n in enumerate(free))
        monkeypatch.setattr("bench.sweep.device_choice.find_gpus", lambda: gpus)
        monkeypatch.setattr("bench.sweep.device_choice._has_mps", lambda: mac)

    return pretend


def request(**given: object) -> SweepRequest:
    return SweepRequest.build(methods="coop", datasets="spectrum_basic", **given)


def test_auto_is_the_first_gpu_with_free_memory_then_mps_then_the_cpu(pretend: Pretend) -> None:
    pretend(GIB // 2, 3 * GIB, 9 * GIB)
    assert local_devices("auto").name == "cuda:1"
    assert "device: cuda:1 GPU 1, fp32" in local_devices("auto").describe("fp32")
    assert local_devices("auto").describe("bf16") == "device: cuda:1 GPU 1, bf16"
    pretend(GIB // 2, GIB // 2)
    assert local_devices("auto").kind == "cpu"
    assert "1 GiB of free memory" in local_devices("auto").describe("fp32")
    assert local_devices("cuda").name == "cuda:0"
    pretend(None)
    assert local_devices("auto").name == "cuda:0"
    pretend(mac=True)
    assert local_devices("auto").name == "mps"
    pretend()
    assert local_devices("auto").describe("fp32") == "device: cpu, fp32"


def test_devices_by_number_and_all_of_them(pretend: Pretend) -> None:
    pretend(GIB, GIB, 0)
    wanted = {"cuda": [0], "cuda:2": [2], "cuda:2,0": [2, 0], "all": [0, 1, 2]}
    assert {text: [gpu.index for gpu in local_devices(text).gpus] for text in wanted} == wanted
    assert parse_device("cuda:0,cuda:1") == ("cuda", (0, 1))


@for_each("text", ["gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:0,", "cpu:0", "", "mps:1"])
def test_an_unknown_device_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"cuda:0,2, all or mps\."):
        parse_device(text)


@for_each(
    ("free", "given", "message"),
    [
        ((), {"device": "cuda"}, "'cuda': torch sees no CUDA device"),
        ((), {"device": "all"}, "'all': torch sees no CUDA device"),
        ((GIB, GIB), {"device": "cuda:7"}, r"'cuda:7': this machine has cuda:0 \(GPU 0\), cuda:1 \(GPU 1\) only"),
        ((GIB, GIB), {"device": "cuda:1,2"}, "'cuda:1,2': this machine has"),
        ((), {"device": "mps"}, "not a Mac with Apple silicon"),
        ((), {"precision": "tf32"}, "--precision tf32 is arithmetic"),
        ((), {"precision": "fp16"}, "--precision fp16 is slower"),
        ((), {"launcher": "ray", "device": "all"}, "the cluster picks; use --device cuda"),
        ((), {"launcher": "ray", "device": "cuda:1"}, "the cluster picks; use --device cuda"),
        ((), {"launcher": "ray", "device": "mps"}, "the cluster picks; use --device cuda"),
    ],
)
def test_impossible_devices_are_refused_in_the_plan(
    free: tuple[int, ...], given: dict[str, object], message: str, pretend: Pretend
) -> None:
    pretend(*free)
    with pytest.raises(UsageError, match=message):
        request(**given).check_devices()


def test_mps_computes_in_fp32_only(pretend: Pretend) -> None:
    pretend(mac=True)
    request(device="mps").check_devices()
    with pytest.raises(UsageError, match="leave out --precision bf16"):
        request(device="mps", precision="bf16").check_devices()
    with pytest.raises(UsageError, match="leave out --precision tf32"):
        resolve_device("auto", "tf32")


def test_a_cluster_does_not_use_the_gpu_of_this_machine(pretend: Pretend) -> None:
    pretend(GIB)
    for given, kind in (({}, "cpu"), ({"device": "cuda"}, "cuda")):
        assert request(launcher="ray", **given).devices.kind == kind
        assert context_of(request(launcher="ray", **given), 9).device == kind


@for_each(
    ("given", "workers"),
    [
        ({}, 1),
        ({"device": "all"}, 3),
        ({"device": "cuda:0,2"}, 2),
        ({"device": "all", "jobs_per_gpu": 2}, 6),
        ({"device": "cuda:1", "jobs": 4}, 4),
        ({"device": "cuda:1", "jobs": 0}, 0),
    ],
)
def test_there_is_a_worker_for_each_gpu(given: dict[str, object], workers: int, pretend: Pretend) -> None:
    pretend(GIB, GIB, GIB)
    assert local_workers(request(**given), 99) == workers
    assert context_of(request(**given), 99).device == ("cuda" if workers else "cuda:1")


# --- the cache and the cores ------------------------------------------------------------------------------------------


def test_limits_of_the_caches_come_from_the_environment(monkeypatch) -> None:
    for name, limit, usual in (("CACHE", cache_limit, CACHE_LIMIT), ("PIXEL", pixel_limit, PIXEL_LIMIT)):
        monkeypatch.delenv(f"ETL_BENCH_{name}_LIMIT", raising=False)
        assert limit() == usual
        for text, size in (("1.5G", 3 * 2**29), ("0", 0)):
            monkeypatch.setenv(f"ETL_BENCH_{name}_LIMIT", text)
            assert limit() == size
        monkeypatch.setenv(f"ETL_BENCH_{name}_LIMIT", "much")
        with pytest.raises(UsageError, match="'much' is not understood.*20G"):
            limit()


def test_the_cache_folder_is_the_users_unless_given(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder(Path("x")) == Path("x")
    if sys.platform == "linux":
        assert cache_folder(None) == tmp_path / "clip-etl-bench"


@for_each(
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
def test_exported_threads_are_those_of_every_run_here(exported, options, workers, threads, monkeypatch) -> None:
    """On a cluster the variable belongs to the login node, and the options decide."""
    monkeypatch.setattr("bench.sweep.launchers.cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if exported is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", exported)
    asked = SweepRequest(methods=["coop"], datasets=["spectrum_basic"], **options)
    assert threads_per_run(asked, 20) == threads
    assert context_of(asked, 20).threads == threads
    if asked.here:
        assert local_workers(asked, 20) == workers


@for_each("exported", ["0", "-1", "two", "2.5", ",2"])
def test_a_number_of_threads_that_is_none_is_refused(exported, monkeypatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", exported)
    with pytest.raises(UsageError, match=rf"OMP_NUM_THREADS='{exported}' is not a number of threads"):
        exported_threads()
