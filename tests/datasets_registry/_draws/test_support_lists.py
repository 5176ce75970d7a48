"""Support lists are written, read and validated against the dataset; errors name what does not match."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from places import REAL_DATA
from small_datasets import write_dataset

from datasets_registry import (
    DataError,
    DatasetInfo,
    DatasetSplits,
    EvalProtocol,
    TaskRequest,
    build_task,
    get_dataset,
    read_support_list,
    support_manifest,
)
from datasets_registry._draws.support_lists import resolve_support_list

FEW_SHOT = {"protocol": EvalProtocol.FEW_SHOT, "shots": 2, "seed": 1}


@pytest.fixture
def toy(tmp_path: Path) -> tuple[DatasetInfo, DatasetSplits, Path]:
    info = get_dataset("dtd")
    write_dataset(tmp_path, "dtd", classes=2, train=5, val=3, class_names=["big_owl", "cat"])
    return info, info.reader(tmp_path), tmp_path


@pytest.fixture
def written(tmp_path: Path):
    def write(content: object, *, lines: bool = False) -> Path:
        path = tmp_path / ("list.jsonl" if lines else "list.json")
        text = "\n".join(json.dumps(row) for row in content) if lines else json.dumps(content)
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def exported(toy, written) -> Callable[..., Path]:
    info, splits, _ = toy

    def export(**changes: object) -> Path:
        return written(support_manifest(build_task(TaskRequest(info, splits, draw="coop", **FEW_SHOT))) | changes)

    return export


def test_a_written_list_gives_the_same_images_when_read(toy, exported):
    info, splits, _ = toy
    listed = read_support_list(exported())
    assert (listed.dataset, listed.shots, listed.seed) == ("dtd", 2, 1)
    drawn = build_task(TaskRequest(info, splits, draw="coop", **FEW_SHOT))
    again = build_task(TaskRequest(info, splits, draw="file", support_list=listed, **FEW_SHOT))
    assert again.support.samples == drawn.support.samples
    assert again.validation.samples == drawn.validation.samples
    base = build_task(
        TaskRequest(info, splits, draw="file", support_list=listed, **FEW_SHOT | {"protocol": EvalProtocol.BASE_TO_NEW})
    )
    assert base.support.samples == drawn.support.samples[:2]
    content = support_manifest(drawn)
    assert content["fingerprint"] == drawn.fingerprint
    assert (content["draw"], content["class_names"]) == ("coop", ["big_owl", "cat"])
    assert content["train"][0]["digest"] == splits.images.digest(content["train"][0]["key"])


def test_json_lines_with_parent_folders_before_the_keys(toy, written):
    info, splits, _ = toy
    rows = [
        {"impath": "/home/somebody/data/dtd/pictures/class0/train_1.png", "label": 0, "classname": "big owl"},
        {"path": "class1/train_0.png", "label": 1},
        {"path": "class1/val_2.png", "label": 1, "domain": 0},
    ]
    listed = read_support_list(written(rows, lines=True))
    assert (listed.dataset, listed.seed, listed.shots) == (None, None, 2)
    keys = [sample.key for sample in resolve_support_list(listed, info, splits).train]
    assert keys == ["class0/train_1.png", "class1/train_0.png", "class1/val_2.png"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"path": "class0/none.png", "label": 0}, "'class0/none.png' .* not in dataset 'dtd'"),
        ({"path": "class0/test_0.png", "label": 0}, "'class0/test_0.png' .* is a test image"),
        ({"path": "class0/train_1.png", "label": 1}, r"label 1, but 0 \(big_owl\) in dataset 'dtd'"),
        ({"path": "class0/train_1.png", "label": 0, "classname": "dog"}, r"has label 0 \(dog\), but 0 \(big_owl\)"),
        ({"path": "class1/train_0.png", "label": 1}, "image 'class1/train_0.png' twice"),
        ({"path": "class1/train_1.png", "label": 1}, r"class 'big_owl' \(1 such\) .* all 2 classes"),
        ({"path": "class0/train_1.png", "label": 0, "digest": "ab" * 32}, "digest .* here, but abababababab in"),
    ],
)
def test_a_list_that_does_not_match_the_dataset_is_rejected(toy, written, change, message: str):
    info, splits, _ = toy
    listed = read_support_list(written([{"path": "class1/train_0.png", "label": 1}, change], lines=True))
    with pytest.raises(DataError, match=message):
        resolve_support_list(listed, info, splits)


def test_an_image_whose_content_changed_is_rejected(toy, exported):
    info, _, root = toy
    listed = read_support_list(exported())
    Image.new("RGB", (9, 9)).save(root / "dtd/images" / listed.train[0].path)
    with pytest.raises(DataError, match="its content differs"):
        resolve_support_list(listed, info, info.reader(root))


def test_a_list_of_another_dataset_or_with_an_image_twice_and_a_draw_from_no_list_are_rejected(toy, exported):
    info, splits, _ = toy
    first = read_support_list(exported()).train[0]
    with pytest.raises(DataError, match="twice"):
        resolve_support_list(read_support_list(exported(val=[{"key": first.path, "label": first.label}])), info, splits)
    with pytest.raises(DataError, match="dataset 'other', not 'dtd'"):
        resolve_support_list(read_support_list(exported(dataset="other")), info, splits)
    with pytest.raises(DataError, match="go together; use --draw"):
        build_task(TaskRequest(info, splits, draw="file", **FEW_SHOT))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"label": 0}], "line 1 must be an object with a path and an integer label"),
        ([{"path": "a.jpg", "label": "0"}], "line 1 must be an object with a path and an integer label"),
        ([["a.jpg", 0]], "line 1 must be an object"),
        ([], "it lists no image"),
    ],
)
def test_the_error_names_a_malformed_line(written, content, message: str):
    with pytest.raises(DataError, match=rf"list.jsonl is malformed: {message}.*etl-bench datasets draw"):
        read_support_list(written(content, lines=True))


def test_the_error_names_what_is_malformed_in_a_manifest(exported, tmp_path: Path):
    with pytest.raises(DataError, match="'shots' must be int"):
        read_support_list(exported(shots="two"))
    with pytest.raises(DataError, match=r"train\[0\] must"):
        read_support_list(exported(train=[{"key": "a"}]))
    (tmp_path / "x.jsonl").write_text('{"path": "a", "label": 0}\n{"path"')
    with pytest.raises(DataError, match=r"line 2 is not JSON"):
        read_support_list(tmp_path / "x.jsonl")
    with pytest.raises(DataError, match=r"none.json cannot be read"):
        read_support_list(tmp_path / "none.json")


@pytest.mark.parametrize("data", ["generated", pytest.param("real", marks=pytest.mark.real_data)])
def test_lists_with_the_paths_of_the_published_ones_match_the_splits(data: str, tmp_path: Path, written):
    """A real subset holds CoOp's seed-1 16-shot images of its classes, so the published list of them resolves."""
    info = get_dataset("caltech101")
    root = REAL_DATA / "real" if data == "real" else tmp_path
    if data == "generated":
        write_dataset(root, info.name, train=6, val=4, class_names=info.class_names[:4])
    splits = info.reader(root)
    task = build_task(TaskRequest(info, splits, protocol=EvalProtocol.FEW_SHOT, shots=4, seed=1, draw="coop"))
    rows = [{"path": f"caltech-101/101_ObjectCategories/{s.key}", "label": s.label} for s in task.support.samples]
    listed = read_support_list(written(rows, lines=True))
    assert resolve_support_list(listed, info, splits).train == task.support.samples
