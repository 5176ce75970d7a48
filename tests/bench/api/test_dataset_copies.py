"""Images that are in two datasets are found by their bytes or pixels, and every pair of datasets is compared."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_datasets import PLACES, write_dataset

from bench.api import check_datasets
from bench.api.dataset_copies import copies_note, with_copies
from datasets_registry import CheckResult, ImageContents, check_dataset, get_dataset, image_sources

Etl = Callable[..., tuple[int, str, str]]
NAMES = ("dtd", "eurosat", "oxford_pets")
PLANTED = {
    ("dtd", "class0/train_0.png"): ("eurosat", "class1/test_0.png", "bytes"),
    ("dtd", "class0/test_1.png"): ("eurosat", "class2/train_1.png", "pixels"),
    ("dtd", "class1/val_1.png"): ("eurosat", "class3/val_0.png", "pixels"),
    ("eurosat", "class0/test_0.png"): ("oxford_pets", "class0/test_0.png", "bytes"),
}
"""Copies by their source: the image that they replace, and whether the file or only the pixels are the same."""


def place(root: Path, name: str, key: str) -> Path:
    return root / PLACES[name][1] / key


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three datasets without an image in common."""
    root = tmp_path_factory.mktemp("data")
    for seed, name in enumerate(NAMES):
        write_dataset(root, name)
        draw = np.random.default_rng(seed + 1)
        for path in sorted(place(root, name, "").rglob("*.png")):
            Image.fromarray(draw.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
    return root


@pytest.fixture(scope="module")
def planted(clean: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = shutil.copytree(clean, tmp_path_factory.mktemp("planted") / "data")
    for (source, key), (name, copy, how) in PLANTED.items():
        original, target = place(root, source, key), place(root, name, copy)
        if how == "bytes":
            shutil.copyfile(original, target)
        else:
            Image.open(original).save(target, compress_level=0)
            assert original.read_bytes() != target.read_bytes()
    return root


def contents(root: Path, name: str, **options: int) -> ImageContents:
    found = check_dataset(get_dataset(name), root, write_fingerprint=False, **options).contents
    assert found is not None
    return found


def equal_pairs(root: Path, a: str, b: str) -> set[tuple[str, str]]:
    """Pairs of files with equal pixels, by comparing every picture with every other."""
    pictures = [
        {path: np.asarray(Image.open(path)) for path in sorted(place(root, name, "").rglob("*.png"))} for name in (a, b)
    ]
    pairs = product(*(found.items() for found in pictures))
    return {("/".join(p.parts[-2:]), "/".join(q.parts[-2:])) for (p, x), (q, y) in pairs if np.array_equal(x, y)}


@pytest.mark.parametrize(("a", "b"), [("dtd", "eurosat"), ("eurosat", "oxford_pets"), ("dtd", "oxford_pets")])
def test_the_named_pairs_are_those_of_equal_pixels(planted: Path, a: str, b: str) -> None:
    expected = equal_pairs(planted, a, b)
    assert expected == {(key, copy) for (x, key), (y, copy, _) in PLANTED.items() if (x, y) == (a, b)}
    note = copies_note(contents(planted, a), contents(planted, b))
    if not expected:
        assert note is None
        return
    assert note is not None
    assert note.text.startswith(f"{len(expected)} image")
    assert f"({len(expected)} there)" in note.text
    for key, copy in expected:
        assert all(f"{one.split('_')[0].split('/')[1]})" in note.text for one in (key, copy))
        assert f"{copy} ({b}, " in note.text
        assert f"{key} ({a}, " in note.text


def test_images_of_training_and_test_are_counted_in_both_directions(planted: Path) -> None:
    note = copies_note(contents(planted, "dtd"), contents(planted, "eurosat"))
    assert note is not None
    assert "1 test image of eurosat is in train of dtd and 1 train image of eurosat is in test of dtd" in note.text
    first = note.text.partition("First: ")[2]
    assert first.index("val_0") > max(first.index("train_1"), first.index("test_0")), "the worst ones first"
    tests_alone = copies_note(contents(planted, "eurosat"), contents(planted, "oxford_pets"))
    assert tests_alone is not None
    assert "of them" not in tests_alone.text


def test_each_dataset_is_compared_with_all_before_it_and_keeps_no_digests(planted: Path) -> None:
    checks = [check_dataset(get_dataset(name), planted, write_fingerprint=False) for name in NAMES]
    found = list(with_copies([*checks, CheckResult("unread", ())]))
    assert [one.compared_with for one in found] == [(), ("dtd",), ("dtd", "eurosat"), ()]
    assert [sum(finding.code == "copies" for finding in one.findings) for one in found] == [0, 1, 1, 0]
    assert all(one.contents is None and not one.problems for one in found)


def test_a_damaged_image_is_no_copy_of_another(clean: Path, tmp_path: Path) -> None:
    root = shutil.copytree(clean, tmp_path / "data")
    for name in ("dtd", "eurosat"):
        place(root, name, "class0/test_0.png").write_bytes(b"")
    assert copies_note(contents(root, "dtd"), contents(root, "eurosat")) is None
    assert len(contents(root, "dtd").parts) == 27


def test_images_are_opened_once(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = image_sources.ImageFiles
    opened, load = [], files.load
    monkeypatch.setattr(files, "load", lambda images, key: opened.append(key) or load(images, key))
    checks = [check_dataset(get_dataset(name), clean, write_fingerprint=False) for name in NAMES]
    assert len(list(with_copies(checks))) == 3
    assert len(opened) == 3 * 28


@pytest.mark.parametrize("names", [NAMES[:1], NAMES[:2]])
def test_pixels_are_digested_only_for_several_datasets(
    clean: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    digested: list[int] = []
    monkeypatch.setattr("datasets_registry._doctor.check._pixel_digest", lambda _: digested.append(1) or b"")
    checks, _ = check_datasets(names, clean, fingerprint=False)
    assert [one.checked for one in checks] == [28] * len(names)
    assert len(digested) == (56 if len(names) > 1 else 0)


def test_the_command_counts_pairs_and_images(etl: Etl, clean: Path, planted: Path) -> None:
    def last_line(root: Path, *names: str) -> str:
        code, out, _ = etl("datasets", "check", *names, "--data-root", str(root), "--no-fingerprint")
        assert code == 0, "copies are notes"
        return out.splitlines()[-1]

    assert "none; 84 images of 3 datasets" in last_line(clean)
    assert "2 pairs" in last_line(planted)
    assert "1 pair of" in last_line(planted, "dtd", "eurosat")
    assert "none; 56 images of 2 datasets" in last_line(planted, "dtd", "oxford_pets", "dtd")
    assert "copies" not in last_line(planted, "dtd")
    sample = ("--sample", "10", "--data-root", str(clean), "--no-fingerprint")
    assert "20 images of 2" in etl("datasets", "check", "dtd", "eurosat", *sample)[1]
    facts = json.loads(etl("datasets", "check", "dtd", "eurosat", "--data-root", str(planted), "--json")[1])
    assert [one["compared_with"] for one in facts] == [[], ["dtd"]]
    assert facts[1]["findings"][-1]["code"] == "copies"
