"""Own photographs from folder to predictions, again and again: added, given another class, removed, repeated."""

from __future__ import annotations

import csv
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from bench import add_dataset, plan, run
from bench.api import models_table, predict_images
from bench.context import RunContext
from bench.errors import UsageError
from bench.experiment import read_model_info, read_splits, runner, write_model
from bench.extensions.recommendation.recommending import recommend, train_recommended
from bench.results.shards import Shards
from bench.spec import ExperimentSpec
from bench.tuned_models import find_model
from datasets_registry import DATASETS, AddedDataset, FewShotTask, own_images

BACKBONE = "ViT-demo.drawn"
TEMPLATE = "a photo of a {}, a bird."
AMBIGUOUS = "give one of these ids"
COLOURS = {"Sea Gull": "lightgrey", "crow": "black", "Robin red": "firebrick"}


def photograph(path: Path, colour: str, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(number).integers(0, 90, (60 + number % 7, 80, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    ImageDraw.Draw(image).ellipse((20 + number % 9, 15, 60, 45), fill=colour)
    image.save(path)


@pytest.fixture
def photographs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ETL_BENCH_DATASETS", str(tmp_path / "toml"))
    for place, (name, colour) in enumerate(COLOURS.items()):
        for i in range(14 - 3 * place):
            photograph(tmp_path / "My birds" / name / f"IMG {i}.png", colour, 100 * place + i)
    yield tmp_path / "My birds"
    if "my_birds" in DATASETS:
        DATASETS.remove("my_birds")


def add(images: Path, **options: object) -> AddedDataset:
    return add_dataset("my_birds", images, **options)  # type: ignore[arg-type]


def parts(added: AddedDataset) -> dict[str, str]:
    return {
        added.splits.images.digest(sample.key): part
        for part in ("train", "val", "test")
        for sample in getattr(added.splits, part)
    }


def kept(methods: str) -> dict[str, Path]:
    """The kept models of today's images by method, after a run."""
    axes = {"backbone": BACKBONE, "shots": 2, "seeds": 2}
    run(methods, "my_birds", **axes, keep_models="best", jobs=0, cache="cache", progress="none")
    planned = {spec.run_id for spec in plan(methods, "my_birds", **axes).specs}
    rows = [row for row in models_table().rows if row["model"] in planned]
    return {str(row["method"]): Path(str(row["path"])) for row in rows}


def test_the_story_of_an_owner_of_photographs(photographs: Path, tmp_path: Path, etl: Any) -> None:
    first = add(photographs, template=TEMPLATE)
    before = parts(first)
    options = {"shots": 1, "seeds": 1, "methods": "gda", "final": "all", "progress": False, "cache": "cache"}
    answer = recommend("my_birds", backbone=BACKBONE, **options)  # type: ignore[arg-type]
    model = train_recommended(answer)
    assert answer.final_images == len(first.splits.train)
    new, out = tmp_path / "new", tmp_path / "predictions.csv"
    photograph(new / "one.png", "black", 990)
    for _ in range(2):  # what was written is known as ours
        assert not predict_images("models/my_birds", [str(new)], out, cache=Path("cache")).changed_images
    difficulties = Shards(Path("runs")).difficulties
    measured = {record.data_fingerprint for record in difficulties.all()}
    runs = Shards(Path("runs")).scan()

    # more images, one with another class, one renamed, one gone
    for i in range(6):
        photograph(photographs / "crow" / f"later {i}.png", "black", 500 + i)
    moved = photographs / "crow" / "IMG 9.png"
    moved.rename(photographs / "Sea Gull" / "was a crow.png")
    (photographs / "crow" / "IMG 8.png").rename(photographs / "crow" / "c8.png")
    (photographs / "Sea Gull" / "IMG 0.png").unlink()
    assert "images or settings of my_birds changed" in predict_images("my_birds", [str(new)], out).changed_images
    second = add(photographs)
    after = parts(second)
    assert {digest: part for digest, part in before.items() if digest in after}.items() <= after.items()
    assert second.config.template == first.config.template

    current = kept("gda")["gda"]
    assert current != model
    assert not measured & {record.data_fingerprint for record in difficulties.all()}
    assert find_model("my_birds") == current
    assert model.exists()
    assert [bool(row["changed_images"]) for row in models_table().rows if row["model"] == model.stem] == [True]
    assert not predict_images("my_birds", [str(new)], out, cache=Path("cache")).changed_images
    assert runs.items() <= Shards(Path("runs")).scan().items()

    # a class is removed
    shutil.rmtree(photographs / "Robin red")
    add(photographs)
    done = predict_images("my_birds", [str(new)], out, cache=Path("cache"))
    assert "'Robin red' is gone" in done.changed_images
    assert f"note: {done.changed_images}" in etl("predict", "my_birds", new, "--cache", "cache", "--out", out)[2]
    assert done.changed_images in "".join(etl("models")[1:])
    kept("gda")
    predict_images("my_birds", [str(new)], out, cache=Path("cache"))
    with out.open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert row["label"] in ("Sea Gull", "crow")
    assert "Robin red" not in row.values()


def test_models_of_former_images_neither_compete_with_those_of_today_nor_hide_them(photographs: Path) -> None:
    add(photographs)
    former = kept("gda,tip_adapter")
    assert list(former) == ["gda", "tip_adapter"]
    with pytest.raises(UsageError, match=AMBIGUOUS):
        find_model("my_birds")
    for name in COLOURS:
        for i in range(6):
            photograph(photographs / name / f"later {i}.png", "white", 800 + i)
    with pytest.raises(UsageError, match=AMBIGUOUS):
        find_model("my_birds")
    current = kept("gda")
    assert current["gda"] != former["gda"]
    assert find_model("my_birds") == current["gda"]
    assert all(path.exists() for path in (*former.values(), *current.values()))
    shutil.rmtree(photographs / "crow")
    assert find_model("my_birds") == current["gda"]


def test_the_one_predict_command_that_recommend_prints_works_beside_other_models(photographs: Path, etl: Any) -> None:
    add(photographs)
    kept("gda,tip_adapter")
    photograph(Path("new_images/one.png"), "black", 990)
    options = ["-b", BACKBONE, "-m", "gda", "--shots", "1", "--seeds", "1", "--cache", "cache"]
    code, out, err = etl("recommend", "my_birds", *options)
    (command,) = [line for line in (out + err).splitlines() if "etl-bench predict" in line]
    assert (code, etl(*shlex.split(command.removeprefix("Next: etl-bench ")), "--cache", "cache")[0]) == (0, 0)


def test_splits_in_memory_are_those_of_the_images_that_were_added(photographs: Path) -> None:
    add(photographs, split="even")
    for i in range(12):
        photograph(photographs / "crow" / f"later {i}.png", "black", 500 + i)
    add(photographs)
    before = read_splits("my_birds", None)
    add(photographs, force=True, split="even")
    assert read_splits("my_birds", None).train != before.train


def test_a_model_has_the_list_of_the_images_that_it_was_trained_with(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added, load = add(photographs), runner.load_task
    before = own_images.image_list(added.info)
    (spec,) = plan("gda", "my_birds", backbone=BACKBONE, shots=2, seeds=1).specs

    def then_a_photograph_is_added(spec: ExperimentSpec, context: RunContext) -> FewShotTask:
        task = load(spec, context)
        photograph(photographs / "crow" / "later.png", "black", 500)
        return task

    monkeypatch.setattr(runner, "load_task", then_a_photograph_is_added)
    content = runner.run_and_keep(spec, RunContext(keep_models="all", cache_dir=tmp_path / "cache"))[2]
    write_model(tmp_path / "model.safetensors", content)
    assert read_model_info(tmp_path / "model.safetensors").image_list == before
