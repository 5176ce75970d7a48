"""Small real subsets in CoOp's layout are read, drawn, decoded and fingerprinted."""

from pathlib import Path

import numpy as np
import pytest

from datasets_registry import DrawRule, EvalProtocol, TaskRequest, build_task, get_dataset, recorded_draw

SUBSETS = {
    "eurosat": (10, 200, 40, 200),
    "dtd": (10, 200, 40, 200),
    "oxford_pets": (3, 60, 12, 60),
    "caltech101": (20, 396, 80, 349),
    "oxford_flowers": (20, 400, 80, 341),
    "imagenet": (10, 200, 0, 200),
}


@pytest.mark.parametrize("name", SUBSETS)
def test_a_real_subset_is_read_as_a_dataset_of_its_own(name: str, shared_data: Path):
    info = get_dataset(name)
    splits = info.reader(shared_data / "real")
    assert (len(splits.class_names), len(splits.train), len(splits.val), len(splits.test)) == SUBSETS[name]
    if info.class_names:
        assert splits.class_names == tuple(name for name in info.class_names if name in splits.class_names)
    assert splits.layout == "CoOp"


@pytest.mark.parametrize("name", SUBSETS)
def test_every_file_of_a_real_subset_is_an_image(name: str, shared_data: Path):
    splits = get_dataset(name).reader(shared_data / "real")
    digests = set()
    for sample in (*splits.train, *splits.val, *splits.test):
        image = splits.images.load(sample.key)
        assert image.mode == "RGB"
        assert np.asarray(image.resize((16, 16))).std() > 1, sample.key
        digests.add(splits.images.digest(sample.key))
    assert len(digests) == len(splits.train) + len(splits.val) + len(splits.test), "no image is there twice"


@pytest.mark.parametrize("draw", [DrawRule.COOP, DrawRule.NESTED])
@pytest.mark.parametrize("name", SUBSETS)
def test_sixteen_shots_of_both_protocols(name: str, draw: DrawRule, shared_data: Path):
    info = get_dataset(name)
    splits = info.reader(shared_data / "real")
    n_classes, *_, n_test = SUBSETS[name]
    few_shot, base_to_new = (
        build_task(TaskRequest(info, splits, protocol=protocol, shots=16, seed=1, draw=recorded_draw(info, draw)))
        for protocol in (EvalProtocol.FEW_SHOT, EvalProtocol.BASE_TO_NEW)
    )
    n_base = (n_classes + 1) // 2
    assert len(few_shot.support) == 16 * n_classes
    assert len(base_to_new.support) == 16 * n_base
    assert len(base_to_new.validation) == (0 if name == "imagenet" else 4 * n_base)
    assert len(base_to_new.eval("base")) + len(base_to_new.eval("new")) == n_test
    assert len(base_to_new.eval("new").classes) == n_classes - n_base
    assert few_shot.fingerprint != base_to_new.fingerprint


def test_different_classes_look_different(shared_data: Path):
    """Labels match images: roofs are brighter than trees."""
    splits = get_dataset("eurosat").reader(shared_data / "real")

    def brightness(name: str) -> float:
        label = splits.class_names.index(name)
        tiles = [np.array(splits.images.load(s.key), dtype=float) for s in splits.train if s.label == label]
        return float(np.mean([tile[..., 1].mean() for tile in tiles]))

    assert brightness("Industrial Buildings") > brightness("Forest") + 10
