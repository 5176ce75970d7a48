"""Training-free methods compute what their official code computed on the tiny CLIP (`tests/parity/record.py`)."""

from __future__ import annotations

import pytest
import torch
from parity_kit import Case, batch_of, case_names, check_logits, class_set, generator, images, tiny_backbone

from datasets_registry import EvalProtocol
from methods import METHODS, SupportView


def support_of(case: Case) -> SupportView:
    """The recorded training images; their second view is the mirror image."""
    index = case.tensors["image_idx"]

    def features(view: int = 0) -> torch.Tensor:
        pixels = images("train")[index]
        return batch_of(tiny_backbone(), pixels.flip(-1) if view % 2 else pixels, None).features

    def views(k: int, _: tuple[float, float]) -> torch.Tensor:
        return torch.stack([features(i) for i in range(k)])

    return SupportView(class_set(case.config["train_classes"]), index // 2, 2, features, views)


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
    check_logits(method, case, "logits_after", "a photo of a {}.")


def test_ss_text_plus_keeps_the_text_of_a_class_without_images() -> None:
    case = Case("ss_text", "ss_text_plus_without_a_class")
    cls = METHODS.get("ss_text_plus")
    config = cls.info.config(templates=case.config["templates"], repel=False)
    method = cls(tiny_backbone(), config, generator())
    method.prepare(support_of(case))
    text = case.tensors["text"]
    torch.testing.assert_close(method.rows[2], text[2])
    assert float((method.rows - text).norm(dim=1)[[0, 1, 3, 4]].min()) > 1


@pytest.mark.parametrize("name", ["ss_text", "ss_text_plus"])
def test_nothing_is_trained_or_searched(name: str) -> None:
    info = METHODS.get(name).info
    assert info.recipe_for(EvalProtocol.FEW_SHOT) is None
    assert not info.needs_validation
