"""The size of a pass through the frozen tower: that of the CPU never changes, that of a GPU follows from the tower."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from parity_kit import images, tiny_backbone

from bench.experiment.features.frozen_features import (
    ENCODE_BATCH,
    encode_padded,
    fitting_pass,
    images_per_pass,
    pass_arithmetic,
)


def test_the_cpu_keeps_its_size_and_its_address() -> None:
    assert images_per_pass(tiny_backbone()) == ENCODE_BATCH == 32
    assert pass_arithmetic(tiny_backbone()) == "fp32"


@pytest.mark.parametrize(
    ("tower", "tokens", "width", "size"),
    [
        ("ViT-B-32", 50, 768, 256),
        ("ViT-B-16", 197, 768, 128),
        ("ViT-L-14", 257, 1024, 64),
        ("ViT-L-14-336", 577, 1024, 32),
        ("a tower too large for the limit", 10_000, 4096, 32),
        ("ViT-tiny", 17, 64, 256),
    ],
)
def test_a_gpu_takes_more_images_of_a_smaller_tower(tower: str, tokens: int, width: int, size: int) -> None:
    assert fitting_pass(tokens, width) == size, tower


def test_padding_is_neither_returned_nor_counted() -> None:
    backbone = tiny_backbone()
    before = backbone.passes.image
    seen: list[torch.Size] = []

    def tower(pixels: torch.Tensor) -> torch.Tensor:
        seen.append(pixels.shape)
        return pixels.flatten(1)[:, :3].double()

    some = images("test")[:5]
    found = encode_padded(backbone, some, tower, Fraction(1, 2), 8)
    assert torch.equal(found, some.flatten(1)[:, :3])
    assert found.dtype == torch.float32
    assert seen[0][0] == 8
    assert backbone.passes.image - before == -Fraction(3, 2)
