"""Small subsets in CoOp's layout are read, drawn, decoded and fingerprinted: generated ones, real ones if present."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from places import REAL_DATA
from small_datasets import write_dataset, write_imagenet

from datasets_registry import EvalProtocol, TaskRequest, build_task, get_dataset, recorded_draw

REAL = {  # classes, train, val, test
    "eurosat": (10, 200, 40, 200),
    "dtd": (10, 200, 40, 200),
    "oxford_pets": (3, 60, 12, 60),
    "caltech101": (20, 396, 80, 349),
    "oxford_flowers": (20, 400, 80, 341),
    "imagenet": (10, 200, 0, 200),
}
CLASSES, TRAIN, VAL, TEST = 5, 20, 4, 6
GENERATED = dict.fromkeys(REAL, (CLASSES, TRAIN * CLASSES, VAL * CLASSES, TEST * CLASSES)) | {
    "imagenet": (4, TRAIN * 4, 0, TEST * 4)
}


@dataclass(frozen=True)
class Subsets:
    """A data root, and the sizes of the datasets in it."""

    root: Path
    sizes: dict[str, tuple[int, int, int, int]]


@pytest.fixture(scope="module", params=["generated", pytest.param("real", marks=pytest.mark.real_data)])
def subsets(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Subsets:
    if request.param == "real":
        return Subsets(REAL_DATA / "real", REAL)
    root = tmp_path_factory.mktemp("subsets")
    for name in REAL:
        if name == "imagenet":
            write_imagenet(root, train=TRAIN, test=TEST)
        else:
            names = get_dataset(name).class_names[1 : CLASSES + 1]
            write_dataset(root, name, classes=CLASSES, train=TRAIN, val=VAL, test=TEST, class_names=names)
    return Subsets(root, GENERATED)


@pytest.mark.parametrize("name", REAL)
def test_a_subset_is_read_and_drawn_as_a_dataset_of_its_own(name: str, subsets: Subsets) -> None:
    info = get_dataset(name)
    splits = info.reader(subsets.root)
    n_classes, *_, n_test = subsets.sizes[name]
    assert (len(splits.class_names), len(splits.train), len(splits.val), len(splits.test)) == subsets.sizes[name]
    if info.class_names:
        assert splits.class_names == tuple(name for name in info.class_names if name in splits.class_names)
    assert splits.layout == "CoOp"
    few_shot, base_to_new = (
        build_task(TaskRequest(info, splits, protocol, shots=16, seed=1, draw=recorded_draw(info, "coop")))
        for protocol in (EvalProtocol.FEW_SHOT, EvalProtocol.BASE_TO_NEW)
    )
    n_base = (n_classes + 1) // 2
    assert len(few_shot.support) == 16 * n_classes
    assert len(base_to_new.support) == 16 * n_base
    assert len(base_to_new.validation) == (0 if name == "imagenet" else 4 * n_base)
    assert len(base_to_new.eval("base")) + len(base_to_new.eval("new")) == n_test
    assert len(base_to_new.eval("new").classes) == n_classes - n_base
    assert few_shot.fingerprint != base_to_new.fingerprint
