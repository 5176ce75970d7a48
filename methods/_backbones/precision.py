"""The arithmetic of the frozen towers. What is learned, its gradients and everything behind the towers stay in fp32."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


class Precision(StrEnum):
    """How the towers compute; part of what a run is. The official implementations mix fp32 and fp16.

    bf16 has the range of fp32, so training needs no loss scaling. fp16 has not: gradients through a tower would need
    it, so fp16 is for methods that only read features.
    """

    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"

    def arithmetic(self, device: torch.device) -> AbstractContextManager[object]:
        """A context in which matrix products and attention run in this precision (torch's autocast)."""
        if self is Precision.FP32:
            return nullcontext()
        import torch

        dtype = torch.bfloat16 if self is Precision.BF16 else torch.float16
        return torch.autocast(device.type, dtype=dtype)
