"""The check of datasets on disk names what is missing, damaged, or not the published dataset."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from own_folders import add_images, class_folders, picture
from PIL import Image
from places import ROOT
from read_only import modes_hold
from small_datasets import write_dataset

from datasets_registry import (
    CheckResult,
    CoopReader,
    DataError,
    DatasetInfo,
    Finding,
    check_dataset,
    dataset_sources,
    get_dataset,
    is_dataset_present,
    last_fingerprint,
)
from datasets_registry import _check as check_module

NAMES = ("caltech101", "dtd", "eurosat", "oxford_flowers", "oxford_pets", "stanford_cars", "sun397")


def draw(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(seed).save(path, "JPEG")


@dataclass(frozen=True)
class BrokenDataset:
    """A complete generated dataset in CoOp's layout, for a test to break."""

    info: DatasetInfo
    root: Path

    @property
    def top(self) -> Path:
        return self.root / dataset_sources()[self.info.name].folder

    @property
    def images(self) -> Path:
        return dataset_sources()[self.info.name].image_folder(self.root)

    def check(self, **options: int) -> CheckResult:
        return check_dataset(self.info, self.root, **options)

    def finding(self, code: str) -> Finding:
        found = {item.code: item for item in self.check().findings}
        assert code in found, f"{code} is not among {found}"
        return found[code]

    def first(self, part: str = "train") -> Path:
        return self.images / json.loads((self.top / str(self.info.split_file)).read_text())[part][0][0]


MakeDataset = Callable[[str], BrokenDataset]


@pytest.fixture
def make_dataset(tmp_path: Path) -> MakeDataset:
    def make(name: str) -> BrokenDataset:
        counts = {"train": 4, "val": 2, "test": 3}
        write_dataset(tmp_path / "data", name, classes=2, **counts)
        expected = {part: 2 * n for part, n in counts.items()}  # the generated images count as the full dataset
        dataset = BrokenDataset(replace(get_dataset(name), expected=expected), tmp_path / "data")
        if name == "oxford_flowers":
            (dataset.top / "cat_to_name.json").write_text("{}")
        return dataset

    return make


@pytest.fixture(autouse=True)
def published(monkeypatch: pytest.MonkeyPatch) -> None:
    """The generated split files count as the published ones, unless a test sets a checksum."""
    table = dataset_sources()

    def without_checksums() -> dict[str, object]:
        files = {name: [f.model_copy(update={"checksum": None}) for f in entry.files] for name, entry in table.items()}
        return {name: entry.model_copy(update={"files": tuple(files[name])}) for name, entry in table.items()}

    monkeypatch.setattr("datasets_registry._check.dataset_sources", without_checksums)


@pytest.mark.parametrize("name", NAMES)
def test_coops_layout_is_fine_and_leaves_a_fingerprint(make_dataset: MakeDataset, name: str) -> None:
    healthy = make_dataset(name)
    found = healthy.check()
    assert [item.code for item in found.findings] == ["small-class"]
    assert (found.layout, found.checked) == ("CoOp", 18)
    assert found.file == healthy.root / ".etl-bench" / f"{name}.json"
    written = json.loads(found.file.read_text())
    assert written == dict(found.fingerprint)
    assert healthy.check().fingerprint == found.fingerprint
    draw(healthy.first(), 99)
    changed = healthy.check().fingerprint
    assert {key for key in written if written[key] != changed[key]} == {"contents"}


def test_images_from_a_mirror_are_noted_and_in_the_fingerprint(make_dataset: MakeDataset) -> None:
    sun = make_dataset("sun397")
    origin = {"origin": "unverified mirror", "url": "https://example.org/sun397.zip", "sha256": "0" * 64}
    (sun.top / "origin-of-images.json").write_text(json.dumps(origin))
    found = sun.check()
    assert "mirror (https://example.org/sun397.zip): unverified mirror" in sun.finding("images-from-mirror").text
    assert (found.problems, found.fingerprint["images_from"]) == ([], origin)


# --- splits and counts ------------------------------------------------------------------------------------------------


