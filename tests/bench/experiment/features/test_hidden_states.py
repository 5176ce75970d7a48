"""Hidden states before a block are stored where that saves time; no number depends on whether they are."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from bench.experiment.features.hidden_states import HiddenStates
from counting_pixels import ADDRESSES, CountingPixels
from parity_kit import class_set, images, support_view, tiny_backbone
from tiny_runs import forget_loaded, outcome, spec_of
from torch import Tensor

from bench.context import HIDDEN_LIMIT, RunContext
from bench.experiment import runner
from bench.experiment.features.frozen_features import FeatureStore
from bench.experiment.features.inputs import Inputs, shared_inputs
from bench.experiment.features.views import CENTER_VIEW, View, ViewKind
from bench.record import Cost
from bench.spec import ExperimentSpec
from datasets_registry import get_dataset
from methods import Batch, cosine_logits
from methods.mma import MMA, MMAConfig

ROW = 17 * 128 * 4
"""Bytes of a hidden state of the tiny tower."""
ROOMY = 10**9


def states_in(folder: Path | None, first: int = 2, limit: int = ROOMY) -> HiddenStates:
    return HiddenStates(tiny_backbone(), first, folder, limit)


def untouched(positions: Sequence[int]) -> Tensor:
    """Pixels that must not be requested."""
    raise AssertionError(f"asked for {list(positions)}")


def kept(folder: Path) -> list[Path]:
    return sorted(folder.glob("features/*-hidden*/*.safetensors"))


def plain(first: int = 2) -> Tensor:
    return tiny_backbone().image_hidden(images("test"), first)


def test_they_are_what_the_tower_gives_before_the_block(tmp_path: Path) -> None:
    for first in (1, 2):
        found = states_in(tmp_path, first).get(ADDRESSES, CountingPixels())
        torch.testing.assert_close(found, plain(first), atol=1e-5, rtol=1e-5)
    assert {path.parent.name[-8:] for path in kept(tmp_path)} == {"-hidden1", "-hidden2"}


def test_a_second_request_computes_nothing_in_this_process_or_the_next(tmp_path: Path) -> None:
    store = states_in(tmp_path)
    cold = store.get(ADDRESSES, CountingPixels())
    assert torch.equal(store.get(ADDRESSES, untouched), cold)
    assert torch.equal(states_in(tmp_path).get(ADDRESSES[::-1], untouched), cold.flip(0))


def test_bits_depend_neither_on_neighbours_nor_on_what_is_kept(tmp_path: Path) -> None:
    whole = states_in(tmp_path).get(ADDRESSES, CountingPixels())
    for unkept in (states_in(None), states_in(tmp_path / "small", limit=0)):
        assert torch.equal(unkept.get(ADDRESSES, CountingPixels()), whole)
        assert torch.equal(unkept.get([ADDRESSES[7]], lambda _: images("test")[7:8])[0], whole[7])
    assert not kept(tmp_path / "small")


def test_what_exceeds_the_limit_is_computed_and_not_kept(tmp_path: Path) -> None:
    for start in (0, 4, 8):
        shown = images("test")[start : start + 4]
        states_in(tmp_path, limit=9 * ROW).get(
            ADDRESSES[start : start + 4], lambda some, shown=shown: shown[list(some)]
        )
    assert len(kept(tmp_path)) == 2, "twelve exceed nine"
    states_in(tmp_path, first=1, limit=9 * ROW).get(ADDRESSES[:4], lambda some: images("test")[list(some)])
    assert len(kept(tmp_path)) == 2, "one limit for all"


def test_filling_keeps_what_will_be_asked_for(tmp_path: Path) -> None:
    store = states_in(tmp_path)
    store.fill(ADDRESSES, CountingPixels())
    store.fill(ADDRESSES, untouched)
    assert torch.equal(store.get(ADDRESSES, untouched), states_in(None).get(ADDRESSES, CountingPixels()))
    states_in(tmp_path / "small", limit=0).fill(ADDRESSES, untouched)


def test_a_damaged_shard_is_computed_again(tmp_path: Path) -> None:
    whole = states_in(tmp_path).get(ADDRESSES, CountingPixels())
    (path,) = kept(tmp_path)
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(bytes(content))
    pixels = CountingPixels()
    assert torch.equal(states_in(tmp_path).get(ADDRESSES, pixels), whole)
    assert len(pixels.asked) == 20


def test_a_repeated_image_runs_once_and_padding_is_no_image() -> None:
    pixels, before = CountingPixels(), tiny_backbone().passes.image
    found = states_in(None).get([ADDRESSES[0], ADDRESSES[0], ADDRESSES[3]], pixels)
    assert pixels.asked == [0, 2]
    assert torch.equal(found[0], found[1])
    assert tiny_backbone().passes.image - before == 2 * Fraction(2, 3)


def test_a_folder_that_cannot_be_written_is_reported_once_and_the_states_are_computed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "features").write_text("in the way")
    store, alone, pixels = states_in(tmp_path), states_in(None), CountingPixels()
    for _ in range(2):
        assert torch.equal(store.get(ADDRESSES, pixels), alone.get(ADDRESSES, CountingPixels()))
    assert pixels.asked == list(range(len(ADDRESSES))) * 2
    (warning,) = caplog.messages
    assert warning.startswith("The feature cache ")
    assert warning.endswith("computed in every run.")


def test_only_views_that_return_are_kept_and_never_those_before_block_0(tmp_path: Path) -> None:
    backbone = shared_inputs("ViT-tiny.random", RunContext()).backbone
    inputs = Inputs(
        backbone, FeatureStore(backbone, None), lambda first: HiddenStates(backbone, first, tmp_path, ROOMY)
    )
    splits = get_dataset("spectrum_basic").reader(None)
    some, crop = splits.train[:3], View(ViewKind.CROP, (0.5, 1.0), seed=1, index=4)
    fresh_view = inputs.hidden(splits.images, some, crop, 1, reused=False)
    inputs.hidden(splits.images, some, CENTER_VIEW, 0)
    assert not kept(tmp_path)
    returning = inputs.hidden(splits.images, some, crop, 1)
    assert len(kept(tmp_path)) == 1
    torch.testing.assert_close(fresh_view, returning, atol=1e-5, rtol=1e-5)


def test_a_gpu_keeps_none_unless_told() -> None:
    assert RunContext().hidden_bytes == HIDDEN_LIMIT
    assert RunContext(device="cuda").hidden_bytes == 0
    assert RunContext(device="cuda", hidden_limit=5).hidden_bytes == 5


def late(**recipe: object) -> ExperimentSpec:
    """MMA with adapters in two of the three blocks, so that one is frozen."""
    spec = spec_of("mma", blocks=2)
    return spec.model_copy(update={"recipe": spec.recipe | {"lr": 0.01} | recipe})


def test_training_and_evaluation_from_the_store_equal_those_from_pixels(tmp_path: Path) -> None:
    backbone, pixels, labels = tiny_backbone(), images("train")[:10], torch.arange(10) // 2
    method = MMA(backbone, MMAConfig(blocks=2, scale=0.1), torch.Generator().manual_seed(0))
    method.prepare(support_view(backbone, class_set("base")))
    store = states_in(tmp_path, first=1)
    store.fill(ADDRESSES[:10], lambda some: pixels[list(some)])

    def stored(first: int) -> Tensor:
        assert first == 1
        return store.get(ADDRESSES[:10], untouched)

    def from_pixels() -> Tensor:
        part = method.trainable
        blocks = part.views(backbone.image_tower.views, part.image_down, part.image_up)
        return cosine_logits(
            backbone.encode_image(pixels, blocks=blocks), method.text_features(class_set("base")), backbone.logit_scale
        )

    batch = Batch(labels, features=lambda: pixels, pixels=lambda: pixels, hidden=stored, needs=method.info.needs)
    torch.testing.assert_close(method.classifier(class_set("base"))(batch), from_pixels(), atol=2e-5, rtol=1e-5)
    parameters = list(method.trainable.parameters())
    losses = method.loss(batch), F.cross_entropy(from_pixels(), labels)
    torch.testing.assert_close(*losses, atol=1e-5, rtol=1e-5)
    for ours, theirs in zip(*(torch.autograd.grad(loss, parameters) for loss in losses), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4)


def cost(spec: ExperimentSpec, context: RunContext) -> tuple[Cost, int]:
    """What a run cost as a new process, and how many test images it scored."""
    forget_loaded()
    record, _ = runner.run_experiment(spec, context)
    assert record.cost is not None
    return record.cost, sum(score.n for score in record.scores)


def test_passes_of_mma_with_a_cold_and_a_warm_store(tmp_path: Path) -> None:
    context = RunContext(cache_dir=tmp_path)
    cold, n_test = cost(late(), context)
    changed = (16 * cold.steps + n_test) * 2 / 3
    assert cold.prompted_image_passes == pytest.approx(changed)
    assert cold.image_passes == 0
    assert cold.shared_image_passes == pytest.approx((2 * 16 + n_test) / 3), "two views and test"
    warm, _ = cost(late(), context)
    for name in ("image_passes", "prompted_image_passes", "shared_image_passes", "shared_eval_seconds"):
        assert getattr(warm, name) == getattr(cold, name)
    fresh_views, _ = cost(late(views=0), context)
    assert fresh_views.image_passes == pytest.approx(16 * cold.steps / 3), "only new views run"


def test_texts_of_mma_go_through_the_frozen_blocks_once(tmp_path: Path) -> None:
    found, _ = cost(late(), RunContext(cache_dir=tmp_path))
    base, new = 12, 12
    frozen, changed = (base + new) / 3, (base * found.steps + base + new) * 2 / 3
    assert found.text_passes == pytest.approx(frozen + changed)


@pytest.mark.parametrize("views", [0, 2])
def test_no_bit_of_a_run_depends_on_what_is_kept(views: int, tmp_path: Path) -> None:
    spec, outcomes = late(views=views), []
    roomy, tight = RunContext(cache_dir=tmp_path), RunContext(cache_dir=tmp_path / "tight", hidden_limit=50 * ROW)
    for context in (RunContext(), roomy, roomy, tight):
        forget_loaded()
        outcomes.append(outcome(runner.run_experiment(spec, context)))
    assert outcomes[0] == outcomes[1] == outcomes[2] == outcomes[3]
