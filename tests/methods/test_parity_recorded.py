"""Methods whose official code is recorded by `tools/parity/record.py` compute what it computes, step by step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import pytest
import torch
from parity_kit import (
    Case,
    case_names,
    class_set,
    drawn_networks,
    generator,
    prompts_of_both_towers,
    replay,
    resnet_backbone,
    support_view,
    tiny_backbone,
    visual_prompts,
)
from torch import Tensor, nn

from bench.experiment.kept_models import pixel_batch
from bench.experiment.training_loop import Span, scheduled_rate
from datasets_registry import ClassSet, EvalProtocol
from methods import Backbone, BackboneSpec, Teacher, get_method
from methods._backbones import loading
from methods.clip_svd import CLIPSVD
from methods.full_ft import FullFT
from methods.hicropl import HiCroPL, HiCroPLConfig, PromptMapper
from methods.last_block_ft import LastBlockFT
from methods.lweib import LwEIB, LwEIBConfig
from methods.nlprompt import NLPrompt, NLPromptConfig
from methods.promptkd import PromptKD, PromptKDConfig
from methods.promptsrc import PromptSRC, PromptSRCConfig
from methods.skip_tuning import SkipTuning, SkipTuningConfig

TEMPLATE = "a photo of a {}, a type of pet."


def context_alone(method: Any) -> dict[str, nn.Parameter]:
    return {"prompt_learner.ctx": method.trainable.ctx}


@pytest.mark.parametrize("name", case_names("dept"))
def test_dept(name: str) -> None:
    case = Case("dept", name)
    optim, head, on_kgcoop = case.config["OPTIM"], case.config["HEAD"], case.config["host"] == "KgCoOp"
    method_class: Any = get_method("dept" if on_kgcoop else "dept_on:coop")
    published = method_class.info.default_config(EvalProtocol.BASE_TO_NEW)
    if name == "kgcoop":
        assert (published.weight, published.head_share, published.head_rate) == (
            case.config["COOP"]["W"], head["share"], head["rate"],
        )  # fmt: skip
    settings = {"head_share": head["share"], "head_rate": head["rate"]}
    context = case.config["COOP"]
    settings |= {"weight": context["W"]} if on_kgcoop else {"ctx_init": "", "n_ctx": context["N_CTX"]}
    recipe = method_class.info.recipes[EvalProtocol.BASE_TO_NEW]
    assert (recipe.epochs, recipe.batch_size) == (optim["MAX_EPOCH"], 4)

    def parameters(method: Any) -> dict[str, nn.Parameter]:
        part = method.head
        ours = {"prompt_learner.ctx": method.trainable.ctx}
        ours |= {"film_lp_img.scale": part.image_scale, "film_lp_img.bias": part.image_shift}
        ours |= {"film_lp_text.scale": part.text_scale, "film_lp_text.bias": part.text_shift}
        return ours | {f"linear_probe_proj.{key}": value for key, value in part.rows.named_parameters()}

    method = method_class(tiny_backbone(), published.model_copy(update=settings), generator())
    replay(method, case, parameters, template=TEMPLATE, recipe=recipe.model_copy(update={"lr": optim["LR"]}))


@pytest.mark.parametrize("name", case_names("nlprompt"))
def test_nlprompt(name: str) -> None:
    case = Case("nlprompt", name)
    config = NLPromptConfig(n_ctx=case.config["NLPROMPT"]["N_CTX"], entropy=case.config["entropy"])
    method = NLPrompt(tiny_backbone(), config, generator())
    parts = iter(case.tensors["clean"])

    def kinds() -> Iterator[bool]:
        for part in parts:  # an epoch has a step on clean and a step on noisy images
            assert torch.equal(method.clean_images(torch.arange(10)), part)
            yield from (True, False)

    def classes_of(which: str) -> ClassSet:
        names, by = class_set(which).names, case.config["rotated_by"] if which == "base" else 0
        return ClassSet(names[by:] + names[:by], "a photo of a {}.")

    def parameters(method: Any) -> dict[str, nn.Parameter]:
        method.kinds = kinds()
        return context_alone(method)

    replay(method, case, parameters, classes_of=classes_of)
    assert next(parts, None) is None


@pytest.mark.parametrize("name", case_names("atprompt_on"))
def test_atprompt_on(name: str) -> None:
    case = Case("atprompt_on", name)
    host = case.config["host"]
    method_class: Any = get_method("atprompt_on" if host == "CoOp" else f"atprompt_on:{host.lower()}")
    official = case.config[host.upper()]
    settings = {"n_ctx": official["N_CTX"], "attributes": " ".join(case.config["words"])}
    settings |= {"depth": official["PROMPT_DEPTH"]} if host == "MaPLe" else {}
    assert method_class.info.recipes[EvalProtocol.BASE_TO_NEW].batch_size == {"CoOp": 32, "CoCoOp": 1, "MaPLe": 4}[host]

    def parameters(method: Any) -> dict[str, nn.Parameter]:
        part = method.trainable
        ours: dict[str, nn.Parameter]
        if host == "MaPLe":
            part, (first, *deeper) = part.text_context, part.coupling.maps
            layers = {"proj": first} | {f"compound_prompt_projections.{i}": layer for i, layer in enumerate(deeper)}
            ours = {f"compound_prompts_text.{i}": p for i, p in enumerate(part.deeper)}
        else:
            layers = {"meta_net.linear1": part.meta[0], "meta_net.linear2": part.meta[2]} if host == "CoCoOp" else {}
            ours = {}
        ours |= {f"{name}.{key}": p for name, layer in layers.items() for key, p in layer.named_parameters()}
        ours |= {f"ctx_att{i}": context for i, context in enumerate(part.lead.contexts, start=1)}
        return {f"prompt_learner.{key}": p for key, p in (ours | {"ctx": part.ctx}).items()}

    method = method_class(tiny_backbone(), method_class.info.config(**settings), generator())
    replay(method, case, parameters, template=TEMPLATE)


@pytest.mark.parametrize("name", case_names("skip_tuning"))
def test_skip_tuning(name: str) -> None:
    case = Case("skip_tuning", name)
    official, optim = case.config["SKIP"], case.config["OPTIM"]
    config = SkipTuningConfig(
        skipped=official["START_LAYER"],
        kept_share=official["TOP_RATIO"],
        kept_most=official["MAX_TOP"],
        spread=official["LAMBDA"],
        image_rate=optim["NEW_LR"] / optim["LR"],
    )

    def parameters(method: SkipTuning) -> dict[str, nn.Parameter]:
        if "kept_ranks" in case.tensors:
            kept = case.tensors["kept_ranks"]
            assert 4 < int(kept.sum()) < len(kept), "some ranks stay"
            method.kept_ranks = frozenset(kept.nonzero()[:, 0].tolist())
        found: dict[str, nn.Parameter] = {}
        for tower, norm, projection in (("image", "ln_post", "proj"), ("text", "ln_final", "text_projection")):
            end: Any = method.trainable[tower]
            prefix = "image_encoder." if tower == "image" else "learnable_params.text_encoder."
            for i, block in enumerate(end.blocks, start=config.skipped):
                stem = f"{prefix}transformer.resblocks.{i}"
                found |= {f"{stem}.{key}": value for key, value in block.named_parameters()}
            found |= {f"{prefix}{norm}.{key}": value for key, value in end.norm.named_parameters()}
            found[f"{prefix}{projection}"] = end.projection
        return {key: value for key, value in found.items() if value.numel() <= 8192}  # of these there are numbers

    method = SkipTuning(tiny_backbone(), config, generator())
    recipe = method.info.recipes[EvalProtocol.BASE_TO_NEW].model_copy(update={"lr": optim["LR"]})
    replay(method, case, parameters, template=TEMPLATE, recipe=recipe)


@pytest.mark.parametrize("name", case_names("clip_svd"))
def test_clip_svds_schedules_give_the_recorded_rates(name: str) -> None:
    case = Case("clip_svd", name)
    settings, rates = case.config["SETTINGS"], case.config["lr_per_step"]
    wave = "train_epochs" in settings
    recipe = CLIPSVD.info.recipes[EvalProtocol.BASE_TO_NEW if wave else EvalProtocol.FEW_SHOT]
    recipe = recipe.model_copy(update={"lr": settings["lr"]})
    span = Span(stage=0, first_epoch=0, epochs=settings.get("train_epochs", 1), first_step=0, steps=len(rates))
    assert [scheduled_rate(recipe, span, 0, step) for step in range(5)] == pytest.approx(rates, rel=1e-6)
    assert (rates[4] == pytest.approx(rates[0])) == wave


@pytest.mark.parametrize("name", case_names("fine_tuning"))
def test_full_and_last_block_fine_tuning(name: str) -> None:
    case = Case("fine_tuning", name)
    settings = case.config["SETTINGS"]
    whole, resnet = settings["method"] == "FULLFT", settings["backbone"] == "RN50"
    backbone = resnet_backbone() if resnet else tiny_backbone()
    method_class: Any = FullFT if whole else LastBlockFT
    method = method_class(backbone, method_class.info.config(logit_scale=100.0), generator())

    def parameters(method: Any) -> dict[str, nn.Parameter]:
        if whole and not resnet:
            method.trainable.proj.requires_grad_(False)  # the official code trains the projection of a ResNet alone
        prefix = "visual." if whole else f"visual.transformer.resblocks.{backbone.vision_depth - 1}."
        trained = method.trainable if whole else method.trainable[0]
        ours = {f"{prefix}{key}": value for key, value in trained.named_parameters() if value.requires_grad}
        return {key: value for key, value in ours.items() if value.numel() <= 2500}  # of these there are numbers

    replay(method, case, parameters, template=case.config["template"])


@pytest.mark.parametrize("name", case_names("hicropl"))
def test_hicropl(name: str) -> None:
    case = Case("hicropl", name)
    official = case.config["HICROPL"]
    config = HiCroPLConfig(
        n_ctx=official["N_CTX"],
        depth=official["PROMPT_DEPTH"],
        text_to_image=official["CROSS_LAYER"],
        weight=official["LAMBD"],
    )

    def parameters(method: HiCroPL) -> dict[str, nn.Parameter]:
        load_networks(method.mapper)
        text, image = method.trainable.text, method.trainable.image
        ours = {"ctx": text.ctx} | {f"cross_prompts_text.{i}": p for i, p in enumerate(text.deeper, start=1)}
        ours |= {f"cross_prompts_visual.{i}": p for i, p in enumerate(image)}
        return {f"prompt_learner.{key}": value for key, value in ours.items()}

    method = HiCroPL(tiny_backbone(), config, generator())

    def after_step(step: int) -> None:
        if step == 5:
            for key, parameter in parameters(method).items():
                case.assert_close(parameter, f"after5_before_mapping/{key}", "after5_before_mapping")
            method.finalise()

    replay(method, case, parameters, classes_of=partial(described, case), after_step=after_step)


def described(case: Case, which: str) -> ClassSet:
    """The classes with the recorded sentences about each."""
    names, sentences = class_set(which).names, case.config["descriptions"]
    return ClassSet(names, TEMPLATE, tuple(tuple(sentences[name.replace("_", " ")]) for name in names))


def load_networks(mapper: PromptMapper) -> None:
    """Give the mapping networks the values that the official ones had."""
    names = {"attention.": "attn.", "norm_": "ln_", "query.": "linear_q.", "key.": "linear_k.", "value.": "linear_v."}
    names |= {"inner.": "ffn.c_fc.", "outer.": "ffn.c_proj.", "to_image.": "text2visual_net."}
    names |= {"to_text.": "visual2text_net.", "text_pooling.": "attn_pooling_text_nets."}
    names |= {"image_pooling.": "attn_pooling_visual_nets.", "text_proxies.": "text_proxy_token."}
    names |= {"image_proxies.": "visual_proxy_token."}

    def official(name: str) -> str:
        for ours, theirs in names.items():
            name = name.replace(ours, theirs)
        return f"prompt_learner.{name}"

    state = mapper.state_dict()
    drawn = drawn_networks({official(name): value.shape for name, value in state.items()})
    mapper.load_state_dict({name: drawn[official(name)] for name in state})


class RecordedDraws(LwEIB):
    """LwEIB that makes the recorded random choices."""

    info = LwEIB.info
    recorded: Iterator[dict[str, Any]]

    def draw(self, labels: Sequence[int]) -> tuple[list[int], list[int], list[bool], list[bool]]:
        classes, *_ = super().draw(labels)
        theirs = next(self.recorded)
        chosen = len(set(labels))
        assert classes[:chosen] == theirs["classes"][:chosen]
        assert len(classes) == len(theirs["classes"])
        return theirs["classes"], theirs["sentences"], theirs["text"], theirs["image"]


@pytest.mark.parametrize("name", case_names("lweib"))
def test_lweib(name: str) -> None:
    case = Case("lweib", name)
    official = case.config["LWEIB"]
    first, last = official["ADAPTER_START"], official["ADAPTER_END"]
    config = LwEIBConfig(
        first_block=first,
        last_block=last,
        scale=official["ADAPTER_SCALE"],
        fast_factor=official["ADAPTER_SCALE_FACTOR"],
        slow_share=official["SLOW_FAST_RATIO"],
        negatives=official["NEG_SAMPLING_RATIO"],
    )
    assert any(any(draw["text"] + draw["image"]) for draw in case.config["draws"]), "some block is fast"

    def parameters(method: LwEIB) -> dict[str, nn.Parameter]:
        found = {}
        for tower, part in (("text", method.trainable.text), ("visual", method.trainable.image)):
            for i in range(last - first + 1):
                stem = f"adapter_learner.{tower}_adapter.{first + i}"
                found[f"{stem}.att_conv.conv.weight"] = part.attention[i]
                if i < len(part.mlp):
                    found[f"{stem}.mlp_conv.conv.weight"] = part.mlp[i]
        return found

    method = RecordedDraws(tiny_backbone(), config, generator())
    method.recorded = iter(case.config["draws"])
    replay(method, case, parameters, classes_of=partial(described, case))


WIDE_TEACHER: dict[str, Any] = {
    "embed_dim": 96,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 32, "layers": 3, "width": 192, "head_width": 64, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 128, "heads": 2, "layers": 4},
}
"""The configuration of a CLIP that sees the same images as the tiny one and has other widths."""


@cache
def wide_teacher() -> Backbone:
    """A CLIP of that configuration with drawn weights, and a logit scale of 50."""
    model = loading.build_model(WIDE_TEACHER, initialise=False)
    shapes = {name: value.shape for name, value in model.state_dict().items() if name != "attn_mask"}
    drawn = drawn_networks(shapes) | {"logit_scale": torch.tensor(50.0).log()}
    loading.load_state(model, drawn, "the teacher")
    return Backbone(BackboneSpec("ViT-tiny", "random"), model)


def wide_teacher_prompts() -> dict[str, Tensor]:
    """Four prompts in each block of both towers, by the names of PromptSRC's code; deeper ones replace others."""
    wide, narrow = torch.Size([4, 192]), torch.Size([4, 128])
    shapes = {"image_encoder.VPT": wide, "prompt_learner.ctx": narrow}
    shapes |= {f"image_encoder.transformer.resblocks.{i}.VPT_shallow": wide for i in range(1, 3)}
    return drawn_networks(shapes | {f"text_encoder.transformer.resblocks.{i}.VPT_shallow": narrow for i in range(1, 4)})


