"""The devices that `--device` names on this machine. Loads no torch."""

import platform
import re
import sys
from dataclasses import dataclass

from bench.errors import UsageError
from bench.sweep.machine import Gpu, find_gpus

FREE = 2**30
"""A GPU with fewer free bytes counts as occupied for `auto` and `cuda`."""
_DEVICES = "auto, cpu, cuda, cuda:N, cuda:0,2, all or mps"
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
        raise UsageError(f"--device {text!r} is unknown; use {_DEVICES}.")
    numbers = tuple(int(part.removeprefix("cuda:")) for part in text.split(","))
    if len(set(numbers)) < len(numbers):
        raise UsageError(f"--device {text!r} names a device twice; --jobs-per-gpu puts several workers on one.")
    return "cuda", numbers


def local_devices(text: str) -> Devices:
    """The devices of `--device` on this machine. Missing devices are left out; `check_exists` refuses them."""
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


def resolve_device(text: str, precision: str) -> str:
    """The device for one process, by torch's name; raises UsageError if it does not exist or lacks the precision."""
    devices = local_devices(text)
    check_kind(text, devices, precision)
    check_exists(text, devices)
    if len(devices.gpus) > 1:
        raise UsageError(f"--device {text!r}: this command uses one device; use cuda or cuda:N.")
    return devices.name


def check_exists(text: str, devices: Devices) -> None:
    """Raise UsageError if this machine lacks a device that the text of `--device` names."""
    kind, numbers = parse_device(text)
    if kind == "mps" and not _has_mps():
        raise UsageError(f"--device {text!r}: this machine is not a Mac with Apple silicon; use --device auto.")
    if kind not in ("cuda", "all"):
        return
    gpus = find_gpus()
    if not gpus:
        raise UsageError(f"--device {text!r}: torch sees no CUDA device here; use --device cpu.")
    if numbers is not None and len(devices.gpus) < len(numbers):
        available = ", ".join(f"cuda:{gpu.index} ({gpu.name})" for gpu in gpus)
        raise UsageError(f"--device {text!r}: this machine has {available} only; use one of these, or --device auto.")


def check_kind(text: str, devices: Devices, precision: str) -> None:
    """Raise UsageError for a precision that this kind of device does not have."""
    if devices.kind == "cpu" and precision == "fp16":
        raise UsageError("--precision fp16 is slower than fp32 on a CPU; use --precision bf16, or a GPU by --device.")
    if devices.kind == "cpu" and precision == "tf32":
        raise UsageError("--precision tf32 is arithmetic of NVIDIA GPUs; use --precision fp32, or a GPU by --device.")
    if devices.kind == "mps" and precision != "fp32":
        raise UsageError(f"--device {text!r} computes in fp32 here; leave out --precision {precision}.")
