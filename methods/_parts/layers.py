"""Small trained layers: adapters of a feature, a scaled gradient, and the random values that layers start from."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from methods._backbones.backbone import Backbone
from methods._base.method_info import MethodConfig, Sizes

PROMPT_STD = 0.02
"""Standard deviation of randomly initialised prompts in CoOp and later methods."""


def normal_parameter(shape: Sequence[int], generator: torch.Generator, std: float = PROMPT_STD) -> nn.Parameter:
    """A parameter drawn from N(0, std)."""
    return nn.Parameter(torch.randn(tuple(shape), generator=generator) * std)


class drawn_from(TorchDispatchMode):  # type: ignore[no-untyped-call]  # noqa: N801 a context manager
    """Inside, layers of `torch.nn` draw their initial values from `generator` instead of torch's global one.

    This holds for `torch.nn.init` and for fills of a tensor in place. The values are those that torch draws after the
    same seed. Functions that make a random tensor, such as `torch.randn`, take `generator=` themselves.

    Example:
        >>> with drawn_from(torch.Generator().manual_seed(1)):
        ...     layer = nn.Linear(4, 2)
    """

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.generator = generator

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Torch's function, with the generator if it takes one and got none."""
        kwargs = dict(kwargs or {})
        if kwargs.get("generator") is None and any(argument.name == "generator" for argument in func._schema.arguments):
            kwargs["generator"] = self.generator
        return func(*args, **kwargs)


def linear_layer(inner: int, out: int, generator: torch.Generator) -> nn.Linear:
    """A linear layer with torch's default initialisation, drawn from the given generator."""
    with drawn_from(generator):
        return nn.Linear(inner, out)


def kaiming_linear_layer(inner: int, out: int, generator: torch.Generator) -> nn.Linear:
    """A linear layer with weights from N(0, 2 / out) and zero biases (kaiming-normal by fan-out)."""
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, inner, out)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        layer.weight.normal_(0, (2 / out) ** 0.5, generator=generator)
        layer.bias.zero_()
    return layer


def linear_uniform(shape: Sequence[int], fan_in: int, generator: torch.Generator) -> Tensor:
    """Torch's default for the weight and bias of a linear layer: uniform in +-1/sqrt(fan_in)."""
    bound = fan_in**-0.5
    return torch.empty(tuple(shape)).uniform_(-bound, bound, generator=generator)


class Scaled(torch.autograd.Function):
    """Multiplies the value by `forward` and the gradient by `backward`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, forward: float, backward: float) -> Tensor:
        """The scaled value."""
        ctx.backward_scale = backward
        return x * forward

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """The gradient times its factor."""
        return gradient * ctx.backward_scale, None, None


class LinearAdapter(nn.Module):
    """`x A + b` on a feature, initialised as the identity (APEX)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.eye(dim))
        self.bias = nn.Parameter(torch.zeros(1, dim))

    def forward(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
        return x @ self.matrix + self.bias


class LowRankAdapter(nn.Module):
    """`x U V + b` with inner width `rank`.

    Below full rank it cannot start at the identity, and the paper gives no initialisation. Here U has orthonormal
    columns and V is its transpose, so it starts as a projection onto a random subspace.
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
    """CLIP-Adapter's two bias-free layers, each with a ReLU, blended with the feature: `r * A(x) + (1 - r) * x`.

    Args:
        ratio: share r of the adapter's output.
        generator: draws torch's default uniform initialisation of a linear layer.
    """

    def __init__(self, dim: int, hidden: int, ratio: float, generator: torch.Generator) -> None:
        super().__init__()
        self.ratio = ratio
        self.down = nn.Parameter(linear_uniform((hidden, dim), dim, generator))
        self.up = nn.Parameter(linear_uniform((dim, hidden), hidden, generator))

    def forward(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
        adapted = torch.relu(torch.relu(x @ self.down.T) @ self.up.T)
        return self.ratio * adapted + (1 - self.ratio) * x


AdapterKind = Literal["linear", "low_rank", "bottleneck"]


class AdapterConfig(MethodConfig):
    """Kind of the one adapter of a method. Other learned parts add to `parameter_count`."""

    adapter: AdapterKind = Field(
        "linear", description="linear from the identity (APEX), low_rank or bottleneck (its Fig 10)"
    )
    rank: int = Field(64, ge=1, description="inner width of a low_rank or bottleneck adapter")

    def parameter_count(self, sizes: Sizes) -> int:
        narrow = 2 * self.rank + (1 if self.adapter == "low_rank" else 0)
        return sizes.embed_dim * (sizes.embed_dim + 1 if self.adapter == "linear" else narrow)

    def make_adapter(self, backbone: Backbone, generator: torch.Generator) -> nn.Module:
        """The adapter of this kind on features of the joint space."""
        if self.adapter == "linear":
            return LinearAdapter(backbone.embed_dim)
        if self.adapter == "low_rank":
            return LowRankAdapter(backbone.embed_dim, self.rank, generator)
        return BottleneckAdapter(backbone.embed_dim, self.rank, ratio=0.2, generator=generator)
