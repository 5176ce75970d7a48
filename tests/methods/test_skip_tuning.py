"""Skip Tuning beyond its recorded numbers: stored states, kept classes, and batches of one class."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from parity_kit import (
    assert_counted,
    batch_of,
    class_set,
    generator,
    images,
    prepared,
    support_view,
    tiny_backbone,
    train_batch,
)  # fmt: skip
from small_towers import SMALL_COCA, backbone_of
from torch import Tensor

from datasets_registry import BenchError, ClassSet
from methods import frozen_prompts
from methods.skip_tuning import SkipTuning, SkipTuningConfig, drawn_ranks, one_class_batches


def tuned(skipped: int = 1, which: str = "base", **settings: Any) -> SkipTuning:
    method = SkipTuning(tiny_backbone(), SkipTuningConfig(skipped=skipped, **settings), generator())
    made: SkipTuning = prepared(method, class_set(which), by=0.02)
    return made


@pytest.mark.parametrize("skipped", [0, 1, 2])
def test_stored_states_give_exactly_the_features_of_the_whole_towers(skipped: int) -> None:
    method, batch, classes = tuned(skipped), train_batch(), class_set("new")
    prompts = frozen_prompts(tiny_backbone().class_tokens(classes, classes.template))
    tower = method.tower
    with torch.no_grad():
        tokens = tower.embed_patches(batch.pixels, None)
        for i in range(tower.depth):
            tokens = tower.block(i, tokens)
        assert torch.equal(method.image_features(batch), tower.project_to_joint_space(tower.pool(tokens, 0)))
        assert torch.equal(method.text_features(classes), method.text_tower.encode(prompts))


@pytest.mark.parametrize(
    ("dataset", "template", "official"),
    [
        ("caltech101", "a photo of a {}.", "itap of a {}."),
        ("stanford_cars", "a photo of a {}.", "a photo of the {}, a type of car."),
        ("sun397", "a photo of a {}.", "a photo of a {}."),
        ("imagenet_sketch", "a photo of a {}.", "a sketch of a {}."),
        ("imagenet_a", "a photo of a {}.", "a bad photo of a {}."),
        ("imagenet_r", "a photo of a {}.", "a rendition of a {}."),
        ("imagenet_v2", "a photo of a {}.", "a photo of a {}."),
        ("dtd", "{} texture.", "itap of a {}."),
        (None, "{} texture.", "itap of a {}."),
    ],
)
def test_class_texts_are_the_official_ones(dataset: str | None, template: str, official: str) -> None:
    """Those of ImageNet's variants are in `trainers/baselines/ft_clip.py` line 11 of Koorye/SkipTuning@8c4636e."""
    assert SkipTuning.class_template(ClassSet(class_set("base").names, template, dataset=dataset)) == official


def test_the_loss_compares_with_the_most_similar_classes() -> None:
    method, batch = tuned(which="all", kept_most=4), train_batch()
    method.kept_ranks = frozenset({0, 1, 2, 3, 5, 8})
    image = F.normalize(method.image_features(batch), dim=-1)
    zero_shot = F.normalize(tiny_backbone().encode_texts(class_set("all").texts()), dim=-1)
    similar = (image.detach() @ zero_shot.T).amax(dim=0)
    labels = set(batch.labels.tolist())
    others = sorted(set(range(10)) - labels, key=lambda c: -float(similar[c]))
    ranking = [*labels, *others]
    kept = sorted(ranking[rank] for rank in method.kept_ranks)
    assert method.kept_classes(image.detach(), batch) == kept
    logits = tiny_backbone().logit_scale * image @ F.normalize(method.text_features(class_set("all")), dim=-1).T
    expected = F.cross_entropy(logits[:, kept], torch.tensor([kept.index(c) for c in batch.labels.tolist()]))
    torch.testing.assert_close(method.loss(batch), expected, atol=2e-5, rtol=1e-5)


def test_all_labels_of_a_batch_stay() -> None:
    method, batch = tuned(kept_share=0.1), train_batch()
    method.kept_ranks = frozenset({0})
    assert method.kept_classes(torch.ones(4, 64), batch) == sorted(set(batch.labels.tolist()))


def test_classes_of_low_rank_stay_with_falling_probability() -> None:
    assert drawn_ranks(5, 5, 0.3, generator()) == frozenset(range(5))
    assert drawn_ranks(3, 2, 0.3, generator()) == frozenset(range(2))
    random = generator()
    draws = [drawn_ranks(106, 5, 1.0, random) for _ in range(400)]
    assert all(frozenset(range(6)) <= ranks for ranks in draws), "the first stays"
    assert all(105 not in ranks for ranks in draws)
    x = torch.linspace(0, 5, 101)
    expected = ((-x).exp() - torch.exp(torch.tensor(-5.0))) / (1 - torch.exp(torch.tensor(-5.0)))
    share = torch.tensor([sum(5 + i in ranks for ranks in draws) / 400 for i in range(101)])
    assert float((share - expected).abs().max()) < 0.12


def labels_of(batches: list[Tensor], labels: list[int]) -> list[set[int]]:
    return [{labels[i] for i in batch.tolist()} for batch in batches]


def test_a_batch_has_images_of_one_class() -> None:
    labels = [0] * 4 + [1] * 6 + [2] * 6
    order = torch.randperm(16, generator=generator())
    batches = list(one_class_batches(order, labels, 4))
    assert sorted(torch.cat(batches).tolist()) == list(range(16))
    assert sorted(map(len, labels_of(batches, labels))) == [1, 1, 1, 2], "the rest is mixed"


def test_with_few_shots_batches_are_mixed() -> None:
    method = tuned()
    usual = [torch.tensor([0, 2, 4, 6]), torch.tensor([1, 3, 5, 7])]
    assert method.arrange(usual) is usual, "two shots, batch four"
    pairs = list(method.arrange([torch.tensor(pair) for pair in ([0, 2], [4, 1], [3, 5])]))
    assert [len({int(i) // 2 for i in pair}) for pair in pairs] == [1, 1, 1]


def test_a_tower_keeps_at_least_one_trained_block() -> None:
    method = SkipTuning(tiny_backbone(), SkipTuningConfig(), generator())
    method.prepare(support_view(tiny_backbone(), class_set("base")))
    assert [len(method.trainable[part].blocks) for part in ("text", "image")] == [1, 1]  # type: ignore[arg-type]
    assert_counted(method)
    with torch.no_grad():
        logits = method.classifier(class_set("new"))(batch_of(tiny_backbone(), images("test"), None))
    assert logits.shape == (20, 5)


def test_a_tower_that_pools_by_attention_is_refused() -> None:
    coca = backbone_of(SMALL_COCA)
    with pytest.raises(BenchError, match="skip_tuning does not train"):
        SkipTuning(coca, SkipTuningConfig(), generator()).prepare(support_view(coca, class_set("base")))
