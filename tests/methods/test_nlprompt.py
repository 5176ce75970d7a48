"""NLPrompt beyond its recorded numbers: mixed batches, wrong labels, and settings that are refused."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from parity_kit import generator, prepared, tiny_backbone, train_batch
from pydantic import ValidationError

from methods.nlprompt import NLPrompt, NLPromptConfig, class_scaling


def test_a_batch_has_the_mean_of_both_losses() -> None:
    method = prepared(NLPrompt(tiny_backbone(), NLPromptConfig(n_ctx=4), generator()))
    batch = train_batch()
    clean = method.clean(batch)
    assert 0 < int(clean.sum()) < len(clean)
    text = F.normalize(method.text_features(method.support_classes), dim=-1)
    p = (tiny_backbone().logit_scale * F.normalize(batch.features, dim=-1) @ text.T).softmax(dim=1)
    own = p[torch.arange(len(p)), batch.labels]
    expected = torch.stack([-q.log() if kept else 1 - q for q, kept in zip(own, clean, strict=True)]).mean()
    torch.testing.assert_close(method.loss(batch), expected)


def test_the_partition_stays_the_same_until_the_end_of_the_epoch() -> None:
    method = prepared(NLPrompt(tiny_backbone(), NLPromptConfig(n_ctx=4), generator()))
    first = method.epoch_partition()
    with torch.no_grad():
        method.trainable.ctx.add_(1.0)
    assert method.epoch_partition() is first
    method.on_epoch_end(0, 2)
    assert not torch.equal(method.epoch_partition().texts, first.texts)


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
