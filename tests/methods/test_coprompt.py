"""CoPrompt: its formula on open_clip's own modules, the sentences of its teacher, and the other view."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from parity_kit import INDEX, batch_of, class_set, generator, images, prepared, tiny_backbone
from plain import encode_image, encode_text
from torch import Tensor

from datasets_registry import ClassSet, Sentences
from methods import UndeclaredNeedError, tokenize
from methods.coprompt import CoPrompt, CoPromptConfig


def coprompt(classes: ClassSet, **settings: Any) -> Any:
    return prepared(CoPrompt(tiny_backbone(), CoPromptConfig(**settings), generator()), classes)


def adapted(x: Tensor, adapter: Any, ratio: float) -> Tensor:
    inner = (x @ adapter.down.T).clamp_min(0)
    return ratio * (inner @ adapter.up.T).clamp_min(0) + (1 - ratio) * x


def reference(method: Any, classes: ClassSet, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Text and image features of MaPLe's forward pass after the adapters."""
    model, parts = tiny_backbone().model, method.trainable
    context, maps = parts.text_context, parts.coupling.maps
    tokens = tokenize([f"a photo of a {name}." for name in classes.prompt_names])
    x = model.token_embedding(tokens)
    x = torch.cat([x[:, :1], context.ctx.expand(len(x), -1, -1), x[:, 3:]], dim=1)
    text = encode_text(model, x, tokens.argmax(dim=1), list(context.deeper))
    visual = [F.linear(t, m.weight, m.bias) for t, m in zip([context.ctx, *context.deeper], maps, strict=True)]
    image = encode_image(model, pixels, visual)
    return adapted(text, parts.text_adapter, 0.2), adapted(image, parts.visual_adapter, 0.1)


@pytest.mark.parametrize("weight", [1.0, 8.0])
@pytest.mark.parametrize(
    ("template", "teacher"),
    [
        ("a photo of a {}, a type of pet.", "a photo of a {}, a type of pet."),
        ("{} texture.", "a photo of a {}, a type of texture."),
    ],
)
def test_loss_and_gradients_equal_the_formula(template: str, teacher: str, weight: float) -> None:
    classes, pixels, labels = class_set("base", template), images("train")[INDEX], INDEX // 2
    method, model = coprompt(classes, weight=weight), tiny_backbone().model
    ours = method.loss(batch_of(tiny_backbone(), pixels, labels))
    text, image = (F.normalize(x, dim=-1) for x in reference(method, classes, pixels))
    with torch.no_grad():
        frozen_text = F.normalize(model.encode_text(tokenize(classes.texts(teacher))), dim=-1)
        frozen_image = F.normalize(model.encode_image(pixels.flip(-1)), dim=-1)  # the kit's other view
    consistency = (1 - (text * frozen_text).sum(dim=1).mean()) + (1 - (image * frozen_image).sum(dim=1).mean())
    theirs = F.cross_entropy(tiny_backbone().logit_scale * image @ text.T, labels) + weight * consistency
    torch.testing.assert_close(ours, theirs, atol=5e-5, rtol=1e-5)
    parameters = list(method.trainable.parameters())
    for mine, expected in zip(
        torch.autograd.grad(ours, parameters), torch.autograd.grad(theirs, parameters), strict=True
    ):
        torch.testing.assert_close(mine, expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_new_classes_get_the_same_prompts_and_adapters() -> None:
    method, classes = coprompt(class_set("base")), class_set("new")
    ours = method.classifier(classes)(batch_of(tiny_backbone(), images("test")[:4], None))
    text, image = (F.normalize(x, dim=-1) for x in reference(method, classes, images("test")[:4]))
    torch.testing.assert_close(ours, tiny_backbone().logit_scale * image @ text.T, atol=5e-5, rtol=1e-5)


def described(counts: tuple[int, ...]) -> tuple[ClassSet, Sentences]:
    """The base classes with so many sentences each, of words that the tiny CLIP knows."""
    templates = (
        "a photo of a {}.",
        "{} texture.",
        "a centered satellite photo of {}.",
        "a photo of a person doing {}.",
    )
    plain = class_set("base")
    sentences = tuple(
        tuple(t.replace("{}", name) for t in templates[:n]) for name, n in zip(plain.prompt_names, counts, strict=True)
    )
    return ClassSet(plain.names, plain.template, sentences), sentences


@torch.no_grad()
def test_each_step_draws_one_place_in_every_class_s_sentences() -> None:
    classes, sentences = described((4, 4, 4, 2, 1))
    method = coprompt(classes)
    every = [tiny_backbone().model.encode_text(tokenize(list(some))) for some in sentences]
    seen = set()
    for _ in range(40):
        drawn = method.teacher()
        places = [int((some - row).abs().sum(dim=1).argmin()) for some, row in zip(every, drawn, strict=True)]
        for some, row, place in zip(every, drawn, places, strict=True):
            torch.testing.assert_close(row, some[place], atol=1e-5, rtol=1e-5)
        seen.add(tuple(places))
    assert seen == {(0, 0, 0, 0, 0), (1, 1, 1, 0, 0), (2, 2, 2, 1, 0), (3, 3, 3, 1, 0)}


@torch.no_grad()
def test_sentences_guide_and_are_not_spoken_by_the_learned_texts() -> None:
    classes, _ = described((2, 2, 2, 2, 2))
    told, plain = coprompt(classes), coprompt(class_set("base"))
    assert torch.equal(told.text_features(classes), plain.text_features(class_set("base")))
    batch = batch_of(tiny_backbone(), images("train")[INDEX], INDEX // 2)
    assert len({float(told.loss(batch)) for _ in range(12)}) == 2, "one loss a sentence"
    assert len({float(plain.loss(batch)) for _ in range(3)}) == 1, "a template does not vary"


def test_there_is_no_other_view_at_evaluation() -> None:
    with pytest.raises(UndeclaredNeedError, match="phase without it, such"):
        _ = batch_of(tiny_backbone(), images("test")[:2], None).other_view
