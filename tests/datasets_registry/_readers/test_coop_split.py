"""CoOp's split files: what is read, and which entry of a malformed one is named.

`test_check.py` tries what is missing on disk, and `test_layouts.py` where the images may be.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from small_datasets import write_dataset

from datasets_registry import CoopReader, DataError, get_dataset, read_coop_split

GOOD = {
    "train": [["b/1.jpg", 1, "dog"], ["a/1.jpg", 0, "cat"]],
    "val": [["a/2.jpg", 0, "cat"]],
    "test": [["b/2.jpg", 1, "dog"]],
}
READER: CoopReader = get_dataset("dtd").reader


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
    assert read_coop_split(written(GOOD | {"val": []})).val == ()


WRONG_ENTRIES = [
    (["x.jpg", 0], r"must be \[image path, label, class name\], but is \[\"x"),
    ("abc", r"must be \[image path"),
    (["x.jpg", "0", "cat"], r"must be \[image path"),
    (["x.jpg", True, "dog"], r"must be \[image path"),
    (["x.jpg", -1, "cat"], "has the negative label -1"),
    (["x.jpg", 0, " "], "has an empty class name"),
    (["../x.jpg", 0, "cat"], "has the path '../x.jpg', which is not a plain path"),
    (["/x.jpg", 0, "cat"], ".*not a plain path below the image folder"),
    (["a\\x.jpg", 0, "cat"], ".*not a plain path below the image folder"),
    (["a/1.jpg", 0, "cat"], r"repeats the image 'a/1.jpg' of train\[1\]"),
    (["x.jpg", 0, "cow"], "calls label 0 'cow', but an earlier entry 'cat'"),
]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "one object with the keys train, val and test, but has list"),
        ({"train": []}, r"one object with the keys train, val and test, but has \['train'\]"),
        (GOOD | {"extra": []}, "has .'extra', 'test'"),
        (GOOD | {"val": {}}, "'val' must be a list, but is dict"),
        (GOOD | {"val": [["x.jpg", 3, "cow"]]}, "labels must run from 0 to 3 without gaps, but 2 is missing"),
        ({"train": [], "val": [], "test": []}, "it lists no image"),
        *((GOOD | {"val": [entry]}, rf"val\[0\] {message}") for entry, message in WRONG_ENTRIES),
    ],
)
def test_the_error_for_a_malformed_file_names_the_entry(written, content, message):
    with pytest.raises(DataError, match=rf"split_zhou_Toy.json is malformed: .*{message}.* get it again"):
        read_coop_split(written(content))


def test_the_dataset_folder_was_given_as_data_folder(tmp_path: Path):
    write_dataset(tmp_path, "dtd")
    with pytest.raises(DataError, match="dataset 'dtd' itself"):
        READER(tmp_path / "dtd")


def test_images_beside_the_split_file_have_one_slash(tmp_path: Path):
    with pytest.raises(DataError, match=r"toy/split.json and toy/\W") as caught:
        replace(READER, folder="toy", image_folder="", split_file="split.json")(tmp_path)
    assert "toy//" not in str(caught.value)
