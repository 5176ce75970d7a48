"""The work of a CoOp step on ViT-B/16 with 50 classes: prints what `test_coop_step.py` checks.

`run_script` installs the pretended GPU before torch is imported. `--whole` takes ViT-B/16 itself in place of towers of
the same depth that are 64 wide, which load in a moment.
"""

from __future__ import annotations

import json
import sys
from functools import cached_property
from typing import Any

import torch
from _steps import COOP16, class_set
from pretended_device.counts import COUNTS
from pretended_device.tensors import memory_of

from bench.experiment.training_loop import make_optimizer, train_step
from datasets_registry import EvalProtocol
from methods import METHODS, Backbone, BackboneSpec, Batch, Precision, SupportView, load_backbone

CLASSES, IMAGES = 50, 32
STEADY = 3
"""The step whose work is counted; the first ones compute what later ones reuse."""


class NarrowSpec(BackboneSpec):
    """ViT-B/16 with towers 64 wide: the same blocks, and so the same operations."""

    @cached_property
    def config(self) -> dict[str, Any]:
        whole = BackboneSpec(self.arch, self.tag).config
        vision, text = whole["vision_cfg"] | {"width": 64}, whole["text_cfg"] | {"width": 64}
        return whole | {"embed_dim": 64, "vision_cfg": vision, "text_cfg": text}


def main() -> None:
    """Count in single and in half precision."""
    kind = BackboneSpec if "--whole" in sys.argv else NarrowSpec
    backbone = load_backbone(kind("ViT-B-16", "random"), device="cuda")
    COUNTS.frozen = frozenset(memory_of(weight.detach()) for weight in backbone.model.parameters())
    found = {str(precision): counted(backbone, precision) for precision in (Precision.FP32, Precision.BF16)}
    print(json.dumps(found))  # noqa: T201


def counted(loaded: Backbone, precision: Precision) -> dict[str, Any]:
    """Operations, waits and casts of frozen weights of a forward and backward pass, and the work of the update.

    `casts before` are those of the preparation and the first steps, which round each weight once in half precision.
    """
    backbone = Backbone(loaded.spec, loaded.model, precision=precision)
    coop: Any = METHODS.get("coop")
    COUNTS.clear()
    method = coop(backbone, COOP16, torch.Generator().manual_seed(0))
    features = torch.randn(CLASSES, backbone.embed_dim, generator=torch.Generator().manual_seed(1)).to("cuda")
    labels = torch.arange(CLASSES).to("cuda")
    method.prepare(
        SupportView(class_set(CLASSES), labels, 1, lambda: features, lambda k, _: features.expand(k, -1, -1))
    )
    optimizer = make_optimizer(coop.info.recipe_for(EvalProtocol.FEW_SHOT), method.parameter_groups())
    few = features[:IMAGES]
    batch = Batch(labels[:IMAGES], features=lambda: few, pixels=lambda: few, needs=coop.info.needs)
    for _ in range(STEADY - 1):
        train_step(method, batch, optimizer)
    before = COUNTS.casts.total()
    optimizer.zero_grad(set_to_none=True)
    COUNTS.clear()
    float(method.backward(batch).detach())
    found = {**COUNTS.totals(), "casts before": before, "casts": dict(COUNTS.casts)}
    COUNTS.clear()
    optimizer.step()
    return {**found, "update": COUNTS.totals()["operations"]}


if __name__ == "__main__":
    main()
