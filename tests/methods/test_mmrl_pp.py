"""MMRL++ beyond its recorded numbers: where it starts, what its switches do, and its settings by protocol."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from parity_kit import class_set, generator, prepared, tiny_backbone, train_batch

from datasets_registry import EvalProtocol, list_datasets
from methods.mmrl import MMRL
from methods.mmrl_pp import MMRLPlusPlus, MMRLPlusPlusConfig

SMALL = {"blocks": 2, "n_tokens": 3, "dim": 24}


def test_it_starts_with_equal_tokens_in_every_block_and_the_frozen_projection() -> None:
    method = prepared(MMRLPlusPlus(tiny_backbone(), MMRLPlusPlusConfig(), generator()), by=0.0)
    part, states = method.trainable, torch.randn(4, 128, generator=generator())
    assert len(part.image_tokens()) == len(part.text_tokens()) == 3, "seven blocks, of three"
    for tokens in (part.image_tokens(), part.text_tokens()):
        assert all(torch.equal(each, tokens[0]) for each in tokens)
    assert torch.equal(method.project_inserted(states), tiny_backbone().image_tower.project_to_joint_space(states))
    for up in (*part.to_image.up, *part.to_text.up):
        assert 0.4 < float(up.detach().abs().max()) <= 0.5, "uniform in +-1/sqrt(4)"


def test_tokens_that_keep_nothing_are_replaced_as_in_mmrl() -> None:
    """With `new_share` 1 what a token read in a block is dropped, so the tokens of a block change nothing before it."""
    found = {}
    for share in (1.0, 0.5):
        config = MMRLPlusPlusConfig(**SMALL, new_share=share)
        method = prepared(MMRLPlusPlus(tiny_backbone(), config, generator()))
        last = method.trainable.to_image
        with torch.no_grad():
            for values in (last.up, last.down, last.biases):
                values[1].zero_()
        found[share] = method.image_features(train_batch(method.info.needs))
        assert method.kept == pytest.approx(1 - share)
    assert not torch.allclose(found[1.0], found[0.5], atol=1e-3)


def test_new_classes_are_classified_by_the_class_token_alone() -> None:
    method = prepared(MMRLPlusPlus(tiny_backbone(), MMRLPlusPlusConfig(**SMALL), generator()))
    batch = train_batch(method.info.needs)
    with torch.no_grad():
        by_class = super(MMRL, method).classifier
        assert torch.equal(method.classifier(class_set("new"))(batch), by_class(class_set("new"))(batch))
        assert not torch.equal(method.classifier(class_set("base"))(batch), by_class(class_set("base"))(batch))


def test_a_target_with_its_own_share_is_tested_with_it_and_others_are_not() -> None:
    config = MMRLPlusPlusConfig(**SMALL, new_share_by_target={"dtd": 0.3})
    method = prepared(MMRLPlusPlus(tiny_backbone(), config, generator()))
    plain = prepared(MMRLPlusPlus(tiny_backbone(), MMRLPlusPlusConfig(**SMALL, new_share=0.3), generator()))
    batch, classes = train_batch(method.info.needs), class_set("new")
    with torch.no_grad():
        found = {name: method.classifier(replace(classes, dataset=name))(batch) for name in ("dtd", "eurosat", None)}
        expected = plain.classifier(classes)(batch)
    assert torch.equal(found["dtd"], expected)
    assert torch.equal(found["eurosat"], found[None])
    assert not torch.allclose(found["dtd"], found[None], atol=1e-3)
    assert method.kept == pytest.approx(0.1)  # the method itself keeps its share


def test_transfer_has_the_official_share_of_each_target() -> None:
    for protocol in (EvalProtocol.CROSS_DATASET, EvalProtocol.DOMAIN_GENERALIZATION):
        values = MMRLPlusPlus.info.settled(protocol).values
        assert set(values["new_share_by_target"]) <= {one.name for one in list_datasets()}
        assert (values["new_share"], values["weight"]) == (0.9, 0.1)
        assert values["new_share_by_target"]["stanford_cars"] == 0.3
    assert "new_share_by_target" not in MMRLPlusPlus.info.settled(EvalProtocol.FEW_SHOT).values
