"""Texts to CLIP's tokens."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from datasets_registry import BenchError
from methods._backbones.open_clip_import import open_clip


@lru_cache(maxsize=1)
def _tokenizer() -> Any:
    return open_clip().tokenizer.SimpleTokenizer()


@lru_cache(maxsize=65536)
def _ids(text: str) -> tuple[int, ...]:
    """Tokens of a text, which prompt learners request at each step, from start to end of text."""
    tokenizer = _tokenizer()
    return tokenizer.sot_token_id, *tokenizer.encode(text), tokenizer.eot_token_id


def name_lengths(names: Sequence[str]) -> tuple[int, ...]:
    """Tokens of each class name alone, without start and end of text."""
    return tuple(len(_ids(name)) - 2 for name in names)


def tokenize(texts: Sequence[str], context_length: int = 77) -> Int[Tensor, "n context"]:
    """CLIP's byte-pair tokens, padded with 0.

    Raises BenchError for a text longer than the context, which open_clip would truncate silently.
    """
    rows = []
    for text in texts:
        ids = _ids(text)
        if len(ids) > context_length:
            raise BenchError(
                f"Text of {len(ids)} tokens does not fit the context of {context_length}: {text!r}; shorten it."
            )
        rows.append(ids + (0,) * (context_length - len(ids)))
    return torch.tensor(rows, dtype=torch.long).view(len(texts), context_length)
