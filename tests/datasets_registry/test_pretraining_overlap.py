"""Statements about overlap with pretraining data: their sources, and which of them a backbone gets."""

from __future__ import annotations

import pytest

from datasets_registry import get_dataset, list_datasets, overlap_studies, pretraining_overlap, seen_images
from methods import known_architectures


def test_every_study_names_registered_datasets_on_disk_and_its_source() -> None:
    on_disk = {info.name for info in list_datasets() if not info.synthetic}
    for study in overlap_studies():
        assert study.datasets.keys() <= on_disk
        assert study.source
        assert all(
            text.endswith(".") for text in (study.text, *(overlap.statement for overlap in study.datasets.values()))
        )


def test_tags_of_studies_exist_and_do_not_overlap() -> None:
    known = {tag for tags in known_architectures().values() for tag in tags}
    for study in overlap_studies():
        assert any(tag.startswith(study.tags) for tag in known), study.tags
    assert not [tag for tag in known if sum(tag.startswith(study.tags) for study in overlap_studies()) > 1]


@pytest.mark.parametrize(
    ("dataset", "backbone", "expected"),
    [
        ("country211", "ViT-B-16.openai", "21.5 % of the test images"),
        ("gtsrb", "RN50.openai", "No overlap was detected"),
        ("dtd", "ViT-B-16.openai", "the median is 2.2 %"),
        ("dtd", "ViT-B-16-SigLIP.webli", "68 vision datasets were removed"),
        ("country211", "RN50.yfcc15m", "Both are subsets of YFCC100M"),
        ("dtd", "ViT-B-16.laion2b_s34b_b88k", "overlap of DTD"),
    ],
)
def test_a_backbone_gets_the_statement_about_its_data(dataset: str, backbone: str, expected: str) -> None:
    (text,) = pretraining_overlap(get_dataset(dataset), backbone)
    assert expected in text
    assert pretraining_overlap(get_dataset("spectrum_basic")) == ()
    assert len(pretraining_overlap(get_dataset("dtd"))) == len(overlap_studies())


def test_the_share_of_a_dataset_is_known_only_where_a_study_names_it() -> None:
    found = seen_images(get_dataset("country211"), "ViT-B-16.openai")
    assert found is not None
    assert found.share == 0.215
    assert found.statement == pretraining_overlap(get_dataset("country211"), "ViT-B-16.openai")[0]
    unknown = seen_images(get_dataset("country211"), "RN50.yfcc15m")
    assert unknown is not None
    assert unknown.share is None
    assert seen_images(get_dataset("dtd"), "ViT-B-16.openai") is None
    assert seen_images(get_dataset("country211"), "ViT-tiny.random") is None
