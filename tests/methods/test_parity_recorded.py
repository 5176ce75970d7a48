"""Methods whose official code is recorded by `tests/parity/record.py` compute what it computes, step by step."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from parity_kit import Case, case_names, generator, replay, tiny_backbone
from torch import nn

from bench.experiment.training_loop import Span, scheduled_rate
from datasets_registry import EvalProtocol
from methods import Backbone
from methods.clip_svd import CLIPSVD, CLIPSVDConfig
from methods.mmrl_pp import MMRLPlusPlus, MMRLPlusPlusConfig, SharedMap


def scale_100() -> Backbone:
    """The tiny CLIP with the logit scale that some official code fixes, whatever the model's own is."""
    backbone = copy.copy(tiny_backbone())
    backbone.logit_scale = 100.0
    return backbone


@pytest.mark.parametrize("name", case_names("mmrl_pp"))
def test_mmrl_pp(name: str) -> None:
    case = Case("mmrl_pp", name)
    official = case.config["MMRLPP"]
    config = MMRLPlusPlusConfig(
        n_tokens=official["N_REP_TOKENS"],
        dim=official["REP_DIM"],
        blocks=len(official["REP_LAYERS"]),
        class_weight=official["ALPHA"],
        weight=official["REG_WEIGHT"],
        new_share=official["BETA"],
        rank=official["RES_LORA_DIM"],
        projection_rank=official["PROJ_LORA_DIM"],
    )

    def mapped(prefix: str, part: SharedMap) -> dict[str, nn.Parameter]:
        found = {f"{prefix}.weight": part.weight}
        for i in range(len(part.biases)):
            for letter, values in (("A", part.up), ("B", part.down), ("bias", part.biases)):
                found[f"{prefix}.srra.{i}.{letter}"] = values[i]
        return found

    def parameters(method: Any) -> dict[str, nn.Parameter]:
        part, prefix = method.trainable, "representation_learner"
        ours = {f"{prefix}.compound_rep_tokens": part.tokens}
        ours |= mapped(f"{prefix}.srra_r2vproj", part.to_image) | mapped(f"{prefix}.srra_r2tproj", part.to_text)
        return ours | {"image_encoder.A": part.projection_up, "image_encoder.B": part.projection_down}

    method = MMRLPlusPlus(scale_100(), config, generator())
    replay(method, case, parameters, template="a photo of a {}, a type of pet.")


@pytest.mark.parametrize("name", case_names("clip_svd"))
def test_clip_svd(name: str) -> None:
    case = Case("clip_svd", name)

    def parameters(method: CLIPSVD) -> dict[str, nn.Parameter]:
        found: dict[str, nn.Parameter] = {}
        for prefix, tower in (("", method.trainable.text), ("visual.", method.trainable.image)):
            for i, block in enumerate(tower.blocks):
                parts = {f"attn.{letter}_proj": part for letter, part in zip("qkv", block.qkv, strict=True)}
                parts |= {"attn.proj": block.out, "mlp.c_fc": block.inner, "mlp.c_proj": block.outer}
                stem = f"{prefix}transformer.resblocks.{i}"
                found |= {f"{stem}.{part}.vector_S": values.values for part, values in parts.items()}
        return found

    method = CLIPSVD(tiny_backbone(), CLIPSVDConfig(logit_scale=100.0), generator())
    replay(method, case, parameters, template=case.config["template"])


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
