"""Tensors on the device of a method: copies from the CPU, and double precision.

Double precision runs on the method's own device if it has float64, else on the CPU (Apple's MPS has none).
"""

from functools import cache

import torch
from torch import Tensor


def on_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor from the CPU to a device; to CUDA from pinned memory, so that nothing waits for the transfer."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


@cache
def has_float64(device: torch.device) -> bool:
    """Whether this device supports float64; MPS raises a TypeError."""
    try:
        torch.empty(0, dtype=torch.float64, device=device)
    except TypeError:
        return False
    return True


def home_of(dtype: torch.dtype, device: torch.device) -> torch.device:
    """The device for tensors of this type of a method on `device`: the same or, for lack of float64, the CPU."""
    return device if dtype is not torch.float64 or has_float64(device) else torch.device("cpu")


def in_double(values: Tensor) -> Tensor:
    """The values in float64, on their device or, if it has no float64, on the CPU."""
    return values.to(home_of(torch.float64, values.device), torch.float64)
