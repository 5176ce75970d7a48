"""Own images are added from Python as by the command, and can be run at once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from own_folders import class_folders

from bench import UsageError, add_dataset, plan, run
from bench.results import fresh_store
from datasets_registry import DATASETS, BenchError, DataError, RegistrationError, get_dataset


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ETL_BENCH_DATASETS", str(tmp_path / "toml"))
    return class_folders(tmp_path / "birds", ("house_sparrow", "robin"))


@pytest.fixture
def usual_folders(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working folder and that of the user, in place of one that the environment names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ETL_BENCH_DATASETS")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture(autouse=True)
def _forget() -> object:
    yield
    if "py_birds" in DATASETS:
        DATASETS.remove("py_birds")


def test_a_dataset_can_be_planned_in_the_process_that_added_it(images: Path):
    added = add_dataset(
        "py_birds", str(images), template="a photo of a {}, a bird.", names={"robin": "red robin"}, split="even"
    )
    assert added.facts()["class_names"] == ["house_sparrow", "red robin"]
    assert get_dataset("py_birds").template == "a photo of a {}, a bird."
    assert added.file == images.parent / "toml" / "py_birds.toml"
    planned = plan("zero_shot", "py_birds", backbone="ViT-demo.drawn", runs=images.parent / "runs")
    assert [spec.dataset for spec in planned.specs] == ["py_birds"]


def test_a_dataset_is_brought_up_to_date_and_replaced_only_on_request(images: Path):
    add_dataset("py_birds", images, split="even", template="{}")
    (images / "robin" / "0.png").unlink()
    assert add_dataset("py_birds", images).facts()["images"] == 23
    assert get_dataset("py_birds").template == "{}"
    others = images.rename(images.parent / "others")
    with pytest.raises(RegistrationError, match="py_birds.toml exists"):
        add_dataset("py_birds", others)
    add_dataset("py_birds", others, force=True)
    assert get_dataset("py_birds").template == "a photo of a {}."


@pytest.mark.usefixtures("usual_folders")
@pytest.mark.parametrize("user", [False, True])
def test_a_dataset_is_brought_up_to_date_where_its_file_is(images: Path, tmp_path: Path, user: bool):
    first = add_dataset("py_birds", images, user=user)
    for again in (False, True):
        added = add_dataset("py_birds", images, user=again)
        assert added.file == first.file
    assert len([*tmp_path.rglob("py_birds.toml")]) == 1


@pytest.mark.usefixtures("usual_folders")
def test_force_replaces_no_dataset_of_another_folder(images: Path, tmp_path: Path):
    first = add_dataset("py_birds", images, user=True)
    before = first.file.read_bytes()
    shutil.copytree(images, tmp_path / "others")
    with pytest.raises(RegistrationError, match="already in the catalogue"):
        add_dataset("py_birds", tmp_path / "others", force=True)
    assert first.file.read_bytes() == before


def test_wrong_options_are_refused_and_nothing_is_written(images: Path):
    for empty in ("", " "):
        with pytest.raises(UsageError, match="folder or a table"):
            add_dataset("py_birds", empty)
        with pytest.raises(UsageError, match="--title '.?' is empty. Leave"):
            add_dataset("py_birds", images, title=empty)
    with pytest.raises(UsageError, match="--column names=... is unknown."):
        add_dataset("py_birds", images, columns={"names": "x"})
    with pytest.raises(UsageError, match="--split 'thirds' is unknown.*given"):
        add_dataset("py_birds", images, split="thirds")
    with pytest.raises(BenchError, match="no '{}'"):
        add_dataset("py_birds", images, template="a bird")
    with pytest.raises(DataError):
        add_dataset("py_birds", images, min_images=100)
    assert not (images.parent / "toml").exists()
    assert "py_birds" not in DATASETS


def test_columns_of_a_table_are_named_and_its_groups_reach_the_frame_of_runs(images: Path, tmp_path: Path):
    paths = sorted(images.rglob("*.png"))
    rows = [f"{path.relative_to(images)},{path.parent.name},p{place // 2}" for place, path in enumerate(paths)]
    table = images.parent / "list.csv"
    table.write_text("\n".join(["where,what,patient", *rows]))
    columns = {"path": "where", "label": "what", "group": "patient"}
    added = add_dataset("py_birds", table, root=str(images), columns=columns, split="even")
    assert (added.facts()["images"], added.facts()["groups"]) == (24, 12)
    backbone, runs = "ViT-tiny.random", tmp_path / "runs"
    cache = tmp_path / "cache"
    run(["zero_shot"], ["py_birds"], backbones=[backbone], protocol="few-shot", runs=runs, cache=cache, jobs=0)
    (row,) = fresh_store(runs).runs_frame(outcomes=True).to_dict("records")
    group_of = {sample.key: sample.group for sample in added.splits.test}
    names = [group_of[key] for key in sorted(group_of)]
    codes = row["groups"].tolist()
    assert len(codes) == len(row["correct"]) == len(names)
    assert len(set(zip(names, codes, strict=True))) == len(set(names)) == len(set(codes)) > 1
