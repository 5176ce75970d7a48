"""`predict` and `load_model`: the numbers of the run, every kind of source, resuming, and bad input."""

from __future__ import annotations

import csv
import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import bench
from bench.errors import UsageError
from bench.experiment.model_file import ModelFileError, list_models
from bench.results.shards import Shards
from bench.tuned_models.prediction import predict_files
from bench.tuned_models.tuned_model import TunedModel
from datasets_registry import DataError, TaskRequest, build_task, get_dataset
from methods import BackboneSpec, load_backbone

Etl = Callable[..., tuple[int, str, str]]
DATASET = "spectrum_basic:test=5"
SMALL = [
    "-d",
    DATASET,
    "-b",
    "ViT-tiny.random",
    "--jobs",
    "0",
    "--protocol",
    "few-shot",
    "--shots",
    "2",
    "--seeds",
    "1",
]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the models of a closed and an open method, and the pictures that their runs were tested on."""
    folder = tmp_path_factory.mktemp("kept")
    bench.run(
        "lp_plus_plus,vpt", DATASET, backbone="ViT-tiny.random", protocol="few-shot", shots=2, seeds=1, jobs=0,
        runs=folder / "runs", progress="none", keep_models="all",
        settings={"*.recipe.epochs": 2, "lp_plus_plus.recipe.views": 2},
    )  # fmt: skip
    info = get_dataset(DATASET)
    splits = info.reader(None)
    (folder / "pictures").mkdir()
    for i, sample in enumerate(splits.test[:40]):
        splits.images.load(sample.key).save(folder / "pictures" / f"{i:03}.png")
    return folder


@pytest.fixture(autouse=True)
def inside(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a copy of that folder."""
    shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ETL_BENCH_CACHE", str(tmp_path / "cache"))


def name_of(method: str) -> str:
    return next(m.path.stem for m in list_models(Path("runs/models")) if m.info and m.info.spec.method == method)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("method", ["lp_plus_plus", "vpt"])
def test_predictions_are_those_of_the_run_with_its_temperature(method: str) -> None:
    model = bench.load_model(name_of(method))
    shard = Shards(Path("runs")).read(model.info.run_id)
    assert shard is not None
    found = model.predict([f"pictures/{i:03}.png" for i in range(40)])
    (expected,) = shard.predictions
    assert found.labels == [model.classes[i] for i in expected.predicted[:40]]
    table = found.to_frame(range(len(found)))
    assert list(table["label"]) == found.labels
    assert list(table["probability"]) == [best[0][1] for best in found.top(1)]
    assert list(table.index[:2]) == ["0", "1"]
    assert list(found.to_frame().columns) == ["label", "probability", "novelty", "unlike"]
    top = np.take_along_axis(found.probabilities, expected.top_labels[:40], axis=1)
    tempered = expected.top_logits[:40] / model.info.calibration.temperature
    assert np.log(top[:, :1] / top) == pytest.approx(tempered[:, :1] - tempered, abs=2e-3)
    assert found.probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_a_batch_an_image_and_an_array_give_the_same() -> None:
    model = bench.load_model(name_of("lp_plus_plus"))
    paths = [f"pictures/{i:03}.png" for i in range(5)]
    together = model.predict(paths, batch=2)
    for i, path in enumerate(paths):
        with Image.open(path) as image:
            for given in (path, image, np.asarray(image.convert("RGB"))):
                alone = model.predict(given)
                assert alone.probabilities[0] == pytest.approx(together.probabilities[i], abs=1e-4)
    assert len(model.predict([])) == 0


