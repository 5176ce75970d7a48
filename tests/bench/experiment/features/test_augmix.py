"""AugMix: its operations give the bytes of the official ones, and the mixture is the formula of the paper."""

from __future__ import annotations

import numpy as np
import pytest
from one_case import for_each
from parity_kit import FOLDER, Case
from PIL import Image
from safetensors.torch import load_file
from scipy import stats
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as tvf

from bench.experiment.features.augmix import OPERATIONS, Mixing, Uniforms, draw_mixing, mixed
from bench.experiment.features.views import View, ViewKind, render, view_params

PICTURE = Image.fromarray(load_file(str(FOLDER / "data.safetensors"))["test_images_uint8"][0].numpy())
DRAWN = [draw_mixing(Uniforms(f"image {i}")) for i in range(2000)]


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_gives_the_official_bytes(name: str) -> None:
    case = Case("tpt", "augmix")
    for level, theirs in zip(case.config["levels"], case.tensors[f"operations/{name}"], strict=True):
        assert np.array_equal(np.array(OPERATIONS[name](PICTURE, level)), theirs.numpy()), level


@for_each("level", [-0.95, -0.4, 0.1, 0.7])
def test_translations_are_by_whole_pixels_and_relative_to_the_size(level: float) -> None:
    image = np.random.default_rng(0).integers(0, 256, (90, 60, 3), dtype=np.uint8)
    for name, axis in (("translate_y", 0), ("translate_x", 1)):
        shift = int(level * image.shape[axis] / 30)
        shown = np.roll(np.pad(image, ((3, 3), (3, 3), (0, 0))), -shift, axis)[3:-3, 3:-3]
        assert np.array_equal(np.array(OPERATIONS[name](Image.fromarray(image), level)), shown)


def test_the_mixture_is_the_formula() -> None:
    chains = ((("rotate", 0.9), ("posterize", 0.5)), (("solarize", -0.3),), (("shear_x", 0.8),) * 3)
    x, expected = np.array(PICTURE), 0.3 * np.array(PICTURE).astype(np.float64)
    for weight, chain in zip((0.5, 0.2, 0.3), chains, strict=True):
        distorted = x
        for name, level in chain:
            distorted = np.array(OPERATIONS[name](Image.fromarray(distorted), level))
        expected += 0.7 * weight * distorted
    found = mixed(PICTURE, Mixing(0.3, (0.5, 0.2, 0.3), chains))
    assert found.dtype == np.uint8
    assert np.abs(found - expected).max() <= 0.5 + 1e-9
    assert np.abs(found - x.astype(float)).max() > 10


def test_draws_have_the_official_distributions() -> None:
    """Kolmogorov-Smirnov against numpy's Beta and Dirichlet; counts against uniform ones. Fixed seeds."""
    rng, n = np.random.default_rng(0), len(DRAWN)
    weights = np.array([draw.weights for draw in DRAWN])
    assert weights.sum(axis=1) == pytest.approx(1)
    for column in range(3):
        theirs = rng.dirichlet([1, 1, 1], n)[:, column]
        assert stats.ks_2samp(weights[:, column], theirs).pvalue > 1e-3
    assert stats.ks_2samp([draw.share for draw in DRAWN], rng.beta(1, 1, n)).pvalue > 1e-3
    chains = [chain for draw in DRAWN for chain in draw.chains]
    assert stats.chisquare(np.bincount([len(chain) for chain in chains])[1:]).pvalue > 1e-3
    names, levels = zip(*(operation for chain in chains for operation in chain), strict=True)
    assert stats.chisquare([names.count(name) for name in OPERATIONS]).pvalue > 1e-3
    assert stats.ks_2samp(np.abs(levels), rng.uniform(0.1, 1, len(levels))).pvalue > 1e-3
    assert abs(np.mean(np.array(levels) < 0) - 0.5) < 4 * 0.5 / len(levels) ** 0.5


def test_a_view_is_the_mixture_of_the_crop_that_is_resized_bilinearly() -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8))
    params = view_params("image", View(ViewKind.AUGMIX, (0.08, 1.0), 1, 2), picture.size)
    crop = tvf.resized_crop(picture, *params.crop, [32, 32], InterpolationMode.BILINEAR)
    crop = tvf.hflip(crop) if params.flip else crop
    assert np.array_equal(render(picture, params, 32), mixed(crop, params.mixing))
    unmixed = view_params("image", View(ViewKind.BILINEAR_CROP, (0.08, 1.0), 1, 2), picture.size)
    assert (unmixed.mixing, unmixed.bilinear) == (None, True)


def test_a_draw_is_pinned() -> None:
    """Features on disk were computed for these very mixtures; a change of the rule must raise the version of views."""
    draw = draw_mixing(Uniforms("a digest"))
    assert draw.share == pytest.approx(0.024882322936)
    assert draw.weights == pytest.approx((0.662150111191, 0.146395119075, 0.191454769732))
    names = tuple(tuple(name for name, _ in chain) for chain in draw.chains)
    assert names == (("translate_x", "rotate"), ("autocontrast",), ("translate_y", "solarize", "equalize"))
    assert draw.chains[2][0][1] == pytest.approx(-0.884273461949)
