"""The evaluation view of every accepted pretrained backbone has the pixels of open_clip's own transform."""

from __future__ import annotations

from collections import defaultdict
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import open_clip
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2, merge_preprocess_dict
from PIL import Image, ImageDraw, ImageFilter
from places import REAL_DATA
from torch import Tensor
from torchvision import transforms
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as tvf

from bench.experiment.features.inputs import Inputs
from bench.experiment.features.views import CENTER_VIEW, View, ViewKind, view_params
from datasets_registry import BenchError, Sample, image_sources
from methods import BackboneSpec, Preprocessing, parse_backbone

REAL = REAL_DATA / "real"
GREY_LEVELS = 1.0
"""Allowed difference of a pixel, in 255ths of the range of an image."""


def official(spec: BackboneSpec) -> PreprocessCfg:
    """The configuration that open_clip's factory hands to `image_transform_v2`."""
    size = open_clip.get_model_config(spec.arch)["vision_cfg"].get("image_size", 224)
    merged = merge_preprocess_dict(PreprocessCfg(), open_clip.get_pretrained_cfg(spec.arch, spec.tag))
    return PreprocessCfg(**merged | {"size": size})


def configurations() -> dict[str, tuple[PreprocessCfg, Preprocessing]]:
    """Open_clip's configuration and ours, once for each distinct pair; every accepted tag has one of them."""
    slugs: defaultdict[str, list[str]] = defaultdict(list)
    found = {}
    for arch, tag in open_clip.list_pretrained():
        try:
            spec = parse_backbone(f"{arch}.{tag}")
        except BenchError:
            continue
        key = f"{official(spec)} {spec.preprocessing}"
        slugs[key].append(spec.slug)
        found[key] = official(spec), spec.preprocessing
    assert sum(map(len, slugs.values())) >= 149
    return {slugs[key][0]: pair for key, pair in found.items()}


CONFIGURATIONS = configurations()


def synthetic_photograph(width: int, height: int, seed: int) -> Image.Image:
    """Smooth light, sharp shapes and grain, so that filters and crops leave traces."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (5, 7, 3), dtype=np.uint8))
    image = coarse.resize((width, height), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(image)
    for _ in range(12):
        x, y = rng.integers(0, width), rng.integers(0, height)
        pen.ellipse((x, y, x + width // 5, y + height // 7), fill=tuple(rng.integers(0, 256, 3).tolist()))
    grain = np.asarray(image.filter(ImageFilter.GaussianBlur(0.6)), dtype=np.float32)
    grain = grain + rng.normal(0, 6, grain.shape)
    return Image.fromarray(grain.clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("photographs")
    paths = []
    for i, size in enumerate([(500, 375), (333, 500), (224, 224), (64, 64), (701, 97), (90, 640)]):
        paths.append(folder / f"{i}.jpg")
        synthetic_photograph(*size, seed=i).save(paths[-1], quality=92)
    return paths


def pixels(paths: list[Path], how: Preprocessing, size: int, view: View = CENTER_VIEW) -> Tensor:
    """What a method sees of these files, through the same path as in a run."""
    backbone = SimpleNamespace(preprocessing=how, image_size=size, device=torch.device("cpu"))
    images = image_sources.ImageFiles(paths[0].parent)
    samples = [Sample(str(path), 0) for path in paths]
    return Inputs(backbone, None).pixels(images, samples, view)  # type: ignore[arg-type]


def assert_equal_pixels(paths: list[Path], cfg: PreprocessCfg, how: Preprocessing) -> None:
    ours = pixels(paths, how, cfg.size)
    theirs = torch.stack([image_transform_v2(cfg, is_train=False)(Image.open(path)) for path in paths])
    levels = (ours - theirs).abs() * torch.tensor(how.std).view(3, 1, 1) * 255
    assert float(levels.max()) <= GREY_LEVELS


@pytest.mark.parametrize("slug", CONFIGURATIONS)
def test_synthetic_photographs_have_open_clips_pixels(slug: str, photographs: list[Path]) -> None:
    assert_equal_pixels(photographs, *CONFIGURATIONS[slug])


@pytest.mark.real_data
@pytest.mark.parametrize("slug", CONFIGURATIONS)
def test_real_photographs_have_open_clips_pixels(slug: str) -> None:
    paths = [path for name in sorted(REAL.iterdir()) for path in islice(name.rglob("*.jpg"), 2)]
    assert len(paths) >= 5
    assert_equal_pixels(paths, *CONFIGURATIONS[slug])


@pytest.mark.parametrize("fill", [0, 90])
@pytest.mark.parametrize("size", [96, 225])
def test_the_longest_side_can_be_fitted_with_a_border(size: int, fill: int, photographs: list[Path]) -> None:
    """No accepted tag does so; a local file can."""
    shown = {"resize_mode": "longest", "fill_color": fill}
    assert_equal_pixels(photographs, PreprocessCfg(size=size, **shown), Preprocessing(**shown))


@pytest.mark.parametrize("mode", [InterpolationMode.BICUBIC, InterpolationMode.BILINEAR])
def test_training_views_are_resized_with_the_filter_of_the_weights(
    mode: InterpolationMode, photographs: list[Path]
) -> None:
    how = Preprocessing(interpolation=mode.value, resize_mode="squash")
    view = View(ViewKind.CROP, (0.3, 1.0), seed=1, index=0)
    ours = pixels(photographs, how, 112, view)
    digest = image_sources.ImageFiles(photographs[0].parent).digest
    to_pixels = transforms.Compose([transforms.ToTensor(), transforms.Normalize(how.mean, how.std)])
    for path, found in zip(photographs, ours, strict=True):
        image = Image.open(path)
        params = view_params(digest(str(path)), view, image.size)
        theirs = tvf.resized_crop(image, *params.crop, [112, 112], mode)
        assert torch.equal(found, to_pixels(tvf.hflip(theirs) if params.flip else theirs))
