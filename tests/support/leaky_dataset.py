"""A dataset in CoOp's layout with planted near-duplicates and a planted wrong label."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image
from small_datasets import PLACES

COLOURS = {"sea": (40, 90, 190), "field": (190, 170, 60)}
COPIES = {
    "sea/test_copy.jpg": ("sea/train_0.png", "jpeg"),
    "sea/test_small.png": ("sea/train_1.png", "small"),
    "field/test_crop.png": ("field/train_2.png", "crop"),
    "field/test_twin.png": ("field/test_0.png", "small"),
    "field/test_bytes.png": ("field/train_3.png", "bytes"),
}
"""Planted copies: the test image, the image that it shows, and how its file was made."""
MISLABELLED = "sea/train_9.png"
"""A field, in the folder and with the label of the sea."""


def picture(seed: int, colour: tuple[int, int, int], side: int = 96) -> Image.Image:
    """Clouds of all sizes around a colour: no two seeds look alike, one class has one colour."""
    rng = np.random.default_rng(seed)
    total = np.zeros((side, side, 3))
    for cells in (3, 6, 12, 24):
        noise = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        total += (np.asarray(noise.resize((side, side), Image.Resampling.BICUBIC), dtype=float) - 128) / cells
    return Image.fromarray((np.array(colour) + 1.5 * total).clip(0, 255).astype(np.uint8))


def write_leaky_dataset(root: Path, *, n: int = 14) -> None:
    """EuroSAT with two classes, `n` training and `n` test images of each, and the planted ones."""
    split_file, folder = PLACES["eurosat"]
    split: dict[str, list[list[object]]] = {"train": [], "val": [], "test": []}
    for label, (name, colour) in enumerate(COLOURS.items()):
        (root / folder / name).mkdir(parents=True)
        for part in ("train", "test"):
            for i in range(n):
                key = f"{name}/{part}_{i}.png"
                shown = COLOURS["field"] if key == MISLABELLED else colour
                picture(1000 * label + 100 * (part == "test") + i, shown).save(root / folder / key)
                split[part].append([key, label, name])
    for key, (source, how) in COPIES.items():
        path = root / folder / key
        with Image.open(root / folder / source) as opened:
            image = opened.convert("RGB")
        if how == "bytes":
            path.write_bytes((root / folder / source).read_bytes())
        elif how == "jpeg":
            image.save(path, quality=80)
        else:
            (image.resize((64, 64)) if how == "small" else image.crop((3, 5, 93, 94))).save(path)
        name = key.partition("/")[0]
        split["test"].append([key, list(COLOURS).index(name), name])
    (root / split_file).write_text(json.dumps(split), encoding="utf-8")
