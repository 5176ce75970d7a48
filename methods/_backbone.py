"""The frozen CLIP that every method stands on: naming, loading, and the only view of open_clip in the project."""

from __future__ import annotations

import hashlib
import importlib
import json
import pickle
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import safetensors
import torch
from jaxtyping import Float, Int
from safetensors.torch import load_file
from torch import Tensor, nn

from datasets_registry._errors import BenchError, UnknownNameError
from datasets_registry._types import ClassSet
from methods._blocks import BlockView
from methods._demo import DEMO_ARCH, DEMO_CONFIG, DEMO_TAG, demo_state_dict
from methods._prompts import TextPrompts, TokenizedTexts, frozen_prompts
from methods._text import TextHook, TextTower
from methods._vision import BlockHook, run_image_tower, wrap_image_tower

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

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


def open_clip() -> ModuleType:
    """The library, imported on first use: it takes longer than torch itself, and planning a sweep seldom needs it."""
    return importlib.import_module("open_clip")


class WeightsError(BenchError, ValueError):
    """Weights that are missing, of the wrong shape, or whose activation cannot be told."""


Activation = Literal["quickgelu", "gelu"]
TEXT_CHUNK = 1024
"""Sentences encoded at a time; results do not depend on it beyond rounding."""
IMPORTED = "features"
"""Architecture of backbones that exist only as imported features: `features.<name>`."""


@dataclass(frozen=True)
class BackboneSpec:
    """Which backbone: an architecture and where its weights come from.

    Args:
        arch: open_clip architecture name, or one of ours (`ViT-demo`, `ViT-tiny`).
        tag: open_clip's pretrained tag, `random` (seeded weights, for speed tests), or `local-<digest>`.
        path: the local weights file, for a local tag.
        activation: what a local file was trained with; None where the architecture or tag says so.
    """

    arch: str
    tag: str
    path: Path | None = None
    activation: Activation | None = None

    @property
    def slug(self) -> str:
        """`arch.tag`, fit for file names."""
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
        for key in ("hf_model_name", "hf_tokenizer_name"):
            if key in config["text_cfg"]:
                raise BenchError(
                    f"Architecture {self.arch!r} has a Hugging Face text tower; choose one with CLIP's own."
                )
        config["quick_gelu"] = self._quick_gelu(config)
        return config

    def _quick_gelu(self, config: dict[str, Any]) -> bool:
        """Whether the weights were trained with QuickGELU; raises WeightsError where nothing says so."""
        named = bool(config.get("quick_gelu", False))
        if self.tag == "random":
            return named
        if self.path is not None:
            if self.activation is None and not named and "timm_model_name" not in config["vision_cfg"]:
                raise WeightsError(
                    f"Nothing says whether {self.path} was trained with QuickGELU; write "
                    f"{self.arch}={self.path},quickgelu (OpenAI's weights) or ...,gelu."
                )
            if named and self.activation == "gelu":
                raise WeightsError(f"{self.arch} is a QuickGELU architecture, but {self.path} was given as gelu.")
            return named or self.activation == "quickgelu"
        trained = bool(open_clip().get_pretrained_cfg(self.arch, self.tag).get("quick_gelu", False))
        if named and not trained:
            raise WeightsError(f"{self.arch} means QuickGELU, but {self.tag!r} was trained without; drop '-quickgelu'.")
        return trained

    @property
    def imported(self) -> bool:
        """Whether there are only features that somebody else computed, and no towers."""
        return self.arch == IMPORTED

    @property
    def is_vision_transformer(self) -> bool:
        """Whether the image tower has tokens, so that visual prompts are possible."""
        if self.imported:
            return False
        vision = self.config["vision_cfg"]
        timm_name = vision.get("timm_model_name")
        return timm_name.startswith("eva02") if timm_name else not isinstance(vision.get("layers"), list)


