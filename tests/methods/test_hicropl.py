"""HiCroPL beyond its recorded numbers: both ways to map prompts, and where each network's gradient goes."""

from __future__ import annotations

import pytest
import torch
from parity_kit import assert_counted, class_set, generator, prepared, tiny_backbone, train_batch

from methods.hicropl import HiCroPL, HiCroPLConfig

SMALL = {"n_ctx": 3, "depth": 3, "text_to_image": 2}


def made(**settings: object) -> HiCroPL:
    return prepared(HiCroPL(tiny_backbone(), HiCroPLConfig(**SMALL | settings), generator()), by=0.0)


def test_both_ways_to_map_give_the_same_first_loss() -> None:
    copied, learned, batch = made(), made(mapping="learned"), train_batch(HiCroPL.info.needs)
    before = copied.loss(batch)
    copied.before_step()
    assert torch.equal(copied.loss(batch), learned.loss(batch))
    assert not torch.allclose(before, copied.loss(batch), atol=1e-3)


def test_learned_networks_and_every_prompt_get_a_gradient() -> None:
    method = made(mapping="learned")
    method.backward(train_batch(method.info.needs))
    named = dict(method.trainable.named_parameters())
    assert all(value.grad is not None for value in named.values())
    # one pooled token stands for all blocks of the single late block, so attention has no choice there
    without = {name for name, value in named.items() if not value.grad.any()}  # type: ignore[union-attr]
    assert {name for name in without if "in_proj" not in name} <= {
        "mapper.to_text.key.weight", "mapper.to_text.key.bias"
    }  # fmt: skip
    assert_counted(method)


def test_copied_networks_are_no_parameters_and_map_early_image_and_late_text_prompts() -> None:
    method = made()
    text, image = ([p.clone() for p in prompts] for prompts in method.prompts())
    assert all(torch.equal(prompt, image[0]) for prompt in image), "image prompts start equal"
    method.before_step()
    changed = [[not torch.equal(*pair) for pair in zip(*both, strict=True)] for both in
               zip((text, image), method.prompts(), strict=True)]  # fmt: skip
    assert changed == [[False, False, True], [True, True, False]]
    assert method.learned_parameters() == 3 * 3 * (64 + 128)


def test_testing_copies_nothing_into_prompts_whose_networks_are_trained() -> None:
    method = made(mapping="learned", test_maps=2)
    before = [p.clone() for p in method.trainable.parameters()]
    method.finalise()
    assert all(torch.equal(*pair) for pair in zip(before, method.trainable.parameters(), strict=True))


@pytest.mark.parametrize("maps", [0, 1, 2])
def test_testing_maps_the_prompts_as_often_as_set(maps: int) -> None:
    method, other = made(test_maps=maps), made()
    method.finalise()
    for _ in range(maps):
        other.before_step()
    batch, classes = train_batch(method.info.needs), class_set("new")
    assert torch.equal(method.classifier(classes)(batch), other.classifier(classes)(batch))
