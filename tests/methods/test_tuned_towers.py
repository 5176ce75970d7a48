"""CLIPFit, 2SFS and fine-tuning against a copy of open_clip's own model that holds the tuned tensors itself."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from parity_kit import (
    assert_counted,
    batch_of,
    class_set,
    generator,
    images,
    made,
    prepared,
    support_view,
    tiny_backbone,
    train_batch,
)  # fmt: skip
from rounding import SMALL_IMAGE_TOWER, assert_equal_but_for_rounding
from torch import Tensor, nn

from bench.experiment.training_loop import fit, make_optimizer, scheduled_rate, stage_spans, train_step
from datasets_registry import EvalProtocol
from methods import Recipe, Sizes, TrainableMethod, tokenize
from methods.clip_fit import CLIPFit, CLIPFitConfig
from methods.full_ft import FullFT
from methods.last_block_ft import LastBlockFT
from methods.two_stage import TwoStage, TwoStageConfig

BLOCKS = range(3)


def tuned_copy(values: Mapping[str, nn.Parameter]) -> tuple[Any, dict[str, nn.Parameter]]:
    """A copy of the whole model with those tensors in it, and these, to be differentiated."""
    model = copy.deepcopy(tiny_backbone().model)
    own = dict(model.named_parameters())
    for name, value in values.items():
        with torch.no_grad():
            own[name].copy_(value)
        own[name].requires_grad_(True)
    return model, {name: own[name] for name in values}


def norms(prefix: str, module: Any) -> dict[str, nn.Parameter]:
    """The trained copies by their names in the model."""
    found = {}
    for i in BLOCKS:
        for short, copies in (("ln_1", module.attention), ("ln_2", module.mlp)):
            for kind in ("weight", "bias"):
                found[f"{prefix}transformer.resblocks.{i}.{short}.{kind}"] = getattr(copies[i], kind)
    return found


def ends(names: list[str], module: Any) -> dict[str, nn.Parameter]:
    return {
        f"{name}.{kind}": getattr(norm, kind)
        for name, norm in zip(names, module.outer, strict=True)
        for kind in ("weight", "bias")
    }


def fitted(method: CLIPFit) -> dict[str, nn.Parameter]:
    part = method.trainable
    biases = {f"transformer.resblocks.{i}.mlp.c_proj.bias": part.text.biases[i] for i in BLOCKS}
    return biases | norms("visual.", part.image) | ends(["visual.ln_pre", "visual.ln_post"], part.image)


def tuned(method: TwoStage) -> dict[str, nn.Parameter]:
    part = method.trainable
    found = norms("", part.text) | norms("visual.", part.image)
    if method.config.norms == "all":
        found |= ends(["ln_final"], part.text) | ends(["visual.ln_pre", "visual.ln_post"], part.image)
    return found


def cosine(image: Tensor, text: Tensor) -> Tensor:
    return tiny_backbone().logit_scale * F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).T


def assert_same_gradients(loss: Tensor, ours: Mapping[str, nn.Parameter], plain: Tensor, theirs: Any) -> None:
    torch.testing.assert_close(loss, plain, atol=1e-5, rtol=1e-5)
    found = torch.autograd.grad(loss, list(ours.values()))
    expected = torch.autograd.grad(plain, list(theirs.values()))
    for name, one, other in zip(ours, found, expected, strict=True):
        assert float((one - other).norm()) <= 1e-4 * float(other.norm()) + 1e-6, name


@pytest.mark.parametrize(
    ("template", "wording"),
    [
        ("a photo of a {}, a type of pet.", "a photo of a {}, a type of pet."),
        ("{} texture.", "a photo of a {}, a type of texture."),
    ],
)
def test_clip_fit_equals_a_model_with_those_biases_and_norms(template: str, wording: str) -> None:
    method = prepared(CLIPFit(tiny_backbone(), CLIPFitConfig(weight=3.0), generator()), class_set("base", template))
    model, tensors = tuned_copy(fitted(method))
    assert sum(p.numel() for p in tensors.values()) == method.learned_parameters()
    for which in ("base", "new"):
        tokens = tokenize(class_set(which).texts(wording))
        expected = cosine(model.encode_image(images("test")), model.encode_text(tokens))
        test = batch_of(tiny_backbone(), images("test"), None, frozenset({"pixels"}))
        ours = method.classifier(class_set(which, template))(test)
        torch.testing.assert_close(ours, expected, atol=2e-4, rtol=1e-4)
    batch = train_batch(method.info.needs)
    tokens = tokenize(class_set("base").texts(wording))
    text, frozen = model.encode_text(tokens), tiny_backbone().model.encode_text(tokens).detach()
    kept = 1 - (F.normalize(text, dim=-1) * F.normalize(frozen, dim=-1)).sum(dim=1).mean()
    plain = F.cross_entropy(cosine(model.encode_image(batch.pixels), text), batch.labels) + 3 * kept
    assert_same_gradients(method.loss(batch), fitted(method), plain, tensors)


@pytest.mark.parametrize(("which", "count"), [("blocks", 61_440), ("all", 65_536)])
def test_the_first_stage_equals_a_model_with_those_norms(which: Any, count: int) -> None:
    method = prepared(TwoStage(tiny_backbone(), TwoStageConfig(norms=which), torch.Generator()))
    model, tensors = tuned_copy(tuned(method))
    assert sum(p.numel() for p in tensors.values()) == method.learned_parameters() - 5 * 64
    batch = train_batch(method.info.needs)
    text = model.encode_text(tokenize(class_set("base").texts("a photo of a {}.")))
    plain = F.cross_entropy(cosine(model.encode_image(batch.pixels), text), batch.labels)
    assert_same_gradients(method.loss(batch), tuned(method), plain, tensors)
    vit_b16 = Sizes(512, 512, 12, 768, 12, 86_192_640, n_classes=10, shots=16)
    assert method.config.parameter_count(vit_b16) == count + 10 * 512


def test_the_second_stage_trains_rows_from_the_tuned_texts() -> None:
    method = prepared(TwoStage(tiny_backbone(), TwoStageConfig(), torch.Generator()))
    model, _ = tuned_copy(tuned(method))
    method.begin_stage(1)
    tokens = tokenize(class_set("base").texts("a photo of a {}."))
    rows = F.normalize(model.encode_text(tokens), dim=-1).detach().requires_grad_(True)
    torch.testing.assert_close(method.trainable.rows.data, rows.data, atol=1e-5, rtol=1e-5)
    batch = train_batch(method.info.needs)
    loss = method.loss(batch)
    plain = F.cross_entropy(cosine(model.encode_image(batch.pixels).detach(), rows), batch.labels)
    assert_same_gradients(loss, {"rows": method.trainable.rows}, plain, {"rows": rows})
    method.loss(batch).backward()
    assert all(parameter.grad is None for parameter in tuned(method).values())


def test_each_class_is_classified_by_its_row_or_else_by_its_tuned_text() -> None:
    method = prepared(TwoStage(tiny_backbone(), TwoStageConfig(), torch.Generator()))
    model, _ = tuned_copy(tuned(method))
    base, both = class_set("base"), class_set("all")
    mixed = type(base)((both.names[7], base.names[3], both.names[5], base.names[0]), base.template)
    new = model.encode_text(tokenize(mixed.texts()))
    rows = method.trainable.rows
    text = torch.stack([new[0], rows[3], new[2], rows[0]])
    test = batch_of(tiny_backbone(), images("test"), None, frozenset({"pixels"}))
    ours = method.classifier(mixed)(test)
    torch.testing.assert_close(ours, cosine(model.encode_image(images("test")), text), atol=2e-4, rtol=1e-4)
    assert not torch.allclose(rows[3], F.normalize(new[1], dim=-1), atol=1e-3), "row and text differ"


def test_the_stages_are_two_trainings_of_sixty_and_forty_percent() -> None:
    """Against two loops of torch's own AdamW and cosine, as the official code has them."""
    recipe = Recipe(
        optimizer="adamw", lr=1e-3, weight_decay=0.01, steps_per_shot=5, batch_size=0,
        schedule="cosine", min_lr=1e-4, warmup="none",
    )  # fmt: skip
    pixels, labels = images("train")[:10], torch.arange(10) // 2
    method = TwoStage(tiny_backbone(), TwoStageConfig(), torch.Generator())
    method.prepare(support_view(tiny_backbone(), class_set("base")))
    model, tensors = tuned_copy(tuned(method))
    fit(
        method, recipe, n=10, shots=2, generator=torch.Generator().manual_seed(0),
        batches_of=lambda _: lambda i: batch_of(tiny_backbone(), pixels[i], labels[i], method.info.needs),
    )  # fmt: skip
    tokens = tokenize(class_set("base").texts("a photo of a {}."))

    def run(parameters: list[nn.Parameter], steps: int, logits: Any) -> None:
        optimizer = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.01)
        cosine_schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, eta_min=1e-4)
        for _ in range(steps):
            optimizer.zero_grad()
            F.cross_entropy(logits(), labels).backward()
            optimizer.step()
            cosine_schedule.step()

    run(list(tensors.values()), 6, lambda: cosine(model.encode_image(pixels), model.encode_text(tokens)))
    for (name, ours), theirs in zip(tuned(method).items(), tensors.values(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4, msg=name)
    rows = nn.Parameter(F.normalize(model.encode_text(tokens), dim=-1).detach())
    run([rows], 4, lambda: cosine(model.encode_image(pixels).detach(), rows))
    torch.testing.assert_close(method.trainable.rows, rows, atol=2e-5, rtol=1e-4)


def test_the_published_lengths_are_those_of_the_official_code() -> None:
    recipe = TwoStage.info.recipes[next(iter(TwoStage.info.recipes))]
    method = TwoStage(tiny_backbone(), TwoStageConfig(), torch.Generator())
    for shots in (1, 2, 4, 8, 16):
        steps = [span.steps for span in stage_spans([recipe, recipe], method.stages(), 32 * shots, shots)]
        assert steps == [int(300 * shots * 0.6), 300 * shots - int(300 * shots * 0.6)]


# --- fine-tuning of the image tower, step by step ---------------------------------------------------------------------


STEPS = [torch.tensor(index) for index in ([0, 3, 5, 8], [1, 2, 6, 9], [4, 7], [0, 9, 3, 6])]
"""Images of each step."""
PUBLISHED = LastBlockFT.info.recipes[EvalProtocol.FEW_SHOT]
RECIPE = PUBLISHED.model_copy(update={"lr": 3e-4, "epochs": 4, "batch_size": 0})
"""A higher rate than the published one, so that four steps show."""


def plain_loop(
    trained: Callable[[Any], list[nn.Parameter]], *, normalise: bool, penalty: float
) -> tuple[Any, list[nn.Parameter], list[float]]:
    """Adam with eps 1e-4 and a cosine to 0, on a copy of the model; texts are frozen and normalised."""
    model = copy.deepcopy(tiny_backbone().model)
    parameters = trained(model)
    start = [p.detach().clone() for p in parameters]
    text = F.normalize(tiny_backbone().encode_texts(class_set("base").texts()), dim=-1)
    optimizer = torch.optim.Adam([p.requires_grad_(True) for p in parameters], lr=RECIPE.lr, eps=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, float(len(STEPS)))
    losses = []
    for index in STEPS:
        image = model.encode_image(images("train")[index])
        image = F.normalize(image, dim=-1) if normalise else image
        loss = F.cross_entropy(tiny_backbone().logit_scale * image @ text.T, index // 2)
        far = torch.stack([F.mse_loss(p, p0, reduction="sum") for p, p0 in zip(parameters, start, strict=True)]).sum()
        optimizer.zero_grad()
        (loss + penalty * far).backward()
        optimizer.step()
        schedule.step()
        losses.append(float((loss + penalty * far).detach()))
    return model, parameters, losses


def our_loop(method: TrainableMethod[Any]) -> list[float]:
    (span,) = stage_spans([RECIPE], method.stages(), 10, 2)
    optimizer = make_optimizer(RECIPE, method.parameter_groups())
    losses = []
    for step, index in enumerate(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = scheduled_rate(RECIPE, span, step, step)
        batch = batch_of(tiny_backbone(), images("train")[index], index // 2, method.info.needs)
        losses.append(train_step(method, batch, optimizer))
    return losses


def assert_same_training(
    method: TrainableMethod[Any], trained: Callable[[Any], list[nn.Parameter]], **how: Any
) -> None:
    """Losses, every trained tensor, and the logits of trained and of new classes."""
    model, expected, losses = plain_loop(trained, **how)
    started = [p.detach().clone() for p in method.trainable.parameters()]
    additions = len(STEPS) * 3 * SMALL_IMAGE_TOWER
    assert_equal_but_for_rounding(torch.tensor(our_loop(method)), torch.tensor(losses), additions)
    ours = list(method.trainable.parameters())
    assert sum(p.numel() for p in ours) == sum(p.numel() for p in expected) == method.learned_parameters()
    for one, other, start in zip(ours, expected, started, strict=True):
        assert float((one - start).detach().norm()) > 0
        assert float((one - other).detach().norm()) <= 1e-3 * float((other - start).detach().norm()) + 1e-6
    for which in ("base", "new"):
        text = F.normalize(tiny_backbone().encode_texts(class_set(which).texts()), dim=-1)
        with torch.no_grad():
            image = F.normalize(model.encode_image(images("test")), dim=-1)
            logits = method.classifier(class_set(which))(batch_of(tiny_backbone(), images("test"), None))
        plain = tiny_backbone().logit_scale * image @ text.T
        torch.testing.assert_close(logits, plain, atol=1e-4 * float(plain.abs().max()), rtol=0)


def last_blocks(model: Any, blocks: int) -> list[nn.Parameter]:
    return [p for block in model.visual.transformer.resblocks[-blocks:] for p in block.parameters()]


@pytest.mark.parametrize(
    ("blocks", "normalise", "penalty"), [(1, False, 0.0), (1, True, 0.0), (2, False, 0.5), (3, False, 0.0)]
)
def test_the_last_blocks_are_trained_as_by_a_plain_loop(blocks: int, normalise: bool, penalty: float) -> None:
    method = made(LastBlockFT, blocks=blocks, normalise_images=normalise, penalty=penalty)
    assert_same_training(method, lambda model: last_blocks(model, blocks), normalise=normalise, penalty=penalty)


@pytest.mark.parametrize("normalise", [False, True])
def test_the_whole_image_tower_is_trained_as_by_a_plain_loop(normalise: bool) -> None:
    method = made(FullFT, normalise_images=normalise)
    assert_same_training(method, lambda model: list(model.visual.parameters()), normalise=normalise, penalty=0.0)


def test_more_blocks_than_there_are_means_all() -> None:
    method = made(LastBlockFT, blocks=9)
    assert len(method.trainable) == tiny_backbone().vision_depth
    assert_counted(method)
