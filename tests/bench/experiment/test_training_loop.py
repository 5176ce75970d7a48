"""The optimisers, the loop and the learning rates."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from one_case import for_each
from parity_kit import batch_of, class_set, images, support_view, tiny_backbone

from bench.errors import NonFiniteLossError
from bench.experiment.training_loop import (
    epoch_batches,
    fit,
    learning_rate,
    make_optimizer,
    set_rates,
    stage_spans,
    step_rate,
)
from methods import Optimizer, Recipe
from methods.text_adapter import TextAdapter


@pytest.mark.parametrize("kind", get_args(Optimizer))
def test_each_optimiser_takes_the_recipes_settings(kind: Optimizer) -> None:
    optimizer = make_optimizer(Recipe(optimizer=kind, lr=0.3, weight_decay=0.2), [torch.nn.Parameter(torch.ones(1))])
    assert type(optimizer).__name__.lower() == kind
    assert optimizer.defaults["lr"] == 0.3
    assert optimizer.defaults["weight_decay"] == 0.2


def test_the_last_incomplete_batch_is_dropped_once_a_whole_one_fits() -> None:
    shuffle = torch.Generator().manual_seed(0)
    whole = list(epoch_batches(10, 4, shuffle))
    assert [len(b) for b in whole] == [4, 4]
    assert len(set(torch.cat(whole).tolist())) == 8
    for n, size in ((3, 4), (10, 0)):
        (few,) = epoch_batches(n, size, shuffle)
        assert sorted(few.tolist()) == list(range(n))


def adapter(kind: type[TextAdapter] = TextAdapter) -> TextAdapter:
    method = kind(tiny_backbone(), TextAdapter.info.config(), torch.Generator().manual_seed(0))
    method.prepare(support_view(tiny_backbone(), class_set("base")))
    return method


def fit_adapter(recipe: Recipe, method: TextAdapter) -> tuple[int, list[int]]:
    """The number of steps, and the epochs whose batches were asked for."""
    shown: list[int] = []

    def batches_of(epoch: int):
        shown.append(epoch)
        return lambda i: batch_of(tiny_backbone(), images("train")[i], i // 2)

    shuffle = torch.Generator().manual_seed(0)
    return fit(method, recipe, n=10, shots=2, batches_of=batches_of, generator=shuffle).steps, shown


@for_each(
    ("length", "epochs", "steps"),
    [
        ({"epochs": 3}, 3, 6),
        ({"epochs": 3, "epochs_by_shots": {2: 1}}, 1, 2),
        ({"steps_per_shot": 7, "schedule": "cosine"}, 7, 14),
        ({"steps": 5, "schedule": "cosine"}, 3, 5),
    ],
)
def test_a_length_in_epochs_steps_or_steps_per_shot_is_kept_exactly(length, epochs: int, steps: int) -> None:
    recipe = Recipe(batch_size=4, **length)
    assert recipe.epochs_and_steps(n=10, shots=2) == (epochs, steps)
    assert fit_adapter(recipe, adapter()) == (steps, list(range(epochs)))


def test_hooks_are_called_in_order_and_groups_scale_the_rate() -> None:
    class Noisy(TextAdapter):
        info = TextAdapter.info

        def parameter_groups(self):
            slow = {"params": [self.trainable.text_adapter.bias], "lr_scale": 0.0}
            return [{"params": [self.trainable.text_adapter.matrix]}, slow]

        def on_epoch_end(self, epoch: int, epochs: int) -> None:
            calls.append((epoch, epochs))

        def finalise(self) -> None:
            calls.append("end")

    calls: list[object] = []
    method = adapter(Noisy)
    fit_adapter(Recipe(epochs=2, batch_size=4, warmup="none"), method)
    assert calls == [(0, 2), (1, 2), "end"]
    assert torch.equal(method.trainable.text_adapter.bias, torch.zeros(1, 64))
    assert not torch.equal(method.trainable.text_adapter.matrix, torch.eye(64))


def test_a_method_may_arrange_the_batches_of_an_epoch() -> None:
    class Sorted(TextAdapter):
        info = TextAdapter.info

        def arrange(self, batches):
            yield from torch.cat(batches).sort().values.split(3)

        def loss(self, batch):
            seen.append(batch.labels.tolist())
            return super().loss(batch)

    seen: list[list[int]] = []
    by_steps = Recipe(epochs=2, batch_size=5, schedule="cosine", warmup="none")
    assert fit_adapter(by_steps, adapter(Sorted))[0] == 4
    assert seen == [[0, 0, 1], [1, 2, 2]] * 2, "as many batches"
    seen.clear()
    assert fit_adapter(Recipe(epochs=2, batch_size=5), adapter(Sorted))[0] == 8
    assert seen == [[0, 0, 1], [1, 2, 2], [3, 3, 4], [4]] * 2


def test_all_groups_have_the_same_rate_in_a_constant_warm_up() -> None:
    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    recipe = Recipe(lr=0.01, epochs=4, warmup="constant", warmup_lr=1e-5)
    optimizer = make_optimizer(recipe, [{"params": weights[:1]}, {"params": weights[1:], "lr_scale": 6.5}])
    (span,) = stage_spans([recipe], (1.0,), n=10, shots=2)
    rates = []
    for epoch in range(2):
        set_rates(optimizer, recipe, span, epoch, epoch)
        rates.append([group["lr"] for group in optimizer.param_groups])
    assert rates == [[1e-5, 1e-5], pytest.approx([0.01, 0.065])]


def lengths(recipe: Recipe, *shares: float) -> list[tuple[int, int]]:
    return [(span.epochs, span.steps) for span in stage_spans([recipe] * len(shares), shares, n=10, shots=2)]


def test_stages_end_at_their_cumulated_shares() -> None:
    in_steps = Recipe(steps_per_shot=5, batch_size=4, drop_last=False)
    assert in_steps.epochs_and_steps(n=10, shots=1) == (2, 5)
    assert lengths(in_steps, 1.0) == [(4, 10)]
    assert lengths(in_steps, 0.6, 0.4) == [(2, 6), (2, 4)]
    assert lengths(in_steps, 1 / 3, 1 / 3, 1 / 3) == [(1, 3), (1, 3), (2, 4)]
    assert lengths(in_steps, 0.01, 0.99) == [(0, 0), (4, 10)]
    in_epochs = Recipe(epochs=5, batch_size=4)
    assert lengths(in_epochs, 1.0, 1.0) == [(5, 10), (5, 10)]
    assert lengths(in_epochs, 0.6, 0.4) == [(3, 6), (2, 4)]
    second = stage_spans([in_epochs] * 2, (0.6, 0.4), n=10, shots=2)[1]
    assert (second.stage, second.first_epoch, second.first_step) == (1, 3, 6)


class Staged(TextAdapter):
    """The adapter's matrix first, its bias then."""

    info = TextAdapter.info

    def __init__(self, *given) -> None:
        super().__init__(*given)
        self.seen: list[object] = []

    def stages(self):
        return (0.5, 1.0)

    def begin_stage(self, stage: int) -> None:
        self.seen.append(f"stage {stage}")
        self.stage = stage

    def parameter_groups(self):
        adapter = self.trainable.text_adapter
        return [{"params": [adapter.bias if self.stage else adapter.matrix]}]

    def on_epoch_end(self, epoch: int, epochs: int) -> None:
        adapter = self.trainable.text_adapter
        self.seen.append((epoch, epochs, adapter.matrix.detach().clone(), adapter.bias.detach().clone()))


