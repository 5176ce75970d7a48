"""The functional forwards equal open_clip's own, and every shortcut equals the plain path."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from parity_kit import class_set, images, tiny_backbone
from plain_text_tower import encode_plain
from rounding import assert_equal_but_for_rounding, rounding, tower_additions
from safetensors.torch import save_file
from small_towers import SMALL_COCA, TINY_CONFIG, backbone_of
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from datasets_registry import BenchError, UnknownNameError
from methods import (
    CLIP_MEAN,
    CLIP_STD,
    Backbone,
    BackboneSpec,
    Preprocessing,
    TextPrompts,
    WeightsError,
    frozen_prompts,
    load_backbone,
    overwrite_leading,
    parse_backbone,
    tokenize,
)
from methods._backbones import loading
from methods._text.prompt_embeddings import place_ctx

TEXTS = ["a photo of a cat.", "a photo of a very long named steam locomotive.", "a photo of a dog."]

SMALL_RESNET = {
    "embed_dim": 64,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16, "patch_size": None},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 2},
}


def official_text(backbone: Backbone, texts: list[str]) -> Tensor:
    tokens = tokenize(texts, backbone.text_tower.context_length)
    with torch.no_grad():
        return backbone.model.encode_text(tokens, normalize=False)


@pytest.mark.slow  # tests/methods/_towers/test_families.py has small towers of these kinds
@pytest.mark.parametrize("arch", ["ViT-B-32", "coca_ViT-B-32", "EVA02-B-16"])
def test_real_architectures_equal_open_clip(arch: str) -> None:
    """No further from open_clip in double precision than one sum rounds, or twice open_clip's own rounding."""
    backbone = load_backbone(BackboneSpec(arch, "random"))
    model, pixels = backbone.model, torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        prompts = [torch.zeros(2, backbone.vision_width)] * 2
        assert backbone.encode_image(pixels, prompts=prompts).shape == (1, 512)
        ours = backbone.encode_image(pixels), backbone.encode_texts(TEXTS)
        single = model.encode_image(pixels, normalize=False), official_text(backbone, TEXTS)
        model.double()
        exact = model.encode_image(pixels.double(), normalize=False), official_text(backbone, TEXTS)
    for our, official, truth in zip(ours, single, exact, strict=True):
        assert relative_difference(our, truth) <= max(rounding(512), 2 * relative_difference(official, truth))


def relative_difference(ours: Tensor, exact: Tensor) -> float:
    """Largest distance of a row, as a share of its length."""
    return float(((ours - exact).norm(dim=-1) / exact.norm(dim=-1)).max())


def assert_equal_features(ours: Tensor, official: Tensor) -> None:
    assert relative_difference(ours, official) <= rounding(tower_additions(64, 2))


def test_coca_with_the_corrected_class_mask_equals_open_clip() -> None:
    torch.manual_seed(0)
    model = loading.build_model(SMALL_COCA)
    model.text.correct_cls_mask = True
    backbone = Backbone(BackboneSpec("ViT-tiny", "random"), model)
    assert_equal_features(backbone.encode_texts(TEXTS), official_text(backbone, TEXTS))


def test_coca_text_that_fills_the_context_equals_open_clip() -> None:
    backbone = backbone_of(SMALL_COCA)
    full = ["a " * 17 + "cat", "a cat"]
    assert tokenize(full, 20)[0, -1] != 0
    assert_equal_features(backbone.encode_texts(full), official_text(backbone, full))


def prompt_variants(backbone: Backbone) -> dict[str, TextPrompts]:
    torch.manual_seed(1)
    classes = class_set("base")
    width = backbone.text_width
    placeholder = backbone.tokenized(classes.texts("X X X X {}."))
    lengths = backbone.tokenized(classes.prompt_names).eot - 1
    shared, each = torch.randn(4, width, requires_grad=True), torch.randn(5, 4, width, requires_grad=True)
    worded = backbone.tokenized(classes.texts("a photo of a {}."))
    return {
        "frozen": frozen_prompts(worded),
        "one class": frozen_prompts(backbone.tokenized(["a photo of a cat."])),
        "overwritten": overwrite_leading(worded, shared),
        **{p: place_ctx(placeholder, shared, p, lengths) for p in ("end", "middle", "front")},
        **{f"{p} each": place_ctx(placeholder, each, p, lengths) for p in ("end", "middle", "front")},
    }


@pytest.mark.parametrize("config", [TINY_CONFIG, SMALL_COCA], ids=["vit", "coca"])
@pytest.mark.parametrize("kind", prompt_variants(tiny_backbone()))
def test_the_shared_prefix_forward_equals_the_plain_one(kind: str, config: dict) -> None:
    backbone = backbone_of(config)
    prompts = prompt_variants(backbone)[kind]
    assert_equal_but_for_rounding(backbone.text_tower.encode(prompts), encode_plain(backbone.text_tower, prompts))


