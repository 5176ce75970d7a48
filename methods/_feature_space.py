"""What feature-space methods share: class texts by template, choosing on validation, copies of earlier epochs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from datasets_registry._types import ClassSet
from methods._backbone import Backbone
from methods._base import MethodConfig
from methods._templates import IMAGENET80, SELECT7

TEMPLATE_LISTS = {"select7": SELECT7, "imagenet80": IMAGENET80}

Template = Annotated[str, Field(pattern=r"\{\}|^(own|select7|imagenet80)$")]


class TextConfig(MethodConfig):
    """Which class texts a method starts from."""

    templates: tuple[Template, ...] = Field(
        ("own",),
        min_length=1,
        description="texts to average: `own` (the dataset's), `select7` or `imagenet80` (lists), or a text with {}; "
        "published: own, for ImageNet the list select7",
    )


def template_features(
    backbone: Backbone, classes: ClassSet, templates: Sequence[str], *, keep_underscores: bool = False
) -> Float[Tensor, "n_templates n_cls dim"]:
    """Unnormalised features of the class texts under each template; names of lists stand for their templates.

    Classes that have sentences of their own get those as the only row.
    """
    if classes.sentences is not None:
        return backbone.class_texts(classes, classes.template)[None]
    named = {"own": (classes.template,), **TEMPLATE_LISTS}
    filled = [template for entry in templates for template in named.get(entry, (entry,))]
    if keep_underscores:
        texts = [[template.replace("{}", name) for name in classes.names] for template in filled]
    else:
        texts = [classes.texts(template) for template in filled]
    return torch.stack([backbone.encode_texts(one) for one in texts])


def accuracy(logits: Float[Tensor, "n n_cls"], labels: Int[Tensor, " n"]) -> float:
    """Share of rows whose largest logit is the label's."""
    return float((logits.argmax(dim=1) == labels).double().mean())


class Snapshots:
    """Copies of a module's state taken during training, one of which can be put back.

    All are held in memory: epochs x parameters, which is 60 MB for LP++ on 100 classes of ViT-B/16.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.states: list[dict[str, Tensor]] = []

    def take(self) -> None:
        """Keep a copy of the module as it is now."""
        self.states.append({k: v.detach().clone() for k, v in self.module.state_dict().items()})

    def dump(self) -> dict[str, Tensor]:
        """All copies as tensors, by number and name."""
        return {f"{i}.{name}": value for i, state in enumerate(self.states) for name, value in state.items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """The inverse of `dump`."""
        states: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            index, _, name = key.partition(".")
            states.setdefault(int(index), {})[name] = value
        self.states = [states[i] for i in sorted(states)]

    def put_back(self, index: int) -> None:
        """Make the module what it was at that copy."""
        self.module.load_state_dict(self.states[index])

    def put_back_best(self, score: Callable[[], float], *, last_of_equals: bool = False) -> None:
        """Make the module the copy with the highest score; of equal ones the first, or the last."""
        if not self.states:
            return
        scores = []
        for i in range(len(self.states)):
            self.put_back(i)
            scores.append(score())
        best = max(scores)
        equal = [i for i, s in enumerate(scores) if s == best]
        self.put_back(equal[-1] if last_of_equals else equal[0])


def linear_uniform(shape: tuple[int, ...], fan_in: int, generator: torch.Generator) -> Tensor:
    """Torch's default for a linear layer's weight and bias: uniform in +-1/sqrt(fan_in)."""
    bound = fan_in**-0.5
    return torch.empty(shape).uniform_(-bound, bound, generator=generator)
