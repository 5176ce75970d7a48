"""The methods on stored features compute what the official implementations compute, on the recorded tiny CLIP."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
import parity_record
import pytest
import torch
from numpy.typing import NDArray
from parity_kit import (
    Case,
    batch_of,
    case_names,
    check_logits,
    class_set,
    generator,
    images,
    made,
    recipe_of,
    replay,
    support_view,
    tiny_backbone,
)
from places import REAL_DATA
from torch import Tensor

from bench.experiment.training_loop import make_optimizer, step_rate, train_step
from datasets_registry import ClassSet
from methods import SupportView
from methods.ape import APE
from methods.clap import CLAP, CLAPConfig
from methods.cross_modal import RECIPE as CROSS_MODAL_RECIPE
from methods.cross_modal import CrossModal, CrossModalConfig
from methods.gda import ALPHAS, GDA
from methods.linear_probe import LinearProbe, linear_logits
from methods.lp_plus_plus import LPPlusPlus
from methods.prolip import ProLIP
from methods.task_res import TaskRes, TaskResConfig
from methods.tip_adapter import TipAdapter
from methods.tip_adapter_f import TipAdapterF
from methods.zs_lp import ZSLP, ZSLPConfig


def logits_on_test(method: object, case: Case, template: str) -> Tensor:
    """Logits on the test images of the trained classes."""
    which = case.config["train_classes"]
    n = 2 * len(class_set(which))
    with torch.no_grad():
        return method.classifier(class_set(which, template))(batch_of(tiny_backbone(), images("test")[:n], None))


def cosine_period(rates: Sequence[float], lr: float, warmup: int) -> int:
    """Steps of the cosine schedule of some recorded rates; 1 if none of them tells, as they end within the warm-up."""
    if len(rates) <= warmup + 1:
        return 1
    return round(math.pi / math.acos(2 * rates[warmup + 1] / lr - 1))


def tip_settings(case: Case) -> dict[str, object]:
    official = case.config
    return {
        "templates": official["template"],
        "alpha": official["init_alpha"],
        "beta": official["init_beta"],
        "search_scale": official["search_scale"],
        "search_step": official["search_step"],
        "augment_epochs": official["augment_epochs"],
        "logit_scale": official["logit_scale"],
    }


def tip_support(case: Case) -> SupportView:
    return support_view(tiny_backbone(), class_set(case.config["train_classes"]), mirrored=True)


@pytest.mark.parametrize("name", case_names("tip_adapter"))
def test_tip_adapter(name: str) -> None:
    case = Case("tip_adapter", name)
    method = made(TipAdapter, tip_support(case), **tip_settings(case))
    case.assert_close(method.cache.keys.T, "cache_keys", "cache_keys")
    case.assert_close(method.cache.values, "cache_values", "cache_values")
    case.assert_close(method.cache.text.T, "clip_weights", "clip_weights")
    for key in case.group("tip"):
        beta, _, alpha = key.removeprefix("test_logits_beta").partition("_alpha")
        if key.startswith("test_logits_beta"):
            method.cache.alpha.fill_(float(alpha))
            method.cache.beta.fill_(float(beta))
            case.assert_logits(method, logits_on_test(method, case, "{}"), f"tip/{key}", "tip")
    method.calibrate(tip_support(case))
    found = {"beta": float(method.cache.beta), "alpha": float(method.cache.alpha)}
    assert found == pytest.approx(case.config["tip_searched"])
    case.assert_logits(method, logits_on_test(method, case, "{}"), "tip/test_logits_searched_hp", "tip")


@pytest.mark.parametrize("name", case_names("tip_adapter"))
def test_tip_adapter_f(name: str) -> None:
    case = Case("tip_adapter", name)
    method = TipAdapterF(tiny_backbone(), TipAdapterF.info.config(**tip_settings(case)), generator())
    support = tip_support(case)
    replay(method, case, lambda m: {"adapter.weight": m.trainable.keys}, template="{}", support=support)
    method.calibrate(support)
    found = {"beta": float(method.trainable.beta), "alpha": float(method.trainable.alpha)}
    assert found == pytest.approx(case.config["tip_f_searched"])
    which = case.config["train_classes"]
    key = f"logits_after_searched_hp/{which}"
    case.assert_logits(method, logits_on_test(method, case, "{}"), key, key)


@pytest.mark.parametrize("name", case_names("taskres"))
def test_task_res(name: str) -> None:
    case = Case("taskres", name)
    config = TaskResConfig(templates=case.config["templates"], alpha=case.config["TaskRes"]["RESIDUAL_SCALE"])
    method = TaskRes(tiny_backbone(), config, generator())
    replay(method, case, lambda m: {"prompt_learner.text_feature_residuals": m.trainable.vectors})
    case.assert_close(method.base, "base_text_features", "base_text_features")


@pytest.mark.parametrize("name", case_names("clap"))
def test_clap_and_its_relatives(name: str) -> None:
    case = Case("clap", name)
    templates = case.config["templates"]
    if case.config["CONSTRAINT"] == "l2":
        method = CLAP(tiny_backbone(), CLAPConfig(templates=templates), generator())
    elif case.config["INIT"] == "TR":
        method = TaskRes(tiny_backbone(), TaskResConfig(templates=templates), generator())
    else:
        init = {"ZS": "zero_shot", "RANDOM": "random"}[case.config["INIT"]]
        method = ZSLP(tiny_backbone(), ZSLPConfig(templates=templates, init=init), generator())
    replay(method, case, lambda m: {"prototypes": m.trainable.vectors})
    case.assert_close(method.base, "base_text_features", "base_text_features")
    if isinstance(method, CLAP):
        case.assert_close(method.alpha, "alpha_constraint", "alpha_constraint")


def test_a_random_probe_starts_with_the_official_spread() -> None:
    recorded = Case("clap", "random_lp_eurosat_all").tensors["init/prototypes"]
    method = made(ZSLP, class_set("all"), init="random")
    assert float(method.trainable.vectors.detach().std()) == pytest.approx(float(recorded.std()), rel=0.1)


def test_underscores_stay_in_class_names_unless_asked() -> None:
    """TaskRes and CLAP format names as they are; everybody else makes spaces of underscores."""
    classes = ClassSet(tuple(f"{n}_{n}" for n in class_set("base").names), "a photo of a {}.")
    kept, spoken = made(TaskRes, classes), made(TaskRes, classes, keep_underscores=False)
    as_they_are = tiny_backbone().encode_texts([f"a photo of a {n}." for n in classes.names])
    assert torch.equal(kept.base, as_they_are)
    assert torch.equal(spoken.base, tiny_backbone().encode_texts(classes.texts()))
    assert not torch.allclose(kept.base, spoken.base)


@pytest.mark.parametrize("name", [n for n in case_names("linear_probe") if n != "c_search_normalised"])
def test_linear_probe(name: str) -> None:
    """L-BFGS stops at its own tolerance: 1 % of the largest decision value, 2e-3 on probabilities."""
    case = Case("linear_probe", name)
    method = made(LinearProbe, class_set("all"), selection="fixed", c=case.config["C"])
    ours = logits_on_test(method, case, "{}").double()
    recorded = case.tensors["decision_test"]
    torch.testing.assert_close(ours, recorded.double(), atol=1e-2 * float(recorded.abs().max()), rtol=0)
    parity_record.note("linear_probe", ours, recorded.double())
    torch.testing.assert_close(ours.softmax(dim=1), case.tensors["proba_test"].double(), atol=2e-3, rtol=0)


def test_linear_probe_searches_as_the_official_code() -> None:
    """The same values of C in the same order, on the odd test images as validation."""
    case = Case("linear_probe", "c_search_normalised")
    method = made(LinearProbe, class_set("all"), normalise=True, steps=case.config["num_step"])
    tried: list[float] = []
    fit = method.fit_regression
    method.fit_regression = lambda c: (tried.append(c), fit(c))[1]
    odd = batch_of(tiny_backbone(), images("test")[1::2], None)
    method.search_regularisation(method.regression_inputs(odd.features), torch.arange(10))
    assert tried[:-1] == pytest.approx(case.tensors["C_sequence"].tolist(), rel=1e-6)
    largest = float(case.tensors["coef_C1"].abs().max())
    torch.testing.assert_close(fit(1.0)[:, :-1], case.tensors["coef_C1"].double(), atol=1e-2 * largest, rtol=0)


def test_linear_probe_is_at_the_minimum_of_its_objective() -> None:
    method = made(LinearProbe, selection="fixed", c=0.1)
    x, labels = method.features.double(), method.labels
    weight = method.chosen[:, :-1].clone().requires_grad_()
    bias = method.chosen[:, -1].clone().requires_grad_()
    loss = torch.nn.functional.cross_entropy(x @ weight.T + bias, labels) + weight.square().sum() / (2 * 0.1 * 10)
    loss.backward()
    assert float(weight.grad.abs().max()) < 1e-4
    assert float(bias.grad.abs().max()) < 1e-4


@pytest.mark.real_data
@pytest.mark.parametrize(("dataset", "expected"), [("caltech101", 0.938), ("oxford_pets", 0.804)])
def test_the_linear_probe_has_the_accuracy_of_scikit_learns_on_real_features(dataset: str, expected: float):
    """Features of CLIP ViT-B/32, 16 shots; measured with scikit-learn's logistic regression at C = 10."""
    arrays = np.load(REAL_DATA / "features" / "vitb32" / f"{dataset}.npz")

    def part(name: str) -> tuple[Tensor, Tensor]:
        features, labels = arrays[f"{name}_f"].astype(np.float32), arrays[f"{name}_l"].astype(np.int64)
        return torch.from_numpy(features), torch.from_numpy(labels)

    (support, labels), (images, truth) = part("train16"), part("test")
    classes = ClassSet(tuple(f"class {i}" for i in range(int(labels.max()) + 1)), "{}")
    view = SupportView(classes, labels, 16, lambda: support, lambda k, _: support.expand(k, -1, -1))
    method = made(LinearProbe, view, selection="fixed", c=10)
    predicted = linear_logits(method.chosen, images).argmax(dim=1)
    assert float((predicted == truth).double().mean()) == pytest.approx(expected, abs=0.001)


