"""The adaptive ensemble around other methods."""

from __future__ import annotations

from typing import Any

import parity_kit
import pytest
import torch
import torch.nn.functional as F
from parity_kit import batch_of, class_set, images, support_view, tiny_backbone
from torch import Tensor

from datasets_registry import EvalProtocol, UnknownNameError
from methods import get_method
from methods.apex import APEX, APEXConfig

HOSTS = (
    "clip_fit", "two_stage", "coop", "kgcoop", "prograd", "tcp", "ivlp", "maple", "promptsrc", "clip_lora",
    "clip_adapter", "vpt",
)  # fmt: skip


def prepared(name: str, **config: Any) -> Any:
    cls = get_method(name)
    settings = cls.info.default_config(EvalProtocol.BASE_TO_NEW).model_copy(update=config)
    return parity_kit.prepared(cls(tiny_backbone(), settings, parity_kit.generator()))


def logits(method: Any, which: str) -> Tensor:
    with torch.no_grad():
        return method.classifier(class_set(which))(batch_of(tiny_backbone(), images("test"), None, method.info.needs))


@pytest.mark.parametrize("host", HOSTS)
def test_each_host_is_blended_by_the_formula(host: str) -> None:
    plain, blended = prepared(host), prepared(f"apex_on:{host}")
    assert torch.equal(logits(plain, "base"), logits(blended, "base")), "the host's classes"
    apex = APEX(tiny_backbone(), APEXConfig(), torch.Generator())
    apex.prepare(support_view(tiny_backbone(), class_set("base")))
    classes, batch = class_set("new"), batch_of(tiny_backbone(), images("test"), None)
    with torch.no_grad():
        weight = apex.adaptive_weight(classes)
        frozen = tiny_backbone().encode_texts(classes.texts())
        text = weight[:, None] * plain.text_features(classes) + (1 - weight[:, None]) * frozen
        share = weight.mean()
        image = share * plain.image_features(batch) + (1 - share) * batch.features
        expected = tiny_backbone().logit_scale * F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).T
    assert 0 < share < 1
    torch.testing.assert_close(logits(blended, "new"), expected, atol=1e-4, rtol=1e-4)


def test_beta_zero_is_the_host() -> None:
    torch.testing.assert_close(logits(prepared("apex_on:coop", blend_beta=0.0), "new"), logits(prepared("coop"), "new"))


def test_unknown_wrappers_and_hosts_list_near_misses() -> None:
    with pytest.raises(UnknownNameError, match="apex_on"):
        get_method("apex:coop")
    with pytest.raises(UnknownNameError, match="maple"):
        get_method("apex_on:mapel")
