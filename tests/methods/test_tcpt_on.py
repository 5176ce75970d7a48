"""TCPT around other methods: its formula as a plain loop, its settings, and who is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from families_of_methods import some_fast
from parity_kit import INDEX, batch_of, class_set, images, moved, support_view, tiny_backbone, train_batch
from torch import Tensor

from datasets_registry import BenchError, ClassSet, EvalProtocol
from methods import get_method

HOSTS = ("coop", "cocoop", "kgcoop", "maple", "promptsrc", "ivlp", "tcp", "hicropl", "clip_lora", "vpt")


def prepared(name: str, template: str = "a photo of a {}.", **config: Any) -> Any:
    """Around CoOp with the settings of CoOp alone, which the wrapper replaces."""
    if name.endswith(("tcpt_on", "tcpt_on:coop")):
        config = get_method("coop").info.default_config(EvalProtocol.BASE_TO_NEW).model_dump() | config
    return moved(name, ClassSet(class_set("base").names, template), **config)


def loss(method: Any) -> Tensor:
    loss_of_batch: Tensor = method.loss(train_batch(method.info.needs))
    return loss_of_batch


def pair(host: Any) -> tuple[Tensor, list[Tensor]]:
    """Normalised image features, and the normalised texts that each of them is compared with."""
    features = host.image_features(train_batch(host.info.needs))
    classes = host.support_classes
    if host.info.name == "cocoop":
        prompts = host.trainable.prompts(classes, tiny_backbone())
        texts = [host.text_features(prompts, f[None])[0] for f in features]
    else:
        texts = [host.text_features(classes)] * len(features)
    return F.normalize(features, dim=-1), [F.normalize(text, dim=-1) for text in texts]


def text_distance(learned: Tensor, frozen: Tensor) -> Tensor:
    means, covariances = [], []
    for texts in (learned, frozen):
        mean = sum(texts) / len(texts)
        means.append(mean)
        covariances.append(sum(torch.outer(text - mean, text - mean) for text in texts) / len(texts))
    return (means[0] - means[1]).pow(2).sum() + (covariances[0] - covariances[1]).pow(2).sum()


def penalties(host: Any, frozen: Tensor, weights: tuple[float, float, float] = (0.1, 0.01, 5.0)) -> Tensor:
    """The formula as a loop over images and classes."""
    features, texts = pair(host)
    margins = []
    for image, text, label in zip(features, texts, (INDEX // 2).tolist(), strict=True):
        logits = [tiny_backbone().logit_scale * image @ one for one in text]
        margins.append(logits[label] - max(other for c, other in enumerate(logits) if c != label))
    mean = sum(margins) / len(margins)
    variance = sum((margin - mean) ** 2 for margin in margins) / len(margins)
    distance = sum(text_distance(text, frozen) for text in texts) / len(texts)
    return -weights[0] * mean + weights[1] * variance + weights[2] * distance


def frozen_texts(template: str = "a photo of a {}.") -> Tensor:
    texts = [template.format(name.replace("_", " ")) for name in class_set("base").names]
    return F.normalize(tiny_backbone().encode_texts(texts), dim=-1)


@pytest.mark.parametrize("host", some_fast(HOSTS, {"cocoop", "kgcoop", "promptsrc", "vpt"}))
def test_loss_and_gradients_equal_the_formula(host: str) -> None:
    method, plain = prepared(f"tcpt_on:{host}"), prepared(host)
    ours = loss(method)
    theirs = loss(plain) + penalties(plain, frozen_texts())
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    mine, expected = (
        torch.autograd.grad(of, list(each.trainable.parameters())) for of, each in ((ours, method), (theirs, plain))
    )
    for one, other in zip(mine, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_each_weight_belongs_to_its_term() -> None:
    weights = (0.7, 0.3, 11.0)
    names = ("margin_weight", "margin_variance_weight", "moment_weight")
    method, plain = prepared("tcpt_on:maple", **dict(zip(names, weights, strict=True))), prepared("maple")
    expected = loss(plain) + penalties(plain, frozen_texts(), weights)
    torch.testing.assert_close(loss(method), expected, atol=1e-5, rtol=1e-5)
    off = prepared("tcpt_on:maple", **dict.fromkeys(names, 0.0))
    torch.testing.assert_close(loss(off), loss(plain))


@pytest.mark.parametrize(("host", "wording"), [("kgcoop", "a photo of a {}, a type of texture."), ("coop", "")])
def test_frozen_texts_are_those_of_the_dataset_and_of_kgcoop(host: str, wording: str) -> None:
    dtd = "{} texture."
    method, plain = prepared(f"tcpt_on:{host}", dtd), prepared(host, dtd)
    expected = loss(plain) + penalties(plain, frozen_texts(wording or dtd))
    torch.testing.assert_close(loss(method), expected, atol=1e-5, rtol=1e-5)


def test_around_coop_it_has_the_settings_of_its_scripts() -> None:
    info = get_method("tcpt_on").info
    found = info.default_config(EvalProtocol.BASE_TO_NEW).model_dump()
    assert (found["class_position"], found["ctx_init"], found["n_ctx"]) == ("middle", "", 16)
    recipe = info.recipe_for(EvalProtocol.BASE_TO_NEW)
    assert recipe is not None
    assert (recipe.epochs, recipe.by_dataset) == (50, {})
    assert info.default_config(EvalProtocol.CROSS_DATASET).model_dump()["class_position"] == "end"
    assert get_method("tcpt_on:kgcoop").info.config_by_protocol == get_method("kgcoop").info.config_by_protocol


def test_predictions_are_the_hosts() -> None:
    method, plain = prepared("tcpt_on:maple"), prepared("maple")
    test = [batch_of(tiny_backbone(), images("test")[:4], None, each.info.needs) for each in (method, plain)]
    with torch.no_grad():
        for part in ("base", "new"):
            assert torch.equal(method.classifier(class_set(part))(test[0]), plain.classifier(class_set(part))(test[1]))


def test_dept_and_apex_go_around_it() -> None:
    base, test = class_set("base"), batch_of(tiny_backbone(), images("test")[:4], None, get_method("coop").info.needs)
    method, plain = prepared("dept_on:tcpt_on"), prepared("dept_on:coop")
    tcpt, coop = prepared("tcpt_on"), prepared("coop")
    added = loss(tcpt) - loss(coop)
    torch.testing.assert_close(loss(method) - loss(plain), added, atol=1e-5, rtol=1e-4)
    with torch.no_grad():
        assert torch.equal(prepared("apex_on:tcpt_on").classifier(base)(test), tcpt.classifier(base)(test))


def test_one_class_has_no_margin() -> None:
    cls = get_method("tcpt_on")
    method: Any = cls(tiny_backbone(), cls.info.config(), torch.Generator())
    with pytest.raises(BenchError, match="training set has one"):
        method.prepare(support_view(tiny_backbone(), ClassSet(("River",), "a photo of a {}.")))
