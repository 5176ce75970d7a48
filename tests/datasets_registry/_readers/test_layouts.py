"""Every dataset is read from all usual layouts with the same keys; the images are generated."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from datasets_registry import (
    CoopReader,
    DataError,
    DatasetInfo,
    DatasetSplits,
    EvalProtocol,
    Sample,
    ShotsError,
    TaskRequest,
    build_task,
    get_dataset,
    list_datasets,
)

ON_DISK = [info for info in list_datasets() if not info.synthetic]
WITH_SPLIT = [info for info in ON_DISK if info.split_file]
KEYS = {  # what the paths of a published split file look like, with {} for a number
    "btmri": "glioma_tumor/image{:02}.jpg",
    "busi": "benign_tumor/benign ({}).png",
    "chmnist": "adipose_tissue/{:04}_CRC-Prim-HE-05_032.tif_Row_1951_Col_2701.tif",
    "covid_qu_ex": "covid_lungs/COVID-{}.png",
    "ctkidney": "cyst_kidney/Cyst- ({}).jpg",
    "dermamnist": "melanoma/train{}_4.png",
    "kneexray": "healthy_knee/{:07}L.png",
    "kvasir": "polyps/{:08}-477d-48cd-b370-b4ad64a8098a.jpg",
    "lc25000": "colon_adenocarcinoma/colonca{}.jpeg",
    "octmnist": "drusen/train{}_2.png",
    "retina": "cataract/{}_left.jpg",
    "whu_rs19": "pond/pond_{:02}.jpg",
    "caltech101": "accordion/image_{:04}.jpg",
    "dtd": "banded/banded_{:04}.jpg",
    "eurosat": "AnnualCrop/AnnualCrop_{}.jpg",
    "food101": "apple_pie/{}.jpg",
    "oxford_flowers": "image_{:05}.jpg",
    "oxford_pets": "Abyssinian_{}.jpg",
    "stanford_cars": "cars_train/{:05}.jpg",
    "sun397": "a/abbey/sun_{:016}.jpg",
    "ucf101": "Archery/v_Archery_g{:02}_c01.jpg",
}
IMAGENET_NAMES = {"n01440764": "tench", "n04008634": "missile", "n03773504": "missile", "n04355933": "sunglasses"}


def picture(path: Path, shade: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (shade % 256, 90, 120)).save(path)


def split_for(info: DatasetInfo) -> dict[str, list[tuple[str, int, str]]]:
    """Two classes with two training images, one validation image and one test image each."""
    shape = KEYS.get(info.name, "{}.jpg")
    rows = [(shape.format(i), i % 2, ("left", "right")[i % 2]) for i in range(8)]
    if info.name == "stanford_cars":  # the same number in both folders
        rows[6:] = [(f"cars_test/{i:05}.jpg", i, ("left", "right")[i]) for i in range(2)]
    return {"train": rows[:4], "val": rows[4:6], "test": rows[6:]}


def written(info: DatasetInfo, root: Path, place: Callable[[str], str]) -> DatasetSplits:
    """Write each image to `place(key)` and the split file to the data folder, and read the dataset."""
    split = split_for(info)
    for i, (key, _, _) in enumerate(row for part in split.values() for row in part):
        picture(root / place(key), 20 * i)
    assert info.split_file
    (root / info.split_file).write_text(json.dumps(split))
    return info.reader(root)


def keys(splits: DatasetSplits) -> list[str]:
    return [sample.key for part in (splits.train, splits.val, splits.test) for sample in part]


def coop_folder(info: DatasetInfo) -> str:
    assert isinstance(info.reader, CoopReader)
    return next(iter(info.reader.image_folders.candidates))


@pytest.mark.parametrize("info", WITH_SPLIT, ids=lambda info: info.name)
def test_every_known_folder_gives_the_same_keys_and_digests(info: DatasetInfo, tmp_path: Path):
    assert isinstance(info.reader, CoopReader)
    seen = []
    for i, (folder, layout) in enumerate(info.reader.image_folders.candidates.items()):
        splits = written(info, tmp_path / str(i), lambda key, folder=folder: f"{folder}/{key}")
        assert splits.layout == layout
        seen.append([(key, splits.images.digest(key)) for key in keys(splits)])
    assert all(other == seen[0] for other in seen)


@pytest.mark.parametrize("info", WITH_SPLIT, ids=lambda info: info.name)
def test_files_with_their_original_names_are_found_in_any_folder(info: DatasetInfo, tmp_path: Path):
    """A Hugging Face export sorts images into train/<class>/, but the split file defines the parts."""
    top = coop_folder(info).split("/")[0]
    splits = written(info, tmp_path, lambda key: f"{top}/export/train/deep/{key}")
    assert splits.layout == f"files of these names below {top}/"
    assert keys(splits) == [key for part in split_for(info).values() for key, _, _ in part]
    assert splits.images.load(splits.test[0].key).size == (8, 8)


def test_both_kaggle_copies_of_cars_are_read(tmp_path: Path):
    info = get_dataset("stanford_cars")
    nested = written(info, tmp_path / "a", lambda key: f"stanford_cars/{key.split('/')[0]}/{key}")
    parts = "stanford_cars/car_data"
    by_class = written(info, tmp_path / "b", lambda key: f"{parts}/{key[5:].split('/')[0]}/Acura {key[-5]}/{key[-9:]}")
    assert keys(nested) == keys(by_class)
    assert nested.images.digest("cars_test/00000.jpg") == by_class.images.digest("cars_test/00000.jpg")
    assert nested.images.digest("cars_test/00000.jpg") != nested.images.digest("cars_train/00000.jpg")


def test_a_file_name_that_occurs_twice_is_ambiguous(tmp_path: Path):
    info = get_dataset("oxford_pets")
    written(info, tmp_path, lambda key: f"oxford_pets/a/{key}")
    picture(tmp_path / "oxford_pets/b/Abyssinian_1.jpg")
    with pytest.raises(DataError, match="'oxford_pets' at .*oxford_pets/images. Get"):
        info.reader(tmp_path)


class TestAircraft:
    @pytest.fixture
    def draw(self, tmp_path: Path) -> Callable[[str], DatasetSplits]:
        def draw(place: str) -> DatasetSplits:
            folder = (tmp_path / place).parent
            names = ["707-320", "F-16A/B", "Boeing 717 x"]
            lists = {
                "train": [(3, 1), (1, 0), (2, 1), (4, 2), (8, 0), (9, 2)],
                "val": [(5, 0)],
                "test": [(6, 2), (7, 1)],
            }
            for part, rows in lists.items():
                for image, _ in rows:
                    picture(tmp_path / place / f"{image:07}.jpg", image)
                text = "".join(f"{image:07} {names[label]}\n" for image, label in rows)
                (folder / f"images_variant_{part}.txt").write_text(text)
            (folder / "variants.txt").write_text("\n".join(names) + "\n")
            return get_dataset("fgvc_aircraft").reader(tmp_path)

        return draw

    @pytest.mark.parametrize("place", ["fgvc_aircraft/images", "fgvc-aircraft-2013b/data/images"])
    def test_labels_are_lines_of_variants_and_lists_keep_their_order(self, draw, place: str):
        splits = draw(place)
        assert splits.class_names == ("707-320", "F-16A/B", "Boeing 717 x")
        assert [(s.key, s.label) for s in splits.train][:2] == [("0000003.jpg", 1), ("0000001.jpg", 0)]
        task = build_task(TaskRequest(get_dataset("fgvc_aircraft"), splits, EvalProtocol.FEW_SHOT, 2, 1, "coop"))
        assert task.support.labels == (1, 1, 0, 0, 2, 2), "first appearance decides"

    def test_a_line_that_names_no_variant_and_a_missing_image_or_list_are_rejected(self, draw, tmp_path: Path):
        draw("fgvc_aircraft/images")
        (tmp_path / "fgvc_aircraft/images_variant_val.txt").write_text("0000005 737-99\n")
        with pytest.raises(DataError, match="Line 1 of .*images_variant_val.txt is '0000005 737-99'"):
            get_dataset("fgvc_aircraft").reader(tmp_path)
        draw("fgvc_aircraft/images")
        (tmp_path / "fgvc_aircraft/images/0000005.jpg").unlink()
        with pytest.raises(DataError, match="'fgvc_aircraft' .* Unpack the archive"):
            get_dataset("fgvc_aircraft").reader(tmp_path)
        (tmp_path / "fgvc_aircraft/variants.txt").unlink()
        with pytest.raises(DataError, match="variants.txt of dataset 'fgvc_aircraft'"):
            get_dataset("fgvc_aircraft").reader(tmp_path)


class TestImageNet:
    @pytest.fixture
    def names(self, tmp_path: Path) -> Path:
        (tmp_path / "imagenet").mkdir()
        wnids = sorted(IMAGENET_NAMES)
        text = "".join(f"{wnid} {IMAGENET_NAMES[wnid]}\n" for wnid in wnids)
        (tmp_path / "imagenet" / "classnames.txt").write_text(text)
        return tmp_path

    def draw(self, folder: Path, classes: list[str], n: int = 2) -> None:
        for name in classes:
            for i in range(n):
                picture(folder / name / f"{name}_{i}.JPEG", i)
        (folder / "README.txt").write_text("not a class")

    @pytest.mark.parametrize(("place", "layout"), [("imagenet/images", "CoOp"), ("imagenet", "torchvision")])
    def test_sorted_folders_are_labels_and_names_may_repeat(self, names: Path, place: str, layout: str):
        for part in ("train", "val"):
            self.draw(names / place / part, list(IMAGENET_NAMES))
        splits = get_dataset("imagenet").reader(names)
        assert splits.class_names == ("tench", "missile", "missile", "sunglasses")
        assert [s.key for s in splits.train][:2] == [f"train/n01440764/n01440764_{i}.JPEG" for i in range(2)]
        assert (len(splits.train), splits.val, len(splits.test), splits.layout) == (8, (), 8, layout)

    def test_validation_images_must_be_in_the_class_folders_of_training(self, names: Path):
        images = names / "imagenet/images"
        self.draw(images / "train", ["n01440764", "n04008634"])
        with pytest.raises(DataError, match="folder .*images/val .* Both train/"):
            get_dataset("imagenet").reader(names)
        picture(images / "val/ILSVRC2012_val_00000001.JPEG")
        with pytest.raises(DataError, match="no class folders"):
            get_dataset("imagenet").reader(names)
        self.draw(images / "val", ["n01440764"])
        with pytest.raises(DataError, match="n04008634 .1 in all"):
            get_dataset("imagenet").reader(names)

    @pytest.mark.parametrize(
        ("name", "place"),
        [
            ("imagenet_a", "imagenet-adversarial/imagenet-a"),
            ("imagenet_a", "imagenet-a"),
            ("imagenet_r", "imagenet-rendition/imagenet-r"),
            ("imagenet_sketch", "imagenet-sketch/images"),
            ("imagenet_sketch", "imagenet-sketch/sketch"),
        ],
    )
    def test_a_variant_has_labels_of_its_own(self, names: Path, name: str, place: str):
        self.draw(names / place, ["n04355933", "n03773504"])
        splits = get_dataset(name).reader(names)
        assert splits.class_names == ("missile", "sunglasses")
        assert [s.label for s in splits.test] == [0, 0, 1, 1]
        assert (splits.train, splits.val) == ((), ())

    def test_the_folders_of_v2_are_labels_in_numeric_order(self, names: Path):
        more = "".join(f"n9{i:07} name {i}\n" for i in range(8))
        with (names / "imagenet/classnames.txt").open("a") as file:
            file.write(more)
        place = names / "imagenetv2/imagenetv2-matched-frequency-format-val"
        self.draw(place, ["0", "2", "10"])
        splits = get_dataset("imagenet_v2").reader(names)
        assert splits.class_names == ("tench", "missile", "name 6")
        assert [s.key.split("/")[0] for s in splits.test] == ["0", "0", "2", "2", "10", "10"]
        (place / "n01440764").mkdir()
        with pytest.raises(DataError, match="folder 'n01440764'.* labels 0 to 11"):
            get_dataset("imagenet_v2").reader(names)

    def test_folders_and_classnames_are_required_and_checked(self, names: Path):
        (names / "imagenet-a").mkdir()
        with pytest.raises(DataError, match="contains no class folder"):
            get_dataset("imagenet_a").reader(names)
        self.draw(names / "imagenet-a", ["n01440764", "extra"])
        with pytest.raises(DataError, match="folder 'extra' .1 such"):
            get_dataset("imagenet_a").reader(names)
        path = names / "imagenet/classnames.txt"
        path.write_text("n01440764\n")
        with pytest.raises(DataError, match="Line 1 of .*classnames.txt is 'n01440764'"):
            get_dataset("imagenet_a").reader(names)
        path.unlink()
        with pytest.raises(DataError, match="'imagenet_a' in .* get CoOp's"):
            get_dataset("imagenet_a").reader(names)

    def test_a_variant_has_no_training_images(self, names: Path):
        self.draw(names / "imagenet-a", ["n01440764", "n04355933"])
        info = get_dataset("imagenet_a")
        splits = info.reader(names)
        with pytest.raises(ShotsError, match="'imagenet_a' is test-only.* --targets"):
            build_task(TaskRequest(info, splits, protocol=EvalProtocol.FEW_SHOT, shots=1, seed=1, draw="coop"))
        task = build_task(TaskRequest(info, splits, protocol=EvalProtocol.FEW_SHOT, shots=0, seed=0, draw="coop"))
        assert len(task.eval("all")) == 4


@pytest.mark.parametrize(
    ("name", "groups"),
    [
        ("ucf101", {"v_Archery_g06", "v_Archery_g07"}),
        ("chmnist", {"CRC-Prim-HE-05"}),
        ("kneexray", {"0000006", "0000007"}),
        ("retina", {"6.jpg", "7.jpg"}),
        ("kvasir", {None}),
        ("btmri", {None}),
    ],
)
def test_groups_are_read_from_file_names(name: str, groups: set[str | None], tmp_path: Path) -> None:
    info = get_dataset(name)
    splits = written(info, tmp_path, lambda key: f"{coop_folder(info)}/{key}")
    assert {sample.group for sample in splits.test} == groups
    assert isinstance(info.reader, CoopReader)
    assert info.reader.lists(tmp_path).test == splits.test, "only the split file"
    assert bool(info.groups) is (info.reader.group_pattern is not None)


@pytest.mark.parametrize(
    ("name", "key", "group"),
    [
        ("ucf101", "Handstand_Pushups/v_HandStandPushups_g25_c07.jpg", "v_HandStandPushups_g25"),
        ("chmnist", "debris/1A_CRC-Prim-HE-10.tif_Row_1_Col_1.tif", "CRC-Prim-HE-10"),
        ("kvasir", "ulcerative_colitis/584f1fa0-9bb9-49d3-b412-c42819d0a200_00000479.jpg",
         "584f1fa0-9bb9-49d3-b412-c42819d0a200"),
        ("retina", "diabetic_retinopathy/10003_right.jpeg", "10003.jpeg"),
        ("retina", "cataract/_0_4015166.jpg", None),
        ("retina", "glaucoma/Glaucoma_002.png", None),
    ],
)  # fmt: skip
def test_the_group_of_a_published_name(name: str, key: str, group: str | None) -> None:
    reader = get_dataset(name).reader
    assert isinstance(reader, CoopReader)
    assert reader.with_group(Sample(key, 0)).group == group
