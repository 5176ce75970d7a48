"""The check of devices: a method that runs on the CPU must run on a GPU, with the same logits."""

from bench.conformance.check import DifferenceError, check, ensure
from bench.conformance.device_process import address_of, device_process, why_no_device
from bench.conformance.subject import Subject

ROUNDING = 1e-3
"""Allowed difference of logits after training, relative to the largest logit, if the CPU computes both."""
GPU_ROUNDING = 3e-2
"""The same for a real GPU, whose kernels sum in another order; training steps increase the difference."""


def no_other_device(subject: Subject) -> str | None:
    """Exempts a method if no other device is available, or no other process can import the method."""
    if reason := why_no_device():
        return reason
    return None if address_of(subject.method) else "another process cannot import a class made inside a function"


@check(
    "Make new tensors on `self.backbone.device`: move modules with `.to(device)`, pass `device=` to torch's functions, "
    "draw random numbers on the CPU and move them, and call `.cpu()` before `.numpy()`.",
    exempt=no_other_device,
)
def it_works_on_another_device(subject: Subject) -> None:
    """It gives the same logits on a GPU as on the CPU (a real GPU if available, else a pretended one)."""
    process = device_process()
    found = process.trial(subject.method, subject.config)
    ensure(not found.error, found.error)
    allowed = ROUNDING if process.pretended else GPU_ROUNDING
    if not found.difference <= allowed:
        raise DifferenceError(f"{found.where} on {process.device} differ by {found.difference:.1e}")