def tuned_teacher(classes: ClassSet) -> Teacher:
    """The wide teacher with the recorded prompts of PromptSRC."""
    method, given = PromptSRC(wide_teacher(), PromptSRCConfig(), generator()), wide_teacher_prompts()
    method.trainable = method.make_parts()
    learned = prompts_of_both_towers(method)
    assert set(learned) == set(given)
    with torch.no_grad():
        for name, parameter in learned.items():
            parameter.copy_(given[name])
    needs = method.info.needs
    return Teacher(
        lambda pixels: method.image_features(pixel_batch(wide_teacher(), pixels, needs)).detach(),
        lambda others: method.text_features(others).detach(),
        wide_teacher().logit_scale,
        classes,
    )


@pytest.mark.parametrize("name", case_names("promptkd"))
def test_promptkd(name: str) -> None:
    case = Case("promptkd", name)
    official = case.config["PROMPTKD"]
    config = PromptKDConfig(
        n_visual=official["N_CTX_VISION"],
        visual_depth=official["PROMPT_DEPTH_VISION"],
        temperature=official["TEMPERATURE"],
        weight=official["KD_WEIGHT"],
    )

    def parameters(method: Any) -> dict[str, nn.Parameter]:
        ours, part = visual_prompts(method), method.trainable.visual_adapter
        for number, layer in ((0, part.first), (1, part.norm), (3, part.second)):
            ours |= {f"VPT_image_trans.conv1.{number}.{kind}": getattr(layer, kind) for kind in ("weight", "bias")}
        return ours

    method, classes = PromptKD(tiny_backbone(), config, generator()), class_set("all")
    teacher = tuned_teacher(classes)
    replay(method, case, parameters, support=replace(support_view(tiny_backbone(), classes), teacher=lambda: teacher))
