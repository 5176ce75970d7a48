"""Methods that prompt or change the towers compute what their official implementations compute, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from parity_kit import (
    Case,
    batch_of,
    case_names,
    class_set,
    generator,
    images,
    replay,
    support_view,
    tiny_backbone,
    train_batch,
)
from torch import Tensor, nn

from methods import TrainableMethod
from methods.clip_lora import CLIPLoRA, CLIPLoRAConfig
from methods.cocoop import CoCoOp, CoCoOpConfig
from methods.kgcoop import KgCoOp, KgCoOpConfig
from methods.maple import MaPLe, MaPLeConfig
from methods.mma import MMA, MMAConfig
from methods.prograd import ProGrad, ProGradConfig
from methods.promptsrc import PromptSRC, PromptSRCConfig
from methods.tcp import TCP, TCPConfig

COOP_TEMPLATES = {
    "EuroSAT": "a centered satellite photo of {}.",
    "DescribableTextures": "{} texture.",
    "FGVCAircraft": "a photo of a {}, a type of aircraft.",
    "OxfordPets": "a photo of a {}, a type of pet.",
    "StanfordCars": "a photo of a {}.",
}


def context(method: TrainableMethod[Any]) -> dict[str, nn.Parameter]:
    return {"prompt_learner.ctx": method.trainable.ctx}


@pytest.mark.parametrize("name", case_names("kgcoop"))
def test_kgcoop(name: str) -> None:
    case = Case("kgcoop", name)
    official = case.config["COOP"]
    config = KgCoOpConfig(weight=official["W"], worded_init=official["CTX_INIT"], n_ctx=official["N_CTX"])
    method = KgCoOp(tiny_backbone(), config, generator())
    template = COOP_TEMPLATES[case.config["dataset_name_in_cfg"]]
    replay(method, case, context, template=template)
    teacher = nn.functional.normalize(method.teacher(class_set("base", template)), dim=-1)
    case.assert_close(teacher, "teacher_text_features_base", "teacher_text_features_base")


@pytest.mark.parametrize("name", case_names("prograd"))
def test_prograd(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import methods.prograd as module

    case = Case("prograd", name)
    official = case.config["COOP"]
    config = ProGradConfig(
        n_ctx=official["N_CTX"],
        worded_init=official["CTX_INIT"],
        class_specific=official["CSC"],
        weight=case.config["LOSS"]["LAMBDA"],
        temperature=case.config["LOSS"]["T"],
    )
    seen: list[tuple[Tensor, Tensor]] = []
    surgery = module.aligned_gradient

    def recorded(task: Tensor, general: Tensor, weight: float) -> Tensor:
        seen.append((task, general))
        return surgery(task, general, weight)

    monkeypatch.setattr(module, "aligned_gradient", recorded)
    method = ProGrad(tiny_backbone(), config, generator())
    template = COOP_TEMPLATES[case.config["dataset_name_in_cfg"]]
    assert method.class_template(class_set("base", template)) == case.config["teacher_template"]
    if official["CSC"]:
        case.config["eval_classes"] = ["base"]
    replay(method, case, context, template=template)
    case.assert_close(seen[0][0], "grad1_ce/ctx", "grad1_ce")
    case.assert_close(seen[0][1], "grad1_kl/ctx", "grad1_kl")
    cosines = [float(torch.cosine_similarity(a.flatten(), b.flatten(), dim=0)) for a, b in seen]
    assert cosines == pytest.approx(case.config["cos_between_ce_and_kl_gradient_per_step"], abs=1e-4)


@pytest.mark.parametrize("name", case_names("cocoop"))
def test_cocoop(name: str) -> None:
    case = Case("cocoop", name)
    official = case.config["COCOOP"]

    def parameters(method: CoCoOp) -> Mapping[str, nn.Parameter]:
        layers = {"linear1": method.trainable.meta[0], "linear2": method.trainable.meta[2]}
        named = {
            f"prompt_learner.meta_net.{k}.{p}": v for k, layer in layers.items() for p, v in layer.named_parameters()
        }
        return context(method) | named

    config = CoCoOpConfig(ctx_init=official["CTX_INIT"], n_ctx=official["N_CTX"])
    replay(CoCoOp(tiny_backbone(), config, generator()), case, parameters)


@pytest.mark.parametrize("name", case_names("maple"))
def test_maple(name: str) -> None:
    case = Case("maple", name)
    official = case.config["MAPLE"]

    def parameters(method: MaPLe) -> Mapping[str, nn.Parameter]:
        text, first, *deeper = method.trainable.text_context, *method.trainable.coupling.maps
        ours = {"prompt_learner.ctx": text.ctx}
        ours |= {f"prompt_learner.compound_prompts_text.{i}": p for i, p in enumerate(text.deeper)}
        layers = {"proj": first} | {f"compound_prompt_projections.{i}": m for i, m in enumerate(deeper)}
        return ours | {f"prompt_learner.{k}.{p}": v for k, layer in layers.items() for p, v in layer.named_parameters()}

    config = MaPLeConfig(
        n_ctx=official["N_CTX"], depth=official["PROMPT_DEPTH"], worded_init=bool(official["CTX_INIT"])
    )
    replay(MaPLe(tiny_backbone(), config, generator()), case, parameters)


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

    def parameters(m: PromptSRC) -> dict[str, nn.Parameter]:
        image, text = list(m.trainable.visual_prompts.layers), m.trainable.text_context
        ours = {"image_encoder.VPT": image[0], "prompt_learner.ctx": text.ctx}
        ours |= {f"image_encoder.transformer.resblocks.{i}.VPT_shallow": p for i, p in enumerate(image) if i}
        return ours | {
            f"text_encoder.transformer.resblocks.{i}.VPT_shallow": p for i, p in enumerate(text.deeper, start=1)
        }

    def after_step(step: int) -> None:
        method.on_epoch_end(step - 1, epochs)
        if step == epochs:
            for key, parameter in parameters(method).items():
                case.assert_close(parameter, f"after5_before_gpa/{key}", "after5")
            method.finalise()

    replay(method, case, parameters, after_step=after_step)
    torch.testing.assert_close(method.epoch_weights(epochs), case.tensors["gpa_weights"].float(), atol=1e-6, rtol=1e-5)
    key = "teacher_text_features_base_unnormalised_mean"
    case.assert_close(method.teacher, key, key)


@pytest.mark.parametrize("name", [n for n in case_names("clip_lora") if not n.endswith("dropout0_code_path")])
def test_clip_lora(name: str) -> None:
    case = Case("clip_lora", name)
    c = case.config
    config = CLIPLoRAConfig(
        encoder=c["encoder"], targets=c["params"], rank=c["r"], alpha=c["alpha"], dropout=0, template="",
        logit_scale=c["logit_scale"],
    )  # fmt: skip

    def parameters(method: CLIPLoRA) -> Mapping[str, nn.Parameter]:
        named = {}
        for tower, prefix in ((method.trainable.text, ""), (method.trainable.image, "visual.")):
            for i, block in enumerate(tower.blocks):
                for key, change in block.items():
                    layer = f"{prefix}transformer.resblocks.{i}.attn.{'proj' if key == 'o' else key + '_proj'}"
                    named |= {f"{layer}.w_lora_A": change.down, f"{layer}.w_lora_B": change.up}
        return named

    replay(CLIPLoRA(tiny_backbone(), config, generator()), case, parameters, template=c["template"])


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
        (ProGrad, ProGradConfig(), (4, 0, 5), (6, 0, 5)),
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
