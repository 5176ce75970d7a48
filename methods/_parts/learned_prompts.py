"""Learned prompts of both towers: context around the class name, and tokens that enter at several blocks."""

import copy
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from datasets_registry import BenchError, ClassSet
from methods._backbones.backbone import Backbone
from methods._base.method import ConfigT
from methods._parts.context_initialisation import context_from_words, word_count
from methods._parts.parameter_initialisation import linear_layer, normal_parameter
from methods._parts.two_tower import TwoTowerMethod
from methods._text.prompt_embeddings import Position, TextPrompts, overwrite_leading, place_ctx


def resolve_depth(depth: int, blocks: int, what: str) -> int:
    """Number of prompted blocks; 0 means every block. Raises BenchError if the tower has fewer."""
    if depth > blocks:
        raise BenchError(f"{what} depth {depth} on a tower of {blocks} blocks; use 1..{blocks}, or 0 for every block.")
    return depth or blocks


class Context(nn.Module):
    """Learned vectors around the class name: `[ctx] name.` (CoOp and later methods).

    Args:
        ctx: `(n_ctx, width)`, or `(n_cls, n_ctx, width)` for one context per class.
        placeholders: the text that the vectors replace; by default as many `X` as vectors.
    """

    def __init__(self, ctx: Tensor, position: Position = "end", placeholders: str = "") -> None:
        super().__init__()
        self.ctx = nn.Parameter(ctx)
        self.position = position
        self.placeholders = placeholders or " ".join(["X"] * ctx.shape[-2])

    def prompts(self, classes: ClassSet, backbone: Backbone) -> TextPrompts:
        """The class texts with the learned vectors in place."""
        texts = backbone.class_tokens(classes, self.placeholders + " {}.")
        lengths = () if self.position == "end" else backbone.name_lengths(classes.prompt_names)
        return place_ctx(texts, self.ctx, self.position, lengths)


class ContextMethod(TwoTowerMethod[ConfigT]):
    """Base of CoOp and of methods with the same text input."""

    trainable: Context

    def text_features(self, classes: ClassSet) -> Tensor:
        self.check_classes(classes)
        return self.backbone.encode_prompts(self.trainable.prompts(classes, self.backbone))


class VisualPrompts(nn.Module):
    """Learned tokens after the patches: new ones before each of the first `depth` blocks (1 = shallow).

    Args:
        depth: prompted blocks; 0 for all.
        generator: draws N(0, 0.02).
    """

    def __init__(self, n: int, depth: int, backbone: Backbone, generator: torch.Generator) -> None:
        super().__init__()
        depth = resolve_depth(depth, backbone.vision_depth, "Visual prompt")
        self.layers = nn.ParameterList([normal_parameter((n, backbone.vision_width), generator) for _ in range(depth)])
        """Prompts by block, each `(n, width)`."""


class TextContext(nn.Module):
    """Learned tokens at positions 1..n of the text `words {}.`; deeper ones replace them before later blocks.

    The words after the first n stay in the text, frozen. With more tokens than words, the text is `X X ... {}.` and the
    tokens start at N(0, 0.02).

    Args:
        depth: prompted blocks, 0 for all, 1 = input only.
        words: initial words of the input context; empty for a random start.
        generator: draws N(0, 0.02).
    """

    def __init__(self, n: int, depth: int, words: str, backbone: Backbone, generator: torch.Generator) -> None:
        super().__init__()
        depth, width = resolve_depth(depth, backbone.text_depth, "Text prompt"), backbone.text_width
        if words and n <= word_count(words):
            self.template = words.replace("_", " ") + " {}."
            self.ctx = nn.Parameter(context_from_words(words, backbone, n))
        else:
            self.template = " ".join(["X"] * n) + " {}."
            self.ctx = normal_parameter((n, width), generator)
        self.deeper = nn.ParameterList([normal_parameter((n, width), generator) for _ in range(depth - 1)])

    def layers(self) -> list[Tensor]:
        """Tokens by block, each `(n, width)`."""
        return [self.ctx, *self.deeper]

    def prompts(self, classes: ClassSet, backbone: Backbone) -> TextPrompts:
        """The class texts with the learned context in place."""
        return overwrite_leading(backbone.class_tokens(classes, self.template), self.ctx)

    def forward(self, classes: ClassSet, backbone: Backbone) -> Float[Tensor, "n_cls dim"]:
        """Text features, unnormalised."""
        return backbone.encode_prompts(self.prompts(classes, backbone), deep=list(self.deeper))


class Coupling(nn.Module):
    """Visual prompts as linear maps of the text prompts, one map per block (MaPLe).

    The maps of the deeper blocks start with equal weights, since the official code copies one layer.
    """

    def __init__(self, depth: int, backbone: Backbone, generator: torch.Generator) -> None:
        super().__init__()
        width, visual = backbone.text_width, backbone.vision_width
        self.maps = nn.ModuleList([linear_layer(width, visual, generator) for _ in range(min(depth, 2))])
        for _ in range(depth - 2):
            self.maps.append(copy.deepcopy(self.maps[1]))

    def forward(self, text: Sequence[Tensor]) -> list[Tensor]:
        """Visual prompts by block, each `(n, width)`."""
        return [into(tokens) for into, tokens in zip(self.maps, text, strict=True)]
