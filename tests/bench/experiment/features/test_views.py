import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import stats
from torchvision import transforms
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as tvf

from bench.experiment.features.views import (
    CENTER_VIEW,
    View,
    ViewKind,
    ViewParams,
    render,
    to_pixels,
    view_params,
    views_for_epoch,
)
from methods import Recipe

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
SIZES = [(64, 64), (97, 61), (40, 133), (32, 500), (501, 17), (48, 48), (33, 47), (47, 33)]


def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def crop_view(index: int = 0, *, scale: tuple[float, float] = (0.08, 1.0), seed: int = 1) -> View:
    return View(ViewKind.CROP, scale, seed, index)


class TestViewsForEpoch:
    def test_every_epoch_has_a_fresh_view_unless_the_first_ones_are_cycled(self):
        """The first n are those without a limit, so that stored features are shared between recipes."""
        fresh, cycled = ([views_for_epoch(Recipe(views=n), 1, epoch) for epoch in range(50)] for n in (0, 3))
        assert len({view.key for view in fresh}) == 50
        assert cycled == [fresh[epoch % 3] for epoch in range(50)]

    def test_crops_are_as_the_recipe_says(self):
        assert views_for_epoch(Recipe(augment=False, views=3), seed=5, epoch=7) == CENTER_VIEW
        assert views_for_epoch(Recipe(crop_scale=(0.5, 1.0)), seed=1, epoch=0) == crop_view(scale=(0.5, 1.0))


def test_equal_keys_mean_equal_pixels_and_other_keys_other_views():
    various = [
        crop_view(i, scale=scale, seed=seed) for i in (0, 1) for scale in ((0.08, 1), (0.5, 1)) for seed in (1, 2)
    ]
    assert len({view.key for view in [*various, CENTER_VIEW]}) == 9
    assert len({view_params("image", view, (200, 200)) for view in various}) == 8
    assert View(ViewKind.CENTER, (0.5, 1.0), 3, 4).key == CENTER_VIEW.key == "center.v1"


class TestParams:
    def test_neither_global_generators_nor_order_matter(self):
        asked = [(f"image {i}", crop_view(j)) for i in range(20) for j in range(3)]
        first = [view_params(digest, view, (80, 60)) for digest, view in asked]
        np.random.seed(1)
        torch.manual_seed(1)
        before = torch.get_rng_state()
        again = [view_params(digest, view, (80, 60)) for digest, view in reversed(asked)]
        assert again[::-1] == first
        assert torch.equal(torch.get_rng_state(), before)

    def test_they_are_pinned(self):
        """Features on disk were computed for these very crops; a change of the rule must raise the version."""
        assert view_params("a digest", crop_view(3), (224, 160)) == ViewParams((7, 62, 138, 131), flip=True)

    @given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 99), st.sampled_from([(0.08, 1.0), (0.5, 1.0)]))
    def test_the_crop_lies_inside_the_image(self, width, height, index, scale):
        top, left, crop_height, crop_width = view_params("image", crop_view(index, scale=scale), (width, height)).crop
        assert 0 <= left < left + crop_width <= width
        assert 0 <= top < top + crop_height <= height

    @pytest.mark.parametrize("scale", [(0.08, 1.0), (0.5, 1.0)])
    @pytest.mark.parametrize("size", [(300, 300), (500, 200)])
    def test_they_are_distributed_as_torchvisions(self, size, scale):
        """Kolmogorov-Smirnov on each coordinate, 2,000 crops of each, fixed seeds."""
        torch.manual_seed(0)
        blank, n = torch.zeros(3, size[1], size[0]), 2000
        theirs = np.array([transforms.RandomResizedCrop.get_params(blank, scale, [3 / 4, 4 / 3]) for _ in range(n)])
        ours = np.array([view_params(f"image {i}", crop_view(scale=scale), size).crop for i in range(n)])
        for column in range(4):
            assert stats.ks_2samp(ours[:, column], theirs[:, column]).pvalue > 1e-3
        area, ratio = (lambda x: x[:, 2] * x[:, 3]), (lambda x: x[:, 3] / x[:, 2])
        assert stats.ks_2samp(area(ours), area(theirs)).pvalue > 1e-3
        assert stats.ks_2samp(ratio(ours), ratio(theirs)).pvalue > 1e-3

    @pytest.mark.parametrize(("size", "crop"), [((1000, 9), (0, 494, 9, 12)), ((9, 1000), (494, 0, 12, 9))])
    def test_a_sliver_falls_back_to_the_central_rectangle(self, size, crop):
        assert view_params("image", crop_view(scale=(0.9, 1.0)), size).crop == crop


class TestRender:
    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("side", [32, 48])
    def test_the_centre_view_is_clips_test_transform(self, size, side):
        theirs = transforms.Compose(
            [transforms.Resize(side, interpolation=InterpolationMode.BICUBIC), transforms.CenterCrop(side)]
        )
        image = picture(*size)
        ours = render(image, view_params("any", CENTER_VIEW, image.size), side)
        assert ours.dtype == np.uint8
        assert np.array_equal(ours, np.array(theirs(image)))

    @pytest.mark.parametrize("size", SIZES)
    def test_a_crop_is_torchvisions_resized_crop_and_flip(self, size):
        image = picture(*size)
        for index in range(6):
            params = view_params("image", crop_view(index), image.size)
            theirs = tvf.resized_crop(image, *params.crop, [32, 32], InterpolationMode.BICUBIC)
            theirs = tvf.hflip(theirs) if params.flip else theirs
            assert np.array_equal(render(image, params, 32), np.array(theirs))

    def test_it_leaves_the_image_alone_and_gives_an_array_of_its_own(self):
        image = picture(40, 30)
        before = np.array(image)
        shown = render(image, ViewParams((0, 0, 30, 40), flip=False), 16)
        shown[:] = 0
        assert np.array_equal(np.array(image), before)


def test_pixels_are_those_of_to_tensor_and_normalize_and_the_bytes_are_left_as_they_were():
    images = [picture(16, 16, seed) for seed in range(3)]
    theirs = torch.stack([tvf.normalize(tvf.to_tensor(image), MEAN, STD) for image in images])
    given = np.stack([np.array(image) for image in images])
    ours = to_pixels(given, MEAN, STD)
    assert (ours.dtype, ours.is_contiguous()) == (torch.float32, True)
    assert torch.equal(ours, theirs)
    assert np.array_equal(given, np.stack([np.array(image) for image in images]))
