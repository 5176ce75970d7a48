"""Every registered method on another device: the logits of the CPU, and no more work than its budget.

The conformance suite compares the logits of every method on another device in each check of a change; the budgets of
further methods of a family are checked with the slow tests. `test_every_setting.py` does the same for every switch, in
other precisions and through the runner.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from device_budgets import OTHER_TORCH, casts_of_frozen_weights, config_of, exceeded, read_table
from families_of_methods import one_of_each_family, some_fast
from pretended_device.process import ROUNDING, DeviceProcess
from torch import Tensor

from methods import METHODS, Batch, Precision, image_views

TABLE = read_table()
CLIPLoRA: Any = METHODS.get("clip_lora")
CHOOSE_CLASSES = ("dpc_on", "skip_tuning")
"""Methods whose step reads from the device which classes its images resemble, and then encodes these texts alone."""


@pytest.mark.parametrize("name", one_of_each_family(METHODS))
def test_a_method_gives_the_logits_of_the_cpu_within_its_budget(name: str, pretended_device: DeviceProcess) -> None:
    method = METHODS.get(name)
    outcome = pretended_device.trial(method, config_of(method))
    assert outcome.error == ""
    assert outcome.difference <= ROUNDING, outcome.where
    factor = 1.0 if torch.__version__.partition("+")[0] == TABLE["torch"] else OTHER_TORCH
    above = exceeded(outcome.counts, TABLE["methods"].get(name, {}), factor)
    hint = f"{outcome.places}\nfewer is better; if it must be more: python tests/gpu/device_budgets.py"
    assert above == [], hint


def test_no_step_waits_but_for_its_loss_or_transfers_pageable_memory() -> None:
    steps = {name: phases["step"] for name, phases in TABLE["methods"].items() if "step" in phases}
    assert len(steps) > 30
    del steps["promptkd"]  # the teacher of these trials is on the CPU
    allowed = {name: 2 if name in CHOOSE_CLASSES else 1 for name in steps}
    assert {name: step for name, step in steps.items() if step["waits"] > allowed[name] or step["pageable"]} == {}


def test_clip_lora_without_dropout_has_the_logits_of_the_cpu(pretended_device: DeviceProcess) -> None:
    """With dropout the masks of a device are its own, so the logits of a trained method are not compared."""
    method = METHODS.get("clip_lora")
    outcome = pretended_device.trial(method, config_of(method).model_copy(update={"dropout": 0.0}))
    assert (outcome.error, outcome.difference <= ROUNDING) == ("", True), outcome.where


@pytest.mark.parametrize(
    "name", some_fast(["coop", "vpt", "clip_lora", "mma", "clip_fit", "two_stage"], {"coop", "vpt"})
)
def test_no_frozen_weight_is_rounded_again_in_half_precision(name: str, pretended_device: DeviceProcess) -> None:
    """Also of the blocks that a method changes; `test_every_setting.py` checks every method."""
    method = METHODS.get(name)
    outcome = pretended_device.trial(method, config_of(method), Precision.BF16)
    assert (outcome.error, casts_of_frozen_weights(outcome)) == ("", {})


class CastsItsTower(CLIPLoRA):
    """Takes the blocks whose weights are in fp32, which are then rounded in each forward pass."""

    def image_features(self, batch: Batch, dropout: torch.Generator | None = None) -> Tensor:
        blocks = self.trainable.image.views(image_views(self.backbone.image_tower), dropout)
        return self.backbone.encode_image(batch.pixels, blocks=blocks)


def test_a_weight_that_is_rounded_in_each_step_is_found_with_its_line(pretended_device: DeviceProcess) -> None:
    outcome = pretended_device.trial(CastsItsTower, config_of(CLIPLoRA), Precision.BF16)
    assert outcome.error == ""
    found = casts_of_frozen_weights(outcome)
    assert set(found) == {"step", "evaluate"}
    assert any(place.startswith("methods/_towers/blocks.py:") for place in found["step"])


def test_a_count_above_its_budget_is_found() -> None:
    budget = {"step": {"operations": 100, "waits": 1, "pageable": 0}}
    assert exceeded({"step": {"operations": 100, "waits": 1, "pageable": 0}}, budget) == []
    more = {"step": {"operations": 105, "waits": 2, "pageable": 1}}
    assert exceeded(more, budget, 1.1) == ["step: 2 waits, budget 1", "step: 1 pageable, budget 0"]
    assert exceeded(more, budget)[0] == "step: 105 operations, budget 100"
    assert exceeded({"prepare": {"operations": 3}}, budget) == ["prepare: 3 operations, budget 0"]
