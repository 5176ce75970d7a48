"""Writes the files of `etl-bench papers reproduce features-board` from a collection of CLIP features.

    python -m tools.board_features COLLECTION FOLDER

The collection has `oxford_pets.npz`, `caltech101.npz` and `imagenet.npz` with normalised features of few-shot training
images (`train4_f`, labels `train4_l`) and of test images; `text_a` and `text_b` of `imagenet.npz`, two class texts of
ImageNet; and `text_overlap.json`, which names the classes of the other two that are ImageNet classes. FOLDER gets
`NAME.npz` and `NAME.txt` of three datasets, as `etl-bench datasets add --features` reads them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

NEAR_COPY = 0.97
"""Cosine from which two features are taken for those of the same image."""
CONTAINED = {"breeds_23": "oxford_pets", "objects_26": "caltech101"}
"""Datasets of the board whose classes are ImageNet classes, with the dataset that they are a part of."""
Arrays = dict[str, NDArray[np.generic]]


def contained(collection: Path, source: str, overlap: Sequence[dict[str, object]]) -> tuple[Arrays, list[str]]:
    """The classes of a dataset that are ImageNet classes: 16 training images of each, and all of their test images."""
    imagenet, images = np.load(collection / "imagenet.npz"), np.load(collection / f"{source}.npz")
    rows = [one["imagenet_index"] for one in overlap]
    number = {one["label"]: i for i, one in enumerate(overlap)}
    arrays: Arrays = {"text_features": imagenet["text_b"][rows], "text_features_a": imagenet["text_a"][rows]}
    for part, stored in (("train", "train16"), ("test", "test")):
        labels = images[f"{stored}_l"]
        chosen = np.isin(labels, list(number))
        arrays[f"{part}_features"] = images[f"{stored}_f"][chosen]
        arrays[f"{part}_labels"] = np.array([number[int(label)] for label in labels[chosen]])
    return arrays, [str(one["classname"]) for one in overlap]


def imagenet_1000(collection: Path) -> tuple[Arrays, list[str]]:
    """All classes of ImageNet: the 4-shot images for training, those of the 1-shot and 2-shot sets for tests.

    The collection lacks ImageNet's own test images. An image that occurs twice is tested once, and one that is also a
    training image is left out. The classes are numbered, since methods on features read no names.
    """
    imagenet = np.load(collection / "imagenet.npz")
    train, two, one = (imagenet[f"train{shots}_f"] for shots in (4, 2, 1))
    new = [~near_copies(two, train), ~near_copies(one, train) & ~near_copies(one, two)]
    arrays: Arrays = {
        "text_features": imagenet["text_b"],
        "text_features_a": imagenet["text_a"],
        "train_features": train,
        "train_labels": imagenet["train4_l"].astype(np.int64),
        "test_features": np.concatenate([two[new[0]], one[new[1]]]),
        "test_labels": np.concatenate([imagenet["train2_l"][new[0]], imagenet["train1_l"][new[1]]]).astype(np.int64),
    }
    return arrays, [f"class {number}" for number in range(len(imagenet["text_b"]))]


def near_copies(features: NDArray[np.generic], others: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Whether each feature is nearly one of the others."""
    cosines = features.astype(np.float32) @ others.astype(np.float32).T
    near: NDArray[np.bool_] = cosines.max(axis=1) >= NEAR_COPY
    return near


def write(collection: Path, folder: Path) -> None:
    """Write the three datasets of the board."""
    overlap = json.loads((collection / "text_overlap.json").read_text(encoding="utf-8"))
    datasets = {name: contained(collection, source, overlap[source]) for name, source in CONTAINED.items()}
    datasets["imagenet_1000"] = imagenet_1000(collection)
    folder.mkdir(parents=True, exist_ok=True)
    for name, (arrays, classes) in datasets.items():
        np.savez(folder / f"{name}.npz", **arrays)  # type: ignore[arg-type]
        (folder / f"{name}.txt").write_text("".join(f"{text}\n" for text in classes), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))
