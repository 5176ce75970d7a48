"""CUDA's rules about devices in one operation, as errors with CUDA's messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

INDEXING = frozenset(
    f"aten::{name}" for name in ("index", "_unsafe_index", "index_put", "index_put_", "_index_put_impl_")
)
"""Operations with a list of index tensors, which may be on the CPU."""

_TAKES_CPU_SCALARS = frozenset(
    f"aten::{name}"
    for name in ("where", "masked_fill", "masked_fill_", "fill_", "full_like", "add_", "mul_", "div_", "sub_")
)
"""Operations without torch's tag `pointwise` that take a CPU tensor without dimensions on CUDA as well."""


def check_same_device(func: Any, tensors: Sequence[Tensor]) -> None:
    """Refuse tensors on two devices, except CPU scalars that CUDA accepts."""
    devices = {tensor.device for tensor in tensors}
    if len(devices) < 2:
        return
    scalars = torch.Tag.pointwise in func.tags or func._schema.name in _TAKES_CPU_SCALARS
    mixed = {t.device for t in tensors if not (scalars and t.device.type == "cpu" and t.dim() == 0)}
    if len(mixed) > 1:
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two devices, "
            f"{_words(mixed)}! (when checking arguments of {func._schema.name})"
        )


def check_indices(target: Tensor, indices: Iterable[Tensor | None], value: Any) -> None:
    """Refuse an index on another GPU, or on a GPU for a CPU tensor, and values from another device."""
    for index in indices:
        if index is not None and index.device.type != "cpu" and index.device != target.device:
            raise RuntimeError(
                f"indices should be either on cpu or on the same device as the indexed tensor ({target.device})"
            )
    if isinstance(value, Tensor) and value.device != target.device and value.dim() > 0:
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two devices, "
            f"{_words({target.device, value.device})}! (when checking the values of an indexed assignment)"
        )


def check_generator(generator: torch.Generator, home: torch.device) -> None:
    """Refuse a generator of another kind of device."""
    if generator.device.type != home.type:
        raise RuntimeError(f"Expected a '{home.type}' device type for generator but found '{generator.device.type}'")


def _words(devices: Iterable[torch.device]) -> str:
    return " and ".join(sorted(map(str, devices), reverse=True))