def test_features_before_the_projection_are_projected_to_the_features() -> None:
    backbone = tiny_backbone()
    pixels = images("test")[:2]
    with torch.no_grad():
        pooled = backbone.encode_image(pixels, project=False)
        assert pooled.shape == (2, backbone.vision_width)
        torch.testing.assert_close(backbone.image_tower.project_to_joint_space(pooled), backbone.encode_image(pixels))
        prompts = frozen_prompts(backbone.tokenized(TEXTS))
        states = backbone.encode_prompts(prompts, project=False)
        torch.testing.assert_close(backbone.text_tower.project_to_joint_space(states), backbone.encode_prompts(prompts))


def test_a_block_hook_sees_every_block_and_can_change_it() -> None:
    backbone = tiny_backbone()
    seen: list[tuple[int, torch.Size]] = []

    def hook(i: int, tokens: Tensor) -> Tensor:
        seen.append((i, tokens.shape))
        return tokens * (2 if i == 1 else 1)

    with torch.no_grad():
        changed = backbone.encode_image(images("test")[:2], before_block=hook)
        plain = backbone.encode_image(images("test")[:2])
    assert seen == [(i, torch.Size([2, 17, 128])) for i in range(3)]
    assert not torch.allclose(changed, plain)


def test_what_does_not_fit_a_tower_is_refused() -> None:
    with pytest.raises(BenchError, match="need a vision transformer"):
        backbone_of(SMALL_RESNET).encode_image(torch.randn(1, 3, 64, 64), prompts=[torch.zeros(1, 64)])
    with pytest.raises(BenchError, match="4 blocks on a tower of 3"):
        tiny_backbone().encode_image(images("test")[:1], prompts=[torch.zeros(1, 128)] * 4)
    with pytest.raises(BenchError, match="context of 77"):
        tiny_backbone().tokenized(["word " * 100])


def test_passes_are_counted() -> None:
    backbone = backbone_of(TINY_CONFIG)
    with torch.no_grad():
        backbone.encode_image(images("test")[:3])
        backbone.encode_image(images("test")[:2], prompts=[torch.zeros(1, 128)])
        backbone.encode_texts(TEXTS)
    assert (backbone.passes.image, backbone.passes.prompted_image, backbone.passes.text) == (3, 2, 3)


def test_the_digest_follows_weights_and_activation() -> None:
    backbone = backbone_of(TINY_CONFIG)
    other = backbone_of(TINY_CONFIG)
    assert backbone.digest == other.digest
    with torch.no_grad():
        other.model.visual.proj[0, 0] += 1
    changed = Backbone(other.spec, other.model)
    assert changed.digest != backbone.digest
    for how in (Preprocessing(mean=(0.5, 0.5, 0.5)), Preprocessing(interpolation="bilinear")):
        assert Backbone(replace(other.spec, given_preprocessing=how), other.model).digest != changed.digest


@pytest.mark.parametrize("mean", [CLIP_MEAN, (0.5, 0.5, 0.5)])
def test_cached_features_stay_where_only_mean_and_deviation_were_ever_used(mean: tuple[float, float, float]) -> None:
    """The digest of earlier versions, which preprocessed these weights right; features are cached under it."""
    backbone = backbone_of(TINY_CONFIG)
    how = Preprocessing(mean, resize_mode="shortest", interpolation="bicubic")
    sha = hashlib.sha256(repr((True, mean, CLIP_STD, 32)).encode())
    for name, tensor in sorted(backbone.model.state_dict().items()):
        sha.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        sha.update(tensor.numpy().tobytes())
    found = Backbone(replace(backbone.spec, given_preprocessing=how), backbone.model).digest
    assert found == sha.hexdigest()[:32]


class TestNames:
    @pytest.mark.parametrize(
        ("slug", "quick"),
        [
            ("ViT-B-16.openai", True),
            ("ViT-B-16.laion2b_s34b_b88k", False),
            ("RN50.openai", True),
            ("ViT-B-32.laion400m_e32", True),
        ],
    )
    def test_the_activation_is_the_one_the_weights_were_trained_with(self, slug: str, quick: bool) -> None:
        assert parse_backbone(slug).config["quick_gelu"] is quick
        arch, _, tag = slug.partition(".")
        assert bool(open_clip.get_pretrained_cfg(arch, tag).get("quick_gelu", False)) is quick

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("ViT-B-61.openai", "Did you mean.*ViT-B-16"),
            ("ViT-B-16.opnai", "Did you mean 'openai'"),
            ("ViT-B-16", "Did you mean.*'ViT-B-16.openai'"),
            ("ViT-B/32", r"Did you mean 'ViT-B-32.openai'\?"),
            ("our-clip", "datasets add NAME --features"),
            ("Ours-B-16.v1", "datasets add NAME --features"),
        ],
    )
    def test_an_unknown_name_lists_near_misses(self, text: str, message: str) -> None:
        with pytest.raises(UnknownNameError, match=message):
            parse_backbone(text)

    def test_a_quickgelu_architecture_with_other_weights_is_refused(self) -> None:
        spec = BackboneSpec("ViT-B-16-quickgelu", "laion2b_s34b_b88k")
        with pytest.raises(WeightsError, match="was trained with GELU"):
            _ = spec.config


