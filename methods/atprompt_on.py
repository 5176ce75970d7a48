"""ATPrompt around another method: attribute words with contexts of their own, before the context of the class name.

Li et al., "Advancing Textual Prompt Learning with Anchored Attributes", ICCV 2025. Official files: zhengli97/ATPrompt
`trainers/{coop,cocoop,maple}_atp.py`, `clip/model_atp.py`. The repository has no licence, and none of its code was
used. `atprompt_on` is ATPrompt around CoOp, and `dept_on:atprompt_on` the paper's DePT with ATPrompt. The texts are

    [context 1] attribute 1 [context 2] attribute 2 ... [the host's context] class.

with learned contexts and frozen words. In CoCoOp, the image shifts the host's context only. In MaPLe, deeper tokens
replace the host's context only, and visual prompts are maps of it. The published attributes were chosen for each
dataset from candidates of GPT-4o (ATPrompt.md there). Other datasets get those of ImageNet, `color` and `shape`.
The length of the contexts differs by dataset, too.

Differences from the official code: it keeps only the first token of an attribute, so its texts for Oxford Pets have
`play` for `playfulness` and lack `energy`. It exchanges the words when a trained model meets another dataset; here
they stay.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from datasets_registry import EvalProtocol
from methods import Method, MethodConfig, MethodInfo, Recipe, Sizes, SupportView, TrainableMethod, register_method
from methods._base.recipe import PUBLISHED, PUBLISHED_BY_DATASET, for_transfer
from methods._base.wrapper import register_wrapper, wrapped_info
from methods._parts.layers import normal_parameter
from methods._parts.prompts import MOST_WORDS, Context, context_from_words
from methods.cocoop import CoCoOp, CoCoOpConfig
from methods.coop import CoOp, CoOpConfig
from methods.kgcoop import KgCoOp
from methods.maple import MaPLe, MaPLeConfig

CITATION = """@inproceedings{li2025atprompt,
  title = {Advancing Textual Prompt Learning with Anchored Attributes},
  author = {Li, Zheng and Song, Yibing and Cheng, Ming-Ming and Li, Xiang and Yang, Jian},
  booktitle = {ICCV},
  year = {2025}
}"""

GENERIC = "color shape"
"""ImageNet's attributes."""
ATTRIBUTES: Mapping[str, str] = {
    "caltech101": "shape size",
    "oxford_pets": "playfulness energy",
    "stanford_cars": "luxury",
    "oxford_flowers": "color habitat growth",
    "food101": "flavor preparation",
    "fgvc_aircraft": "design range",
    "sun397": "function",
    "dtd": "pattern color design",
    "eurosat": "habitat",
    "ucf101": "precision",
}
"""Published attributes by dataset: ATPrompt.md of the official repository."""
ATTRIBUTE_STD = 0.01
"""Deviation of the first values of an attribute's context, in the official code."""


class AttributeTokens(nn.Module):
    """A learned context before each frozen attribute.

    Args:
        words: token embeddings of each attribute, `(n_tokens, width)`.
        n_ctx: vectors of each context.
    """

    def __init__(self, words: Sequence[Tensor], n_ctx: int, generator: torch.Generator) -> None:
        super().__init__()
        self.contexts = nn.ParameterList(
            [normal_parameter((n_ctx, word.shape[1]), generator, ATTRIBUTE_STD) for word in words]
        )
        for i, word in enumerate(words):
            self.register_buffer(f"word_{i}", word, persistent=False)

    def forward(self) -> Float[Tensor, "n width"]:
        """All contexts and attributes in order."""
        pairs = [(context, self.get_buffer(f"word_{i}")) for i, context in enumerate(self.contexts)]
        return torch.cat([part for pair in pairs for part in pair])


class Anchored(TrainableMethod[Any]):
    """Mixin before a host: puts the attributes before the host's context."""

    def prepare(self, support: SupportView) -> None:
        c, b = self.config, self.backbone
        super().prepare(support)
        context: Any = self.trainable if isinstance(self.trainable, Context) else self.trainable.text_context
        words = c.attributes.split()
        tokens = [context_from_words(word, b, n) for word, n in zip(words, b.name_lengths(words), strict=True)]
        context.lead = AttributeTokens(tokens, c.attribute_length, self.generator).to(b.device)


class AttributeConfig(MethodConfig):
    """Mixin before a host's settings: attributes, which are counted; settings without a place for them are refused."""

    attributes: str = Field(
        GENERIC,
        pattern=r"\S",
        description="words before the class, with spaces between them; one to three on datasets with published ones, "
        "and `color shape` on ImageNet, its variants and other datasets",
    )
    attribute_ctx: int | None = Field(
        None, ge=1, le=MOST_WORDS, description="vectors before each attribute; null: as many as in the host's context"
    )
    n_ctx: int

    def config_error(self) -> str | None:
        if getattr(self, "class_specific", False) or getattr(self, "class_position", "end") != "end":
            return "attributes stand before a shared context; set class_specific=false and class_position=end."
        return super().config_error()

    @property
    def attribute_count(self) -> int:
        """Number of attributes."""
        return len(self.attributes.split())

    @property
    def attribute_length(self) -> int:
        """Vectors before each attribute."""
        host: int = getattr(self, "length", self.n_ctx)
        return self.attribute_ctx or host

    def parameter_count(self, sizes: Sizes) -> int:
        return super().parameter_count(sizes) + self.attribute_count * self.attribute_length * sizes.text_width


