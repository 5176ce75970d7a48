"""Weights that open_clip does not list: each name finds its file, in the form in which it was published."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import open_clip
import pytest
import torch
from huggingface_hub import constants
from small_families import model_folder, small_backbone, small_config, small_timm
from small_towers import TINY_CONFIG, build_model
from torch import Tensor

from methods import WeightsError, fetch_weights, has_weights, known_architectures, load_backbone, parse_backbone

LISTED = {*map(tuple, open_clip.list_pretrained()), ("ViT-demo", "drawn")}
SLUGS = [f"{arch}.{tag}" for arch, tags in known_architectures().items() for tag in tags if (arch, tag) not in LISTED]


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Empty caches, and a client of the hub that is offline."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("methods._backbones.weights_files._ARCHIVES", tmp_path / "clip")


def put_in_cache(slug: str, state: Mapping[str, object], tmp_path: Path) -> None:
    """A checkpoint in the hub's cache, under the published commit and name."""
    weights = parse_backbone(slug).published
    assert weights is not None
    place = tmp_path / "hub" / f"models--{weights.repository.replace('/', '--')}"
    file = place / "snapshots" / (weights.revision or "abc") / weights.file
    file.parent.mkdir(parents=True)
    torch.save(state, file)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(weights.revision or "abc")


def tiny_state(monkeypatch: pytest.MonkeyPatch) -> dict[str, Tensor]:
    """Weights of the tiny CLIP, which now stands for each architecture."""
    monkeypatch.setattr(open_clip.factory, "get_model_config", lambda _: {**TINY_CONFIG, "quick_gelu": False})
    torch.manual_seed(3)
    return build_model(TINY_CONFIG).state_dict()


@pytest.mark.parametrize("slug", SLUGS)
def test_each_name_has_a_known_architecture_a_source_and_a_citation(slug: str) -> None:
    spec = parse_backbone(slug)
    weights = spec.published
    assert weights is not None
    assert spec.slug == slug
    assert spec.config["quick_gelu"] is (weights.activation == "quickgelu")
    assert bool(weights.repository) != bool(weights.archive)
    assert len(weights.revision) in (0, 40)
    assert all((weights.title, weights.file, weights.reason, weights.licence, weights.citation.startswith("@")))
    assert spec.preprocessing == parse_backbone("ViT-B-32.openai").preprocessing
    assert not has_weights(spec)


@pytest.mark.parametrize("slug", [slug for slug in SLUGS if slug.startswith(("ViT", "RN")) and "skyclip" not in slug])
def test_a_state_dict_of_the_hub_is_loaded(slug: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tiny_state(monkeypatch)
    put_in_cache(slug, state, tmp_path)
    spec = parse_backbone(slug)
    assert has_weights(spec)
    loaded = load_backbone(spec).model.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in state.items())


def test_a_training_checkpoint_is_read_from_its_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tiny_state(monkeypatch)
    spec = parse_backbone("ViT-B-32.skyclip_top50pct")
    assert spec.published is not None
    nested = {"epoch": 20, "name": "run", "state_dict": {f"module.{name}": value for name, value in state.items()}}
    torch.save(nested | {"optimizer": {"state": {}, "param_groups": [{"lr": 1e-9}]}}, tmp_path / "epoch_20.pt")

    def download(url: str, cache_dir: str) -> str:
        assert url == spec.published.archive
        Path(cache_dir).mkdir()
        with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
            archive.write(tmp_path / "epoch_20.pt", "SkyCLIP_ViT_B32_top50pct/epoch_20.pt")
        return str(tmp_path / "archive.zip")

    monkeypatch.setattr(open_clip.pretrained, "download_pretrained_from_url", download)
    loaded = load_backbone(spec).model.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in state.items())
    assert has_weights(spec), "unpacked is kept"
    monkeypatch.setattr(open_clip.pretrained, "download_pretrained_from_url", None)
    fetch_weights(spec)


def test_biomedclip_is_loaded_without_the_positions_that_old_checkpoints_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = small_config("biomedclip", model_folder("biomedclip"))
    monkeypatch.setattr("methods._backbones.backbone_spec.BIOMEDCLIP_CONFIG", small)
    state = small_backbone("biomedclip").model.state_dict()
    put_in_cache("BiomedCLIP.pmc15m", state | {"text.transformer.embeddings.position_ids": torch.arange(258)}, tmp_path)
    with small_timm():
        loaded = load_backbone(parse_backbone("BiomedCLIP.pmc15m")).model.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in state.items())


def test_weights_of_another_shape_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tiny_state(monkeypatch)
    put_in_cache("ViT-B-32.remoteclip", state | {"ln_final.weight": torch.ones(3)}, tmp_path)
    with pytest.raises(WeightsError, match="ViT-B-32.remoteclip does not fit.*ln_final.weight"):
        load_backbone(parse_backbone("ViT-B-32.remoteclip"))


@pytest.mark.parametrize(
    ("slug", "advice"),
    [
        ("ViT-B-32.georsclip", "With a copy on disk, give -b 'ViT-B-32=FILE,quickgelu,preprocess=georsclip'."),
        (
            "ViT-B-32.skyclip_top50pct",
            "Or unpack https://opendatasharing.s3.us-west-2.amazonaws.com/SkyScript/ckpt/SkyCLIP_ViT_B32_top50pct.zip. "
            "With a copy on disk, give -b 'ViT-B-32=FILE,gelu,preprocess=skyclip_top50pct'.",
        ),
    ],
)
def test_weights_that_cannot_be_fetched_are_refused_in_one_line(slug: str, advice: str) -> None:
    with pytest.raises(WeightsError) as refused:
        fetch_weights(parse_backbone(slug))
    assert str(refused.value).startswith(f"The weights {slug} could not be fetched (")
    assert str(refused.value).endswith(advice)


def test_a_copy_on_disk_takes_the_preprocessing_of_a_name(tmp_path: Path) -> None:
    file = tmp_path / "w.pt"
    torch.save({}, file)
    spec = parse_backbone(f"ViT-B-32={file},quickgelu,preprocess=georsclip")
    assert spec.preprocessing == parse_backbone("ViT-B-32.georsclip").preprocessing