def parse_backbone(text: str) -> BackboneSpec:
    """Read `arch.tag`, or `ARCH=FILE[,quickgelu|,gelu]` for a local weights file.

    Raises:
        UnknownNameError: for an architecture or tag that open_clip does not know; near misses are listed.
        WeightsError: for a weights file that does not exist.
    """
    arch, equals, rest = text.partition("=")
    if equals:
        match = re.fullmatch(r"(.+?)(?:,(quickgelu|gelu))?", rest)
        path = Path(match.group(1)) if match else Path(rest)
        activation: Any = match.group(2) if match else None
        if not path.is_file():
            raise WeightsError(
                f"No weights file at {path}. Give ARCH=FILE, such as ViT-B-32=weights.safetensors,quickgelu."
            )
        digest = hashlib.sha256(path.read_bytes() + (activation or "").encode()).hexdigest()[:8]
        spec = BackboneSpec(arch, f"local-{digest}", path, activation)
        _ = spec.config
        return spec
    arch, dot, tag = text.partition(".")
    if not dot:
        raise UnknownNameError("backbone", text, SUGGESTED)
    if arch == IMPORTED:
        from methods._imported import find_imported

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


def list_backbones() -> dict[str, str]:
    """Slugs worth naming, each with a line; every other `arch.tag` of open_clip works as well."""
    return dict(SUGGESTED)


def build_model(config: dict[str, Any]) -> nn.Module:
    """An open_clip model with random weights from a model configuration."""
    config = json.loads(json.dumps(config))
    custom_text = config.pop("custom_text", False)
    if "multimodal_cfg" in config:
        model: nn.Module = open_clip().CoCa(**config)
    elif custom_text:
        model = open_clip().CustomTextCLIP(**config)
    else:
        model = open_clip().CLIP(**config)
    return model.float().eval()


def read_weights(path: Path) -> dict[str, Tensor]:
    """A state dict from safetensors or from a checkpoint, never unpickling code.

    Raises:
        WeightsError: if the file cannot be read as tensors alone.
    """
    try:
        if path.suffix == ".safetensors":
            state: Any = load_file(str(path))
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, ValueError, EOFError, OSError, safetensors.SafetensorError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(
            f"{path} cannot be read as plain tensors ({first}). Save the state dict as safetensors and give that file; "
            "TorchScript archives and pickled models are not opened."
        ) from error
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise WeightsError(f"{path} holds no state dict of tensors.")
    state = {re.sub(r"^module\.", "", k): v.float() if v.is_floating_point() else v for k, v in state.items()}
    for key in ("input_resolution", "context_length", "vocab_size", "attn_mask"):
        state.pop(key, None)
    return state


def load_state(model: nn.Module, state: dict[str, Tensor], where: str) -> None:
    """Load a state dict into an open_clip model, every key and shape fitting.

    Raises:
        WeightsError: naming the first few keys that are missing, left over, or of another shape.
    """
    own = model.state_dict()
    if "text.positional_embedding" in own and "positional_embedding" in state:
        state = open_clip().factory.convert_to_custom_text_state_dict(state)
    wrong = [
        f"{k} is {tuple(state[k].shape)}, needs {tuple(own[k].shape)}"
        for k in own
        if k in state and own[k].shape != state[k].shape
    ]
    missing = [f"{k} is missing" for k in own if k not in state]
    extra = [f"{k} is left over" for k in state if k not in own]
    if problems := wrong + missing + extra:
        more = f" (and {len(problems) - 4} more)" if len(problems) > 4 else ""
        raise WeightsError(
            f"{where} does not fit the architecture: {'; '.join(problems[:4])}{more}. "
            "Name the architecture it was trained with."
        )
    model.load_state_dict(state)


@lru_cache(maxsize=1)
def _tokenizer() -> Any:
    return open_clip().tokenizer.SimpleTokenizer()


