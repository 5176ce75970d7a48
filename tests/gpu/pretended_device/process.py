"""Starts and queries the process that runs methods on a pretended GPU."""

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

from methods import Method, MethodConfig, Precision
from pretended_device.trial import DeviceOutcome

ROUNDING = 1e-3
"""Allowed difference of logits after training, relative to the largest logit; the CPU computes both."""


class DeviceProcessError(Exception):
    """The process with the pretended GPU did not start or ended."""


class DeviceProcess:
    """A process with a pretended GPU. Without `float64` it refuses double precision, as Apple's MPS does."""

    def __init__(self, *, float64: bool = True) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed by `close`
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pretended_device.worker", *([] if float64 else ["--without-float64"])],
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
        request = {**_address_of(method), "config": config.model_dump(mode="json"), "precision": str(precision)}
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
    """The process that all tests share; it ends with this process."""
    process = DeviceProcess()
    atexit.register(process.close)
    return process


def _address_of(method: type[Method[Any]]) -> dict[str, str]:
    """The location by which another process finds a method that is not defined inside a function."""
    if method.__module__.partition(".")[0] == "methods":
        return {"name": method.info.name}
    return {"module": method.__module__, "class": method.__qualname__, "file": str(inspect.getsourcefile(method))}
