"""What `--device` means here and on a cluster, and how local workers spread over GPUs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.errors import UsageError
from bench.sweep import SweepRequest, context_of, resolve_device
from bench.sweep.devices import local_devices, parse_device
from bench.sweep.launchers import local_workers
from bench.sweep.machine import Gpu

Machine = Callable[..., None]
GIB = 2**30


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Pretends a machine with GPUs of that many free bytes, or a Mac."""

    def pretend(*free: int | None, mac: bool = False) -> None:
        gpus = tuple(Gpu(i, f"GPU {i}", n, str(10 + i)) for i, n in enumerate(free))
        monkeypatch.setattr("bench.sweep.devices.find_gpus", lambda: gpus)
        monkeypatch.setattr("bench.sweep.devices._has_mps", lambda: mac)

    return pretend


def request(**given: object) -> SweepRequest:
    return SweepRequest.build(methods="coop", datasets="spectrum_basic", **given)


def indices(text: str) -> list[int]:
    return [gpu.index for gpu in local_devices(text).gpus]


def test_auto_is_the_first_gpu_with_free_memory_then_mps_then_the_cpu(machine: Machine) -> None:
    machine(GIB // 2, 3 * GIB, 9 * GIB)
    assert local_devices("auto").name == "cuda:1"
    assert "device: cuda:1 GPU 1, fp32" in local_devices("auto").describe("fp32")
    assert local_devices("auto").describe("bf16") == "device: cuda:1 GPU 1, bf16"
    machine(GIB // 2, GIB // 2)
    assert local_devices("auto").kind == "cpu"
    assert "1 GiB of free memory" in local_devices("auto").describe("fp32")
    assert local_devices("cuda").name == "cuda:0"
    machine(None)
    assert local_devices("auto").name == "cuda:0"
    machine(mac=True)
    assert local_devices("auto").name == "mps"
    machine()
    assert local_devices("auto").describe("fp32") == "device: cpu, fp32"


def test_devices_by_number_and_all_of_them(machine: Machine) -> None:
    machine(GIB, GIB, 0)
    assert (indices("cuda"), indices("cuda:2"), indices("cuda:2,0"), indices("all")) == ([0], [2], [2, 0], [0, 1, 2])
    assert parse_device("cuda:0,cuda:1") == ("cuda", (0, 1))


@pytest.mark.parametrize("text", ["gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:0,", "cpu:0", "", "mps:1"])
def test_an_unknown_device_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"cuda:0,2, all or mps\."):
        parse_device(text)


@pytest.mark.parametrize(
    ("free", "given", "message"),
    [
        ((), {"device": "cuda"}, "'cuda': torch sees no CUDA device"),
        ((), {"device": "all"}, "'all': torch sees no CUDA device"),
        ((GIB, GIB), {"device": "cuda:7"}, r"'cuda:7': this machine has cuda:0 \(GPU 0\), cuda:1 \(GPU 1\) only"),
        ((GIB, GIB), {"device": "cuda:1,2"}, "'cuda:1,2': this machine has"),
        ((), {"device": "mps"}, "not a Mac with Apple silicon"),
        ((), {"precision": "tf32"}, "--precision tf32 is arithmetic"),
        ((), {"precision": "fp16"}, "--precision fp16 is slower"),
    ],
)
def test_impossible_devices_are_refused_in_the_plan(
    free: tuple[int, ...], given: dict[str, object], message: str, machine: Machine
) -> None:
    machine(*free)
    with pytest.raises(UsageError, match=message):
        request(**given).check_devices()


def test_mps_computes_in_fp32_only(machine: Machine) -> None:
    machine(mac=True)
    request(device="mps").check_devices()
    with pytest.raises(UsageError, match="leave out --precision bf16"):
        request(device="mps", precision="bf16").check_devices()
    with pytest.raises(UsageError, match="leave out --precision tf32"):
        resolve_device("auto", "tf32")


@pytest.mark.parametrize(("given", "kind"), [({}, "cpu"), ({"device": "cuda"}, "cuda")])
def test_a_cluster_does_not_use_the_gpu_of_this_machine(given: dict[str, object], kind: str, machine: Machine) -> None:
    machine(GIB)
    assert request(launcher="ray", **given).devices.kind == kind
    assert context_of(request(launcher="ray", **given), 9).device == kind


@pytest.mark.parametrize("given", [{"device": "all"}, {"device": "cuda:1"}, {"device": "mps"}])
def test_a_cluster_picks_its_devices(given: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="the cluster picks; use --device cuda"):
        request(launcher="ray", **given)


@pytest.mark.parametrize(
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
def test_there_is_a_worker_for_each_gpu(given: dict[str, object], workers: int, machine: Machine) -> None:
    machine(GIB, GIB, GIB)
    assert local_workers(request(**given), 99) == workers
    assert context_of(request(**given), 99).device == ("cuda" if workers else "cuda:1")


def test_the_run_id_does_not_depend_on_the_device() -> None:
    from bench.spec import ExperimentSpec

    assert "device" not in ExperimentSpec.model_fields
