"""Groups of own images: the column of a table, splits that keep a group in one part, and notes where they do not."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from own_folders import add_images, class_folders, picture

from datasets_registry import (
    AddedDataset,
    ColumnNames,
    DataError,
    EvalProtocol,
    SplitRule,
    TaskRequest,
    build_task,
    check_dataset,
)
from datasets_registry._custom.dataset import read_custom_dataset

PARTS = ("train", "val", "test")


def table(folder: Path, rows: list[tuple[str, ...]], header: tuple[str, ...] = ("label", "patient")) -> Path:
    """A table of one image for each row, which has the values of the columns of the header."""
    folder.mkdir()
    with (folder / "scans.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", *header))
        for place, row in enumerate(rows):
            picture(place).save(folder / f"{place:03d}.png")
            writer.writerow((f"{place:03d}.png", *row))
    return folder / "scans.csv"


def patients(classes: int = 2, each: int = 8, images: int = 3) -> list[tuple[str, str]]:
    return [(f"c{c}", f"c{c}-p{p}") for c in range(classes) for p in range(each) for _ in range(images)]


def add(images: Path, group: str | None = "patient", split: SplitRule | None = None) -> AddedDataset:
    return add_images(images, force=True, split=split, columns=ColumnNames(group=group))


def parts_of_groups(added: AddedDataset) -> dict[str | None, set[str]]:
    found: defaultdict[str | None, set[str]] = defaultdict(set)
    for part in PARTS:
        for sample in getattr(added.splits, part):
            found[sample.group].add(part)
    return found


def notes(added: AddedDataset) -> str:
    return "\n".join(added.notes())


@pytest.mark.parametrize("split", ["hash", "even"])
def test_a_drawn_split_keeps_each_group_in_one_part(tmp_path: Path, split: SplitRule) -> None:
    added = add(table(tmp_path / "scans", patients(each=12)), split=split)
    parts = parts_of_groups(added)
    assert len(parts) == 24
    assert all(len(found) == 1 for found in parts.values())
    assert added.facts()["groups"] == 24
    assert "column 'patient' gives 24 groups" in notes(added)
    again = read_custom_dataset(added.file).reader(None)
    assert (again.train, again.test) == (added.splits.train, added.splits.test)


def test_a_group_stays_in_its_part_when_images_and_groups_are_added(tmp_path: Path) -> None:
    before = add(table(tmp_path / "before", patients(each=12)), split="hash")
    after = add(table(tmp_path / "after", patients(classes=3, each=20, images=4)), split="hash")
    later = parts_of_groups(after)
    assert all(later[group] == parts for group, parts in parts_of_groups(before).items())


@pytest.mark.parametrize("each", [2, 3, 5, 9])
def test_an_even_split_of_groups_has_every_class_in_train_and_test(tmp_path: Path, each: int) -> None:
    """Groups of very different sizes, and a patient with images of both classes."""
    rows = [(f"c{c}", f"c{c}-p{p}") for c in range(3) for p in range(each) for _ in range(1 + 7 * (p == 0))]
    added = add(table(tmp_path / "scans", [*rows, ("c0", "both"), ("c1", "both")]), split="even")
    assert all(len(found) == 1 for found in parts_of_groups(added).values())
    for part in ("train", "test"):
        assert {sample.label for sample in getattr(added.splits, part)} == {0, 1, 2}


def test_the_split_is_even_where_a_hash_of_few_groups_leaves_a_class_untested(tmp_path: Path) -> None:
    assert add(table(tmp_path / "scans", patients(each=2))).config.split == "even"


def test_a_column_named_group_is_used_and_others_only_on_request(tmp_path: Path) -> None:
    named = add(table(tmp_path / "named", patients(), header=("label", "Group")), group=None)
    assert named.config.columns.group == "Group"
    assert len(named.groups) == 16
    other = add(table(tmp_path / "other", patients(), header=("label", "Patient ID")), group=None)
    assert not other.groups
    assert "groups" not in other.facts()
    assert "--column 'group=Patient ID'" in notes(other)


def test_images_without_a_group_are_named_and_split_by_themselves(tmp_path: Path) -> None:
    rows = patients(each=12)
    rows[3] = ("c0", "")
    rows[9] = ("c0", " ")
    added = add(table(tmp_path / "scans", rows))
    assert "no group (003.png, 009.png)" in notes(added)


@pytest.mark.parametrize(("tested", "note"), [("p1", "1 of 3 groups"), ("p3", "are of one group (p3)")])
def test_a_given_split_with_a_group_on_both_sides_or_one_group_at_test_is_noted(
    tmp_path: Path, tested: str, note: str
) -> None:
    rows = [("c0", "p1", "train"), ("c1", "p2", "train"), ("c0", tested, "test"), ("c1", "p3", "test")]
    added = add(table(tmp_path / "scans", rows, header=("label", "patient", "split")))
    assert added.config.split == "given"
    assert note in notes(added)


def test_one_group_for_all_images_cannot_be_split(tmp_path: Path) -> None:
    scans = table(tmp_path / "scans", [("c0", "p1")] * 6 + [("c1", "p2")] * 6)
    with pytest.raises(DataError, match=r"two groups \(column 'patient'\)"):
        add(scans)
    with pytest.raises(DataError, match="no column 'slide'"):
        add(scans, group="slide")


def test_a_group_column_of_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--column and --root"):
        add(class_folders(tmp_path / "birds"))


def test_the_check_reports_what_adding_reported(tmp_path: Path) -> None:
    rows = [("c0", "p1", "train"), ("c1", "", "train"), ("c0", "p1", "test"), ("c1", "p1", "test")]
    added = add(table(tmp_path / "scans", rows, header=("label", "patient", "split")))
    found = check_dataset(added.info, None)
    codes = {"groups-in-two-parts", "images-without-group", "one-group"}
    assert codes <= {finding.code for finding in found.findings}
    assert not found.problems


def test_groups_reach_the_test_images_of_a_task_and_leave_its_fingerprint(tmp_path: Path) -> None:
    header = ("label", "patient", "split")
    rows = [(f"c{c}", f"p{i % 3}-{part}", part) for c in range(2) for part in ("train", "test") for i in range(6)]
    scans = table(tmp_path / "scans", rows, header=header)
    tasks = []
    for group in ("patient", None):
        info = add(scans, group).info
        task = build_task(TaskRequest(info, info.reader(None), EvalProtocol.BASE_TO_NEW, 2, 1, "coop"))
        tasks.append(task)
    base, new = (split.groups() for split in tasks[0].evals)
    assert base is not None
    assert base.tolist() == [0, 1, 2, 0, 1, 2]
    np.testing.assert_array_equal(new, base, "splits share the numbers")
    assert tasks[1].evals[0].groups() is None
    assert tasks[0].fingerprint == tasks[1].fingerprint
    assert all(sample.group for sample in tasks[0].support.samples)
