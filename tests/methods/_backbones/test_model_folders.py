"""`hf-hub:ORG/NAME` and `local-dir:FOLDER`: read as open_clip reads them, or refused in one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import open_clip
import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file
from small_families import model_folder, small_backbone, small_timm

from bench.sweep.inputs import local_weights
from bench.sweep.options import split_list
from datasets_registry import BenchError
from methods import Backbone, WeightsError, fetch_tokenizer, fetch_weights, load_backbone, parse_backbone


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the small SigLIP 2 that a test may change."""
    return shutil.copytree(model_folder("siglip2"), tmp_path / "model")


def change(folder: Path, **parts: dict | None) -> None:
    """Change parts of the folder's `model_cfg`; None removes one."""
    file = folder / "open_clip_config.json"
    described = json.loads(file.read_text())
    for name, values in parts.items():
        if values is None:
            del described["model_cfg"][name]
        else:
            described["model_cfg"][name] |= values
    file.write_text(json.dumps(described))


def test_a_folder_gives_what_open_clip_makes_of_it(folder: Path) -> None:
    spec = parse_backbone(f"local-dir:{folder}")
    with small_timm():
        model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}")(["a photo of a cat."])
    model.eval()
    backbone = small_backbone("siglip2")
    with torch.no_grad():
        pixels = torch.randn(1, 3, backbone.image_size, backbone.image_size)
        torch.testing.assert_close(backbone.encode_image(pixels), model.encode_image(pixels), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(
            backbone.encode_texts(["a photo of a cat."]), model.encode_text(tokens), atol=1e-5, rtol=1e-5
        )
    assert list(spec.preprocessing.mean) == preprocess.transforms[-1].mean == [0.5, 0.5, 0.5]
    assert (spec.preprocessing.interpolation, spec.preprocessing.resize_mode) == ("bilinear", "squash")


@pytest.mark.parametrize(
    ("part", "values"),
    [
        ("vision_cfg", {"layers": 10**6}),
        ("vision_cfg", {"layers": [3, 10**6]}),
        ("vision_cfg", {"width": 10**9}),
        ("vision_cfg", {"image_size": float("inf")}),
        ("text_cfg", {"vocab_size": 10**12}),
        ("text_cfg", {"deep": {"x": [[10**12]]}}),
        ("text_cfg", {"many": [1] * 1001}),
    ],
)
def test_a_configuration_that_no_model_has_is_refused_before_it_is_built(folder: Path, part: str, values: dict) -> None:
    change(folder, **{part: values})
    with pytest.raises(WeightsError, match=rf"model that exists: model_cfg.{part}\.\w+"):
        parse_backbone(f"local-dir:{folder}")


def test_a_large_configuration_is_not_read(folder: Path) -> None:
    (folder / "open_clip_config.json").write_bytes(b"[" + b"{}," * 2_000_000)
    with pytest.raises(WeightsError, match="more than 4 MiB"):
        parse_backbone(f"local-dir:{folder}")


def test_a_folder_is_one_backbone_however_it_is_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"local-dir:{folder}"
    slug = parse_backbone(text).slug
    assert slug.startswith("local-dir.local-")
    weights = local_weights([text, "ViT-tiny.random"])
    assert weights == {slug: folder}
    assert parse_backbone(f"local-dir={weights[slug]}").slug == slug
    monkeypatch.chdir(folder.parent)
    assert parse_backbone("local-dir:model").slug == slug
    assert local_weights(["local-dir:model"]) == {slug: folder}
    (folder / "tokenizer.json").write_text((folder / "tokenizer.json").read_text() + "\n")
    assert parse_backbone(text).slug != slug, "another tokenizer"


def test_the_digest_depends_on_the_tokenizer_and_the_configuration(folder: Path) -> None:
    plain = small_backbone("siglip2")
    change(folder, text_cfg={"pool_type": "argmax"})
    pooled = Backbone(parse_backbone(f"local-dir:{folder}"), plain.model)
    assert pooled.digest != plain.digest
    renamed = folder.rename(folder.with_name("renamed"))
    tokens = json.loads((renamed / "tokenizer.json").read_text())
    vocabulary = tokens["model"]["vocab"]
    vocabulary["cat"], vocabulary["dog"] = vocabulary["dog"], vocabulary["cat"]
    (renamed / "tokenizer.json").write_text(json.dumps(tokens))
    assert Backbone(parse_backbone(f"local-dir:{renamed}"), plain.model).digest != pooled.digest


def written(text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "open_clip_config.json").write_text(text)


WRONG_PART = '{"model_cfg": {"embed_dim": 1, "vision_cfg": [], "text_cfg": {}}}'


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: shutil.rmtree(f), "folder with a file open_clip_config.json"),
        (lambda f: (f / "open_clip_config.json").unlink(), "no file open_clip_config.json"),
        (lambda f: (f / "open_clip_model.safetensors").unlink(), "no weights; copy open_clip_model.safetensors"),
        (written("{"), "is not a configuration of open_clip .JSONDecodeError"),
        (written("{}"), "is not a configuration of open_clip .KeyError"),
        (written(WRONG_PART), "part of the wrong type"),
    ],
)
def test_a_folder_without_a_model_is_refused(folder: Path, damage, message: str) -> None:
    damage(folder)
    with pytest.raises(WeightsError, match=message):
        parse_backbone(f"local-dir:{folder}")


