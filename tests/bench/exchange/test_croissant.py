"""Datasets in Croissant are valid for the reader of MLCommons, which reads the same images, labels and draws."""

from __future__ import annotations

import csv
import hashlib
import importlib
import json
import os
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import bench
from bench.exchange.croissant import write_croissant
from bench.exchange.croissant_document import Publication
from datasets_registry import (
    DATASETS,
    DatasetInfo,
    DatasetSplits,
    DrawRule,
    EvalProtocol,
    FewShotTask,
    build_task,
    get_dataset,
    register_dataset,
)

Etl = Callable[..., tuple[int, str, str]]
ABOUT = Publication("A lab", "https://example.org/birds", "1.0.0", "2026-01-31")


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """`mlcroissant`, which reads the folder of its cache when it is imported, and warns of its own code."""
    os.environ["CROISSANT_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield importlib.import_module("mlcroissant")
    del os.environ["CROISSANT_CACHE"]


@pytest.fixture(scope="module")
def drawn() -> tuple[DatasetInfo, DatasetSplits]:
    """Four classes of a drawn dataset."""
    info = get_dataset("spectrum_basic:test=2")
    splits = info.reader(None)
    parts = {part: tuple(s for s in getattr(splits, part) if s.label < 4) for part in ("train", "val", "test")}
    return replace(info, citation="@misc{birds}"), replace(splits, class_names=splits.class_names[:4], **parts)


@pytest.fixture(scope="module")
def draws(drawn: tuple[DatasetInfo, DatasetSplits]) -> list[FewShotTask]:
    rule: dict[str, Any] = {"protocol": EvalProtocol.FEW_SHOT, "draw": DrawRule.COOP}
    return [build_task(*drawn, shots=shots, seed=seed, **rule) for shots in (1, 4) for seed in (1, 2)]


@pytest.fixture(scope="module")
def folder(
    drawn: tuple[DatasetInfo, DatasetSplits], draws: list[FewShotTask], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    place = tmp_path_factory.mktemp("croissant")
    write_croissant(place, *drawn, ABOUT, draws)
    return place


def records(reader: Any, folder: Path, name: str) -> list[dict[str, Any]]:
    """The records of a set, with texts in place of bytes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = list(reader.Dataset(folder / "croissant.json").records(name))
    return [
        {key.partition("/")[2]: value.decode() if isinstance(value, bytes) else value for key, value in row.items()}
        for row in found
    ]


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_reader_finds_no_fault(reader: Any, folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metadata = reader.Dataset(folder / "croissant.json").metadata
    assert metadata.ctx.issues.report() == ""
    assert (metadata.name, metadata.version, metadata.url) == ("spectrum_basic:test=2", "1.0.0", ABOUT.url)
    assert metadata.cite_as == "@misc{birds}"
    assert [item.name for item in metadata.license] == ["MIT (drawn by this project)"]
    assert [item.name for item in metadata.creators] == ["A lab"]


def test_the_reader_gives_the_images_with_their_labels_and_splits(
    reader: Any, folder: Path, drawn: tuple[DatasetInfo, DatasetSplits]
) -> None:
    _, splits = drawn
    assert records(reader, folder, "classes") == [
        {"index": i, "name": name} for i, name in enumerate(splits.class_names)
    ]
    assert [row["name"] for row in records(reader, folder, "splits")] == ["train", "val", "test"]
    of_image = {row["image"]: row for row in records(reader, folder, "listing")}
    found = records(reader, folder, "images")
    read = {(row["split"], of_image[row["image"]]["key"], row["label"]) for row in found}
    assert read == {(part, s.key, s.label) for part in ("train", "val", "test") for s in getattr(splits, part)}
    for row in found[::7]:
        listed = of_image[row["image"]]
        assert np.array_equal(row["content"], splits.images.load(listed["key"]))
        assert (listed["split"], listed["class_index"]) == (row["split"], row["label"])
        assert listed["class_name"] == splits.class_names[row["label"]]


def test_the_reader_takes_one_split_alone(reader: Any, folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = reader.Dataset(folder / "croissant.json")
        found = list(data.records("images", filters={"images/split": "val"}))
    assert {row["images/split"] for row in found} == {b"val"}
    assert len(found) == 4 * 4


def test_the_draws_are_those_of_the_benchmark(reader: Any, folder: Path, draws: list[FewShotTask]) -> None:
    key_of = {row["image"]: row["key"] for row in table(folder / "images.csv")}
    rows = records(reader, folder, "support")
    for task in draws:
        for part, support in (("train", task.support), ("val", task.validation)):
            found = [
                key_of[row["image"]]
                for row in rows
                if (row["shots"], row["seed"], row["part"], row["draw"]) == (task.shots, task.seed, part, "coop")
            ]
            assert found == [sample.key for sample in support.samples]
    assert len(rows) == sum(len(task.support) + len(task.validation) for task in draws)


def test_the_reader_refuses_a_file_that_was_changed(reader: Any, folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with (tmp_path / "images.csv").open("a") as file:
        file.write("another.png,train,red_circle,0,9/9,0\n")
    with pytest.raises(reader.GenerationError) as refused:
        records(reader, tmp_path, "listing")
    assert "images.csv is not identical" in str(refused.value.__cause__)


def test_the_same_dataset_gives_the_same_bytes(
    folder: Path, drawn: tuple[DatasetInfo, DatasetSplits], draws: list[FewShotTask], tmp_path: Path
) -> None:
    paths = write_croissant(tmp_path, *drawn, ABOUT, draws)
    assert {path.name: path.read_bytes() for path in paths} == {p.name: p.read_bytes() for p in folder.iterdir()}
    archive = next(path for path in paths if path.suffix == ".zip")
    assert archive.name == f"images-{hashlib.sha256(archive.read_bytes()).hexdigest()[:8]}.zip"


# --- own images and the command ---------------------------------------------------------------------------------------


@pytest.fixture
def birds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[DatasetInfo]:
    """Own images in two classes, with a photograph that lies on its side and an image of 16 bits."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ETL_BENCH_DATASETS", str(tmp_path / "own"))
    for label, name in enumerate(("crow", "blue jay")):
        (tmp_path / "birds" / name).mkdir(parents=True)
        for i in range(10):
            Image.new("RGB", (8, 8), (label * 80, i * 20, 90)).save(tmp_path / "birds" / name / f"{i}.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.effect_noise((12, 6), 60).convert("RGB").save(tmp_path / "birds" / "crow" / "side.jpg", exif=exif)
    deep = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000
    Image.fromarray(deep).save(tmp_path / "birds" / "crow" / "deep.png")
    yield bench.add_dataset("birds", "birds").info
    DATASETS.remove("birds")


def test_own_images_are_written_as_the_benchmark_sees_them(etl: Etl, birds: DatasetInfo, tmp_path: Path) -> None:
    code, out, err = etl("datasets", "croissant", "birds", "--out", "out")
    assert code == 0, err
    assert "requires a creator (--creator), a web page (--url), a licence (`licence` in its TOML file)." in err
    (archive,) = (tmp_path / "out").glob("images-*.zip")
    assert set(out.splitlines()) == {f"out/{name}" for name in ("croissant.json", "images.csv", archive.name)}
    splits = birds.reader(None)
    with zipfile.ZipFile(archive) as file:
        assert len(file.namelist()) == 22
        for row in table(tmp_path / "out" / "images.csv"):
            content = file.read(row["image"])
            assert hashlib.sha256(content).hexdigest() == row["sha256"]
            with file.open(row["image"]) as image:
                assert np.array_equal(Image.open(image).convert("RGB"), splits.images.load(row["key"]))
            unchanged = content == (tmp_path / "birds" / row["key"]).read_bytes()
            assert unchanged is not row["key"].startswith(("crow/side", "crow/deep"))


def test_after_a_damaged_image_the_folder_can_be_written_again(etl: Etl, birds: DatasetInfo, tmp_path: Path) -> None:
    path = tmp_path / "birds" / "blue jay" / "3.png"
    content = path.read_bytes()
    path.write_bytes(content[:40])
    code, _, err = etl("datasets", "croissant", "birds", "--out", "out")
    assert (code, "3.png" in err, list((tmp_path / "out").iterdir())) == (2, True, [])
    path.write_bytes(content)
    assert etl("datasets", "croissant", "birds", "--out", "out")[0] == 0


def test_the_unpacked_folder_can_be_added_again(etl: Etl, birds: DatasetInfo, tmp_path: Path) -> None:
    assert etl("datasets", "croissant", "birds", "--out", "out")[0] == 0
    (archive,) = (tmp_path / "out").glob("images-*.zip")
    with zipfile.ZipFile(archive) as file:
        file.extractall(tmp_path / "out")
    again = bench.add_dataset("again", "out/images.csv", guess_names=False)
    DATASETS.remove("again")
    key_of = {row["image"]: row["key"] for row in table(tmp_path / "out" / "images.csv")}

    def content(splits: DatasetSplits, keys: dict[str, str]) -> dict[str, tuple[str, str]]:
        return {
            keys.get(s.key, s.key): (part, splits.class_names[s.label])
            for part in ("train", "val", "test")
            for s in getattr(splits, part)
        }

    assert content(again.splits, key_of) == content(birds.reader(None), {})


def test_facts_of_the_entry_and_options_are_in_the_document(etl: Etl, birds: DatasetInfo, tmp_path: Path) -> None:
    licence = "https://creativecommons.org/licenses/by/4.0/"
    DATASETS.remove("birds")
    register_dataset(replace(birds, licence=licence, homepage="https://example.org", citation="@misc{b}"))
    options = ["--creator", "A lab", "--version", "2.1.0", "--date", "2026-01-31", "--shots", "1,2", "--seeds", "2"]
    code, _, err = etl("datasets", "croissant", "birds", "--out", "out", *options)
    assert (code, "requires" in err) == (0, False)
    written = json.loads((tmp_path / "out" / "croissant.json").read_text())
    assert (written["license"], written["url"], written["citeAs"]) == (licence, "https://example.org", "@misc{b}")
    assert (written["creator"]["name"], written["version"]) == ("A lab", "2.1.0")
    assert written["datePublished"] == "2026-01-31"
    rows = table(tmp_path / "out" / "support.csv")
    assert {(row["shots"], row["seed"]) for row in rows} == {(k, s) for k in "12" for s in "12"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("eurosat --out new", "The images of dataset 'eurosat' are not copied."),
        ("spectrum_basic --out full", "--out full is not empty; name a new folder."),
        ("spectrum_basic --out full/file.txt", "full/file.txt is not a folder"),
        ("spectrum_basic --out new --date 31.1.2026", "--date '31.1.2026' is not a day such as 2026-01-31."),
        ("spectrum_basic --out new --version 2", "--version '2' is not three numbers such as 1.0.0."),
        ("spectrum_basic --out new --shots all", "--shots 'all' must be numbers of at least 1, such as 1,4,16."),
        ("spectrum_basic --out new --shots 99", "99"),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_is(
    etl: Etl, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file.txt").write_text("x")
    code, out, err = etl("datasets", "croissant", *arguments.split())
    assert (code, out) == (2, "")
    assert message in err
    assert not (tmp_path / "new").exists()
