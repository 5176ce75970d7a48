"""The doctor recognises each known broken layout, and the command that it gives repairs it."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from places import ROOT
from read_only import modes_hold

from datasets_registry import (
    AddRequest,
    CheckResult,
    ColumnNames,
    CoopReader,
    DataError,
    DatasetInfo,
    Finding,
    add_custom_dataset,
    check_dataset,
    dataset_sources,
    get_dataset,
    is_dataset_present,
    last_fingerprint,
)
from datasets_registry._doctor import check as check_module

KEYS = {
    "caltech101": ["accordion/image_{:04}.jpg", "airplanes/image_{:04}.jpg", "Faces/image_{:04}.jpg"],
    "dtd": ["banded/banded_{:04}.jpg", "blotchy/blotchy_{:04}.jpg"],
    "eurosat": ["AnnualCrop/AnnualCrop_{}.jpg", "SeaLake/SeaLake_{}.jpg"],
    "oxford_flowers": ["image_0{:04}.jpg", "image_1{:04}.jpg"],
    "oxford_pets": ["Abyssinian_{}.jpg", "beagle_{}.jpg"],
    "stanford_cars": ["cars_train/{:05}.jpg", "cars_test/{:05}.jpg"],
    "sun397": ["a/abbey/sun_aaa{}.jpg", "c/church/indoor/sun_bbb{}.jpg"],
}
"""How CoOp's split files name images; one pattern per class."""


def picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, "JPEG")


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

    def repair(self, code: str) -> None:
        """Run the given command and check that it restores CoOp's layout."""
        command = self.finding(code).fix
        subprocess.run(["bash", "-euc", command], check=True, capture_output=True, text=True)
        after = self.check()
        assert code not in {item.code for item in after.findings}
        assert after.problems == []
        assert after.layout == "CoOp"


MakeDataset = Callable[[str], BrokenDataset]


@pytest.fixture
def make_dataset(tmp_path: Path) -> MakeDataset:
    def make(name: str) -> BrokenDataset:
        info = get_dataset(name)
        dataset = BrokenDataset(info, tmp_path / "data")
        split: dict[str, list[list[object]]] = {"train": [], "val": [], "test": []}
        seed = 0
        for label, pattern in enumerate(KEYS[name]):
            for part, n in (("train", 4), ("val", 2), ("test", 3)):
                for _ in range(n):
                    seed += 1
                    key = pattern.format(seed)
                    picture(dataset.images / key, seed)
                    split[part].append([key, label, f"class {label}"])
        (dataset.top / str(info.split_file)).write_text(json.dumps(split))
        if name == "oxford_flowers":
            (dataset.top / "cat_to_name.json").write_text("{}")
        counts = {part: len(rows) for part, rows in split.items()}
        return replace(dataset, info=replace(info, expected=counts))  # the generated images count as the full dataset

    return make


@pytest.fixture(autouse=True)
def published(monkeypatch: pytest.MonkeyPatch) -> None:
    """The generated split files count as the published ones, unless a test sets a checksum."""
    table = dataset_sources()

    def without_checksums() -> dict[str, object]:
        return {
            name: entry.model_copy(
                update={"files": tuple(f.model_copy(update={"checksum": None}) for f in entry.files)}
            )
            for name, entry in table.items()
        }

    monkeypatch.setattr("datasets_registry._doctor.check.dataset_sources", without_checksums)


@pytest.mark.parametrize("name", list(KEYS))
def test_coops_layout_is_fine_and_leaves_a_fingerprint(make_dataset: MakeDataset, name: str) -> None:
    healthy = make_dataset(name)
    found = healthy.check()
    assert [item.code for item in found.findings] == ["small-class"]
    assert (found.layout, found.checked) == ("CoOp", 9 * len(KEYS[name]))
    assert found.file == healthy.root / ".etl-bench" / f"{name}.json"
    written = json.loads(found.file.read_text())
    assert written == dict(found.fingerprint)
    assert healthy.check().fingerprint == found.fingerprint
    picture(healthy.first(), 99)
    changed = healthy.check().fingerprint
    assert {key for key in written if written[key] != changed[key]} == {"contents"}


