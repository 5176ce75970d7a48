"""Tokens are open_clip's, and each text is tokenised once however many training steps request it."""

from __future__ import annotations

import open_clip
import pytest
import torch
from open_clip.tokenizer import SimpleTokenizer
from parity_kit import class_set, tiny_backbone

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


def test_tokens_of_a_class_list_are_kept_for_the_next_steps() -> None:
    backbone, classes = tiny_backbone(), class_set("base")
    first = backbone.class_tokens(classes, "a photo of a {}.")
    assert torch.equal(first.tokens, backbone.tokenized(classes.texts("a photo of a {}.")).tokens)
    assert backbone.class_tokens(class_set("base"), "a photo of a {}.") is first
    assert backbone.class_tokens(class_set("new"), "a photo of a {}.") is not first
    for i in range(8):
        backbone.class_tokens(classes, f"{i} {{}}")
    assert backbone.class_tokens(classes, "a photo of a {}.") is not first, "few lists are kept"
