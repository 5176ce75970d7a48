"""Every switch of every method on a pretended GPU, other precisions, and whole runs of both protocols."""

from __future__ import annotations

import enum
import os
import subprocess
import sys
import typing
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from device_budgets import casts_of_frozen_weights, config_of
from families_of_methods import WITHOUT_TEACHER
from places import ROOT
from pretended_device.process import ROUNDING, DeviceProcess
from pydantic import ValidationError
from short_settings import short_overrides, short_recipe_overrides

from bench.results.shards import Shards
from datasets_registry import EvalProtocol
from methods import METHODS, MethodConfig, Precision

pytestmark = pytest.mark.slow  # `test_every_method.py` runs the same lines with default settings

HALF_ROUNDING = 0.1
"""Relative difference allowed after three steps in bf16, which autocast applies to other operations on CUDA."""
ROUNDS_BIASES = {"clip_svd"}
"""Methods whose blocks multiply weights of their own, made in fp32, and round the frozen biases with them."""
MORE: dict[str, list[dict[str, object]]] = {
    "coop": [
        {"ctx_init": "", "n_ctx": 4, "class_position": "middle"},
        {"ctx_init": "", "n_ctx": 4, "class_position": "front"},
        {"ctx_init": "", "n_ctx": 4, "class_specific": True},
    ],
    "cocoop": [{"ctx_init": ""}],
    "clip_lora": [{"dropout": 0.0}],
    "apex": [{"ensemble_weight": "fixed", "ensemble": "text"}],
}
"""Combinations that no single switch reaches."""


def choices(annotation: Any) -> list[Any]:
    """The values of a Literal, a bool or an enum, also as a part of a union."""
    if annotation is bool:
        return [True, False]
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return list(annotation)
    if typing.get_origin(annotation) is typing.Literal:
        return list(typing.get_args(annotation))
    return [value for part in typing.get_args(annotation) for value in choices(part)]


def switched(config: MethodConfig) -> Iterator[dict[str, Any]]:
    """Each other value of each switch, one at a time."""
    for name, field in type(config).model_fields.items():
        for value in choices(field.annotation):
            if value != getattr(config, name):
                yield {name: value}


@cache
def cases() -> dict[str, list[dict[str, Any]]]:
    """The changes of each method."""
    return {name: [*switched(config_of(METHODS.get(name))), *MORE.get(name, [])] for name in METHODS}


def test_the_switches_are_found() -> None:
    assert {"class_specific": True} in cases()["coop"]
    assert {"ensemble": "text"} in cases()["apex"]
    assert sum(map(len, cases().values())) > 60


@pytest.mark.parametrize("name", list(METHODS))
def test_a_switch_gives_the_logits_of_the_cpu(name: str, pretended_device: DeviceProcess) -> None:
    method = METHODS.get(name)
    for change in cases()[name]:
        config = config_of(method)
        try:
            config = type(config).model_validate(config.model_dump() | change)
        except ValidationError:
            continue  # the settings refuse it
        if config.config_error():
            continue  # so does the plan
        outcome = pretended_device.trial(method, config)
        assert outcome.error == "", change
        assert outcome.difference <= ROUNDING, (change, outcome.where)


@pytest.mark.parametrize("name", list(METHODS))
def test_bf16_gives_the_logits_of_the_cpu(name: str, pretended_device: DeviceProcess) -> None:
    method = METHODS.get(name)
    outcome = pretended_device.trial(method, config_of(method), Precision.BF16)
    assert outcome.error == ""
    assert name in ROUNDS_BIASES or casts_of_frozen_weights(outcome) == {}
    assert outcome.difference <= HALF_ROUNDING, outcome.where


@pytest.mark.usefixtures("pretended_device")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("protocol", [EvalProtocol.FEW_SHOT, EvalProtocol.BASE_TO_NEW])
def test_whole_runs_of_every_method_finish_on_a_gpu(protocol: EvalProtocol, precision: str, tmp_path: Path) -> None:
    infos = [info for name in WITHOUT_TEACHER if not (info := METHODS.get(name).info).reads_test_stream]
    names = [info.name for info in infos if protocol is EvalProtocol.FEW_SHOT or info.open_vocabulary]
    changes = [text for name in names for text in short_overrides(name)]
    changes += [text for name in names if METHODS.get(name).info.recipes for text in short_recipe_overrides(name)]
    command = [sys.executable, str(ROOT / "tests" / "gpu" / "pretended_bench.py"), "run", "-m", ",".join(names)]
    command += ["-d", "spectrum_basic:test=5", "-b", "ViT-tiny.random", "--shots", "2", "--seeds", "1,", "--jobs", "0"]
    command += ["--unlabelled", "train"] if any(METHODS.get(name).info.needs_pool for name in names) else []
    command += ["--protocol", str(protocol), "--precision", str(precision), "--device", "cuda", "--json"]
    command += ["--runs", str(tmp_path / "runs"), "--cache", str(tmp_path / "cache")]
    command += [part for change in changes for part in ("--set", change)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert len(Shards(tmp_path / "runs").scan()) >= len(names)