def test_each_kind_of_source_and_of_table_has_the_same_rows(etl: Etl, monkeypatch: pytest.MonkeyPatch) -> None:
    model = name_of("lp_plus_plus")
    code, out, _ = etl("predict", model, "pictures")
    assert code == 0
    expected = rows(out)
    assert [row["image"] for row in expected] == [f"pictures/{i:03}.png" for i in range(40)]
    paths = [row["image"] for row in expected]
    Path("table.csv").write_text("path,label\n" + "".join(f"{path},x\n" for path in paths))
    with tarfile.open("pictures.tar", "w") as tar:
        for path in paths:
            tar.add(path)
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(paths)))
    for source in ("table.csv", "pictures.tar", "-"):
        code, out, _ = etl("predict", model, source)
        assert code == 0
        assert [row | {"image": ""} for row in rows(out)] == [row | {"image": ""} for row in expected]
    for name in ("rows.csv", "rows.jsonl", "rows.parquet"):
        assert etl("predict", model, "pictures", "--out", name)[0] == 0
    assert rows(Path("rows.csv").read_text()) == expected
    lines = [json.loads(line) for line in Path("rows.jsonl").read_text().splitlines()]
    assert [line["label"] for line in lines] == [row["label"] for row in expected]
    import pandas as pd

    table = pd.read_parquet("rows.parquet")
    assert list(table.columns) == list(expected[0])
    assert table["probability"].tolist() == pytest.approx([line["probability"] for line in lines])
    assert not list(Path().glob("*.partial"))


