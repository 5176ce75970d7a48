"""Custom datasets of all three kinds, from the files on disk to a catalogue entry."""

from __future__ import annotations

import csv
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from own_folders import add_images, class_folders, picture
from read_only import modes_hold

from datasets_registry import (
    DATASETS,
    AddedDataset,
    ColumnNames,
    DataError,
    DatasetInfo,
    RegistrationError,
    custom_folders,
    user_custom_folder,
)
from datasets_registry._catalogue import load_custom_datasets
from datasets_registry._custom import dataset

CLASSES = ("crow", "gull", "jay's", 'the "wren"')


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    return class_folders(tmp_path / "birds", CLASSES)


def part_sizes(added: AddedDataset) -> tuple[int, int, int]:
    return len(added.splits.train), len(added.splits.val), len(added.splits.test)


# --- class folders ---------------------------------------------------------------------------------------------------


def test_class_folders_become_a_toml_file_of_a_dozen_lines(birds: Path, tmp_path: Path) -> None:
    added = add_images(birds, title="My birds")
    assert added.file == tmp_path / "own" / "birds.toml"
    assert len(added.file.read_text().splitlines()) <= 12
    info = dataset.read_custom_dataset(added.file)
    assert (info.title, info.num_classes, info.class_names) == ("My birds", 4, tuple(sorted(CLASSES)))
    splits = info.reader(None)
    assert splits == info.reader(tmp_path) or splits.train == info.reader(tmp_path).train
    assert sum(part_sizes(added)) == 48
    assert splits.images.load(splits.train[0].key).size == (8, 8)


def test_a_copy_of_an_image_stays_in_its_part(birds: Path) -> None:
    added = add_images(birds)
    shutil.copy(birds / added.splits.test[0].key, birds / "gull" / "copy.png")
    assert "gull/copy.png" in {sample.key for sample in added.info.reader(None).test}


def test_the_split_by_content_has_coops_shares() -> None:
    parts = [dataset.part_by_content(f"{(2 * i + 1) * 2**32 // 2000:08x}") for i in range(1000)]
    assert [parts.count(part) for part in ("train", "val", "test")] == [500, 200, 300]


def test_folders_named_train_and_test_are_a_given_split(tmp_path: Path) -> None:
    for part, n in (("train", 5), ("Validation", 2), ("test", 3)):
        class_folders(tmp_path / "birds" / part, CLASSES, n)
    added = add_images(tmp_path / "birds")
    assert (added.config.split, part_sizes(added)) == ("given", (20, 8, 12))
    assert added.splits.train[0].key == "train/crow/0.png"
    shutil.rmtree(tmp_path / "birds" / "test")
    assert part_sizes(add_images(tmp_path / "birds")) == (20, 0, 8), "without a test part, that of validation is one"


def test_numeric_class_names_are_sorted_by_value_and_noted(tmp_path: Path) -> None:
    added = add_images(class_folders(tmp_path / "birds", ("10", "9", "1"), n=40))
    assert added.splits.class_names == ("1", "9", "10")
    assert any("Write words into `names`" in line for line in added.notes())


def test_names_and_order_of_the_toml_file_are_used_and_each_class_must_have_images(birds: Path) -> None:
    added = add_images(birds)
    text = added.file.read_text().replace('["crow", "gull"', '["gull", "crow"')
    added.file.write_text(text.replace("names = {}", 'names = { "crow" = "black/white crow" }'))
    assert dataset.read_custom_dataset(added.file).reader(None).class_names[:2] == ("gull", "black/white crow")
    shutil.rmtree(birds / "crow")
    with pytest.raises(DataError, match="1 of its 4 classes"):
        added.info.reader(None)


def test_links_to_folders_are_followed_and_circular_ones_rejected(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "birds")
    class_folders(tmp_path / "elsewhere", ("jay",))
    (root / "jay").symlink_to(tmp_path / "elsewhere" / "jay")
    assert add_images(root).splits.class_names == ("crow", "gull", "jay")
    (root / "crow" / "again").symlink_to(root / "crow")
    with pytest.raises(DataError, match="crow/again leads to a folder"):
        add_images(root, force=True)


def in_a_foreign_encoding(root: Path) -> None:
    (class_folders(root) / os.fsdecode(b"m\xf6we")).mkdir()


