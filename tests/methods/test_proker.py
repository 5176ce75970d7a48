"""ProKeR equals its official code on the recorded tiny CLIP, and its search takes the first of the best pairs."""

from __future__ import annotations

from functools import partial
from itertools import product

import pytest
import torch
from parity_kit import Case, batch_of, case_names, class_set, images, made, support_view, tiny_backbone
from torch import Tensor

from datasets_registry import ClassSet, EvalProtocol
from methods import SupportView
from methods.proker import IMAGENET_BETA, ProKeR, ProKeRConfig

prepared = partial(made, ProKeR)


def official_settings(dataset: str | None) -> ProKeRConfig:
    return ProKeR.info.default_config(EvalProtocol.FEW_SHOT).for_dataset(dataset or "")


def logits_of(method: ProKeR, n: int = 10) -> Tensor:
    with torch.no_grad():
        return method.classifier(method.support_classes)(batch_of(tiny_backbone(), images("test")[:n], None))


@pytest.mark.parametrize("name", case_names("proker"))
def test_logits_are_those_of_the_official_code(name: str) -> None:
    case = Case("proker", name)
    official, which = case.config["official"], case.config["train_classes"]
    names = class_set(which).names
    classes = ClassSet(names, "a photo of a {}.", dataset=official["dataset"])
    drawn = support_view(tiny_backbone(), classes, mirrored=True)
    support = SupportView(classes, drawn.labels, official["shots"], drawn.features, drawn.views)
    selection = {"imagenet": "fixed", "coop": "validation"}[official["hp_selection"]]
    views = 0 if case.config["views"] == 1 else case.config["views"]
    ranges = official_settings(official["dataset"]) if selection == "validation" else ProKeRConfig()
    searched = {"search_beta": ranges.search_beta, "search_lmbda": ranges.search_lmbda}
    method = prepared(support, templates=case.config["templates"], views=views, selection=selection, **searched)
    case.assert_close(method.rows, "rows", "rows")
    case.assert_close(method.text, "text", "text")
    seen = case.tensors["validation_idx"]
    features = batch_of(tiny_backbone(), images("test")[seen], None).features
    method.calibrate(SupportView(classes, seen // 2, 1, lambda: features, drawn.views))
    if selection == "validation":
        assert method.beta == pytest.approx(case.config["searched"]["beta"])
    case.assert_logits(method, logits_of(method, 2 * len(names)), f"logits_after/{which}", f"logits_after/{which}")


def test_the_search_takes_the_first_of_the_best_pairs() -> None:
    classes = class_set("base")
    support, validation = support_view(tiny_backbone(), classes), support_view(tiny_backbone(), classes, "test")
    ranges = {"search_beta": (0.5, 20.0, 3), "search_lmbda": (0.01, 5.0, 4), "views": 0}
    pairs = list(product((0.5, 10.25, 20.0), torch.linspace(0.01, 5, 4).tolist()))
    alone = [prepared(support, beta=beta, lmbda=lmbda, views=0) for beta, lmbda in pairs]
    correct = [int((logits_of(one).argmax(dim=1) == validation.labels).sum()) for one in alone]
    assert min(correct) < max(correct), "pairs must differ"
    method = prepared(support, selection="validation", **ranges)
    method.calibrate(validation)
    torch.testing.assert_close(logits_of(method), logits_of(alone[correct.index(max(correct))]), atol=1e-6, rtol=0)
    assert method.tuning.evaluations == 12


@pytest.mark.parametrize(("shots", "values"), [(1, 1), (3, 2), (16, 16), (32, 16)])
def test_fixed_values_are_those_of_the_largest_listed_shots(shots: int, values: int) -> None:
    drawn = support_view(tiny_backbone(), class_set("base"))
    method = prepared(SupportView(drawn.classes, drawn.labels, shots, drawn.features, drawn.views), views=0)
    assert method.beta == dict(IMAGENET_BETA)[values]
    assert prepared(drawn, views=0, beta=7.0).beta == 7.0
    assert prepared(drawn, views=0, beta=((4, 2.0), (8, 3.0))).beta == 2.0


@pytest.mark.parametrize(
    ("dataset", "views", "beta"),
    [("imagenet", 1, (1.5, 3.0, 10)), ("dtd", 10, (0.1, 10.0, 20)), (None, 10, (0.5, 3.0, 20))],
)
def test_views_and_ranges_are_those_of_the_dataset(
    dataset: str | None, views: int, beta: tuple[float, float, int]
) -> None:
    settings = official_settings(dataset)
    method = prepared(support_view(tiny_backbone(), class_set("base")), views=settings.views)
    assert len(method.rows) == 10 * views
    assert settings.search_beta == beta


def test_a_single_view_is_a_random_crop_and_none_the_centre_view() -> None:
    drawn, area = support_view(tiny_backbone(), class_set("base")), []

    def views(count: int, crop_scale: tuple[float, float]) -> Tensor:
        area.append((count, crop_scale))
        return drawn.features()[None] * -1

    support = SupportView(drawn.classes, drawn.labels, 2, drawn.features, views)
    random, centre = (prepared(support, views=count, crop_scale=(0.08, 1.0)).rows for count in (1, 0))
    assert area == [(1, (0.08, 1.0))]
    assert torch.equal(random, -centre)


def test_a_class_without_images_gets_logits() -> None:
    drawn = support_view(tiny_backbone(), class_set("base"))
    features = drawn.features()[:8]
    method = prepared(SupportView(drawn.classes, drawn.labels[:8], 2, lambda: features, drawn.views), views=0)
    assert logits_of(method).shape == (10, 5)
