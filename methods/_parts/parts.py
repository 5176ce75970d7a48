"""The parts that methods are composed of: learned prompts for either tower, and adapters on either feature.

A part is an `nn.Module` with its parameters and one forward idea; `Parts` puts some of them around the frozen
backbone. Which parts, how long and how deep is all that a prompt or adapter method of this family has to say.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from datasets_registry import BenchError, ClassSet
from methods._backbones.backbone import Backbone
from methods._text.prompts import Position, TextPrompts, overwrite_leading, place_ctx

PROMPT_STD = 0.02
"""Standard deviation of randomly initialised prompts in CoOp and everything after it."""


def normal(shape: Sequence[int], generator: torch.Generator, std: float = PROMPT_STD) -> nn.Parameter:
    """A parameter drawn from N(0, std)."""
    return nn.Parameter(torch.randn(tuple(shape), generator=generator) * std)


def linear(inner: int, out: int, generator: torch.Generator) -> nn.Linear:
    """A linear layer with torch's default initialisation, drawn from the given generator."""
    layer = nn.Linear(inner, out, device="meta").to_empty(device="cpu")
    bound = inner**-0.5
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        layer.bias.uniform_(-bound, bound, generator=generator)
    return layer


class Scaled(torch.autograd.Function):
    """`forward` times the value, `backward` times the gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, forward: float, backward: float) -> Tensor:
        """The scaled value."""
        ctx.backward_scale = backward
        return x * forward

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """The gradient, scaled on its own."""
        return gradient * ctx.backward_scale, None, None


def kaiming_linear(inner: int, out: int, generator: torch.Generator) -> nn.Linear:
    """A linear layer with N(0, 2 / out) weights and zero biases (kaiming-normal by fan-out)."""
    layer = nn.Linear(inner, out, device="meta").to_empty(device="cpu")
    with torch.no_grad():
        layer.weight.normal_(0, (2 / out) ** 0.5, generator=generator)
        layer.bias.zero_()
    return layer


def word_vectors(words: str, backbone: Backbone, n: int | None = None) -> Tensor:
    """Token embeddings of the words, one a space-separated word (CoOp's count) unless another number is given."""
    words = words.replace("_", " ")
    n = len(words.split(" ")) if n is None else n
    return backbone.tokenized([words]).embedded[0, 1 : 1 + n].clone()


def resolve_depth(depth: int, blocks: int, what: str) -> int:
    """Number of prompted blocks; 0 means every block. Raises BenchError if the tower has fewer."""
    if depth > blocks:
        raise BenchError(f"{what} depth {depth} on a tower of {blocks} blocks; use 1..{blocks}, or 0 for every block.")
    return depth or blocks


class Context(nn.Module):
    """Learned vectors around the class name: `[ctx] name.` (CoOp and what follows it).

    Args:
        ctx: `(n_ctx, width)`, or `(n_cls, n_ctx, width)` for one a class.
        position: of the class name.
        placeholders: the text that makes room for the vectors; as many `X` as vectors unless a method differs.
    """

    def __init__(self, ctx: Tensor, position: Position = "end", placeholders: str = "") -> None:
        super().__init__()
        self.ctx = nn.Parameter(ctx)
        self.position = position
        self.placeholders = placeholders or " ".join(["X"] * ctx.shape[-2])

    def prompts(self, classes: ClassSet, backbone: Backbone) -> TextPrompts:
        """The class texts with the learned vectors in place."""
        texts = backbone.tokenized(classes.texts(self.placeholders + " {}."))
        name_lengths = backbone.tokenized(classes.prompt_names).eot - 1
        return place_ctx(texts, self.ctx, self.position, name_lengths)


class VisualPrompts(nn.Module):
    """Learned tokens behind the patches: fresh ones before each of the first `depth` blocks (1 = shallow).

    Args:
        n: tokens a block.
        depth: prompted blocks, 0 for all.
        backbone: gives width and number of blocks.
        generator: draws N(0, 0.02).
    """

    def __init__(self, n: int, depth: int, backbone: Backbone, generator: torch.Generator) -> None:
        super().__init__()
        depth = resolve_depth(depth, backbone.vision_depth, "Visual prompt")
        self.layers = nn.ParameterList([normal((n, backbone.vision_width), generator) for _ in range(depth)])

    def forward(self) -> list[Tensor]:
        """Prompts by block, each `(n, width)`."""
        return list(self.layers)


class TextContext(nn.Module):
    """Learned tokens at positions 1..n of a worded template; deeper ones replace them before later blocks.

    The words of the template behind the first n stay in the text, frozen. With no words, or more tokens than words,
    placeholders `X` make room and the tokens start at N(0, 0.02).

    Args:
        n: tokens a block.
        depth: prompted blocks, 0 for all, 1 = input only.
        template: text with `{}`; its first n tokens initialise the input context. Must begin with words for that.
        words: how many tokens of the template may initialise; with n > words the context is random.
        backbone: frozen.
        generator: draws N(0, 0.02).
    """

    def __init__(
        self, n: int, depth: int, template: str, words: int, backbone: Backbone, generator: torch.Generator
    ) -> None:
        super().__init__()
        depth = resolve_depth(depth, backbone.text_depth, "Text prompt")
        if n <= words:
            self.template = template
            self.ctx = nn.Parameter(backbone.tokenized([template.replace("{}", "X")]).embedded[0, 1 : 1 + n].clone())
        else:
            self.template = " ".join(["X"] * n) + " {}."
            self.ctx = normal((n, backbone.text_width), generator)
        self.deeper = nn.ParameterList([normal((n, backbone.text_width), generator) for _ in range(depth - 1)])

    def layers(self) -> list[Tensor]:
        """Tokens by block, each `(n, width)`."""
        return [self.ctx, *self.deeper]

    def prompts(self, classes: ClassSet, backbone: Backbone) -> TextPrompts:
        """The class texts with the learned context in place."""
        return overwrite_leading(backbone.tokenized(classes.texts(self.template)), self.ctx)

    def forward(self, classes: ClassSet, backbone: Backbone) -> Float[Tensor, "n_cls dim"]:
        """Text features, unnormalised."""
        return backbone.encode_prompts(self.prompts(classes, backbone), deep=list(self.deeper))


class Coupling(nn.Module):
    """Visual prompts as linear maps of the text prompts, one map a block (MaPLe).

    The maps of the deeper blocks start equal, as the official code copies one layer.
    """

    def __init__(self, depth: int, backbone: Backbone, generator: torch.Generator) -> None:
        super().__init__()
        width, visual = backbone.text_width, backbone.vision_width
        self.maps = nn.ModuleList([linear(width, visual, generator) for _ in range(min(depth, 2))])
        for _ in range(depth - 2):
            self.maps.append(copy.deepcopy(self.maps[1]))

    def forward(self, text: Sequence[Tensor]) -> list[Tensor]:
        """Visual prompts by block, each `(n, width)`."""
        return [into(tokens) for into, tokens in zip(self.maps, text, strict=True)]


class LinearAdapter(nn.Module):
    """`x A + b` on a feature, starting at the identity (APEX)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.eye(dim))
        self.bias = nn.Parameter(torch.zeros(1, dim))

    def forward(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
        return x @ self.matrix + self.bias


class LowRankAdapter(nn.Module):
    """`x U V + b` with inner width `rank`.

    It cannot start at the identity below full rank. The paper does not print an initialisation; U has orthonormal
    columns and V is its transpose, so that it starts as the projection to a random subspace.
    """

    def __init__(self, dim: int, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        basis, _ = torch.linalg.qr(torch.randn(dim, rank, generator=generator))
        self.down = nn.Parameter(basis.clone())
        self.up = nn.Parameter(basis.T.clone())
        self.bias = nn.Parameter(torch.zeros(1, dim))

    def forward(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
        return x @ self.down @ self.up + self.bias


class BottleneckAdapter(nn.Module):
    """CLIP-Adapter's two bias-free layers, a ReLU behind each, blended with the feature: `r * A(x) + (1 - r) * x`.

    Args:
        dim: feature width.
        hidden: inner width.
        ratio: share r of the adapter's output.
        generator: draws torch's default uniform initialisation of a linear layer.
    """

    def __init__(self, dim: int, hidden: int, ratio: float, generator: torch.Generator) -> None:
        super().__init__()
        self.ratio = ratio
        self.down = nn.Parameter(_linear_uniform(hidden, dim, generator))
        self.up = nn.Parameter(_linear_uniform(dim, hidden, generator))

    def forward(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
        adapted = torch.relu(torch.relu(x @ self.down.T) @ self.up.T)
        return self.ratio * adapted + (1 - self.ratio) * x


def _linear_uniform(out: int, inner: int, generator: torch.Generator) -> Tensor:
    """Torch's default for `nn.Linear`: uniform in +-1/sqrt(fan_in)."""
    bound = inner**-0.5
    return torch.empty(out, inner).uniform_(-bound, bound, generator=generator)


AdapterKind = Literal["linear", "low_rank", "bottleneck"]


def make_adapter(kind: AdapterKind, dim: int, rank: int, generator: torch.Generator) -> nn.Module:
    """An adapter on features of that width; `rank` is the inner width of the two narrow kinds."""
    if kind == "linear":
        return LinearAdapter(dim)
    if kind == "low_rank":
        return LowRankAdapter(dim, rank, generator)
    return BottleneckAdapter(dim, rank, ratio=0.2, generator=generator)


def adapter_size(kind: AdapterKind, dim: int, rank: int) -> int:
    """Parameters of that adapter."""
    return {"linear": dim * dim + dim, "low_rank": 2 * dim * rank + dim, "bottleneck": 2 * dim * rank}[kind]


class Parts(nn.Module):
    """Learned parts around a frozen backbone; a part that is None leaves its side as it is.

    `coupling` takes the place of `visual_prompts` and needs a `text_context`.
    """

    def __init__(
        self,
        *,
        visual_prompts: VisualPrompts | None = None,
        text_context: TextContext | None = None,
        coupling: Coupling | None = None,
        text_adapter: nn.Module | None = None,
        visual_adapter: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.visual_prompts = visual_prompts
        self.text_context = text_context
        self.coupling = coupling
        self.text_adapter = text_adapter
        self.visual_adapter = visual_adapter

    def visual(self) -> list[Tensor]:
        """Visual prompts by block; empty if the image tower stays as it is."""
        if self.coupling is not None and self.text_context is not None:
            coupled: list[Tensor] = self.coupling(self.text_context.layers())
            return coupled
        prompts: list[Tensor] = self.visual_prompts() if self.visual_prompts else []
        return prompts