REFUSED_FOLDERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (lambda root: None, "No images at .*birds"),
    "an empty folder": (lambda root: root.mkdir(), "No image below .*birds"),
    "one class": (lambda root: class_folders(root, ("crow",)), "1 class, 'crow'; a benchmark needs"),
    "a train folder alone": (lambda root: class_folders(root / "train"), "only the folder 'train'.*birds/train"),
    "a file name that is not UTF-8": (in_a_foreign_encoding, "which is not UTF-8.*`convmv"),
}


@pytest.mark.parametrize("kind", REFUSED_FOLDERS)
def test_what_is_no_folder_of_classes_is_refused(tmp_path: Path, kind: str) -> None:
    write, message = REFUSED_FOLDERS[kind]
    write(tmp_path / "birds")
    with pytest.raises(DataError, match=message):
        add_images(tmp_path / "birds")
    assert not (tmp_path / "own").exists()


def test_folders_that_cannot_be_read_or_written(birds: Path, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir(mode=0o500)
    with modes_hold(), pytest.raises(DataError, match="birds.toml cannot be written"):
        add_images(birds)
    (birds / "crow").chmod(0)
    try:
        with modes_hold(), pytest.raises(DataError, match="read .* Check its permissions"):
            add_images(birds)
    finally:
        (birds / "crow").chmod(0o700)


# --- a table ----------------------------------------------------------------------------------------------------------


def write_table(path: Path, rows: list[list[str]], header: tuple[str, ...] = ("path", "label", "split")) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",").writerows([list(header), *rows])
    return path


def rows_of(root: Path) -> list[list[str]]:
    parts = ("train", "train", "val", "test")
    files = sorted(root.rglob("*.png"))
    return [[f"{f.parent.name}/{f.name}", f.parent.name, parts[i % 4]] for i, f in enumerate(files)]


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_a_table_with_a_split_column(birds: Path, suffix: str) -> None:
    rows = rows_of(birds)
    added = add_images(write_table(birds / f"list.{suffix}", rows))
    assert (added.config.split, part_sizes(added)) == ("given", (24, 12, 12))
    assert len(added.file.read_text().splitlines()) <= 12
    train = dataset.read_custom_dataset(added.file).reader(None).train
    assert [sample.key for sample in train] == [row[0] for row in rows if row[2] == "train"]


def test_a_table_without_a_split_column_and_with_other_column_names(birds: Path, tmp_path: Path) -> None:
    rows = [row[:2] for row in rows_of(birds)]
    table = write_table(tmp_path / "list.csv", rows, ("where", "species"))
    with pytest.raises(DataError, match="path .*--column path"):
        add_images(table)
    columns = ColumnNames(path="where", label="species")
    with pytest.raises(DataError, match="48 of the 48 images of"):
        add_images(table, columns=columns)
    added = add_images(table, columns=columns, root=birds)
    assert added.config.split == "hash"
    assert dataset.read_custom_dataset(added.file).reader(None).train == added.splits.train


