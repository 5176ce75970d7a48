"""NLPrompt beyond its recorded numbers: the batches of an epoch, wrong labels, and settings that are refused."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from parity_kit import generator, prepared, tiny_backbone
from pydantic import ValidationError

from methods.nlprompt import NLPrompt, NLPromptConfig, class_scaling


def made(*clean: int) -> NLPrompt:
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
    method = made(0, 1, 2, 5, 6)
    found = arranged(method, [0, 9, 5, 3], [1, 8, 6, 2])
    assert [kind for kind, _ in found] == [True, False]
    assert set(found[0][1]) < {0, 1, 2, 5, 6}
    assert set(found[1][1]) < {3, 4, 7, 8, 9}  # 4 and 7 are in no usual batch
    assert arranged(method, [0, 1], [2, 3], [5, 6], [7, 8], [4, 9])[-1][0] is False
    assert [len(batch) for _, batch in arranged(method, [0, 1, 2, 3], [4, 5, 6, 7], [8, 9])] == [4, 1, 4, 1]
    assert arranged(method, list(range(10))) == [(True, [0, 1, 2, 5, 6]), (False, [3, 4, 7, 8, 9])]
    assert arranged(made(*range(10)), list(range(10))) == [(True, list(range(10)))]


def test_images_that_the_plan_does_not_see_are_noisy() -> None:
    found = arranged(made(*range(10)), [0, 1, 2], [3, 4, 5], [6, 7, 8])
    assert found[-1][0] is True  # the image left is fewer than a batch
    method = prepared(NLPrompt(tiny_backbone(), NLPromptConfig(n_ctx=4), generator()))
    assert not method.clean_images(torch.arange(8))[8:].any()


def test_an_epoch_without_clean_images_trains_on_all() -> None:
    method, everything = made(), list(range(10))
    assert arranged(method, everything) == [(True, everything)]
    method.restore_training_state(made_after_a_clean_epoch())
    assert arranged(method, everything) == [(True, everything), (False, everything)]


def made_after_a_clean_epoch() -> dict[str, torch.Tensor]:
    method = made(3)
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
