"""Tiny generated datasets in CoOp's layout, and the folder of real test data."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from places import REAL_DATA

from datasets_registry import CoopReader


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real splits and images, for tests marked `real_data`."""
    return REAL_DATA


@pytest.fixture
def coop_reader() -> CoopReader:
    return CoopReader(
        dataset="toy",
        folder="toy_folder",
        split_file="split_zhou_Toy.json",
        image_folder="pictures",
        split_url="https://example.org/split",
        images_url="https://example.org/images",
    )


@pytest.fixture
def coop_layout(tmp_path: Path) -> Callable[..., Path]:
    """Writes a small dataset in CoOp's layout below tmp_path and returns the data root."""

    def write(
        reader: CoopReader, class_names: list[str], *, train: int = 5, val: int = 3, test: int = 4, seed: int = 0
    ) -> Path:
        rng = np.random.default_rng(seed)
        images = tmp_path / reader.folder / reader.image_folder
        split: dict[str, list[list[object]]] = {"train": [], "val": [], "test": []}
        for label, name in enumerate(class_names):
            for part, n in (("train", train), ("val", val), ("test", test)):
                for i in range(n):
                    key = f"class{label}/{part}_{i}.jpg"
                    (images / key).parent.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)).save(images / key)
                    split[part].append([key, label, name])
        (tmp_path / reader.folder / reader.split_file).write_text(json.dumps(split), encoding="utf-8")
        return tmp_path

    return write
