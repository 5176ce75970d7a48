"""Every file of a class folder is either read or listed as left out, whatever its suffix."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets_registry import (
    IMAGE_FORMATS,
    AddedDataset,
    AddRequest,
    ColumnNames,
    SplitRule,
    add_custom_dataset,
    check_dataset,
)

pytestmark = pytest.mark.filterwarnings("ignore:.* image format is deprecated:DeprecationWarning")

PIXELS = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_BENCH_DATASETS", str(tmp_path / "toml"))


def add(images: Path, split: SplitRule | None = "hash") -> AddedDataset:
    request = AddRequest("birds", images, "a photo of a {}.", "", split, None, ColumnNames())
    return add_custom_dataset(request, images.parent / "toml", replace=True)


def class_folders(root: Path) -> Path:
    for name in ("crow", "gull"):
        (root / name).mkdir(parents=True)
        for i in range(20):
            Image.fromarray(PIXELS ^ np.uint8(i)).save(root / name / f"{i}.png")
    return root


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
    root = class_folders(tmp_path / "images")
    files = written(root / "crow")
    assert {"picture.jfif", "picture.webp", "picture.jp2", "picture.pdf", "picture.tga"} <= set(files)
    splits = add(root).splits
    read = {Path(key).name for key in splits.keys if Path(key).stem == "picture"}
    listed = {Path(path).name for paths in splits.left_out.values() for path in paths}
    assert read == {name for name, opens in files.items() if opens}
    assert listed == set(files) - read
    for key in splits.keys:
        splits.images.load(key)


def test_what_is_left_out_is_shown_by_number_and_name(tmp_path: Path):
    root = class_folders(tmp_path / "images")
    others = ("crow/a.nef", "crow/b.NEF", "gull/deep/c.nef", "gull/d.nef", "gull/notes.txt", "gull/README", "top.png")
    for name in others:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"x")
    (root / "gull" / ".DS_Store").write_bytes(b"x")
    added = add(root)
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
        class_folders(tmp_path / "images" / part)
    (tmp_path / "images" / "train" / "loose.png").write_bytes(b"x")
    left_out = add(tmp_path / "images", "given").splits.left_out
    assert left_out == {
        "files outside class folders": ("train/loose.png",),
        "folders other than train, val and test": ("unsorted",),
    }


def test_a_class_that_came_later_is_listed(tmp_path: Path):
    root = class_folders(tmp_path / "images")
    info = add(root).info
    (root / "jay").mkdir()
    Image.fromarray(PIXELS).save(root / "jay" / "0.png")
    assert info.reader(None).left_out == {"images of classes that `classes` does not list": ("jay/0.png",)}
