"""The switches of APEX, and that the method is the composition of its parts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from parity_kit import batch_of, class_set, generator, images, prepared, support_view, tiny_backbone
from torch import Tensor

from methods import METHODS
from methods.apex import APEX, ORACLE_GRID, APEXConfig
from methods.deep_text_prompts import DeepTextPrompts
from methods.vpt_text_adapter import VPTTextAdapter, VPTTextAdapterConfig
from methods.zero_shot import ZeroShot, ZeroShotConfig


def apex(**config: Any) -> APEX:
    method = APEX(tiny_backbone(), APEXConfig(**config), torch.Generator().manual_seed(3))
    method.prepare(support_view(tiny_backbone(), class_set("base")))
    with torch.no_grad():  # away from the start, as training would
        learned = [method.trainable.text_adapter, method.trainable.text_context]
        for parameter in (p for part in learned if part is not None for p in part.parameters()):
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(4)))
    return method


def logits(method: Any, which: str = "new") -> Tensor:
    with torch.no_grad():
        return method.classifier(class_set(which))(batch_of(tiny_backbone(), images("test"), None))


def test_trained_classes_get_weight_one_and_the_plain_adapted_model() -> None:
    method = apex()
    assert torch.equal(method.adaptive_weight(class_set("base")), torch.ones(5))
    assert torch.equal(logits(method, "base"), logits(apex(ensemble="none"), "base"))


def test_beta_zero_and_a_fixed_weight_of_one_are_no_ensemble() -> None:
    for settings in ({"beta": 0.0}, {"ensemble_weight": "fixed", "fixed_weight": 1.0}):
        torch.testing.assert_close(logits(apex(**settings)), logits(apex(ensemble="none")))


def test_a_fixed_weight_of_zero_on_plain_texts_is_zero_shot() -> None:
    frozen = apex(ensemble_weight="fixed", fixed_weight=0.0, template="generic")
    zero_shot = ZeroShot(tiny_backbone(), ZeroShotConfig(), torch.Generator())
    zero_shot.prepare(support_view(tiny_backbone(), class_set("base")))
    torch.testing.assert_close(logits(frozen), logits(zero_shot), atol=1e-4, rtol=1e-5)


def test_each_switch_changes_the_logits_of_new_classes() -> None:
    default = logits(apex())
    for change in (
        {"ensemble": "none"}, {"ensemble": "text"}, {"ensemble": "visual"}, {"nn_distance": "min", "eps": 0.3},
        {"vision_blend": "pretrained"}, {"reference_visual": "random_prompts"}, {"beta": 2.0}, {"eps": 1.0},
        {"ensemble_weight": "fixed"}, {"template": "generic"}, {"template": "ensemble60"}, {"n_visual": 3},
        {"visual_depth": 1}, {"text_depth": 2}, {"n_text": 4},
    ):  # fmt: skip
        assert not torch.allclose(logits(apex(**change)), default, atol=1e-5), change


@pytest.mark.parametrize("kind", ["low_rank", "bottleneck"])
def test_other_adapters_run(kind: str) -> None:
    assert logits(apex(adapter=kind, rank=8)).isfinite().all()


def test_the_oracle_offers_the_papers_grid_and_only_when_asked() -> None:
    classes = class_set("new")
    assert apex().oracle_classifiers(classes) == {}
    offered = apex(ensemble_weight="oracle").oracle_classifiers(classes)
    assert list(offered) == [f"weight {w:g}" for w in ORACLE_GRID]
    with torch.no_grad():
        fixed = offered["weight 0.4"](batch_of(tiny_backbone(), images("test"), None))
    torch.testing.assert_close(fixed, logits(apex(ensemble_weight="fixed", fixed_weight=0.4)))


def test_without_ensemble_and_learned_text_it_is_vpt_with_a_text_adapter() -> None:
    parts = VPTTextAdapter(tiny_backbone(), VPTTextAdapterConfig(), torch.Generator().manual_seed(0))
    parts.prepare(support_view(tiny_backbone(), class_set("base")))
    whole = apex(ensemble="none", template="generic")
    parts.trainable.load_state_dict(whole.trainable.state_dict())
    torch.testing.assert_close(logits(whole), logits(parts))


@pytest.mark.parametrize("name", ["text_adapter", "visual_adapter", "text_prompts_visual_adapter"])
def test_an_adapter_without_visual_prompts_is_a_linear_map_of_one_side(name: str) -> None:
    cls, backbone, new = METHODS.get(name), tiny_backbone(), class_set("new")
    method = prepared(cls(backbone, cls.info.config(), generator()))
    with torch.no_grad():
        image = backbone.encode_image(images("test"))
        text = backbone.encode_texts([f"a photo of a {word.replace('_', ' ')}." for word in new.names])
        if "prompts" in name:
            prompts = prepared(DeepTextPrompts(backbone, DeepTextPrompts.info.config(n_text=2), generator()))
            prompts.trainable.text_context.load_state_dict(method.trainable.text_context.state_dict())
            text = prompts.text_features(new)
        adapter = method.trainable.text_adapter or method.trainable.visual_adapter
        if name == "text_adapter":
            text = text @ adapter.matrix + adapter.bias
        else:
            image = image @ adapter.matrix + adapter.bias
        expected = backbone.logit_scale * F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).T
    torch.testing.assert_close(logits(method), expected, atol=1e-4, rtol=1e-4)


def test_a_kept_model_has_the_prompts_of_its_reference_tower() -> None:
    method = apex(reference_visual="random_prompts")
    other = APEX(tiny_backbone(), APEXConfig(reference_visual="random_prompts"), torch.Generator().manual_seed(5))
    other.restore_tuned_state(class_set("base"), method.tuned_state())
    assert torch.equal(logits(other), logits(method))


def test_training_never_runs_the_reference_tower_and_encodes_distances_once() -> None:
    method, backbone = apex(), tiny_backbone()
    train = batch_of(backbone, images("train")[:10], torch.arange(10) // 2)
    before = (backbone.passes.image, backbone.passes.text)
    method.loss(train)
    assert (backbone.passes.image, backbone.passes.text) == (before[0], before[1] + 5)
    method.classifier(class_set("new"))
    first = backbone.passes.text
    method.classifier(class_set("new"))
    assert backbone.passes.text == first + 5  # only the prompted texts; reference texts are kept