def test_a_split_file_that_coop_generated(make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = make_dataset("dtd")
    monkeypatch.setattr("datasets_registry._check.dataset_sources", dataset_sources)
    found = dataset.finding("split-not-published")
    assert "not CoOp's file" in found.text
    assert "datasets fetch dtd --splits-only" in found.fix
    assert dataset.check().problems == [found]


def test_a_split_file_of_a_subset_is_noted(make_dataset: MakeDataset) -> None:
    dataset = replace(make_dataset("dtd"), info=get_dataset("dtd"))
    found = dataset.finding("subset")
    assert "18 images of the 5640" in found.text
    assert (found.level, dataset.check().problems) == ("note", [])


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda dataset: (dataset.top / dataset.info.split_file).unlink(), "No split file of 'dtd' at"),
        (lambda dataset: (dataset.top / dataset.info.split_file).write_text("{"), "cannot be read as JSON"),
        (lambda dataset: dataset.first("test").unlink(), "1 of the 18 images"),
        (lambda dataset: shutil.rmtree(dataset.images), "No images of 'dtd' at"),
        (lambda dataset: shutil.rmtree(dataset.top), "No folder"),
    ],
)
def test_what_the_reader_refuses_is_a_problem_with_the_command_that_fetches_it(
    make_dataset: MakeDataset, broken: Callable[[BrokenDataset], object], message: str
) -> None:
    dataset = make_dataset("dtd")
    broken(dataset)
    found = dataset.finding("refused")
    assert message in found.text
    assert found.fix == f"etl-bench datasets fetch dtd --data-root {dataset.root}"


def test_a_dataset_is_present_where_its_folder_is(make_dataset: MakeDataset, tmp_path: Path) -> None:
    dataset = make_dataset("eurosat")
    assert is_dataset_present(dataset.info, dataset.root)
    assert not is_dataset_present(dataset.info, tmp_path / "empty")
    with pytest.raises(DataError, match="data folder was given"):
        check_dataset(dataset.info, None)
    (found,) = check_dataset(get_dataset("stanford_cars"), tmp_path).findings
    assert "--unverified-mirrors" in found.fix, "the only way to its images"


def test_files_in_another_layout_are_read_in_place(make_dataset: MakeDataset) -> None:
    dataset = make_dataset("sun397")
    dataset.images.rename(dataset.top / "inner")
    dataset.images.mkdir()
    (dataset.top / "inner").rename(dataset.images / "nested")
    assert dataset.check().problems == []
    assert dataset.check().layout == "files of these names below sun397/"


# --- ImageNet ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def imagenet(tmp_path: Path) -> BrokenDataset:
    dataset = BrokenDataset(
        replace(get_dataset("imagenet"), expected={"train": 8, "val": 0, "test": 4}, num_classes=2), tmp_path
    )
    for wnid in ("n01440764", "n01443537"):
        for i in range(4):
            draw(dataset.images / "train" / wnid / f"{wnid}_{i}.JPEG", i)
        for i in range(2):
            draw(dataset.images / "val" / wnid / f"ILSVRC2012_val_{wnid}{i}.JPEG", 9 + i)
    (dataset.top / "classnames.txt").write_text("n01440764 tench\nn01443537 goldfish\n")
    return dataset


def test_imagenet_is_fine_and_a_lost_image_is_a_problem(imagenet: BrokenDataset) -> None:
    assert imagenet.check().problems == []
    (imagenet.images / "train" / "n01440764" / "n01440764_0.JPEG").unlink()
    found = imagenet.finding("wrong-count")
    assert "7 train / 0 val / 4 test images" in found.text
    assert "datasets fetch imagenet --again" in found.fix


# --- images -----------------------------------------------------------------------------------------------------------


def test_git_lfs_pointers(make_dataset: MakeDataset) -> None:
    dataset = make_dataset("oxford_flowers")
    for path in dataset.images.rglob("*.png"):
        path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    found = dataset.finding("lfs-pointers")
    assert found.text.startswith("18 of 18 opened images are")
    assert found.fix == f"cd {dataset.first().parent} && git lfs pull"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda content: b"", "empty-images"),
        (lambda content: b"<!DOCTYPE html><title>404</title>", "web-pages"),
        (lambda content: b"\xff\xd8\xff\xe0 and no more", "damaged-images"),
        (lambda content: content[:-150], "damaged-images"),
    ],
)
def test_files_that_are_not_images(make_dataset: MakeDataset, change: Callable[[bytes], bytes], code: str) -> None:
    dataset = make_dataset("dtd")
    path = dataset.first("test")
    path.write_bytes(change(path.read_bytes()))
    found = dataset.finding(code)
    assert found.text.startswith("1 of 18 opened images")
    assert path.name in found.text
    assert "datasets fetch dtd --again" in found.fix


