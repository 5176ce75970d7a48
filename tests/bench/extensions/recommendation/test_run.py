"""`recommend` on synthetic images and a tiny backbone: answer, resuming, and that the test part is unused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import bench
from bench.errors import UsageError
from bench.experiment.model_file import read_model_info
from bench.extensions.recommendation import race
from bench.extensions.recommendation.folds import plan_folds
from bench.extensions.recommendation.race import _length
from bench.extensions.recommendation.recommending import recommend, train_recommended
from bench.extensions.recommendation.request import feature_methods, parse_budget
from bench.results.shards import Shards
from bench.spec import ALL_SHOTS
from bench.tuned_models.model_lookup import find_model
from datasets_registry import DatasetSplits, Sample, get_dataset

DATASET, BACKBONE = "spectrum_basic:test=5", "ViT-tiny.random"
METHODS = "zero_shot,gda"


def recommended(runs: Path, **options: object):
    values = {"backbone": BACKBONE, "shots": 4, "methods": METHODS, "seeds": 1, "recipe": "demo", "progress": False}
    return recommend(DATASET, runs=runs, cache=runs / "cache", **values | options)


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory):
    runs = tmp_path_factory.mktemp("runs")
    return runs, recommended(runs)


def test_the_answer_names_a_method_with_its_accuracy_and_the_commands(answered) -> None:
    _, found = answered
    values = json.loads(json.dumps(found.to_json()))
    assert values["pick"] in METHODS.split(",")
    assert 0 <= values["accuracy"]["low"] <= values["accuracy"]["mean"] <= values["accuracy"]["high"] <= 1
    assert {item["method"] for item in values["standings"]} == set(METHODS.split(","))
    assert values["images_scored"] == values["labelled_images"] == len(found.plan.images)
    assert values["chance"] == pytest.approx(1 / 24)
    assert values["untried"] == values["failed"] == {}
    assert found.command.startswith(f"etl-bench run -m {found.pick} -d {DATASET} -b {BACKBONE}")
    assert "--keep-models best" in found.command
    assert values["commands"] == [found.command]
    text = str(found)
    assert text.startswith(f"Take {found.pick}: it is right on {100 * values['accuracy']['mean']:.1f} % of ")
    assert "; chance is 4.2 %." in text.splitlines()[0]
    assert "96 of 576 labelled images are used; --final all trains on all." in text
    assert "dapting pays: " in text
    shown = found._repr_html_()
    assert shown.startswith(f"<p>Take {found.pick}: ")
    assert "<table><caption>Methods of the race</caption>" in shown


def test_no_model_is_promised_for_imported_features(answered) -> None:
    _, found = answered
    sweep = found.request.sweep.model_copy(update={"backbones": ["features.toy"]})
    imported = replace(found, request=replace(found.request, sweep=sweep))
    assert not imported.keeps_model
    assert "--keep-models" not in imported.command
    assert "imported features have no" in str(imported)


def test_the_recommended_method_may_be_trained_on_all_labelled_images(answered) -> None:
    runs, plain = answered
    stamps = Shards(runs / "race").scan()
    found = recommended(runs, final="all")
    assert Shards(runs / "race").scan() == stamps, "a repeated race trains nothing"
    assert found.standings == plain.standings
    assert "--final" not in str(found)
    assert f"--protocol few-shot --shots all --recipe demo --keep-models best --runs {runs}" in found.command
    values = found.to_json()
    assert (values["final"], values["final_images"], values["training_images"]) == ("all", 576, 576)
    assert found.training_request.shots == [ALL_SHOTS]


def test_the_recommended_method_is_trained_and_its_model_kept(answered) -> None:
    runs, found = answered
    path = train_recommended(found)
    info = read_model_info(path)
    assert (info.spec.method, info.spec.fold) == (found.pick, None)
    assert [score.split for score in info.scores] == ["all"]
    assert find_model(f"models/{DATASET}", runs) == find_model(DATASET, runs) == path
    stamp = path.stat().st_mtime_ns
    assert train_recommended(found) == path
    assert path.stat().st_mtime_ns == stamp, "not trained again"


def test_the_races_runs_are_records_of_held_out_training_images(answered) -> None:
    runs, _ = answered
    info = get_dataset(DATASET)
    splits = info.reader(None)
    training, test = ({sample.key for sample in part} for part in (splits.train, splits.test))
    shards = Shards(runs / "race")
    assert shards.scan()
    for run_id in shards.scan():
        shard = shards.read(run_id)
        scored = set(shard.predictions[0].images)
        assert scored <= training
        assert not scored & test
        assert shard.record.spec.fold is not None
    assert not list(shards.difficulties.all())  # a difficulty is measured on test images
    with pytest.raises(UsageError, match="There are no runs"):
        bench.leaderboard(runs / "race")


def test_too_few_classes_and_a_missing_test_part_are_refused() -> None:
    images = get_dataset(DATASET).reader(None).images
    samples = tuple(Sample(str(i), i % 2) for i in range(20))
    one = DatasetSplits(images, ("a",), samples[::2], (), samples[:1])
    with pytest.raises(UsageError, match="1 class; methods can"):
        plan_folds(one, "toy", 2, (1,))
    with pytest.raises(UsageError, match="no labelled test images"):
        plan_folds(DatasetSplits(images, ("a", "b"), samples, (), ()), "toy", 2, (1,))
    plan = plan_folds(DatasetSplits(images, ("a", "b"), samples, (), samples[:1]), "toy", 8, (1, 2))
    assert (plan.shots, len(plan.images), len(plan.folds)) == (7, 20, 8)  # 10 of a class in folds of at most 3


def test_budgets_and_candidates() -> None:
    names = ["cross_modal", "clip_adapter", "gda", "zero_shot"]
    assert sorted(names, key=_length) == names[::-1], "zero-shot first, then methods without training"
    assert [parse_budget(text) for text in ("20min", "90 s", "1.5h", 2)] == [1200, 90, 5400, 120]
    assert {"zero_shot", "gda", "linear_probe", "timo"} <= set(feature_methods())
    assert not {"coop", "vpt", "tda"} & set(feature_methods()), "more than stored features"


def test_an_interrupted_race_is_no_answer(answered, monkeypatch: pytest.MonkeyPatch) -> None:
    runs, _ = answered
    real = race.carry_out

    def stopped(*args, **options):
        outcome = real(*args, **options)
        return replace(outcome, summary=replace(outcome.summary, interrupted=True))

    monkeypatch.setattr(race, "carry_out", stopped)
    with pytest.raises(KeyboardInterrupt):
        recommended(runs, seeds=2)
