"""Names of backbones: an architecture and the source of its weights. Loads no torch."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from datasets_registry import BenchError, FeatureBundle, UnknownNameError, find_bundles
from methods._backbones.open_clip_names import open_clip
from methods._backbones.preprocessing import (
    FIELDS,
    OPENAI_PREPROCESSING,
    Preprocessing,
    preprocessing_of_file,
    preprocessing_of_tag,
)
from methods._backbones.weights_options import ACTIVATIONS, split_weights_options

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

SUGGESTED = {
    f"{DEMO_ARCH}.{DEMO_TAG}": "small CLIP trained on drawn images, ships with the package",
    "ViT-B-16.openai": "the field's standard",
    "ViT-B-32.openai": "smaller and faster",
    "ViT-L-14.openai": "larger",
    "RN50.openai": "ResNet; no visual prompts",
    "EVA02-B-16.merged2b_s8b_b131k": "EVA-02, used in APEX Table 15",
    "coca_ViT-B-32.laion2b_s13b_b90k": "CoCa, used in APEX Table 15",
}

Activation = Literal["quickgelu", "gelu"]
OTHER_TEXT_TOWER = "choose a CLIP, EVA-CLIP or CoCa backbone."
IMPORTED = "features"
"""Architecture of backbones that exist only as imported features: `features.<name>`."""


class WeightsError(BenchError, ValueError):
    """Weights that are missing, of the wrong shape, or of unknown activation."""


@dataclass(frozen=True)
class BackboneSpec:
    """A backbone: an architecture and the source of its weights.

    Args:
        arch: open_clip architecture name, or one of ours (`ViT-demo`, `ViT-tiny`).
        tag: open_clip's pretrained tag, `random` (seeded weights, for speed tests), or `local-<digest>`.
        path: the local weights file, for a local tag.
        activation: that a local file was trained with; None if the architecture or tag determines it.
        given_preprocessing: that a local file was trained with; None if the architecture or tag determines it.
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
        """open_clip's model configuration, `quick_gelu` as the weights were trained; empty for imported features."""
        if self.imported:
            return {}
        if self.arch in OWN_CONFIGS:
            return json.loads(json.dumps(OWN_CONFIGS[self.arch]))
        config = open_clip().get_model_config(self.arch)
        if config is None:
            raise UnknownNameError("architecture", self.arch, [*open_clip().list_models(), *OWN_CONFIGS])
        if "hf_model_name" in config["text_cfg"]:
            raise BenchError(f"Architecture {self.arch!r} has a Hugging Face text tower; choose one with CLIP's own.")
        config["quick_gelu"] = self._quick_gelu(config)
        return config

    def _quick_gelu(self, config: dict[str, Any]) -> bool:
        """Whether the weights were trained with QuickGELU; raises WeightsError if this is unknown."""
        named = bool(config.get("quick_gelu", False))
        if self.tag == "random":
            return named
        if self.path is not None:
            if self.activation is None and not named and "timm_model_name" not in config["vision_cfg"]:
                raise WeightsError(
                    f"It is unknown whether {self.path} was trained with QuickGELU; write "
                    f"{self.arch}={self.path},quickgelu (OpenAI's weights) or ...,gelu."
                )
            if named and self.activation == "gelu":
                raise WeightsError(f"{self.arch} is a QuickGELU architecture, but {self.path} was given as gelu.")
            return named or self.activation == "quickgelu"
        trained = bool(open_clip().get_pretrained_cfg(self.arch, self.tag).get("quick_gelu", False))
        if named and not trained:
            raise WeightsError(f"{self.arch} means QuickGELU, but {self.tag!r} was trained without; drop '-quickgelu'.")
        return trained

    @cached_property
    def preprocessing(self) -> Preprocessing:
        """How images were preprocessed when the weights were trained; OpenAI's way for random and for our own weights.

        Raises PreprocessingError if it is unknown.
        """
        if self.given_preprocessing is not None:
            return self.given_preprocessing
        if self.path is not None:
            return preprocessing_of_file(self.arch, {}, where=f"{self.arch}={self.path}")
        if self.imported or self.arch in OWN_CONFIGS or self.tag == "random":
            return OPENAI_PREPROCESSING
        return preprocessing_of_tag(self.arch, self.tag)

    @property
    def imported(self) -> bool:
        """Whether there are only imported features and no towers."""
        return self.arch == IMPORTED

    @property
    def is_vision_transformer(self) -> bool:
        """Whether the image tower is a transformer that takes further tokens: open_clip's own, or EVA-02."""
        if self.imported:
            return False
        vision = self.config["vision_cfg"]
        timm_name = vision.get("timm_model_name")
        return timm_name.startswith("eva02") if timm_name else not isinstance(vision.get("layers"), list)

    @property
    def image_tower_kind(self) -> str:
        """The image tower in words, for messages."""
        timm_name = self.config["vision_cfg"].get("timm_model_name")
        if timm_name is not None:
            return f"timm's {timm_name}"
        return "open_clip's vision transformer" if self.is_vision_transformer else "a ResNet"

    @property
    def text_tower_error(self) -> str | None:
        """Why the text tower cannot encode class names here, as a clause; None if it can."""
        if self.imported:
            return None
        text = self.config["text_cfg"]
        if text.get("no_causal_mask"):
            return "its text tower has no causal mask"
        if "hf_tokenizer_name" in text:
            return f"its text tower needs the tokenizer {text['hf_tokenizer_name']} and not CLIP's"
        return None

    def depth(self, tower: str) -> int | None:
        """Number of blocks of the `text` or `image` tower; None if the configuration does not say."""
        if self.imported:
            return None
        config = self.config["text_cfg" if tower == "text" else "vision_cfg"]
        layers = config.get("layers", 12)  # open_clip's default
        return layers if isinstance(layers, int) and "timm_model_name" not in config else None


