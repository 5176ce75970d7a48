"""A training that is interrupted and resumed equals an uninterrupted one, bit for bit, for every trained method."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest
import torch
from families_of_methods import cheap_of_each_family, some_fast
from parity_kit import batch_of, class_set, images, support_view, tiny_backbone
from torch import Tensor

from bench.experiment.checkpoints import Checkpoint, Progress, TrainingState
from bench.experiment.training_loop import fit, make_optimizer
from datasets_registry import EvalProtocol
from methods import METHODS, Optimizer, Recipe, TrainableMethod

EPOCHS = 4
TRAINABLE = [name for name in METHODS if issubclass(METHODS.get(name), TrainableMethod)]
CLASSES = class_set("base")
STAGES = {"two_stage": (2, 3), "plot_pp": (4, 6)}
"""When a training in stages dies: in the first epoch of a stage, after the last of the one before, and later."""


class Cut(Exception):  # noqa: N818  it stands for a kill
    """The process dies."""


def recipe_of(name: str) -> Recipe:
    recipes = METHODS.get(name).info.recipes
    published = recipes.get(EvalProtocol.BASE_TO_NEW) or recipes[EvalProtocol.FEW_SHOT]
    length: dict[str, Any] = {"epochs": EPOCHS, "epochs_by_shots": {}, "steps": 0, "steps_per_shot": 0}
    if name == "nlprompt":  # so that each of its epochs has a second batch, too
        length["drop_last"] = False
    return published.model_copy(update=length | {"batch_size": 4})


def prepared(name: str, **config: Any) -> TrainableMethod[Any]:
    cls = METHODS.get(name)
    defaults = cls.info.default_config(EvalProtocol.FEW_SHOT)
    method = cls(tiny_backbone(), defaults.model_copy(update=config), torch.Generator().manual_seed(3))
    method.prepare(support_view(tiny_backbone(), CLASSES))
    return method


def state_of(method: TrainableMethod[Any]) -> TrainingState:
    return TrainingState(method, make_optimizer(recipe_of("coop"), method.parameter_groups()), torch.Generator())


def train(
    method: TrainableMethod[Any], recipe: Recipe, checkpoint: Checkpoint | None = None, cut: int | None = None
) -> Progress:
    """Train on the ten recorded images; die in the middle of epoch `cut`."""

    def batches(epoch: int):
        asked = 0

        def batch(index: Tensor):
            nonlocal asked
            asked += 1
            if epoch == cut and asked == 2:
                raise Cut
            return batch_of(tiny_backbone(), images("train")[index], index // 2, method.info.needs)

        return batch

    shuffle = torch.Generator().manual_seed(11)
    return fit(method, recipe, n=10, shots=2, batches_of=batches, generator=shuffle, checkpoint=checkpoint)


def at(folder: Path, seconds: float = 0.0, **identity: str) -> Checkpoint:
    return Checkpoint(folder / "run.safetensors", {"run_id": "a", **identity}, seconds)


def outcome(method: TrainableMethod[Any]) -> list[Tensor]:
    """Parameters, logits and, for methods with candidates, the logits of each."""
    if method.info.needs_validation:
        method.calibrate(support_view(tiny_backbone(), CLASSES, "test"))
    batch = batch_of(tiny_backbone(), images("test")[:10], None, method.info.needs)
    with torch.no_grad():
        logits = [method.classifier(CLASSES)(batch)]
        logits += [classify(batch) for classify in method.oracle_classifiers(CLASSES).values()]
    return [*method.trainable.state_dict().values(), *logits]


def check_resumed_equals_undisturbed(name: str, folder: Path, recipe: Recipe, **config: Any) -> None:
    undisturbed = prepared(name, **config)
    whole = train(undisturbed, recipe)
    for cut in STAGES.get(name, (1, 3)):
        with pytest.raises(Cut):
            train(prepared(name, **config), recipe, at(folder), cut)
    resumed = prepared(name, **config)
    again = train(resumed, recipe, checkpoint := at(folder))
    assert again == whole
    assert checkpoint.earlier == ()
    for ours, theirs in zip(outcome(resumed), outcome(undisturbed), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("name", some_fast(TRAINABLE, {*cheap_of_each_family(TRAINABLE), "two_stage"}))
def test_a_training_that_was_cut_off_ends_like_an_undisturbed_one(name: str, tmp_path: Path):
    check_resumed_equals_undisturbed(name, tmp_path, recipe_of(name))


@pytest.mark.parametrize("kind", get_args(Optimizer))
def test_every_optimiser_goes_on_with_its_state(kind: Optimizer, tmp_path: Path):
    recipe = recipe_of("coop").model_copy(update={"optimizer": kind, "momentum": 0.9, "lr": 0.01})
    check_resumed_equals_undisturbed("coop", tmp_path, recipe)


def test_what_an_oracle_keeps_of_each_epoch_is_part_of_the_state(tmp_path: Path):
    check_resumed_equals_undisturbed(
        "tip_adapter_f", tmp_path, recipe_of("tip_adapter_f"), selection="oracle", search_step=(2, 2)
    )


def test_a_training_really_goes_on_where_it_was(tmp_path: Path):
    """The equality above would also hold for a training that starts over."""
    with pytest.raises(Cut):
        train(prepared("coop"), recipe_of("coop"), at(tmp_path), cut=2)
    found = at(tmp_path).load(lambda _: state_of(prepared("coop")))
    assert (found.epochs, found.steps) == (2, 4)


def test_what_the_parts_of_a_training_have_cost_is_added_up(tmp_path: Path):
    spent = [0.0]
    meter: Any = SimpleNamespace(reading=lambda: (spent[0],), dump_charged=dict, load_charged=lambda _: None)
    state = state_of(prepared("coop"))
    for part in (1, 2):
        checkpoint = Checkpoint(tmp_path / "r.safetensors", {}, 0, meter=meter)
        assert (checkpoint.load(lambda _: state) is None) == (part == 1)
        spent[0] += 5
        checkpoint.save_if_due(state, Progress(part, part, 0.0))
    assert checkpoint.earlier == (5.0,)
    assert checkpoint.spent() == (10.0,)


def test_short_trainings_write_nothing(tmp_path: Path):
    train(prepared("coop"), recipe_of("coop"), at(tmp_path, seconds=60))
    assert list(tmp_path.iterdir()) == []


def test_the_state_of_other_code_is_not_used(tmp_path: Path):
    with pytest.raises(Cut):
        train(prepared("coop"), recipe_of("coop"), at(tmp_path, method="old"), cut=2)
    method = prepared("coop")
    before = [p.clone() for p in method.trainable.parameters()]
    assert at(tmp_path, method="new").load(lambda _: state_of(method)) is None
    assert all(torch.equal(a, b) for a, b in zip(before, method.trainable.parameters(), strict=True))


def test_a_damaged_state_is_said_and_training_starts_over(tmp_path: Path, caplog):
    recipe, undisturbed = recipe_of("coop"), prepared("coop")
    whole = train(undisturbed, recipe)
    with pytest.raises(Cut):
        train(prepared("coop"), recipe, at(tmp_path), cut=2)
    path = tmp_path / "run.safetensors"
    content = path.read_bytes()
    flipped = content[:-1] + bytes([content[-1] ^ 1])
    for damaged in (content[:-9], flipped, b"\x80\x04K\x01.", b""):
        path.write_bytes(damaged)
        caplog.clear()
        resumed = prepared("coop")
        assert train(resumed, recipe, at(tmp_path)) == whole
        assert "training starts over" in caplog.text
        assert all(torch.equal(a, b) for a, b in zip(outcome(resumed), outcome(undisturbed), strict=True))


def test_a_full_disk_costs_only_the_safety(tmp_path: Path, monkeypatch, caplog):
    def full(*_args: object, **_kwargs: object) -> None:
        raise OSError(28, "No space left")

    monkeypatch.setattr("bench.experiment.checkpoints.write_atomically", full)
    assert train(prepared("coop"), recipe_of("coop"), at(tmp_path)).steps == EPOCHS * 2
    assert "Training continues without it" in caplog.text
