"""What the two towers of an open_clip configuration support, found without building them. Loads no torch."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal

Config = Mapping[str, Any]
"""open_clip's `model_cfg`: `embed_dim`, `vision_cfg`, `text_cfg` and the rest."""


ImageKind = Literal["vit", "timm", "whole"]
"""Kinds of image towers; their classes are in `image_tower.py`.

`vit`: open_clip's vision transformer. `timm`: a vision transformer of timm. `whole`: runs only as a whole, without
tokens, so it takes no prompts (ResNet, ConvNeXt, FastViT, Swin).
"""


class TextKind(StrEnum):
    """Kinds of text towers; their classes are in `text_tower.py` and `whole_texts.py`."""

    CAUSAL = "causal, pooled at the end of the text"
    CLASS_TOKEN = "causal, pooled at an appended class token"
    UNMASKED = "without a causal mask"
    HUGGING_FACE = "a model of Hugging Face"
    """It runs on embeddings, but its blocks are not those of open_clip (BERT, RoBERTa, XLM-R, mT5, NLLB)."""
    WHOLE = "a text tower that takes whole texts only"
    """Runs only as a whole: it takes no learned vectors."""

    @property
    def cost_of_prompts(self) -> str:
        """How texts with learned vectors run, in words."""
        if self is TextKind.WHOLE:
            return "none: whole texts only"
        if self in (TextKind.CAUSAL, TextKind.CLASS_TOKEN):
            return "fast: what all class texts share runs once"
        return "slow: the text of every class runs from its first token"


_TRANSFORMERS = ("eva_", "eva02_", "vit_", "vitamin_")
_OTHERS = ("vit_relpos_", "vit_srelpos_")
_CUSTOM_BLOCK = ("qk_norm", "scaled_cosine_attn", "scale_heads", "scale_attn_inner", "scale_attn", "scale_fc")


def image_kind(config: Config) -> ImageKind:
    """The kind of the image tower. A timm model is recognised by its name."""
    vision = config["vision_cfg"]
    if name := vision.get("timm_model_name"):
        takes_tokens = name.startswith(_TRANSFORMERS) and not name.startswith(_OTHERS)
        return "timm" if takes_tokens else "whole"
    return "whole" if isinstance(vision.get("layers"), list) else "vit"


def text_kind(config: Config) -> TextKind:
    """The kind of the text tower."""
    text = config["text_cfg"]
    pool, unmasked = text.get("pool_type", "argmax"), text.get("no_causal_mask", False)
    if "hf_model_name" in text:
        return TextKind.HUGGING_FACE
    if has_custom_blocks(text):
        return TextKind.WHOLE
    if text.get("embed_cls"):
        return TextKind.WHOLE if unmasked else TextKind.CLASS_TOKEN
    if unmasked:
        return TextKind.UNMASKED if pool in ("last", "argmax") else TextKind.WHOLE
    return TextKind.CAUSAL if pool in ("argmax", "eos") else TextKind.WHOLE


def has_custom_blocks(tower: Config) -> bool:
    """Whether the blocks of one of open_clip's own towers differ from CLIP's, given its part of the configuration."""
    return tower.get("block_type") == "custom" or any(tower.get(name) for name in _CUSTOM_BLOCK)


def pools_by_attention(config: Config) -> bool:
    """Whether the image tower pools its tokens by attention (CoCa, SigLIP, PE-Core)."""
    vision = config["vision_cfg"]
    return bool(vision.get("attentional_pool")) or vision.get("timm_pool") == "map"


def ends_in_projection(config: Config) -> bool:
    """Whether the image tower ends in a matrix from its own width to the joint space (not in CoCa and SigLIP)."""
    vision = config["vision_cfg"]
    return not vision.get("attentional_pool") and vision.get("timm_proj") != "none"


def image_tower_name(config: Config) -> str:
    """The image tower in words, for messages."""
    if name := config["vision_cfg"].get("timm_model_name"):
        return f"timm's {name}"
    return "a ResNet" if image_kind(config) == "whole" else "open_clip's vision transformer"