def test_weights_that_do_not_fit_the_folders_configuration_are_refused(folder: Path) -> None:
    file = folder / "open_clip_model.safetensors"
    state = load_file(file)
    save_file({**state, "visual.trunk.norm.weight": torch.zeros(3)}, file)
    with small_timm(), pytest.raises(WeightsError, match="do not fit .*visual.trunk.norm.weight"):
        load_backbone(parse_backbone(f"local-dir:{folder}"))
    save_file(state, file)
    change(folder, init_logit_bias=None)
    with small_timm(), pytest.raises(WeightsError, match="has a logit bias"):
        load_backbone(parse_backbone(f"local-dir:{folder}"))


def test_weights_are_chosen_in_open_clips_order(folder: Path) -> None:
    for name in ("zzz.safetensors", "model.safetensors", "aaa.bin"):
        (folder / name).write_bytes(b"")
    assert parse_backbone(f"local-dir:{folder}").path.name == "open_clip_model.safetensors"
    (folder / "open_clip_model.safetensors").unlink()
    assert parse_backbone(f"local-dir:{folder}").path.name == "model.safetensors"
    (folder / "model.safetensors").unlink()
    assert parse_backbone(f"local-dir:{folder}").path.name == "zzz.safetensors"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache of the hub, and a client of the hub that is offline."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.file_download.HF_HUB_CACHE", str(tmp_path / "hub"), raising=False)
    return tmp_path / "hub"


def test_what_the_hub_does_not_give_is_refused_in_one_line(no_network: Path) -> None:
    with pytest.raises(WeightsError, match=r"hf-hub:nobody/nothing: .* could not be fetched \(.*Connect once"):
        parse_backbone("hf-hub:nobody/nothing")
    with pytest.raises(WeightsError, match="could not be fetched"):
        fetch_weights(parse_backbone("ViT-B-32.laion2b_s34b_b79k"))
    with pytest.raises(WeightsError, match="is not available"):
        fetch_tokenizer(parse_backbone("ViT-B-16-SigLIP.random"))


def test_a_cached_repository_needs_no_network(no_network: Path) -> None:
    place = no_network / "models--laion--small" / "snapshots" / "abc"
    shutil.copytree(model_folder("clip"), place)
    (place.parents[1] / "refs").mkdir()
    (place.parents[1] / "refs" / "main").write_text("abc")
    spec = parse_backbone("hf-hub:laion/small")
    assert spec.slug == "hf-hub.laion--small"
    assert parse_backbone(spec.slug) == spec
    assert local_weights(["hf-hub:laion/small"]) == {}
    assert spec.preprocessing.resize_mode == "squash"
    assert fetch_weights(spec) == place / "open_clip_model.safetensors"
    with torch.no_grad():
        pixels = torch.randn(1, 3, 32, 32)
        assert torch.equal(load_backbone(spec).encode_image(pixels), small_backbone("clip").encode_image(pixels))


@pytest.mark.parametrize("name", ["", "laion", "laion/a/b", "a b/c"])
def test_a_malformed_repository_is_refused(name: str) -> None:
    with pytest.raises(WeightsError, match="write hf-hub:ORG/NAME"):
        parse_backbone(f"hf-hub:{name}")


def test_a_tokenizer_that_is_not_available_is_refused_before_any_run(folder: Path) -> None:
    for file in folder.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(WeightsError, match="The tokenizer .*local-dir:FOLDER"):
        fetch_tokenizer(parse_backbone(f"local-dir:{folder}"))
    fetch_tokenizer(parse_backbone("ViT-B-16.openai"))
    fetch_tokenizer(small_backbone("siglip2").spec)


def test_a_mode_of_a_tokenizer_that_is_not_supported_is_refused(folder: Path) -> None:
    change(folder, text_cfg={"tokenizer_mode": "clips"})
    spec = parse_backbone(f"local-dir:{folder}")
    assert "supported; choose another backbone" in spec.text_tower_error
    with pytest.raises(BenchError, match="has the mode 'clips'"):
        _ = Backbone(spec, small_backbone("siglip2").model).tokenizer


def test_names_with_a_colon_do_not_swallow_the_next_backbone() -> None:
    listed = "hf-hub:a/b,ViT-B-32=w.pt,gelu,local-dir:m,ViT-B-16.openai"
    assert split_list([listed]) == ["hf-hub:a/b", "ViT-B-32=w.pt,gelu", "local-dir:m", "ViT-B-16.openai"]
    assert split_list(["caltech101:a=1,b=2,c"]) == ["caltech101:a=1,b=2", "c"]
