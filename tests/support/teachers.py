"""A tiny tuned model as the file of a teacher, and the sweeps that learn from it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from tiny_runs import BACKBONE, DATASET

from bench.context import RunContext
from bench.experiment.model_file import write_model
from bench.experiment.runner import run_and_keep
from bench.spec import ExperimentSpec
from bench.sweep import SweepRequest, expand

AXES: dict[str, Any] = {
    "datasets": DATASET, "backbones": BACKBONE, "protocol": "base-to-new", "shots": 2, "seeds": "1,",
}  # fmt: skip
STUDENT = {"unlabelled": "train+new:12", "overrides": ["promptkd.recipe.epochs=2"]}


@cache
def _content(method: str, protocol: str, seed: int) -> bytes:
    overrides = [f"{method}.recipe.epochs=1", f"{method}.recipe.views=1"] if method != "zs_lp" else []
    axes = AXES | {"methods": method, "protocol": protocol, "seeds": f"{seed},", "overrides": overrides}
    (spec,) = expand(SweepRequest.build(**axes)).specs
    content = run_and_keep(spec, RunContext(keep_models="all"))[2]
    assert isinstance(content, bytes)
    return content


def teacher_file(
    folder: Path, method: str = "promptsrc", *, protocol: str = "base-to-new", seed: int = 1, name: str = "teacher"
) -> Path:
    """A kept model of a method, trained for one epoch on the tiny CLIP."""
    path = folder / f"{name}.safetensors"
    write_model(path, _content(method, protocol, seed))
    return path


def student_request(teacher: Path | None, **options: Any) -> SweepRequest:
    return SweepRequest.build(**(AXES | STUDENT | {"methods": "promptkd", "teacher": teacher} | options))


def student_specs(teacher: Path | None, **options: Any) -> tuple[ExperimentSpec, ...]:
    return expand(student_request(teacher, **options)).specs