def test_images_from_a_mirror_are_noted_and_in_the_fingerprint(make_dataset: MakeDataset) -> None:
    sun = make_dataset("sun397")
    origin = {"origin": "unverified mirror", "url": "https://example.org/sun397.zip", "sha256": "0" * 64}
    (sun.top / "origin-of-images.json").write_text(json.dumps(origin))
    found = sun.check()
    assert "mirror (https://example.org/sun397.zip): unverified mirror" in sun.finding("images-from-mirror").text
    assert (found.problems, found.fingerprint["images_from"]) == ([], origin)


# --- broken layouts, each with the command that fixes it --------------------------------------------------------------


def test_no_split_file(make_dataset: MakeDataset) -> None:
    dataset = make_dataset("eurosat")
    (dataset.top / "split_zhou_EuroSAT.json").unlink()
    found = dataset.finding("no-split-file")
    assert re.search("split_zhou_EuroSAT.json, which defines train", found.text)
    assert found.fix == f"etl-bench datasets fetch eurosat --splits-only --data-root {dataset.root}"


def test_a_split_file_in_the_wrong_place(make_dataset: MakeDataset) -> None:
    dataset = make_dataset("eurosat")
    (dataset.top / "split_zhou_EuroSAT.json").rename(dataset.images / "split_zhou_EuroSAT (1).json")
    assert "split file is at" in dataset.finding("split-misplaced").text
    dataset.repair("split-misplaced")


def test_a_split_file_that_coop_generated(make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = make_dataset("dtd")
    monkeypatch.setattr("datasets_registry._doctor.check.dataset_sources", dataset_sources)
    found = dataset.finding("split-not-published")
    assert "not CoOp's file" in found.text
    assert "datasets fetch dtd --splits-only" in found.fix
    assert dataset.check().problems == [found]


def test_a_split_file_of_a_subset_is_noted(make_dataset: MakeDataset) -> None:
    dataset = make_dataset("dtd")
    dataset = replace(dataset, info=get_dataset("dtd"))
    found = dataset.finding("subset")
    assert "18 images of the 5640" in found.text
    assert (found.level, dataset.check().problems) == ("note", [])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read as JSON"),
        ('{"train": [["a.jpg", 0, "x"], ["a.jpg", 0, "x"]], "val": [], "test": []}', "repeats the image 'a.jpg'"),
        ('{"train": [["a.jpg", 0, "x"], ["b.jpg", 2, "y"]], "val": [], "test": []}', "without gaps, but 1 is missing"),
    ],
)
def test_a_malformed_split_file(make_dataset: MakeDataset, content: str, message: str) -> None:
    dataset = make_dataset("dtd")
    (dataset.top / "split_zhou_DescribableTextures.json").write_text(content)
    found = dataset.finding("split-malformed")
    assert message in found.text
    assert "datasets fetch dtd --splits-only" in found.fix


def test_cars_nested_as_on_kaggle(make_dataset: MakeDataset) -> None:
    dataset = make_dataset("stanford_cars")
    for part in ("train", "test"):
        shutil.move(dataset.top / f"cars_{part}", dataset.top / "moved")
        (dataset.top / f"cars_{part}").mkdir()
        shutil.move(dataset.top / "moved", dataset.top / f"cars_{part}" / f"cars_{part}")
    assert "layout of a Kaggle copy" in dataset.finding("kaggle-cars").text
    dataset.repair("kaggle-cars")


