"""The device of a sweep: resolves and checks `--device`, here or on a cluster. Loads no torch."""

from __future__ import annotations

import platform
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.errors import UsageError
from bench.sweep.machine import Gpu, find_gpus

if TYPE_CHECKING:
    from bench.sweep.request import SweepRequest

FREE = 2**30
"""A GPU with fewer free bytes counts as occupied for `auto` and `cuda`."""
DEVICES = "auto, cpu, cuda, cuda:N, cuda:0,2, all or mps"
_NAMES = ("auto", "cpu", "cuda", "all", "mps")


@dataclass(frozen=True)
class Devices:
    """Where runs are computed: `kind` is cpu, cuda or mps; `gpus` are those of this machine, none on a cluster."""

    kind: str
    gpus: tuple[Gpu, ...] = ()
    note: str = ""

    @property
    def name(self) -> str:
        """The device by torch's name, for runs in this process."""
        return f"cuda:{self.gpus[0].index}" if self.gpus else self.kind

    def describe(self, precision: str) -> str:
        """One line with the GPU's name and the precision."""
        where = ", ".join(f"cuda:{gpu.index} {gpu.name}" for gpu in self.gpus) or self.kind
        exact = " without TF32" if self.kind == "cuda" and precision == "fp32" else ""
        return f"device: {where}, {precision}{exact}{self.note}"


def parse_device(text: str) -> tuple[str, tuple[int, ...] | None]:
    """The kind of device, and the numbers of CUDA devices if there are some; raises UsageError.

    Example:
        >>> parse_device("cuda:0,2")
        ('cuda', (0, 2))
    """
    if text in _NAMES:
        return text, None
    if not re.fullmatch(r"cuda:\d+(,(cuda:)?\d+)*", text):
        raise UsageError(f"--device {text!r} is unknown; use {DEVICES}.")
    numbers = tuple(int(part.removeprefix("cuda:")) for part in text.split(","))
    if len(set(numbers)) < len(numbers):
        raise UsageError(f"--device {text!r} names a device twice; --jobs-per-gpu puts several workers on one.")
    return "cuda", numbers


def local_devices(text: str) -> Devices:
    """The devices of `--device` on this machine. Missing devices are left out; `check_devices` refuses them."""
    kind, numbers = parse_device(text)
    if kind in ("cpu", "mps"):
        return Devices(kind)
    gpus = find_gpus()
    if numbers is not None:
        return Devices("cuda", tuple(gpu for number in numbers for gpu in gpus if gpu.index == number))
    if kind == "all":
        return Devices("cuda", gpus)
    free = [gpu for gpu in gpus if gpu.free is None or gpu.free >= FREE]
    if kind == "cuda" or free:
        return Devices("cuda", tuple((free or list(gpus))[:1]))
    note = f" (no GPU has {FREE / 2**30:g} GiB of free memory; --device cuda uses one anyway)" if gpus else ""
    return Devices("mps" if _has_mps() else "cpu", note=note)


def _has_mps() -> bool:
    """Whether this is a Mac whose GPU torch can use."""
    return sys.platform == "darwin" and platform.machine() == "arm64"


def devices_of(request: SweepRequest) -> Devices:
    """Where the runs of a request are computed. On a cluster, `auto` is CUDA if GPUs are reserved, and the CPU else."""
    if request.here:
        return local_devices(request.device)
    if request.device == "auto":
        return Devices("cuda" if reserved_gpus(request) else "cpu")
    return Devices(parse_device(request.device)[0])


def reserved_gpus(request: SweepRequest) -> float | None:
    """GPUs that a run on a cluster reserves; None if no option says so."""
    if request.gpus_per_run is not None:
        return request.gpus_per_run
    if request.gpus is None and any(re.match(r"--?gpu|gpu|-*gres=.*gpu", item.strip()) for item in request.slurm_set):
        return 1
    return request.gpus


def resolve_device(text: str, precision: str) -> str:
    """The device for one process, by torch's name; raises UsageError if it does not exist or lacks the precision."""
    found = local_devices(text)
    _check_kind(text, found, precision)
    _check_exists(text, found)
    if len(found.gpus) > 1:
        raise UsageError(f"--device {text!r}: this command uses one device; use cuda or cuda:N.")
    return found.name


