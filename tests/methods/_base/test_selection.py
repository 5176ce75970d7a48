"""Ensembles over the grid that a method would search: the plain average of classifiers made one by one, and counts."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from families_of_methods import some_fast
from parity_kit import assert_counted, batch_of, class_set, images, support_view, tiny_backbone
from torch import Tensor

from datasets_registry import EvalProtocol
from methods import METHODS, Method, SupportView
from methods._parts.cache_model import COARSE_STEPS
from methods.ape import COARSE_STEPS as APE_STEPS
from methods.gda import ALPHAS
from methods.linear_probe import GRID

CLASSES = class_set("base")


def prepared(name: str, **config: Any) -> Method[Any]:
    cls = METHODS.get(name)
    method = cls(
        tiny_backbone(),
        cls.info.default_config(EvalProtocol.FEW_SHOT).model_copy(update=config),
        torch.Generator().manual_seed(3),
    )
    method.prepare(support_view(tiny_backbone(), CLASSES))
    return method


def probabilities(method: Method[Any]) -> Tensor:
    batch = batch_of(tiny_backbone(), images("test")[:10], None, method.info.needs)
    with torch.no_grad():
        return method.classifier(CLASSES)(batch).double().softmax(dim=1)


def evenly(largest: float, steps: int) -> list[float]:
    return [0.1 + i * (largest - 0.1) / steps for i in range(steps)]


def settings_of(name: str) -> list[dict[str, float]]:
    """The values of the grid, written out from the ranges of the method's settings."""
    match name:
        case "linear_probe":
            return [{"c": c} for c in GRID]
        case "gda":
            return [{"alpha": alpha} for alpha in ALPHAS]
        case "proker":
            betas, lmbdas = torch.linspace(0.5, 3, 4).tolist(), torch.linspace(0.001, 1, 4).tolist()
            return [{"beta": b, "lmbda": lmbda} for b, lmbda in product(betas, lmbdas)]
        case "ape":
            betas, alphas = (evenly(7.0, APE_STEPS[i]) for i in (0, 1))
            gammas = [i * 0.5 / APE_STEPS[2] for i in range(APE_STEPS[2])]
            return [{"beta": b, "alpha": a, "gamma": g} for b, a, g in product(betas, alphas, gammas)]
        case _:
            betas, alphas = evenly(12.0, COARSE_STEPS[0]), evenly(10.0, COARSE_STEPS[1])
            return [{"beta": b, "alpha": a} for b, a in product(betas, alphas)]


WITH_A_GRID = ("linear_probe", "gda", "proker", "tip_adapter", "tip_adapter_f", "ape")


@pytest.mark.parametrize("name", some_fast(WITH_A_GRID, {"gda", "tip_adapter"}))
def test_an_ensemble_is_the_mean_of_the_probabilities_of_its_candidates(name: str) -> None:
    quick = {"proker": {"views": 1}, "linear_probe": {}, "gda": {}}.get(name, {"augment_epochs": 1})
    alone = [probabilities(prepared(name, selection="fixed", **quick, **values)) for values in settings_of(name)]
    assert (alone[0] - alone[-1]).abs().max() > 1e-3, "candidates must differ"
    ensemble = prepared(name, selection="ensemble", **quick)
    torch.testing.assert_close(probabilities(ensemble), torch.stack(alone).mean(dim=0), rtol=1e-4, atol=1e-5)


def unread(*_: object) -> Tensor:
    raise AssertionError("a validation image was read")


@pytest.mark.parametrize("name", some_fast(WITH_A_GRID, {"gda", "tip_adapter"}))
def test_an_ensemble_reads_no_validation_image(name: str) -> None:
    method = prepared(name, selection="ensemble")
    before = probabilities(method)
    method.calibrate(SupportView(CLASSES, torch.arange(10) // 2, 2, unread, unread))
    assert torch.equal(probabilities(method), before)
    assert method.tuning.evaluations == 0


def test_a_trained_cache_is_trained_as_without_an_ensemble() -> None:
    batch = batch_of(tiny_backbone(), images("train")[:10], torch.arange(10) // 2)
    fixed, ensemble = (prepared("tip_adapter_f", selection=way) for way in ("fixed", "ensemble"))
    assert torch.equal(fixed.loss(batch), ensemble.loss(batch))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "config", "evaluations"),
    [
        ("gda", {}, 7),
        ("tip_adapter", {"search_step": (5, 3)}, 15),
        ("tip_adapter_f", {"search_step": (5, 3)}, 15),
        ("ape", {"search_step": (5, 3, 2)}, 30),
        ("linear_probe", {"steps": 4}, 7 + 2 * 4),
        ("tip_adapter", {"selection": "fixed"}, 0),
        ("linear_probe", {"selection": "fixed"}, 0),
    ],
)
def test_what_a_search_tries_is_counted(name: str, config: dict[str, Any], evaluations: int) -> None:
    method = prepared(name, **config)
    method.calibrate(support_view(tiny_backbone(), CLASSES, "test"))
    assert method.tuning.evaluations == evaluations


def test_regressions_are_counted_once_for_each_c() -> None:
    assert prepared("linear_probe", selection="fixed").tuning.fits == 1
    ensemble = prepared("linear_probe", selection="ensemble")
    probabilities(ensemble)
    probabilities(ensemble)
    assert ensemble.tuning.fits == len(GRID) == 7
    per_class = tiny_backbone().embed_dim + 1
    assert ensemble.learned_parameters() == 7 * len(CLASSES) * per_class
    assert_counted(ensemble)


def test_the_regressions_oracle_offers_the_powers_of_ten() -> None:
    offered = prepared("linear_probe", selection="oracle").oracle_classifiers(CLASSES)
    assert list(offered) == [f"C {c:g}" for c in GRID]
