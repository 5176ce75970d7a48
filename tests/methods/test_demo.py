"""The packaged backbone: small, whole, loadable as an ordinary CLIP, and good at its own world."""

from importlib import resources

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from datasets_registry._drawn_world import COLOURS, SHAPES, world_image, world_scene
from datasets_registry._errors import BenchError
from methods._backbone import CLIP_MEAN, CLIP_STD, build_model, tokenize
from methods._demo import DEMO_ASSET, DEMO_CONFIG, DEMO_SHA256, demo_state_dict, packed, unpacked, unread_token_rows


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    return demo_state_dict()


@pytest.fixture(scope="module")
def asset() -> bytes:
    return resources.files("methods").joinpath("_assets", DEMO_ASSET).read_bytes()


def test_the_asset_is_a_few_megabytes(asset: bytes) -> None:
    assert len(asset) < 4_000_000


def test_other_weights_than_the_released_ones_are_refused(asset: bytes) -> None:
    with pytest.raises(BenchError, match="Install the package again"):
        unpacked(asset + b" ", expected_sha256=DEMO_SHA256)


def test_the_weights_load_strictly_into_open_clip(state: dict[str, torch.Tensor]) -> None:
    model = build_model(DEMO_CONFIG)
    model.load_state_dict(state, strict=True)
    assert all(tensor.dtype == torch.float32 and torch.isfinite(tensor).all() for tensor in state.values())


def test_sizes_are_those_that_openai_code_infers(state: dict[str, torch.Tensor]) -> None:
    """OpenAI's loader reads every size off the weights: heads are width / 64, the grid is the root of the positions."""
    assert state["visual.conv1.weight"].shape == (128, 3, 8, 8)
    assert state["visual.positional_embedding"].shape == (1 + 6 * 6, 128)
    assert state["positional_embedding"].shape == (77, 128)
    assert state["token_embedding.weight"].shape == (49408, 128)
    assert state["text_projection"].shape == (128, 128)
    assert state["ln_final.weight"].shape[0] // 64 == DEMO_CONFIG["text_cfg"]["heads"]
    depth = len({name.split(".")[3] for name in state if name.startswith("visual.transformer.resblocks")})
    assert depth == DEMO_CONFIG["vision_cfg"]["layers"]
    assert DEMO_CONFIG["quick_gelu"]


def test_the_temperature_is_sensible(state: dict[str, torch.Tensor]) -> None:
    assert 20 < state["logit_scale"].exp() <= 100


def test_words_that_training_never_read_are_distinct_and_the_same_everywhere(
    state: dict[str, torch.Tensor], asset: bytes
) -> None:
    table = state["token_embedding.weight"]
    read = load(asset)["token_ids"].long()
    unread = torch.ones(len(table), dtype=torch.bool)
    unread[read] = False
    assert torch.equal(table[unread], unread_token_rows(49408, 128)[unread])
    assert table[unread].std().item() == pytest.approx(0.02, rel=0.01)
    assert unread_token_rows(2, 3).tolist() == unread_token_rows(49408, 3)[:2].tolist()
    assert len(torch.unique(table[unread][:2000], dim=0)) == 2000


def test_packing_keeps_what_was_trained(state: dict[str, torch.Tensor], asset: bytes) -> None:
    tensors = packed(state, load(asset)["token_ids"].long())
    content = save(tensors)
    import hashlib

    again = unpacked(content, expected_sha256=hashlib.sha256(content).hexdigest())
    assert again.keys() == state.keys()
    assert all(torch.equal(again[name], state[name]) for name in state)


def test_it_names_the_figures_of_its_own_world(state: dict[str, torch.Tensor]) -> None:
    """Pictures far beyond the training pool; every colour with every shape, chance 1 in 120."""
    model = build_model(DEMO_CONFIG)
    model.load_state_dict(state)
    model.eval()
    scenes = {i: world_scene(i) for i in range(900_000, 900_400)}
    shown = [i for i, scene in scenes.items() if scene.count == 1 and scene.size != "small"]
    pixels = torch.from_numpy(np.stack([np.asarray(world_image(i)) for i in shown])).permute(0, 3, 1, 2) / 255
    pixels = (pixels - torch.tensor(CLIP_MEAN).view(3, 1, 1)) / torch.tensor(CLIP_STD).view(3, 1, 1)
    names = [(colour, shape) for colour in COLOURS for shape in SHAPES]
    with torch.no_grad():
        image = model.encode_image(pixels, normalize=True)
        text = model.encode_text(tokenize([f"a photo of a {c} {s}." for c, s in names]), normalize=True)
    guesses = [names[i] for i in (image @ text.T).argmax(dim=-1).tolist()]
    right = [guess == (scenes[i].colour, scenes[i].shape) for guess, i in zip(guesses, shown, strict=True)]
    assert np.mean(right) > 0.8