def test_cars_under_six_digits(make_dataset: MakeDataset) -> None:
    dataset = make_dataset("stanford_cars")
    shutil.rmtree(dataset.top / "cars_train")
    shutil.rmtree(dataset.top / "cars_test")
    picture(dataset.top / "car_ims" / "000001.jpg", 1)
    assert "six-digit numbers" in dataset.finding("kaggle-cars-renumbered").text


def test_sun_sorted_into_train_and_test(make_dataset: MakeDataset) -> None:
    dataset = make_dataset("sun397")
    for i, path in enumerate(sorted(dataset.images.rglob("*.jpg"))):
        target = dataset.images / ("train", "test")[i % 2] / path.relative_to(dataset.images)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    found = dataset.finding("partitioned")
    assert "it lists a/abbey/sun_aaa" in found.text
    dataset.repair("partitioned")


def test_sun_nested_once_more(make_dataset: MakeDataset) -> None:
    dataset = make_dataset("sun397")
    dataset.images.rename(dataset.top / "inner")
    dataset.images.mkdir()
    (dataset.top / "inner").rename(dataset.images / "SUN397")
    dataset.repair("nested")


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("dtd", "dtd/dtd/images"),
        ("caltech101", "caltech-101/caltech-101/101_ObjectCategories"),
        ("caltech101", "101_ObjectCategories"),
        ("oxford_flowers", "oxford_flowers/102flowers/jpg"),
        ("oxford_flowers", "jpg"),
        ("eurosat", "eurosat/2750/2750"),
    ],
)
def test_one_folder_level_too_many_or_too_few(make_dataset: MakeDataset, name: str, place: str) -> None:
    dataset = make_dataset(name)
    dataset.images.rename(dataset.root / "away")
    (dataset.root / place).parent.mkdir(parents=True, exist_ok=True)
    (dataset.root / "away").rename(dataset.root / place)
    found = dataset.finding("nested")
    assert found.text == f"The images are below {dataset.root / place}; they belong below {dataset.images}."
    dataset.repair("nested")


@pytest.mark.parametrize("place", ["EuroSAT_RGB", "EuroSAT", "ds/images/remote_sensing/otherDatasets"])
def test_eurosat_under_another_name(make_dataset: MakeDataset, place: str) -> None:
    dataset = make_dataset("eurosat")
    (dataset.top / place).parent.mkdir(parents=True, exist_ok=True)
    dataset.images.rename(dataset.top / place)
    assert place in dataset.finding("misplaced-images").text
    dataset.repair("misplaced-images")


def test_flowers_without_their_folder(make_dataset: MakeDataset) -> None:
    dataset = make_dataset("oxford_flowers")
    for path in dataset.images.iterdir():
        path.rename(dataset.top / path.name)
    dataset.images.rmdir()
    dataset.repair("misplaced-images")


def test_flowers_without_names(make_dataset: MakeDataset) -> None:
    dataset = make_dataset("oxford_flowers")
    (dataset.top / "cat_to_name.json").unlink()
    found = dataset.finding("no-cat-to-name")
    assert "CoOp's code needs it" in found.text
    assert "datasets fetch oxford_flowers --splits-only" in found.fix
    assert dataset.check().problems == []


def test_stanford_dogs_in_place_of_oxford_pets(make_dataset: MakeDataset) -> None:
    dataset = make_dataset("oxford_pets")
    shutil.rmtree(dataset.images)
    picture(dataset.images / "n02085620-Chihuahua" / "n02085620_10074.jpg", 1)
    found = dataset.finding("stanford-dogs")
    assert "contains Stanford Dogs (n02085620-Chihuahua, ...)" in found.text
    assert "datasets fetch oxford_pets" in found.fix


def test_a_file_that_is_still_compressed_is_unpacked_and_not_fetched_again(tmp_path: Path) -> None:
    folder = tmp_path / "pcam"
    folder.mkdir()
    packed = folder / "camelyonpatch_level_2_split_test_y.h5.gz"
    packed.write_bytes(gzip.compress(b"labels"))
    (found,) = check_dataset(get_dataset("pcam"), tmp_path).problems
    assert (found.code, found.fix) == ("not-unpacked", f"gunzip {packed}")
    packed.rename(folder / "camelyonpatch_level_2_split_test_y.h5")
    assert [item.code for item in check_dataset(get_dataset("pcam"), tmp_path).problems] == ["refused"]


