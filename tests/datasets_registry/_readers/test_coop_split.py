import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from datasets_registry import CoopReader, DataError, read_coop_split

GOOD = {
    "train": [["b/1.jpg", 1, "dog"], ["a/1.jpg", 0, "cat"]],
    "val": [["a/2.jpg", 0, "cat"]],
    "test": [["b/2.jpg", 1, "dog"]],
}


@pytest.fixture
def written(tmp_path: Path) -> Callable[[object], Path]:
    def write(content: object) -> Path:
        path = tmp_path / "split_zhou_Toy.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    return write


def test_names_come_in_label_order_and_lists_in_file_order(written):
    split = read_coop_split(written(GOOD))
    assert split.class_names == ("cat", "dog")
    assert [(s.key, s.label) for s in split.train] == [("b/1.jpg", 1), ("a/1.jpg", 0)]


def test_an_empty_validation_list_is_valid(written):
    assert read_coop_split(written(GOOD | {"val": []})).val == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ([], "one object with the keys train, val and test, but has list"),
        ({"train": []}, r"one object with the keys train, val and test, but has \['train'\]"),
        (GOOD | {"extra": []}, "has .'extra', 'test'"),
        (GOOD | {"val": {}}, "'val' must be a list, but is dict"),
        (
            GOOD | {"val": [["x.jpg", 0]]},
            r"val\[0\] must be \[image path, label, class name\], but is \[\"x",
        ),
        (GOOD | {"val": ["abc"]}, r"val\[0\] must be \[image path"),
        (GOOD | {"val": [["x.jpg", "0", "cat"]]}, r"val\[0\] must be \[image path"),
        (GOOD | {"val": [["x.jpg", True, "dog"]]}, r"val\[0\] must be \[image path"),
        (GOOD | {"val": [["x.jpg", -1, "cat"]]}, r"val\[0\] has the negative label -1"),
        (GOOD | {"val": [["x.jpg", 0, " "]]}, r"val\[0\] has an empty class name"),
        (GOOD | {"val": [["../x.jpg", 0, "cat"]]}, r"val\[0\] has the path '../x.jpg', which is not a plain path"),
        (GOOD | {"val": [["/x.jpg", 0, "cat"]]}, "not a plain path below the image folder"),
        (GOOD | {"val": [["a\\x.jpg", 0, "cat"]]}, "not a plain path below the image folder"),
        (GOOD | {"val": [["a/1.jpg", 0, "cat"]]}, r"val\[0\] repeats the image 'a/1.jpg' of train\[1\]"),
        (GOOD | {"val": [["x.jpg", 0, "cow"]]}, r"val\[0\] calls label 0 'cow', but an earlier entry 'cat'"),
        (GOOD | {"val": [["x.jpg", 3, "cow"]]}, "labels must run from 0 to 3 without gaps, but 2 is missing"),
        ({"train": [], "val": [], "test": []}, "it lists no image"),
    ],
)
def test_the_error_for_a_malformed_file_names_the_entry(written, change, message):
    with pytest.raises(DataError, match=rf"split_zhou_Toy.json is malformed: .*{message}.* get it again"):
        read_coop_split(written(change))


def test_broken_json(tmp_path: Path):
    (tmp_path / "s.json").write_text("{")
    with pytest.raises(DataError, match="s.json cannot be read"):
        read_coop_split(tmp_path / "s.json")


class TestReader:
    def test_reads_the_splits_on_disk(self, coop_reader: CoopReader, coop_layout: Callable[..., Path]):
        splits = coop_reader(coop_layout(coop_reader, ["owl", "cat"]))
        assert splits.class_names == ("owl", "cat")
        assert (len(splits.train), len(splits.val), len(splits.test)) == (10, 6, 8)
        assert splits.images.load(splits.test[0].key).mode == "RGB"

    def test_no_data_folder_given(self, coop_reader: CoopReader):
        with pytest.raises(
            DataError,
            match="disk.* Pass --data-root FOLDER",
        ):
            coop_reader(None)

    def test_the_dataset_folder_is_missing(self, coop_reader: CoopReader, tmp_path: Path):
        with pytest.raises(
            DataError,
            match=r"'toy'. --data-root \(or ETL_BENCH_DATA\)",
        ):
            coop_reader(tmp_path)

    def test_the_dataset_folder_was_given_as_data_folder(
        self, coop_reader: CoopReader, coop_layout: Callable[..., Path]
    ):
        root = coop_layout(coop_reader, ["owl", "cat"])
        with pytest.raises(DataError, match="dataset 'toy' itself"):
            coop_reader(root / "toy_folder")

    def test_a_missing_split_file_is_an_error(self, coop_reader: CoopReader, coop_layout: Callable[..., Path]):
        root = coop_layout(coop_reader, ["owl", "cat"])
        path = root / "toy_folder" / "split_zhou_Toy.json"
        path.unlink()
        with pytest.raises(
            DataError,
            match=rf"No split file of 'toy' at {path}. .* never generated here. Get it from https://example.org/split",
        ):
            coop_reader(root)
        assert not path.exists()

    def test_no_image_folder(self, coop_reader: CoopReader, tmp_path: Path):
        (tmp_path / "toy_folder").mkdir()
        (tmp_path / "toy_folder" / "split_zhou_Toy.json").write_text(json.dumps(GOOD))
        with pytest.raises(DataError, match="'toy' at .*https://example.org/images"):
            coop_reader(tmp_path)

    def test_missing_images_are_counted_and_listed_in_part(
        self, coop_reader: CoopReader, coop_layout: Callable[..., Path]
    ):
        root = coop_layout(coop_reader, ["owl", "cat"])
        (root / "toy_folder/pictures/class1/test_0.jpg").unlink()
        with pytest.raises(DataError, match="1 of the 24 images .*class1/test_0.jpg"):
            coop_reader(root)

    def test_a_damaged_image_raises_when_it_is_read(self, coop_reader: CoopReader, coop_layout: Callable[..., Path]):
        root = coop_layout(coop_reader, ["owl", "cat"])
        (root / "toy_folder/pictures/class1/test_0.jpg").write_text("not an image")
        splits = coop_reader(root)
        with pytest.raises(DataError, match=r"class1/test_0.jpg cannot be decoded"):
            splits.images.load("class1/test_0.jpg")

    def test_images_beside_the_split_file_have_one_slash(self, coop_reader: CoopReader, tmp_path: Path):
        with pytest.raises(DataError, match=r"toy/split.json and toy/\W") as caught:
            replace(coop_reader, folder="toy", image_folder="", split_file="split.json")(tmp_path)
        assert "toy//" not in str(caught.value)
