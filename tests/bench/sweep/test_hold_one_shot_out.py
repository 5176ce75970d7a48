"""`--selection hoso`: one shot of each class selects in place of validation images, and nothing else differs."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from sweep_requests import sweep_over

from bench.context import RunContext
from bench.experiment.task import load_task
from bench.spec import ExperimentSpec
from bench.sweep import expand
from datasets_registry import EvalProtocol

DATASET, BACKBONE = "spectrum_basic:test=5", "ViT-tiny.random"


def plan(selection: str | None, methods: tuple[str, ...] = ("coop",), **changes: Any):
    axes: dict[str, Any] = {"protocol": EvalProtocol.FEW_SHOT, "shots": (3,), "seeds": (1,)} | changes
    return expand(sweep_over(list(methods), [DATASET], [BACKBONE], selection=selection, **axes))


def spec(selection: str | None, method: str = "coop", **changes: Any) -> ExperimentSpec:
    (found,) = plan(selection, (method,), **changes).specs
    return found


@pytest.mark.parametrize("protocol", [EvalProtocol.FEW_SHOT, EvalProtocol.BASE_TO_NEW])
def test_the_support_set_is_that_of_the_draw_without_one_image_of_each_class(protocol: EvalProtocol) -> None:
    plain, held = (load_task(spec(way, protocol=protocol), RunContext()) for way in ("validation", "hoso"))
    assert Counter(held.support.labels) == dict.fromkeys(range(len(held.support.classes)), 2)
    assert Counter(held.validation.labels) == dict.fromkeys(range(len(held.support.classes)), 1)
    assert {*held.support.samples, *held.validation.samples} == set(plain.support.samples)
    last = {sample.label: sample for sample in plain.support.samples}
    assert set(held.validation.samples) == set(last.values())
    assert held.evals == plain.evals
    assert held.fingerprint != plain.fingerprint


def test_the_spec_of_other_rules_and_its_id_stay_what_they_were() -> None:
    other, held = spec("validation"), spec("hoso")
    assert "held_out_shot" not in other.model_dump()
    assert held.epoch_selection == "validation"
    assert held.held_out_shot
    assert ExperimentSpec.model_validate(held.model_dump(mode="json")) == held
    assert held.run_id != other.run_id


def test_a_method_with_a_search_of_its_own_searches_on_the_held_out_images() -> None:
    held = spec("hoso", "tip_adapter")
    assert (held.config["selection"], held.epoch_selection, held.held_out_shot) == ("validation", None, True)


def test_one_shot_is_refused() -> None:
    with pytest.raises(Exception, match="24 of 24 classes"):
        plan("hoso", shots=(1,))
