"""Class texts from templates, variants, lists and descriptions reach every method whose class texts are frozen."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from datasets_registry import ClassSet, DataError, UnknownNameError, get_dataset
from methods import METHODS, known_variants, load_backbone, parse_backbone, parse_class_text, template_features
from methods._text.templates import GENERIC60, IMAGENET80, SELECT7
from methods.zero_shot import ZeroShot, ZeroShotConfig

NAMES = ("big_owl", "cat")


@pytest.fixture(scope="module")
def backbone():
    return load_backbone(parse_backbone("ViT-tiny.random"))


def described(path: Path, content: object) -> str:
    path.write_text(json.dumps(content), encoding="utf-8")
    return f"descriptions:{path}"


def sentences(text: str, dataset: str = "dtd"):
    source = parse_class_text(text)
    assert source is not None
    return source(get_dataset(dataset), NAMES)


def test_the_own_template_is_no_source():
    assert parse_class_text(None) is None
    assert parse_class_text("template") is None


def test_each_source_gives_sentences():
    assert sentences("template:an image of {}.") == (("an image of big owl.",), ("an image of cat.",))
    assert sentences("variant:kgcoop")[1] == ("a photo of a cat, a type of texture.",)
    assert sentences("variant:kgcoop", "eurosat")[1] == ("a centered satellite photo of cat.",), "no such variant: own"
    assert len(sentences("ensemble:imagenet80")[0]) == 80
    assert sentences("ensemble:generic60")[0] == tuple(t.replace("{}", "big owl") for t in GENERIC60)


def test_descriptions_are_found_in_any_case_and_named_by_content(tmp_path: Path):
    text = described(tmp_path / "d.json", {"Big Owl": ["It hoots.", "It flies."], "cat": "It purrs."})
    source = parse_class_text(text)
    assert source is not None
    assert source(get_dataset("dtd"), NAMES) == (("It hoots.", "It flies."), ("It purrs.",))
    moved = parse_class_text(described(tmp_path / "e.json", json.loads((tmp_path / "d.json").read_text())))
    assert moved is not None
    assert source.identity == moved.identity != text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("templates", "Class text 'templates' is unknown. Allowed: template, template:TEXT"),
        ("variant:", "Class text 'variant:' is unknown"),
        ("template:a photo", "has no '{}' for the class name"),
        ("descriptions:none.json", "Descriptions none.json cannot be read as JSON"),
    ],
)
def test_an_unknown_source_is_refused(text: str, message: str):
    with pytest.raises(DataError, match=message):
        parse_class_text(text)


def test_an_unknown_list_gets_near_misses():
    with pytest.raises(UnknownNameError, match="Did you mean 'imagenet80'"):
        parse_class_text("ensemble:imagenet8")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "must be one object of class names and lists of sentences"),
        ({"cat": []} | {"big owl": ["x"]}, "1 of the 2 classes of 'dtd', for example 'cat'"),
        ({"cat": [1]}, "class 'cat' must have a list"),
        ({"cat": ["a"], "Cat": ["b"]}, "class 'Cat' twice"),
    ],
)
def test_descriptions_that_are_none_are_refused(tmp_path: Path, content: object, message: str):
    with pytest.raises(DataError, match=message):
        sentences(described(tmp_path / "d.json", content))


def test_variants_are_known_by_the_papers_name():
    assert {"kgcoop", "plain", "prograd"} <= set(known_variants([get_dataset("dtd")]))


def test_one_sentence_is_the_template_bit_for_bit_and_more_are_averaged(backbone):
    plain = ClassSet(NAMES, "a {}.")
    same = ClassSet(NAMES, "other {}.", (("a big owl.",), ("a cat.",)))
    assert torch.equal(backbone.class_texts(same, "{}"), backbone.class_texts(plain, "a {}."))
    two = ClassSet(NAMES, "a {}.", (("a big owl.", "an owl."), ("a cat.", "the cat.")))
    found = backbone.class_texts(two, "a {}.")
    each = torch.stack([backbone.encode_texts(list(texts)) for texts in two.sentences])
    expected = F.normalize(F.normalize(each, dim=-1).mean(dim=1), dim=-1)
    torch.testing.assert_close(F.normalize(found, dim=-1), expected)
    torch.testing.assert_close(found.norm(dim=-1), each.norm(dim=-1).mean(dim=1))


def test_zero_shot_with_a_list_equals_its_own_ensemble_without_the_own_template(backbone):
    """Two ways to ask for the same classifier."""
    batch = type("Batch", (), {"features": torch.randn(3, backbone.embed_dim)})()
    config = ZeroShotConfig(ensemble="generic60", own_template=False)
    ours = ZeroShot(backbone, config, torch.Generator()).classifier(ClassSet(NAMES, "a {}."))(batch)
    source = parse_class_text("ensemble:generic60")
    assert source is not None
    classes = ClassSet(NAMES, "a {}.", source(get_dataset("dtd"), NAMES))
    given = ZeroShot(backbone, ZeroShotConfig(), torch.Generator()).classifier(classes)(batch)
    torch.testing.assert_close(ours, given, atol=1e-4, rtol=1e-4)


def test_feature_space_methods_get_the_sentences_in_place_of_their_templates(backbone):
    classes = ClassSet(NAMES, "a {}.", (("It hoots.",), ("It purrs.",)))
    found = template_features(backbone, classes, ("own", "select7"))
    assert torch.equal(found, backbone.encode_texts(["It hoots.", "It purrs."])[None])


def test_methods_with_frozen_texts_are_not_said_to_learn_them():
    frozen = {"zero_shot", "clip_adapter", "text_adapter", "visual_adapter", "vpt", "vpt_text_adapter"}
    assert not any(METHODS.get(name).info.learns_text for name in frozen)
    assert all(METHODS.get(name).info.learns_text for name in ("coop", "apex", "ivlp", "deep_text_prompts"))


def test_the_sixty_are_those_of_the_source_in_its_order():
    """The digest is that of the list written out; a mean of features has other bits in another order."""
    assert (len(GENERIC60), GENERIC60[0], GENERIC60[-1]) == (60, "a photo of a {}.", "itap of the {}.")
    digest = hashlib.sha256("\n".join(GENERIC60).encode()).hexdigest()
    assert digest == "dc3398ed3ffc7c259342582bc0f36d7ac66c4dee17981a37b77b0fc9c23d4f72"


def test_the_shorter_lists_are_part_of_the_eighty():
    assert len(set(IMAGENET80)) == len(IMAGENET80) == 80
    assert set(GENERIC60) < set(IMAGENET80)
    assert set(SELECT7) < set(IMAGENET80)
