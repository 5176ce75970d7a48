"""Every file of a class folder is either read or listed as left out, whatever its suffix."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from own_folders import add_images, class_folders
from PIL import Image

from datasets_registry import (
    IMAGE_FORMATS,
    check_dataset,
)

pytestmark = pytest.mark.filterwarnings("ignore:.* image format is deprecated:DeprecationWarning")

PIXELS = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def written(folder: Path) -> dict[str, bool]:
    """One file per suffix that Pillow can write, and whether its format is one that is read."""
    Image.init()
    found = {}
    for suffix in Image.registered_extensions():
        path = folder / f"picture{suffix}"
        for mode in ("RGB", "L", "1"):
            try:
                Image.fromarray(PIXELS).convert(mode).save(path)
            except (OSError, ValueError, KeyError):
                path.unlink(missing_ok=True)
                continue
            found[path.name] = any(suffix in suffixes for suffixes in IMAGE_FORMATS.values())
            break
    return found


def test_every_suffix_that_pillow_writes_is_read_or_listed(tmp_path: Path):
    root = class_folders(tmp_path / "images", n=20)
    files = written(root / "crow")
    assert {"picture.jfif", "picture.webp", "picture.jp2", "picture.pdf", "picture.tga"} <= set(files)
    splits = add_images(root, split="hash").splits
    read = {Path(key).name for key in splits.keys if Path(key).stem == "picture"}
    listed = {Path(path).name for paths in splits.left_out.values() for path in paths}
    assert read == {name for name, opens in files.items() if opens}
    assert listed == set(files) - read
    for key in splits.keys:
        splits.images.load(key)


def test_what_is_left_out_is_shown_by_number_and_name(tmp_path: Path):
    root = class_folders(tmp_path / "images", n=20)
    others = ("crow/a.nef", "crow/b.NEF", "gull/deep/c.nef", "gull/d.nef", "gull/notes.txt", "gull/README", "top.png")
    for name in others:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"x")
    (root / "gull" / ".DS_Store").write_bytes(b"x")
    added = add_images(root, split="hash")
    expected = {
        "files outside class folders": ("top.png",),
        ".nef files": ("crow/a.nef", "crow/b.NEF", "gull/d.nef", "gull/deep/c.nef"),
        ".txt files": ("gull/notes.txt",),
        "files without suffix": ("gull/README",),
    }
    assert added.splits.left_out == expected
    assert added.facts()["left_out"] == {kind: len(paths) for kind, paths in expected.items()}
    assert next(added.notes()).startswith("note: left out: 1 file")
    result = check_dataset(added.info, None)
    (finding,) = [item for item in result.findings if item.code == "left-out"]
    assert "4 .nef files (crow/a.nef, " in finding.text
    assert not result.problems
    assert result.facts()["left_out"] == {kind: list(paths) for kind, paths in expected.items()}


def test_folders_and_files_beside_the_parts_of_a_given_split(tmp_path: Path):
    for part in ("train", "test", "unsorted"):
        class_folders(tmp_path / "images" / part, n=20)
    (tmp_path / "images" / "train" / "loose.png").write_bytes(b"x")
    left_out = add_images(tmp_path / "images", split="given").splits.left_out
    assert left_out == {
        "files outside class folders": ("train/loose.png",),
        "folders other than train, val and test": ("unsorted",),
    }


def test_a_class_that_came_later_is_listed(tmp_path: Path):
    root = class_folders(tmp_path / "images", n=20)
    info = add_images(root, split="hash").info
    (root / "jay").mkdir()
    Image.fromarray(PIXELS).save(root / "jay" / "0.png")
    assert info.reader(None).left_out == {"images of classes that `classes` does not list": ("jay/0.png",)}
