"""PLOT++ against its formula: Sinkhorn written as plain loops, features by open_clip's own modules."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from parity_kit import batch_of, class_set, generator, images, prepared, support_view, tiny_backbone
from plain import encode_image
from pydantic import ValidationError
from torch import Tensor

from datasets_registry import EvalProtocol
from methods import tokenize
from methods._text.templates import PLOT_WORDINGS
from methods.plot_pp import PLOTPP, PLOTPPConfig, sinkhorn, transported_cosine

SCALE = tiny_backbone().logit_scale


def plan_of(kernel: list[list[float]], iterations: int, tolerance: float) -> list[list[float]]:
    """One transport plan with uniform marginals, number by number."""
    m, n = len(kernel), len(kernel[0])
    r, c = [1.0] * m, [1.0] * n
    for _ in range(iterations):
        before = r
        r = [1 / m / sum(kernel[i][j] * c[j] for j in range(n)) for i in range(m)]
        c = [1 / n / sum(kernel[i][j] * r[i] for i in range(m)) for j in range(n)]
        if sum(abs(new - old) for new, old in zip(r, before, strict=True)) / m < tolerance:
            break
    return [[r[i] * kernel[i][j] * c[j] for j in range(n)] for i in range(m)]


def plan_tensor(cosine: Tensor, eps: float, iterations: int, tolerance: float) -> Tensor:
    kernel = [[math.exp(-(1 - float(x)) / eps) for x in row] for row in cosine.double()]
    return torch.tensor(plan_of(kernel, iterations, tolerance))


@pytest.mark.parametrize(("eps", "iterations", "tolerance"), [(0.1, 100, 0.01), (0.05, 3, 0.0), (1.0, 100, 1e-6)])
def test_sinkhorn_equals_the_plain_iteration(eps: float, iterations: int, tolerance: float) -> None:
    cosine = torch.rand(5, 2, 3, 4, generator=torch.Generator().manual_seed(1)).double() * 2 - 1
    plans = sinkhorn(torch.exp((cosine - 1) / eps), iterations=iterations, tolerance=tolerance)
    for pair in range(5):
        for cls in range(2):
            expected = plan_tensor(cosine[pair, cls], eps, iterations, tolerance).double()
            torch.testing.assert_close(plans[pair, cls], expected, atol=1e-7, rtol=1e-6)


def test_a_converged_plan_has_uniform_marginals_and_beats_the_independent_one() -> None:
    cosine = torch.rand(6, 3, 4, generator=torch.Generator().manual_seed(2)).double() * 2 - 1
    plans = sinkhorn(torch.exp((cosine - 1) / 0.1), iterations=2000, tolerance=1e-12)
    torch.testing.assert_close(plans.sum(dim=-1), torch.full((6, 3), 1 / 3).double())
    torch.testing.assert_close(plans.sum(dim=-2), torch.full((6, 4), 1 / 4).double())
    assert ((plans * cosine).sum(dim=(-2, -1)) > cosine.mean(dim=(-2, -1))).all()


def test_one_feature_a_side_is_the_cosine_and_a_plan_ignores_its_batch() -> None:
    generator = torch.Generator().manual_seed(3)
    image, text = torch.randn(1, 7, 8, generator=generator), torch.randn(1, 3, 8, generator=generator)
    alone = transported_cosine(image, text, eps=0.1, iterations=100, tolerance=0.01)
    torch.testing.assert_close(alone, F.normalize(image[0], dim=-1) @ F.normalize(text[0], dim=-1).T)
    images_, texts = torch.randn(4, 7, 8, generator=generator), torch.randn(2, 3, 8, generator=generator)
    together = transported_cosine(images_, texts, eps=0.1, iterations=100, tolerance=0.01)
    one = transported_cosine(images_[:, 2:3], texts, eps=0.1, iterations=100, tolerance=0.01)
    torch.testing.assert_close(together[2:3], one)


def test_no_gradient_flows_through_the_plan() -> None:
    generator = torch.Generator().manual_seed(4)
    images_, texts = torch.randn(3, 2, 8, generator=generator), torch.randn(4, 5, 8, generator=generator)
    images_.requires_grad_(True)
    cosine = torch.einsum("mbd,ncd->bcmn", F.normalize(images_, dim=-1), F.normalize(texts, dim=-1))
    plan = torch.stack(
        [torch.stack([plan_tensor(cosine[b, c].detach(), 0.1, 100, 0.01) for c in range(5)]) for b in range(2)]
    )
    expected = torch.autograd.grad((plan * cosine).sum(), images_)[0]
    ours = torch.autograd.grad(
        transported_cosine(images_, texts, eps=0.1, iterations=100, tolerance=0.01).sum(), images_
    )[0]
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-4)


def moved(template: str = "a photo of a {}.", **config: Any) -> PLOTPP:
    """In its first stage, away from its start."""
    method = PLOTPP(tiny_backbone(), PLOTPPConfig(**config), generator())
    prepared(method, class_set("base", template), by=0.3).begin_stage(0)
    return method


def text_sets(method: PLOTPP, words: tuple[str, ...], which: str) -> Tensor:
    """Texts with the learned vectors written over their first tokens, whole, through open_clip's modules."""
    model, found = tiny_backbone().model, []
    for each, ctx in zip(words, method.trainable.text, strict=True):
        tokens = tokenize(class_set(which).texts(each + " {}."))
        x = model.token_embedding(tokens)
        x = torch.cat([x[:, :1], ctx.expand(len(x), -1, -1), x[:, 1 + len(ctx) :]], dim=1)
        x = x + model.positional_embedding
        for block in model.transformer.resblocks:
            x = block(x, attn_mask=model.attn_mask)
        x = model.ln_final(x)[torch.arange(len(x)), tokens.argmax(dim=1)]
        found.append(x @ model.text_projection)
    return torch.stack(found)


