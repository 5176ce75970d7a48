"""From samples to batches: pixels are the same however many threads decode them, and are decoded ahead of their use."""

from __future__ import annotations

import pytest
import torch
from noise_images import SAMPLES, NoiseImages
from parity_kit import tiny_backbone

from bench.experiment.features.frozen_features import FeatureStore
from bench.experiment.features.inputs import Inputs
from bench.experiment.features.training_images import TrainingImages, epochs_together
from bench.experiment.features.views import CENTER_VIEW, View, ViewKind, views_for_epoch
from datasets_registry import ClassSet, DataError, Sample, SupportSet
from methods import Recipe, UndeclaredNeedError

CROP = View(ViewKind.CROP, (0.2, 1.0), seed=1, index=3)


@pytest.fixture
def threads(request: pytest.FixtureRequest):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def inputs() -> Inputs:
    return Inputs(tiny_backbone(), FeatureStore(tiny_backbone(), None))


def one_by_one(view: View) -> torch.Tensor:
    return torch.cat([inputs().pixels(NoiseImages(), [sample], view) for sample in SAMPLES])


@pytest.mark.parametrize("threads", [1, 4], indirect=True)
@pytest.mark.parametrize("view", [CENTER_VIEW, CROP], ids=["center", "crop"])
def test_pixels_do_not_depend_on_the_threads(threads: int, view: View):
    images = NoiseImages()
    assert torch.equal(inputs().pixels(images, SAMPLES, view), one_by_one(view))
    assert images.threads == ({"MainThread"} if threads == 1 else {"decode"})


def test_pixels_of_evaluation_are_decoded_ahead_and_in_order_if_they_are_needed():
    images = NoiseImages()
    list(inputs().evaluation_batches(images, SAMPLES, frozenset({"features"}), 6))
    assert images.loaded == []
    batches = inputs().evaluation_batches(images, SAMPLES, frozenset({"pixels"}), 6)
    assert torch.equal(torch.cat([batch.pixels for batch in batches]), one_by_one(CENTER_VIEW))
    assert images.loaded == [sample.key for sample in SAMPLES]
    assert images.threads == {"prefetch"}


def test_features_are_those_of_pixels_that_were_decoded_ahead():
    images = NoiseImages()
    many = SAMPLES + tuple(Sample(str(i), 0) for i in range(20, 75))  # more than one pass
    features = inputs().features(images, many, CENTER_VIEW)
    assert images.loaded == [sample.key for sample in many]
    alone = inputs().features(NoiseImages(), [many[40]], CENTER_VIEW)
    assert torch.equal(features[40], alone[0])


@pytest.mark.parametrize("threads", [1, 4], indirect=True)
def test_a_torn_image_is_an_error_where_it_is_used(threads: int):
    images = NoiseImages(torn=7)
    batches = inputs().evaluation_batches(images, SAMPLES, frozenset({"pixels"}), 6)
    assert next(batches).pixels.shape[0] == 6
    with pytest.raises(DataError, match="Image 7 is torn"):
        next(batches)


def test_epochs_of_few_images_fill_the_passes_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven epochs of 20 images are 140 views, five passes of 32 and not seven; their bits are those of each alone."""
    backbone, passes = tiny_backbone(), []
    encode = backbone.encode_image
    monkeypatch.setattr(backbone, "encode_image", lambda x, **how: passes.append(len(x)) or encode(x, **how))
    images, shared = NoiseImages(), Inputs(backbone, FeatureStore(backbone, None))
    support = SupportSet(images, SAMPLES, ClassSet(("a", "b", "c"), "a {}."))
    needs, recipe, every = frozenset({"features"}), Recipe(epochs=7, batch_size=0), torch.arange(20)
    training = TrainingImages(shared, support, needs, recipe, 1, 7)
    shown = [training.epoch(epoch)(every).features for epoch in range(7)]
    assert passes == [32] * 5
    assert len(images.loaded) <= len(SAMPLES) + 4, "loaded once a pass"
    for epoch, features in enumerate(shown):
        alone = inputs().features(NoiseImages(), SAMPLES, views_for_epoch(recipe, 1, epoch))
        assert torch.equal(features, alone)


def test_groups_of_epochs_do_not_depend_on_where_a_training_begins() -> None:
    size = 7  # ceil(256 / 40)
    for epoch in range(20):
        group = epochs_together(epoch, 20, 40)
        assert epoch in group
        assert group.start % size == 0
        assert group.stop <= 20
    assert epochs_together(20, 20, 40).stop == 21, "the other view"


def test_views_of_test_images_follow_from_seed_kind_and_image_alone() -> None:
    needs, found = frozenset({"features", "test_stream"}), {}
    for seed in (1, 2):
        for mixed in (False, True):
            batches = inputs().evaluation_batches(NoiseImages(), SAMPLES[:6], needs, 4, seed=seed)
            found[seed, mixed] = torch.cat([batch.test_views(3, (0.5, 1.0), mixed=mixed) for batch in batches], dim=1)
    for (seed, mixed), views in found.items():
        kind = ViewKind.AUGMIX if mixed else ViewKind.BILINEAR_CROP
        shown = [View(kind, (0.5, 1.0), seed, i) for i in range(3)]
        backwards = inputs().features_of_views(NoiseImages(), SAMPLES[5::-1], shown).flip(1)
        torch.testing.assert_close(views, backwards)
    others = list(found.values())
    assert all(float((a - b).abs().max()) > 0.01 for i, a in enumerate(others) for b in others[:i])


def test_views_of_test_images_are_read_from_disk_again_and_not_kept_in_memory(tmp_path, monkeypatch) -> None:
    store, needs = FeatureStore(tiny_backbone(), tmp_path), frozenset({"features", "test_stream"})
    shared = Inputs(tiny_backbone(), store)
    (batch,) = shared.evaluation_batches(NoiseImages(), SAMPLES[:4], needs, 4, seed=1)
    centre, first = batch.features, batch.test_views(3, (0.5, 1.0), mixed=True)
    assert len(store._rows) == len(centre) == 4
    monkeypatch.setattr(store, "_compute", lambda _, absent, __: pytest.fail("computed again") if absent else None)
    assert torch.equal(batch.test_views(3, (0.5, 1.0), mixed=True), first)


def test_views_of_test_images_need_a_declaration() -> None:
    (batch,) = inputs().evaluation_batches(NoiseImages(), SAMPLES[:2], frozenset({"features"}), 4)
    with pytest.raises(UndeclaredNeedError, match="method declares needs: features"):
        batch.test_views(1, (0.5, 1.0), mixed=False)
