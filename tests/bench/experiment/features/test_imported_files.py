"""Imported features: checked on the way in, run like any dataset, and never a wrong number."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from one_case import for_each
from safetensors.numpy import save_file
from short_settings import short_recipe_overrides
from sweep_requests import changed, sweep_over
from tiny_runs import forget_loaded

from bench.context import RunContext
from bench.errors import ImpossibleCombinationError
from bench.experiment import runner
from bench.experiment.features.imported_files import class_names, read_arrays, take
from bench.sweep import expand
from bench.sweep.grid import published
from bench.sweep.rules import FEATURE_RULES, first_reason
from datasets_registry import DATASETS, DataError, EvalProtocol, UnknownNameError, feature_bundle, get_dataset
from datasets_registry._catalogue import load_feature_bundles
from methods import METHODS, BackboneSpec, get_method, load_backbone, parse_backbone

NAMES = ["ant", "bee", "cat", "dog"]


def bundle_arguments(**changes: object) -> dict[str, object]:
    """Four classes around their text features, 12 wide, 6 training and 10 test images each."""
    rng = np.random.default_rng(0)
    text = rng.standard_normal((4, 12)).astype(np.float32)

    def around(n: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.repeat(np.arange(4), n)
        return (text[labels] + 0.8 * rng.standard_normal((4 * n, 12))).astype(np.float16), labels.astype(np.int16)

    arguments: dict[str, object] = {
        "name": "toy_features",
        "backbone": "toy-clip",
        "class_names": NAMES,
        "text_features": text,
        "splits": {"train": around(6), "test": around(10), "val": around(2)},
    }
    return arguments | changes


def written(**changes: object) -> feature_bundle.FeatureBundle:
    return feature_bundle.import_feature_bundle(**bundle_arguments(**changes))  # type: ignore[arg-type]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ETL_BENCH_DATASETS", str(tmp_path))
    yield tmp_path
    forget_loaded()
    if "toy_features" in DATASETS:
        DATASETS.remove("toy_features")


@pytest.fixture
def imported(home: Path) -> feature_bundle.FeatureBundle:
    bundle = written()
    load_feature_bundles(DATASETS)
    return bundle


AXES = sweep_over(
    ["zero_shot"], ["toy_features"], ["features.toy-clip"], protocol=EvalProtocol.FEW_SHOT, shots=(4,), seeds=(1,)
)


def test_zero_shot_accuracy_is_that_of_the_arrays(imported: feature_bundle.FeatureBundle) -> None:
    features, labels = bundle_arguments()["splits"]["test"]  # type: ignore[index]
    text = bundle_arguments()["text_features"]
    cosine = features.astype(np.float32) @ (text / np.linalg.norm(text, axis=1, keepdims=True)).T  # type: ignore[operator]
    expected = float(np.mean(cosine.argmax(1) == labels))
    (spec,) = expand(AXES).specs
    (score,) = runner.run_experiment(spec, RunContext())[0].scores
    assert (score.accuracy, score.n) == (pytest.approx(expected), 40)
    measured = runner.measure_difficulty("features.toy-clip", "toy_features", RunContext())[0].measures
    assert measured["zero_shot_accuracy"] == pytest.approx(expected)


BASE_TO_NEW, TEST_TIME = {"protocol": EvalProtocol.BASE_TO_NEW}, {"protocol": EvalProtocol.TEST_TIME}
MIXED = ['timo_s.templates=["select7", "own", "imagenet80"]']


@for_each(
    ("method", "changes", "message"),
    [
        ("vpt", BASE_TO_NEW, "imported features have none"),
        ("coop", BASE_TO_NEW, "have no text tower"),
        ("timo_s", {}, "it encodes the templates imagenet80, .*; use --set 'timo_s.templates="),
        ("timo_s", {"overrides": MIXED}, "encodes the templates select7, imagenet80, .*; use --set 'timo_s.templates="),
        ("tda", TEST_TIME | {"overrides": ["tda.views=7"]}, r"none; use --set tda\.views=0"),
        ("tda", TEST_TIME | {"overrides": ["tda.views=0"]}, None),
        ("tda", TEST_TIME, None),
    ],
)
def test_methods_that_need_more_are_refused_before_anything_runs(
    imported: feature_bundle.FeatureBundle, method: str, changes: dict[str, object], message: str | None
) -> None:
    with pytest.raises(ImpossibleCombinationError, match=message) if message else nullcontext():
        assert expand(changed(AXES, methods=[method], **changes)).specs


@pytest.mark.parametrize(
    ("method", "remedy"),
    [
        ("tip_adapter", "use --selection fixed or ensemble, or a support list"),
        ("linear_probe", "use --selection fixed or ensemble, or a support list"),
        ("cross_modal", "use --selection last, or a support list"),
        ("lp_plus_plus", "use --selection last, or a support list"),
    ],
)
def test_a_search_on_validation_images_that_do_not_exist_is_refused(home: Path, method: str, remedy: str) -> None:
    splits = bundle_arguments()["splits"]
    written(splits={name: splits[name] for name in ("train", "test")})  # type: ignore[index]
    load_feature_bundles(DATASETS)
    axes = changed(AXES, methods=[method])
    with pytest.raises(ImpossibleCombinationError, match=f"no validation images of .* its settings.*{remedy}"):
        expand(axes)
    chosen = "last" if "last" in remedy else "fixed"
    short = short_recipe_overrides(method) if get_method(method).info.recipes else []
    (spec,) = expand(changed(axes, selection=chosen, overrides=short)).specs
    assert runner.run_experiment(spec, RunContext())[0].scores[0].n == 40


def test_a_bundle_lives_on_its_backbone_only(imported: feature_bundle.FeatureBundle) -> None:
    with pytest.raises(ImpossibleCombinationError, match="features.toy-clip; use -b features.toy-clip"):
        expand(sweep_over(["zero_shot"], ["toy_features"], ["ViT-tiny.random"]))
    place = {"dataset": get_dataset("spectrum_basic"), "backbone": BackboneSpec("features", "toy-clip")}
    assert first_reason(published(METHODS.get("zero_shot").info, EvalProtocol.FEW_SHOT, **place), FEATURE_RULES)
    with pytest.raises(UnknownNameError, match="Did you mean 'toy-clip'"):
        parse_backbone("features.toy-clop")


def test_changed_arrays_are_noticed(imported: feature_bundle.FeatureBundle) -> None:
    path = imported.folder / "arrays.npz"
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="its checksum differs"):
        feature_bundle.FeatureBundle(imported.folder).splits()


def test_a_broken_bundle_leaves_the_rest_of_the_catalogue(home: Path) -> None:
    (home / "toy_features").mkdir()
    (home / "toy_features" / "bundle.json").write_text("{}")
    load_feature_bundles(DATASETS)
    with pytest.raises(Exception, match="not describe a feature bundle"):
        get_dataset("toy_features")


def test_duplicate_names_are_numbered_so_that_each_has_its_own_row(home: Path) -> None:
    bundle = written(class_names=["ant", "bee", "ant", "dog"])
    assert bundle.facts.class_names == ("ant (1)", "bee", "ant (2)", "dog")


def broken(key: str, part: int, value: np.ndarray) -> dict[str, object]:
    splits = dict(bundle_arguments()["splits"])  # type: ignore[call-overload]
    pair = list(splits[key])
    pair[part] = value
    return {"splits": splits | {key: tuple(pair)}}


TRAIN = bundle_arguments()["splits"]["train"]  # type: ignore[index]
WITH_NAN, WITH_ZERO = TRAIN[0].copy(), TRAIN[0].copy()
WITH_NAN[5, 3], WITH_ZERO[2] = np.nan, 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (broken("train", 0, WITH_NAN), "infinite values in 1 rows, first in row 5"),
        (broken("train", 0, WITH_ZERO), "1 rows of zeros, first row 2"),
        (broken("train", 0, TRAIN[0][:, :8]), "has 8 columns, text_features 12"),
        (broken("train", 0, TRAIN[0][0]), r"has shape \(12,\)"),
        (broken("train", 1, TRAIN[1] + 1), r"train label 4 of row 18 is not in 0\.\.3"),
        (broken("train", 1, TRAIN[1][:3]), "there are 24 features; give one label per row"),
        (broken("train", 1, TRAIN[1].astype(np.float32)), "labels are float32; give integers"),
        ({"splits": {"train": (*TRAIN, TRAIN[1][:3])}}, r"train groups are int16 of shape \(3,\); give"),
        ({"splits": {"train": (*TRAIN, TRAIN[1] / 2)}}, "train groups are float32 of shape|train groups are float64"),
        ({"class_names": NAMES[:3]}, "3 class names but 4 rows"),
        ({"splits": {"train": TRAIN}}, "The test split is empty"),
        ({"name": "Toy Features"}, "name 'Toy Features'"),
        ({"backbone": "a/b"}, "backbone 'a/b'"),
        ({"logit_scale": -1.0}, "logit_scale -1.0"),
    ],
)
def test_arrays_that_do_not_fit_are_named(home: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        written(**changes)
    assert list(home.iterdir()) == [], "nothing half-written stays"


@pytest.mark.parametrize("numbers", [True, False])
def test_groups_of_imported_features(home: Path, numbers: bool) -> None:
    splits = dict(bundle_arguments()["splits"])  # type: ignore[call-overload]
    patients = np.arange(40) // 4
    splits["test"] = (*splits["test"], patients if numbers else np.array([f"p{i}" if i else "" for i in patients]))
    found = written(splits=splits).splits()
    assert [sample.group for sample in found.test[3:5]] == (["0", "1"] if numbers else [None, "p1"])
    assert {sample.group for sample in found.train} == {None}


def test_an_existing_name_is_not_overwritten(imported: feature_bundle.FeatureBundle) -> None:
    with pytest.raises(DataError, match="exists; give another --name"):
        written()


def test_files_are_read_without_unpickling(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.savez(tmp_path / "a.npz", x=array)
    save_file({"x": array}, tmp_path / "a.safetensors")
    for file in ("a.npz", "a.safetensors"):
        assert np.array_equal(take(read_arrays(tmp_path / file), "x", tmp_path / file), array)
    with pytest.raises(UnknownNameError, match=r"Unknown array 'y' of a.npz.*Known: x"):
        take(read_arrays(tmp_path / "a.npz"), "y", tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", x=np.array([{"code": "runs"}], dtype=object))
    for name, content in (("c.npz", b"PK no zip"), ("d.safetensors", b"<html>")):
        (tmp_path / name).write_bytes(content)
    for file in ("b.npz", "c.npz", "d.safetensors", "missing.npz"):
        with pytest.raises(DataError, match="read as plain arrays"):
            read_arrays(tmp_path / file)


def test_class_names_come_from_lines_json_or_wordnet_lines(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("ant\n\nbee hive\n")
    (tmp_path / "list.json").write_text(json.dumps(["ant", "bee hive"]))
    (tmp_path / "wordnet.txt").write_text("n01440764 ant\nn01443537 bee hive\n")
    for file in ("lines.txt", "list.json", "wordnet.txt"):
        assert class_names(tmp_path / file) == ["ant", "bee hive"]
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(DataError, match="not a list of names"):
        class_names(tmp_path / "bad.json")


def test_the_backbone_has_texts_and_no_towers(imported: feature_bundle.FeatureBundle) -> None:
    backbone = load_backbone(parse_backbone("features.toy-clip"))
    assert (backbone.embed_dim, backbone.logit_scale) == (12, 100)
    assert backbone.encode_texts(["cat", "ant"]).shape == (2, 12)
    with pytest.raises(UnknownNameError, match="class 'a photo of a cat.'"):
        backbone.encode_texts(["a photo of a cat."])
    with pytest.raises(Exception, match="no image tower"):
        backbone.encode_image(None)  # type: ignore[arg-type]
    assert get_dataset("toy_features").backbone == backbone.slug
