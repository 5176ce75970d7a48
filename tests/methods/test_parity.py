"""Our methods compute what the official implementations compute, step by step, on the recorded tiny CLIP.

A row of `RECORDED` is enough for a method that is made from the settings of a case. The others follow it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
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
    prompts_of_both_towers,
    recipe_of,
    replay,
    support_view,
    text_prompts,
    tiny_backbone,
    train_batch,
    visual_prompts,
)
from torch import Tensor, nn

from bench.experiment.training_loop import learning_rate
from datasets_registry import ClassSet
from methods import Recipe, TrainableMethod, frozen_prompts, get_method, prograd
from methods.apex import APEX, APEXConfig
from methods.clip_lora import CLIPLoRA, CLIPLoRAConfig
from methods.cocoop import CoCoOp, CoCoOpConfig
from methods.kgcoop import KgCoOp, KgCoOpConfig
from methods.maple import MaPLe, MaPLeConfig
from methods.mma import MMA, MMAConfig
from methods.promptsrc import PromptSRC, PromptSRCConfig
from methods.tcp import TCP, TCPConfig
from methods.zero_shot import ZeroShot, ZeroShotConfig

PLAIN, PET = "a photo of a {}.", "a photo of a {}, a type of pet."
COOP_TEMPLATES = {
    "EuroSAT": "a centered satellite photo of {}.",
    "DescribableTextures": "{} texture.",
    "FGVCAircraft": "a photo of a {}, a type of aircraft.",
    "OxfordPets": PET,
    "StanfordCars": PLAIN,
}
Tensors = dict[str, nn.Parameter]


@dataclass(frozen=True)
class Recorded:
    """How a method is made from a recorded case, and its trained tensors by their official names.

    Args:
        settings: for each setting its place in the configuration of the case, such as `COOP.N_CTX`.
        template: of the class texts; None for the case's own.
        fixed: further settings, the same in all cases.
    """

    tensors: Callable[[Any], Mapping[str, nn.Parameter]]
    settings: Mapping[str, str]
    template: str | None = PLAIN
    fixed: Mapping[str, Any] = field(default_factory=dict)


def made(name: str, case: Case, recorded: Recorded) -> Any:
    """The method with the settings of the case."""
    settings = dict(recorded.fixed)
    for setting, place in recorded.settings.items():
        value: Any = case.config
        for key in place.split("."):
            value = value[key]
        settings[setting] = {"worded_init": bool, "blocks": len}.get(setting, lambda given: given)(value)
    backbone = copy.copy(tiny_backbone())
    if name == "mmrl_pp":  # the official code fixes the scale, whatever the model's own is
        backbone.logit_scale = 100.0
    method = get_method(name)
    return method(backbone, method.info.config(**settings), generator())


def ctx(method: Any) -> Tensors:
    return {"prompt_learner.ctx": method.trainable.ctx}


def named(layers: Mapping[str, nn.Module]) -> Tensors:
    """The tensors of the layers of the official prompt learner."""
    return {f"prompt_learner.{key}.{p}": v for key, layer in layers.items() for p, v in layer.named_parameters()}


def of_cocoop(method: Any) -> Tensors:
    meta = method.trainable.meta
    return ctx(method) | named({"meta_net.linear1": meta[0], "meta_net.linear2": meta[2]})


def of_dekg_tcp(method: Any) -> Tensors:
    return ctx(method) | named({"meta_net.linear1": method.trainable.down, "meta_net.linear2": method.trainable.up})


def of_clip_adapter(method: Any) -> Tensors:
    adapter = method.trainable.visual_adapter
    return {"adapter.fc.0.weight": adapter.down, "adapter.fc.2.weight": adapter.up}


def of_maple(method: Any) -> Tensors:
    text, first, *deeper = method.trainable.text_context, *method.trainable.coupling.maps
    ours = {"prompt_learner.ctx": text.ctx}
    ours |= {f"prompt_learner.compound_prompts_text.{i}": p for i, p in enumerate(text.deeper)}
    return ours | named({"proj": first} | {f"compound_prompt_projections.{i}": m for i, m in enumerate(deeper)})


def of_clip_lora(method: Any) -> Tensors:
    found = {}
    for tower, prefix in ((method.trainable.text, ""), (method.trainable.image, "visual.")):
        for i, block in enumerate(tower.blocks):
            for key, change in block.items():
                layer = f"{prefix}transformer.resblocks.{i}.attn.{'proj' if key == 'o' else key + '_proj'}"
                found |= {f"{layer}.w_lora_A": change.down, f"{layer}.w_lora_B": change.up}
    return found


def of_clip_svd(method: Any) -> Tensors:
    found: Tensors = {}
    for prefix, tower in (("", method.trainable.text), ("visual.", method.trainable.image)):
        for i, block in enumerate(tower.blocks):
            parts = {f"attn.{letter}_proj": part for letter, part in zip("qkv", block.qkv, strict=True)}
            parts |= {"attn.proj": block.out, "mlp.c_fc": block.inner, "mlp.c_proj": block.outer}
            stem = f"{prefix}transformer.resblocks.{i}"
            found |= {f"{stem}.{part}.vector_S": values.values for part, values in parts.items()}
    return {name: values for name, values in found.items() if isinstance(values, nn.Parameter)}


def of_mmrl_pp(method: Any) -> Tensors:
    part, prefix = method.trainable, "representation_learner"
    found = {f"{prefix}.compound_rep_tokens": part.tokens}
    for name, shared in (("srra_r2vproj", part.to_image), ("srra_r2tproj", part.to_text)):
        found[f"{prefix}.{name}.weight"] = shared.weight
        for letter, values in (("A", shared.up), ("B", shared.down), ("bias", shared.biases)):
            found |= {f"{prefix}.{name}.srra.{i}.{letter}": value for i, value in enumerate(values)}
    return found | {"image_encoder.A": part.projection_up, "image_encoder.B": part.projection_down}


COOP = {"weight": "COOP.W", "worded_init": "COOP.CTX_INIT", "n_ctx": "COOP.N_CTX"}
RECORDED = {
    "clip_adapter": Recorded(of_clip_adapter, {"ratio": "ratio", "reduction": "reduction"}, None),
    "vpt": Recorded(visual_prompts, {"n_visual": "VPT.N_CTX_VISION", "depth": "VPT.PROMPT_DEPTH_VISION"}),
    "ivlp": Recorded(
        prompts_of_both_towers,
        {
            "n_text": "IVLP.N_CTX_TEXT", "n_visual": "IVLP.N_CTX_VISION", "text_depth": "IVLP.PROMPT_DEPTH_TEXT",
            "visual_depth": "IVLP.PROMPT_DEPTH_VISION", "worded_init": "IVLP.CTX_INIT",
        },
    ),
    "deep_text_prompts": Recorded(
        text_prompts,
        {"n_text": "IVLP.N_CTX_TEXT", "depth": "IVLP.PROMPT_DEPTH_TEXT", "worded_init": "IVLP.CTX_INIT"},
    ),
    "cocoop": Recorded(of_cocoop, {"ctx_init": "COCOOP.CTX_INIT", "n_ctx": "COCOOP.N_CTX"}),
    "maple": Recorded(
        of_maple, {"n_ctx": "MAPLE.N_CTX", "depth": "MAPLE.PROMPT_DEPTH", "worded_init": "MAPLE.CTX_INIT"}
    ),
    "clip_lora": Recorded(
        of_clip_lora,
        {"encoder": "encoder", "targets": "params", "rank": "r", "alpha": "alpha", "logit_scale": "logit_scale"},
        None,
        {"dropout": 0, "template": ""},
    ),
    "clip_svd": Recorded(
        of_clip_svd,
        {"layers": "SETTINGS.include_train_layers", "rank": "SETTINGS.rank"},
        None,
        {"logit_scale": 100.0},
    ),
    "dekg": Recorded(ctx, COOP | {"divergence": "divergence"}, PET),
    "dekg_tcp": Recorded(of_dekg_tcp, {"weight": "COOP.W", "divergence": "divergence"}, PET, {"layer": 1}),
    "mmrl_pp": Recorded(
        of_mmrl_pp,
        {
            "n_tokens": "MMRLPP.N_REP_TOKENS", "dim": "MMRLPP.REP_DIM", "blocks": "MMRLPP.REP_LAYERS",
            "class_weight": "MMRLPP.ALPHA", "weight": "MMRLPP.REG_WEIGHT", "new_share": "MMRLPP.BETA",
            "rank": "MMRLPP.RES_LORA_DIM", "projection_rank": "MMRLPP.PROJ_LORA_DIM",
        },
        PET,
    ),
}  # fmt: skip
"""By method."""


def recorded_cases() -> Iterator[tuple[str, str, str]]:
    """Each method of the table with the file and the name of its cases."""
    for method in RECORDED:
        file = "ivlp" if method == "deep_text_prompts" else method
        for name in case_names(file):
            of_text_alone = name.startswith("language_only")
            if of_text_alone is (method == "deep_text_prompts") and not name.endswith("dropout0_code_path"):
                yield method, file, name


@pytest.mark.parametrize(("method", "file", "name"), list(recorded_cases()))
def test_training_is_that_of_the_official_code(method: str, file: str, name: str) -> None:
    row, case = RECORDED[method], Case(file, name)
    replay(made(method, case, row), case, row.tensors, template=row.template or case.config["template"])


@pytest.mark.parametrize("name", case_names("coop"))
def test_coop(name: str) -> None:
    case = Case("coop", name)
    official = case.config["COOP"]
    # the official code drops class-specific contexts when words are given
    specific = official["CSC"] and not official["CTX_INIT"]
    places = {"n_ctx": "COOP.N_CTX", "ctx_init": "COOP.CTX_INIT", "class_position": "COOP.CLASS_TOKEN_POSITION"}
    replay(made("coop", case, Recorded(ctx, places, fixed={"class_specific": specific})), case, ctx)


@pytest.mark.parametrize("name", case_names("kgcoop"))
def test_kgcoop(name: str) -> None:
    case = Case("kgcoop", name)
    method = made("kgcoop", case, Recorded(ctx, COOP))
    template = COOP_TEMPLATES[case.config["dataset_name_in_cfg"]]
    replay(method, case, ctx, template=template)
    teacher = nn.functional.normalize(method.teacher(class_set("base", template)), dim=-1)
    case.assert_close(teacher, "teacher_text_features_base", "teacher_text_features_base")


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


@pytest.mark.parametrize("name", case_names("prograd"))
def test_prograd(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("prograd", name)
    official = case.config["COOP"]
    config = prograd.ProGradConfig(
        n_ctx=official["N_CTX"],
        worded_init=official["CTX_INIT"],
        class_specific=official["CSC"],
        weight=case.config["LOSS"]["LAMBDA"],
        temperature=case.config["LOSS"]["T"],
    )
    seen: list[tuple[Tensor, Tensor]] = []
    surgery = prograd.aligned_gradient

    def recorded(task: Tensor, general: Tensor, weight: float) -> Tensor:
        seen.append((task, general))
        return surgery(task, general, weight)

    monkeypatch.setattr(prograd, "aligned_gradient", recorded)
    method = prograd.ProGrad(tiny_backbone(), config, generator())
    template = COOP_TEMPLATES[case.config["dataset_name_in_cfg"]]
    assert method.class_template(class_set("base", template)) == case.config["teacher_template"]
    if official["CSC"]:
        case.config["eval_classes"] = ["base"]
    replay(method, case, ctx, template=template)
    case.assert_close(seen[0][0], "grad1_ce/ctx", "grad1_ce")
    case.assert_close(seen[0][1], "grad1_kl/ctx", "grad1_kl")
    cosines = [float(torch.cosine_similarity(a.flatten(), b.flatten(), dim=0)) for a, b in seen]
    assert cosines == pytest.approx(case.config["cos_between_ce_and_kl_gradient_per_step"], abs=1e-4)


@pytest.mark.parametrize("name", case_names("promptsrc"))
def test_promptsrc(name: str) -> None:
    case = Case("promptsrc", name)
    official, epochs = case.config["PROMPTSRC"], case.config["OPTIM"]["MAX_EPOCH"]
    config = PromptSRCConfig(
        n_text=official["N_CTX_TEXT"],
        n_visual=official["N_CTX_VISION"],
        text_depth=official["PROMPT_DEPTH_TEXT"],
        visual_depth=official["PROMPT_DEPTH_VISION"],
        text_weight=official["TEXT_LOSS_WEIGHT"],
        image_weight=official["IMAGE_LOSS_WEIGHT"],
        average_mean=official["GPA_MEAN"],
        average_std=official["GPA_STD"],
    )
    method = PromptSRC(tiny_backbone(), config, generator())

    def after_step(step: int) -> None:
        method.on_epoch_end(step - 1, epochs)
        if step == epochs:
            for key, parameter in prompts_of_both_towers(method).items():
                case.assert_close(parameter, f"after5_before_gpa/{key}", "after5")
            method.finalise()

    replay(method, case, prompts_of_both_towers, after_step=after_step)
    torch.testing.assert_close(method.epoch_weights(epochs), case.tensors["gpa_weights"].float(), atol=1e-6, rtol=1e-5)
    key = "teacher_text_features_base_unnormalised_mean"
    case.assert_close(method.teacher, key, key)


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


def apex_tensors(method: APEX) -> dict[str, nn.Parameter]:
    adapter = method.trainable.text_adapter
    ours = {"VPT_adapter_text_matrix": adapter.matrix, "VPT_adapter_text_bias": adapter.bias}
    return ours | prompts_of_both_towers(method)


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

    replay(method, case, apex_tensors)
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

    replay(method, case, apex_tensors)
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


def passes_of_a_step_and_a_test(method: TrainableMethod[Any]) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Frozen images, changed images and texts: of one step on 4 images and 5 classes, and of 6 images at test."""
    backbone, passes = method.backbone, method.backbone.passes

    def counted(run: Any) -> tuple[int, int, int]:
        before = (passes.image, passes.prompted_image, passes.text)
        run()
        return passes.image - before[0], passes.prompted_image - before[1], passes.text - before[2]

    method.prepare(support_view(backbone, class_set("base")))
    needs = method.info.needs
    method.backward(train_batch(needs))  # what is computed once does not count
    step = counted(lambda: method.backward(train_batch(needs)))
    with torch.no_grad():
        test = counted(lambda: method.classifier(class_set("new"))(batch_of(backbone, images("test")[:6], None, needs)))
    return step, test


