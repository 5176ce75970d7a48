"""Learning rates of epochs and steps."""

import math

import pytest
import torch

from bench.experiment.training_loop import learning_rate, step_rate
from methods import Recipe


def test_maples_five_epochs_as_logged() -> None:
    recipe = Recipe(lr=0.0035, epochs=5)
    rates = [learning_rate(recipe, e, 5) for e in range(5)]
    assert rates == pytest.approx([1e-5, 0.0035, 0.003166, 0.002291, 0.001209], abs=5e-7)


def test_apex_rates_as_derived_from_its_code() -> None:
    recipe = Recipe(lr=0.15, warmup="linear", warmup_lr=0.01, epochs=15)
    rates = [learning_rate(recipe, e, 15) for e in range(15)]
    assert rates[:4] == pytest.approx([0.01, 0.15, 0.1484, 0.1435], abs=5e-5)
    assert rates[-1] == pytest.approx(0.0065, abs=5e-5)


def test_without_warmup_the_cosine_starts_at_once() -> None:
    recipe = Recipe(lr=0.1, warmup="none")
    assert learning_rate(recipe, 0, 10) == 0.1
    assert learning_rate(recipe, 5, 10) == pytest.approx(0.05)


def test_a_longer_linear_warmup_climbs() -> None:
    recipe = Recipe(lr=0.1, warmup="linear", warmup_lr=0.01, warmup_epochs=4)
    assert [learning_rate(recipe, e, 10) for e in range(5)] == pytest.approx([0.01, 0.025, 0.05, 0.075, 0.1])


def test_warm_up_steps_lead_to_the_full_rate() -> None:
    recipe = Recipe(lr=0.4, warmup_lr=0.01, warmup_steps=4, steps=100, schedule="cosine")
    assert [step_rate(recipe, i, 100) for i in range(5)] == pytest.approx([0.01, 0.1, 0.2, 0.3, 0.4])
    assert step_rate(recipe, 5, 100) == pytest.approx(0.2 * (1 + math.cos(math.pi / 100)))


def test_the_step_cosine_is_torchs() -> None:
    recipe = Recipe(lr=0.01, min_lr=1e-4, schedule="cosine")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.01)
    official = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20, eta_min=1e-4)
    for step in range(20):
        assert step_rate(recipe, step, 20) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        optimizer.step()
        official.step()