def test_a_killed_prediction_is_continued_with_the_same_table(etl: Etl, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ["predict", name_of("lp_plus_plus"), "pictures", "--batch", "8", "--out", "rows.csv"]
    assert etl(*command)[0] == 0
    whole = Path("rows.csv").read_text()
    Path("rows.csv").unlink()
    real, seen = TunedModel.predict_rendered, []

    def dies(self: TunedModel, rendered: list[np.ndarray]) -> object:
        seen.append(len(rendered))
        if len(seen) == 4:
            raise MemoryError
        return real(self, rendered)

    with monkeypatch.context() as patched:
        patched.setattr(TunedModel, "predict_rendered", dies)
        with pytest.raises(MemoryError):
            predict_files(bench.load_model(name_of("lp_plus_plus")), ["pictures"], Path("rows.csv"), batch=8)
    partial = Path("rows.csv.partial")
    partial.write_text(partial.read_text() + '{"image": "half a li')
    assert not Path("rows.csv").exists()
    code, _, err = etl(*command)
    assert code == 2
    assert "has the rows of a prediction that did not finish. Continue with --resume, or delete it" in err
    code, _, err = etl(*command, "--top", "3", "--resume")
    assert code == 2
    assert "belongs to another model, other classes or other options" in err
    code, _, err = etl(*command, "--resume", "--page")
    assert code == 0
    assert "40 images, 24 of them earlier" in err
    assert Path("rows.csv").read_text() == whole
    assert Path("rows.html").read_text().count("<img ") == 40


def test_resuming_with_other_images_is_refused(etl: Etl) -> None:
    model = bench.load_model(name_of("lp_plus_plus"))
    with pytest.raises(KeyboardInterrupt):
        predict_files(model, ["pictures"], Path("rows.csv"), batch=8, on_rows=_interrupt)
    Path("pictures/000.png").unlink()
    code, _, err = etl("predict", name_of("lp_plus_plus"), "pictures", "--out", "rows.csv", "--resume")
    assert code == 2
    assert "has a row for pictures/000.png, but the images have changed" in err


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_unreadable_images_are_rows_and_the_exit_code_says_so(etl: Etl) -> None:
    Path("pictures/zero.png").write_bytes(b"")
    Path("list.csv").write_text("path\npictures/000.png\npictures/zero.png\npictures/absent.png\n")
    code, _, err = etl("predict", name_of("lp_plus_plus"), "list.csv", "--out", "rows.csv", "--page")
    assert code == 1
    errors = [row["error"] for row in rows(Path("rows.csv").read_text())]
    assert errors == ["", "has zero bytes", "No such file or directory"]
    assert "3 images, 2 could not be read" in err
    assert "2 more could not be read. Probabilities" in " ".join(Path("rows.html").read_text().split())


def test_a_model_names_itself_and_refuses_a_folder() -> None:
    model = bench.load_model(name_of("lp_plus_plus"))
    assert repr(model).startswith("TunedModel(lp_plus_plus on spectrum_basic")
    with pytest.raises(DataError, match="pictures is a folder"):
        model.predict("pictures")


def test_nothing_readable_leaves_nothing_behind(etl: Etl) -> None:
    Path("bad").mkdir()
    Path("bad/zero.png").write_bytes(b"")
    before = sorted(Path().rglob("*"))
    code, _, err = etl("predict", name_of("lp_plus_plus"), "bad", "--out", "new/rows.csv", "--page")
    assert code == 2
    assert "error: No image of bad can be read (1 image tried); nothing was written." in err
    assert [path for path in sorted(Path().rglob("*")) if "cache" not in path.parts and path.name != "new"] == before


def test_more_classes_are_for_open_vocabulary_methods_only(etl: Etl) -> None:
    Path("more.txt").write_text("zebra\nlion\n")
    code, out, _ = etl("predict", name_of("vpt"), "pictures", "--classes", "more.txt", "--top", "26")
    assert code == 0
    first = rows(out)[0]
    assert {"zebra", "lion"} <= {first["label"], *(first[f"label_{i}"] for i in range(2, 27))}
    code, _, err = etl("predict", name_of("lp_plus_plus"), "pictures", "--classes", "more.txt")
    assert code == 2
    assert "This model of lp_plus_plus is tied to its 24 classes and accepts no others" in err
    Path("more.txt").write_text("zebra\n\nlion\n")
    code, _, err = etl("predict", name_of("vpt"), "pictures", "--classes", "more.txt")
    assert code == 2
    assert "--classes more.txt lacks a class name: line 2 is empty" in err
    model = bench.load_model(name_of("vpt"))
    with pytest.raises(UsageError, match="The class 'lion' is given twice"):
        model.with_classes(["lion", "lion"])


def test_other_weights_are_refused(tmp_path: Path) -> None:
    other = load_backbone(BackboneSpec("ViT-tiny", "random"))
    with torch.no_grad():
        other.model.logit_scale.add_(0.1)
    with pytest.raises(ModelFileError, match=r"tuned on ViT-tiny.random with weights \w+, but the weights of"):
        bench.load_model(name_of("vpt"), other)


def test_unfamiliar_images_score_higher_and_the_page_lists_the_least_certain_first(etl: Etl) -> None:
    generator = np.random.default_rng(0)
    for i in range(10):
        Image.fromarray(generator.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(f"pictures/noise{i}.png")
    code, _, _ = etl("predict", name_of("lp_plus_plus"), "pictures", "--out", "rows.csv", "--page")
    assert code == 0
    table = rows(Path("rows.csv").read_text())
    known = [float(row["novelty"]) for row in table if "noise" not in row["image"]]
    noise = [row for row in table if "noise" in row["image"]]
    assert min(float(row["novelty"]) for row in noise) > np.median(known)
    page = Path("rows.html").read_text()
    order = sorted(table, key=lambda row: float(row["probability"]))
    places = [page.index(f'alt="{row["image"]}"') for row in order]
    assert places == sorted(places)
    assert "http://" not in page
    assert "https://" not in page


def test_models_lists_what_there_is_and_names_what_is_damaged(etl: Etl) -> None:
    Path("runs/models/broken.safetensors").write_bytes(b"x")
    code, out, err = etl("models", "--json")
    assert code == 0
    listed = json.loads(out)
    assert {row["method"] for row in listed} == {"lp_plus_plus", "vpt"}
    assert all(row["classes"] == 24 and row["bytes"] < 1_000_000 for row in listed)
    assert "left out: The model file runs/models/broken.safetensors is damaged" in err
    code, _, err = etl("models", "--runs", "elsewhere")
    assert code == 0
    assert "elsewhere/models has no models" in err


def test_a_model_is_found_by_path_id_and_dataset(etl: Etl) -> None:
    model = name_of("vpt")
    for name in (f"runs/models/{model}.safetensors", f"runs/models/{model}", model[:6]):
        assert bench.load_model(name).info.run_id == model
    code, _, err = etl("predict", DATASET, "pictures")
    assert code == 2
    assert "is the name of 2 models in runs/models" in err
    assert f"{model} (vpt)" in err


def test_these_images_are_the_test_images_of_the_task() -> None:
    """The images of this file are the first test images, in the order of the run's predictions."""
    info = get_dataset(DATASET)
    splits = info.reader(None)
    model = list_models(Path("runs/models"))[0].info
    assert model is not None
    spec = model.spec
    task = build_task(
        TaskRequest(info, splits, protocol=spec.protocol, shots=spec.shots, seed=spec.seed, draw=spec.draw)
    )
    assert [s.key for s in task.evals[0].samples[:40]] == [s.key for s in splits.test[:40]]
