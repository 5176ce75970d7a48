"""The frozen CLIP that every method uses. Methods use its two towers only through this class."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property, wraps
from typing import Any, Concatenate, ParamSpec

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from datasets_registry import BenchError, ClassSet
from methods._backbones.backbone_spec import BackboneSpec, Precision
from methods._backbones.frozen_model import FrozenModel
from methods._backbones.preprocessing import OPENAI_PREPROCESSING, Preprocessing
from methods._base.devices import on_device
from methods._base.method_info import Sizes
from methods._text.prompt_embeddings import TextPrompts, TokenizedTexts, frozen_prompts
from methods._text.tokenizers import CLIP_TOKENIZER, HubTokenizer, Tokenizer, hub_tokenizer, name_lengths, tokenize
from methods._towers.blocks import BlockView
from methods._towers.image_tower import (
    BlockHook,
    ImageTower,
    continue_image_tower,
    image_hidden_states,
    image_level_states,
    image_views,
    run_image_tower,
)
from methods._towers.read_only_tokens import encode_read_only_image, encode_read_only_text
from methods._towers.text_hidden_states import TextHidden, continue_text_tower, text_hidden
from methods._towers.text_tower import TextHook, TextTower
from methods._towers.tower_facts import TextKind
from methods._towers.whole_texts import encode_whole_texts

TEXT_CHUNK = 1024
"""Sentences encoded at a time; it changes results by rounding only."""
CLASS_LISTS = 8
"""How many pairs of class list and template keep their tokens and embeddings: 51 MB each for 1,000 classes."""


TextMemory = Callable[[Sequence[str], Callable[[], Tensor]], Tensor]
"""`memory(texts, compute)` returns the features of plain texts, either stored ones or those of `compute()`."""


def compute_without_memory(texts: Sequence[str], compute: Callable[[], Tensor]) -> Tensor:  # noqa: ARG001
    """Compute every time."""
    return compute()


P = ParamSpec("P")


def in_precision(forward: Callable[Concatenate[Backbone, P], Tensor]) -> Callable[Concatenate[Backbone, P], Tensor]:
    """Run a forward pass in the backbone's precision and return its result in fp32."""

    @wraps(forward)
    def run(self: Backbone, /, *args: P.args, **kwargs: P.kwargs) -> Tensor:
        with self.precision.arithmetic(self.device):
            return forward(self, *args, **kwargs).float()

    return run


@dataclass
class Passes:
    """Counts forward passes of the towers; the runner reads differences. Part of the blocks counts as that share."""

    image: Fraction = Fraction(0)
    prompted_image: Fraction = Fraction(0)
    text: Fraction = Fraction(0)


