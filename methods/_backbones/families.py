"""Families of open_clip's architectures, named as in papers. Loads no torch."""

from collections.abc import Mapping
from typing import Any

from methods._backbones.backbone_spec import OWN_CONFIGS
from methods._backbones.open_clip_names import open_clip
from methods._towers.tower_facts import ImageKind, image_kind

_BY_NAME = (
    ("SigLIP2", "SigLIP 2"),
    ("SigLIP", "SigLIP"),
    ("PE-Core", "PE-Core"),
    ("MobileCLIP2", "MobileCLIP2"),
    ("MobileCLIP", "MobileCLIP"),
    ("ViTamin", "ViTamin"),
    ("CLIPA", "CLIPA"),
    ("worldwide", "MetaCLIP 2"),
    ("EVA", "EVA-CLIP"),
    ("coca_", "CoCa"),
    ("nllb-", "NLLB-CLIP"),
)
_TEXT_MODELS = (("xlm-roberta", "CLIP with XLM-R"), ("mt5", "CLIP with mT5"), ("roberta", "CLIP with RoBERTa"))


def family_of(arch: str, config: Mapping[str, Any]) -> str:
    """The family of an architecture.

    Args:
        config: open_clip's `model_cfg`.
    """
    if arch in OWN_CONFIGS:
        return "small CLIP of this package"
    for part, family in _BY_NAME:
        if part in arch:
            return family
    text_model = config["text_cfg"].get("hf_model_name", "")
    for part, family in _TEXT_MODELS:
        if part in text_model:
            return family
    timm_name = config["vision_cfg"].get("timm_model_name")
    if timm_name is not None:
        return "CLIP, ConvNeXt" if timm_name.startswith("convnext") else "CLIP, other image towers of timm"
    return "CLIP, ViT" if image_kind(config) is ImageKind.VIT else "CLIP, ResNet"


def known_architectures() -> dict[str, list[str]]:
    """Every architecture by name, with the tags of its pretrained weights."""
    library = open_clip()
    ours = {arch: ["drawn"] if arch == "ViT-demo" else [] for arch in OWN_CONFIGS}
    return ours | {arch: list(library.list_pretrained_tags_by_model(arch)) for arch in library.list_models()}
