"""LwEIB beyond its recorded numbers: what its convolutions reach, its random choices, and its texts."""

from __future__ import annotations

import pytest
import torch
from parity_kit import assert_counted, class_set, generator, prepared, tiny_backbone, train_batch
from rounding import assert_equal_but_for_rounding

from datasets_registry import BenchError, ClassSet
from methods.lweib import LwEIB, LwEIBConfig


def made(which: str = "all", **settings: object) -> LwEIB:
    return prepared(LwEIB(tiny_backbone(), LwEIBConfig(**settings), generator()), class_set(which))


def test_positions_beyond_the_reach_of_the_convolutions_change_nothing() -> None:
    method = made(scale=0.5)
    tokens = torch.cat(method.tokens(class_set("new")))
    blocks = method.trainable.text.views(tiny_backbone().text_blocks, [0.5] * 3)
    with torch.no_grad():
        cut, whole, short = (
            tiny_backbone().encode_whole_texts(tokens, blocks=blocks, reach=reach) for reach in (6, 70, 2)
        )
    assert_equal_but_for_rounding(cut, whole)
    assert not torch.allclose(short, whole, atol=1e-4), "two positions a block"


def test_a_step_compares_the_classes_of_the_batch_with_some_others() -> None:
    method = made(negatives=2)
    drawn = [method.draw([3, 3, 7, 7])[0] for _ in range(8)]
    assert all(classes[:2] == [3, 7] and len(set(classes)) == 6 for classes in drawn)
    assert len(set(map(tuple, drawn))) > 1
    assert made(negatives=-1).draw([3])[0] == list(range(10))
    assert made("base", negatives=7).draw([0, 1, 2, 3, 4])[0] == list(range(5)), "at most the batch"


@pytest.mark.parametrize(("slow_share", "fast"), [(1.0, 0), (0.0, 6)])
def test_fast_blocks_have_a_larger_scale(slow_share: float, fast: int) -> None:
    method = made(slow_share=slow_share)
    _, _, fast_text, fast_image = method.draw([0, 1])
    assert sum(fast_text) + sum(fast_image) == fast
    assert method.scales([True, False], 2) == [0.025 * 2.5, 0.025]


def test_the_class_text_is_the_name_and_a_sentence_and_without_any_the_name_alone() -> None:
    method, tokenized = made(), tiny_backbone().tokenized
    sentences = ClassSet(("annual_crop_land",), "{} texture.", (("a forest.", "a river " * 80),))
    short, long = method.tokens(sentences)[0]
    expected = tokenized(["a photo of a annual crop land, a forest."]).tokens[0]
    assert torch.equal(short[: len(expected)], expected)
    assert long[-1] == 49407
    assert (long != 0).all(), "cut at the end"
    alone = tokenized(["a photo of a annual crop land."]).tokens[0]
    assert torch.equal(method.tokens(ClassSet(("annual_crop_land",), "{} texture."))[0][0][: len(alone)], alone)


def test_evaluation_draws_nothing_and_training_draws_from_the_generator() -> None:
    method = made()
    before = method.generator.get_state()
    method.classifier(class_set("new"))(train_batch(method.info.needs))
    assert torch.equal(method.generator.get_state(), before)
    method.loss(train_batch(method.info.needs))
    assert not torch.equal(method.generator.get_state(), before)


def test_blocks_without_convolutions_are_the_tower_s_own() -> None:
    some = made(first_block=2, last_block=2)
    b = tiny_backbone()
    for part, frozen in ((some.trainable.text, b.text_blocks), (some.trainable.image, b.image_blocks)):
        views = part.views(frozen, [0.5] * 3)
        assert [view is own for view, own in zip(views, frozen, strict=True)] == [True, False, True]
    for method in (some, made(first_block=2)):
        assert_counted(method, 10)


def test_blocks_that_a_tower_lacks_are_refused() -> None:
    with pytest.raises(BenchError, match=r"tower of 3 blocks.* 1\.\.3"):
        made(first_block=4)
    assert "last_block=2 is before first_block=3" in LwEIBConfig(first_block=3, last_block=2).config_error()
