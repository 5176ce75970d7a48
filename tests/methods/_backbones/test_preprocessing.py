"""Preprocessing is that of the weights: open_clip's for every pretrained tag, and never guessed for a file."""

from __future__ import annotations

import re
from dataclasses import astuple
from pathlib import Path

import open_clip
import pytest
from open_clip.transform import PreprocessCfg, merge_preprocess_dict

from datasets_registry import BenchError, UnknownNameError
from methods import OPENAI_PREPROCESSING, BackboneSpec, Preprocessing, parse_backbone


def accepted_tags() -> list[BackboneSpec]:
    """Every pretrained backbone of open_clip that this project can use."""
    found = []
    for arch, tag in open_clip.list_pretrained():
        try:
            found.append(parse_backbone(f"{arch}.{tag}"))
        except BenchError:
            continue
    return found


def official(spec: BackboneSpec) -> Preprocessing:
    """What open_clip's factory hands to `image_transform_v2`, but for the size."""
    cfg = PreprocessCfg(**merge_preprocess_dict(PreprocessCfg(), open_clip.get_pretrained_cfg(spec.arch, spec.tag)))
    return Preprocessing(tuple(cfg.mean), tuple(cfg.std), cfg.interpolation, cfg.resize_mode, cfg.fill_color)


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that stands for weights; names are read in its folder."""
    monkeypatch.chdir(tmp_path)
    path = Path("w.safetensors")
    path.write_bytes(b"weights")
    return path


def test_every_accepted_tag_has_open_clips_preprocessing() -> None:
    specs = accepted_tags()
    assert len(specs) >= 149
    for spec in specs:
        assert spec.preprocessing == official(spec), spec.slug
    unusual = [spec for spec in specs if spec.preprocessing != OPENAI_PREPROCESSING]
    assert {"PE-Core-B-16.meta", "ViT-H-14.dfn5b", "MobileCLIP-S1.datacompdr"} <= {spec.slug for spec in unusual}


def test_a_file_takes_what_all_tags_of_its_architecture_agree_on(weights: Path) -> None:
    assert parse_backbone(f"ViT-B-16={weights},gelu").preprocessing == OPENAI_PREPROCESSING
    assert parse_backbone(f"ViT-tiny={weights}").preprocessing == OPENAI_PREPROCESSING
    mobile = parse_backbone(f"MobileCLIP-S1={weights},gelu").preprocessing
    assert mobile == Preprocessing((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "bilinear")


@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow), 9])
def test_a_file_is_refused_where_they_disagree(every: int, weights: Path) -> None:
    for spec in list(accepted_tags())[::every]:
        tags = open_clip.list_pretrained_tags_by_model(spec.arch)
        activation = "quickgelu" if spec.config["quick_gelu"] else "gelu"
        agree = len({astuple(official(BackboneSpec(spec.arch, tag))) for tag in tags}) == 1
        text = f"{spec.arch}={weights},{activation}"
        if agree:
            assert parse_backbone(text).preprocessing == spec.preprocessing
        else:
            with pytest.raises(BenchError, match=rf"how the images of {re.escape(text)} were preprocessed"):
                parse_backbone(text)
    with pytest.raises(BenchError) as refused:
        parse_backbone(f"ViT-H-14={weights},gelu")
    assert "(laion2b_s32b_b79k: resize_mode=shortest; dfn5b: resize_mode=squash)" in str(refused.value)
    assert f"Write ViT-H-14={weights},gelu,preprocess=TAG with the tag" in str(refused.value)
    assert str(refused.value).endswith(f"such as ViT-H-14={weights},gelu,resize_mode=shortest.")
    with pytest.raises(BenchError, match="images of ViT-H-14=w.safetensors"):
        _ = BackboneSpec("ViT-H-14", "local-1", weights, "gelu").preprocessing


def test_values_replace_those_of_a_tag_and_settle_a_disagreement(weights: Path) -> None:
    squashed = Preprocessing(resize_mode="squash")
    assert parse_backbone(f"ViT-H-14={weights},gelu,resize_mode=squash").preprocessing == squashed
    assert parse_backbone(f"ViT-H-14={weights},preprocess=dfn5b,gelu").preprocessing == squashed
    text = f"ViT-H-14={weights},gelu,preprocess=dfn5b,mean=0.5,std=0.1:0.2:0.3,interpolation=bilinear,fill_color=7"
    wanted = Preprocessing((0.5,) * 3, (0.1, 0.2, 0.3), "bilinear", "squash", 7)
    assert parse_backbone(text).preprocessing == wanted
    again = parse_backbone(f"ViT-B-16={weights},gelu,{wanted.option_text}")
    assert again.preprocessing == wanted


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("mean=a", "mean=a is not allowed; give one number, or three such as 0.48:0.46:0.41"),
        ("mean=0.1:0.2", "mean=0.1:0.2 is not allowed"),
        ("mean=nan", "mean=nan:nan:nan is not allowed"),
        ("std=0", "std=0.0:0.0:0.0 is not allowed"),
        ("interpolation=nearest", "interpolation=nearest is not allowed"),
        ("resize_mode=crop", "resize_mode=crop is not allowed"),
        ("fill_color=256", "fill_color=256 is not allowed"),
        ("preprocess=opnai", "Unknown weights 'opnai' of ViT-B-16. Did you mean 'openai'"),
        ("mean=0.5,mean=0.4", "has an option twice"),
        ("quickgelu", "has an option twice"),
    ],
)
def test_what_is_not_allowed_is_named(weights: Path, options: str, message: str) -> None:
    with pytest.raises((BenchError, UnknownNameError), match=message):
        parse_backbone(f"ViT-B-16={weights},gelu,{options}")


def test_the_identity_changes_with_the_preprocessing_and_only_then(weights: Path) -> None:
    """Pinned: the names that earlier versions gave to files of OpenAI's preprocessing."""
    usual = "ViT-B-16.local-a5e0139e"
    for options in ("", ",preprocess=openai", ",mean=0.48145466:0.4578275:0.40821073", ",resize_mode=shortest"):
        assert parse_backbone(f"ViT-B-16={weights},gelu{options}").slug == usual
    others = {parse_backbone(f"ViT-B-16={weights},gelu,{o}").slug for o in ("mean=0.5", "std=0.5", "fill_color=1")}
    assert len(others | {usual}) == 4
