"""Pixels and features on a pretended GPU: prints what `test_pixels.py` compares.

`run_script` installs the device before torch is imported.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from pretended_device.counts import COUNTS
from torch import Tensor

from bench.experiment import accelerator
from bench.experiment.features import frozen_features as image_features
from bench.experiment.features.frozen_features import FeatureStore, images_per_pass, pass_arithmetic
from bench.experiment.features.views import to_pixels
from methods import CLIP_MEAN, CLIP_STD, Backbone, BackboneSpec, load_backbone

N = 20
SIZE = 4
"""Images, and images of a pass in place of 256, so that there are several."""


def main() -> None:
    """Compute both on both devices."""
    device = torch.device("cuda", 0)
    noise = np.random.default_rng(0).integers(0, 256, (N, 32, 32, 3), dtype=np.uint8)
    here = to_pixels(noise, CLIP_MEAN, CLIP_STD)
    to_pixels(noise, CLIP_MEAN, CLIP_STD, device)  # moves the constants
    COUNTS.clear()
    there = to_pixels(noise, CLIP_MEAN, CLIP_STD, device)
    facts: dict[str, Any] = {"pixels": COUNTS.totals(), "pinned": COUNTS.pinned.total()}
    facts["same pixels"] = torch.equal(here, there.cpu())

    spec = BackboneSpec("ViT-tiny", "random")
    on_cpu, on_gpu = load_backbone(spec), load_backbone(spec, device="cuda")
    facts["passes"] = [images_per_pass(on_cpu), images_per_pass(on_gpu), pass_arithmetic(on_gpu)]
    addresses = [str(i).zfill(16).encode() for i in range(N)]
    facts["events"] = events(on_gpu, addresses, there)
    expected = FeatureStore(on_cpu, None).get(addresses, lambda some: here[list(some)])
    found = FeatureStore(on_gpu, None).get(addresses, lambda some: torch.stack([there[i] for i in some]))
    facts["difference"] = float((expected - found).abs().max() / expected.abs().max())
    print(json.dumps(facts))  # noqa: T201


def events(backbone: Backbone, addresses: Sequence[bytes], pixels: Tensor) -> list[str]:
    """The order in which passes begin and are waited for."""
    found: list[str] = []
    original, awaited = image_features.encode_padded, accelerator._awaited

    def begin(*arguments: Any) -> Tensor:
        found.append("pass")
        return original(*arguments)

    def wait(*arguments: Any) -> Tensor:
        found.append("wait")
        return awaited(*arguments)

    with (
        patch.object(image_features, "encode_padded", begin),
        patch.object(image_features, "images_per_pass", lambda _: SIZE),
        patch.object(accelerator, "_awaited", wait),
    ):
        FeatureStore(backbone, None).get(addresses, lambda some: torch.stack([pixels[i] for i in some]))
    return found


if __name__ == "__main__":
    main()
