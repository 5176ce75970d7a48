"""`recommend` on synthetic images and a tiny backbone: answer, resuming, budget, and that the test part is unused."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from simulated_races import SimulatedRace, simulated

import bench
from bench.errors import UsageError
from bench.experiment.model_file import read_model_info
from bench.extensions.recommendation.answer import doubling
from bench.extensions.recommendation.elimination import planned_trainings
from bench.extensions.recommendation.folds import RaceOutcomes, plan_folds
from bench.extensions.recommendation.race import TOO_LITTLE, Race
from bench.extensions.recommendation.recommending import recommend, train_recommended
from bench.extensions.recommendation.request import RecommendRequest, feature_methods, parse_budget
from bench.extensions.recommendation.result import Recommendation
from bench.extensions.recommendation.run import train_choice
from bench.record import Cost, RunStatus
from bench.results.shards import Shards
from bench.sweep import SweepLog
from bench.tuned_models.model_lookup import find_model
from datasets_registry import DatasetSplits, Sample, ShotsError, get_dataset, held_out

DATASET, BACKBONE = "spectrum_basic:test=5", "ViT-tiny.random"
METHODS = "zero_shot,gda,tip_adapter"


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
    assert {item["method"] for part in ("standings", "dropped") for item in values[part]} == set(METHODS.split(","))
    assert values["commands"][0].startswith(f"etl-bench run -m {found.pick} -d {DATASET} -b {BACKBONE}")
    assert "--keep-models best" in values["commands"][0]
    text = str(found)
    assert text.startswith(f"Take {found.pick}: ")
    assert "promptsrc" not in text  # published numbers of other methods, on another backbone
    shown = found._repr_html_()
    assert shown.startswith(f"<p>Take {found.pick}: ")
    assert "<table><caption>Methods of the race</caption>" in shown


def test_no_model_is_promised_for_imported_features(answered) -> None:
    _, found = answered
    sweep = found.request.sweep.model_copy(update={"backbones": ["features.toy"]})
    imported = replace(found, request=replace(found.request, sweep=sweep))
    assert not imported.keeps_model
    assert len(imported.commands) == 1
    assert "--keep-models" not in imported.commands[0]
    assert "imported features have no" in str(imported)


def test_the_recommended_method_is_trained_and_its_model_kept(answered) -> None:
    runs, found = answered
    path = train_choice(found, SweepLog())
    assert path is not None
    info = read_model_info(path)
    assert info.spec.method == found.pick
    assert info.spec.fold is None
    assert [score.split for score in info.scores] == ["all"]
    assert find_model(f"models/{DATASET}", runs) == find_model(DATASET, runs) == path
    stamp = path.stat().st_mtime_ns
    assert train_choice(found, SweepLog()) == path
    assert path.stat().st_mtime_ns == stamp, "not trained again"
    file, text = train_recommended(found) or (None, "")
    assert file == path
    assert re.fullmatch(r"right on test images: [\d.]+ % \([\d.]+ to [\d.]+, n = \d+\); no .+", text)


def test_the_recommended_method_is_trained_on_all_labelled_images_on_request(answered) -> None:
    runs, plain = answered
    unused = "96 of 576 labelled images are used; --final all trains on all."
    assert str(plain).count(unused) == 1
    found = recommended(runs, final="all")
    assert "--final" not in str(found)
    assert f"--protocol few-shot --shots all --recipe demo --keep-models best --runs {runs}" in found.commands[0]
    assert "The model trained on all 576 is probably better, which is not measured." in str(found)
    values = found.to_json()
    assert (values["final"], values["final_images"], values["training_images"]) == ("all", 576, 576)
    assert (plain.to_json()["final"], plain.to_json()["final_images"]) == ("shots", 96)
    assert found.decision == plain.decision
    path = train_choice(found, SweepLog())
    assert path is not None
    assert read_model_info(path).spec.support_rule == "all"


def test_a_final_training_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--final 'most'.*shots, all"):
        recommended(tmp_path / "runs", final="most")
    assert not list(tmp_path.iterdir())


def test_the_races_runs_are_records_of_held_out_training_images(answered) -> None:
    runs, _ = answered
    info = get_dataset(DATASET)
    splits = info.reader(None)
    training, test = ({sample.key for sample in part} for part in (splits.train, splits.test))
    shards = Shards(runs / "race")
    entries = shards.scan()
    assert entries
    for entry in entries:
        shard = shards.read(entry.run_id)
        scored = set(shard.predictions[0].images)
        assert scored <= training
        assert not scored & test
        assert shard.record.spec.fold is not None
    assert not list(shards.difficulties.all())  # a difficulty is measured on test images


def test_a_repeated_race_trains_nothing_and_decides_the_same(answered) -> None:
    runs, first = answered
    stamps = {entry.run_id: entry.stamp for entry in Shards(runs / "race").scan()}
    again = recommended(runs)
    assert {entry.run_id: entry.stamp for entry in Shards(runs / "race").scan()} == stamps
    assert again.decision == first.decision


def test_races_are_on_no_leaderboard(answered) -> None:
    runs, _ = answered
    with pytest.raises(UsageError, match="There are no runs"):
        bench.leaderboard(runs / "race")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": "2s"}, "--budget 2s is too small"),
        ({"budget": "soon"}, "'soon' is not a time"),
        ({"margin": 0}, "--margin 0 is not between 0 and 100"),
        ({"seeds": "0,"}, "numbered from 1"),
        ({"shots": 100}, "100 shots were requested, but class .* has only 24 training images"),
    ],
)
def test_wrong_values_are_refused_before_anything_is_written(tmp_path: Path, options, message: str) -> None:
    with pytest.raises((UsageError, ShotsError), match=message):
        recommended(tmp_path / "runs", **options)
    assert not list(tmp_path.iterdir())


def test_methods_without_training_come_first_and_untried_ones_are_named(answered, tmp_path: Path) -> None:
    """A race that is stopped by its budget answers from what was trained, and says what was not."""
    request = RecommendRequest.build(DATASET, backbone=BACKBONE, shots=4, runs=tmp_path / "runs", recipe="demo")
    race = Race(request, None, RaceOutcomes((), (1,)), {"gda": 3.0}, print)
    assert race._time_limit(["cross_modal"]) < 0.26 * race.remaining < race._time_limit(["gda"])
    assert race._time_limit(["zero_shot"]) > 0.99 * race.remaining, "it encodes the images for all"
    order = sorted(request.sweep.methods, key=race._order)
    assert order.index("zero_shot") == 0 < order.index("gda") < order.index("clip_adapter") < order.index("cross_modal")
    _, found = answered
    assert found.to_json()["untried"] == {}
    sweep = found.request.sweep.model_copy(update={"methods": [*found.request.sweep.methods, "coop"]})
    reason = "a run takes about 70 s, and less was left"
    unfinished = replace(found.race, untried={"coop": reason}, needed=100.0)
    stopped = replace(found, request=replace(found.request, sweep=sweep), race=unfinished)
    assert stopped.to_json()["untried"] == {"coop": reason}
    text = str(stopped)
    assert "1 method was not tried" in text
    assert f"Not tried: coop, {reason}." in text
    assert "Out: coop" not in text
    assert "all 3 methods that were tried" in text


def test_the_answer_says_how_many_images_it_rests_on(answered) -> None:
    _, found = answered
    scored = found.to_json()["images_scored"]
    assert 0 < scored <= found.plan.images
    assert str(found).splitlines()[0].endswith(f", from {scored} labelled images.")
    standings = found.to_json()["standings"]
    assert [row["images"] for row in found.rows()][: len(standings)] == [item["images_scored"] for item in standings]


def test_zero_shot_always_has_a_row_and_a_sentence(tmp_path: Path) -> None:
    """It is not among the named candidates, and it is far behind."""
    found = recommended(tmp_path, methods="gda,tip_adapter")
    (row,) = [row for row in found.rows() if row["method"] == "zero_shot"]
    assert float(row["below the best on them"]) > 0
    assert any(re.match(r"Adapting pays: zero-shot CLIP was [\d.]+ points behind", line) for line in found.lines())


def test_a_real_dataset_needs_a_backbone_by_name() -> None:
    with pytest.raises(UsageError, match="holds real.*-b is required."):
        RecommendRequest.build("eurosat")


def test_too_few_classes_and_a_missing_test_part_are_refused() -> None:
    images = get_dataset(DATASET).reader(None).images
    samples = tuple(Sample(str(i), i % 2) for i in range(20))
    one = DatasetSplits(images, ("a",), samples[::2], (), samples[:1])
    with pytest.raises(UsageError, match="1 class; methods can"):
        plan_folds(one, "toy", 2, (1,))
    with pytest.raises(UsageError, match="no labelled test images"):
        plan_folds(DatasetSplits(images, ("a", "b"), samples, (), ()), "toy", 2, (1,))
    plan = plan_folds(DatasetSplits(images, ("a", "b"), samples, (), samples[:1]), "toy", 8, (1, 2))
    assert (plan.shots, plan.images, plan.repeats) == (7, 20, 2)  # 10 of a class in folds of at most 3


def test_a_budget_that_is_too_small_for_all_candidates_is_said_before_the_race(tmp_path: Path, monkeypatch) -> None:
    def stopped(_: Race) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Race, "run", stopped)
    said: list[str] = []
    for budget in ("10s", "20min"):
        with pytest.raises(KeyboardInterrupt):
            recommended(tmp_path, budget=budget, progress=said.append)
    (warning,) = [line for line in said if line.startswith("--budget")]
    assert warning.startswith("--budget 10s is probably too")


def test_the_budget_ends_the_race(tmp_path: Path) -> None:
    """A clock that jumps: after the first fold no time is left, and the answer rests on what was trained."""
    request = RecommendRequest.build(DATASET, methods=["gda", "zero_shot"], runs=tmp_path, budget="10s")
    plan = plan_folds(get_dataset(DATASET).reader(None), DATASET, 8, request.repeats)
    now = [0.0]

    class Timed(Race):
        def _carry_out(self, methods, fold, shots):
            now[0] += 3 * len(methods)
            images = [str(i) for i in range(10)] if fold.index == 1 else [str(i) for i in range(10, 20)]
            for name in methods:
                self.outcomes.score(name, fold, images, np.ones(10, dtype=bool), 3.0)
            return {}

    said: list[str] = []
    dear = replace(request, sweep=request.sweep.model_copy(update={"methods": ["gda", "zero_shot", "clap"]}))
    outcomes, costs = RaceOutcomes(tuple(map(str, range(20))), request.repeats), {"clap": 70.0, "zero_shot": 1.0}
    found = Timed(dear, plan, outcomes, costs, said.append, lambda: now[0]).run()
    assert found.untried == {"clap": "a run takes about 70 s, and less was left"}
    assert (found.dropped, found.why) == ((), "the budget is used up")
    assert found.needed == pytest.approx(TOO_LITTLE + (3 + 3 + 70) / 3 * planned_trainings(3, 4))
    assert said == ["clap is not tried: a run takes about 70 s, and less was left"]
    now[0] = 0.0
    race = Timed(
        request, plan, RaceOutcomes(tuple(map(str, range(20))), request.repeats), {}, lambda _: None, lambda: now[0]
    )
    found = race.run()
    assert "budget is used up" in found.why
    assert found.trainings == 3  # 9 of 10 seconds; a fourth training of 3 seconds does not fit
    with pytest.raises(UsageError, match="cheapest take about 20 s.*1min"):
        Race(request, plan, race.outcomes, dict.fromkeys(request.sweep.methods, 5.0), lambda _: None).check_budget()
    Race(request, plan, race.outcomes, {"gda": 5.0}, lambda _: None).check_budget()  # the others may be cheaper


def test_the_encoding_of_images_is_charged_to_no_method_of_a_race() -> None:
    """With an empty cache, the first method encodes the images; the order is by what each method needs itself."""
    unused = {name: 0 for name, field in Cost.model_fields.items() if field.is_required()}
    own = {"prepare_seconds": 1.0, "train_seconds": 2.0}
    cost = Cost(**unused | own | {"shared_prepare_seconds": 90.0, "shared_train_seconds": 10.0})
    record = SimpleNamespace(status=RunStatus.OK, cost=cost)
    right = SimpleNamespace(images=("a", "b"), label=np.array([0, 1]), predicted=np.array([0, 0]))
    outcomes = RaceOutcomes(("a", "b"), (1,))
    outcomes.add("gda", held_out.Fold(1, 4, 1, 48), SimpleNamespace(record=record, predictions=[right]))
    assert (outcomes.seconds("gda"), outcomes.learning_seconds("gda")) == (3, 103)


def test_budgets_and_candidates() -> None:
    assert [parse_budget(text) for text in ("20min", "90 s", "1.5h", 2)] == [1200, 90, 5400, 120]
    assert {"zero_shot", "gda", "linear_probe", "timo"} <= set(feature_methods())
    assert not {"coop", "vpt", "tda"} & set(feature_methods()), "more than stored features"


def recommendation(race: SimulatedRace) -> Recommendation:
    result, decision = simulated(race)
    return Recommendation(race.request, race.plan, result, decision, (), None, "it was not asked for")


@pytest.mark.parametrize("trainings", [8, 12, 22, 37, 60])
def test_a_method_far_behind_is_never_said_not_to_differ(trainings: int) -> None:
    """Six methods are 35 points behind, and the budget ends the race wherever it does."""
    for seed in range(4):
        accuracies = [0.9, 0.89, *[0.55] * 6]
        race = SimulatedRace(np.random.default_rng(seed), accuracies, images=64, trainings=trainings)
        found = recommendation(race)
        assert not [line for line in found.lines() if re.match("Not shown to differ.*m0[2-7]", line)]
        ends = [end for row in found.rows() for end in str(row["95 % interval"]).split(" to ") if end]
        assert all(-100 <= float(end.replace("−", "-")) <= 100 for end in ends)


def test_methods_that_were_stopped_early_are_listed_with_how_far_they_are_behind() -> None:
    race = SimulatedRace(np.random.default_rng(1), [0.9, 0.9, 0.9, 0.75], images=80, trainings=12)
    (line,) = [line for line in recommendation(race).lines() if line.startswith("Stopped early")]
    assert re.search(r"m03, .*[\d.]+ points behind after 2 folds", line)


def test_a_power_law_is_extrapolated_exactly() -> None:
    """Errors of 0.4, 0.28 and 0.196 fall by 30 % with each doubling; the next is 0.1372."""
    n = 1000
    tables = {
        shots: (np.arange(n) >= error * n)[None].astype(float) for shots, error in ((2, 0.4), (4, 0.28), (8, 0.196))
    }
    found = doubling(tables, np.tile([1, 2, 3, 4], n // 4)[None])
    assert found.gain.mean == pytest.approx(0.196 - 0.1372)
    assert found.gain.low < found.gain.mean < found.gain.high
    assert doubling({8: tables[8]}, np.ones((1, n))) is None


def test_twice_the_labels_gain_no_more_than_the_error() -> None:
    """Four images in two folds, whose trainings differ: the plain interval would end beyond 100 points."""
    tables = {2: np.array([[0.0, 1.0, 0.0, 0.0]]), 4: np.array([[1.0, 1.0, 0.0, 0.0]])}
    found = doubling(tables, np.array([[1, 1, 2, 2]]))
    assert -0.5 <= found.gain.low < found.gain.high <= 0.5


def test_an_interrupted_race_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import bench.extensions.recommendation.race as race_module

    real = race_module.carry_out

    def stopped(*args, **options):
        outcome = real(*args, **options)
        return replace(outcome, summary=replace(outcome.summary, interrupted=True))

    monkeypatch.setattr(race_module, "carry_out", stopped)
    with pytest.raises(KeyboardInterrupt):
        recommended(tmp_path, methods="zero_shot,gda", shots=2)
