"""The packaged backbone: small, complete, loadable as an ordinary CLIP, and accurate on the synthetic images."""

import hashlib
import importlib
from importlib import resources
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load, save
from scipy.stats import spearmanr

from datasets_registry import BenchError, get_dataset
from methods import CLIP_MEAN, CLIP_STD, parse_backbone, tokenize
from methods._backbones import loading
from tools.train_demo_backbone.scenes import COLOURS, SHAPES, world_image, world_scene

DEMO_CONFIG = parse_backbone("ViT-demo.drawn").config


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    return loading.demo_state_dict()


@pytest.fixture(scope="module")
def model(state: dict[str, torch.Tensor]) -> Any:
    model = loading.build_model(DEMO_CONFIG)
    model.load_state_dict(state)
    return model.eval()


def normalised(pictures: list[Image.Image]) -> torch.Tensor:
    pixels = torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures])).permute(0, 3, 1, 2) / 255
    return (pixels - torch.tensor(CLIP_MEAN).view(3, 1, 1)) / torch.tensor(CLIP_STD).view(3, 1, 1)


def zero_shot_accuracy(model: Any, name: str, every: int = 1) -> float:
    """Over all classes, on each `every`-th test picture."""
    importlib.import_module(f"datasets_registry.{name.partition(':')[0]}")
    info = get_dataset(name)
    splits = info.reader(None)
    texts = [info.template.replace("{}", class_name.replace("_", " ")) for class_name in splits.class_names]
    samples = splits.test[::every]
    with torch.no_grad():
        text = model.encode_text(tokenize(texts), normalize=True)
        pixels = normalised([splits.images.load(sample.key) for sample in samples])
        image = torch.cat([model.encode_image(block, normalize=True) for block in pixels.split(128)])
    guesses = (image @ text.T).argmax(dim=-1).tolist()
    return float(np.mean([guess == sample.label for guess, sample in zip(guesses, samples, strict=True)]))


@pytest.fixture(scope="module")
def asset() -> bytes:
    return resources.files("methods").joinpath("_assets", loading.DEMO_ASSET).read_bytes()


def test_other_weights_than_the_released_ones_are_refused(asset: bytes) -> None:
    with pytest.raises(BenchError, match="Install the package again"):
        loading.unpack_weights(asset + b" ", expected_sha256=loading.DEMO_SHA256)


def test_the_weights_load_strictly_into_open_clip(state: dict[str, torch.Tensor]) -> None:
    model = loading.build_model(DEMO_CONFIG)
    model.load_state_dict(state, strict=True)
    assert all(tensor.dtype == torch.float32 and torch.isfinite(tensor).all() for tensor in state.values())


def test_words_that_training_never_read_are_distinct_and_the_same_everywhere(
    state: dict[str, torch.Tensor], asset: bytes
) -> None:
    table = state["token_embedding.weight"]
    read = load(asset)["token_ids"].long()
    unread = torch.ones(len(table), dtype=torch.bool)
    unread[read] = False
    assert torch.equal(table[unread], loading.unread_token_rows(49408, 128)[unread])
    assert table[unread].std().item() == pytest.approx(0.02, rel=0.01)
    assert loading.unread_token_rows(2, 3).tolist() == loading.unread_token_rows(49408, 3)[:2].tolist()
    assert len(torch.unique(table[unread][:2000], dim=0)) == 2000


def test_packing_keeps_what_was_trained(state: dict[str, torch.Tensor], asset: bytes) -> None:
    tensors = loading.pack_weights(state, load(asset)["token_ids"].long())
    content = save(tensors)
    again = loading.unpack_weights(content, expected_sha256=hashlib.sha256(content).hexdigest())
    assert again.keys() == state.keys()
    assert all(torch.equal(again[name], state[name]) for name in state)


def test_it_names_the_figures_of_its_own_world(model: Any) -> None:
    """Pictures far beyond the training pool; every colour with every shape, chance 1 in 120."""
    scenes = {i: world_scene(i) for i in range(900_000, 900_400)}
    shown = [i for i, scene in scenes.items() if scene.count == 1 and scene.size != "small"]
    pixels = normalised([world_image(i) for i in shown])
    names = [(colour, shape) for colour in COLOURS for shape in SHAPES]
    with torch.no_grad():
        image = model.encode_image(pixels, normalize=True)
        text = model.encode_text(tokenize([f"a photo of a {c} {s}." for c, s in names]), normalize=True)
    guesses = [names[i] for i in (image @ text.T).argmax(dim=-1).tolist()]
    right = [guess == (scenes[i].colour, scenes[i].shape) for guess, i in zip(guesses, shown, strict=True)]
    assert np.mean(right) > 0.8


def test_accuracy_falls_along_the_dial(model: Any) -> None:
    shifts = np.linspace(0, 1, 5).tolist()
    accuracies = [zero_shot_accuracy(model, f"spectrum:shift={shift}", every=7) for shift in shifts]
    assert spearmanr(shifts, accuracies).statistic < -0.98
    assert accuracies[0] > 0.95
    assert accuracies[-1] < 2 / 24
