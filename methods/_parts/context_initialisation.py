"""Context vectors initialised from words, as in CoOp, or at random."""

from collections.abc import Sequence

import torch
from torch import Tensor

from methods._backbones.backbone import Backbone
from methods._parts.parameter_initialisation import normal_parameter

MOST_WORDS = 70
"""Of a context, as for `n_ctx`."""


def word_count(words: str) -> int:
    """Number of words as CoOp counts them, by spaces; an underscore counts as a space."""
    return len(words.replace("_", " ").split(" "))


def check_words(words: str) -> str:
    """The words that start a context; raises ValueError if they leave no place for a class name in CLIP's 77 tokens."""
    if word_count(words) > MOST_WORDS:
        raise ValueError(
            f"ctx_init has {word_count(words)} words, and at most {MOST_WORDS} leave place for a class name"
        )
    return words


def context_from_words(words: str, backbone: Backbone, n: int | None = None) -> Tensor:
    """Token embeddings of the words, one per space-separated word (CoOp's count) unless `n` is given."""
    words = words.replace("_", " ")
    n = word_count(words) if n is None else n
    texts = backbone.tokenized([words])
    return texts.embedded[0, texts.n_start : texts.n_start + n].clone()


def initial_context(words: str, shape: Sequence[int], backbone: Backbone, generator: torch.Generator) -> Tensor:
    """Token embeddings of the words; without words, a context of that shape from N(0, 0.02)."""
    return context_from_words(words, backbone) if words else normal_parameter(shape, generator)
