"""Our methods compute what the official implementations compute, step by step, on the recorded tiny CLIP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import parity_record
import pytest
import torch
from parity_kit import (
    Case,
    batch_of,
    case_names,
    class_set,
    generator,
    images,
    recipe_of,
    replay,
    support_view,
    tiny_backbone,
)
from torch import nn

from bench.experiment.training_loop import learning_rate
from datasets_registry import ClassSet
from methods import Recipe, TrainableMethod, frozen_prompts
from methods.apex import APEX, APEXConfig
from methods.clip_adapter import CLIPAdapter, CLIPAdapterConfig
from methods.coop import CoOp, CoOpConfig
from methods.deep_text_prompts import DeepTextPrompts, DeepTextPromptsConfig
from methods.ivlp import IVLP, IVLPConfig
from methods.vpt import VPT, VPTConfig
from methods.zero_shot import ZeroShot, ZeroShotConfig


def visual(method: TrainableMethod[Any]) -> dict[str, nn.Parameter]:
    layers = list(method.trainable.visual_prompts.layers)
    names = ["image_encoder.VPT"] + [
        f"image_encoder.transformer.resblocks.{i}.VPT_shallow" for i in range(1, len(layers))
    ]
    return dict(zip(names, layers, strict=True))


def textual(method: TrainableMethod[Any]) -> dict[str, nn.Parameter]:
    context = method.trainable.text_context
    deeper = {f"text_encoder.transformer.resblocks.{i + 1}.VPT_shallow": p for i, p in enumerate(context.deeper)}
    return {"prompt_learner.ctx": context.ctx} | deeper


def test_the_backbone_gives_the_recorded_features() -> None:
    case, backbone = Case("backbone", "base"), tiny_backbone()
    with torch.no_grad():
        image = backbone.encode_image(images("test"))
        text = backbone.encode_texts(case.config["prompts"])
    tokens = backbone.tokenized(case.config["prompts"]).tokens
    recorded = case.tensors
    torch.testing.assert_close(image, recorded["image_features_test"], atol=1e-5, rtol=0)
    torch.testing.assert_close(text, recorded["text_features"], atol=1e-5, rtol=0)
    assert torch.equal(tokens, recorded["tokens"][:, : tokens.shape[1]].long())


@pytest.mark.parametrize("name", case_names("zeroshot"))
def test_zero_shot(name: str) -> None:
    case, backbone = Case("zeroshot", name), tiny_backbone()
    own = case.config.get("template") or case.config["templates"][-1]
    ensemble = (
        {7: "select7", 8: "select7", 80: "imagenet80"}[len(case.config["templates"])]
        if case.config["ensemble"]
        else "none"
    )
    config = ZeroShotConfig(ensemble=ensemble, own_template=len(case.config.get("templates", [])) == 8)
    method = ZeroShot(backbone, config, generator())
    for which in ("base", "new", "all"):
        key = f"logits/{which}"
        if key not in case.tensors:
            continue
        classes = class_set(which, own)
        method.prepare(support_view(backbone, classes))
        with torch.no_grad():
            logits = method.classifier(classes)(batch_of(backbone, images("test"), None))
        torch.testing.assert_close(logits, case.tensors[key], atol=5e-5, rtol=0)
        parity_record.note("zero_shot", logits, case.tensors[key])
    assert any(k.startswith("logits") for k in case.tensors)


@pytest.mark.parametrize("name", case_names("coop"))
def test_coop(name: str) -> None:
    case = Case("coop", name)
    official = case.config["COOP"]
    words = official["CTX_INIT"]
    config = CoOpConfig(
        n_ctx=official["N_CTX"],
        ctx_init=words,
        class_position=official["CLASS_TOKEN_POSITION"],
        # the official code drops class-specific contexts when words are given
        class_specific=official["CSC"] and not words,
    )
    replay(CoOp(tiny_backbone(), config, generator()), case, lambda m: {"prompt_learner.ctx": m.trainable.ctx})


@pytest.mark.parametrize("name", case_names("clip_adapter"))
def test_clip_adapter(name: str) -> None:
    case = Case("clip_adapter", name)
    config = CLIPAdapterConfig(ratio=case.config["ratio"], reduction=case.config["reduction"])

    def parameters(method: CLIPAdapter) -> Mapping[str, nn.Parameter]:
        adapter = method.trainable.visual_adapter
        return {"adapter.fc.0.weight": adapter.down, "adapter.fc.2.weight": adapter.up}

    replay(CLIPAdapter(tiny_backbone(), config, generator()), case, parameters, template=case.config["template"])


@pytest.mark.parametrize("name", case_names("vpt"))
def test_vpt(name: str) -> None:
    case = Case("vpt", name)
    official = case.config["VPT"]
    config = VPTConfig(n_visual=official["N_CTX_VISION"], depth=official["PROMPT_DEPTH_VISION"])
    replay(VPT(tiny_backbone(), config, generator()), case, visual)


@pytest.mark.parametrize("name", [n for n in case_names("ivlp") if not n.startswith("language_only")])
def test_ivlp(name: str) -> None:
    case = Case("ivlp", name)
    official = case.config["IVLP"]
    config = IVLPConfig(
        n_text=official["N_CTX_TEXT"],
        n_visual=official["N_CTX_VISION"],
        text_depth=official["PROMPT_DEPTH_TEXT"],
        visual_depth=official["PROMPT_DEPTH_VISION"],
        worded_init=bool(official["CTX_INIT"]),
    )
    replay(IVLP(tiny_backbone(), config, generator()), case, lambda m: visual(m) | textual(m))


@pytest.mark.parametrize("name", [n for n in case_names("ivlp") if n.startswith("language_only")])
def test_deep_text_prompts(name: str) -> None:
    case = Case("ivlp", name)
    official = case.config["IVLP"]
    config = DeepTextPromptsConfig(
        n_text=official["N_CTX_TEXT"], depth=official["PROMPT_DEPTH_TEXT"], worded_init=bool(official["CTX_INIT"])
    )
    replay(DeepTextPrompts(tiny_backbone(), config, generator()), case, textual)


class RecordedReferenceAPEX(APEX):
    """APEX whose untrained reference prompts are the recorded ones instead of freshly drawn."""

    info = APEX.info
    recorded: Case

    def prepare(self, support: Any) -> None:
        super().prepare(support)
        prompts = self.recorded.group("reference_prompts")
        image = [p for k, p in sorted(prompts.items()) if k.startswith("visual.")]
        if self.config.reference_visual == "random_prompts":
            assert len(image) == len(self.reference_prompts)
            self.reference_prompts = image
        text = [p for k, p in sorted(prompts.items()) if k.startswith("transformer")]
        if text:
            # the official code puts untrained deep prompts into its reference text tower as well
            for classes in (class_set("base"), class_set("new")):
                prompted = frozen_prompts(self.backbone.tokenized(classes.texts()))
                self._frozen[classes, classes.template] = self.backbone.encode_prompts(prompted, deep=text)


@pytest.mark.parametrize("name", case_names("apex"))
def test_apex(name: str) -> None:
    case = Case("apex", name)
    official = case.config["APEX"]
    random_reference = any(not k.startswith("transformer") for k in case.group("reference_prompts"))
    config = APEXConfig(
        n_visual=official["N_CTX_VISION"],
        n_text=official["N_CTX_TEXT"],
        visual_depth=official["PROMPT_DEPTH_VISION"],
        text_depth=official["PROMPT_DEPTH_TEXT"],
        reference_visual="random_prompts" if random_reference else "clean",
    )
    method = RecordedReferenceAPEX(tiny_backbone(), config, generator())
    method.recorded = case

    def parameters(m: APEX) -> Mapping[str, nn.Parameter]:
        adapter = m.trainable.text_adapter
        ours = {"VPT_adapter_text_matrix": adapter.matrix, "VPT_adapter_text_bias": adapter.bias}
        return ours | visual(m) | textual(m)

    replay(method, case, parameters)
    for which in ("base", "new"):
        classes = class_set(which)
        batch = batch_of(tiny_backbone(), images("test"), None)
        with torch.no_grad():
            d_avg, d_nn = method.class_distances(classes)
            weight = method.adaptive_weight(classes)
            prompted = method.prompted_text(classes)
            ours = {
                "d_avg": d_avg[:, None],
                "d_nn": d_nn[:, None],
                "alpha": weight[:, None],
                "text_prompted": prompted,
                "text_adapted": method.trainable.text_adapter(prompted),
                "image_prompted": method.image_features(batch),
                "image_reference": method.reference_image(batch),
                "logits": method.classifier(classes)(batch),
                "logits_without_ensemble": method.blended_classifier(classes, torch.ones(5))(batch),
            }
        for key, value in ours.items():
            case.assert_close(value, f"ensemble/{which}/{key}", "ensemble")


@pytest.mark.parametrize("name", case_names("apex_words"))
def test_apex_measures_distances_between_the_texts_that_its_context_starts_from(name: str) -> None:
    case = Case("apex_words", name)
    official = case.config["APEX"]
    words = official["CTX_INIT"].removesuffix(" #.")
    config = APEXConfig(
        ctx_init=words, n_text=official["N_CTX_TEXT"], visual_depth=3, reference_visual="random_prompts"
    )
    method = RecordedReferenceAPEX(tiny_backbone(), config, generator())
    method.recorded = case

    def parameters(m: APEX) -> Mapping[str, nn.Parameter]:
        adapter = m.trainable.text_adapter
        ours = {"VPT_adapter_text_matrix": adapter.matrix, "VPT_adapter_text_bias": adapter.bias}
        return ours | visual(m) | textual(m)

    replay(method, case, parameters)
    published = apex_distances(class_set("new", "a photo of a {}."))
    for which in ("base", "new"):
        ours = dict(zip(("d_avg", "d_nn"), method.class_distances(class_set(which)), strict=True))
        for key, value in ours.items():
            case.assert_close(value, f"distances/{which}/{key}", "distances")
    assert not torch.allclose(ours["d_avg"], published, atol=1e-3), "other words, other distances"


def apex_distances(classes: ClassSet) -> torch.Tensor:
    """Mean distance of these classes to the base classes with the published words."""
    method = APEX(tiny_backbone(), APEXConfig(), generator())
    method.prepare(support_view(tiny_backbone(), class_set("base")))
    return method.class_distances(classes)[0]


@pytest.mark.parametrize("method", ["coop", "vpt", "ivlp", "apex"])
def test_the_schedule_gives_the_recorded_rates(method: str) -> None:
    for name in case_names(method):
        case = Case(method, name)
        optim = case.config["OPTIM"]
        linear = optim["WARMUP_TYPE"] == "linear"
        recipe = Recipe(
            **recipe_of(case).model_dump(exclude={"warmup", "warmup_lr"}),
            warmup="linear" if linear else "constant",
            warmup_lr=optim["WARMUP_MIN_LR"] if linear else optim["WARMUP_CONS_LR"],
        )
        ours = [learning_rate(recipe, epoch, optim["MAX_EPOCH"]) for epoch in range(5)]
        assert ours == pytest.approx(case.config["lr_per_step"], rel=1e-9)