def test_images_that_the_split_file_does_not_list(make_dataset: MakeDataset) -> None:
    dataset = make_dataset("oxford_pets")
    for i, path in enumerate(dataset.images.iterdir()):
        path.rename(path.with_name(f"other_{i}.jpg"))
    assert "file does not belong" in dataset.finding("wrong-images").text


def test_a_few_images_are_missing(make_dataset: MakeDataset) -> None:
    dataset = make_dataset("oxford_pets")
    dataset.first("test").unlink()
    assert "1 of the 18 images" in dataset.finding("images-missing").text


def test_archives_that_are_not_unpacked(make_dataset: MakeDataset) -> None:
    dataset = make_dataset("eurosat")
    with zipfile.ZipFile(dataset.top / "EuroSAT.zip", "w") as archive:
        for path in dataset.images.rglob("*.jpg"):
            archive.write(path, path.relative_to(dataset.top))
    shutil.rmtree(dataset.images)
    assert "EuroSAT.zip is not unpacked" in dataset.finding("not-unpacked").text
    if shutil.which("unzip"):
        dataset.repair("not-unpacked")


def test_an_archive_alone_in_the_data_root(make_dataset: MakeDataset) -> None:
    dataset = make_dataset("oxford_pets")
    with tarfile.open(dataset.root / "images.tar.gz", "w:gz") as archive:
        archive.add(dataset.images, "images")
    (dataset.top / "split_zhou_OxfordPets.json").rename(dataset.root / "split_zhou_OxfordPets.json")
    shutil.rmtree(dataset.top)
    dataset.repair("not-unpacked")


def test_a_folder_whose_name_differs_in_capitals(make_dataset: MakeDataset) -> None:
    dataset = make_dataset("eurosat")
    (dataset.images / "SeaLake").rename(dataset.images / "sealake")
    assert "differs only in capitals" in dataset.finding("case-renamed").text
    dataset.repair("case-renamed")


@pytest.mark.parametrize(
    ("name", "other"), [("eurosat", "EuroSAT"), ("oxford_pets", "OxfordPets"), ("caltech101", "caltech_101")]
)
def test_a_dataset_folder_of_another_name(make_dataset: MakeDataset, name: str, other: str) -> None:
    dataset = make_dataset(name)
    dataset.top.rename(dataset.root / other)
    assert f"The folder is named {other}; it should be" in dataset.finding("renamed-folder").text
    dataset.repair("renamed-folder")


def test_the_way_to_images_that_only_an_unverified_mirror_has(tmp_path: Path) -> None:
    (found,) = check_dataset(get_dataset("stanford_cars"), tmp_path).findings
    assert (found.code, "--unverified-mirrors" in found.fix) == ("no-folder", True)


def test_the_dataset_given_as_the_data_root(make_dataset: MakeDataset) -> None:
    dataset = make_dataset("eurosat")
    inside = replace(dataset, root=dataset.top)
    found = inside.finding("root-is-dataset")
    assert found.fix == f"etl-bench datasets check eurosat --data-root {dataset.root}"


def test_a_missing_dataset_folder(make_dataset: MakeDataset, tmp_path: Path) -> None:
    dataset = replace(make_dataset("eurosat"), root=tmp_path / "empty")
    assert "empty is not a folder" in dataset.finding("no-data-root").text
    (tmp_path / "empty").mkdir()
    assert dataset.finding("no-folder").fix == f"etl-bench datasets fetch eurosat --data-root {tmp_path / 'empty'}"
    assert not is_dataset_present(dataset.info, tmp_path / "empty")
    with pytest.raises(DataError, match="data folder was given"):
        check_dataset(dataset.info, None)