@dataclass
class Backbone:
    """A frozen CLIP. Its parameters have no gradients and no method ever writes to them.

    Its logits are `logit_scale * cos(image, text)`. A model that was trained with a sigmoid loss (SigLIP) also has a
    `logit_bias`, the same for every pair, so a softmax over classes does not depend on it.

    Args:
        model: the open_clip module.
        text_memory: stores features of plain texts.
        precision: arithmetic inside the towers; results are always fp32.
    """

    spec: BackboneSpec
    model: Any
    passes: Passes = field(default_factory=Passes)
    text_memory: TextMemory = compute_without_memory
    precision: Precision = Precision.FP32

    def __post_init__(self) -> None:
        self.model.requires_grad_(False).eval()
        self.frozen = FrozenModel(self.model)
        self._class_tokens: OrderedDict[tuple[ClassSet, str, bool], TokenizedTexts] = OrderedDict()
        self.image_tower = self.frozen.image_tower
        size = self.model.visual.image_size
        self.image_size: int = size[0] if isinstance(size, tuple) else size
        self.logit_scale = float(self.model.logit_scale.detach().exp())
        bias = getattr(self.model, "logit_bias", None)
        self.logit_bias = None if bias is None else float(bias.detach())

    @cached_property
    def text_tower(self) -> TextTower:
        """The text tower that runs on prompts; raises BenchError for one that runs only as a whole."""
        if self.frozen.text_tower is None:
            raise BenchError(f"{self.spec.slug} has {TextKind.WHOLE}; use a method with plain class texts.")
        return self.frozen.text_tower

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The text tower's tokenizer; raises BenchError if it is not available."""
        if (reason := self.spec.text_tower_error) is not None:
            raise BenchError(f"{self.spec.slug} cannot encode texts: {reason}.")
        return CLIP_TOKENIZER if self.spec.tokenizer is None else hub_tokenizer(*self.spec.tokenizer)

    @property
    def _image(self) -> ImageTower:
        """The image tower that runs, with weights in the given precision; those of `image_tower` stay in fp32."""
        return self.frozen.in_precision(self.precision).image_tower

    @property
    def _text(self) -> TextTower:
        """The text tower that runs, as `_image` for images."""
        tower = self.frozen.in_precision(self.precision).text_tower
        return self.text_tower if tower is None else tower  # raises for a tower without prompts

    @property
    def slug(self) -> str:
        """`arch.tag`."""
        return self.spec.slug

    @property
    def preprocessing(self) -> Preprocessing:
        """How images are resized and normalised."""
        return self.spec.preprocessing

    @cached_property
    def sizes(self) -> Sizes:
        """The sizes of both towers; those of a text tower that runs only as a whole are 0."""
        text, visual = self.frozen.text_tower, self.image_tower.visual
        return Sizes(
            embed_dim=self.frozen.embed_dim,
            text_width=0 if text is None else text.width,
            text_blocks=0 if text is None else len(text.blocks),
            image_width=self.image_tower.width,
            image_blocks=self.image_tower.depth,
            image_parameters=sum(weight.numel() for weight in visual.parameters()),
        )

    @property
    def embed_dim(self) -> int:
        """Width of the joint space."""
        return self.sizes.embed_dim

    @property
    def text_width(self) -> int:
        """Width of the text tower; 0 for a tower that runs only as a whole."""
        return self.sizes.text_width

    @property
    def text_depth(self) -> int:
        """Number of blocks of the text tower; 0 for a tower that runs only as a whole."""
        return self.sizes.text_blocks

    @property
    def vision_width(self) -> int:
        """Width of the image tower; 0 for a ResNet."""
        return self.sizes.image_width

    @property
    def vision_depth(self) -> int:
        """Number of blocks of the image tower; 0 for a ResNet."""
        return self.sizes.image_blocks

    @property
    def text_blocks(self) -> Sequence[BlockView]:
        """The blocks of the text tower that runs, for methods that replace parts of some.

        Weights of matrix products have the given precision. Methods that copy weights read those of `text_tower`.
        """
        return self._text.views

    @property
    def image_blocks(self) -> Sequence[BlockView]:
        """The blocks of the image tower that runs, as `text_blocks`; raises BenchError as `image_views` does."""
        return image_views(self._image)

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        device: torch.device = self.model.logit_scale.device
        return device

    @property
    def arithmetic(self) -> str:
        """The precision and what computes, as `Precision.name_on` gives it, such as `fp32.cuda90` or `fp32.cpu4`.

        Features of the same weights and pixels are bit-identical only if this is equal.
        """
        return self.precision.name_on(self.device)

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256 (32 digits) of all weights, the activation and the preprocessing."""
        how = self.spec.preprocessing
        facts: tuple[object, ...] = (self.spec.config["quick_gelu"], how.mean, how.std, self.image_size)
        if how != replace(OPENAI_PREPROCESSING, mean=how.mean, std=how.std):
            # OpenAI's resizing is left out, so that features that were cached with it stay valid
            facts += (how.interpolation, how.resize_mode, how.fill_color)
        if self.spec.text_tower_error is None and isinstance(self.tokenizer, HubTokenizer):
            facts += (self.tokenizer.digest,)
        if self.spec.described is not None:
            facts += (json.dumps(self.spec.config, sort_keys=True),)
        sha = hashlib.sha256(repr(facts).encode())
        for name, tensor in sorted(self.model.state_dict().items()):
            sha.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
            sha.update(tensor.detach().cpu().contiguous().numpy().reshape(-1))  # without a copy of the bytes
        return sha.hexdigest()[:32]

    @in_precision
    def encode_image(
        self,
        pixels: Float[Tensor, "batch 3 h w"],
        *,
        prompts: Sequence[Tensor] = (),
        before_block: BlockHook | None = None,
        blocks: Sequence[BlockView] = (),
        norms: tuple[nn.Module, nn.Module] | None = None,
        project: bool = True,
    ) -> Float[Tensor, "batch dim"]:
        """Image features, unnormalised; see `run_image_tower` for prompts, hooks, replaced blocks and norms."""
        if prompts or blocks or norms or before_block is not None:
            self.passes.prompted_image += len(pixels)
        else:
            self.passes.image += len(pixels)
        changes: dict[str, Any] = {"prompts": prompts, "before_block": before_block, "blocks": blocks, "norms": norms}
        return run_image_tower(self._image, pixels, **changes, project=project)

    @in_precision
    def image_hidden(self, pixels: Float[Tensor, "batch 3 h w"], first: int) -> Float[Tensor, "batch tokens width"]:
        """Tokens of the frozen tower before block `first` (from 0), without gradients."""
        self.passes.image += Fraction(first, self.vision_depth or 1) * len(pixels)
        with torch.no_grad():
            return image_hidden_states(self._image, pixels, first)

    @in_precision
    def image_levels(
        self, pixels: Float[Tensor, "batch 3 h w"], after: Sequence[int]
    ) -> Float[Tensor, "levels batch tokens width"]:
        """Tokens of the frozen tower after each of these numbers of blocks, without gradients."""
        self.passes.image += Fraction(max(after), self.vision_depth or 1) * len(pixels)
        with torch.no_grad():
            return image_level_states(self._image, pixels, after)

    @in_precision
    def continue_image(
        self,
        hidden: Float[Tensor, "batch tokens width"],
        first: int,
        *,
        prompts: Sequence[Tensor] = (),
        blocks: Sequence[BlockView] = (),
        kept: float = 0.0,
        tower: ImageTower | None = None,
    ) -> Float[Tensor, "batch all_tokens width"]:
        """Tokens after the last block, from those before block `first`; see `continue_image_tower`.

        `tower` runs instead of the frozen one.
        """
        self.passes.prompted_image += Fraction(self.vision_depth - first, self.vision_depth) * len(hidden)
        return continue_image_tower(tower or self._image, hidden, first, prompts=prompts, blocks=blocks, kept=kept)

    def tokenized(self, texts: Sequence[str]) -> TokenizedTexts:
        """Texts as tokens and embeddings, cut after the longest one.

        Embeddings are those of the fp32 weights in every precision.
        """
        tokenizer, embedding = self.tokenizer, self.text_tower.token_embedding
        tokens = self._whole_context(texts)
        eot = self.text_tower.ends(tokens, tokenizer)
        tokens = tokens[:, : int(eot.max()) + 1]
        embedded = embedding(on_device(tokens, embedding.weight.device))
        return TokenizedTexts(tokens, embedded, eot, tokenizer.n_start, tokenizer.pad)

    def _whole_context(self, texts: Sequence[str]) -> Int[Tensor, "n context"]:
        """Tokens padded to the whole context; raises BenchError for a longer text."""
        return tokenize(texts, self.spec.config["text_cfg"].get("context_length", 77), self.tokenizer)  # its default

    def name_lengths(self, names: Sequence[str]) -> tuple[int, ...]:
        """Tokens of each class name alone, without start and end of text."""
        return name_lengths(names, self.tokenizer)

    def class_tokens(self, classes: ClassSet, template: str, *, keep_underscores: bool = False) -> TokenizedTexts:
        """`tokenized` for the filled template of each class; the last few class lists are cached for later steps."""
        key, cached = (classes, template, keep_underscores), self._class_tokens
        if key not in cached:
            cached[key] = self.tokenized(classes.texts(template, keep_underscores=keep_underscores))
            while len(cached) > CLASS_LISTS:
                cached.popitem(last=False)
        cached.move_to_end(key)
        return cached[key]

    @in_precision
    def encode_prompts(
        self,
        prompts: TextPrompts,
        *,
        deep: Sequence[Tensor] = (),
        blocks: Sequence[BlockView] = (),
        before_block: TextHook | None = None,
        norm: nn.Module | None = None,
        project: bool = True,
    ) -> Float[Tensor, "n_cls dim"]:
        """Text features of prompts, unnormalised; see `TextTower.encode`. `norm` replaces the last norm."""
        self.passes.text += len(prompts)
        tower = self._text if norm is None else self._text.with_final_norm(norm)
        return tower.encode(prompts, deep=deep, blocks=blocks, before_block=before_block, project=project)

    def text_hidden(self, prompts: TextPrompts, first: int) -> TextHidden:
        """Hidden states of plain texts before block `first`, without gradients; see `text_hidden_states.py`."""
        with self.precision.arithmetic(self.device):
            hidden = text_hidden(self._text, prompts, first)
        self.passes.text += Fraction(hidden.first, self.text_depth) * len(prompts)
        return hidden

    @in_precision
    def continue_text(
        self,
        hidden: TextHidden,
        *,
        tokens: Sequence[Tensor] = (),
        blocks: Sequence[BlockView] = (),
        kept: float = 0.0,
        tower: TextTower | None = None,
    ) -> Float[Tensor, "n_cls dim"]:
        """Text features from hidden states, unnormalised; see `continue_text_tower`.

        `tower` runs instead of the frozen one.
        """
        self.passes.text += Fraction(self.text_depth - hidden.first, self.text_depth) * len(hidden.prompts)
        return continue_text_tower(tower or self._text, hidden, tokens=tokens, blocks=blocks, kept=kept)

    @in_precision
    def encode_whole_texts(
        self, tokens: Int[Tensor, "n context"], *, blocks: Sequence[BlockView], reach: int
    ) -> Float[Tensor, "n dim"]:
        """Text features of whole sequences, unnormalised, for blocks that mix neighbouring positions.

        Args:
            tokens: on the CPU, padded.
            blocks: run instead of the tower's own.
            reach: how many positions after end-of-text can change the feature.
        """
        self.passes.text += len(tokens)
        eot = self.tokenizer.ends(tokens)
        tokens = on_device(tokens[:, : int(eot.max()) + 1 + reach], self.device)
        return encode_whole_texts(self._text, tokens, on_device(eot, self.device), blocks)

    @in_precision
    def encode_prompts_each(
        self, prompts: TextPrompts, prefixes: Float[Tensor, "batch n_prefix width"]
    ) -> Float[Tensor, "batch n_cls dim"]:
        """Text features of every class after each image's prefix, unnormalised; see `TextTower.encode_each`."""
        self.passes.text += len(prompts) * len(prefixes)
        return self._text.encode_each(prompts, prefixes)

    @in_precision
    def read_only_image_features(
        self, pixels: Float[Tensor, "batch 3 h w"], readers: Float[Tensor, "n width"]
    ) -> Float[Tensor, "batch n dim"]:
        """Features of each image at the read-only tokens, unnormalised; see `encode_read_only_image`."""
        self.passes.prompted_image += len(pixels)
        return encode_read_only_image(self._image, pixels, readers)

    @in_precision
    def read_only_text_features(
        self, prompts: TextPrompts, readers: Float[Tensor, "n width"]
    ) -> Float[Tensor, "n_cls n dim"]:
        """Features of each text at the read-only tokens, unnormalised; see `encode_read_only_text`."""
        self.passes.text += len(prompts)
        return encode_read_only_text(self._text, prompts, readers)

    def encode_texts(self, texts: Sequence[str]) -> Float[Tensor, "n dim"]:
        """Features of plain texts, unnormalised, without gradients."""

        def compute() -> Tensor:
            with torch.no_grad():
                if self.frozen.text_tower is None:
                    return self._encode_tokens(texts)
                return self.encode_prompts(frozen_prompts(self.tokenized(texts)))

        return self.text_memory(texts, compute).to(self.device)

    @in_precision
    def _encode_tokens(self, texts: Sequence[str]) -> Float[Tensor, "n dim"]:
        """Features of plain texts by a text tower that runs only as a whole, unnormalised."""
        self.passes.text += len(texts)
        tokens = on_device(self._whole_context(texts), self.device)
        features: Tensor = self.model.encode_text(tokens, normalize=False)
        return features

    def class_texts(
        self, classes: ClassSet, template: str, *, keep_underscores: bool = False
    ) -> Float[Tensor, "n_cls dim"]:
        """Features of the filled template, one per class, unnormalised, without gradients.

        Underscores in class names become spaces unless `keep_underscores`. Sentences of the classes, if there are any,
        replace the template: their normalised features are averaged, and the mean is scaled to the average norm of a
        sentence's feature.
        """
        if classes.sentences is None:
            return self.encode_texts(classes.texts(template, keep_underscores=keep_underscores))
        return torch.stack([_mean_of(part) for part in self.class_sentences(classes, template)])

    def class_sentences(self, classes: ClassSet, template: str) -> list[Float[Tensor, "n_sentences dim"]]:
        """Features of each class's sentences, unnormalised, without gradients.

        A class without its own sentences has one, the filled template.
        """
        sentences = classes.sentences or tuple((text,) for text in classes.texts(template))
        flat = [sentence for some in sentences for sentence in some]
        chunks = [self.encode_texts(flat[i : i + TEXT_CHUNK]) for i in range(0, len(flat), TEXT_CHUNK)]
        return list(torch.split(torch.cat(chunks), [len(some) for some in sentences]))


def _mean_of(features: Float[Tensor, "n dim"]) -> Float[Tensor, " dim"]:
    """The mean of normalised features, scaled to their mean norm; a single feature is returned unchanged."""
    if len(features) == 1:
        return features[0]
    lengths = features.norm(dim=-1, keepdim=True)
    mean = (features / lengths).mean(dim=0)
    return mean / mean.norm() * lengths.mean()
