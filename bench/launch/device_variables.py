"""Environment variables of workers on a GPU, which its libraries read when they start."""

import os

from bench.context import RunContext

_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
"""cuBLAS's workspace; with this value its results do not depend on the order in which streams finish."""


def device_variables(device: str, *, fast: bool) -> dict[str, str]:
    """Environment variables that a worker needs before torch starts, without those that the user has set."""
    if device.startswith("cuda") and not fast:
        wanted = {_WORKSPACE: ":4096:8"}
    elif device == "mps":
        wanted = {"PYTORCH_ENABLE_MPS_FALLBACK": "1"}
    else:
        wanted = {}
    return {name: value for name, value in wanted.items() if name not in os.environ}


def set_device_variables(context: RunContext) -> None:
    """Set the variables in this process, which must not have used the device yet."""
    os.environ.update(device_variables(context.device, fast=context.fast))
