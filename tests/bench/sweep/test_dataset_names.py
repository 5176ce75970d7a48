"""Defaults that depend on the datasets: the backbone of synthetic images, and the protocol of a user's own."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench import plan
from bench.errors import UsageError
from bench.sweep import SweepRequest
from bench.sweep.dataset_names import match_datasets
from bench.sweep.sweep_files import sweep_toml
from datasets_registry import DATASETS, AddRequest, ColumnNames, EvalProtocol, UnknownNameError, add_custom_dataset

REQUIRED = (
    r"Dataset '{}'{} holds real images, but the default backbone ViT-demo.drawn was trained on synthetic images, so -b "
    r"is required. Backbones: -b ViT-B-32.openai \(151 M parameters, 605 MB, .*-b ViT-B-16.openai .*-b ViT-L-14.openai "
    r".* or a file, -b ARCH=FILE; to try commands out, -b ViT-demo.drawn"
)


@pytest.fixture
def birds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Own images in the catalogue, with a class of four images."""
    pixels = np.random.default_rng(0)
    for name, n in (("crow", 20), ("gull", 20), ("rare", 4)):
        (tmp_path / "birds" / name).mkdir(parents=True)
        for i in range(n):
            image = Image.fromarray(pixels.integers(0, 256, (32, 32, 3), dtype=np.uint8))
            image.save(tmp_path / "birds" / name / f"{i}.png")
    request = AddRequest("birds", tmp_path / "birds", "a photo of a {}.", "", None, None, ColumnNames())
    added = add_custom_dataset(request, tmp_path / "own", replace=False)
    monkeypatch.setitem(DATASETS.entries, "birds", added.info)
    return "birds"


@pytest.mark.parametrize("datasets", ["eurosat", "spectrum_basic,eurosat", "eurosat,unknown"])
def test_a_dataset_that_is_not_synthetic_needs_a_backbone(datasets: str) -> None:
    with pytest.raises(UsageError, match=REQUIRED.format("eurosat", "")):
        SweepRequest.build(methods="coop", datasets=datasets)
    request = SweepRequest.build(methods="coop", datasets=datasets, backbones="ViT-demo.drawn")
    assert request.backbones == ["ViT-demo.drawn"], "chosen by name"


def test_synthetic_datasets_have_the_demo_backbone() -> None:
    request = SweepRequest.build(methods="coop", datasets="spectrum*")
    assert (request.backbones, request.protocol) == (["ViT-demo.drawn"], EvalProtocol.BASE_TO_NEW)
    assert not {"backbones", "protocol"} & set(tomllib.loads(sweep_toml(request)))


def test_the_default_protocol_of_own_images_is_few_shot(birds: str) -> None:
    def protocol(datasets: str, **options: str) -> EvalProtocol:
        return SweepRequest.build(methods="coop", datasets=datasets, backbones="ViT-tiny.random", **options).protocol

    assert protocol(birds) is EvalProtocol.FEW_SHOT
    assert protocol(birds, protocol="base-to-new") is EvalProtocol.BASE_TO_NEW
    assert protocol(f"{birds},eurosat") is EvalProtocol.BASE_TO_NEW
    assert protocol("eurosat") is EvalProtocol.BASE_TO_NEW


def test_fewer_images_than_shots_are_taken_if_allowed_and_the_spec_says_so(birds: str, tmp_path: Path) -> None:
    def planned(shots: int, **options: bool) -> list[str]:
        made = plan(
            "coop,zero_shot", birds, backbone="ViT-tiny.random", shots=shots, seeds=1, runs=tmp_path / "runs", **options
        )
        return [spec.label() for spec in made.specs]

    assert planned(8) == ["zero_shot on birds, few-shot, 0 shots, seed 0"]
    assert "up to 8 shots, seed 1" in planned(8, allow_fewer=True)[0]
    alone = plan("coop", birds, backbone="ViT-tiny.random", shots=1, seeds=1, runs=tmp_path / "runs")
    allowed = plan(
        "coop", birds, backbone="ViT-tiny.random", shots=1, seeds=1, runs=tmp_path / "runs", allow_fewer=True
    )
    assert allowed.specs == alone.specs, "the same run"


def test_a_pattern_takes_options_as_a_name_does() -> None:
    found = match_datasets("spectrum_b*:test=10")
    assert found == ["spectrum_basic:test=10", "spectrum_blur:test=10"]
    with pytest.raises(UnknownNameError, match="Did you mean 'test'"):
        match_datasets("spectrum_b*:tes=10")
