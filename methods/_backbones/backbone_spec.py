"""A backbone as data: architecture, source of the weights, precision, what its towers support. Loads no torch."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from datasets_registry import UnknownNameError
from methods._backbones.model_folders import (
    FOLDER_ARCH,
    HUB_ARCH,
    MISSING_PACKAGE,
    WeightsError,
    folder_config,
    has_transformers,
    hub_config,
    hub_repository,
)
from methods._backbones.open_clip_library import open_clip_names
from methods._backbones.preprocessing import (
    OPENAI_PREPROCESSING,
    Preprocessing,
    preprocessing_of_config,
    preprocessing_of_file,
    preprocessing_of_tag,
)
from methods._backbones.published_weights import BIOMEDCLIP, BIOMEDCLIP_CONFIG, PUBLISHED, PublishedWeights
from methods._base.method_info import TowerUse
from methods._towers.tower_facts import (
    TextKind,
    ends_in_projection,
    has_custom_blocks,
    image_kind,
    image_tower_name,
    pools_by_attention,
    text_kind,
)

if TYPE_CHECKING:
    import torch


class Precision(StrEnum):
    """Precision of the towers; part of a run's identity. The official implementations mix fp32 and fp16.

    bf16 has the range of fp32, so training needs no loss scaling. Gradients through an fp16 tower would need it, so
    fp16 is only for methods that read features.
    """

    FP32 = "fp32"
    """True fp32: on CUDA, TF32 is switched off for matrix products and convolutions."""
    TF32 = "tf32"
    """fp32 with matrix products and convolutions in TF32, on NVIDIA GPUs."""
    BF16 = "bf16"
    FP16 = "fp16"

    @property
    def dtype(self) -> torch.dtype | None:
        """The type of matrix products that is half as wide as fp32; None for fp32 and TF32."""
        if self in (Precision.FP32, Precision.TF32):
            return None
        import torch

        return torch.bfloat16 if self is Precision.BF16 else torch.float16

    def arithmetic(self, device: torch.device) -> AbstractContextManager[object]:
        """A context in which matrix products and attention run in this precision (torch's autocast)."""
        if self.dtype is None:
            return nullcontext()
        import torch

        return torch.autocast(device.type, dtype=self.dtype)

    def name_on(self, device: torch.device) -> str:
        """The precision and, after a dot, the kind of GPU or torch's threads on a CPU, where there is more than one.

        Such as `fp32.cuda90` for capability 9.0, and `fp32.cpu4`.
        """
        import torch

        if device.type == "cpu":
            return str(self) + (f".cpu{threads}" if (threads := torch.get_num_threads()) > 1 else "")
        kind = "".join(map(str, torch.cuda.get_device_capability(device))) if device.type == "cuda" else ""
        return f"{self}.{device.type}{kind}"


DEMO_ARCH = "ViT-demo"
DEMO_TAG = "drawn"
DEMO_CONFIG: dict[str, Any] = {
    "embed_dim": 128,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 48, "layers": 4, "width": 128, "head_width": 64, "patch_size": 8, "mlp_ratio": 4.0},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 128, "heads": 2, "layers": 3},
}
"""open_clip's model configuration; head width 64 and QuickGELU keep it loadable by OpenAI's own code."""

TINY_CONFIG: dict[str, Any] = {
    "embed_dim": 64,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 32, "layers": 3, "width": 128, "head_width": 64, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 3},
}
OWN_CONFIGS: dict[str, dict[str, Any]] = {DEMO_ARCH: DEMO_CONFIG, "ViT-tiny": TINY_CONFIG}

Activation = Literal["quickgelu", "gelu"]
IMPORTED = "features"
"""Architecture of backbones that exist only as imported features: `features.<name>`."""