class TestLocalFiles:
    @pytest.fixture
    def weights(self, tmp_path: Path) -> Path:
        path = tmp_path / "tiny.safetensors"
        save_file({k: v.contiguous() for k, v in tiny_backbone().model.state_dict().items()}, str(path))
        return path

    def test_a_safetensors_file_gives_its_features(self, weights: Path) -> None:
        spec = parse_backbone(f"ViT-tiny={weights}")
        assert spec.slug.startswith("ViT-tiny.local-")
        loaded, pixels = load_backbone(spec), images("test")[:2]
        with torch.no_grad():
            assert torch.equal(loaded.encode_image(pixels), tiny_backbone().encode_image(pixels))

    def test_a_checkpoint_with_prefixed_keys_is_read(self, tmp_path: Path) -> None:
        path = tmp_path / "epoch_1.pt"
        state = {f"module.{k}": v for k, v in tiny_backbone().model.state_dict().items()}
        torch.save({"epoch": 1, "state_dict": state}, path)
        assert set(loading.read_weights(path)) == set(tiny_backbone().model.state_dict())

    def test_what_is_no_file_of_tensors_is_not_opened(self, tmp_path: Path) -> None:
        torch.save({"model": loading.build_model}, tmp_path / "model.pt")
        (tmp_path / "weights.safetensors").write_text("<html>not found</html>")
        for name in ("model.pt", "weights.safetensors"):
            with pytest.raises(WeightsError, match="read as plain tensors.*safetensors"):
                loading.read_weights(tmp_path / name)

    def test_a_missing_file_is_named(self) -> None:
        with pytest.raises(WeightsError, match="weights file at nowhere.safetensors"):
            parse_backbone("ViT-B-32=nowhere.safetensors")

    def test_the_activation_of_a_local_file_has_to_be_said(self, weights: Path) -> None:
        with pytest.raises(WeightsError, match="was trained with QuickGELU"):
            parse_backbone(f"ViT-B-32={weights}")
        assert parse_backbone(f"ViT-B-32={weights},quickgelu").config["quick_gelu"]
        assert not parse_backbone(f"ViT-B-32={weights},gelu").config["quick_gelu"]

    def test_one_file_under_two_activations_is_two_backbones(self, weights: Path) -> None:
        slugs = {parse_backbone(f"ViT-B-32={weights},{a}").slug for a in ("gelu", "quickgelu")}
        assert len(slugs) == 2

    def test_a_file_of_another_architecture_names_what_does_not_fit(self, weights: Path) -> None:
        with pytest.raises(WeightsError, match="fit the architecture: .* needs"):
            load_backbone(parse_backbone(f"ViT-B-32={weights},quickgelu"))

    def test_a_missing_key_is_named(self) -> None:
        state = dict(tiny_backbone().model.state_dict())
        del state["ln_final.weight"]
        with pytest.raises(WeightsError, match="ln_final.weight is missing"):
            loading.load_state(loading.build_model(TINY_CONFIG), state, "the file")

    def test_weights_that_are_loaded_later_are_not_drawn(self) -> None:
        called: set[str] = set()

        class Called(TorchDispatchMode):
            def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                called.add(func.overloadpacket.__name__)
                return func(*args, **(kwargs or {}))

        drawing, loaded = {"uniform_", "normal_"}, []
        for initialise in (True, False):
            called.clear()
            with Called():
                model = loading.build_model(TINY_CONFIG, initialise=initialise)
            assert called & drawing == (drawing if initialise else set())
            loading.load_state(model, dict(tiny_backbone().model.state_dict()), "the file")
            loaded.append({**model.state_dict(), **dict(model.named_buffers())})
        assert loaded[0].keys() == loaded[1].keys()
        assert all(torch.equal(value, loaded[1][name]) for name, value in loaded[0].items())

    def test_weights_that_cannot_be_fetched_say_how_to_give_a_copy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def no_network(*_: object, **__: object) -> str:
            raise ConnectionError("no route to host")

        monkeypatch.setattr("requests.head", lambda *_, **__: None)
        monkeypatch.setattr(open_clip, "download_pretrained", no_network)
        tiny = loading.build_model(TINY_CONFIG)
        monkeypatch.setattr(loading, "build_model", lambda *_, **__: tiny)
        with pytest.raises(WeightsError, match="not be fetched .*-b 'ViT-B-32=FILE,quickgelu,preprocess=openai'"):
            load_backbone(parse_backbone("ViT-B-32.openai"))
