"""`etl-bench backbones`: every architecture has a family, and what runs on it is what the plan allows."""

from __future__ import annotations

import json
import re

import open_clip
import pytest
from one_case import for_each
from small_families import model_folder

from bench.sweep.backbone_table import BackboneGroup, backbone_card, backbone_groups
from bench.sweep.rules import backbone_conflict
from datasets_registry import UnknownNameError
from methods import BackboneSpec, list_methods, parse_backbone


@pytest.fixture(scope="module")
def groups() -> list[BackboneGroup]:
    return backbone_groups()


def test_every_architecture_and_tag_is_in_one_group(groups: list[BackboneGroup]) -> None:
    listed = [(arch, tag) for group in groups for arch, tags in group.architectures.items() for tag in tags]
    published = [one for one in listed if BackboneSpec(*one).published is not None]
    assert len(published) == 9
    assert sorted(listed) == sorted([*map(tuple, open_clip.list_pretrained()), ("ViT-demo", "drawn"), *published])
    assert len({arch for group in groups for arch in group.architectures}) == len(open_clip.list_models()) + 3


@for_each(
    ("arch", "family"),
    [
        ("ViT-B-16", "CLIP, ViT"),
        ("RN50", "CLIP, ResNet"),
        ("EVA02-B-16", "EVA-CLIP"),
        ("ViT-B-16-SigLIP2", "SigLIP 2"),
        ("ViT-H-14-worldwide", "MetaCLIP 2"),
        ("roberta-ViT-B-32", "CLIP with RoBERTa"),
        ("swin_base_patch4_window7_224", "CLIP, other image towers of timm"),
        ("ViT-demo", "small CLIP of this package"),
    ],
)
def test_an_architecture_is_in_its_family(groups: list[BackboneGroup], arch: str, family: str) -> None:
    (found,) = (group for group in groups if arch in group.architectures)
    assert found.family == family
    spec = BackboneSpec(arch, "random")
    refused = {info.name for info in list_methods() if backbone_conflict(info, spec)}
    assert refused == {name for names in found.left_out.values() for name in names}
    assert set(found.runs) == {info.name for info in list_methods()} - refused
    assert parse_backbone(found.example).slug == found.example


def test_the_card_of_published_weights_states_their_source() -> None:
    card = backbone_card("ViT-B-32.remoteclip")
    assert card["weights_of"] == "RemoteCLIP"
    assert card["weights_file"] == "hf-hub:chendelong/RemoteCLIP, RemoteCLIP-ViT-B-32.pt"
    assert card["weights_revision"].startswith("unverified")
    assert card["activation"].startswith("quickgelu; retrieval.py loads the")
    assert "Apache-2.0 for the code" in card["licence"]
    assert backbone_card("ViT-B-32.openai").keys() < card.keys()


def test_the_card_of_a_backbone() -> None:
    card = backbone_card("ViT-B-16-SigLIP2")
    assert (card["family"], card["context"], card["logit_bias"]) == ("SigLIP 2", 64, True)
    assert card["tokenizer"] == "timm/ViT-B-16-SigLIP2"
    assert card["pretrained"] == ["webli"]
    assert "coop" in card["methods"]
    assert "fast: what all class" in backbone_card("ViT-B-16")["learned_texts"]
    (reason,) = (reason for reason, names in card["left_out"].items() if "clip_lora" in names)
    assert "one is timm's vit_base_patch16_siglip_224" in reason
    assert backbone_card("ViT-B-16.openai")["left_out"] == {}
    folder = backbone_card(f"local-dir:{model_folder('xlm-r')}")
    assert folder["text_tower"] == str(model_folder("xlm-r") / "text_model")
    assert {"coop", "cocoop", "kgcoop", "prograd", "maple"} <= {*folder["methods"]}
    assert "slow: the text" in folder["learned_texts"]
    (reason,) = (reason for reason, names in folder["left_out"].items() if "tcp" in names)
    assert "model of Hugging Face" in reason
    (reason,) = (reason for reason, names in folder["left_out"].items() if "clip_lora" in names)
    assert "text tower's blocks" in reason
    with pytest.raises(UnknownNameError, match="Did you mean"):
        backbone_card("ViT-B-16-SigLIP3.webli")


def test_the_list_is_short_and_its_examples_are_whole(etl, groups: list[BackboneGroup], monkeypatch) -> None:
    monkeypatch.setattr("bench.sweep.backbone_groups", lambda _family: groups)
    rows = json.loads(etl("backbones", "--json")[1])
    assert rows == json.loads(etl("backbones", "list", "--json")[1])
    of_family = {row["family"]: row for row in rows}
    assert of_family["CLIP, ViT"]["left_out"] == {}
    assert not of_family["CLIP, ViT"]["example"].endswith(".random"), "there are pretrained weights"
    assert "meta" in of_family["PE-Core"]["architectures"]["PE-Core-B-16"]
    monkeypatch.setattr("bench.cli._print.terminal_width", lambda _: 80)
    _, out, err = etl("backbones", "list")
    assert err.startswith(f"{len(of_family)} families, ")
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 2 * len(of_family)
    printed = [word for line in lines for word in line.split() if word in {row["example"] for row in rows}]
    assert len(printed) == len(of_family)


def test_the_command_prints_a_card(etl) -> None:
    code, out, _ = etl("backbones", "RN50")
    assert code == 0
    assert "must be a vision transformer" in " ".join(out.split())
    code, _, err = etl("backbones", "hf-hub:nothing")
    assert code == 2
    assert "write hf-hub:ORG/NAME" in err


def test_a_family_is_shown_by_its_name(etl) -> None:
    _, out, _ = etl("backbones", "pe-core")
    assert re.search(r"family +PE-Core\n", out)
    assert "PE-Core-B-16.meta" in out
    assert "attention" in out
    groups = json.loads(etl("backbones", "show", "MobileCLIP", "--json")[1])
    assert [row["family"] for row in groups] == ["MobileCLIP"] * 2