# --- ImageNet ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def imagenet(tmp_path: Path) -> BrokenDataset:
    dataset = BrokenDataset(
        replace(get_dataset("imagenet"), expected={"train": 8, "val": 0, "test": 4}, num_classes=2), tmp_path
    )
    for wnid in ("n01440764", "n01443537"):
        for i in range(4):
            picture(dataset.images / "train" / wnid / f"{wnid}_{i}.JPEG", i)
        for i in range(2):
            picture(dataset.images / "val" / wnid / f"ILSVRC2012_val_{wnid}{i}.JPEG", 9 + i)
    (dataset.top / "classnames.txt").write_text("n01440764 tench\nn01443537 goldfish\n")
    return dataset


def test_imagenet_is_fine_and_a_lost_image_is_a_problem(imagenet: BrokenDataset) -> None:
    assert imagenet.check().problems == []
    (imagenet.images / "train" / "n01440764" / "n01440764_0.JPEG").unlink()
    found = imagenet.finding("wrong-count")
    assert "7 train / 0 val / 4 test images" in found.text
    assert "datasets fetch imagenet --again" in found.fix


def test_imagenet_val_in_one_folder(imagenet: BrokenDataset) -> None:
    val = imagenet.images / "val"
    for path in sorted(val.rglob("*.JPEG")):
        path.rename(val / path.name)
    for folder in [path for path in val.iterdir() if path.is_dir()]:
        folder.rmdir()
    found = imagenet.finding("val-not-sorted")
    assert "images in one folder" in found.text
    assert "bash valprep.sh" in found.fix


def test_imagenet_train_as_class_archives(imagenet: BrokenDataset) -> None:
    train = imagenet.images / "train"
    for folder in [path for path in train.iterdir() if path.is_dir()]:
        with tarfile.open(f"{folder}.tar", "w") as archive:
            for path in folder.iterdir():
                archive.add(path, path.name)
        shutil.rmtree(folder)
    command = imagenet.finding("class-archives").fix
    subprocess.run(["bash", "-euc", f"{command}; rm -f n*.tar"], check=True)
    assert imagenet.check().problems == []


def test_imagenet_without_names(imagenet: BrokenDataset) -> None:
    (imagenet.top / "classnames.txt").unlink()
    assert "datasets fetch imagenet --splits-only" in imagenet.finding("no-classnames").fix


def test_a_variant_in_the_wrong_folder(tmp_path: Path) -> None:
    dataset = BrokenDataset(replace(get_dataset("imagenet_a"), expected={"test": 4}, num_classes=2), tmp_path)
    for wnid in ("n01440764", "n01443537"):
        for i in range(2):
            picture(dataset.top / wnid / f"{i}.jpg", i)
    (dataset.top / "classnames.txt").write_text("n01440764 tench\nn01443537 goldfish\n")
    dataset.repair("misplaced-images")


# --- images -----------------------------------------------------------------------------------------------------------


def test_git_lfs_pointers(make_dataset: MakeDataset) -> None:
    dataset = make_dataset("oxford_flowers")
    for path in dataset.images.iterdir():
        path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    found = dataset.finding("lfs-pointers")
    assert found.text.startswith("18 of 18 opened images are")
    assert found.fix == f"cd {dataset.images} && git lfs pull"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty-images"),
        (b"<!DOCTYPE html><title>404</title>", "web-pages"),
        (b"\xff\xd8\xff\xe0 and no more", "damaged-images"),
    ],
)
def test_files_that_are_not_images(make_dataset: MakeDataset, content: bytes, code: str) -> None:
    dataset = make_dataset("dtd")
    path = dataset.first("test")
    path.write_bytes(content)
    found = dataset.finding(code)
    assert found.text.startswith("1 of 18 opened images")
    assert path.name in found.text
    assert "datasets fetch dtd --again" in found.fix


