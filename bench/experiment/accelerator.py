"""What a run does to its device besides computing: switches of the arithmetic, waiting, and facts for its provenance.

Nothing here calls CUDA for a run on the CPU, since the first call would occupy some hundred MiB of a GPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from bench.provenance.environment import gpu_driver
from bench.record import GpuFacts
from methods import Precision


@contextmanager
def device_arithmetic(device: str, precision: Precision, *, fast: bool = False) -> Iterator[None]:
    """Inside this block, CUDA computes in exactly this precision and, unless `fast`, gives the same bits every time.

    torch's default would use TF32 for convolutions in fp32, and kernels that add in any order. The switches belong to
    the process, so they are put back at the end.
    """
    if not device.startswith("cuda"):
        yield
        return
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark
    deterministic = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    filled = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    matmul.allow_tf32 = cudnn.allow_tf32 = precision is Precision.TF32
    cudnn.benchmark = False
    torch.use_deterministic_algorithms(not fast)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark = before
        torch.use_deterministic_algorithms(deterministic[0], warn_only=deterministic[1])
        torch.utils.deterministic.fill_uninitialized_memory = filled  # type: ignore[attr-defined]


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given; the CPU always has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def gpu_facts(device: torch.device) -> GpuFacts | None:
    """The GPU, its software and the switches as they are now; None on another device."""
    if device.type != "cuda":
        return None
    major, minor = torch.cuda.get_device_capability(device)
    cudnn: int | None = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    return GpuFacts(
        name=torch.cuda.get_device_name(device),
        capability=f"{major}.{minor}",
        driver=gpu_driver(),
        cuda=torch.version.cuda or torch.version.hip,
        cudnn=None if cudnn is None else str(cudnn),
        tf32=bool(torch.backends.cudnn.allow_tf32),
        deterministic=torch.are_deterministic_algorithms_enabled(),
    )
