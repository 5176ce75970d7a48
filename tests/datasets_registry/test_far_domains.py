"""Readers of datasets beyond CoOp's, each on a tiny folder with the published layout."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from datasets_registry import DATASETS, ClassFolderReader, DataError, DatasetSplits, check_dataset, get_dataset


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shade = sum(str(path).encode()) % 256
    Image.new("RGB", (4, 4), (shade, 90, 120)).save(path)


def write_aid(root: Path) -> None:
    for name in get_dataset("aid").class_names:
        folder = name.title().replace(" ", "")  # BareLand
        for i in range(10):
            picture(root / f"aid/AID/{folder}/{folder.lower()}_{i}.jpg")


def write_patternnet(root: Path) -> None:
    for name in get_dataset("patternnet").class_names:
        folder = name.replace(" ", "_")
        for i in range(10):
            picture(root / f"patternnet/images/{folder}/{folder.replace('_', '')}{i:03}.jpg")


def write_resisc45(root: Path) -> None:
    lists: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for name in get_dataset("resisc45").class_names:
        folder = name.replace(" ", "_")
        for i, part in enumerate(("train", "train", "val", "test")):
            file = f"{folder}_{i:03}.jpg"
            picture(root / f"resisc45/NWPU-RESISC45/{folder}/{file}")
            lists[part].append(file)
    for part, files in lists.items():
        (root / f"resisc45/resisc45-{part}.txt").write_text("\n".join(reversed(files)) + "\n")


def write_country211(root: Path) -> None:
    codes = sorted({f"{a}{b}" for a in "ABCDEFGHIJKLMNO" for b in "ABCDEFGHIJKLMNO"})[:211]
    for part, n in (("train", 2), ("valid", 1), ("test", 1)):
        for code in codes:
            for i in range(n):
                picture(root / f"country211/{part}/{code}/{i}.jpg")


def write_gtsrb(root: Path) -> None:
    rows = ["Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"]
    for label in range(43):
        for track in range(2):
            for frame in range(3):
                picture(root / f"gtsrb/GTSRB/Training/{label:05}/{track:05}_{frame:05}.ppm")
        picture(root / f"gtsrb/GTSRB/Final_Test/Images/{label:05}.ppm")
        rows.append(f"{label:05}.ppm;53;54;6;5;48;49;{42 - label}")
    (root / "gtsrb/GT-final_test.csv").write_text("\n".join(rows) + "\n")


def write_clevr_counts(root: Path) -> None:
    folder = root / "clevr/CLEVR_v1.0"
    for part, each in (("train", 102), ("val", 1)):
        scenes = []
        for i in range(8 * each):
            name = f"CLEVR_{part}_{i:06}.png"
            picture(folder / f"images/{part}/{name}")
            scenes.append({"image_filename": name, "objects": [{}] * (3 + i % 8)})
        (folder / "scenes").mkdir(exist_ok=True)
        (folder / f"scenes/CLEVR_{part}_scenes.json").write_text(json.dumps({"scenes": scenes[::-1]}))


def write_cub(root: Path) -> None:
    folder = root / "CUB_200_2011"
    classes = ["001.Black_footed_Albatross", "002.Laysan_Albatross"]
    lines: dict[str, list[str]] = {"images": [], "image_class_labels": [], "train_test_split": []}
    for number in range(1, 21):
        label = (number - 1) % 2
        path = f"{classes[label]}/{classes[label][4:]}_{number:04}_796111.jpg"
        picture(folder / "images" / path)
        lines["images"].append(f"{number} {path}")
        lines["image_class_labels"].append(f"{number} {label + 1}")
        lines["train_test_split"].append(f"{number} {int(number <= 16)}")
    lines["classes"] = [f"{i} {name}" for i, name in enumerate(classes, 1)]
    for name, content in lines.items():
        (folder / f"{name}.txt").write_text("\n".join(content) + "\n")


def write_camelyon17(root: Path) -> None:
    rows = [",patient,node,x_coord,y_coord,tumor,slide,center,split"]
    for i, (center, split) in enumerate([(0, 0), (0, 0), (3, 0), (4, 0), (3, 1), (1, 0), (1, 0), (2, 1), (2, 0)]):
        stem = f"patient_{i:03}_node_4"
        picture(root / f"camelyon17_v1.0/patches/{stem}/patch_{stem}_x_32_y_64.png")
        rows.append(f"{i},{i:03},4,32,64,{i % 2},0,{center},{split}")
    (root / "camelyon17_v1.0/metadata.csv").write_text("\n".join(rows) + "\n")


def write_pcam(root: Path) -> None:
    (root / "pcam").mkdir()
    for part, n in (("train", 6), ("valid", 2), ("test", 4)):
        shades = np.arange(n * 48, dtype=np.uint8).reshape(n, 4, 4, 3) + len(part)
        labels = (np.arange(n) % 2).astype(np.uint8).reshape(n, 1, 1, 1)
        for content, array in (("x", shades), ("y", labels)):
            with h5py.File(root / f"pcam/camelyonpatch_level_2_split_{part}_{content}.h5", "w") as file:
                file[content] = array
        rows = [f"{i},{7 * i},3,True,{bool(i % 2)},camelyon16_{part}_{i // 2:03}" for i in range(n)]
        table = root / f"pcam/camelyonpatch_level_2_split_{part}_meta.csv"
        table.write_text("\n".join([",coord_y,coord_x,tumor_patch,center_tumor_patch,wsi", *rows]) + "\n")


def write_iwildcam(root: Path) -> None:
    folder = root / "iwildcam_v2.0"
    rows = [",split,location_remapped,y,category_id,filename"]
    for i, split in enumerate(["train"] * 182 + ["val", "test", "test", "id_val", "id_test"]):
        picture(folder / f"train/{i:04}.jpg")
        rows.append(f"{i},{split},{i % 90},{i % 182},{i % 182 + 1},{i:04}.jpg")
    (folder / "metadata.csv").write_text("\n".join(rows) + "\n")
    categories = [f"{y},{y + 1},latin name {y}" for y in (*range(182), 99999)]
    (folder / "categories.csv").write_text("\n".join(["y,category_id,name", *categories]) + "\n")


def write_class_folders(root: Path, dataset: str, *folders: str, images: int = 10) -> None:
    """Images in the first known folder of a dataset, in the folders of its classes."""
    reader = get_dataset(dataset).reader
    assert isinstance(reader, ClassFolderReader)
    place = next(iter(reader.image_folders.candidates))
    for name in folders or [reader.folder_names.get(name, name) for name in reader.class_names]:
        for i in range(images):
            picture(root / f"{place}/{name}/{name.rpartition('/')[2]}_{i}.png")


def write_nct_crc(root: Path) -> None:
    tissues = ("ADI", "BACK", "DEB", "LYM", "MUC", "MUS", "NORM", "STR", "TUM")
    write_class_folders(root, "nct_crc", *(f"NCT-CRC-HE-100K/{name}" for name in tissues), images=102)
    write_class_folders(root, "nct_crc", *(f"CRC-VAL-HE-7K/{name}" for name in tissues), images=1)


def write_one_hot(table: Path, path_column: str, columns: Sequence[str], names: Sequence[str], one: str = "1") -> None:
    """A table of these images whose labels are 0, 1, 2, ... in turn."""
    rows = []
    for i, name in enumerate(names):
        cells = [one if column == i % len(columns) else one.replace("1", "0") for column in range(len(columns))]
        rows.append(",".join([name, *cells]))
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text("\n".join([",".join([path_column, *columns]), *rows]) + "\n")


def write_sicapv2(root: Path) -> None:
    for part, slides in (("train", 27), ("test", 2)):
        names = [f"{part}{slide:03}_Block_Region_{i}.jpg" for slide in range(slides) for i in range(4)]
        for name in names:
            picture(root / "sicapv2/images" / name)
        write_one_hot(root / f"sicapv2/SICAPv2_{part}.csv", "Path", ("NC", "G3", "G4", "G5"), names)


def write_mmac(root: Path) -> None:
    columns = get_dataset("mmac").class_names
    for part, file, n in (("train", "train", 25), ("test", "val", 5)):
        names = [f"mmac_task_1_{file}_{i:04}.png" for i in range(n)]
        for name in names:
            picture(root / "mmac/images" / name)
        write_one_hot(root / f"mmac/MMAC_A_{part}.csv", "Path", columns, names)


def write_isic2018(root: Path) -> None:
    stem = "ISIC2018_Task3_Training"
    names = [f"ISIC_{i:07}" for i in range(140)]
    for name in names:
        picture(root / f"isic2018/{stem}_Input/{name}.jpg")
    lesions = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
    write_one_hot(root / f"isic2018/{stem}_GroundTruth/{stem}_GroundTruth.csv", "image", lesions, names, "1.0")
    rows = [f"{name},HAM_{i % 7}_{i // 14},histopathology" for i, name in enumerate(names)]  # two images of each lesion
    groups = root / f"isic2018/{stem}_LesionGroupings.csv"
    groups.write_text("\n".join(["image,lesion_id,diagnosis_confirm_type", *rows]) + "\n")


def write_chestx(root: Path) -> None:
    findings = ("No Finding", "Atelectasis|Mass", "Pneumonia", *get_dataset("chestx").class_names)
    rows = []
    for patient in range(1100):
        name = f"{patient:08}_000.png"
        picture(root / "chestx/images" / name)
        rows.append(f"{name},{findings[3 + patient % 7]},0,{patient},58")
    for i, finding in enumerate(findings[:3]):
        rows.append(f"other_{i}.png,{finding},0,{2000 + i},58")
    table = root / "chestx/Data_Entry_2017.csv"
    table.write_text("\n".join(["Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age", *rows]) + "\n")
    (root / "chestx/test_list.txt").write_text("00000003_000.png\n00000005_000.png\nother_0.png\n")


def write_cifar10(root: Path) -> None:
    folder = root / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    for file, n in (*((f"data_batch_{i}", 1010) for i in range(1, 6)), ("test_batch", 10)):
        records = np.zeros((n, 1 + 3072), dtype=np.uint8)
        records[:, 0] = np.arange(n) % 10
        records[:, 1], records[:, 1025], records[:, 2049] = 10, 20, 30  # the first pixel
        (folder / f"{file}.bin").write_bytes(records.tobytes())


def write_cifar100(root: Path) -> None:
    folder = root / "cifar-100-binary"
    folder.mkdir(parents=True)
    for file, n in (("train", 5100), ("test", 100)):
        records = np.zeros((n, 2 + 3072), dtype=np.uint8)
        records[:, 1] = np.arange(n) % 100
        (folder / f"{file}.bin").write_bytes(records.tobytes())


CLASS_FOLDERS = (
    "mlrsnet", "optimal31", "rsc11", "rsicb128", "rsicb256", "crop_disease", "pacs_sketch", "office_home_real",
)  # fmt: skip
"""Datasets with ten images in a folder of each class."""
WRITERS: dict[str, Callable[[Path], None]] = {
    name.removeprefix("write_"): function
    for name, function in list(globals().items())
    if name.startswith("write_") and name.removeprefix("write_") in DATASETS
} | {name: partial(write_class_folders, dataset=name) for name in CLASS_FOLDERS}
SIZES = {  # train, val, test of the folders above
    "aid": (150, 60, 90),
    "patternnet": (190, 76, 114),
    "resisc45": (90, 45, 45),
    "country211": (422, 211, 211),
    "gtsrb": (129, 129, 43),
    "clevr_counts": (16, 800, 8),
    "cub": (4, 12, 4),
    "camelyon17": (4, 2, 2),
    "pcam": (6, 2, 4),
    "iwildcam": (182, 1, 2),
    "mlrsnet": (230, 92, 138),
    "optimal31": (155, 62, 93),
    "rsc11": (55, 22, 33),
    "rsicb128": (225, 90, 135),
    "rsicb256": (175, 70, 105),
    "crop_disease": (190, 76, 114),
    "nct_crc": (18, 900, 9),
    "pacs_sketch": (35, 14, 21),
    "office_home_real": (325, 130, 195),
    "sicapv2": (8, 100, 8),
    "mmac": (5, 20, 5),
    "isic2018": (70, 28, 42),
    "chestx": (98, 1000, 2),
    "cifar10": (50, 5000, 10),
    "cifar100": (100, 5000, 100),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for write in WRITERS.values():
        write(folder)
    return folder


def read(name: str, root: Path) -> DatasetSplits:
    return get_dataset(name).reader(root)


@pytest.mark.parametrize("name", WRITERS)
def test_the_published_layout_is_read_and_checked(name: str, root: Path) -> None:
    info, splits = get_dataset(name), read(name, root)
    assert tuple(splits.counts.values()) == SIZES[name]
    keys = splits.keys
    assert len(set(keys)) == len(keys), "one part an image"
    assert splits.images.load(keys[0]).size == ((32, 32) if name.startswith("cifar") else (4, 4))
    assert info.class_names in ((), splits.class_names)
    assert not [item for item in check_dataset(info, root, sample=5).problems if item.code != "wrong-count"]


def test_labels_follow_the_published_names(root: Path) -> None:
    def name_of(dataset: str, part: str, index: int = 0) -> tuple[str, str]:
        splits = read(dataset, root)
        sample = getattr(splits, part)[index]
        return sample.key, splits.class_names[sample.label]

    assert name_of("aid", "train", 5)[1] == "bare land"
    assert name_of("resisc45", "train") == ("wetland/wetland_001.jpg", "wetland")
    assert name_of("country211", "val", 2) == ("valid/AC/0.jpg", "Afghanistan")
    assert name_of("gtsrb", "test") == ("Final_Test/Images/00000.ppm", get_dataset("gtsrb").class_names[42])
    assert name_of("clevr_counts", "test", 7) == ("val/CLEVR_val_000007.png", "10")
    assert name_of("cub", "test", 1)[1] == "Laysan Albatross"
    assert name_of("camelyon17", "val") == (
        "patient_005_node_4/patch_patient_005_node_4_x_32_y_64.png",
        "lymph node containing metastatic tumor tissue",
    )
    assert name_of("pcam", "val", 1) == ("val/1", "lymph node containing metastatic tumor tissue")
    assert name_of("mlrsnet", "train", 5 * 18)[0].startswith("harbor&port/")
    assert name_of("mlrsnet", "train", 5 * 18)[1] == "harbor and port"
    assert name_of("rsicb128", "test", 3 * 36)[1] == "sea or lake"
    assert name_of("nct_crc", "test", 8) == ("CRC-VAL-HE-7K/TUM/TUM_0.png", get_dataset("nct_crc").class_names[8])
    assert name_of("sicapv2", "test", 1) == ("test000_Block_Region_1.jpg", "prostate cancer, gleason grade 3")
    assert name_of("mmac", "test", 4) == ("mmac_task_1_val_0004.png", "macular atrophy")
    assert name_of("chestx", "test") == ("00000003_000.png", "Infiltration")
    assert name_of("cifar10", "test", 9) == ("test_batch.bin/9", "truck")
    assert name_of("cifar100", "test", 54) == ("test.bin/54", "orchid")
    assert name_of("iwildcam", "train", 78) == ("0078.jpg", "crested porcupine")


def test_groups_are_those_of_the_source(root: Path, tmp_path: Path) -> None:
    assert [sample.group for sample in read("camelyon17", root).val] == ["patient_005", "patient_006"]
    assert [sample.group for sample in read("iwildcam", root).test] == ["3", "4"]
    signs = read("gtsrb", root)
    assert signs.train[0].group in ("Training/00000/00000", "Training/00000/00001")
    assert not {sample.group for sample in signs.train} & {sample.group for sample in signs.val}
    assert {sample.group for sample in signs.test} == {None}
    slides = [sample.group for sample in read("pcam", root).test]
    assert slides == ["camelyon16_test_000"] * 2 + ["camelyon16_test_001"] * 2
    assert {sample.group for sample in read("sicapv2", root).test} == {"test000", "test001"}
    assert {sample.group for sample in read("chestx", root).test} == {"3", "5"}
    for name in ("sicapv2", "isic2018", "chestx"):
        splits = read(name, root)
        parts = [{sample.group for sample in part} for part in (splits.train, splits.val, splits.test)]
        assert len(set.union(*parts)) == sum(map(len, parts)), "one part a group"
    write_iwildcam(tmp_path)
    table = tmp_path / "iwildcam_v2.0/metadata.csv"
    table.write_text(table.read_text().replace("location_remapped", "other"))
    assert {sample.group for sample in read("iwildcam", tmp_path).test} == {None}


def test_slides_of_pcam_are_optional_and_must_be_those_of_its_images(tmp_path: Path) -> None:
    write_pcam(tmp_path)
    table = tmp_path / "pcam/camelyonpatch_level_2_split_test_meta.csv"
    right = table.read_text()
    table.write_text(right.replace("False", "True"))
    with pytest.raises(DataError, match="labels of its part"):
        read("pcam", tmp_path)
    table.unlink()
    assert {sample.group for sample in read("pcam", tmp_path).test} == {None}


@pytest.mark.parametrize(
    ("name", "remove", "message"),
    [
        ("aid", "aid/AID/BareLand", "no folder for 'bare land'"),
        ("resisc45", "resisc45/resisc45-val.txt", r"No list resisc45-val.txt .* fetch resisc45 --splits-only"),
        ("resisc45", "resisc45/NWPU-RESISC45/lake/lake_002.jpg", "1 of the 45 images that .*val.txt lists are not"),
        ("country211", "country211/valid/AA", "210 class folders, but dataset 'country211' has 211"),
        ("country211", "country211/test", "No folder .*test of dataset 'country211'"),
        ("gtsrb", "gtsrb/GT-final_test.csv", "GT-final_test.csv of dataset 'gtsrb' cannot be read"),
        ("gtsrb", "gtsrb/GTSRB/Training/00007", "No folder .*00007 of dataset 'gtsrb'"),
        ("gtsrb", "gtsrb/GTSRB/Final_Test/Images/00001.ppm", "1 of the 43 listed images of dataset 'gtsrb'"),
        ("clevr_counts", "clevr/CLEVR_v1.0/scenes/CLEVR_val_scenes.json", "cannot be read as CLEVR's scenes"),
        ("clevr_counts", "clevr/CLEVR_v1.0/images/val/CLEVR_val_000003.png", "1 of the 824 listed images of dataset"),
        ("cub", "CUB_200_2011/classes.txt", "classes.txt of dataset 'cub' cannot be read"),
        ("camelyon17", "camelyon17_v1.0/metadata.csv", "metadata.csv of dataset 'camelyon17' cannot be read"),
        ("pcam", "pcam/camelyonpatch_level_2_split_test_y.h5", "No file .*test_y.h5 of dataset 'pcam'. Get camelyonpa"),
        ("nct_crc", "nct_crc/CRC-VAL-HE-7K/TUM", "HE-7K has 8 class folders, but dataset 'nct_crc' has 9 class"),
        ("sicapv2", "sicapv2/SICAPv2_test.csv", "SICAPv2_test.csv of dataset 'sicapv2' cannot be read"),
        ("isic2018", "isic2018/ISIC2018_Task3_Training_LesionGroupings.csv", "Groupings.csv of dataset 'isic2018' ca"),
        ("mmac", "mmac/images/mmac_task_1_val_0002.png", "1 of the 30 listed images of dataset 'mmac'"),
        ("chestx", "chestx/test_list.txt", "test_list.txt of dataset 'chestx' cannot be read"),
        ("cifar10", "cifar-10-batches-bin/data_batch_3.bin", "data_batch_3.bin cannot be read .* Unpack the published"),
        ("iwildcam", "iwildcam_v2.0/categories.csv", "categories.csv of dataset 'iwildcam' cannot be read"),
        ("iwildcam", "iwildcam_v2.0/train/0184.jpg", "1 of the 185 listed images .*0184.jpg"),
    ],
)
def test_what_is_missing_is_named(name: str, remove: str, message: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path)
    path = tmp_path / remove
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(DataError, match=message):
        read(name, tmp_path)


EDITED = [
    ("camelyon17", "camelyon17_v1.0/metadata.csv", lambda _: "patient,node\n1,2\n", "no column 'x_coord'"),
    ("gtsrb", "gtsrb/GT-final_test.csv", lambda text: f"{text}00043.ppm;53;54", "Line 45 of .*GT-final_test.csv"),
    ("gtsrb", "gtsrb/GT-final_test.csv", lambda _: "Filename;ClassId\n00000.ppm;stop\n", "Line 2 of .*GT-final_test"),
    ("cub", "CUB_200_2011/images.txt", lambda _: "1 a.jpg\n", "list the same images"),
    ("mmac", "mmac/MMAC_A_test.csv", lambda text: text.replace("0000.png,1,0", "0000.png,1,1"), "csv.* has 2 classes"),
    ("iwildcam", "iwildcam_v2.0/categories.csv", lambda text: f"{text}182,300,canis\n", "183 classes, but .* has 182"),
]
"""A table of a dataset, another content, and why it is refused."""


@pytest.mark.parametrize(("name", "table", "edit", "message"), EDITED)
def test_a_table_that_does_not_fit_is_refused(
    name: str, table: str, edit: Callable[[str], str], message: str, tmp_path: Path
) -> None:
    WRITERS[name](tmp_path)
    path = tmp_path / table
    path.write_text(edit(path.read_text()))
    with pytest.raises(DataError, match=message):
        read(name, tmp_path)


def test_records_of_cifar_are_read_by_planes_and_checked(tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    images = read("cifar10", tmp_path).images
    pixels = np.asarray(images.load("test_batch.bin/9"))
    assert (pixels[0, 0].tolist(), pixels[0, 1].tolist(), pixels.shape) == ([10, 20, 30], [0, 0, 0], (32, 32, 3))
    assert images.load("test_batch.bin/9").mode == "RGB"
    assert images.digest("test_batch.bin/0") == images.digest("test_batch.bin/9"), "of the pixels alone"
    with pytest.raises(DataError, match="test_batch.bin has no record 10."):
        images.load("test_batch.bin/10")
    file = tmp_path / "cifar-10-batches-bin/test_batch.bin"
    content = file.read_bytes()
    for wrong, message in (
        (content[:-1], r"has 30729 bytes, which is not a whole number of records of 3073 bytes"),
        (b"", r"has 0 bytes, which is not a whole number"),
        (b"\x0a" + content[1:], r"test_batch.bin of dataset 'cifar10' has the label 10, but there are 10 classes"),
        (content * 5001, r"test_batch.bin cannot be read \(.*the most that is read"),
    ):
        file.write_bytes(wrong)
        with pytest.raises(DataError, match=message):
            read("cifar10", tmp_path)


def test_images_in_hdf5_files_have_their_pixels_and_digests(tmp_path: Path) -> None:
    write_pcam(tmp_path)
    images = read("pcam", tmp_path).images
    assert np.asarray(images.load("train/1"))[0, 0].tolist() == [53, 54, 55]
    assert images.load("train/1").mode == "RGB"
    assert len({images.digest(f"train/{row}") for row in range(6)}) == 6
    assert images.digest("train/1") == images.digest("train/1")
    with pytest.raises(DataError, match="file with an array 'x'"):
        images.load("train/6")


def test_files_of_pcam_that_do_not_belong_together_are_refused_and_without_h5py_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pcam(tmp_path)
    stem = tmp_path / "pcam/camelyonpatch_level_2_split_"
    labels = Path(f"{stem}train_y.h5")
    shutil.copy(f"{stem}valid_y.h5", labels)
    with pytest.raises(DataError, match="2 labels for the 6 images"):
        read("pcam", tmp_path)
    labels.write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(DataError, match="train_y.h5 cannot be read"):
        read("pcam", tmp_path)
    labels.rename(f"{labels}.gz")
    with pytest.raises(DataError, match="it with `gunzip .*camelyonpatch_level_2_split_train_y.h5.gz`"):
        read("pcam", tmp_path)
    (tmp_path / "again").mkdir()
    write_pcam(tmp_path / "again")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(DataError, match=r"Run `pip install 'clip-etl-bench\[hdf5\]'`."):
        read("pcam", tmp_path / "again")
