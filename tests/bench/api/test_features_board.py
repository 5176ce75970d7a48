"""The board on imported features: its definition runs from a folder of files, and its page shows its methods."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
from places import ROOT

from bench.api import add_features, list_experiments, reproduce_paper
from bench.errors import UsageError
from bench.experiment import load_inputs, read_splits
from bench.papers import read_paper
from datasets_registry import DATASETS, feature_bundle
from tools.board_features import NEAR_COPY, write

PAPER = "features-board"
DATASETS_OF_BOARD = ("breeds_23", "objects_26", "imagenet_1000")
CLASSES, WIDTH = 6, 16
"""Size of the stand-in for ImageNet."""


def stand_in_collection(folder: Path) -> None:
    """Random features around class texts, in the layout of the real collection."""
    rng = np.random.default_rng(0)
    texts = rng.normal(size=(CLASSES, WIDTH))

    def features(shots: int) -> dict[str, np.ndarray]:
        labels = np.arange(CLASSES).repeat(shots)
        rows = texts[labels] + rng.normal(size=(len(labels), WIDTH))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        name = f"train{shots}" if shots < 20 else "test"
        return {f"{name}_f": rows.astype(np.float16), f"{name}_l": labels.astype(np.int16)}

    folder.mkdir()
    imagenet = features(1) | features(2) | features(4)
    imagenet["train2_f"][0] = imagenet["train4_f"][0]  # an image that is drawn for training and for tests
    imagenet["train1_f"][3] = imagenet["train2_f"][6]  # and one that is in both test sets
    worse = texts + rng.normal(size=texts.shape)
    np.savez(folder / "imagenet.npz", **imagenet, text_a=worse, text_b=texts)
    for name in ("oxford_pets", "caltech101"):
        np.savez(folder / f"{name}.npz", **features(16), **features(20))
    chosen = [{"label": label, "classname": f"kind {label}", "imagenet_index": label} for label in (1, 3, 4)]
    (folder / "text_overlap.json").write_text(json.dumps({"oxford_pets": chosen, "caltech101": chosen}))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the board from a stand-in collection."""
    folder = tmp_path_factory.mktemp("features")
    stand_in_collection(folder / "collection")
    write(folder / "collection", folder / "files")
    return folder / "files"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder of custom datasets, which the catalogue forgets afterwards."""
    before = set(DATASETS)
    monkeypatch.setenv("ETL_BENCH_DATASETS", str(tmp_path / "datasets"))
    monkeypatch.setenv("ETL_BENCH_CACHE", str(tmp_path / "cache"))
    yield tmp_path
    load_inputs.cache_clear()
    read_splits.cache_clear()
    for name in set(DATASETS) - before:
        DATASETS.remove(name)


def planned_methods(files: Path) -> set[str]:
    """The methods of the definition, once its features are added."""
    list_experiments(PAPER, data_root=files)
    return {spec.method for outline in read_paper(PAPER).outlines("few-shot") for spec in outline.specs}


def test_the_files_have_the_shared_classes_and_no_image_twice(files: Path) -> None:
    assert {file.name for file in files.iterdir()} == {f"{n}{s}" for n in DATASETS_OF_BOARD for s in (".npz", ".txt")}
    with np.load(files / "breeds_23.npz") as breeds:
        assert Counter(breeds["train_labels"].tolist()) == {0: 16, 1: 16, 2: 16}
        assert Counter(breeds["test_labels"].tolist()) == {0: 20, 1: 20, 2: 20}
        nearest = (breeds["test_features"].astype(float) @ breeds["text_features"].T).argmax(axis=1)
        assert (nearest == breeds["test_labels"]).mean() > 0.6
    assert (files / "breeds_23.txt").read_text().split("\n")[:3] == ["kind 1", "kind 3", "kind 4"]
    with np.load(files / "imagenet_1000.npz") as imagenet:
        train, test = (imagenet[f"{part}_features"].astype(np.float32) for part in ("train", "test"))
        assert len(train) == 4 * CLASSES
        assert len(test) == 3 * CLASSES - 2
        assert (test @ train.T).max() < NEAR_COPY
        assert (test @ test.T - np.eye(len(test))).max() < NEAR_COPY


def test_what_is_missing_is_said_once_with_where_it_comes_from(files: Path, home: Path) -> None:
    for folder in (None, home):
        with pytest.raises(UsageError) as caught:
            reproduce_paper(PAPER, "few-shot", data_root=folder, runs=home / "runs", progress="none")
        text = str(caught.value)
        assert all(f"{name}.npz" in text for name in DATASETS_OF_BOARD)
        assert "doctor docs real-features" in text
        assert "--data-root" in text
    with pytest.raises(UsageError, match="breeds_23.npz"):
        list_experiments(PAPER, data_root=home)
    listed, _ = list_experiments(PAPER, data_root=files, runs=home / "runs").rows
    assert (listed["done"], listed["missing"]) == (0, ())
    assert listed["runs"] == 3 * (1 + 13 * 3), "each method but zero-shot on each dataset with each seed"
    assert len(planned_methods(files)) >= 10


def test_the_definition_runs_from_a_folder_of_features(files: Path, home: Path) -> None:
    """Short trainings of one seed by some of its methods."""
    methods = {"zero_shot", "tip_adapter_f", "linear_probe", "clip_adapter"}
    assert methods <= planned_methods(files)
    short = {"methods": sorted(methods), "runs": home / "runs", "seeds": 1, "recipe": "demo", "jobs": 0}
    (board,) = reproduce_paper(PAPER, "few-shot", data_root=files, progress="none", **short)
    assert (board.exit_code, board.left_out) == (0, ())
    assert {(row.method.partition(" ")[0], row.dataset) for row in board.rows} == {
        (method, dataset) for method in methods for dataset in (*DATASETS_OF_BOARD, "average")
    }
    assert all(cell.ours is not None and cell.reach for row in board.rows for cell in row.cells.values())
    (again,) = reproduce_paper(PAPER, "few-shot", data_root=None, progress="none", **short)
    assert again.run_ids == board.run_ids, "features that were added are kept"


@pytest.mark.usefixtures("home")
def test_the_page_of_results_has_a_line_for_each_method_of_the_board(files: Path) -> None:
    text = (ROOT / "docs" / "real-features.md").read_text(encoding="utf-8")
    table = re.search(r"^\| method \| 23 breeds .*\n\|-.*\n(?:\|.*\n)+", text, flags=re.M)
    assert table is not None
    head, _, *lines = ([cell.strip() for cell in line.strip("|").split("|")] for line in table[0].splitlines())
    assert len(head) == len(["method", *DATASETS_OF_BOARD, "average"])
    numbers = {cells[0].strip("`"): cells[1:] for cells in lines}
    assert set(numbers) == planned_methods(files) - {"zero_shot"}
    gain = re.compile(r"([+−]?\d+\.\d) \(.*\)")
    for method, cells in numbers.items():
        *gains, average = (float(gain.fullmatch(cell)[1].replace("−", "-")) for cell in cells)
        assert average == pytest.approx(fmean(gains), abs=0.11), method


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("texts", ["text_features", "text_features_a"])
def test_each_of_the_two_class_texts_can_be_chosen(files: Path, texts: str) -> None:
    added = add_features(
        "breeds", files / "breeds_23.npz", backbone="some-clip", classes=files / "breeds_23.txt", arrays={"text": texts}
    )
    assert isinstance(added, feature_bundle.FeatureBundle)
    with np.load(files / "breeds_23.npz") as arrays:
        assert np.array_equal(added.text_features, arrays[texts].astype(np.float32))
