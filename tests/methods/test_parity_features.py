"""The feature-space methods compute what the official implementations compute, on the recorded tiny CLIP."""

from __future__ import annotations

import pytest
import torch
from parity_kit import Case, batch_of, case_names, class_set, images, replay, support_view, tiny_backbone
from torch import Tensor

from methods._base import SupportView
from methods.tip_adapter import TipAdapter, TipAdapterConfig
from methods.tip_adapter_f import TipAdapterF, TipAdapterFConfig


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def logits_on_test(method: object, case: Case, template: str) -> Tensor:
    """Logits on the test images of the trained classes."""
    which = case.config["train_classes"]
    n = 2 * len(class_set(which))
    with torch.no_grad():
        return method.classifier(class_set(which, template))(batch_of(tiny_backbone(), images("test")[:n], None))


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
    method = TipAdapter(tiny_backbone(), TipAdapterConfig(**tip_settings(case)), generator())
    method.prepare(tip_support(case))
    case.assert_close(method.cache.keys.T, "cache_keys", "cache_keys")
    case.assert_close(method.cache.values, "cache_values", "cache_values")
    case.assert_close(method.cache.text.T, "clip_weights", "clip_weights")
    for key in case.group("tip"):
        beta, _, alpha = key.removeprefix("test_logits_beta").partition("_alpha")
        if key.startswith("test_logits_beta"):
            method.cache.alpha.fill_(float(alpha))
            method.cache.beta.fill_(float(beta))
            case.assert_close(logits_on_test(method, case, "{}"), f"tip/{key}", "tip")
    method.calibrate(tip_support(case))
    found = {"beta": float(method.cache.beta), "alpha": float(method.cache.alpha)}
    assert found == pytest.approx(case.config["tip_searched"])
    case.assert_close(logits_on_test(method, case, "{}"), "tip/test_logits_searched_hp", "tip")


@pytest.mark.parametrize("name", case_names("tip_adapter"))
def test_tip_adapter_f(name: str) -> None:
    case = Case("tip_adapter", name)
    method = TipAdapterF(tiny_backbone(), TipAdapterFConfig(**tip_settings(case)), generator())
    support = tip_support(case)
    replay(method, case, lambda m: {"adapter.weight": m.trainable.keys}, template="{}", support=support)
    method.calibrate(support)
    found = {"beta": float(method.trainable.beta), "alpha": float(method.trainable.alpha)}
    assert found == pytest.approx(case.config["tip_f_searched"])
    which = case.config["train_classes"]
    key = f"logits_after_searched_hp/{which}"
    case.assert_close(logits_on_test(method, case, "{}"), key, key)
