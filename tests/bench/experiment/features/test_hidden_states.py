"""Hidden states before a block of the frozen image tower: what they cost, and that no batch changes their bits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from parity_kit import class_set, images, support_view, tiny_backbone
from tiny_runs import forget_loaded, outcome, spec_of
from torch import Tensor

from bench.context import RunContext
from bench.experiment import runner
from bench.experiment.features.inputs import shared_inputs
from bench.experiment.features.views import CENTER_VIEW, View, ViewKind
from datasets_registry import get_dataset
from methods import Batch, cosine_logits
from methods.mma import MMA, MMAConfig


def test_bits_of_views_that_return_do_not_depend_on_neighbours() -> None:
    inputs = shared_inputs("ViT-tiny.random", RunContext())
    splits = get_dataset("spectrum_basic").reader(None)
    crop = View(ViewKind.CROP, (0.5, 1.0), seed=1, index=4)
    whole, before = inputs.hidden(splits.images, splits.train[:40], crop, 2), inputs.backbone.passes.image
    alone = inputs.hidden(splits.images, splits.train[35:36], crop, 2)
    assert torch.equal(whole[35], alone[0])
    assert float(inputs.backbone.passes.image - before) == pytest.approx(2 / 3), "padding is no image"
    fresh = inputs.hidden(splits.images, splits.train[:3], crop, 2, reused=False)
    torch.testing.assert_close(fresh, whole[:3], atol=1e-5, rtol=1e-5)
    centre = inputs.hidden(splits.images, splits.train[:3], CENTER_VIEW, 1)
    assert torch.equal(inputs.evaluated_hidden(splits.images, splits.train[:3], 1), centre)


def test_training_and_evaluation_from_hidden_states_equal_those_from_pixels() -> None:
    backbone, pixels, labels = tiny_backbone(), images("train")[:10], torch.arange(10) // 2
    method = MMA(backbone, MMAConfig(blocks=2, scale=0.1), torch.Generator().manual_seed(0))
    method.prepare(support_view(backbone, class_set("base")))

    def hidden(first: int) -> Tensor:
        assert first == 1
        return backbone.image_hidden(pixels, first)

    def from_pixels() -> Tensor:
        part = method.trainable
        blocks = part.views(backbone.image_tower.views, part.image_down, part.image_up)
        return cosine_logits(
            backbone.encode_image(pixels, blocks=blocks), method.text_features(class_set("base")), backbone.logit_scale
        )

    batch = Batch(labels, features=lambda: pixels, pixels=lambda: pixels, hidden=hidden, needs=method.info.needs)
    torch.testing.assert_close(method.classifier(class_set("base"))(batch), from_pixels(), atol=2e-5, rtol=1e-5)
    parameters = list(method.trainable.parameters())
    losses = method.loss(batch), F.cross_entropy(from_pixels(), labels)
    torch.testing.assert_close(*losses, atol=1e-5, rtol=1e-5)
    for ours, theirs in zip(*(torch.autograd.grad(loss, parameters) for loss in losses), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4)


def test_neither_bits_nor_passes_of_mma_depend_on_the_cache(tmp_path: Path) -> None:
    """MMA with adapters in two of the three blocks, so that one is frozen. Texts go through that block once."""
    spec, outcomes = spec_of("mma", blocks=2), []
    spec = spec.model_copy(update={"recipe": spec.recipe | {"lr": 0.01}})
    for context in (RunContext(), RunContext(cache_dir=tmp_path), RunContext(cache_dir=tmp_path)):
        forget_loaded()
        record, predictions = runner.run_experiment(spec, context)
        outcomes.append(outcome((record, predictions)))
        cost, base, new = record.cost, 12, 12
        shown = 16 * cost.steps + sum(score.n for score in record.scores)
        assert cost.prompted_image_passes == pytest.approx(shown * 2 / 3)
        assert cost.image_passes == pytest.approx(shown / 3)
        frozen, changed = (base + new) / 3, (base * cost.steps + base + new) * 2 / 3
        assert cost.text_passes == pytest.approx(frozen + changed)
    assert outcomes[0] == outcomes[1] == outcomes[2]
