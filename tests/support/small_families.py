"""Small models of each family of open_clip, with random weights and real tokenizers, as folders for `local-dir:`.

Each is one of open_clip's own configurations with fewer and narrower blocks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import timm
import tokenizers
import torch
import transformers
from safetensors.torch import save_file
from small_towers import build_model
from tokenizers import models, normalizers, pre_tokenizers, processors

from methods import Backbone, BackboneSpec, load_backbone, parse_backbone

FAMILIES = {
    "clip": "ViT-B-32",
    "resnet": "RN50",
    "convnext": "convnext_base",
    "eva02": "EVA02-B-16",
    "coca": "coca_ViT-B-32",
    "siglip": "ViT-B-16-SigLIP",
    "siglip2": "ViT-B-16-SigLIP2",
    "pe-core": "PE-Core-T-16-384",
    "mobileclip-b": "MobileCLIP-B",
    "mobileclip2-s": "MobileCLIP2-S0",
    "mobileclip2-l": "MobileCLIP2-L-14",
    "vitamin": "ViTamin-S",
    "clipa": "ViT-L-14-CLIPA",
    "metaclip2": "ViT-H-14-worldwide",
    "metaclip2-mt5": "ViT-L-14-worldwide",
    "biomedclip": "BiomedCLIP",
    "roberta": "coca_roberta-ViT-B-32",
    "xlm-r": "xlm-roberta-base-ViT-B-32",
    "mt5": "mt5-base-ViT-B-32",
    "nllb": "nllb-clip-base-siglip",
}
"""One architecture of each family."""
BERTS = {
    "biomedclip": transformers.BertConfig,
    "roberta": transformers.RobertaConfig,
    "xlm-r": transformers.XLMRobertaConfig,
}
TEXTS_OF_HUB = {"biomedclip", "roberta", "xlm-r", "mt5", "nllb"}
WORDS = (
    "x", "a", "photo", "of", "cat", "dog", "tree", "bird", "red", "blue", "square", "circle", "very", "old", "type",
)  # fmt: skip
_CLASS_WORDS = ("lotus", "rose", "tulip", "daisy", "iris", "poppy", "lily", "aster", "thing", "texture")


def _word_tokenizer(start: str | None, end: str, pad: str, *, lower: bool) -> transformers.PreTrainedTokenizerFast:
    """One token a word; special tokens as those of the family's own tokenizer."""
    special = [token for token in dict.fromkeys([pad, start, end, "<unk>"]) if token]
    letters = [chr(code) for code in range(33, 127)]
    vocabulary = {word: i for i, word in enumerate(dict.fromkeys([*special, *WORDS, *_CLASS_WORDS, "X", *letters]))}
    tokenizer = tokenizers.Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    if lower:
        tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    ids = [(token, vocabulary[token]) for token in (start, end) if token]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=" ".join(filter(None, [start, "$A", end])), special_tokens=ids
    )
    named: dict[str, Any] = {"pad_token": pad, "eos_token": end, "unk_token": "<unk>"}
    if start:
        named |= {"bos_token": start, "cls_token": start, "sep_token": end}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named)


def _tokenizer(family: str) -> transformers.PreTrainedTokenizerFast:
    if family == "siglip":  # T5's as SigLIP uses it: no start token, padded with the end token
        return _word_tokenizer(None, "</s>", "</s>", lower=True)
    if family in ("siglip2", "metaclip2-mt5", "mt5"):
        return _word_tokenizer(None, "</s>", "<pad>", lower=False)
    if family in ("clipa", "biomedclip"):  # BERT's
        return _word_tokenizer("[CLS]", "[SEP]", "[PAD]", lower=True)
    return _word_tokenizer("<s>", "</s>", "<pad>", lower=False)


def _timm_sizes(name: str) -> dict[str, Any]:
    if name.startswith("convnext"):
        return {"depths": (1, 1, 1, 1), "dims": (16, 16, 32, 32)}
    if name.startswith("fastvit"):
        return {"layers": (1, 1, 1, 1), "embed_dims": (16, 16, 32, 32)}
    if name.startswith("vitamin") or "_mci_" in name:  # the width is that of their convolutions
        return {"depth": 2}
    return {"depth": 2, "embed_dim": 96, "num_heads": 3, "img_size": SIZE}


