"""Starts and queries the process that runs methods on another device."""

from __future__ import annotations

import atexit
import functools
import inspect
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

from bench.conformance.device_trial import DeviceOutcome
from bench.conformance.pretended_device import why_unavailable
from datasets_registry import BenchError
from methods import Method, MethodConfig, Precision


class DeviceProcessError(BenchError):
    """The process with the other device did not start or ended."""


class DeviceProcess:
    """A process with another device: a real GPU if there is one, else a pretended GPU.

    Without `float64`, a pretended device refuses double precision, as Apple's MPS does.
    """

    def __init__(self, device: str = "cuda", *, pretended: bool | None = None, float64: bool = True) -> None:
        self.device = device
        self.pretended = not has_gpu() if pretended is None else pretended
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed by `close`
        command = [sys.executable, "-m", "bench.conformance.device_worker", device]
        self._process = subprocess.Popen(
            [*command, ("pretended" if float64 else "pretended-without-float64") if self.pretended else "real"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)},
        )

    def trial(
        self, method: type[Method[Any]], config: MethodConfig, precision: Precision = Precision.FP32
    ) -> DeviceOutcome:
        """Run a method in that process, on the device and on the CPU; an error of the method is part of the outcome."""
        address = address_of(method)
        if address is None:
            raise DeviceProcessError(f"{method.__qualname__} cannot be imported by another process.")
        request = {**address, "config": config.model_dump(mode="json"), "precision": str(precision)}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None
        answer = self._process.stdout.readline()
        if not answer:
            raise self._ended()
        return DeviceOutcome(**json.loads(answer))

    def close(self) -> None:
        """End the process."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process.wait()
        self._log.close()

    def __enter__(self) -> DeviceProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ended(self) -> DeviceProcessError:
        self._process.wait()
        self._log.seek(0)
        last = self._log.read().decode(errors="replace").strip().rpartition("\n")[2]
        return DeviceProcessError(f"The process with the other device ended with {self._process.returncode}: {last}")


@functools.cache
def device_process() -> DeviceProcess:
    """The device process that all checks share; it ends with this process."""
    process = DeviceProcess()
    atexit.register(process.close)
    return process


def why_no_device() -> str | None:
    """The reason why neither a real nor a pretended GPU can be used here; None if one can."""
    return None if has_gpu() else why_unavailable()


@functools.cache
def has_gpu() -> bool:
    """Whether there is a real GPU."""
    import torch

    return torch.cuda.is_available()


def address_of(method: type[Method[Any]]) -> dict[str, str] | None:
    """The location by which another process finds a method; None for a class defined inside a function."""
    name, module = method.info.name, inspect.getmodule(method)
    if method.__module__.partition(".")[0] == "methods":
        return {"name": name}
    file = getattr(module, "__file__", None)
    if "<locals>" in method.__qualname__ or file is None:
        return None
    return {"module": method.__module__, "class": method.__qualname__, "file": str(file)}
