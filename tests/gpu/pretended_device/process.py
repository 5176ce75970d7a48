"""The process with a pretended GPU, to which the tests send methods."""

from __future__ import annotations

import inspect
import multiprocessing
import runpy
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pretended_device.installation import install

if TYPE_CHECKING:
    from methods import Method, MethodConfig

ROUNDING = 1e-3
"""Allowed difference of logits after training, relative to the largest logit; the CPU computes both."""


@dataclass
class DeviceOutcome:
    """The result of a trial.

    Args:
        error: the error message with the author's line; empty if there was no error.
        difference: largest difference of a logit from the CPU's, relative to the largest logit.
        where: the logits with that difference.
        casts: lines that round frozen weights in what `DeviceTraining` repeats, with how often.
    """

    error: str = ""
    difference: float = 0.0
    where: str = ""
    casts: dict[str, dict[str, int]] = field(default_factory=dict)


def config_of(method: type[Method[Any]]) -> MethodConfig:
    """The default settings, with shorter searches where they are long."""
    from short_settings import SHORT

    from bench.extensions.conformance import Subject

    config = Subject(method).config
    return type(config).model_validate(config.model_dump() | SHORT.get(method.info.name, {}))


class Device(ProcessPoolExecutor):
    """A process with a pretended GPU. Methods that are sent to it share it, but no tensor.

    It must not have torch before the device is installed, so it is no fork of this process.
    """

    def __init__(self, *, float64: bool = True) -> None:
        fresh = multiprocessing.get_context("spawn")
        super().__init__(1, mp_context=fresh, initializer=install, initargs=(float64,))

    def trial(self, method: type[Method[Any]], config: MethodConfig, precision: str = "fp32") -> DeviceOutcome:
        """Train a method there on the device and on the CPU. An error of the method is part of the outcome."""
        own = method.__module__.partition(".")[0] == "methods"
        address = (method.info.name, "") if own else (str(inspect.getsourcefile(method)), method.__qualname__)
        return self.submit(_trial, address, config.model_dump(), precision).result(timeout=250)


def _trial(address: tuple[str, str], config: dict[str, Any], precision: str) -> DeviceOutcome:
    from methods import Precision, get_method
    from pretended_device.device_training import trial

    place, name = address
    method: Any = runpy.run_path(place)[name] if name else get_method(place)
    return trial(method, method.info.config.model_validate(config), Precision(precision))
