"""Learned prompts of both towers: how a context starts, vectors around the class name, and tokens of several blocks."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from pydantic import Field, field_validator
from torch import Tensor, nn

from datasets_registry import BenchError, ClassSet
from methods._backbones.backbone import Backbone
from methods._base.method_info import MethodConfig
from methods._parts.layers import linear_layer, normal_parameter
from methods._text.prompt_embeddings import Position, TextPrompts, overwrite_leading, place_ctx

MOST_WORDS = 70
"""Largest number of words in a context, as for `n_ctx`."""


def word_count(words: str) -> int:
    """Number of words as CoOp counts them, by spaces; an underscore counts as a space."""
    return len(words.replace("_", " ").split(" "))


def check_words(words: str) -> str:
    """The words that start a context; raises ValueError if they leave no room for a class name in CLIP's 77 tokens."""
    if word_count(words) > MOST_WORDS:
        raise ValueError(
            f"ctx_init has {word_count(words)} words, and at most {MOST_WORDS} leave room for a class name"
        )
    return words


class WordedContextConfig(MethodConfig):
    """Settings of a method whose learned context is initialised with words."""

    later = frozenset({"ctx_init"})
    ctx_init: str = Field(
        "a photo of a",
        description="words that the context starts from; `a photo of a` is published. It starts at random, N(0, 0.02), "
        "if this is empty or has fewer words than the context has tokens",
    )

    _words_fit = field_validator("ctx_init")(check_words)


class SizedContextConfig(MethodConfig):
    """Settings of a learned context whose length is the number of its first words or, without words, a setting."""

    n_ctx: int = Field(4, ge=1, le=MOST_WORDS)
    ctx_init: str = ""

    _words_fit = field_validator("ctx_init")(check_words)

    @property
    def length(self) -> int:
        """Number of context vectors: one for each word of `ctx_init`, else `n_ctx`."""
        return word_count(self.ctx_init) if self.ctx_init else self.n_ctx

    def unused_settings(self) -> dict[str, str]:
        words = f"ctx_init={self.ctx_init!r} makes {self.length} context vectors; set ctx_init to empty as well"
        return {} if self.n_ctx == self.length else {"n_ctx": words}


def context_from_words(words: str, backbone: Backbone, n: int | None = None) -> Tensor:
    """Token embeddings of the words, one per space-separated word (CoOp's count) unless `n` is given."""
    words = words.replace("_", " ")
    n = word_count(words) if n is None else n
    texts = backbone.tokenized([words])
    return texts.embedded[0, texts.n_start : texts.n_start + n].clone()


def initial_context(words: str, shape: Sequence[int], backbone: Backbone, generator: torch.Generator) -> Tensor:
    """Token embeddings of the words; without words, a context of that shape from N(0, 0.02)."""
    return context_from_words(words, backbone) if words else normal_parameter(shape, generator)


def resolve_depth(depth: int, blocks: int, what: str) -> int:
    """Number of prompted blocks; 0 means every block. Raises BenchError if the tower has fewer."""
    if depth > blocks:
        raise BenchError(f"{what} depth {depth} on a tower of {blocks} blocks; use 1..{blocks}, or 0 for every block.")
    return depth or blocks


def with_lead(lead: nn.Module | None, ctx: Tensor, text: str) -> tuple[Tensor, str]:
    """A context and the text that it replaces, with the vectors of `lead` and as many `X` in front of them."""
    if lead is None:
        return ctx, text
    vectors = lead()
    return torch.cat([vectors, ctx]), " ".join(["X"] * len(vectors) + [text])


class Context(nn.Module):
    """Learned vectors around the class name: `[ctx] name.` (CoOp and later methods).

    Args:
        ctx: `(n_ctx, width)`, or `(n_cls, n_ctx, width)` for one context per class.
        placeholders: the text that the vectors replace; by default as many `X` as vectors.

    Attributes:
        lead: gives vectors `(n, width)` before a shared context at the end (`atprompt_on`); None for none.
    """

    def __init__(self, ctx: Tensor, position: Position = "end", placeholders: str = "") -> None:
        super().__init__()
        self.ctx = nn.Parameter(ctx)
        self.lead: nn.Module | None = None
        self.position = position
        self.placeholders = placeholders or " ".join(["X"] * ctx.shape[-2])

    def prompts(self, classes: ClassSet, backbone: Backbone) -> TextPrompts:
        """The class texts with the learned vectors in place."""
        return self.prompts_with(self.ctx, classes, backbone)

    def prompts_with(self, ctx: Tensor, classes: ClassSet, backbone: Backbone) -> TextPrompts:
        """The class texts with `ctx` in place of the learned context."""
        ctx, text = with_lead(self.lead, ctx, self.placeholders + " {}.")
        texts = backbone.class_tokens(classes, text)
        lengths = () if self.position == "end" else backbone.name_lengths(classes.prompt_names)
        return place_ctx(texts, ctx, self.position, lengths)


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

    Attributes:
        lead: gives vectors `(n, width)` before the context, which deeper tokens do not replace; None for none.
    """

    def __init__(self, n: int, depth: int, words: str, backbone: Backbone, generator: torch.Generator) -> None:
        super().__init__()
        depth, width = resolve_depth(depth, backbone.text_depth, "Text prompt"), backbone.text_width
        self.lead: nn.Module | None = None
        self.worded = bool(words) and n <= word_count(words)
        """Whether the tokens start at words, so that `template` is a text."""
        if self.worded:
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
        ctx, text = with_lead(self.lead, self.ctx, self.template)
        prompts = overwrite_leading(backbone.class_tokens(classes, text), ctx)
        return replace(prompts, n_start=prompts.n_start + len(ctx) - len(self.ctx))

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
