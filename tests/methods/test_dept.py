"""DePT around other methods: its formula written out, whose head answers for which classes, and who is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from families_of_methods import some_fast
from parity_kit import batch_of, class_set, images, moved, support_view, tiny_backbone, train_batch
from torch import Tensor

from datasets_registry import ClassSet, EvalProtocol
from methods import get_method

HOSTS = (
    "coop", "cocoop", "kgcoop", "maple", "promptsrc", "vpt", "clip_adapter", "tcp", "ivlp", "mma", "coprompt",
    "clip_fit", "clip_lora", "clip_svd",
)  # fmt: skip


def logits(method: Any, classes: ClassSet) -> Tensor:
    with torch.no_grad():
        return method.classifier(classes)(batch_of(tiny_backbone(), images("test")[:6], None, method.info.needs))


def own_texts(host: Any, features: Tensor, labels: Tensor) -> Tensor:
    """The host's unnormalised text feature of each image's class."""
    if host.info.name == "cocoop":
        prompts = host.trainable.prompts(class_set("base"), tiny_backbone())
        return torch.stack([host.text_features(prompts, f[None])[0, y] for f, y in zip(features, labels, strict=True)])
    return host.text_features(class_set("base"))[labels]


def head_logits(part: dict[str, Tensor], kind: str, x: Tensor) -> Tensor:
    moved = part[f"head.{kind}_scale"] * x + part[f"head.{kind}_shift"]
    return moved @ part["head.rows.weight"].T + part["head.rows.bias"]


@pytest.mark.parametrize("host", some_fast(HOSTS, {"cocoop", "kgcoop", "promptsrc", "clip_adapter"}))
def test_loss_and_gradients_equal_the_formula(host: str) -> None:
    # DePT's code gives KgCoOp's penalty another weight
    method, plain = moved(f"dept_on:{host}"), moved(host, **({"weight": 2.0} if host == "kgcoop" else {}))
    part, batch = dict(method.trainable.named_parameters()), train_batch(method.info.needs)
    ours = method.loss(batch)
    images_, texts = plain.image_features(batch), own_texts(plain, plain.image_features(batch), batch.labels)
    of_texts = F.cross_entropy(head_logits(part, "text", texts), batch.labels)
    of_images = F.cross_entropy(head_logits(part, "image", images_), batch.labels)
    # the official code adds the penalty of KgCoOp in full
    classification, penalty = plain.loss_terms(batch)
    theirs = 0.3 * classification + 0.7 * (of_texts + of_images) / 2 + (0.0 if penalty is None else penalty)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    hosts = dict(plain.trainable.named_parameters())
    assert {f"head.{k}" for k in ("image_scale", "image_shift", "text_scale", "text_shift")} < set(part)
    assert set(part) - set(hosts) == {key for key in part if key.startswith("head.")}
    heads = {key: value for key, value in part.items() if key not in hosts}
    mine = torch.autograd.grad(ours, list(part.values()))
    expected = torch.autograd.grad(theirs, [*hosts.values(), *heads.values()])
    for key, gradient in zip([*hosts, *heads], expected, strict=True):
        torch.testing.assert_close(mine[list(part).index(key)], gradient, atol=1e-4, rtol=1e-4, msg=key)


@pytest.mark.parametrize("host", some_fast(HOSTS, {"cocoop", "kgcoop", "promptsrc", "clip_adapter"}))
def test_trained_classes_get_both_heads_and_others_the_host_s(host: str) -> None:
    method, plain = moved(f"dept_on:{host}"), moved(host)
    base, part = class_set("base"), dict(method.trainable.named_parameters())
    test = batch_of(tiny_backbone(), images("test")[:6], None, method.info.needs)
    with torch.no_grad():
        of_images = head_logits(part, "image", plain.image_features(test))
    expected = 0.3 * logits(plain, base) + 0.7 * of_images
    torch.testing.assert_close(logits(method, base), expected, atol=1e-4, rtol=1e-5)
    some = ClassSet((base.names[3], base.names[1]), base.template)
    torch.testing.assert_close(logits(method, some), expected[:, [3, 1]], atol=1e-4, rtol=1e-5)
    assert torch.equal(logits(method, class_set("new")), logits(plain, class_set("new")))
    mixed = class_set("all")
    assert torch.equal(logits(method, mixed), logits(plain, mixed)), "the host's list"


def test_two_classes_of_one_name_have_a_row_each() -> None:
    name = class_set("base").names[0]
    twins = ClassSet((name, name, *class_set("base").names[2:]), "a photo of a {}.")
    found = logits(moved("dept", twins), twins)
    assert not torch.allclose(found[:, 0], found[:, 1], atol=1e-3)


@pytest.mark.parametrize("host", ["kgcoop", "promptsrc"])
def test_the_host_starts_as_without_and_the_head_learns_faster(host: str) -> None:
    cls, plain = get_method(f"dept_on:{host}"), get_method(host)
    starts = []
    for each in (cls, plain):
        method: Any = each(
            tiny_backbone(), each.info.default_config(EvalProtocol.BASE_TO_NEW), torch.Generator().manual_seed(3)
        )
        method.prepare(support_view(tiny_backbone(), class_set("base")))
        starts.append(method)
    for key, value in starts[1].trainable.state_dict().items():
        assert torch.equal(value, starts[0].trainable.state_dict()[key])
    hosts, head = starts[0].parameter_groups()
    assert hosts.get("lr_scale", 1.0) == 1.0
    assert head["lr_scale"] == 6.5
    assert {id(p) for p in head["params"]} == {id(p) for p in starts[0].trainable.head.parameters()}
    assert len(hosts["params"]) + len(head["params"]) == len(list(starts[0].trainable.parameters()))


def test_another_optimiser_keeps_its_settings() -> None:
    ours, host = (get_method(name).info.recipes[EvalProtocol.BASE_TO_NEW] for name in ("dept_on:tcp", "tcp"))
    assert ours.model_copy(update={"source": host.source}) == host
    assert "none for its optimiser" in ours.source


def test_apex_blends_around_both_heads() -> None:
    assert torch.equal(logits(moved("apex_on:dept"), class_set("base")), logits(moved("dept"), class_set("base")))
    assert not torch.allclose(logits(moved("apex_on:dept"), class_set("new")), logits(moved("dept"), class_set("new")))
