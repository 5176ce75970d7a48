"""Tokens are open_clip's, and each text is tokenised once however many training steps request it."""

from __future__ import annotations

import open_clip
import pytest
import torch
from open_clip.tokenizer import SimpleTokenizer

from methods._text.tokens import tokenize

TEXTS = ["a photo of a Forest.", "X X X X annual crop land.", "  naïve   café &amp; more "]


def test_tokens_are_those_of_open_clip() -> None:
    for _ in range(2):
        assert torch.equal(tokenize(TEXTS), open_clip.tokenize(TEXTS))


def test_a_text_is_tokenised_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    encode = SimpleTokenizer.encode
    monkeypatch.setattr(SimpleTokenizer, "encode", lambda self, text: asked.append(text) or encode(self, text))
    steps = [tokenize(["a sketch of a lighthouse.", "a sketch of a harbour."]) for _ in range(3)]
    assert asked == ["a sketch of a lighthouse.", "a sketch of a harbour."]
    steps[0][:] = 0
    assert torch.equal(steps[1], tokenize(["a sketch of a lighthouse.", "a sketch of a harbour."]))
