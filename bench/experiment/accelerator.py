"""Device handling of a run: switches of the arithmetic, synchronisation, memory, and facts for its provenance.

Nothing here calls CUDA for a run on the CPU, since the first call would occupy some hundred MiB of a GPU.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from bench._util.memory import out_of_memory
from bench.errors import TrainingMemoryError
from bench.record import GpuFacts
from bench.results import gpu_driver
from bench.spec import ExperimentSpec
from methods import Precision

_LOG = logging.getLogger("bench.experiment")
IN_FLIGHT = 2
"""Number of results that a GPU may compute while an earlier one is awaited."""
NEEDED = 2**30
"""Free bytes that the first run of a process waits for; a later run waits for the peak of the run before it."""
WAIT_SECONDS = 60.0
"""Longest wait in seconds for the memory of a GPU that other processes use."""


@contextmanager
def device_arithmetic(device: str, precision: Precision) -> Iterator[None]:
    """Inside this block, CUDA computes in exactly this precision, and deterministically.

    torch's default would use TF32 for convolutions in fp32, and kernels that add in any order. The switches are global,
    so they are restored at the end.
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
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark = before
        torch.use_deterministic_algorithms(deterministic[0], warn_only=deterministic[1])
        torch.utils.deterministic.fill_uninitialized_memory = filled  # type: ignore[attr-defined]


def synchronize(device: torch.device) -> None:
    """Wait until the device has finished its work; does nothing on the CPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def copied_back(results: Iterable[Tensor]) -> Iterator[Tensor]:
    """Results of the accelerator, copied to the CPU in order.

    On CUDA, `IN_FLIGHT` further results are requested before one is awaited, so that the GPU has work while the
    processor prepares the next.
    """
    waiting: deque[tuple[Tensor, torch.cuda.Event]] = deque()
    for result in results:
        if result.device.type != "cuda":
            yield result.cpu()
            continue
        copy, copied = result.to("cpu", non_blocking=True), torch.cuda.Event()  # type: ignore[no-untyped-call]
        copied.record()
        waiting.append((copy, copied))
        if len(waiting) > IN_FLIGHT:
            yield _awaited(*waiting.popleft())
    while waiting:
        yield _awaited(*waiting.popleft())


def _awaited(copy: Tensor, copied: torch.cuda.Event) -> Tensor:
    copied.synchronize()
    return copy


def gpu_facts(device: torch.device) -> GpuFacts | None:
    """The GPU, its software and the current switches; None on another device."""
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


def await_free_memory(device: str) -> None:
    """Before a run starts, wait until the GPU has as much free memory as the previous run of this process needed.

    After `WAIT_SECONDS` the run starts anyway, since its needs are unknown.
    """
    if not device.startswith("cuda"):
        return
    end = time.monotonic() + WAIT_SECONDS
    needed = max(NEEDED, torch.cuda.max_memory_allocated(device))
    while True:
        free, _ = torch.cuda.mem_get_info(device)
        reserved = torch.cuda.memory_reserved(device)
        if free + reserved >= needed:
            return
        if time.monotonic() > end:
            _LOG.warning("%s has %.1f GiB of free memory; the run starts anyway.", device, free / 2**30)
            return
        time.sleep(1.0)


@contextmanager
def memory_advice(spec: ExperimentSpec, doing: str) -> Iterator[None]:
    """Inside this block, out-of-memory errors are raised as TrainingMemoryError with advice."""
    try:
        yield
    except Exception as error:
        if not out_of_memory(error):
            raise
        batch = (spec.recipe or {}).get("batch_size")
        smaller = f", --set {spec.method}.recipe.batch_size={max(1, batch // 2)} (another setting)" if batch else ""
        raise TrainingMemoryError(
            f"Memory ran out while {doing}: {(str(error).splitlines() or [''])[0]} What helps: fewer --jobs or "
            f"--jobs-per-gpu, --precision bf16{smaller}, or a device with more memory."
        ) from error