@dataclass(frozen=True)
class BackboneSpec:
    """A backbone: an architecture and the source of its weights.

    Args:
        arch: open_clip architecture name, one of ours (`ViT-demo`, `ViT-tiny`), `hf-hub` or `local-dir`.
        tag: open_clip's pretrained tag, `random` (seeded weights, for speed tests), `local-<digest>`, or for `hf-hub`
            the repository with `--` for its slash.
        path: the local weights file, for a local tag; the weights of a `local-dir` are beside its configuration.
        activation: that a local file was trained with; None if the architecture or tag determines it.
        given_preprocessing: what a local file was trained with; None if the architecture or tag determines it.
    """

    arch: str
    tag: str
    path: Path | None = None
    activation: Activation | None = None
    given_preprocessing: Preprocessing | None = None

    @property
    def slug(self) -> str:
        """`arch.tag`, usable in file names."""
        return f"{self.arch}.{self.tag}"

    @cached_property
    def config(self) -> dict[str, Any]:
        """open_clip's model configuration, with `quick_gelu` as in training; empty for imported features."""
        if self.imported:
            return {}
        if self.arch in OWN_CONFIGS:
            return json.loads(json.dumps(OWN_CONFIGS[self.arch]))
        if self.described is not None:
            config = json.loads(json.dumps(self.described["model_cfg"]))
            return {"quick_gelu": False} | config
        if self.arch == BIOMEDCLIP:
            return {"quick_gelu": False} | json.loads(json.dumps(BIOMEDCLIP_CONFIG))
        config = open_clip_names().get_model_config(self.arch)
        if config is None:
            raise UnknownNameError(
                "architecture", self.arch, [*open_clip_names().list_models(), BIOMEDCLIP, *OWN_CONFIGS]
            )
        config["quick_gelu"] = self._quick_gelu(config)
        return config

    @cached_property
    def described(self) -> dict[str, Any] | None:
        """The content of `open_clip_config.json`, for a model of the hub or in a folder; None for any other.

        Raises WeightsError if the file is not available or is not such a configuration.
        """
        if self.arch == HUB_ARCH:
            return hub_config(self.repository)
        if self.arch == FOLDER_ARCH:
            return folder_config(self.folder)
        return None

    @property
    def published(self) -> PublishedWeights | None:
        """The source of weights of this name that open_clip does not list; None for all others."""
        return PUBLISHED.get((self.arch, self.tag))

    @property
    def repository(self) -> str:
        """The repository of a model of the hub, `ORG/NAME`."""
        return hub_repository(self.tag)

    @property
    def folder(self) -> Path:
        """The folder of a `local-dir` model; raises WeightsError for any other backbone."""
        if self.path is None:
            raise WeightsError(f"{self.slug} has no folder; give local-dir:FOLDER.")
        return self.path.parent

    def _quick_gelu(self, config: dict[str, Any]) -> bool:
        """Whether the weights were trained with QuickGELU; raises WeightsError if this is unknown."""
        configured = bool(config.get("quick_gelu", False))
        if self.tag == "random":
            return configured
        if self.path is not None:
            if self.activation is None and not configured and "timm_model_name" not in config["vision_cfg"]:
                raise WeightsError(
                    f"It is unknown whether {self.path} was trained with QuickGELU; write "
                    f"{self.arch}={self.path},quickgelu (OpenAI's weights) or ...,gelu."
                )
            if configured and self.activation == "gelu":
                raise WeightsError(f"{self.arch} is a QuickGELU architecture, but {self.path} was given as gelu.")
            return configured or self.activation == "quickgelu"
        if self.published is not None:
            return self.published.activation == "quickgelu"
        trained = bool(open_clip_names().get_pretrained_cfg(self.arch, self.tag).get("quick_gelu", False))
        if configured and not trained and self.arch.endswith("-quickgelu"):
            raise WeightsError(
                f"{self.arch} means QuickGELU, but {self.tag!r} was trained with GELU; drop '-quickgelu'."
            )
        return configured or trained

    @cached_property
    def preprocessing(self) -> Preprocessing:
        """The preprocessing that the weights were trained with; OpenAI's for random weights and those of this package.

        Raises WeightsError if it is unknown.
        """
        if self.given_preprocessing is not None:
            return self.given_preprocessing
        if self.described is not None:
            return preprocessing_of_config(self.described, where=self.slug)
        if self.path is not None:
            return preprocessing_of_file(self.arch, {}, where=f"{self.arch}={self.path}")
        if self.imported or self.arch in OWN_CONFIGS or self.tag == "random":
            return OPENAI_PREPROCESSING
        return preprocessing_of_tag(self.arch, self.tag)

    @property
    def imported(self) -> bool:
        """Whether the backbone has only imported features and no towers."""
        return self.arch == IMPORTED

    @property
    def is_vision_transformer(self) -> bool:
        """Whether the image tower is a transformer that takes additional tokens: open_clip's own, or one of timm's."""
        return not self.imported and image_kind(self.config) != "whole"

    @property
    def learns_text(self) -> bool:
        """Whether the text tower takes learned vectors as input, and not only tokens."""
        return not self.imported and text_kind(self.config) is not TextKind.WHOLE

    @property
    def image_tower_name(self) -> str:
        """The image tower in words, for messages."""
        return image_tower_name(self.config)

    @property
    def tower_facts(self) -> dict[str, object]:
        """Both towers in words, with the facts that a user must know."""
        text = self.config["text_cfg"]
        return {
            "image_tower": self.image_tower_name,
            "text_tower": text.get("hf_model_name", str(text_kind(self.config))),
            "learned_texts": text_kind(self.config).cost_of_prompts,
            "tokenizer": "CLIP's" if self.tokenizer is None else self.tokenizer[0],
            "context": text.get("context_length", 77),  # open_clip's default
            "logit_bias": "init_logit_bias" in self.config,
        }

    def tower_error(self, use: TowerUse) -> str | None:
        """Why the towers do not support what a method does with them, as a clause; None if they do."""
        config = self.config
        if use == "image_blocks":
            if image_kind(config) != "vit" or has_custom_blocks(config["vision_cfg"]):
                return (
                    "it changes parts of the image tower's blocks, which only open_clip's own vision transformer "
                    f"allows; this one is {self.image_tower_name}"
                )
        elif use == "image_projection" and not ends_in_projection(config):
            return "it fine-tunes the projection of the pooled image, and this image tower has no such projection"
        elif use == "prompt_states" and pools_by_attention(config):
            return "it projects tokens of the image tower one by one, and this image tower pools them by attention"
        elif use == "text_blocks" and text_kind(config) is TextKind.HUGGING_FACE:
            return (
                "it changes parts of the text tower's blocks, which only open_clip's own text towers allow; this one "
                f"is {TextKind.HUGGING_FACE}"
            )
        elif use == "text_tokens":
            if (kind := text_kind(config)) is not TextKind.CAUSAL:
                return f"it replaces tokens inside the text tower, and this one is {kind}"
            if self.tokenizer is not None:
                return f"it replaces tokens inside the text tower, and this one has the tokenizer {self.tokenizer[0]}"
        return None

    @property
    def tokenizer(self) -> tuple[str, str] | None:
        """Source and options of the text tower's tokenizer, see `hub_tokenizer`; None for CLIP's own.

        The source of a model in a folder is this folder.
        """
        if self.imported or not (name := self.config["text_cfg"].get("hf_tokenizer_name")):
            return None
        options = self.config["text_cfg"].get("tokenizer_kwargs") or {}
        source = str(self.folder) if self.arch == FOLDER_ARCH else name
        return source, json.dumps(options, sort_keys=True)

    @property
    def text_tower_error(self) -> str | None:
        """Why the text tower cannot encode class names here, as a clause with the remedy; None if it can."""
        if self.imported or self.tokenizer is None:
            return None
        if not has_transformers():
            return f"its tokenizer {self.tokenizer[0]} needs {MISSING_PACKAGE}"
        if mode := self.config["text_cfg"].get("tokenizer_mode"):
            return f"its tokenizer has the mode {mode!r}, which is not supported; choose another backbone"
        return None

    def depth(self, tower: str) -> int | None:
        """Number of blocks of the `text` or `image` tower; None if the configuration does not give it."""
        if self.imported:
            return None
        config = self.config["text_cfg" if tower == "text" else "vision_cfg"]
        layers = config.get("layers", 12)  # open_clip's default
        has_other_library = "timm_model_name" in config or "hf_model_name" in config
        return layers if isinstance(layers, int) and not has_other_library else None
