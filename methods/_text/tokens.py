"""CLIP's tokenizer, and the interface of every tokenizer here."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor

from datasets_registry import BenchError
from methods._backbones.open_clip_import import open_clip


@runtime_checkable
@runtime_checkable
class Tokenizer(Protocol):
    """Tokens of texts, as the text tower reads them."""

    n_start: int
    """Number of start-of-text tokens, 1 or 0."""
    pad: int
    """The token that fills a text up to the context."""

    def ids(self, text: str) -> tuple[int, ...]:
        """Tokens of a text from start to end, not cut to the context."""

    def ends(self, tokens: Int[Tensor, "n context"]) -> Int[Tensor, " n"]:
        """Position of the end-of-text token of each padded text."""

    def vocabulary(self) -> Sequence[str]:
        """The text of each token, in order of token ids."""


class ClipTokenizer:
    """CLIP's byte-pair tokens between a start and an end token, padded with 0."""

    n_start, pad = 1, 0

    def ids(self, text: str) -> tuple[int, ...]:
        """As `Tokenizer.ids`."""
        return _clip_ids(text)

    def ends(self, tokens: Int[Tensor, "n context"]) -> Int[Tensor, " n"]:
        """Positions of the end token, which has the highest id."""
        return tokens.argmax(dim=1)

    def vocabulary(self) -> tuple[str, ...]:
        """`</w>` marks the end of a word, as in CLIP's own list."""
        decoder = _clip_tokenizer().decoder
        return tuple(decoder[i] for i in range(len(decoder)))


CLIP_TOKENIZER = ClipTokenizer()


@lru_cache(maxsize=1)
def _clip_tokenizer() -> Any:
    return open_clip().tokenizer.SimpleTokenizer()


@lru_cache(maxsize=65536)
def _clip_ids(text: str) -> tuple[int, ...]:
    """Tokens of a text, cached because prompt learners request them at each step."""
    tokenizer = _clip_tokenizer()
    return tokenizer.sot_token_id, *tokenizer.encode(text), tokenizer.eot_token_id


def name_lengths(names: Sequence[str], tokenizer: Tokenizer = CLIP_TOKENIZER) -> tuple[int, ...]:
    """Tokens of each class name alone, without start and end of text."""
    return tuple(len(tokenizer.ids(name)) - tokenizer.n_start - 1 for name in names)


def tokenize(
    texts: Sequence[str], context_length: int = 77, tokenizer: Tokenizer = CLIP_TOKENIZER, *, truncate: bool = False
) -> Int[Tensor, "n context"]:
    """Tokens of texts, by default CLIP's, padded; `truncate` cuts a long text before its end-of-text token.

    Raises BenchError for a text longer than the context, which open_clip would truncate silently.
    """
    rows = []
    for text in texts:
        ids = tokenizer.ids(text)
        if truncate and len(ids) > context_length:
            ids = (*ids[: context_length - 1], ids[-1])
        if len(ids) > context_length:
            raise BenchError(
                f"Text of {len(ids)} tokens does not fit the context of {context_length}: {text!r}; shorten it."
            )
        rows.append(ids + (tokenizer.pad,) * (context_length - len(ids)))
    return torch.tensor(rows, dtype=torch.long).view(len(texts), context_length)