def test_a_truncated_image_file(make_dataset: MakeDataset) -> None:
    dataset = make_dataset("dtd")
    path = dataset.first()
    path.write_bytes(path.read_bytes()[:-150])
    assert "cannot be decoded" in dataset.finding("damaged-images").text


def test_copies_of_an_image_are_noted(make_dataset: MakeDataset) -> None:
    dataset = make_dataset("dtd")
    shutil.copy(dataset.first("train"), dataset.first("test"))
    found = dataset.finding("duplicates")
    what = "Images that occur more than once with the same bytes: 1"
    assert f"{what}, of them 1 in two parts of the split and 0 in two classes." in found.text


def test_broken_links_and_invalid_names(make_dataset: MakeDataset) -> None:
    dataset = make_dataset("dtd")
    (dataset.images / "nowhere").symlink_to(dataset.images / "gone")
    (dataset.images / "self").symlink_to(dataset.images / "self")
    (dataset.images / "up").symlink_to(dataset.top)
    texts = [item.text for item in dataset.check().problems]
    assert len([text for text in texts if "nothing or to itself" in text]) == 2
    assert len([text for text in texts if "up is a link" in text]) == 1
    for name in ("nowhere", "self", "up"):
        (dataset.images / name).unlink()
    (dataset.images / os.fsdecode(b"caf\xe9.jpg")).touch()
    assert r"caf\xe9.jpg' is not UTF-8" in dataset.finding("name-not-utf8").text
    assert "convmv -f latin1 -t utf8" in dataset.finding("name-not-utf8").fix


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


def test_a_read_only_data_root_and_a_locked_folder(make_dataset: MakeDataset) -> None:
    dataset = make_dataset("dtd")
    dataset.root.chmod(0o500)
    (dataset.images / "banded").chmod(0)
    try:
        with modes_hold():
            assert "cannot be read" in dataset.finding("cannot-be-read").text
    finally:
        (dataset.images / "banded").chmod(0o700)
    with modes_hold():
        assert dataset.finding("read-only").level == "note"
    dataset.root.chmod(0o700)


# --- synthetic and own datasets ---------------------------------------------------------------------------------------


def test_a_synthetic_dataset_has_nothing_to_check() -> None:
    found = check_dataset(get_dataset("spectrum_basic"), None)
    assert [item.code for item in found.findings] == ["drawn"]


def test_custom_datasets_are_checked(tmp_path: Path) -> None:
    for label, name in enumerate(("crow", "gull")):
        for i in range(20):
            picture(tmp_path / "birds" / name / f"{i}.jpg", 100 * label + i)
    request = AddRequest("birds", tmp_path / "birds", "a {}.", "", None, None, ColumnNames())
    info = add_custom_dataset(request, tmp_path / "own", replace=False).info
    assert check_dataset(info, None).problems == []
    assert is_dataset_present(info, None)
    (tmp_path / "birds" / "gull" / "3.jpg").write_bytes(b"<html>")
    assert [item.code for item in check_dataset(info, None).problems] == ["web-pages"]
    (tmp_path / "birds" / "gull" / "3.jpg").unlink()
    (tmp_path / "birds" / "crow" / "back").symlink_to(tmp_path / "birds")
    assert {item.code for item in check_dataset(info, None).problems} == {"link-loop"}


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


def test_every_code_is_in_the_documentation() -> None:
    code = "".join(path.read_text() for path in (ROOT / "datasets_registry" / "_doctor").rglob("*.py"))
    codes = set(re.findall(r'Finding\(\s*"([a-z-]+)"', code)) | set(
        re.findall(r'^    "([a-z-]+)": "', code, flags=re.M)
    )
    assert len(codes) > 30
    text = (ROOT / "docs" / "datasets.md").read_text()
    assert {name for name in codes if f"`{name}`" not in text} == set()