def parse_backbone(text: str) -> BackboneSpec:
    """Read `arch.tag`, or `ARCH=FILE[,quickgelu|,gelu][,preprocess=TAG|,mean=...,std=...]` for a local weights file.

    The options of a file say what its weights were trained with: the activation, and the preprocessing as that of a
    pretrained tag of the architecture or by the fields of `Preprocessing`.

    Raises:
        UnknownNameError: for an architecture or tag that open_clip does not know; near misses are listed.
        WeightsError: for a weights file that does not exist, or options given twice.
        PreprocessingError: for preprocessing that is malformed or unknown.
    """
    arch, equals, rest = text.partition("=")
    if equals:
        return _local(arch, rest)
    arch, dot, tag = text.partition(".")
    if not dot:
        raise UnknownNameError("backbone", text, SUGGESTED)
    if arch == IMPORTED:
        find_imported(tag)
        return BackboneSpec(arch, tag)
    if arch in OWN_CONFIGS:
        tags = ["random", DEMO_TAG] if arch == DEMO_ARCH else ["random"]
    elif arch in open_clip().list_models():
        tags = ["random", *open_clip().list_pretrained_tags_by_model(arch)]
    else:
        raise UnknownNameError("architecture", arch, [*open_clip().list_models(), *OWN_CONFIGS])
    if tag not in tags:
        raise UnknownNameError(f"weights of {arch}", tag, tags)
    spec = BackboneSpec(arch, tag)
    _ = spec.config
    return spec


def _local(arch: str, text: str) -> BackboneSpec:
    file, suffix = split_weights_options(text)
    path = Path(file)
    if not path.is_file():
        raise WeightsError(
            f"No weights file at {path}. Give ARCH=FILE, such as ViT-B-32=weights.safetensors,quickgelu; options of a "
            f"file are quickgelu, gelu, preprocess=TAG and {', '.join(f'{name}=' for name in FIELDS)}."
        )
    given = suffix.split(",")[1:]
    activations = [option for option in given if option in ACTIVATIONS]
    named = [option.partition("=")[::2] for option in given if option not in ACTIVATIONS]
    options = dict(named)
    if len(activations) > 1 or len(options) < len(named):
        raise WeightsError(f"{arch}={text} has an option twice; give each once.")
    activation: Any = activations[0] if activations else None
    spec = BackboneSpec(arch, "local", path, activation)
    _ = spec.config
    where = f"{arch}={path}" + (f",{activation}" if activation else "")
    preprocessing = preprocessing_of_file(arch, options, where=where)
    # the preprocessing counts only if it is not OpenAI's, which was once used for every file
    facts = (activation or "") + ("" if preprocessing == OPENAI_PREPROCESSING else preprocessing.option_text)
    digest = hashlib.sha256(path.read_bytes() + facts.encode()).hexdigest()[:8]
    return BackboneSpec(arch, f"local-{digest}", path, activation, preprocessing)


def find_imported(tag: str) -> list[FeatureBundle]:
    """The bundles made with the backbone `features.<tag>`; raises UnknownNameError if there are none."""
    bundles = find_bundles()
    mine = [bundle for bundle in bundles if bundle.facts.backbone == tag]
    if not mine:
        known = {bundle.facts.backbone for bundle in bundles}
        raise UnknownNameError(f"backbone of imported features ({IMPORTED}.NAME)", tag, known)
    return mine


def list_backbones() -> dict[str, str]:
    """Suggested slugs with a description; every other `arch.tag` of open_clip works too."""
    return dict(SUGGESTED)
