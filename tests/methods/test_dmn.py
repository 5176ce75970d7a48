"""The static memory of DMN trains as the official code does, and reads what a plain loop over its rows reads."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from parity_kit import (
    Case,
    batch_of,
    case_names,
    class_set,
    generator,
    images,
    made,
    replay,
    support_view,
    tiny_backbone,
)
from torch import Tensor, nn

from methods.dmn import DMN, SHARES, DMNConfig

OFFICIAL = {
    "global_bias": "query", "global_bias_key": "key", "global_bias_value": "value", "global_ffn_bias": "output",
    "text_bias": "text_shift",
}  # fmt: skip
CLASSES = class_set("base")


def probabilities(method: DMN) -> Tensor:
    with torch.no_grad():
        return method.classifier(CLASSES)(batch_of(tiny_backbone(), images("test"), None)).softmax(dim=1)


@pytest.mark.parametrize("name", case_names("dmn"))
def test_the_memory_trains_as_in_the_official_code(name: str) -> None:
    case = Case("dmn", name)
    settings = {key: case.config[key] for key in ("beta", "share", "logit_scale")}
    config = DMNConfig(selection="fixed", templates=(case.config["template"],), **settings)

    def trained(method: DMN) -> dict[str, nn.Parameter]:
        return {official: getattr(method.trainable, ours) for official, ours in OFFICIAL.items()}

    replay(DMN(tiny_backbone(), config, generator()), case, trained)


def test_classes_with_few_images_read_only_the_rows_that_they_have() -> None:
    whole = support_view(tiny_backbone(), CLASSES)
    kept = torch.tensor([0, 1, 2, 4, 5, 8])  # class 3 has no image, and two classes have one
    some = replace(whole, labels=whole.labels[kept], features=lambda: whole.features()[kept])
    method = made(DMN, some, selection="fixed", share=2.0)
    text = F.normalize(tiny_backbone().class_texts(CLASSES, CLASSES.template), dim=-1)
    rows = F.normalize(whole.features(), dim=-1)
    features = F.normalize(batch_of(tiny_backbone(), images("test"), None).features, dim=-1)
    for image, p in zip(features, probabilities(method), strict=True):
        read = []
        for c in range(len(CLASSES)):
            memory = [text[c], *(rows[i] for i in kept.tolist() if int(whole.labels[i]) == c)]
            read.append(F.normalize(sum(torch.exp(-5.5 * (1 - row @ image)) * row for row in memory), dim=0))
        scale = float(tiny_backbone().logit_scale)
        expected = (scale * text @ image).softmax(dim=0) + 2 * (scale * torch.stack(read) @ image).softmax(dim=0)
        torch.testing.assert_close(p, expected / expected.sum(), atol=1e-5, rtol=1e-4)


def test_the_search_takes_the_first_of_the_best_shares() -> None:
    validation = support_view(tiny_backbone(), CLASSES, "test")
    method = made(DMN)
    method.calibrate(validation)
    right = []
    for share in SHARES:
        guess = probabilities(made(DMN, selection="fixed", share=share))[: len(validation.labels)].argmax(dim=1)
        right.append(int((guess == validation.labels).sum()))
    assert float(method.trainable.share) == pytest.approx(SHARES[right.index(max(right))])
    assert method.tuning.evaluations == len(SHARES) == 13
    assert min(right) < max(right)


def test_a_kept_model_has_the_searched_share() -> None:
    method = made(DMN)
    method.calibrate(support_view(tiny_backbone(), CLASSES, "test"))
    other = DMN(tiny_backbone(), DMNConfig(), generator())
    other.restore_tuned_state(CLASSES, method.tuned_state())
    assert torch.equal(probabilities(other), probabilities(method))