@pytest.mark.parametrize("name", case_names("lp_plus_plus"))
def test_lp_plus_plus(name: str) -> None:
    """Full batches; step sizes, start and the accumulating gradient of alpha come from our own code."""
    case = Case("lp_plus_plus", name)
    classes = class_set(case.config["train_classes"])
    support = support_view(tiny_backbone(), classes)
    method = made(LPPlusPlus, support, templates=case.config["template"], selection="last")
    probe = method.trainable
    named = {"classifier.weight": probe.weight, "classifier.bias": probe.bias}
    case.assert_close(torch.tensor(method.weight_step), "lr_w", "lr_w")
    case.assert_close(torch.tensor(method.alpha_step), "lr_alpha", "lr_alpha")
    case.assert_close(method.text.T, "text_weights", "text_weights")
    case.assert_close(probe.weight, "init/classifier.weight", "init")
    with torch.no_grad():
        probe.bias.copy_(case.tensors["init/classifier.bias"])
    check_logits(method, case, "logits_before", class_set)
    (group,) = method.parameter_groups()
    optimizer = make_optimizer(recipe_of(case), [group | {"lr": group["lr_scale"]}])
    whole = batch_of(tiny_backbone(), images("train")[: len(support.labels)], support.labels)
    for epoch in range(case.config["epochs"]):
        worst = float((probe.alpha.detach() - case.tensors["alpha_at_step"][epoch]).abs().max())
        assert worst <= case.tolerance("alpha_at_step"), f"alpha of epoch {epoch}"
        loss = train_step(method, whole, optimizer)
        assert abs(loss - float(case.tensors["loss"][epoch])) <= case.tolerance("loss"), f"loss of epoch {epoch}"
        gradient = case.tensors["alpha_accumulated_grad_at_step"][epoch]
        assert float((probe.alpha.grad - gradient).abs().max()) <= case.tolerance("alpha_accumulated_grad_at_step")
        for key, parameter in named.items():
            if epoch == 0:
                case.assert_close(parameter.grad, f"grad1/{key}", "grad1")
            if f"after{epoch + 1}/{key}" in case.tensors:
                case.assert_close(parameter, f"after{epoch + 1}/{key}", f"after{epoch + 1}")
        method.on_epoch_end(epoch, case.config["epochs"])
    case.assert_close(probe.alpha, "alpha_final", "alpha_final")
    check_logits(method, case, "logits_after", class_set)