def image_sets(method: PLOTPP, pixels: Tensor) -> Tensor:
    return torch.stack([encode_image(tiny_backbone().model, pixels, [each]) for each in method.trainable.image])


def transported(image: Tensor, text: Tensor) -> Tensor:
    """Logits pair by pair."""
    image, text = F.normalize(image, dim=-1), F.normalize(text, dim=-1)
    rows = []
    for b in range(image.shape[1]):
        row = []
        for c in range(text.shape[1]):
            cosine = image[:, b] @ text[:, c].T
            row.append((plan_tensor(cosine.detach(), 0.1, 100, 0.01) * cosine).sum())
        rows.append(torch.stack(row))
    return SCALE * torch.stack(rows)


@pytest.mark.parametrize("template", ["a photo of a {}.", "a centered satellite photo of {}.", "a {} of mine"])
def test_logits_are_the_transport_between_the_sets(template: str) -> None:
    method = moved(template)
    words = PLOT_WORDINGS.get(template, PLOT_WORDINGS["a photo of a {}."])
    for which in ("base", "new"):
        with torch.no_grad():
            ours = method.classifier(class_set(which, template))(batch_of(tiny_backbone(), images("test")[:3], None))
            expected = transported(image_sets(method, images("test")[:3]), text_sets(method, words, which))
        torch.testing.assert_close(ours, expected, atol=2e-4, rtol=1e-4)


def test_the_first_stage_adds_the_mean_features_and_leaves_the_texts_alone() -> None:
    method, index = moved(), torch.tensor([0, 3, 5])
    batch = batch_of(tiny_backbone(), images("train")[index], index // 2)
    image, text = image_sets(method, batch.pixels), text_sets(method, PLOT_WORDINGS["a photo of a {}."], "base")
    both = transported(image, text)
    plain = SCALE * F.normalize(image.mean(dim=0), dim=-1) @ F.normalize(text.mean(dim=0), dim=-1).T
    first = F.cross_entropy(both + plain, batch.labels)
    torch.testing.assert_close(method.loss(batch), first, atol=1e-4, rtol=1e-4)
    (expected,) = torch.autograd.grad(first, method.trainable.image, retain_graph=True)
    method.loss(batch).backward()
    torch.testing.assert_close(method.trainable.image.grad, expected, atol=1e-5, rtol=1e-3)
    assert method.trainable.text.grad is None
    assert [len(group["params"]) for group in method.parameter_groups()] == [1]
    method.begin_stage(1)
    torch.testing.assert_close(method.loss(batch), F.cross_entropy(both, batch.labels), atol=1e-4, rtol=1e-4)
    assert [len(group["params"]) for group in method.parameter_groups()] == [2]


def test_text_prompts_start_at_the_words() -> None:
    method = PLOTPP(tiny_backbone(), PLOTPPConfig(), torch.Generator().manual_seed(0))
    method.prepare(support_view(tiny_backbone(), class_set("base")))
    texts = [class_set("base").texts(words + " {}.") for words in PLOT_WORDINGS["a photo of a {}."]]
    expected = torch.stack([tiny_backbone().encode_texts(each) for each in texts])
    torch.testing.assert_close(method.text_sets(class_set("base")), expected, atol=1e-5, rtol=1e-5)


def test_on_imagenet_a_prompt_starts_at_three_words_and_the_end_of_the_text() -> None:
    """Line 78 of `plot-pp/trainers/plotpp.py`, CHENGY12/PLOT@728539f; the first token of a name is replaced."""
    words = ("a photo of a", "this is a photo", "this is a", "one picture of a")
    classes = replace(class_set("base"), dataset="imagenet")
    method = PLOTPP(tiny_backbone(), PLOTPPConfig(), torch.Generator().manual_seed(0))
    method.prepare(support_view(tiny_backbone(), classes))
    embedded = tiny_backbone().model.token_embedding(tokenize(list(words)))
    assert torch.equal(method.trainable.text, embedded[:, 1:5])
    torch.testing.assert_close(method.text_sets(classes), text_sets(method, words, "base"), atol=1e-5, rtol=1e-5)


def test_a_random_start_may_have_any_number_of_prompts() -> None:
    method = moved(n_text=6, n_ctx=3, worded_init=False)
    assert method.trainable.text.shape == (6, 3, 64)
    assert method.text_sets(class_set("base")).shape == (6, 5, 64)
    with pytest.raises(ValidationError, match="4 text prompts; set n_text"):
        PLOTPPConfig(n_text=6)


def test_each_stage_takes_the_whole_length() -> None:
    recipe = PLOTPP.info.recipes[EvalProtocol.FEW_SHOT]
    assert [recipe.epochs_for(k) for k in (1, 2, 4, 8, 16)] == [50, 100, 100, 200, 200]
    assert moved().stages() == (1.0, 1.0)
