"""Numerical precision of the frozen towers. Learned tensors, gradients and everything after the towers are fp32."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


class Precision(StrEnum):
    """Precision of the towers; part of a run's identity. The official implementations mix fp32 and fp16.

    bf16 has the range of fp32, so training needs no loss scaling. Gradients through an fp16 tower would need it, so
    fp16 is only for methods that read features.
    """

    FP32 = "fp32"
    """True fp32: on CUDA, TF32 is switched off for matrix products and convolutions."""
    TF32 = "tf32"
    """fp32 with matrix products and convolutions in TF32, on NVIDIA GPUs."""
    BF16 = "bf16"
    FP16 = "fp16"

    @property
    def dtype(self) -> torch.dtype | None:
        """The type of matrix products that is half as wide as fp32; None for fp32 and TF32."""
        if self in (Precision.FP32, Precision.TF32):
            return None
        import torch

        return torch.bfloat16 if self is Precision.BF16 else torch.float16

    def arithmetic(self, device: torch.device) -> AbstractContextManager[object]:
        """A context in which matrix products and attention run in this precision (torch's autocast)."""
        if self.dtype is None:
            return nullcontext()
        import torch

        return torch.autocast(device.type, dtype=self.dtype)

    def name_on(self, device: torch.device) -> str:
        """The precision and, on a GPU, the kind of device after a dot, such as `fp32.cuda90` for capability 9.0."""
        if device.type == "cpu":
            return str(self)
        import torch

        kind = "".join(map(str, torch.cuda.get_device_capability(device))) if device.type == "cuda" else ""
        return f"{self}.{device.type}{kind}"
