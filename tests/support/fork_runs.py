"""Runs of the stand-in for official code on a few images, in this process."""

from __future__ import annotations

from pathlib import Path

import pytest
from stand_in_forks import SCRIPT, make_fork
from sweep_requests import sweep_over

from bench.context import RunContext
from bench.extensions.forks import RUNNABLE, inspect_code, run_official_code, runnable_code, trust_code
from bench.extensions.forks.inspection import InspectedFork
from bench.record import Predictions, RunRecord
from bench.spec import ExperimentSpec
from bench.sweep import SweepRequest, expand, named_files
from datasets_registry import EvalProtocol

BACKBONE = "ViT-tiny.random"


def own_home(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Give the user a home in a folder of the test; trusted code is noted below it."""
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        patch.setenv(name, str(folder))


def trusted_fork(folder: Path, *habits: str) -> Path:
    """A checkout of the stand-in with these habits that may run."""
    made = make_fork(folder, *habits)
    trust(made)
    return made


def trust(code: Path | str, **places: object) -> None:
    """Trust a clone or adapter:FILE with these values of fork.python, fork.path and fork.steps."""
    trust_code(runnable_code(str(code), {name: str(value) for name, value in places.items()}))


def inspected(code: Path | str, **places: object) -> InspectedFork:
    """What is found in a clone or adapter:FILE with these values of fork.python, fork.path and fork.steps."""
    return inspect_code(runnable_code(str(code), {name: str(value) for name, value in places.items()}))


def fork_request(
    fork: Path | str, data: Path, *settings: str, dataset: str = "eurosat", **axes: object
) -> SweepRequest:
    """A request for the stand-in on two shots; `fork` may name a trainer after #."""
    values = {"protocol": EvalProtocol.FEW_SHOT, "shots": (2,), "seeds": (1,), "data_root": data} | axes
    backbones = values.pop("backbones", [BACKBONE])
    own = ("fork.script", "fork.command", "fork.steps")
    overrides = SCRIPT if not any(one.startswith(own) for one in settings) else ()
    return sweep_over([f"fork:{fork}"], [dataset], backbones, overrides=[*overrides, *settings], **values)


def planned(fork: Path | str, data: Path, *settings: str, **axes: object) -> tuple[ExperimentSpec, RunContext]:
    """The only run of such a request, and how to carry it out."""
    request = fork_request(fork, data, *settings, **axes)
    places = dict(text.removeprefix("fork.").partition("=")[::2] for text in settings)
    if named := {name: places[name] for name in RUNNABLE if name in places}:
        trust(str(fork).partition("#")[0], **named)
    expansion = expand(request)
    (spec,) = expansion.specs
    return spec, RunContext(data_root=data, files=named_files(request))


def run_fork(fork: Path | str, data: Path, *settings: str, **axes: object) -> tuple[RunRecord, dict[str, Predictions]]:
    """Plan the only run of a request and carry it out; the predictions are by split."""
    record, items = run_official_code(*planned(fork, data, *settings, **axes))
    return record, {item.split: item for item in items}
