"""`predict` and `load_model`: the numbers of the run, every kind of source, and bad input."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from limited import limited
from PIL import Image

import bench
from bench.errors import UsageError
from bench.experiment.model_file import ModelFileError, list_models
from bench.results.shards import Shards
from bench.tuned_models import check_sources
from bench.tuned_models.images_to_predict import image_items
from bench.tuned_models.prediction import predict_files
from datasets_registry import (
    DataError,
    ImageNotes,
    TaskRequest,
    build_task,
    get_dataset,
    image_suffixes,
)  # fmt: skip
from methods import BackboneSpec, load_backbone

Etl = Callable[..., tuple[int, str, str]]
DATASET = "spectrum_basic:test=5"


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
    assert list(table.columns) == ["label", "probability", "novelty", "unlike"]
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
    assert repr(model).startswith("TunedModel(lp_plus_plus on spectrum_basic")
    with pytest.raises(DataError, match="pictures is a folder"):
        model.predict("pictures")


def test_a_folder_and_a_table_have_the_same_rows_on_standard_output_and_in_a_file(etl: Etl) -> None:
    model = name_of("lp_plus_plus")
    code, out, _ = etl("predict", model, "pictures")
    assert code == 0
    expected = rows(out)
    paths = [row["image"] for row in expected]
    assert paths == [f"pictures/{i:03}.png" for i in range(40)]
    Path("table.csv").write_text("path,label\n" + "".join(f"{path},x\n" for path in paths))
    code, out, _ = etl("predict", model, "table.csv")
    assert (code, rows(out)) == (0, expected)
    for _ in range(2):  # a written table is replaced
        assert etl("predict", model, "pictures", "--out", "rows.csv")[0] == 0
    assert rows(Path("rows.csv").read_text()) == expected


def test_a_killed_prediction_leaves_no_part_of_a_table() -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    model, before = bench.load_model(name_of("lp_plus_plus")), sorted(Path().iterdir())
    with pytest.raises(KeyboardInterrupt):
        predict_files(model, ["pictures"], Path("rows.csv"), batch=8, on_rows=interrupt)
    assert sorted(Path().iterdir()) == before


def test_unreadable_images_are_rows_and_the_exit_code_says_so(etl: Etl) -> None:
    Path("pictures/zero.png").write_bytes(b"")
    Path("list.csv").write_text("path\npictures/000.png\npictures/zero.png\npictures/absent.png\n")
    code, _, err = etl("predict", name_of("lp_plus_plus"), "list.csv", "--out", "rows.csv")
    assert code == 1
    errors = [row["error"] for row in rows(Path("rows.csv").read_text())]
    assert errors == ["", "has zero bytes", "does not exist"]
    assert "3 images, 2 could" in err


def test_nothing_readable_leaves_nothing_behind(etl: Etl) -> None:
    Path("bad").mkdir()
    Path("bad/zero.png").write_bytes(b"")
    before = sorted(Path().rglob("*"))
    code, _, err = etl("predict", name_of("lp_plus_plus"), "bad", "--out", "new/rows.csv")
    assert code == 2
    assert "read (1 image tried; bad/zero.png" in err
    assert [path for path in sorted(Path().rglob("*")) if "cache" not in path.parts and path.name != "new"] == before
    code, out, err = etl("predict", name_of("lp_plus_plus"), "bad/zero.png")
    assert (code, [row["error"] for row in rows(out)]) == (2, ["has zero bytes"])
    assert "(1 image tried; bad/zero.png" in err


def odd_pictures() -> dict[str, str]:
    """Put odd items beside the pictures; returns the part of the reason of each, by its name in the output."""
    Path("pictures/a_program.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n{} loop\n")
    Path("pictures/b_endless.png").symlink_to("/dev/zero")
    os.mkfifo("pictures/c_pipe.png")
    Path("pictures/d_link.png").symlink_to("nowhere")
    with Path("pictures/e_sparse.png").open("wb") as file:
        file.truncate(6 * 2**30)
    Path(os.fsdecode(b"pictures/f_caf\xe9.png")).write_bytes(b"")
    return {
        "pictures/a_program.png": "is PostScript",
        "pictures/b_endless.png": "is a device",
        "pictures/c_pipe.png": "is a pipe",
        "pictures/d_link.png": "is a broken link",
        "pictures/e_sparse.png": "has 6 GiB",
        "pictures/f_caf\\udce9.png": "has zero bytes",
    }


def errors_of(text: str) -> dict[str, str]:
    return {row["image"]: row["error"] for row in rows(text) if row["error"]}


def test_odd_items_are_rows_with_a_reason(etl: Etl) -> None:
    expected = odd_pictures()
    code, _, err = etl("predict", name_of("lp_plus_plus"), "pictures", "--out", "rows.csv")
    assert (code, "46 images, 6 could" in err) == (1, True)
    found = errors_of(Path("rows.csv").read_text())
    assert list(found) == list(expected)
    assert all(part in found[name] for name, part in expected.items())


def test_tables_are_read_as_those_of_datasets_are() -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    Path("excel.csv").write_text("Image;label\na.png;cat\nb.png;dog\n", encoding="utf-16")
    assert [item.name for item in image_items(["excel.csv"], ImageNotes())] == ["a.png", "b.png"]
    repeated = pyarrow.DictionaryArray.from_arrays(pyarrow.array(bytes(65_000), pyarrow.uint8()), ["a" * 140_000])
    parquet.write_table(pyarrow.table({"path": repeated}), "bomb.parquet")
    assert "a cell has 140000 bytes" in limited(lambda: check_sources(["bomb.parquet"]), memory=2**29)


def test_what_is_left_out_is_said(etl: Etl) -> None:
    Path("mixed/sub").mkdir(parents=True)
    shutil.copy("pictures/000.png", "mixed/000.png")
    shutil.copy("pictures/000.png", "mixed/unnamed")
    Path("mixed/a.heic").write_bytes(b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(40))
    Path("mixed/link").symlink_to("sub", target_is_directory=True)
    one, other = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    one.save("mixed/b.gif", save_all=True, append_images=[other])
    exif = b"Exif\0\0II*\0" + struct.pack("<IHHHII", 8, 5, 0x0112, 3, 1, 6)
    one.save("mixed/c.jpg", exif=exif)
    code, _, err = etl("predict", name_of("lp_plus_plus"), "mixed")
    assert code == 0
    if ".heic" not in image_suffixes():
        assert "1 .heic file (mixed/a.heic)" in err
        assert "Run `pip install pillow-heif`" in err
    assert "1 file without suffix (mixed/unnamed)" in err
    assert "missing image suffix: mixed/unnamed." in err
    assert "1 linked folder (mixed/link)" in err
    assert "1 image has further frames" in err
    code, out, _ = etl("predict", name_of("lp_plus_plus"), "mixed/unnamed")
    assert (code, len(rows(out))) == (0, 1)
    Path("mixed/sub/Read.TXT").write_text("x")
    with pytest.raises(UsageError, match=r"image.*1 .txt file \(mixed/sub/Read.TXT\)"):
        check_sources(["mixed/sub"])
    Path("mixed/x.eps").write_bytes(b"%!PS")
    code, _, err = etl("predict", name_of("lp_plus_plus"), "mixed/x.eps")
    assert (code, "mixed/x.eps is not an" in err) == (2, True)


def test_more_classes_are_for_open_vocabulary_methods_only(etl: Etl) -> None:
    Path("more.txt").write_text("zebra\nlion\n")
    code, out, _ = etl("predict", name_of("vpt"), "pictures", "--classes", "more.txt", "--top", "26")
    assert code == 0
    first = rows(out)[0]
    assert {"zebra", "lion"} <= {first["label"], *(first[f"label_{i}"] for i in range(2, 27))}
    code, _, err = etl("predict", name_of("lp_plus_plus"), "pictures", "--classes", "more.txt")
    assert code == 2
    assert "tied to its 24 classes" in err
    Path("more.txt").write_text("zebra\n\nlion\n")
    code, _, err = etl("predict", name_of("vpt"), "pictures", "--classes", "more.txt")
    assert code == 2
    assert "lacks a class name: line 2" in err
    model = bench.load_model(name_of("vpt"))
    with pytest.raises(UsageError, match="'lion' is given twice"):
        model.with_classes(["lion", "lion"])


def test_other_weights_are_refused(tmp_path: Path) -> None:
    other = load_backbone(BackboneSpec("ViT-tiny", "random"))
    with torch.no_grad():
        other.model.logit_scale.add_(0.1)
    with pytest.raises(ModelFileError, match=r"ViT-tiny.random with weights \w+"):
        bench.load_model(name_of("vpt"), other)


def test_unfamiliar_images_score_higher(etl: Etl) -> None:
    generator = np.random.default_rng(0)
    for i in range(10):
        Image.fromarray(generator.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(f"pictures/noise{i}.png")
    code, _, _ = etl("predict", name_of("lp_plus_plus"), "pictures", "--out", "rows.csv")
    assert code == 0
    table = rows(Path("rows.csv").read_text())
    known = [float(row["novelty"]) for row in table if "noise" not in row["image"]]
    noise = [row for row in table if "noise" in row["image"]]
    assert min(float(row["novelty"]) for row in noise) > np.median(known)


def test_models_lists_what_there_is_and_names_what_is_damaged(etl: Etl) -> None:
    Path("runs/models/broken.safetensors").write_bytes(b"x")
    code, out, err = etl("models", "--json")
    assert code == 0
    listed = json.loads(out)
    assert {row["method"] for row in listed} == {"lp_plus_plus", "vpt"}
    assert all(row["classes"] == 24 and row["bytes"] < 1_000_000 for row in listed)
    assert all(0 <= row["low"] <= row["accuracy"] <= row["high"] <= 1 and row["images"] for row in listed)
    assert "file runs/models/broken.safetensors is damaged" in err
    assert etl("models", "--runs", "elsewhere")[0] == 2
    Path("elsewhere/models").mkdir(parents=True)
    code, _, err = etl("models", "--runs", "elsewhere")
    assert (code, "has no models" in err) == (0, True)


def test_a_model_is_found_by_path_id_and_dataset(etl: Etl) -> None:
    model = name_of("vpt")
    for name in (f"runs/models/{model}.safetensors", f"runs/models/{model}", model[:6]):
        assert bench.load_model(name).info.run_id == model
    code, _, err = etl("predict", DATASET, "pictures")
    assert code == 2
    assert "2 models in runs/models" in err
    assert f"{model} (vpt, " in err


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
