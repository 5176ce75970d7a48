"""Installs the pretended device into this process: the compiled guard, `torch.cuda`, and a mode in every thread."""

from __future__ import annotations

import ctypes
import importlib
import sys
import threading
from types import SimpleNamespace
from typing import Any

from pretended_device.compiled_guard import TORCH, compiled_guard

MEMORY = 80 * 2**30
"""Bytes of each pretended device, all of them free."""


def install(float64: bool = True) -> None:
    """Install the pretended device. Without `float64` it refuses double precision with the message of Apple's MPS."""
    assert "torch" not in sys.modules, "the pretended device must be installed before torch is imported"
    guard = compiled_guard()
    ctypes.CDLL(str(TORCH / "lib" / "libtorch_cpu.so"), mode=ctypes.RTLD_GLOBAL)
    library = ctypes.CDLL(str(guard))
    import torch

    library.register_pretended_guard()

    from pretended_device.tensors import PretendedMode, PretendedTensor

    PretendedTensor.has_float64 = float64
    _replace_cuda_functions(torch)
    torch.Tensor.pin_memory = lambda tensor, *_: tensor  # type: ignore[assignment]
    # `torch.tensor(..., device="cuda")` makes a CPU tensor first, which the mode then sees as a transfer
    torch._C._set_only_lift_cpu_tensors(True)
    # a module's parameter stays the same object when the module moves, as it does on CUDA
    torch.__future__.set_swap_module_params_on_conversion(True)
    # optimisers take the grouped operations that they take on CUDA
    for module in ("torch.optim.optimizer", "torch.utils._foreach_utils"):
        importlib.import_module(module)._foreach_supported_types.append(PretendedTensor)
    # so that a backward pass is part of the line that calls it
    torch.autograd.set_multithreading_enabled(False)
    torch.set_num_threads(1)
    PretendedMode().__enter__()  # type: ignore[no-untyped-call]
    begin = threading.Thread.run

    def run(self: threading.Thread) -> None:
        with PretendedMode():  # type: ignore[no-untyped-call]
            begin(self)

    threading.Thread.run = run  # type: ignore[method-assign]


def _replace_cuda_functions(torch: Any) -> None:
    def index(device: Any = None) -> int:
        found = device if device is None or isinstance(device, int) else torch.device(device).index
        return torch.accelerator.current_device_index() if found is None else int(found)

    def exchange(device: Any) -> int:
        before = index()
        if index(device) >= 0:
            torch.accelerator.set_device_index(index(device))
        return before

    def event() -> SimpleNamespace:
        """An event of a stream; all work is done when it is recorded."""
        return SimpleNamespace(record=lambda _=None: None, synchronize=lambda: None)

    replaced: dict[str, Any] = {
        name: lambda *_, **__: 0  # torch wants a function of its own for each name
        for name in (
            "_lazy_init", "synchronize", "empty_cache", "memory_allocated", "memory_reserved", "max_memory_allocated",
            "reset_peak_memory_stats", "manual_seed", "manual_seed_all", "is_initialized",
            "is_current_stream_capturing", "set_per_process_memory_fraction",
        )
    }  # fmt: skip
    replaced |= {
        "Event": event,
        "is_available": lambda: True,
        "is_bf16_supported": lambda *_, **__: True,
        "device_count": lambda: 2,  # guard.cpp has the same number
        "current_device": index,
        "set_device": lambda device: exchange(device),
        "_exchange_device": exchange,
        "_maybe_exchange_device": exchange,
        "get_device_name": lambda device=None: f"pretended GPU {index(device)}",
        "get_device_capability": lambda _=None: (9, 0),
        "mem_get_info": lambda _=None: (MEMORY, MEMORY),
    }
    for name, function in replaced.items():
        setattr(torch.cuda, name, function)
