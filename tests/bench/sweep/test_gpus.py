"""CUDA devices from the listing of the driver's tool, in the order in which torch counts them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from one_case import for_each

from bench.sweep import machine as gpus
from bench.sweep.machine import find_gpus, parse_listing

TWO = "0, GPU-aa1, NVIDIA H100 80GB HBM3, 500, Disabled\n1, GPU-bb2, NVIDIA H100 80GB HBM3, 80000, Disabled\n"
UNEQUAL = "0, GPU-aa1, NVIDIA T4, 500, [N/A]\n1, GPU-bb2, NVIDIA H100, 80000, [N/A]\n"


@pytest.fixture(autouse=True)
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
    assert found is not None
    assert [(gpu.name, gpu.free) for gpu in found] == [
        ("NVIDIA H100 80GB HBM3", None),
        ("NVIDIA H100 80GB HBM3", 80000 * 2**20),
    ]


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder on the PATH with a pretended nvidia-smi that prints `listing`; torch counts as built for CUDA."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\nexec cat {tmp_path}/listing\n")
    tool.chmod(0o755)
    (tmp_path / "listing").write_text(TWO)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(gpus, "_torch_can_use_gpus", lambda: True)
    return tmp_path


@pytest.mark.skipif(sys.platform == "win32", reason="the pretended tool is a shell script")
def test_the_driver_is_asked_once_and_torch_is_not(driver: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(gpus, "_listed_by_torch", lambda: pytest.fail("torch is asked"))
    assert len(find_gpus()) == 2
    (driver / "listing").unlink()
    assert len(find_gpus()) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="the pretended tool is a shell script")
def test_torch_is_asked_where_the_driver_does_not_answer(driver: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (driver / "listing").unlink()
    monkeypatch.setattr(gpus, "_listed_by_torch", lambda: ("by torch",))
    assert find_gpus() == ("by torch",)


def test_a_torch_without_cuda_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(gpus, "_torch_can_use_gpus", lambda: False)
    monkeypatch.setattr(subprocess, "run", refused)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert find_gpus() == ()


def test_devices_that_torch_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(gpus, "_torch_can_use_gpus", lambda: False)  # as a pretended device is
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda i: f"GPU {i}")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda i: (i + 5, 9))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-x")
    assert [(gpu.index, gpu.name, gpu.free, gpu.token) for gpu in find_gpus()] == [
        (0, "GPU 0", 5, "3"),
        (1, "GPU 1", 6, "GPU-x"),
    ]
