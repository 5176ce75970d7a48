"""Switches of the arithmetic on CUDA, facts about a GPU, and the absence of CUDA calls in a run on the CPU.

There is no GPU here, so torch's answers about one are pretended.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from parity_kit import tiny_backbone
from sweep_requests import sweep_over

from bench.context import RunContext
from bench.experiment import runner
from bench.experiment.accelerator import device_arithmetic, gpu_facts, synchronize
from bench.experiment.features.frozen_texts import FrozenTexts
from bench.experiment.features.image_features import FeatureStore
from bench.provenance import environment
from bench.record import Provenance
from bench.sweep import expand
from methods import Backbone, Precision

CUDA = torch.device("cuda", 0)


@pytest.fixture(autouse=True)
def switches_as_before() -> Iterator[None]:
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    yield
    assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == before
    assert not torch.are_deterministic_algorithms_enabled()


def switches() -> tuple[bool, bool, bool]:
    return (
        torch.backends.cuda.matmul.allow_tf32,
        torch.backends.cudnn.allow_tf32,
        torch.are_deterministic_algorithms_enabled(),
    )


@pytest.mark.parametrize(
    ("device", "precision", "fast", "expected"),
    [
        ("cuda", Precision.FP32, False, (False, False, True)),
        ("cuda:1", Precision.FP32, True, (False, False, False)),
        ("cuda", Precision.TF32, False, (True, True, True)),
        ("cuda", Precision.BF16, False, (False, False, True)),
    ],
)
def test_cuda_computes_in_the_chosen_precision_and_repeatably(
    device: str, precision: Precision, fast: bool, expected: tuple[bool, bool, bool]
) -> None:
    with device_arithmetic(device, precision, fast=fast):
        assert switches() == expected
    with pytest.raises(ZeroDivisionError), device_arithmetic(device, precision, fast=fast):
        raise ZeroDivisionError


def test_the_switches_of_the_process_stay_on_the_cpu() -> None:
    before = switches()
    with device_arithmetic("cpu", Precision.FP32):
        assert switches() == before


@pytest.fixture
def forbidden_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has a GPU, of which every use is an error."""

    def used(*_: Any, **__: Any) -> None:
        raise AssertionError("CUDA is used")

    for name in (
        "synchronize", "init", "_lazy_init", "current_device", "device_count", "get_device_name", "mem_get_info",
        "get_device_capability", "get_device_properties", "memory_allocated", "max_memory_allocated", "set_device",
        "reset_peak_memory_stats", "current_stream", "empty_cache",
    ):  # fmt: skip
        monkeypatch.setattr(torch.cuda, name, used)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


@pytest.mark.parametrize("method", ["clip_adapter", "vpt"])
@pytest.mark.usefixtures("forbidden_cuda")
def test_a_run_on_the_cpu_does_not_touch_a_gpu(method: str, tmp_path: Path) -> None:
    axes = sweep_over(
        [method], ["spectrum_basic"], ["ViT-tiny.random"], shots=(1,), seeds=(1,),
        overrides=[f"{method}.recipe.epochs=1"],
    )  # fmt: skip
    (spec,) = expand(axes).specs
    record, _ = runner.run_experiment(spec, RunContext(cache_dir=tmp_path))
    assert record.provenance.gpu is None
    assert "gpu" not in record.provenance.model_dump()
    assert record.provenance.device_class == "cpu"


def test_waiting_is_for_the_device_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    synchronize(torch.device("cpu"))
    synchronize(torch.device("cuda", 1))
    assert waited == [torch.device("cuda", 1)]


@pytest.fixture
def pretended_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _=None: (9, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _=None: "NVIDIA H100 80GB HBM3")
    monkeypatch.setattr("bench.experiment.accelerator.gpu_driver", lambda: "570.1")


@pytest.mark.usefixtures("pretended_gpu")
def test_the_record_says_which_gpu_with_which_switches() -> None:
    with device_arithmetic("cuda", Precision.TF32, fast=True):
        facts = gpu_facts(CUDA)
    assert facts is not None
    assert (facts.name, facts.capability, facts.driver) == ("NVIDIA H100 80GB HBM3", "9.0", "570.1")
    assert (facts.tf32, facts.deterministic) == (True, False)
    with device_arithmetic("cuda", Precision.FP32):
        exact = gpu_facts(CUDA)
    assert exact is not None
    assert (exact.tf32, exact.deterministic) == (False, True)
    made = environment.collect(
        method="coop", backbone_digest="b", support_digests=[], device="cuda:0", threads=1, gpu=facts
    )
    assert made.device_class == "NVIDIA H100 80GB HBM3"
    assert Provenance.model_validate_json(made.model_dump_json()) == made


@pytest.mark.usefixtures("pretended_gpu")
def test_features_of_cpu_and_gpu_never_meet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    backbone = copy(tiny_backbone())

    def folders() -> set[str]:
        FrozenTexts(backbone.digest, tmp_path, backbone.arithmetic)(["a"], lambda: torch.zeros(1, 4))
        store = FeatureStore(backbone, tmp_path)
        return {store.folder.name, store.unprojected().folder.name}  # type: ignore[union-attr]

    def kinds(names: set[str]) -> set[str]:
        return {name.partition("-")[2] for name in names}

    assert kinds(folders()) == {"fp32", "fp32-pooled"}
    monkeypatch.setattr(Backbone, "device", CUDA)
    assert kinds(folders()) == {"fp32.cuda90", "fp32.cuda90-pooled"}
    backbone.precision = Precision.TF32
    assert kinds(folders()) == {"tf32.cuda90", "tf32.cuda90-pooled"}
    monkeypatch.setattr(Backbone, "device", torch.device("mps"))
    assert backbone.arithmetic == "tf32.mps"
    written = {folder.name.partition("-")[2] for folder in (tmp_path / "features").iterdir()}
    assert {"fp32-text", "fp32.cuda90-text", "tf32.cuda90-text"} <= written


def test_a_driver_that_does_not_answer_has_no_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.gpu_driver.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment.gpu_driver() is None
    environment.gpu_driver.cache_clear()
