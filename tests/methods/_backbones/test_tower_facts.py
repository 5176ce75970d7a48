"""What is known about the towers of open_clip's architectures without loading them equals the built images."""

from __future__ import annotations

import json
import re
from copy import copy
from pathlib import Path

import open_clip
import pytest
import torch
from parity_kit import tiny_backbone
from small_families import model_folder, small_timm
from sweep_requests import sweep_over

from bench.results import known_methods
from bench.sweep import LogStyle, carry_out, expand, make_plan, open_log
from bench.sweep.launch.tasks import Outcome
from datasets_registry import BenchError
from methods import Backbone, BackboneSpec, WeightsError, load_backbone, parse_backbone

SIZES = {"image_size", "patch_size", "width", "head_width", "mlp_ratio", "layers"}
"""Numbers in the configuration of an image tower."""


def with_text_tower(text: dict) -> Backbone:
    """The tiny backbone with another text tower, of open_clip's configuration."""
    model = copy(tiny_backbone().model)
    model._modules = model._modules | {"text": open_clip.model._build_text_tower(64, text)}
    return Backbone(tiny_backbone().spec, model)


def test_the_kind_of_a_text_tower_is_that_of_the_built_one() -> None:
    seen = set()
    for name in open_clip.list_models():
        config = open_clip.get_model_config(name)
        spec, kind = BackboneSpec(name, "random"), BackboneSpec(name, "random").tower_facts["text_tower"]
        if "hf_model_name" in config["text_cfg"]:
            assert spec.learns_text
            assert "slow: the text" in spec.tower_facts["learned_texts"]
            continue
        small = config["text_cfg"] | {"layers": 1, "width": 64, "heads": 1, "vocab_size": 8}
        tower = with_text_tower(small).text_tower
        assert (type(tower).__name__ == "UnmaskedTextTower") is (kind == "without a causal mask"), name
        assert (tower.cls_embedding is not None) is (kind == "causal, pooled at an appended class token"), name
        seen.add(kind)
    assert len(seen) == 3


def kind_of_image_tower(config: dict) -> str:
    """The configuration of an image tower without its size, which does not change its kind."""
    vision = {key: value for key, value in config["vision_cfg"].items() if key not in SIZES}
    if isinstance(config["vision_cfg"].get("layers"), list):
        vision["layers"] = "a ResNet"
    vision["timm_model_name"] = re.sub(r"_\d+$", "", vision.get("timm_model_name", ""))
    return json.dumps(vision, sort_keys=True)


@pytest.mark.slow  # builds all image towers, without memory; tests/methods/_towers/test_families.py builds one a family
def test_the_kind_of_an_image_tower_is_that_of_the_built_one() -> None:
    tiny = load_backbone(parse_backbone("ViT-tiny.random"))
    transformer: dict[str, bool] = {}
    for name in open_clip.list_models():
        config = open_clip.get_model_config(name)
        kind = kind_of_image_tower(config)
        if kind not in transformer:
            with torch.device("meta"):
                tiny.model.visual = open_clip.model._build_vision_tower(config["embed_dim"], config["vision_cfg"])
            transformer[kind] = Backbone(tiny.spec, tiny.model).image_tower.transformer
        assert BackboneSpec(name, "random").is_vision_transformer is transformer[kind], name
    assert len(transformer) > 20


@pytest.mark.parametrize(
    ("text", "learns"),
    [
        ({"qk_norm": True}, False),
        ({"pool_type": "first"}, False),
        ({"no_causal_mask": True, "pool_type": "eos"}, False),
        ({"embed_cls": True, "no_causal_mask": True}, False),
        ({"pool_type": "eos"}, True),
    ],
)
def test_unusual_text_towers_run_as_a_whole(text: dict, learns: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = BackboneSpec("ViT-tiny", "random").config
    config = tiny | {"text_cfg": tiny["text_cfg"] | text}
    monkeypatch.setattr("methods._backbones.backbone_spec.OWN_CONFIGS", {"ViT-tiny": tiny, "ViT-odd": config})
    assert BackboneSpec("ViT-odd", "random").learns_text is learns
    assert (with_text_tower(config["text_cfg"]).text_width > 0) is learns


@pytest.mark.parametrize(
    ("arch", "kind"),
    [
        ("PE-Core-B-16", "timm's vit_pe_core_base_patch16_224"),
        ("MobileCLIP-B", "timm's vit_base_mci_224"),
        ("RN50", "a ResNet"),
        ("ViT-B-16", "open_clip's vision transformer"),
    ],
)
def test_the_kind_of_the_image_tower(arch: str, kind: str) -> None:
    assert BackboneSpec(arch, "random").image_tower_name == kind


def test_depths_are_those_of_the_loaded_towers() -> None:
    backbone = load_backbone(parse_backbone("ViT-tiny.random"))
    found = backbone.spec.depth("text"), backbone.spec.depth("image")
    assert found == (backbone.text_depth, backbone.vision_depth)
    assert BackboneSpec("RN50", "random").depth("image") is None
    assert BackboneSpec("EVA02-B-16", "random").depth("image") is None


def test_every_setting_of_a_depth_is_checked_in_the_plan() -> None:
    known = known_methods()
    checked = {name for name in known if known.get(name).prompt_depths}
    assert checked >= {"vpt", "deep_text_prompts", "ivlp", "apex", "text_prompts_visual_adapter", "vpt_text_adapter"}
    for name in checked:
        for setting, tower in known.get(name).prompt_depths.items():
            for depth, fits in ((3, True), (4, False)):
                overrides = [f"{name}.{setting}={depth}"]
                request = sweep_over([name], ["spectrum_basic"], ["ViT-tiny.random"], overrides=overrides)
                if fits:
                    assert expand(request).specs
                else:
                    with pytest.raises(BenchError, match=f"{setting}=4, but the {tower} tower has 3 blocks"):
                        expand(request)


def test_only_methods_without_class_names_run_without_the_tokenizers_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    siglip = f"local-dir:{model_folder('siglip2')}"
    slug = parse_backbone(siglip).slug
    for module in ("backbone_spec", "backbone_names"):
        monkeypatch.setattr(f"methods._backbones.{module}.has_transformers", lambda: False)
    request = sweep_over(
        ["linear_probe", "zero_shot", "coop"], ["spectrum_basic:test=1"], [siglip], protocol="few-shot", shots=[1],
        seeds=[1], jobs=0, runs=tmp_path / "runs", cache=tmp_path / "cache",
    )  # fmt: skip
    log = open_log(LogStyle.NONE)
    made = make_plan(request, log)
    assert [spec.method for spec in made.pending] == ["linear_probe"]
    assert made.difficulties == ()
    assert {item.what for item in made.left_out} == {
        f"zero_shot on {slug}", f"coop on {slug}", f"difficulties for {slug}"
    }  # fmt: skip
    assert {item.reason for item in made.left_out} == {
        f"its tokenizer {model_folder('siglip2')} needs the package transformers "
        "(pip install 'clip-etl-bench[transformers]')."
    }
    with small_timm():
        outcome = carry_out(made, log)
        assert [item.outcome for item in outcome.summary.finished] == [Outcome.OK]
        with pytest.raises(BenchError, match=f"{slug} cannot encode texts: its tokenizer .* needs the packag"):
            load_backbone(parse_backbone(siglip)).encode_texts(["a"])
    with pytest.raises(WeightsError, match="tower of nllb-clip-base.random, facebook/nllb.*"):
        parse_backbone("nllb-clip-base.random")