def test_each_stage_has_its_own_parameters_schedule_and_epochs() -> None:
    method = adapter(Staged)
    recipe = Recipe(epochs=2, batch_size=4, lr=0.1, weight_decay=0.0, momentum=0.0)
    assert fit_adapter(recipe, method) == (6, [0, 1, 2])
    assert method.seen[0] == "stage 0"
    assert method.seen[2] == "stage 1"
    first, second, third = (method.seen[i] for i in (1, 3, 4))
    assert [(e[0], e[1]) for e in (first, second, third)] == [(0, 3), (1, 3), (2, 3)]
    assert not torch.equal(first[2], torch.eye(64)), "stage one trains"
    assert torch.equal(first[3], torch.zeros(1, 64)), "and not the bias"
    assert torch.equal(first[2], third[2]), "stage two does not"
    # the schedule starts over: the second stage's first epoch is the warm-up again
    assert 0 < float(second[3].abs().max()) < 0.01 * float((third[3] - second[3]).abs().max())


def test_a_loss_that_is_not_finite_in_a_later_stage_says_where() -> None:
    class Broken(Staged):
        info = TextAdapter.info

        def begin_stage(self, stage: int) -> None:
            super().begin_stage(stage)
            if stage:
                with torch.no_grad():
                    self.trainable.text_adapter.bias.fill_(math.nan)

    with pytest.raises(NonFiniteLossError, match=r"became nan.*epoch 2 of 3, step 3"):
        fit_adapter(Recipe(epochs=2, batch_size=4), adapter(Broken))


# Learning rates


LINEAR = {"warmup": "linear", "warmup_lr": 0.01}


@for_each(
    ("settings", "epochs", "rates", "rounding"),
    [
        ({"lr": 0.0035}, 5, {0: 1e-5, 1: 0.0035, 2: 0.003166, 3: 0.002291, 4: 0.001209}, 5e-7),  # as MaPLe logs them
        ({"lr": 0.15, **LINEAR}, 15, {0: 0.01, 1: 0.15, 2: 0.1484, 3: 0.1435, 14: 0.0065}, 5e-5),  # from APEX's code
        ({"lr": 0.1, "warmup_epochs": 4, **LINEAR}, 10, {0: 0.01, 1: 0.025, 2: 0.05, 3: 0.075, 4: 0.1}, 1e-9),
        ({"lr": 0.1, "warmup": "none"}, 10, {0: 0.1, 5: 0.05}, 1e-9),
    ],
)
def test_rates_of_epochs(settings, epochs: int, rates: dict[int, float], rounding: float) -> None:
    found = {epoch: learning_rate(Recipe(**settings), epoch, epochs) for epoch in rates}
    assert found == pytest.approx(rates, abs=rounding)


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
