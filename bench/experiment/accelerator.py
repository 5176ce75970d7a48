"""What a run does to its device besides computing: switches of the arithmetic, waiting, and facts for its provenance.

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

from bench._util.out_of_memory import out_of_memory
from bench.errors import TrainingMemoryError
from bench.provenance.environment import gpu_driver
from bench.record import GpuFacts
from bench.spec import ExperimentSpec
from methods import Precision

_LOG = logging.getLogger("bench.experiment")
IN_FLIGHT = 2
"""Results that a GPU may be computing while an earlier one is waited for."""
NEEDED = 2**30
"""Bytes that the first run of a process waits for; a later one waits for the peak of the run before it."""
WAIT_SECONDS = 60.0
"""Longest wait for the memory of a GPU that others hold."""


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


def copied_back(results: Iterable[Tensor]) -> Iterator[Tensor]:
    """The results on the CPU, in order.

    On CUDA `IN_FLIGHT` more are requested before one is waited for, so that the GPU has work while the processor
    prepares the next.
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


def free_cached_memory(device: torch.device) -> None:
    """Give memory that torch keeps for later back to the GPU."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


def await_free_memory(device: str) -> None:
    """Before a run begins, wait until the GPU has as much free memory as the run before it needed in this process.

    After `WAIT_SECONDS` the run begins anyway, since no one knows what it needs.
    """
    if not device.startswith("cuda"):
        return
    end = time.monotonic() + WAIT_SECONDS
    needed = max(NEEDED, torch.cuda.max_memory_allocated(device))
    while True:
        free, _ = torch.cuda.mem_get_info(device)
        own = torch.cuda.memory_reserved(device)
        if free + own >= needed:
            return
        if time.monotonic() > end:
            _LOG.warning("%s has %.1f GiB of free memory; the run begins all the same.", device, free / 2**30)
            return
        time.sleep(1.0)


@contextmanager
def memory_advice(spec: ExperimentSpec, doing: str) -> Iterator[None]:
    """Inside this block, a lack of memory becomes a TrainingMemoryError that says what would help."""
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
