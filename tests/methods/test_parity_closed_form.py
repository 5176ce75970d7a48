"""Training-free methods compute what their official code computed on the tiny CLIP (`tools/parity/record.py`)."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from parity_kit import (
    Case,
    batch_of,
    case_names,
    check_logits,
    class_set,
    generator,
    images,
    support_view,
    tiny_backbone,
)
from rounding import assert_equal_but_for_rounding

from datasets_registry import ClassSet, EvalProtocol
from methods import METHODS, SupportView
from methods.timo import every_text


def support_of(case: Case, dataset: str | None = None) -> SupportView:
    """The recorded training images; their second view is the mirror image."""
    index = case.tensors["image_idx"]

    def features(view: int = 0) -> torch.Tensor:
        pixels = images("train")[index]
        return batch_of(tiny_backbone(), pixels.flip(-1) if view % 2 else pixels, None).features

    def views(k: int, _: tuple[float, float]) -> torch.Tensor:
        return torch.stack([features(i) for i in range(k)])

    classes = replace(class_set(case.config["train_classes"]), dataset=dataset)
    return SupportView(classes, index // 2, 2, features, views)


@pytest.mark.parametrize("name", case_names("ss_text"))
def test_ss_text_and_ss_text_plus(name: str) -> None:
    case = Case("ss_text", name)
    solver = case.config["solver"]
    weights = {"adaptive_perf": "zero_shot", "fixed": 0.1}
    cls = METHODS.get("ss_text_plus" if solver["repel"] else "ss_text")
    settings = {"templates": case.config["templates"], "normalise": case.config["normalise"]}
    if "text_lambda" in solver:
        settings["text_weight"] = weights[solver["text_lambda"]]
    method = cls(tiny_backbone(), cls.info.config(logit_scale=case.config["logit_scale"], **settings), generator())
    method.prepare(support_of(case))
    case.assert_close(method.rows, "rows", "rows")
    check_logits(method, case, "logits_after", class_set)


@pytest.mark.parametrize("name", case_names("ss_text_u"))
def test_ss_text_u(name: str) -> None:
    case = Case("ss_text_u", name)
    given, solver = case.config, case.config["solver"]
    pixels = images("train")[: 2 * len(class_set(given["train_classes"]))].flip(-1)
    cls = METHODS.get("ss_text_u")
    config = cls.info.config(
        templates=given["templates"],
        normalise=given["normalise"],
        logit_scale=given["logit_scale"],
        rounds=solver["num_iters_mm"],
        sinkhorn_steps=solver["num_iters_ot"],
        unseen_share=solver["ratio_label_marginal_correction"],
    )
    method = cls(tiny_backbone(), config, generator())
    pool = batch_of(tiny_backbone(), pixels, None).features
    method.prepare(replace(support_of(case), unlabelled=lambda: pool))
    case.assert_close(method.rows, "rows", "rows")
    check_logits(method, case, "logits_after", class_set)


def test_ss_text_u_assigns_each_image_once_and_each_class_its_share() -> None:
    cls = METHODS.get("ss_text_u")
    method = cls(tiny_backbone(), cls.info.config(sinkhorn_steps=100), generator())
    logits = 100 + torch.randn(30, 3, generator=torch.Generator().manual_seed(0))  # their exponentials overflow
    share = torch.tensor([0.5, 0.3, 0.2])
    plan = method.plan(logits, share)
    torch.testing.assert_close(plan.sum(dim=1), torch.ones(30))
    torch.testing.assert_close(plan.mean(dim=0), share)


def test_ss_text_plus_keeps_the_text_of_a_class_without_images() -> None:
    case = Case("ss_text", "ss_text_plus_without_a_class")
    cls = METHODS.get("ss_text_plus")
    config = cls.info.config(templates=case.config["templates"], repel=False)
    method = cls(tiny_backbone(), config, generator())
    method.prepare(support_of(case))
    text = case.tensors["text"]
    torch.testing.assert_close(method.rows[2], text[2])
    assert float((method.rows - text).norm(dim=1)[[0, 1, 3, 4]].min()) > 1


@pytest.mark.parametrize("name", ["ss_text", "ss_text_plus", "ss_text_u"])
def test_nothing_is_trained_or_searched(name: str) -> None:
    info = METHODS.get(name).info
    assert info.recipe_for(EvalProtocol.FEW_SHOT) is None
    assert not info.needs_validation


@pytest.mark.parametrize("name", case_names("timo"))
def test_timo_and_timo_s(name: str) -> None:
    case = Case("timo", name)
    cls = METHODS.get("timo_s" if case.config["search"] else "timo")
    published = cls.info.default_config(EvalProtocol.FEW_SHOT).for_dataset(case.config["dataset"])
    settings = {"templates": tuple(case.config["templates"]), "views": case.config["views"]}
    method = cls(tiny_backbone(), published.model_copy(update=settings), generator())
    support = support_of(case, case.config["dataset"])
    method.prepare(support)
    case.assert_close(method.scores, "scores", "scores")
    pixels = images("test")[: len(support.labels)]

    def test_features() -> torch.Tensor:
        return batch_of(tiny_backbone(), pixels, None).features

    method.calibrate(SupportView(support.classes, case.tensors["target"], 2, test_features, support.views))
    assert method.alpha == case.config["searched_alphas"][case.config["best_fit"]]
    case.assert_close(method.text, "text", "text")
    check_logits(method, case, "logits_after", class_set)
    weighted = method.blended_classifier(10.0, 0)
    case.assert_close(weighted(batch_of(tiny_backbone(), pixels, None)), "with_alpha_10", "with_alpha_10")


def test_descriptions_are_cut_to_the_shortest_list() -> None:
    classes = ClassSet(("cat", "dog"), "a {}.", (("a cat.", "fur.", "paws."), ("a dog.", "a tail.")))
    texts = every_text(tiny_backbone(), classes, ("own",))
    plain = tiny_backbone().encode_texts(["a cat.", "fur.", "a dog.", "a tail."])
    torch.testing.assert_close(texts.flatten(0, 1), torch.nn.functional.normalize(plain, dim=-1))


def test_texts_are_repeated_beyond_their_number() -> None:
    """Twice all texts weigh as much as every text twice."""
    cls, classes = METHODS.get("timo"), class_set("base")
    once, twice = (
        cls(tiny_backbone(), cls.info.config(templates=templates, joining_texts=4, selection="fixed"), generator())
        for templates in (("a {}.", "the {}."), ("a {}.", "a {}.", "the {}.", "the {}."))
    )
    for method in (once, twice):
        method.prepare(support_view(tiny_backbone(), classes))
    condition, width = 60, 64  # of the covariance, whose inverse multiplies the rounding of a sum of `width` products
    assert_equal_but_for_rounding(once.weights, twice.weights, condition**2 * width)
