"""Texts as the text tower of a backbone reads them: its tokenizer, tokens and embeddings, and those kept for later."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property

from jaxtyping import Int
from torch import Tensor

from datasets_registry import BenchError, ClassSet
from methods._backbones.backbone_spec import BackboneSpec
from methods._backbones.frozen_model import FrozenModel
from methods._base.devices import on_device
from methods._text.prompt_embeddings import TokenizedTexts
from methods._text.tokenizers import CLIP_TOKENIZER, Tokenizer, hub_tokenizer, tokenize
from methods._towers.text_tower import TextTower
from methods._towers.tower_facts import TextKind

CLASS_LISTS = 8
"""How many pairs of class list and template keep their tokens and embeddings: 51 MB each for 1,000 classes."""


class TextInput:
    """The input side of a text tower. Embeddings are those of the fp32 weights in every precision."""

    def __init__(self, spec: BackboneSpec, frozen: FrozenModel) -> None:
        self.spec = spec
        self.frozen = frozen
        self._kept: OrderedDict[tuple[ClassSet, str, bool], TokenizedTexts] = OrderedDict()

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The text tower's tokenizer; raises BenchError if it is not available."""
        if (reason := self.spec.text_tower_error) is not None:
            raise BenchError(f"{self.spec.slug} cannot encode texts: {reason}.")
        return CLIP_TOKENIZER if self.spec.tokenizer is None else hub_tokenizer(self.spec.tokenizer)

    @property
    def tower(self) -> TextTower:
        """The text tower that runs on prompts; raises BenchError for one that runs only as a whole."""
        if self.frozen.text_tower is None:
            raise BenchError(f"{self.spec.slug} has {TextKind.WHOLE}; use a method with plain class texts.")
        return self.frozen.text_tower

    def whole_context(self, texts: Sequence[str]) -> Int[Tensor, "n context"]:
        """Tokens padded to the whole context; raises BenchError for a longer text."""
        return tokenize(texts, self.spec.config["text_cfg"].get("context_length", 77), self.tokenizer)  # its default

    def tokenized(self, texts: Sequence[str]) -> TokenizedTexts:
        """Texts as tokens and embeddings, cut after the longest one."""
        tokenizer, embedding = self.tokenizer, self.tower.token_embedding
        tokens = self.whole_context(texts)
        eot = self.tower.ends(tokens, tokenizer)
        tokens = tokens[:, : int(eot.max()) + 1]
        embedded = embedding(on_device(tokens, embedding.weight.device))
        return TokenizedTexts(tokens, embedded, eot, tokenizer.n_start, tokenizer.pad)

    def class_tokens(self, classes: ClassSet, template: str, *, keep_underscores: bool) -> TokenizedTexts:
        """`tokenized` for the filled template of each class; the last few class lists are cached for later steps."""
        key, kept = (classes, template, keep_underscores), self._kept
        if key not in kept:
            kept[key] = self.tokenized(classes.texts(template, keep_underscores=keep_underscores))
            while len(kept) > CLASS_LISTS:
                kept.popitem(last=False)
        kept.move_to_end(key)
        return kept[key]
