"""Random initial values of learned parameters and layers, drawn from a given generator."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

PROMPT_STD = 0.02
"""Standard deviation of randomly initialised prompts in CoOp and later methods."""


def normal_parameter(shape: Sequence[int], generator: torch.Generator, std: float = PROMPT_STD) -> nn.Parameter:
    """A parameter drawn from N(0, std)."""
    return nn.Parameter(torch.randn(tuple(shape), generator=generator) * std)


def linear_layer(inner: int, out: int, generator: torch.Generator) -> nn.Linear:
    """A linear layer with torch's default initialisation, drawn from the given generator."""
    layer = nn.Linear(inner, out, device="meta").to_empty(device="cpu")
    bound = inner**-0.5
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        layer.bias.uniform_(-bound, bound, generator=generator)
    return layer


def kaiming_linear_layer(inner: int, out: int, generator: torch.Generator) -> nn.Linear:
    """A linear layer with weights from N(0, 2 / out) and zero biases (kaiming-normal by fan-out)."""
    layer = nn.Linear(inner, out, device="meta").to_empty(device="cpu")
    with torch.no_grad():
        layer.weight.normal_(0, (2 / out) ** 0.5, generator=generator)
        layer.bias.zero_()
    return layer


def linear_uniform(shape: Sequence[int], fan_in: int, generator: torch.Generator) -> Tensor:
    """Torch's default for the weight and bias of a linear layer: uniform in +-1/sqrt(fan_in)."""
    bound = fan_in**-0.5
    return torch.empty(tuple(shape)).uniform_(-bound, bound, generator=generator)