SIZE = 56
"""Of the images of timm's transformers, in pixels; the others of timm keep their own."""


@contextmanager
def small_timm() -> Iterator[None]:
    """timm's models are made with two blocks, or one a stage."""
    create = timm.create_model
    with patch.object(timm, "create_model", lambda name, **given: create(name, **given, **_timm_sizes(name))):
        yield


def small_config(family: str, folder: Path) -> dict[str, Any]:
    """The family's configuration with small towers; a text tower of the hub is described in the folder."""
    config = BackboneSpec(FAMILIES[family], "random").config
    vision, text = config["vision_cfg"], config["text_cfg"]
    config["embed_dim"] = 96
    if isinstance(vision.get("layers"), list):
        vision |= {"layers": [1, 1, 1, 1], "width": 16, "image_size": 64}
    elif "timm_model_name" not in vision:
        vision |= {"layers": 2, "width": 64, "head_width": 32, "image_size": 32, "patch_size": 8}
        if vision.get("attentional_pool"):
            vision |= {"attn_pooler_heads": 2}
    elif "img_size" in _timm_sizes(vision["timm_model_name"]):
        vision["image_size"] = SIZE
    if "multimodal_cfg" in config:
        config["multimodal_cfg"] |= {"width": 64, "heads": 2, "layers": 1, "attn_pooler_heads": 2}
    if family in TEXTS_OF_HUB:
        text["hf_model_name"] = str(_text_model(family, folder))
        return config
    text |= {"layers": 2, "width": 64, "heads": 2}
    if "hf_tokenizer_name" in text:
        text |= {"vocab_size": len(_tokenizer(family)), "eos_id": _tokenizer(family).eos_token_id}
    return config


def _text_model(family: str, folder: Path) -> Path:
    """A small text model's configuration, for Hugging Face's `AutoConfig`."""
    tokenizer = _tokenizer(family)
    sizes: dict[str, Any] = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    if family in BERTS:
        config: Any = BERTS[family](
            hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
            max_position_embeddings=258, **sizes,
        )  # fmt: skip
    elif family == "mt5":
        config = transformers.MT5Config(d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2, **sizes)
    else:
        config = transformers.M2M100Config(
            d_model=32, encoder_layers=2, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
            encoder_ffn_dim=64, decoder_ffn_dim=64, **sizes,
        )  # fmt: skip
    place = folder / "text_model"
    config.save_pretrained(place)
    return place


@cache
def _kept_until_exit() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="small-models-")


@cache
def model_folder(family: str) -> Path:
    """A folder as open_clip's `push_to_hf_hub` writes it, with random weights."""
    folder = Path(_kept_until_exit().name) / family
    folder.mkdir()
    config = small_config(family, folder)
    if "hf_tokenizer_name" in config["text_cfg"]:
        _tokenizer(family).save_pretrained(folder)
    preprocessing = {"size": 32, "mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bilinear"}
    described = {"model_cfg": config, "preprocess_cfg": preprocessing | {"resize_mode": "squash"}}
    (folder / "open_clip_config.json").write_text(json.dumps(described))
    torch.manual_seed(0)
    with small_timm():
        model = build_model({"quick_gelu": False} | config)
    _spread(model)
    state = {key: value.contiguous().clone() for key, value in model.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")
    return folder


@torch.no_grad()
def _spread(model: torch.nn.Module) -> None:
    """Weights with which every part of a tower changes its features; the libraries' own start leaves most unchanged."""
    for name, parameter in model.named_parameters():
        if parameter.dim() >= 2:
            parameter.normal_(std=parameter[0].numel() ** -0.5)
        elif not name.startswith("logit_"):
            parameter.normal_(mean=1 if name.endswith(("weight", "gamma")) else 0, std=0.1)


@cache
def small_backbone(family: str) -> Backbone:
    """The family's small model, loaded as a user loads it."""
    folder = model_folder(family)
    with small_timm():
        return load_backbone(parse_backbone(f"local-dir:{folder}"))
