"""The check of devices: a method that runs on the CPU must run on a GPU, with the same logits."""

import torch

from bench.extensions.conformance.check import DifferenceError, check
from bench.extensions.conformance.device_trial import train_on_device
from bench.extensions.conformance.subject import Subject

ROUNDING = 3e-2
"""Allowed difference of logits after training, relative to the largest logit.

The kernels of a GPU sum in another order, and training steps increase the difference.
"""


def no_gpu(_: Subject) -> str | None:
    """Exempts every method where there is no GPU."""
    return None if torch.cuda.is_available() else "not checked on a GPU, because there is none here"


@check(
    "Make new tensors on `self.backbone.device`: move modules with `.to(device)`, pass `device=` to torch's functions, "
    "draw random numbers on the CPU and move them, and call `.cpu()` before `.numpy()`.",
    exempt=no_gpu,
)
def it_works_on_another_device(subject: Subject) -> None:
    """It gives the same logits on a GPU as on the CPU."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        difference, where = train_on_device(subject.method, subject.config, "cuda")
    if not difference <= ROUNDING:
        raise DifferenceError(f"{where} on the GPU differ by {difference:.1e}")