def test_a_parquet_table(birds: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = dict(zip(("file_name", "label", "split"), map(list, zip(*rows_of(birds), strict=True)), strict=True))
    parquet.write_table(pyarrow.table(columns), birds / "list.parquet")
    assert part_sizes(add_images(birds / "list.parquet")) == (24, 12, 12)
    (birds / "bad.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match="bad.parquet cannot be read"):
        add_images(birds / "bad.parquet", force=True)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (["crow/0.png", "crow", "train"], r"lists the image 'crow/0.png' twice. Remove one"),
        (["../x.png", "crow", "train"], "row 50, has the path '../x.png'"),
        (["/etc/x.png", "crow", "train"], "'/etc/x.png', which is not a path"),
        (["", "crow", "train"], "'', which is not a path"),
        (["crow/new.png", "", "train"], "row 50, has no label in column 'label'"),
        (["crow/new.png", "crow", "fold1"], r"has the split 'fold1'; allowed: train, .* or set split = \"hash\""),
        (["crow/new.png", "crow"], "row 50, has 2 fields"),
        (["crow/new.png", "crow", "train"], r"1 of the 49 images of .* does not exist: crow/new.png. Correct"),
    ],
)
def test_the_error_names_a_bad_row(birds: Path, row: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        add_images(write_table(birds / "list.csv", [*rows_of(birds), row]))


def test_tables_that_cannot_be_read(tmp_path: Path) -> None:
    for name, content, message in (
        ("empty.csv", b"", "empty.csv is empty"),
        ("header.csv", b"path,label\n", "header but no row"),
        ("latin.csv", b"path,label\nm\xf6we.png,m\xf6we\n", "Save it as UTF-8"),
        ("pictures.zip", b"", "pictures.zip is a file"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=message):
            add_images(tmp_path / name)
    with pytest.raises(DataError, match="header.csv has no column"):
        add_images(tmp_path / "header.csv", columns=ColumnNames(label="kind"))


# --- Hugging Face -----------------------------------------------------------------------------------------------------


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    return pytest.importorskip("datasets", reason="needs the extra [hf]")


def test_a_hugging_face_folder_with_splits(tmp_path: Path, hub: object) -> None:
    import datasets

    def table(n: int, first: int) -> datasets.Dataset:
        features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["crow", "gull"])})
        rows = {
            "image": [picture(first + i) for i in range(n)],
            "label": [i % 2 for i in range(n)],
        }
        return datasets.Dataset.from_dict(rows, features=features)

    saved = tmp_path / "saved"
    datasets.DatasetDict({"train": table(8, 0), "test": table(4, 50)}).save_to_disk(str(saved))
    added = add_images(saved)
    assert (added.splits.class_names, part_sizes(added)) == (("crow", "gull"), (8, 0, 4))
    assert added.splits.train[0].key == "train/0"
    assert added.splits.images.load("train/0").size == (8, 8)
    table(60, 0).save_to_disk(str(tmp_path / "one"))
    one = add_images(tmp_path / "one", force=True)
    assert (one.config.split, sum(part_sizes(one))) == ("hash", 60)
    with pytest.raises(DataError, match="no column 'species'"):
        add_images(tmp_path / "one", force=True, columns=ColumnNames(label="species"))
    patients = [f"p{i // 3}" if i else None for i in range(60)]
    table(60, 0).add_column("patient", patients).save_to_disk(str(tmp_path / "grouped"))
    grouped = add_images(tmp_path / "grouped", force=True, columns=ColumnNames(group="patient"))
    parts = [{s.group for s in getattr(grouped.splits, part)} - {None} for part in ("train", "val", "test")]
    assert sum(map(len, parts)) == len(set().union(*parts)) == 20
    with pytest.raises(DataError, match="no column 'slide'"):
        add_images(tmp_path / "grouped", force=True, columns=ColumnNames(group="slide"))


def test_the_error_without_the_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "state.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"Run `pip install 'clip-etl-bench\[hf\]'`"):
        add_images(tmp_path / "saved")


# --- the TOML file ----------------------------------------------------------------------------------------------------