def test_copies_of_an_image_are_noted(make_dataset: MakeDataset) -> None:
    dataset = make_dataset("dtd")
    shutil.copy(dataset.first("train"), dataset.first("test"))
    found = dataset.finding("duplicates")
    what = "Images that occur more than once with the same bytes: 1"
    assert f"{what}, of them 1 in two parts of the split and 0 in two classes." in found.text


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="folders have no owner here")
def test_the_folder_of_someone_else_is_left_alone(
    make_dataset: MakeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = make_dataset("dtd")
    monkeypatch.setattr(check_module, "user_cache_path", lambda *_args, **_kwargs: tmp_path / "cache")
    without = check_dataset(dataset.info, dataset.root, write_fingerprint=False)
    assert (without.file, list(dataset.root.glob(".*"))) == (None, [])
    monkeypatch.setattr(os, "getuid", lambda: dataset.root.stat().st_uid + 1)
    found = dataset.check()
    assert found.file is not None
    assert found.file.is_relative_to(tmp_path / "cache")
    assert list(dataset.root.glob(".*")) == []
    assert last_fingerprint("dtd", dataset.root) == found.fingerprint["contents"]
    (dataset.root / ".etl-bench").mkdir()
    (dataset.root / ".etl-bench" / "dtd.json").write_text('{"contents": "of the owner"}')
    assert last_fingerprint("dtd", dataset.root) == found.fingerprint["contents"], "own check first"
    found.file.unlink()
    assert last_fingerprint("dtd", dataset.root) == "of the owner"


def test_a_read_only_data_root_is_noted(make_dataset: MakeDataset) -> None:
    dataset = make_dataset("dtd")
    dataset.root.chmod(0o500)
    with modes_hold():
        assert dataset.finding("read-only").level == "note"
    dataset.root.chmod(0o700)


# --- synthetic and own datasets ---------------------------------------------------------------------------------------


def test_a_synthetic_dataset_has_nothing_to_check() -> None:
    found = check_dataset(get_dataset("spectrum_basic"), None)
    assert [item.code for item in found.findings] == ["drawn"]


def test_custom_datasets_are_checked(tmp_path: Path) -> None:
    info = add_images(class_folders(tmp_path / "birds", n=20)).info
    assert check_dataset(info, None).problems == []
    assert is_dataset_present(info, None)
    (tmp_path / "birds" / "gull" / "3.png").write_bytes(b"<html>")
    assert [item.code for item in check_dataset(info, None).problems] == ["web-pages"]
    (tmp_path / "birds" / "gull" / "3.png").unlink()
    (tmp_path / "birds" / "crow" / "back").symlink_to(tmp_path / "birds")
    assert {item.code for item in check_dataset(info, None).problems} == {"refused"}


@pytest.mark.parametrize(("stated", "code", "level"), [(4, "subset", "note"), (2, "wrong-count", "problem")])
def test_a_number_of_classes_that_is_not_the_files(stated: int, code: str, level: str, tmp_path: Path) -> None:
    folder = tmp_path / "shapes"
    folder.mkdir()
    images = [[f"{name}.png", label, name] for label, name in enumerate(("dot", "line", "ring"))]
    for number, (name, *_) in enumerate(images):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / name)
    (folder / "split.json").write_text(json.dumps({"train": images, "val": [], "test": []}))
    reader = CoopReader("shapes", "shapes", "split.json", "", "", "")
    info = replace(get_dataset("dtd"), name="shapes", num_classes=stated, expected={}, split_file=None, reader=reader)
    found = next(item for item in check_dataset(info, tmp_path).findings if f"num_classes={stated}" in item.text)
    assert (found.code, found.level) == (code, level)
    more = replace(info, num_classes=3, expected={"train": 5, "val": 0, "test": 0}, split_file="split.json")
    assert "wrong-count" in {item.code for item in check_dataset(more, tmp_path).problems}
    other = replace(more, num_classes=5, expected={"train": 3, "val": 0, "test": 0})
    assert "subset" in {item.code for item in check_dataset(other, tmp_path).findings}


def test_every_code_is_in_the_documentation() -> None:
    code = Path(check_module.__file__).read_text()
    codes = {*re.findall(r'Finding\(\s*"([a-z-]+)"', code), *re.findall(r'^    "([a-z-]+)": \(', code, flags=re.M)}
    assert len(codes) > 15
    text = (ROOT / "docs" / "datasets.md").read_text()
    assert {name for name in codes if f"`{name}`" not in text} == set()