def check_device_options(request: SweepRequest) -> None:
    """Raise UsageError for a device that is unknown or contradicts other options, regardless of this machine."""
    parse_device(request.device)
    if not request.here:
        _check_cluster(request)
    elif request.jobs_per_gpu is not None and (request.jobs is not None or str(request.launcher) == "inline"):
        raise UsageError(f"--jobs-per-gpu {request.jobs_per_gpu}: --jobs gives the number of workers; leave one out.")


def check_devices(request: SweepRequest) -> None:
    """Raise UsageError for devices that do not exist here, do not fit the workers, or lack the precision."""
    found = devices_of(request)
    if request.here:
        _check_exists(request.device, found)
        _check_workers(request, found)
    _check_kind(request.device, found, request.precision)


def _check_exists(text: str, found: Devices) -> None:
    kind, numbers = parse_device(text)
    if kind == "mps" and not _has_mps():
        raise UsageError(f"--device {text!r}: this machine is not a Mac with Apple silicon; use --device auto.")
    if kind not in ("cuda", "all"):
        return
    gpus = find_gpus()
    if not gpus:
        raise UsageError(f"--device {text!r}: torch sees no CUDA device here; use --device cpu.")
    if numbers is not None and len(found.gpus) < len(numbers):
        known = ", ".join(f"cuda:{gpu.index} ({gpu.name})" for gpu in gpus)
        raise UsageError(f"--device {text!r}: this machine has {known} only; use one of these, or --device auto.")


def _check_workers(request: SweepRequest, found: Devices) -> None:
    """The options about local workers."""
    inline = request.jobs == 0 or str(request.launcher) == "inline"
    if inline and len(found.gpus) > 1:
        raise UsageError(
            f"--device {request.device!r} are {len(found.gpus)} devices, and this process uses one; "
            "use --launcher local without --jobs 0, or one cuda:N."
        )
    if request.jobs_per_gpu is not None and found.kind != "cuda":
        raise UsageError(f"--jobs-per-gpu {request.jobs_per_gpu}: runs use {found.kind} here; give --jobs.")


def _check_cluster(request: SweepRequest) -> None:
    """Devices and reservations of Ray and Slurm."""
    device, launcher, gpus = request.device, request.launcher, reserved_gpus(request)
    option = "--resource gpus-per-run" if str(launcher) == "ray" else "--resource gpus"
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError(f"--device {device!r}: with --launcher {launcher} the cluster picks; use --device cuda.")
    if request.jobs_per_gpu is not None:
        shares = (
            "--resource gpus-per-run=0.5 lets two runs share a GPU"
            if str(launcher) == "ray"
            else "a job has one on each GPU"
        )
        raise UsageError(f"--jobs-per-gpu {request.jobs_per_gpu}: only for --launcher local; {shares}.")
    if gpus and device == "cpu":
        raise UsageError(f"{option}={gpus:g} reserves a GPU that --device cpu does not use; leave one of them out.")
    if gpus == 0 and device == "cuda":
        raise UsageError(f"{option}=0 reserves no GPU for --device cuda; leave one of them out.")
    if str(launcher) == "ray" and gpus is not None and gpus > 1:
        raise UsageError(
            f"{option}={gpus:g}: a run uses one GPU and the others would idle; use {option}=1, or a part of one."
        )


def _check_kind(text: str, found: Devices, precision: str) -> None:
    """Raise UsageError for a precision that this kind of device does not have."""
    if found.kind == "cpu" and precision == "fp16":
        raise UsageError("--precision fp16 is slower than fp32 on a CPU; use --precision bf16, or a GPU by --device.")
    if found.kind == "cpu" and precision == "tf32":
        raise UsageError("--precision tf32 is arithmetic of NVIDIA GPUs; use --precision fp32, or a GPU by --device.")
    if found.kind == "mps" and precision != "fp32":
        raise UsageError(f"--device {text!r} computes in fp32 here; leave out --precision {precision}.")
