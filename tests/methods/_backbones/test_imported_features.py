"""Imported text features belong to their dataset: what is looked up, and what is refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from datasets_registry import BenchError, ClassSet, UnknownNameError, feature_bundle
from methods import Backbone, load_backbone, parse_backbone

ONE_HOT = np.eye(8, dtype=np.float32)


def add(name: str, class_names: list[str], rows: list[int]) -> feature_bundle.FeatureBundle:
    """A dataset of the model `toy` whose texts are these rows of the unit matrix."""
    text = ONE_HOT[rows]
    splits = {part: (text, np.arange(len(rows))) for part in ("train", "test")}
    return feature_bundle.import_feature_bundle(
        name=name, backbone="toy", class_names=class_names, text_features=text, splits=splits
    )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ETL_BENCH_DATASETS", str(tmp_path))
    return tmp_path


def toy() -> Backbone:
    return load_backbone(parse_backbone("features.toy"))


@pytest.fixture
def pair(home: Path) -> Backbone:
    add("animals", ["ant", "sea_cow", "elk"], [0, 1, 2])
    add("things", ["sea_cow", "cup", "ant", "elk"], [3, 4, 5, 2])
    return toy()


def rows_of(backbone: Backbone, names: tuple[str, ...], dataset: str | None) -> list[int]:
    found = backbone.class_texts(ClassSet(names, "{}", dataset=dataset), "{}")
    return found.argmax(dim=1).tolist()


@pytest.mark.parametrize("template", ["{}", "a photo of a {}."])
def test_a_class_has_the_text_of_its_dataset(pair: Backbone, template: str) -> None:
    names = ("elk", "ant", "sea_cow")
    for dataset, rows in (("animals", [2, 0, 1]), ("things", [2, 5, 3])):
        classes = ClassSet(names, "{}", dataset=dataset)
        found = pair.class_texts(classes, template, keep_underscores=True)
        assert torch.equal(found, torch.from_numpy(ONE_HOT[rows]))


def test_names_without_a_dataset_are_looked_up_where_only_one_answer_is_possible(pair: Backbone) -> None:
    assert rows_of(pair, ("cup", "ant"), None) == [4, 5], "one dataset has both"
    assert rows_of(pair, ("elk",), None) == [2], "the same feature"
    assert pair.encode_texts(["sea cow", "cup"]).argmax(dim=1).tolist() == [3, 4]
    several = "different text features for these classes in the datasets animals, things"
    with pytest.raises(BenchError, match=several):
        rows_of(pair, ("ant", "elk"), None)
    with pytest.raises(BenchError, match=several):
        pair.encode_texts(["sea cow"])


def test_what_no_dataset_holds_is_named(pair: Backbone) -> None:
    with pytest.raises(UnknownNameError, match="imported text features.*ant"):
        rows_of(pair, ("ant", "cup"), "animals")
    with pytest.raises(UnknownNameError, match="Did you mean 'animals'"):
        rows_of(pair, ("ant",), "animal")


def test_names_of_two_datasets_in_one_list_are_refused(home: Path) -> None:
    add("animals", ["ant", "elk"], [0, 1])
    add("things", ["cup", "jug"], [2, 3])
    with pytest.raises(BenchError, match="these classes: ant, cup"):
        toy().encode_texts(["ant", "cup"])


def test_other_texts_than_the_stored_ones_are_refused(pair: Backbone) -> None:
    classes = ClassSet(("ant",), "{}", dataset="animals")
    with pytest.raises(BenchError, match=r"'itap of a \{\}.'; leave templates"):
        pair.class_texts(classes, "itap of a {}.")
    described = ClassSet(("ant",), "{}", (("It has six legs.",),), "animals")
    with pytest.raises(BenchError, match="cannot encode the sentences"):
        pair.class_texts(described, "{}")


def test_the_digest_changes_only_where_a_wrong_text_was_possible(home: Path) -> None:
    """Results of one dataset, or of datasets without common names, were right before texts belonged to a dataset."""

    def earlier(*bundles: list[int]) -> str:
        sha = hashlib.sha256(b"(8, 100.0)")
        for rows in bundles:
            sha.update(ONE_HOT[rows].tobytes())
        return sha.hexdigest()[:32]

    add("animals", ["ant", "elk"], [0, 1])
    assert toy().digest == earlier([0, 1])
    add("things", ["cup", "elk"], [2, 1])
    assert toy().digest == earlier([0, 1], [2, 1])
    add("vehicles", ["elk", "fox"], [3, 4])
    assert toy().digest != earlier([0, 1], [2, 1], [3, 4])
