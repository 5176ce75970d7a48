"""Installs the pretended device into this process: the compiled guard, `torch.cuda`, and a mode in every thread."""

from __future__ import annotations

import ctypes
import importlib
import os
import sys
import threading
from types import SimpleNamespace
from typing import Any

from pretended_device.compiled_guard import PretendedDeviceError, compiled_guard, torch_folder, why_unavailable

DEVICES = 2
"""Number of pretended devices; guard.cpp has the same number."""
MEMORY = 80 * 2**30
"""Bytes of each pretended device, all of them free."""


def install(*, float64: bool = True) -> None:
    """Install the pretended device; raises PretendedDeviceError if that is impossible or torch is already imported.

    Without `float64` it refuses double precision with the message of Apple's MPS.
    """
    if "torch" in sys.modules:
        raise PretendedDeviceError("The pretended device must be installed before torch is imported.")
    if reason := why_unavailable():
        raise PretendedDeviceError(f"{reason[0].upper()}{reason[1:]}.")
    guard = compiled_guard()
    ctypes.CDLL(str(torch_folder() / "lib" / "libtorch_cpu.so"), mode=ctypes.RTLD_GLOBAL)
    library = ctypes.CDLL(str(guard))
    import torch

    library.register_pretended_guard()

    from pretended_device.tensors import PretendedTensor

    PretendedTensor.has_float64 = float64
    _replace_cuda_functions(torch)
    _let_tensors_be_pinned(torch, PretendedTensor)
    # `torch.tensor(..., device="cuda")` makes a CPU tensor first, which the mode then sees as a transfer
    torch._C._set_only_lift_cpu_tensors(True)
    # a module's parameter stays the same object when the module moves, as it does on CUDA
    torch.__future__.set_swap_module_params_on_conversion(True)
    # optimisers take the grouped operations that they take on CUDA
    for module in ("torch.optim.optimizer", "torch.utils._foreach_utils"):
        importlib.import_module(module)._foreach_supported_types.append(PretendedTensor)
    _enter_in_every_thread()


def _enter_in_every_thread() -> None:
    from pretended_device.tensors import PretendedMode

    PretendedMode().__enter__()  # type: ignore[no-untyped-call]
    begin = threading.Thread.run

    def run(self: threading.Thread) -> None:
        with PretendedMode():  # type: ignore[no-untyped-call]
            begin(self)

    threading.Thread.run = run  # type: ignore[method-assign]


def _replace_cuda_functions(torch: Any) -> None:
    from pretended_device.counts import COUNTS, place

    def index(device: Any = None) -> int:
        found = None if device is None else device if isinstance(device, int) else torch.device(device).index
        return torch.accelerator.current_device_index() if found is None else int(found)

    def exchange(device: int) -> int:
        before = index()
        if device >= 0:
            torch.accelerator.set_device_index(device)
        return before

    def set_device(device: Any) -> None:
        exchange(index(device))

    def visible() -> list[int]:
        """The devices that `CUDA_VISIBLE_DEVICES` shows this process, which may be set after the installation."""
        shown = os.environ.get("CUDA_VISIBLE_DEVICES")
        return list(range(DEVICES)) if shown is None else [int(part) for part in shown.split(",") if part]

    def properties(device: Any = None) -> SimpleNamespace:
        return SimpleNamespace(
            name=f"pretended GPU {visible()[index(device)]}",
            major=9,
            minor=0,
            total_memory=MEMORY,
            multi_processor_count=132,
        )

    def synchronize(_: Any = None) -> None:
        COUNTS.add(COUNTS.waits, place())

    class Event:
        """An event of a stream; all work is done when it is recorded."""

        def record(self, _: Any = None) -> None:
            pass

        def synchronize(self) -> None:
            synchronize()

    replaced: dict[str, Any] = {
        "Event": Event,
        "_lazy_init": lambda: None,
        "is_available": lambda: True,
        "is_initialized": lambda: False,
        "is_current_stream_capturing": lambda: False,
        "is_bf16_supported": lambda *_, **__: True,
        "device_count": lambda: len(visible()),
        "current_device": index,
        "set_device": set_device,
        "_exchange_device": exchange,
        "_maybe_exchange_device": exchange,
        "get_device_properties": properties,
        "get_device_name": lambda device=None: properties(device).name,
        "get_device_capability": lambda _=None: (9, 0),
        "synchronize": synchronize,
        "empty_cache": lambda: None,
        "mem_get_info": lambda _=None: (MEMORY, MEMORY),
        "memory_allocated": lambda _=None: 0,
        "memory_reserved": lambda _=None: 0,
        "max_memory_allocated": lambda _=None: 0,
        "max_memory_reserved": lambda _=None: 0,
        "reset_peak_memory_stats": lambda _=None: None,
        "set_per_process_memory_fraction": lambda *_, **__: None,
        "manual_seed": lambda _: None,
        "manual_seed_all": lambda _: None,
    }
    for name, function in replaced.items():
        setattr(torch.cuda, name, function)


def _let_tensors_be_pinned(torch: Any, pretended: type) -> None:
    def pin_memory(tensor: Any, *_: Any) -> Any:
        if isinstance(tensor, pretended):
            raise RuntimeError("cannot pin 'torch.cuda.FloatTensor' only dense CPU tensors can be pinned")
        pinned = tensor.clone()
        pinned.pretended_pinned = True
        return pinned

    torch.Tensor.pin_memory = pin_memory
    torch.Tensor.is_pinned = lambda tensor, *_: getattr(tensor, "pretended_pinned", False)