def test_lp_plus_plus_keeps_the_last_of_the_best_epochs() -> None:
    support = support_view(tiny_backbone(), class_set("base"))
    method = made(LPPlusPlus, support)
    image = torch.nn.functional.normalize(support.features(), dim=-1)
    good = (torch.nn.functional.one_hot(support.labels).float().T @ image).clone()
    with torch.no_grad():
        method.trainable.alpha.zero_()
        method.trainable.bias.zero_()
        for factor in (-1.0, 50.0, 60.0, -2.0):
            method.trainable.weight.copy_(factor * good)
            method.on_epoch_end(0, 4)
    scores = []
    for i in range(4):
        method.epochs.restore(i)
        logits = method.logits(image)
        scores.append(float((logits.argmax(dim=1) == support.labels).float().mean()))
    method.calibrate(support)
    expected = max(i for i, score in enumerate(scores) if score == max(scores))
    assert torch.equal(method.trainable.weight, method.epochs.states[expected]["weight"])
    assert expected == 2


class RecordedTextsCrossModal(CrossModal):
    """Cross-modal adaptation that takes the recorded texts of each step instead of drawing them."""

    info = CrossModal.info
    recorded: Iterator[Tensor]

    def draw_texts(self, n: int) -> Tensor:
        return next(self.recorded)