def tokenize(texts: Sequence[str], context_length: int = 77) -> Int[Tensor, "n context"]:
    """CLIP's byte-pair tokens, padded with 0.

    Raises:
        BenchError: for a text longer than the context, which open_clip would cut in silence.
    """
    tokenizer = _tokenizer()
    rows = torch.zeros(len(texts), context_length, dtype=torch.long)
    for row, text in zip(rows, texts, strict=True):
        ids = [tokenizer.sot_token_id, *tokenizer.encode(text), tokenizer.eot_token_id]
        if len(ids) > context_length:
            raise BenchError(f"Text of {len(ids)} tokens does not fit the context of {context_length}: {text!r}.")
        row[: len(ids)] = torch.tensor(ids)
    return rows


@dataclass
class Passes:
    """How often the towers ran; the runner reads differences."""

    image: int = 0
    prompted_image: int = 0
    text: int = 0


@dataclass
class Backbone:
    """A frozen CLIP. Its parameters have no gradients and no method ever writes to them.

    Args:
        spec: what was asked for.
        model: the open_clip module.
        mean: per-channel mean of the preprocessing.
        std: per-channel standard deviation of the preprocessing.
    """

    spec: BackboneSpec
    model: Any
    mean: tuple[float, float, float] = CLIP_MEAN
    std: tuple[float, float, float] = CLIP_STD
    passes: Passes = field(default_factory=Passes)

    def __post_init__(self) -> None:
        self.model.requires_grad_(False).eval()
        visual = self.model.visual
        self.image_tower = wrap_image_tower(visual)
        self.text_tower = TextTower(getattr(self.model, "text", self.model))
        size = visual.image_size
        self.image_size: int = size[0] if isinstance(size, tuple) else size
        self.logit_scale = float(self.model.logit_scale.detach().exp())

    @property
    def slug(self) -> str:
        """`arch.tag`."""
        return self.spec.slug

    @property
    def embed_dim(self) -> int:
        """Width of the joint space."""
        projection = self.text_tower.modules.text_projection
        return int(projection.shape[1]) if isinstance(projection, Tensor) else int(self.text_tower.width)

    @property
    def text_width(self) -> int:
        """Width of the text tower."""
        return self.text_tower.width

    @property
    def text_depth(self) -> int:
        """Blocks of the text tower."""
        return len(self.text_tower.blocks)

    @property
    def vision_width(self) -> int:
        """Width of the image tower; 0 for a ResNet."""
        return self.image_tower.width

    @property
    def vision_depth(self) -> int:
        """Blocks of the image tower; 0 for a ResNet."""
        return self.image_tower.depth

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        device: torch.device = self.model.logit_scale.device
        return device

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256 (32 digits) of all weights, the activation and the preprocessing."""
        sha = hashlib.sha256(repr((self.spec.config["quick_gelu"], self.mean, self.std, self.image_size)).encode())
        for name, tensor in sorted(self.model.state_dict().items()):
            sha.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
            sha.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return sha.hexdigest()[:32]

    def encode_image(
        self,
        pixels: Float[Tensor, "batch 3 h w"],
        *,
        prompts: Sequence[Tensor] = (),
        before_block: BlockHook | None = None,
        blocks: Sequence[BlockView] = (),
        project: bool = True,
    ) -> Float[Tensor, "batch dim"]:
        """Image features, unnormalised; see `run_image_tower` for prompts, hooks and exchanged blocks."""
        if prompts or blocks or before_block is not None:
            self.passes.prompted_image += len(pixels)
        else:
            self.passes.image += len(pixels)
        return run_image_tower(
            self.image_tower, pixels, prompts=prompts, before_block=before_block, blocks=blocks, project=project
        )

    def tokenized(self, texts: Sequence[str]) -> TokenizedTexts:
        """Texts as tokens and embeddings, cut behind the longest one."""
        tokens = tokenize(texts, self.text_tower.context_length).to(self.device)
        eot = tokens.argmax(dim=1)
        tokens = tokens[:, : int(eot.max()) + 1]
        return TokenizedTexts(tokens, self.text_tower.embed(tokens), eot)

    def encode_prompts(
        self,
        prompts: TextPrompts,
        *,
        deep: Sequence[Tensor] = (),
        blocks: Sequence[BlockView] = (),
        before_block: TextHook | None = None,
        project: bool = True,
    ) -> Float[Tensor, "n_cls dim"]:
        """Text features of prompts, unnormalised; see `TextTower.encode`."""
        self.passes.text += len(prompts)
        return self.text_tower.encode(prompts, deep=deep, blocks=blocks, before_block=before_block, project=project)

    def encode_prompts_each(
        self, prompts: TextPrompts, prefixes: Float[Tensor, "batch n_prefix width"]
    ) -> Float[Tensor, "batch n_cls dim"]:
        """Text features of every class behind every image's own prefix; see `TextTower.encode_each`."""
        self.passes.text += len(prompts) * len(prefixes)
        return self.text_tower.encode_each(prompts, prefixes)

    def encode_texts(self, texts: Sequence[str]) -> Float[Tensor, "n dim"]:
        """Features of plain texts, unnormalised, without gradients."""
        with torch.no_grad():
            return self.encode_prompts(frozen_prompts(self.tokenized(texts)))

    def class_texts(self, classes: ClassSet, template: str) -> Float[Tensor, "n_cls dim"]:
        """Features of the filled template, one a class, unnormalised, without gradients.

        Where the classes have sentences of their own, these take the template's place: their normalised features are
        averaged, at the length that a sentence's feature has on average.
        """
        if classes.sentences is None:
            return self.encode_texts(classes.texts(template))
        flat = [sentence for sentences in classes.sentences for sentence in sentences]
        chunks = [self.encode_texts(flat[i : i + TEXT_CHUNK]) for i in range(0, len(flat), TEXT_CHUNK)]
        parts = torch.split(torch.cat(chunks), [len(sentences) for sentences in classes.sentences])
        return torch.stack([_mean_of(part) for part in parts])


