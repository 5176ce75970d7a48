"""Context vectors initialised from words, as in CoOp, or at random."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from pydantic import Field, field_validator, model_serializer
from torch import Tensor

from methods._backbones.backbone import Backbone
from methods._base.method_info import MethodConfig
from methods._parts.parameter_initialisation import normal_parameter

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
    """Settings of a method whose learned context is initialised with words.

    `ctx_init` is left out of a run's spec while it has its default, so that older run ids stay valid.
    """

    ctx_init: str = Field(
        "a photo of a",
        description="words that the context starts from; `a photo of a` is published. It starts at random, N(0, 0.02), "
        "if this is empty or has fewer words than the context has tokens",
    )

    _words_fit = field_validator("ctx_init")(check_words)

    @model_serializer(mode="wrap")
    def _without_default_words(self, serialize: Callable[[WordedContextConfig], dict[str, Any]]) -> dict[str, Any]:
        values = serialize(self)
        if self.ctx_init == type(self).model_fields["ctx_init"].default:
            values.pop("ctx_init", None)
        return values


def context_from_words(words: str, backbone: Backbone, n: int | None = None) -> Tensor:
    """Token embeddings of the words, one per space-separated word (CoOp's count) unless `n` is given."""
    words = words.replace("_", " ")
    n = word_count(words) if n is None else n
    texts = backbone.tokenized([words])
    return texts.embedded[0, texts.n_start : texts.n_start + n].clone()


def initial_context(words: str, shape: Sequence[int], backbone: Backbone, generator: torch.Generator) -> Tensor:
    """Token embeddings of the words; without words, a context of that shape from N(0, 0.02)."""
    return context_from_words(words, backbone) if words else normal_parameter(shape, generator)