@pytest.mark.parametrize("name", case_names("cross_modal"))
def test_cross_modal(name: str) -> None:
    case = Case("cross_modal", name)
    official = case.config
    config = CrossModalConfig(
        templates=official["templates"],
        modality="cross" if official["modality"] == "cross_modal" else "image",
        head=official["head"],
        init={"zeroshot": "zero_shot", "random": "random"}[official["classifier_init"]],
        logit_scale=math.exp(official["logit_scale_log"]),
        selection="last",
    )
    method = RecordedTextsCrossModal(tiny_backbone(), config, generator())
    method.recorded = iter(case.tensors["text_batch_idx"] if config.modality == "cross" else [])

    def parameters(m: CrossModal) -> dict[str, torch.nn.Parameter]:
        head = m.trainable
        if head.adapter is None:
            return {"head.weight": head.rows}
        adapter = {"head.0.fc.0.weight": head.adapter.down, "head.0.fc.2.weight": head.adapter.up}
        return adapter | {"head.1.weight": head.rows}

    replay(method, case, parameters)
    case.assert_close(method.texts, "text_features", "text_features")
    case.assert_close(method.zero_shot, "zero_shot_weights", "zero_shot_weights")
    assert torch.equal(method.text_labels, case.tensors["text_labels"].long())
    method.config = config.model_copy(update={"trained_share": 0.5})
    check_logits(method, case, "logits_after_wiseft0.5", class_set)
    rates = official["lr_per_step"]
    steps = cosine_period(rates, official["lr"], official["warmup_iter"])
    recipe = CROSS_MODAL_RECIPE.model_copy(update={"lr": official["lr"], "warmup_steps": official["warmup_iter"]})
    assert [step_rate(recipe, i, steps) for i in range(len(rates))] == pytest.approx(rates, rel=1e-9)


def test_cross_modal_keeps_the_first_of_the_best_hundredth_steps() -> None:
    support = support_view(tiny_backbone(), class_set("base"))
    method = made(CrossModal, support)
    optimizer = make_optimizer(CROSS_MODAL_RECIPE, method.parameter_groups())
    whole = batch_of(tiny_backbone(), images("train")[:10], support.labels)
    for _ in range(202):
        train_step(method, whole, optimizer)
    assert len(method.candidates.states) == 3, "after 1, 101 and 201 updates"
    scores = []
    for i in range(3):
        method.candidates.restore(i)
        scores.append(float((method.trainable(support.features()).argmax(dim=1) == support.labels).double().mean()))
    method.calibrate(support)
    assert torch.equal(method.trainable.rows, method.candidates.states[scores.index(max(scores))]["rows"])


def test_every_text_is_seen_once_before_any_is_seen_twice() -> None:
    method = made(CrossModal, class_set("base"), templates=("own", "itap of a {}."))
    drawn = torch.cat([method.draw_texts(5) for _ in range(4)])
    assert sorted(drawn[:10].tolist()) == sorted(drawn[10:].tolist()) == list(range(10))
    assert len(method.draw_texts(99)) == 10


def test_a_resumed_training_goes_through_the_rest_of_the_texts() -> None:
    whole, resumed = (made(CrossModal, templates=("own", "itap of a {}.")) for _ in range(2))
    first = whole.draw_texts(3)
    resumed.generator.set_state(whole.generator.get_state())
    resumed.restore_training_state(whole.training_state())
    rest = whole.draw_texts(7)
    assert torch.equal(resumed.draw_texts(7), rest)
    assert sorted([*first.tolist(), *rest.tolist()]) == list(range(10))


