"""Tokenizers of the Hugging Face hub, for text towers that were not trained with CLIP's (SigLIP, XLM-R, mT5, NLLB).

open_clip's `HFTokenizer` cleans and tokenizes; the files come from a folder, from the hub's cache, or from the hub.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from jaxtyping import Int
from torch import Tensor

from methods._backbones.hub import cached_file, why_unreachable
from methods._backbones.open_clip_import import open_clip
from methods._text.tokenizer_source import TokenizerError, TokenizerSource

_FILES = ("tokenizer_config.json", "tokenizer.json", "config.json")
"""Each repository with a tokenizer has one of these files."""


class HubTokenizer:
    """A tokenizer of the hub. Its end token is the last one of each text."""

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


@lru_cache(maxsize=4)
def hub_tokenizer(source: TokenizerSource) -> HubTokenizer:
    """The tokenizer of that source; raises TokenizerError if its files are not available."""
    advice = (
        "Connect once to fetch it, or use local-dir:FOLDER with the tokenizer's files beside open_clip_config.json."
    )
    on_disk = Path(source.name).exists() or any(cached_file(source.name, name) for name in _FILES)
    if not on_disk and (reason := why_unreachable()):
        raise TokenizerError(f"The tokenizer {source.name} is not in the hub's cache, and {reason}. {advice}")
    try:
        options: Mapping[str, Any] = json.loads(source.options)
        return HubTokenizer(open_clip().tokenizer.HFTokenizer(source.name, **options))
    except Exception as error:  # transformers, tokenizers and the hub client share no base class
        first = " ".join(str(error).split())[:200]
        raise TokenizerError(
            f"The tokenizer {source.name} is not available ({type(error).__name__}: {first}). {advice}"
        ) from error
