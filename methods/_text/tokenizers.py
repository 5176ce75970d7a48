"""Tokenizers: CLIP's, and those of the Hugging Face hub (SigLIP, XLM-R, mT5, NLLB).

For the hub's, open_clip's `HFTokenizer` cleans and tokenizes; the files come from a folder, from the hub's cache, or
from the hub.
"""

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from datasets_registry import BenchError
from methods._backbones.model_folders import WeightsError
from methods._backbones.open_clip_library import open_clip


class ClipTokenizer:
    """CLIP's byte-pair tokens between a start and an end token, padded with 0."""

    n_start = 1
    """Number of start-of-text tokens, 1 or 0."""
    pad = 0
    """The token that fills a text up to the context."""

    def ids(self, text: str) -> tuple[int, ...]:
        """Tokens of a text from start to end, not cut to the context."""
        return _clip_ids(text)

    def ends(self, tokens: Int[Tensor, "n context"]) -> Int[Tensor, " n"]:
        """Position of the end-of-text token of each padded text: the token with the highest id."""
        return tokens.argmax(dim=1)

    def vocabulary(self) -> tuple[str, ...]:
        """The text of each token, in order of token ids; `</w>` marks the end of a word, as in CLIP's own list."""
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


class HubTokenizer:
    """A tokenizer of the hub, with the interface of `ClipTokenizer`. Its end token is the last one of each text."""

    def __init__(self, tokenizer: Any) -> None:
        self._open_clip, self._tokenizer = tokenizer, tokenizer.tokenizer
        self.pad: int = self._tokenizer.pad_token_id
        first, *_, last = self.ids("X")
        self.n_start = int(first in self._tokenizer.all_special_ids)
        self._ends_with_pad = last == self.pad

    @lru_cache(maxsize=65536)  # noqa: B019  one tokenizer per source lives as long as the process
    def ids(self, text: str) -> tuple[int, ...]:
        """Tokens of the cleaned text as from open_clip, with special tokens, and 0 for separators that it strips."""
        ids = self._tokenizer(self._open_clip.clean_fn(text)).input_ids
        if self._open_clip.strip_sep_token:
            ids = [0 if token == self._tokenizer.sep_token_id else token for token in ids]
        return tuple(ids)

    def ends(self, tokens: Int[Tensor, "n context"]) -> Int[Tensor, " n"]:
        """The end token may be the padding token itself (SigLIP)."""
        return (tokens != self.pad).sum(dim=1) - (0 if self._ends_with_pad else 1)

    def vocabulary(self) -> list[str]:
        """Every token as the tokenizer writes it."""
        words: list[str] = self._tokenizer.convert_ids_to_tokens(range(len(self._tokenizer)))
        return words

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the tokens of all letters and of the vocabulary."""
        sample = [self.ids(text) for text in ("a photo of a cat.", "A_B (c) 12", "naïve Straße 猫")]
        return hashlib.sha256(json.dumps([sample, self.vocabulary()]).encode()).hexdigest()


Tokenizer = ClipTokenizer | HubTokenizer


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


@lru_cache(maxsize=4)
def hub_tokenizer(source: str, options: str) -> HubTokenizer:
    """The tokenizer of that source; raises WeightsError if its files are not available.

    Args:
        source: a repository of the hub, or a folder with the tokenizer's files.
        options: options of open_clip's `HFTokenizer`, as sorted JSON (`tokenizer_kwargs` of the configuration).
    """
    advice = (
        "Connect once to fetch it, or use local-dir:FOLDER with the tokenizer's files beside open_clip_config.json."
    )
    try:
        return HubTokenizer(open_clip().tokenizer.HFTokenizer(source, **json.loads(options)))
    except Exception as error:  # transformers, tokenizers and the hub client share no base class
        first = " ".join(str(error).split())[:200]
        raise WeightsError(
            f"The tokenizer {source} is not available ({type(error).__name__}: {first}). {advice}"
        ) from error