def _mean_of(features: Float[Tensor, "n dim"]) -> Float[Tensor, " dim"]:
    """The mean direction of some features, at their mean length; one feature stays as it is."""
    if len(features) == 1:
        return features[0]
    lengths = features.norm(dim=-1, keepdim=True)
    mean = (features / lengths).mean(dim=0)
    return mean / mean.norm() * lengths.mean()


def load_backbone(spec: BackboneSpec, *, device: str = "cpu") -> Backbone:
    """Load a backbone; open_clip fetches named weights into its own cache the first time.

    Raises:
        WeightsError: if weights do not fit, cannot be read, or cannot be fetched.
    """
    if spec.imported:
        from methods._imported import ImportedBackbone, find_imported

        return ImportedBackbone(spec, find_imported(spec.tag), device)
    mean, std = CLIP_MEAN, CLIP_STD
    config = spec.config
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build_model(config)
    if spec.path is not None:
        load_state(model, read_weights(spec.path), str(spec.path))
    elif spec.arch == DEMO_ARCH and spec.tag == DEMO_TAG:
        load_state(model, demo_state_dict(), "the demo weights")
    elif spec.tag != "random":
        mean, std = _load_pretrained(model, spec, mean, std)
    return Backbone(spec, model.to(device), mean, std)


def _load_pretrained(
    model: nn.Module, spec: BackboneSpec, mean: tuple[float, ...], std: tuple[float, ...]
) -> tuple[Any, Any]:
    """Fetch open_clip's weights for the tag and load them; returns the preprocessing they were trained with."""
    facts = open_clip().get_pretrained_cfg(spec.arch, spec.tag)
    try:
        path = open_clip().download_pretrained(facts)
    except Exception as error:  # open_clip, urllib and the hub client share no base class
        raise WeightsError(
            f"The weights {spec.slug} could not be fetched ({type(error).__name__}: {error}). "
            f"With a copy on disk, give -b '{spec.arch}=FILE,{'quickgelu' if spec.config['quick_gelu'] else 'gelu'}'."
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        open_clip().load_checkpoint(model, path, weights_only=True)
    return tuple(facts.get("mean") or mean), tuple(facts.get("std") or std)
