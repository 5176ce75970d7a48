"""Methods with recorded official numbers, beyond these: where they start, what they draw, their batches and texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
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
)
from pydantic import ValidationError
from rounding import assert_equal_but_for_rounding
from small_towers import SMALL_COCA, backbone_of
from torch import Tensor

from datasets_registry import BenchError, ClassSet, EvalProtocol, list_datasets
from methods import frozen_prompts
from methods.clip_svd import CLIPSVD, CLIPSVDConfig
from methods.hicropl import HiCroPL, HiCroPLConfig
from methods.lweib import LwEIB, LwEIBConfig
from methods.mmrl import MMRL
from methods.mmrl_pp import MMRLPlusPlus, MMRLPlusPlusConfig
from methods.nlprompt import NLPrompt, NLPromptConfig, class_scaling
from methods.skip_tuning import SkipTuning, SkipTuningConfig, drawn_ranks, one_class_batches

# --- HiCroPL ----------------------------------------------------------------------------------------------------------


SMALL_HICROPL = {"n_ctx": 3, "depth": 3, "text_to_image": 2}


def hicropl(**settings: object) -> HiCroPL:
    return prepared(HiCroPL(tiny_backbone(), HiCroPLConfig(**SMALL_HICROPL | settings), generator()), by=0.0)


def test_both_ways_to_map_give_the_same_first_loss() -> None:
    copied, learned, batch = hicropl(), hicropl(mapping="learned"), train_batch(HiCroPL.info.needs)
    before = copied.loss(batch)
    copied.before_step()
    assert torch.equal(copied.loss(batch), learned.loss(batch))
    assert not torch.allclose(before, copied.loss(batch), atol=1e-3)


def test_learned_networks_and_every_prompt_get_a_gradient() -> None:
    method = hicropl(mapping="learned")
    method.backward(train_batch(method.info.needs))
    named = dict(method.trainable.named_parameters())
    assert all(value.grad is not None for value in named.values())
    # one pooled token stands for all blocks of the single late block, so attention has no choice there
    without = {name for name, value in named.items() if not value.grad.any()}  # type: ignore[union-attr]
    assert {name for name in without if "in_proj" not in name} <= {
        "mapper.to_text.key.weight", "mapper.to_text.key.bias"
    }  # fmt: skip
    assert_counted(method)


def test_copied_networks_are_no_parameters_and_map_early_image_and_late_text_prompts() -> None:
    method = hicropl()
    text, image = ([p.clone() for p in prompts] for prompts in method.prompts())
    assert all(torch.equal(prompt, image[0]) for prompt in image), "image prompts start equal"
    method.before_step()
    changed = [[not torch.equal(*pair) for pair in zip(*both, strict=True)] for both in
               zip((text, image), method.prompts(), strict=True)]  # fmt: skip
    assert changed == [[False, False, True], [True, True, False]]
    assert method.learned_parameters() == 3 * 3 * (64 + 128)


def test_testing_copies_nothing_into_prompts_whose_networks_are_trained() -> None:
    method = hicropl(mapping="learned", test_maps=2)
    before = [p.clone() for p in method.trainable.parameters()]
    method.finalise()
    assert all(torch.equal(*pair) for pair in zip(before, method.trainable.parameters(), strict=True))


@pytest.mark.parametrize("maps", [0, 1, 2])
def test_testing_maps_the_prompts_as_often_as_set(maps: int) -> None:
    method, other = hicropl(test_maps=maps), hicropl()
    method.finalise()
    for _ in range(maps):
        other.before_step()
    batch, classes = train_batch(method.info.needs), class_set("new")
    assert torch.equal(method.classifier(classes)(batch), other.classifier(classes)(batch))


# --- LwEIB ------------------------------------------------------------------------------------------------------------


def lweib(which: str = "all", **settings: object) -> LwEIB:
    return prepared(LwEIB(tiny_backbone(), LwEIBConfig(**settings), generator()), class_set(which))


def test_positions_beyond_the_reach_of_the_convolutions_change_nothing() -> None:
    method = lweib(scale=0.5)
    tokens = torch.cat(method.tokens(class_set("new")))
    blocks = method.trainable.text.views(tiny_backbone().text_blocks, [0.5] * 3)
    with torch.no_grad():
        cut, whole, short = (
            tiny_backbone().encode_whole_texts(tokens, blocks=blocks, reach=reach) for reach in (6, 70, 2)
        )
    assert_equal_but_for_rounding(cut, whole)
    assert not torch.allclose(short, whole, atol=1e-4), "two positions a block"


def test_a_step_compares_the_classes_of_the_batch_with_some_others() -> None:
    method = lweib(negatives=2)
    drawn = [method.draw([3, 3, 7, 7])[0] for _ in range(8)]
    assert all(classes[:2] == [3, 7] and len(set(classes)) == 6 for classes in drawn)
    assert len(set(map(tuple, drawn))) > 1
    assert lweib(negatives=-1).draw([3])[0] == list(range(10))
    assert lweib("base", negatives=7).draw([0, 1, 2, 3, 4])[0] == list(range(5)), "at most the batch"


@pytest.mark.parametrize(("slow_share", "fast"), [(1.0, 0), (0.0, 6)])
def test_fast_blocks_have_a_larger_scale(slow_share: float, fast: int) -> None:
    method = lweib(slow_share=slow_share)
    _, _, fast_text, fast_image = method.draw([0, 1])
    assert sum(fast_text) + sum(fast_image) == fast
    assert method.scales([True, False], 2) == [0.025 * 2.5, 0.025]


def test_the_class_text_is_the_name_and_a_sentence_and_without_any_the_name_alone() -> None:
    method, tokenized = lweib(), tiny_backbone().tokenized
    sentences = ClassSet(("annual_crop_land",), "{} texture.", (("a forest.", "a river " * 80),))
    short, long = method.tokens(sentences)[0]
    expected = tokenized(["a photo of a annual crop land, a forest."]).tokens[0]
    assert torch.equal(short[: len(expected)], expected)
    assert long[-1] == 49407
    assert (long != 0).all(), "cut at the end"
    alone = tokenized(["a photo of a annual crop land."]).tokens[0]
    assert torch.equal(method.tokens(ClassSet(("annual_crop_land",), "{} texture."))[0][0][: len(alone)], alone)


def test_evaluation_draws_nothing_and_training_draws_from_the_generator() -> None:
    method = lweib()
    before = method.generator.get_state()
    method.classifier(class_set("new"))(train_batch(method.info.needs))
    assert torch.equal(method.generator.get_state(), before)
    method.loss(train_batch(method.info.needs))
    assert not torch.equal(method.generator.get_state(), before)


def test_blocks_without_convolutions_are_the_tower_s_own() -> None:
    some = lweib(first_block=2, last_block=2)
    b = tiny_backbone()
    for part, frozen in ((some.trainable.text, b.text_blocks), (some.trainable.image, b.image_blocks)):
        views = part.views(frozen, [0.5] * 3)
        assert [view is own for view, own in zip(views, frozen, strict=True)] == [True, False, True]
    for method in (some, lweib(first_block=2)):
        assert_counted(method, 10)


def test_blocks_that_a_tower_lacks_are_refused() -> None:
    with pytest.raises(BenchError, match=r"tower of 3 blocks.* 1\.\.3"):
        lweib(first_block=4)
    assert "last_block=2 is before first_block=3" in LwEIBConfig(first_block=3, last_block=2).config_error()


# --- MMRL++ -----------------------------------------------------------------------------------------------------------


SMALL_MMRL = {"blocks": 2, "n_tokens": 3, "dim": 24}


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
        config = MMRLPlusPlusConfig(**SMALL_MMRL, new_share=share)
        method = prepared(MMRLPlusPlus(tiny_backbone(), config, generator()))
        last = method.trainable.to_image
        with torch.no_grad():
            for values in (last.up, last.down, last.biases):
                values[1].zero_()
        found[share] = method.image_features(train_batch(method.info.needs))
        assert method.kept == pytest.approx(1 - share)
    assert not torch.allclose(found[1.0], found[0.5], atol=1e-3)


def test_new_classes_are_classified_by_the_class_token_alone() -> None:
    method = prepared(MMRLPlusPlus(tiny_backbone(), MMRLPlusPlusConfig(**SMALL_MMRL), generator()))
    batch = train_batch(method.info.needs)
    with torch.no_grad():
        by_class = super(MMRL, method).classifier
        assert torch.equal(method.classifier(class_set("new"))(batch), by_class(class_set("new"))(batch))
        assert not torch.equal(method.classifier(class_set("base"))(batch), by_class(class_set("base"))(batch))


def test_a_target_with_its_own_share_is_tested_with_it_and_others_are_not() -> None:
    config = MMRLPlusPlusConfig(**SMALL_MMRL, new_share_by_target={"dtd": 0.3})
    method = prepared(MMRLPlusPlus(tiny_backbone(), config, generator()))
    plain = prepared(MMRLPlusPlus(tiny_backbone(), MMRLPlusPlusConfig(**SMALL_MMRL, new_share=0.3), generator()))
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


# --- NLPrompt ---------------------------------------------------------------------------------------------------------


def nlprompt(*clean: int) -> NLPrompt:
    """A method of ten support images, of which these are clean."""
    method: NLPrompt = prepared(NLPrompt(tiny_backbone(), NLPromptConfig(n_ctx=4), generator()))
    found = torch.isin(torch.arange(10), torch.tensor(clean, dtype=torch.long))
    method.clean_images = lambda seen: found & torch.isin(torch.arange(10), seen)  # type: ignore[method-assign]
    return method


def arranged(method: NLPrompt, *usual: list[int]) -> list[tuple[bool, list[int]]]:
    """The batches of an epoch, each with its kind, as sorted images."""
    batches = [sorted(batch.tolist()) for batch in method.arrange([torch.tensor(batch) for batch in usual])]
    return list(zip(method.kinds, batches, strict=True))


def test_an_epoch_has_clean_batches_then_noisy_ones_without_incomplete_ones() -> None:
    method = nlprompt(0, 1, 2, 5, 6)
    found = arranged(method, [0, 9, 5, 3], [1, 8, 6, 2])
    assert [kind for kind, _ in found] == [True, False]
    assert set(found[0][1]) < {0, 1, 2, 5, 6}
    assert set(found[1][1]) < {3, 4, 7, 8, 9}  # 4 and 7 are in no usual batch
    assert arranged(method, [0, 1], [2, 3], [5, 6], [7, 8], [4, 9])[-1][0] is False
    assert [len(batch) for _, batch in arranged(method, [0, 1, 2, 3], [4, 5, 6, 7], [8, 9])] == [4, 1, 4, 1]
    assert arranged(method, list(range(10))) == [(True, [0, 1, 2, 5, 6]), (False, [3, 4, 7, 8, 9])]
    assert arranged(nlprompt(*range(10)), list(range(10))) == [(True, list(range(10)))]


def test_images_that_the_plan_does_not_see_are_noisy() -> None:
    found = arranged(nlprompt(*range(10)), [0, 1, 2], [3, 4, 5], [6, 7, 8])
    assert found[-1][0] is True  # the image left is fewer than a batch
    method = prepared(NLPrompt(tiny_backbone(), NLPromptConfig(n_ctx=4), generator()))
    assert not method.clean_images(torch.arange(8))[8:].any()


def test_an_epoch_without_clean_images_trains_on_all() -> None:
    method, everything = nlprompt(), list(range(10))
    assert arranged(method, everything) == [(True, everything)]
    method.restore_training_state(state_after_a_clean_epoch())
    assert arranged(method, everything) == [(True, everything), (False, everything)]


def state_after_a_clean_epoch() -> dict[str, torch.Tensor]:
    method = nlprompt(3)
    arranged(method, list(range(10)))
    return method.training_state()


def test_transport_finds_the_classes_of_images_whose_labels_are_wrong() -> None:
    true = torch.arange(40) % 4
    p = F.one_hot(true, 4).double() * 0.5 + 0.125
    p[:, 0] += 0.2  # one class is too probable for all images, which equal masses undo
    kernel = F.log_softmax(p, dim=1) / 0.01
    scaling = class_scaling(kernel, iterations=1000, tolerance=1e-6)
    assert torch.equal((kernel + scaling.log()).argmax(dim=1), true)
    rows = 1 / (40 * (kernel.exp() @ scaling))
    assert float((rows @ kernel.exp() * scaling - 0.25).norm()) < 1e-5


def test_too_little_entropy_is_refused() -> None:
    with pytest.raises(ValidationError, match="than or equal to 0.002"):
        NLPromptConfig(entropy=0.001)


# --- CLIP-SVD ---------------------------------------------------------------------------------------------------------


def test_the_start_is_the_pretrained_model_bit_for_bit() -> None:
    method = prepared(CLIPSVD(tiny_backbone(), CLIPSVDConfig(), generator()), by=0.0)
    for tower, parts in ((tiny_backbone().model.transformer, method.trainable.text), (
        tiny_backbone().model.visual.transformer, method.trainable.image
    )):  # fmt: skip
        for block, part in zip(tower.resblocks, parts.blocks, strict=True):
            assert not part.inner.change().any()
            assert part.inner.u.shape == block.mlp.c_fc.weight.shape
            assert (part.inner.values.diff() <= 0).all(), "largest first"


def test_class_texts_follow_the_chosen_template() -> None:
    own = ClassSet(class_set("base").names, "{} texture.")
    texts = {
        template: prepared(CLIPSVD(tiny_backbone(), CLIPSVDConfig(template=template), generator()), by=0.0)
        for template in ("own", "a photo of a {}.")
    }
    for template, written in (("own", "{} texture."), ("a photo of a {}.", "a photo of a {}.")):
        expected = tiny_backbone().encode_texts(own.texts(written))
        torch.testing.assert_close(texts[template].text_features(own), expected, atol=1e-5, rtol=0)
    with pytest.raises(ValidationError):
        CLIPSVDConfig(template="a photo")


@pytest.mark.parametrize(
    ("layers", "trained"),
    [
        ("all", range(12)),
        ("top", range(8, 12)),
        ("middle", range(4, 8)),
        ("bottom", range(4)),
        ("top_middle", range(4, 12)),
        ("bottom_middle", range(8)),
        ("top_bottom", (*range(4), *range(8, 12))),
    ],
)
def test_the_thirds_of_twelve_blocks_are_the_official_ones(layers: str, trained: Sequence[int]) -> None:
    assert CLIPSVDConfig(layers=layers).trained(12) == list(trained)


def test_a_lower_rank_keeps_the_largest_values_and_learns_no_others() -> None:
    config = CLIPSVDConfig(layers="top", rank=0.4)
    method = prepared(CLIPSVD(tiny_backbone(), config, generator()), by=0.0)
    block, part = tiny_backbone().model.transformer.resblocks[0], method.trainable.text.blocks[0]
    u, s, v = torch.linalg.svd(block.mlp.c_fc.weight.detach(), full_matrices=False)
    kept = block.mlp.c_fc.weight + part.inner.change()
    torch.testing.assert_close(kept, (u[:, :24] * s[:24]) @ v[:24], atol=1e-5, rtol=1e-5)
    assert config.kept(768) == 304, "official: a multiple of four"
    assert_counted(method)


# --- Skip Tuning ------------------------------------------------------------------------------------------------------


def skip_tuning(skipped: int = 1, which: str = "base", **settings: Any) -> SkipTuning:
    method = SkipTuning(tiny_backbone(), SkipTuningConfig(skipped=skipped, **settings), generator())
    made: SkipTuning = prepared(method, class_set(which), by=0.02)
    return made


@pytest.mark.parametrize("skipped", [0, 1, 2])
def test_stored_states_give_exactly_the_features_of_the_whole_towers(skipped: int) -> None:
    method, batch, classes = skip_tuning(skipped), train_batch(), class_set("new")
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
    method, batch = skip_tuning(which="all", kept_most=4), train_batch()
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
    method, batch = skip_tuning(kept_share=0.1), train_batch()
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
    method = skip_tuning()
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