@pytest.mark.parametrize(
    ("method", "config", "step", "test"),
    [
        (KgCoOp, KgCoOpConfig(), (4, 0, 5), (6, 0, 5)),
        (prograd.ProGrad, prograd.ProGradConfig(), (4, 0, 5), (6, 0, 5)),
        (CoCoOp, CoCoOpConfig(), (4, 0, 20), (6, 0, 30)),
        (TCP, TCPConfig(), (4, 0, 5), (6, 0, 10)),
        (MMA, MMAConfig(), (0, 4, 5), (0, 6, 5)),
        (MaPLe, MaPLeConfig(), (0, 4, 5), (0, 6, 5)),
        (PromptSRC, PromptSRCConfig(), (4, 4, 5), (0, 6, 5)),
        (CLIPLoRA, CLIPLoRAConfig(), (0, 4, 5), (0, 6, 5)),
        (CLIPLoRA, CLIPLoRAConfig(encoder="vision"), (0, 4, 0), (0, 6, 5)),
        (CLIPLoRA, CLIPLoRAConfig(encoder="text"), (4, 0, 5), (6, 0, 5)),
    ],
)
def test_no_tower_runs_more_often_than_it_must(method: Any, config: Any, step: Any, test: Any) -> None:
    assert passes_of_a_step_and_a_test(method(tiny_backbone(), config, generator())) == (step, test)