@pytest.fixture
def custom_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of TOML files; entries that a test registers are removed afterwards."""
    before = set(DATASETS)
    monkeypatch.setattr(DATASETS, "unavailable", dict(DATASETS.unavailable))
    monkeypatch.setenv("ETL_BENCH_DATASETS", str(tmp_path / "own"))
    (tmp_path / "own").mkdir()
    yield tmp_path / "own"
    for name in set(DATASETS) - before:
        DATASETS.remove(name)


SMALL = 'images = "../birds"\nclasses = ["crow", "gull"]\n'


def test_a_minimal_file_works_and_paths_are_relative_to_it(custom_folder: Path, tmp_path: Path) -> None:
    class_folders(tmp_path / "birds")
    (custom_folder / "small.toml").write_text(SMALL)
    load_custom_datasets(DATASETS)
    info: DatasetInfo = DATASETS.get("small")
    assert info.title == "small"
    assert info.reader(None).class_names == ("crow", "gull")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("classes = [", "bad.toml cannot be read as TOML"),
        ('classes = ["a", "b"]', "images: Field required"),
        (SMALL + "templte = 'x'", "unknown key 'templte' (Did you mean 'template'?). Correct"),
        (SMALL + "template = 'x'", "describe a dataset: template 'x' has no '{}'"),
        (SMALL + 'kind = "zip"', "kind: Input should be 'folder', 'table' or 'huggingface'"),
        (SMALL + 'split = "random"', "split: Input should be 'given', 'hash' or 'even'"),
        (SMALL + 'names = { "owl" = "x" }', "names has 'owl'"),
        (SMALL + 'names = { "crow" = " " }', "class 'crow' is empty"),
        ('images = "x"\nclasses = ["a", "a"]', "classes lists 'a' twice"),
        ('images = "x"\nclasses = ["a"]', "classes: Tuple should have at least 2 items"),
        (SMALL + 'columns = { paths = "x" }', "unknown key 'columns.paths' (Did you mean 'columns.path'?). Correct"),
    ],
)
def test_a_broken_file_is_one_warning_and_does_not_affect_others(
    custom_folder: Path, caplog: pytest.LogCaptureFixture, text: str, message: str
) -> None:
    (custom_folder / "bad.toml").write_text(text)
    (custom_folder / "good.toml").write_text(SMALL)
    load_custom_datasets(DATASETS)
    assert "good" in DATASETS
    assert "bad" not in DATASETS
    assert len(caplog.messages) == 1
    assert message in caplog.messages[0]
    assert "\n" not in caplog.messages[0]
    with pytest.raises(RegistrationError, match="loaded: .*bad.toml .*(Correct|remove)"):
        DATASETS.get("bad")


@pytest.mark.parametrize(("name", "message"), [("eurosat", "is registered twice"), ("My-Birds", "must match")])
def test_a_file_with_an_invalid_name_is_skipped(
    custom_folder: Path, caplog: pytest.LogCaptureFixture, name: str, message: str
) -> None:
    (custom_folder / f"{name}.toml").write_text(SMALL)
    before = set(DATASETS)
    load_custom_datasets(DATASETS)
    assert set(DATASETS) == before
    assert message in caplog.text
    assert f"{name}.toml" in caplog.text


@pytest.mark.parametrize(("name", "message"), [("eurosat", "'eurosat' is already"), ("My birds", "must match")])
def test_adding_rejects_names_that_are_taken_or_malformed(birds: Path, name: str, message: str) -> None:
    with pytest.raises(RegistrationError, match=message):
        add_images(birds, name=name)


def test_any_text_can_be_written_to_and_read_from_the_toml_file(tmp_path: Path) -> None:
    awkward = ('a "quoted" \\ name', "colt's foot", "Ünï 🐦", "tab\there", "del\x7f")
    added = add_images(class_folders(tmp_path / "birds", awkward))
    assert dataset.read_custom_dataset(added.file).class_names == added.config.classes == tuple(sorted(awkward))


def test_the_folders_that_are_searched_for_toml_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_BENCH_DATASETS", "/a")
    assert custom_folders() == [Path("/a")]
    monkeypatch.delenv("ETL_BENCH_DATASETS")
    assert custom_folders() == [Path("etl-bench-datasets"), user_custom_folder()]


# --- few images, and tables as spreadsheets write them ---------------------------------------------------------------


@pytest.mark.parametrize("first", [0, 16, 40])
def test_two_classes_of_eight_images_have_test_images(tmp_path: Path, first: int) -> None:
    added = add_images(class_folders(tmp_path / "images", n=8, first=first))
    for part in (added.splits.train, added.splits.test):
        assert {sample.label for sample in part} == {0, 1}
    if added.config.split == "even":
        assert part_sizes(added) == (8, 4, 4)
        assert 'split = "even"' in added.file.read_text()
        assert any("class is split evenly" in note for note in added.notes())


@pytest.mark.parametrize(
    ("suffix", "delimiter", "encoding", "name"),
    [
        (".csv", ",", "utf-8-sig", "comma"),
        (".csv", ";", "utf-8", "semicolon"),
        (".csv", "\t", "utf-16", "tab"),
        (".csv", "|", "utf-8", "bar"),
        (".tsv", "\t", "utf-8", "tab"),
        (".tsv", ",", "utf-8", "comma"),
    ],
)
def test_tables_as_spreadsheets_write_them(
    tmp_path: Path, suffix: str, delimiter: str, encoding: str, name: str
) -> None:
    images = class_folders(tmp_path / "elsewhere" / "images")
    rows = ["path" + delimiter + "label"]
    rows += [f"{path}{delimiter}{path.parent.name}" for path in sorted(images.rglob("*.png"))]
    table = tmp_path / f"table{suffix}"
    table.write_text("\n".join(rows), encoding=encoding)
    added = add_images(table)
    assert added.facts()["delimiter"] == name
    assert added.config.root == str(images)
    assert sum(part_sizes(added)) == 24
    assert {sample.key.partition("/")[0] for sample in added.splits.train} == {"crow", "gull"}
