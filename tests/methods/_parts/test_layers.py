"""Layers of torch.nn that draw their initial values from a given generator."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from methods import drawn_from

LAYERS: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: nn.Linear(5, 3),
    "attention": lambda: nn.MultiheadAttention(8, 2),
    "a block": lambda: nn.TransformerEncoderLayer(8, 2, 16),
    "convolution": lambda: nn.Conv2d(3, 4, 3),
    "embedding": lambda: nn.Embedding(7, 3),
}


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_a_layer_is_the_one_that_torch_makes_after_the_same_seed(make: Callable[[], nn.Module]) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        expected = make().state_dict()
    before = torch.get_rng_state()
    with drawn_from(torch.Generator().manual_seed(3)):
        layer = make()
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(layer.state_dict()[name], value) for name, value in expected.items())


def test_layers_that_are_made_one_after_the_other_differ() -> None:
    with drawn_from(torch.Generator().manual_seed(3)):
        first, second = nn.Linear(5, 3), nn.Linear(5, 3)
    assert not torch.equal(first.weight, second.weight)


def test_a_generator_that_is_given_is_kept() -> None:
    ours, theirs = torch.Generator().manual_seed(1), torch.Generator().manual_seed(2)
    with drawn_from(ours):
        drawn = torch.empty(4).normal_(generator=theirs)
    assert torch.equal(drawn, torch.empty(4).normal_(generator=torch.Generator().manual_seed(2)))
    assert torch.equal(ours.get_state(), torch.Generator().manual_seed(1).get_state())