@dataclass(frozen=True)
class Published:
    """Published settings on a host: ATPrompt.md of the official repository.

    Args:
        n_ctx: vectors of each context on most datasets, base-to-new; `n_ctx_on` on the others.
        epochs: base-to-new; `by_dataset` where they differ.
        transfer: epochs on ImageNet for other datasets, with contexts of four vectors.
    """

    n_ctx: int
    epochs: int
    transfer: int
    by_dataset: Mapping[str, int]
    n_ctx_on: Mapping[str, int]


ON_HOST: Mapping[type[MethodConfig], Published] = {
    CoOpConfig: Published(2, 100, 10, {"imagenet": 10}, {"dtd": 4}),
    CoCoOpConfig: Published(
        2, 10, 5, {}, {"ucf101": 4, **dict.fromkeys(("stanford_cars", "oxford_flowers", "eurosat"), 6)}
    ),
    MaPLeConfig: Published(
        4,
        5,
        2,
        dict.fromkeys(("caltech101", "oxford_pets", "oxford_flowers", "eurosat"), 10),
        {"fgvc_aircraft": 2, "ucf101": 2},
    ),
}


def recipes_on(host: MethodInfo, published: Published | None) -> dict[EvalProtocol, Recipe]:
    """The host's recipes with the published epochs; few-shot has none."""
    if published is None:
        return {
            protocol: recipe.model_copy(update={"source": f"{host.title}'s (ATPrompt prints none): {recipe.source}"})
            for protocol, recipe in host.recipes.items()
        }
    few_shot, base = host.recipes[EvalProtocol.FEW_SHOT], host.recipes[EvalProtocol.BASE_TO_NEW]
    transfer = host.recipes.get(EvalProtocol.CROSS_DATASET, base)
    source = f"ATPrompt.md of zhengli97/ATPrompt: epochs; the rest is {host.title}'s: "
    by_dataset = dict(published.by_dataset)
    trained = base.model_copy(
        update={
            "name": PUBLISHED_BY_DATASET if by_dataset else PUBLISHED,
            "source": source + base.source,
            "epochs": published.epochs,
            "by_dataset": {name: {"epochs": epochs} for name, epochs in by_dataset.items()},
        }
    )
    return {
        EvalProtocol.FEW_SHOT: few_shot.model_copy(
            update={"source": f"{host.title}'s (ATPrompt prints none for few-shot): {few_shot.source}"}
        ),
        EvalProtocol.BASE_TO_NEW: trained,
    } | for_transfer(transfer.model_copy(update={"source": source + transfer.source, "epochs": published.transfer}))


def settings_by_dataset(values: Mapping[str, Any], n_ctx: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """The table of a host's settings by dataset, with the published attributes and these lengths of contexts added."""
    by_dataset: dict[str, dict[str, Any]] = {
        name: {**settings} for name, settings in values.get("by_dataset", {}).items()
    }
    for name, words in ATTRIBUTES.items():
        by_dataset.setdefault(name, {})["attributes"] = words
    for name, length in n_ctx.items():
        by_dataset[name]["n_ctx"] = length
    return by_dataset


def atprompt_info(host: MethodInfo, name: str) -> MethodInfo:
    """The host's info with the attributes added and its context at a random start, as published."""
    published = next((on_host for config, on_host in ON_HOST.items() if issubclass(host.config, config)), None)
    n_ctx = published.n_ctx if published else 2
    where = "on most datasets" if published else "on CoOp"
    settings: dict[str, Any] = {
        "n_ctx": (
            int,
            Field(n_ctx, ge=1, le=MOST_WORDS, description=f"context vectors; {n_ctx}, ATPrompt {where}"),
        ),
    }
    if "worded_init" in host.config.model_fields:
        settings["worded_init"] = (bool, Field(False, description="start at the words of `ctx_init`; ATPrompt: random"))
    else:
        settings["ctx_init"] = (
            str,
            Field("", description="words that start the context; empty, as in ATPrompt: random"),
        )
    recipes = recipes_on(host, published)
    by_protocol: dict[EvalProtocol, dict[str, Any]] = {}
    for protocol in recipes:
        values = host.config_by_protocol.get(protocol, {})
        lengths = published.n_ctx_on if published and protocol is EvalProtocol.BASE_TO_NEW else {}
        by_protocol[protocol] = {key: value for key, value in values.items() if key not in settings}
        by_protocol[protocol]["by_dataset"] = settings_by_dataset(values, lengths)
        if published and protocol.transfers:
            by_protocol[protocol]["n_ctx"] = 4
    return wrapped_info(
        host,
        name,
        title=f"{host.title} + ATPrompt",
        summary=f"{host.title} with attribute words and their contexts before its own.",
        paper="2412.09442",
        code="zhengli97/ATPrompt",
        citation=CITATION,
        settings=settings,
        config_mixin=AttributeConfig,
        family=host.family,
        uses=(*host.uses, "outside texts"),  # GPT-4o wrote the attributes
        recipes=recipes,
        config_by_protocol=by_protocol,
        starts_as_zero_shot=None,
    )


def atprompt_conflict(host: type[Method[Any]]) -> str | None:
    """Why ATPrompt cannot wrap a method, to follow its name in a sentence; None if it can."""
    if issubclass(host, Anchored):
        return "has attributes already"
    if not issubclass(host, CoOp | CoCoOp | KgCoOp | MaPLe):
        return "has no context that ATPrompt was made for"
    return None if host.stages is TrainableMethod.stages else "trains in several stages"


@register_method
class ATPromptOn(Anchored, CoOp):
    """CoOp with ATPrompt's attributes."""

    info = atprompt_info(CoOp.info, "atprompt_on")


register_wrapper("atprompt_on", Anchored, atprompt_info, atprompt_conflict)
