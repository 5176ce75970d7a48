"""DePT: a second head learns the trained classes, so that a prompt method keeps its knowledge of others.

Zhang et al., "DePT: Decoupled Prompt Tuning", CVPR 2024. `dept` is DePT around KgCoOp; `dept_on:coop`,
`dept_on:cocoop`, `dept_on:maple` and so on put it around others. With f an image's feature and w_y the host's text
feature of its class, both unnormalised as the host computes them,

    head(f) = W (a_f * f + b_f) + c,    head(w_y) = W (a_w * w_y + b_w) + c
    loss = (1 - head_share) * host's loss + head_share * CE(head of every f and w_y of the batch)

For trained classes the logits are `(1 - head_share) * host's + head_share * head(f)`; for a subset of them the head's
rows of that subset are used; for all others they are the host's. The paper writes this mixture on probabilities, the
official code on logits, as here. None of that code (GPL-2) was used. It is our reading that the host's regularisers
count as part of its loss, and that the channel-wise maps start at the identity. A host that averages its weights
(PromptSRC) averages the head with them.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from methods import Family, Method, MethodInfo, Optimizer, Recipe, TrainableMethod, TwoTowerMethod, register_method
from methods._base.wrapper import register_wrapper, wrapped_info
from methods._parts.dept_second_head import Decoupled
from methods.cocoop import CoCoOp
from methods.kgcoop import KgCoOp

CITATION = """@inproceedings{zhang2024dept,
  title = {DePT: Decoupled Prompt Tuning},
  author = {Zhang, Ji and Wu, Shihan and Gao, Lianli and Shen, Heng Tao and Song, Jingkuan},
  booktitle = {CVPR},
  year = {2024}
}"""


def recipe_on(host: Recipe, title: str) -> Recipe:
    """DePT's settings for a host trained by SGD, as all hosts of the paper are; otherwise the host's settings."""
    if host.optimizer is not Optimizer.SGD:
        return host.model_copy(update={"source": f"{title}'s (DePT prints none for its optimiser): {host.source}"})
    return host.model_copy(
        update={
            "source": f"DePT: rate, epochs and batch, printed for base-to-new; the rest is {title}'s: {host.source}",
            "lr": 0.0035,
            "epochs": 10,
            "epochs_by_shots": {},
            "batch_size": 4,
        }
    )


def info_on(host: MethodInfo, name: str) -> MethodInfo:
    """The facts of the host with DePT: the host's, with the head's parameters and two more settings."""
    return wrapped_info(
        host,
        name,
        title=f"{host.title} + DePT",
        summary=f"{host.title} with a second head for the trained classes.",
        citation=CITATION,
        settings={
            "head_share": (float, Field(0.7, ge=0, le=1, description="lambda, of the head in loss and logits; 0.7")),
            "head_rate": (float, Field(6.5, gt=0, description="the head's learning rate over the host's; 6.5")),
        },
        family=host.family,
        parameter_formula=f"{host.parameter_formula} + 4 * embed_dim + n_classes * (embed_dim + 1)",
        recipes={protocol: recipe_on(recipe, host.title) for protocol, recipe in host.recipes.items()},
        starts_as_zero_shot=None,
    )


def host_conflict(host: type[Method[Any]]) -> str | None:
    """Why DePT cannot wrap a method, as the end of a sentence about it; None if it can."""
    if (
        not issubclass(host, TwoTowerMethod | CoCoOp)
        or host.info.family is Family.ENSEMBLE
        or issubclass(host, Decoupled)
    ):
        return "has no pair of text and image features of its own"
    if issubclass(host, TwoTowerMethod) and not host.one_pair:
        return "compares more than one pair of features"
    if host.backward is not TrainableMethod.backward:
        return "changes the gradients of its own loss"
    if host.stages is not TrainableMethod.stages:
        return "trains in stages of its own"
    return None


@register_method
class DePT(Decoupled, KgCoOp):
    """DePT around KgCoOp."""

    info: ClassVar[MethodInfo] = info_on(KgCoOp.info, "dept")


register_wrapper("dept_on", Decoupled, info_on, host_conflict)
