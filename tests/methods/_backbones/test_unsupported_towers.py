"""What is said about the towers of open_clip's architectures without loading them, beside the towers themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_file
from sweep_requests import sweep_over

from bench.launch.tasks import Outcome
from bench.sweep import LogStyle, carry_out, expand, make_plan, open_log
from datasets_registry import BenchError
from methods import (
    Backbone,
    BackboneSpec,
    WeightsError,
    check_weights_file,
    known_methods,
    load_backbone,
    parse_backbone,
)

UNMASKED = "ViT-unmasked"


@pytest.fixture
def unmasked(monkeypatch: pytest.MonkeyPatch) -> str:
    """A tiny random backbone whose text tower has no causal mask."""
    tiny = BackboneSpec("ViT-tiny", "random").config
    config = tiny | {"custom_text": True, "text_cfg": tiny["text_cfg"] | {"no_causal_mask": True}}
    monkeypatch.setattr("methods._backbones.backbone_spec.OWN_CONFIGS", {"ViT-tiny": tiny, UNMASKED: config})
    return f"{UNMASKED}.random"


def architectures_with_own_text_tower() -> Iterator[str]:
    for name in open_clip.list_models():
        if "hf_model_name" not in open_clip.get_model_config(name)["text_cfg"]:
            yield name


def test_a_text_tower_is_called_unusable_exactly_if_it_is() -> None:
    seen: dict[bool, int] = {True: 0, False: 0}
    tiny = load_backbone(parse_backbone("ViT-tiny.random"))
    for name in architectures_with_own_text_tower():
        config = open_clip.get_model_config(name)
        small = config["text_cfg"] | {"layers": 1, "width": 64, "heads": 1, "vocab_size": 8}
        tiny.model.text = open_clip.model._build_text_tower(64, small)
        reason = BackboneSpec(name, "random").text_tower_error
        try:
            Backbone(tiny.spec, tiny.model).text_tower  # noqa: B018  made on first use
        except BenchError:
            usable = False
        else:
            usable = "hf_tokenizer_name" not in config["text_cfg"]
        assert (reason is None) is usable, name
        seen[usable] += 1
    assert min(seen.values()) >= 10


@pytest.mark.parametrize(
    ("arch", "said"),
    [
        ("MobileCLIP-S1", "its text tower has no causal mask"),
        ("MobileCLIP2-S0", "its text tower has no causal mask"),
        ("ViT-L-14-CLIPA", "its text tower has no causal mask"),
        ("ViT-H-14-worldwide", "its text tower needs the tokenizer facebook/xlm-v-base and not CLIP's"),
        ("MobileCLIP-B", None),
        ("PE-Core-B-16", None),
        ("ViT-B-16", None),
    ],
)
def test_the_reason_is_the_towers_own(arch: str, said: str | None) -> None:
    assert BackboneSpec(arch, "random").text_tower_error == said


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
    assert BackboneSpec(arch, "random").image_tower_kind == kind


def test_depths_are_those_of_the_loaded_towers() -> None:
    backbone = load_backbone(parse_backbone("ViT-tiny.random"))
    found = backbone.spec.depth("text"), backbone.spec.depth("image")
    assert found == (backbone.text_depth, backbone.vision_depth)
    assert BackboneSpec("RN50", "random").depth("image") is None
    assert BackboneSpec("EVA02-B-16", "random").depth("image") is None


def test_every_setting_of_a_depth_is_checked_in_the_plan() -> None:
    known = known_methods()
    checked = {name for name in known if known.get(name).info.prompt_depths}
    assert checked >= {"vpt", "deep_text_prompts", "ivlp", "apex", "text_prompts_visual_adapter", "vpt_text_adapter"}
    for name in checked:
        for setting, tower in known.get(name).info.prompt_depths.items():
            for depth, fits in ((3, True), (4, False)):
                request = sweep_over(
                    [name], ["spectrum_basic"], ["ViT-tiny.random"], overrides=[f"{name}.{setting}={depth}"]
                )
                if fits:
                    assert expand(request).specs
                else:
                    with pytest.raises(
                        BenchError, match=f"{setting}=4, but the {tower} tower has 3 blocks; use 1 to 3"
                    ):
                        expand(request)


def test_only_methods_without_class_names_run_without_a_text_tower(unmasked: str, tmp_path: Path) -> None:
    request = sweep_over(
        ["linear_probe", "zero_shot", "coop"],
        ["spectrum_basic:test=1"],
        [unmasked],
        protocol="few-shot",
        shots=[1],
        seeds=[1],
        jobs=0,
        runs=tmp_path / "runs",
        cache=tmp_path / "cache",
    )
    log = open_log(LogStyle.NONE)
    made = make_plan(request, log)
    assert [spec.method for spec in made.pending] == ["linear_probe"]
    assert made.difficulties == ()
    assert {item.what for item in made.rejected} == {
        f"zero_shot on {unmasked}",
        f"coop on {unmasked}",
        f"difficulties for {unmasked}",
    }
    assert {item.reason for item in made.rejected} == {
        "its text tower has no causal mask; choose a CLIP, EVA-CLIP or CoCa backbone."
    }
    outcome = carry_out(made, request, log)
    assert [item.outcome for item in outcome.summary.finished] == [Outcome.OK]
    with pytest.raises(BenchError, match=f"{unmasked} cannot encode texts: its text tower has no causal mask; choose"):
        load_backbone(parse_backbone(unmasked)).encode_texts(["a"])


def test_a_weights_file_is_looked_at_before_any_run(tmp_path: Path) -> None:
    good, checkpoint, cut = tmp_path / "good.safetensors", tmp_path / "good.pt", tmp_path / "cut.safetensors"
    save_file({"a": torch.zeros(3)}, good)
    torch.save({"a": torch.zeros(3)}, checkpoint)
    cut.write_bytes(good.read_bytes()[:20])
    check_weights_file(good)
    check_weights_file(checkpoint)
    with pytest.raises(WeightsError, match="cut.safetensors is no safetensors file, or it is damaged. Copy it again"):
        check_weights_file(cut)
    (tmp_path / "page.pt").write_text("<html>404</html>")
    with pytest.raises(WeightsError, match="page.pt is no checkpoint of torch, or it is damaged"):
        check_weights_file(tmp_path / "page.pt")
    with pytest.raises(WeightsError, match="cannot be read: Is a directory"):
        check_weights_file(tmp_path)
