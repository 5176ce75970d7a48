"""Shared by methods on frozen features: settings and features of class texts, and accuracy."""

from collections.abc import Iterable, Sequence
from typing import Annotated

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from datasets_registry import ClassSet
from methods._backbones.backbone import Backbone
from methods._base.method_info import MethodConfig
from methods._text.templates import TEMPLATE_LISTS

Template = Annotated[str, Field(pattern=r"\{\}|^(own|select7|imagenet80)$")]
LogitScaleSetting = Annotated[
    float | None,
    Field(gt=0, description="factor on the cosine to the text; null: the backbone's, 100 for OpenAI's (hard coded)"),
]


class TextConfig(MethodConfig):
    """The class texts that a method starts from."""

    templates: tuple[Template, ...] = Field(
        ("own",),
        min_length=1,
        description="texts to average: `own` (the dataset's), `select7` or `imagenet80` (lists), or a text with {}; "
        "published: own, for ImageNet the list select7",
    )


def template_features(
    backbone: Backbone, classes: ClassSet, templates: Sequence[str], *, keep_underscores: bool = False
) -> Float[Tensor, "n_templates n_cls dim"]:
    """Unnormalised features of the class texts under each template; the name of a list means its templates.

    Sentences of the classes, if there are any, give a single row instead.
    """
    if classes.sentences is not None:
        return backbone.class_texts(classes, classes.template)[None]
    named = {"own": (classes.template,), **TEMPLATE_LISTS}
    filled = [template for entry in templates for template in named.get(entry, (entry,))]
    return torch.stack([backbone.class_texts(classes, one, keep_underscores=keep_underscores) for one in filled])


def logits_accuracy(logits: Float[Tensor, "n n_cls"], labels: Int[Tensor, " n"]) -> float:
    """Share of rows whose largest logit is that of the label, in [0, 1]."""
    return int((logits.argmax(dim=1) == labels).sum()) / len(labels)


def template_ensemble(backbone: Backbone, classes: ClassSet, templates: Sequence[str]) -> Float[Tensor, "n_cls dim"]:
    """Normalised class texts: `mean_of_normalised` of the `template_features`."""
    return mean_of_normalised(template_features(backbone, classes, templates))


def mean_of_normalised(features: Iterable[Float[Tensor, "n_cls dim"]]) -> Float[Tensor, "n_cls dim"]:
    """Template ensemble as CLIP does it: normalise each template's features, average, normalise again."""
    stacked = torch.stack([F.normalize(f, dim=-1) for f in features])
    return F.normalize(stacked.mean(dim=0), dim=-1)