def numpy_gda_base(vectors: NDArray[Any], labels: NDArray[Any], *, shrunk: bool) -> tuple[NDArray[Any], NDArray[Any]]:
    """Weights and biases of trained classes, from the paper's equations."""
    n_classes, dim = labels.max() + 1, vectors.shape[1]
    means = np.stack([vectors[labels == c].mean(axis=0) for c in range(n_classes)])
    if shrunk:
        centred = np.concatenate([vectors[labels == c] - means[c] for c in range(n_classes)])
        s = np.cov(centred.T)
        precision = dim * np.linalg.pinv((len(centred) - 1) * s + np.trace(s) * np.eye(dim))
    else:
        s = sum(np.cov(vectors[labels == c].T) for c in range(n_classes)) / n_classes
        precision = np.linalg.pinv(s, rcond=dim * np.finfo(np.float32).eps)
    bias = [np.log(1 / n_classes) - m @ precision @ m / 2 for m in means]
    return np.stack([precision @ m for m in means]), np.array(bias)


def numpy_gda_new(vectors: NDArray[Any], text: NDArray[Any], k: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Weights and biases of classes without images."""
    means, precisions, dim = [], [], vectors.shape[1]
    for w in text:
        near = vectors[np.argsort(-(vectors @ w), kind="stable")[:k]]
        means.append(np.concatenate([near, np.repeat(w[None], 16, axis=0)]).mean(axis=0))
        s = (near - w).T @ (near - w) / (k - 1)
        precisions.append(dim * np.linalg.pinv((k - 1) * s + np.trace(s) * np.eye(dim)))
    precision = np.mean(precisions, axis=0)
    bias = [np.log(1 / len(text)) - m @ precision @ m / 2 for m in means]
    return np.stack([precision @ m for m in means]), np.array(bias)


def unit(tensor: Tensor) -> NDArray[Any]:
    array = tensor.double().numpy()
    return array / np.linalg.norm(array, axis=-1, keepdims=True)


@pytest.mark.parametrize(("covariance", "tolerance"), [("shrunk", 1e-5), ("class_mean", 1e-3)])
def test_gda_is_the_formula_written_out(covariance: str, tolerance: float) -> None:
    """In double precision here; relative to the largest logit. The plain pseudo-inverse is badly conditioned."""
    backbone, classes, views = tiny_backbone(), class_set("base"), 4
    support = noisy_views(support_view(backbone, classes))
    settings = {"selection": "fixed", "alpha": 0.3, "neighbours": 12, "logit_scale": 100}
    method = made(GDA, support, views=views, covariance=covariance, **settings)
    vectors = unit(support.views(views, (0.5, 1.0)).flatten(0, 1))
    labels = np.tile(support.labels.numpy(), views)
    image = unit(batch_of(backbone, images("test"), None).features)
    weight, bias = numpy_gda_base(vectors, labels, shrunk=covariance == "shrunk")
    new = class_set("new")
    new_weight, new_bias = numpy_gda_new(vectors, unit(backbone.encode_texts(new.texts())), 12)
    for asked, w, b in ((classes, weight, bias), (new, new_weight, new_bias)):
        text = unit(backbone.encode_texts(asked.texts()))
        expected = 100 * image @ text.T + 0.3 * (image @ w.T + b)
        ours = method.classifier(asked)(batch_of(backbone, images("test"), None))
        np.testing.assert_allclose(ours.numpy(), expected, rtol=0, atol=tolerance * np.abs(expected).max())


def noisy_views(support: SupportView) -> SupportView:
    """A support set whose views differ from one another."""
    features = support.features()

    def views(k: int, _: tuple[float, float]) -> Tensor:
        noise = torch.randn(k, *features.shape, generator=generator())
        return features + 0.1 * features.norm(dim=1).mean() / features.shape[1] ** 0.5 * noise

    return SupportView(support.classes, support.labels, support.shots, support.features, views)


def test_gda_takes_the_first_of_the_best_weights_on_validation() -> None:
    backbone, classes = tiny_backbone(), class_set("base")
    support = support_view(backbone, classes)
    method = made(GDA, support, views=2)
    batch = batch_of(backbone, images("train")[:10], None)
    scores = [
        float((method.blended_classifier(classes, a)(batch).argmax(1) == support.labels).double().mean())
        for a in ALPHAS
    ]
    method.calibrate(support)
    assert method.alpha == ALPHAS[scores.index(max(scores))]
    assert max(scores) == 1.0


@pytest.mark.parametrize(("penalty", "factor"), [("per_shot", 1 / 2), ("per_shot_squared", 1 / 4), (3.0, 3.0)])
def test_prolip_is_the_formula_written_out(penalty: str | float, factor: float) -> None:
    """Logits before training are the tower's own; loss and gradient after a step away from it are the equation's."""
    backbone, classes = tiny_backbone(), class_set("base")
    method = made(ProLIP, classes, penalty=penalty, logit_scale=100)
    labels = torch.arange(10) // 2
    batch = batch_of(backbone, images("train")[:10], labels)
    for asked in (classes, class_set("new")):
        text = torch.nn.functional.normalize(backbone.encode_texts(asked.texts()), dim=-1)
        zero_shot = 100 * torch.nn.functional.normalize(batch.features, dim=-1) @ text.T
        torch.testing.assert_close(method.classifier(asked)(batch).detach(), zero_shot, atol=1e-4, rtol=1e-5)
    official = backbone.model.visual.proj.detach()
    assert torch.equal(method.trainable.matrix.detach(), official)
    with torch.no_grad():
        method.trainable.matrix.add_(0.01 * torch.randn(official.shape, generator=generator()))
    p = method.trainable.matrix.detach().clone().requires_grad_()
    image = torch.nn.functional.normalize(batch.pooled @ p, dim=-1)
    text = torch.nn.functional.normalize(backbone.encode_texts(classes.texts()), dim=-1)
    squares = torch.nn.functional.mse_loss(official, p, reduction="sum")
    expected = torch.nn.functional.cross_entropy(100 * image @ text.T, labels) + factor * squares
    expected.backward()
    loss = method.loss(batch)
    loss.backward()
    torch.testing.assert_close(loss, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(method.trainable.matrix.grad, p.grad, atol=1e-5, rtol=1e-4)


def test_ape_is_the_formula_written_out() -> None:
    """Channels by the sum over all pairs, one by one, and the three similarities as in the paper."""
    backbone, classes = tiny_backbone(), class_set("base")
    support = support_view(backbone, classes)
    settings = {"alpha": 1.5, "beta": 2.0, "gamma": 0.2, "channels": 0.5, "logit_scale": 100}
    method = made(APE, support, selection="fixed", **settings)
    text, keys = unit(backbone.encode_texts(classes.texts())), unit(support.features())
    vectors = [np.concatenate([text[c : c + 1], keys[2 * c : 2 * c + 2]]) for c in range(5)]
    products = [m * n for i in range(5) for j in range(5) if i != j for m in vectors[i] for n in vectors[j]]
    criterion = -0.7 * np.mean(products, axis=0) + 0.3 * text.var(axis=0, ddof=1)
    kept = np.argsort(-criterion)[:32]
    assert set(method.kept.tolist()) == set(kept.tolist())
    raw = batch_of(backbone, images("test")[:10], None).features
    image = unit(raw)

    def refined(x: NDArray[Any]) -> NDArray[Any]:
        return x[:, kept] / np.linalg.norm(x[:, kept], axis=1, keepdims=True)

    values = np.repeat(np.eye(5), 2, axis=0)
    guess = np.exp(refined(keys) @ refined(text).T)
    guess /= guess.sum(axis=1, keepdims=True)
    divergence = (values * np.log2((values + 1e-6) / (guess + 1e-6))).sum(axis=1, keepdims=True)
    cache = np.exp(-2.0 * (1 - refined(image) @ refined(keys).T)) @ (values * np.exp(0.2 * divergence))
    ours = method.classifier(classes)(batch_of(backbone, images("test")[:10], None))
    np.testing.assert_allclose(ours.numpy(), 100 * image @ text.T + 1.5 * cache, atol=2e-4)


def test_ape_takes_the_first_of_the_best_triples_on_validation() -> None:
    backbone, classes = tiny_backbone(), class_set("base")
    support, validation = support_view(backbone, classes), support_view(backbone, classes, "test")
    method = made(APE, support, search_step=(4, 3, 2))
    batch = batch_of(backbone, images("test")[:10], None)
    triples = list(product(*method.searched_values((4, 3, 2))))
    assert triples[0] == (0.1, 0.1, 0.0)
    assert len(triples) == 24
    scores = [
        float((method.cache_classifier(*t)(batch).argmax(1) == validation.labels).double().mean()) for t in triples
    ]
    method.calibrate(validation)
    assert method.chosen == triples[scores.index(max(scores))]
