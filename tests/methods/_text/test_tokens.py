"""Tokens are open_clip's, and each text is tokenised once however many training steps request it."""

from __future__ import annotations

import open_clip
import pytest
import torch
from open_clip.tokenizer import SimpleTokenizer
from parity_kit import tiny_backbone

TEXTS = ["a photo of a Forest.", "X X X X annual crop land.", "  naïve   café &amp; more "]


def test_tokens_are_those_of_open_clip() -> None:
    for _ in range(2):
        tokens = tiny_backbone().tokenized(TEXTS).tokens
        assert torch.equal(tokens, open_clip.tokenize(TEXTS)[:, : tokens.shape[1]])


def test_a_text_is_tokenised_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    encode = SimpleTokenizer.encode
    monkeypatch.setattr(SimpleTokenizer, "encode", lambda self, text: asked.append(text) or encode(self, text))
    texts = ["a sketch of a lighthouse.", "a sketch of a harbour."]
    steps = [tiny_backbone().tokenized(texts).tokens for _ in range(3)]
    assert asked == texts
    steps[0][:] = 0
    assert torch.equal(steps[1], tiny_backbone().tokenized(texts).tokens)
