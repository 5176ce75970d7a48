"""The epoch chosen on validation or on test: what shorter trainings, one for each candidate, say about it."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from one_case import for_each
from parity_kit import batch_of, class_set, images, support_view, tiny_backbone
from tiny_runs import constant_rate_spec, finished, one_spec

from bench.context import RunContext
from bench.experiment import runner
from bench.experiment.checkpoints import CANDIDATES, EpochCandidates, spaced_epochs
from bench.experiment.features.inputs import shared_inputs
from bench.experiment.features.views import CENTER_VIEW
from bench.record import Predictions, RunRecord
from bench.results.shards import Shards
from bench.spec import ExperimentSpec
from datasets_registry import ClassSet, EvalProtocol, FewShotTask
from methods import Batch, Method, MethodConfig, TrainableMethod

EPOCHS = 6
LEARNING_RATE = {"clip_adapter": 2.0, "coop": 1.0, "lp_plus_plus": 1.0, "wise_ft_on:prolip": 0.05, "two_stage": 1e-4}
FEW_SHOT, BASE_TO_NEW = EvalProtocol.FEW_SHOT, EvalProtocol.BASE_TO_NEW


def spec_of(
    method: str, selection: str | None, *, epochs: int = EPOCHS, protocol: EvalProtocol = FEW_SHOT
) -> ExperimentSpec:
    return constant_rate_spec(method, protocol, selection, epochs=epochs, views=1, lr=LEARNING_RATE[method])


def run(spec: ExperimentSpec, **settings: Any) -> tuple[RunRecord, list[Predictions]]:
    return runner.run_experiment(spec, RunContext(**settings))


def accuracies(record: RunRecord) -> dict[str, float]:
    return {score.split: score.accuracy for score in record.scores}


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Method[Any], FewShotTask]]:
    """Method and task of each split that was scored."""
    seen: list[tuple[Method[Any], FewShotTask]] = []
    tasks: list[FewShotTask] = []
    load_task, evaluate = runner.load_task, runner.evaluate_split

    def loaded(*args: Any) -> FewShotTask:
        tasks.append(load_task(*args))
        return tasks[-1]

    def spied(method: Method[Any], *args: Any, **kwargs: Any) -> Any:
        seen.append((method, tasks[-1]))
        return evaluate(method, *args, **kwargs)

    monkeypatch.setattr(runner, "load_task", loaded)
    monkeypatch.setattr(runner, "evaluate_split", spied)
    return seen


def validation_accuracy(method: Method[Any], task: FewShotTask) -> float:
    """Image by image, in plain Python."""
    few, inputs = task.validation, shared_inputs("ViT-tiny.random", RunContext())
    right = 0
    for sample in few.samples:
        features = inputs.features(few.images, [sample], CENTER_VIEW)
        pixels = inputs.pixels(few.images, [sample], CENTER_VIEW)
        batch = Batch(None, features=lambda f=features: f, pixels=lambda p=pixels: p, needs=method.info.needs)
        with torch.no_grad():
            logits = method.classifier(few.classes)(batch)[0].tolist()
        right += logits.index(max(logits)) == sample.label
    assert method.backbone is inputs.backbone
    return right / len(few.samples)


def test_validation_keeps_the_epoch_that_trainings_of_every_length_say_is_best(
    scored: list[tuple[Method[Any], FewShotTask]],
) -> None:
    method = "clip_adapter"
    plain = {epochs: run(spec_of(method, None, epochs=epochs)) for epochs in range(1, EPOCHS + 1)}
    judged = {epochs: validation_accuracy(*seen) for epochs, seen in zip(plain, scored, strict=True)}
    best = max(judged, key=lambda epochs: (judged[epochs], epochs))
    assert len(set(judged.values())) > 1, "nothing to choose"
    record, predictions = finished(spec_of(method, "validation"))
    assert record.selected_epoch == best
    assert accuracies(record) == accuracies(plain[best][0])
    assert predictions[0].predicted.tolist() == plain[best][1][0].predicted.tolist()
    assert all(score.selected_on_test is None and score.optimism is None for score in record.scores)


@pytest.mark.parametrize(("method", "protocol"), [("coop", BASE_TO_NEW), ("wise_ft_on:prolip", FEW_SHOT)])
def test_an_oracle_scores_each_split_by_its_best_epoch_and_names_the_gain(method: str, protocol: EvalProtocol) -> None:
    """WiSE-FT averages the weights of each candidate with their start, after its last epoch, before it is judged."""
    plain = {n: accuracies(run(spec_of(method, None, epochs=n, protocol=protocol))[0]) for n in range(1, EPOCHS + 1)}
    record, _ = run(spec_of(method, "oracle", protocol=protocol))
    assert record.selected_epoch is None
    for score in record.scores:
        best = max(plain, key=lambda n: (plain[n][score.split], n))
        assert score.selected_on_test == f"epoch {best}"
        assert score.accuracy == plain[best][score.split]
        assert score.optimism == score.accuracy - plain[EPOCHS][score.split] >= 0
    assert len({tuple(scored.values()) for scored in plain.values()}) > 1, "nothing to choose"


def test_a_method_that_searches_epochs_itself_has_an_oracle_over_them_too() -> None:
    spec = spec_of("lp_plus_plus", "oracle")
    assert spec.config["selection"] == "last"
    (score,) = run(spec)[0].scores
    assert score.selected_on_test.startswith("epoch ")


@pytest.mark.parametrize(("selection", "splits"), [("validation", 1), ("oracle", 2)])
def test_what_choosing_costs_is_counted(selection: str, splits: int) -> None:
    cost = run(spec_of("clip_adapter", selection, protocol=BASE_TO_NEW, epochs=25))[0].cost
    assert (cost.fits, cost.candidate_evaluations) == (1, CANDIDATES * splits)
    assert 0 < cost.tuning_seconds < cost.train_seconds + cost.eval_seconds
    plain = finished(spec_of("clip_adapter", None, protocol=BASE_TO_NEW))[0].cost
    assert (plain.fits, plain.candidate_evaluations) == (1, 0)


def test_a_held_out_shot_is_not_among_the_shots_that_a_method_sees() -> None:
    spec = one_spec("proker", selection="hoso", shots=(4,), protocol=FEW_SHOT)
    assert spec.held_out_shot
    begun = runner.Run(spec, RunContext())
    view = begun.support_view(begun.task.support)
    assert {view.shots} == {spec.shots - 1} == set(Counter(view.labels.tolist()).values())


def test_labels_of_validation_and_test_are_out_of_reach_of_the_method(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only training batches have labels, nothing else is handed to the method, and wrong test labels change nothing."""
    spec = spec_of("clip_adapter", "validation")
    honest = finished(spec)
    handed: list[str] = []
    monkeypatch.setattr(TrainableMethod, "calibrate", lambda *_: handed.append("validation labels"))
    build = runner.load_task

    def mislabelled(*args: Any) -> FewShotTask:
        task = build(*args)
        for split in task.evals:
            n = len(split.classes)
            object.__setattr__(split, "samples", tuple(type(s)(s.key, (s.label + 1) % n) for s in split.samples))
        return task

    monkeypatch.setattr(runner, "load_task", mislabelled)
    fooled = run(spec)
    assert handed == []
    assert fooled[0].selected_epoch == honest[0].selected_epoch
    assert fooled[1][0].predicted.tolist() == honest[1][0].predicted.tolist()
    assert fooled[0].scores != honest[0].scores


@pytest.mark.parametrize(("method", "selection"), [("clip_adapter", "validation"), ("coop", "oracle")])
def test_a_training_that_was_cut_off_chooses_the_same(
    method: str, selection: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of(method, selection)
    undisturbed, whole = finished(spec)
    end_of_epoch = EpochCandidates.end_of_epoch

    def dies(self: EpochCandidates, epoch: int) -> None:
        if epoch == 5:
            raise KeyboardInterrupt
        end_of_epoch(self, epoch)

    monkeypatch.setattr(EpochCandidates, "end_of_epoch", dies)
    with pytest.raises(KeyboardInterrupt):
        run(spec, checkpoints=tmp_path, checkpoint_seconds=0)
    taken: list[int] = []
    monkeypatch.setattr(
        EpochCandidates, "end_of_epoch", lambda self, epoch: (taken.append(epoch), end_of_epoch(self, epoch))
    )
    resumed, again = run(spec, checkpoints=tmp_path, checkpoint_seconds=0)
    assert taken == [5, 6], "it resumed after epoch 4"
    assert resumed.scores == undisturbed.scores
    assert resumed.selected_epoch == undisturbed.selected_epoch
    assert [p.top_logits.tolist() for p in again] == [p.top_logits.tolist() for p in whole]


@for_each("epochs", range(1, 64))
def test_there_are_at_most_ten_evenly_spaced_candidates_and_the_last_is_one(epochs: int) -> None:
    found = spaced_epochs(12, epochs)
    steps = {after - before for before, after in pairwise((12, *found))}
    assert len(found) == min(epochs, CANDIDATES)
    assert found[-1] == 12 + epochs
    assert 0 < max(steps) <= min(steps) + 1


class Stepwise(TrainableMethod[Any]):
    """Predicts class 0 or class 1, depending on one weight."""

    def classifier(self, classes: ClassSet) -> Any:
        level = self.trainable.weight
        return lambda batch: torch.stack([1 - level[0, 0], level[0, 0]]).expand(len(batch.features), 2)


def stepwise(levels: list[float]) -> EpochCandidates:
    method = Stepwise(tiny_backbone(), MethodConfig(), torch.Generator())
    method.prepare(support_view(tiny_backbone(), class_set("base")))
    method.trainable = torch.nn.Linear(1, 1, bias=False)
    choice = EpochCandidates(method)
    choice.plan(0, len(levels))
    for epoch, level in enumerate(levels, start=1):
        torch.nn.init.constant_(method.trainable.weight, level)
        choice.end_of_epoch(epoch)
    return choice


def two_images() -> list[Batch]:
    return [batch_of(tiny_backbone(), images("test")[:2], None)]


@pytest.mark.parametrize(
    ("levels", "best"), [([0.0, 1, 1, 0], 3), ([1.0, 1, 1], 3), ([0.0, 0, 0], 3), ([1.0, 0, 0], 1), ([0.0, 1], 2)]
)
def test_of_equal_epochs_the_latest_is_kept(levels: list[float], best: int) -> None:
    choice = stepwise(levels)
    assert choice.keep_best(two_images, [1, 1]) == best
    assert choice.method.trainable.weight.item() == levels[best - 1]
    assert choice.method.tuning.evaluations == len(levels)


def test_stages_before_the_last_have_no_candidates() -> None:
    """In the first stage of 2SFS its rows are untrained, so that no epoch of it is a classifier of its own."""
    choice = stepwise([])
    choice.plan(6, 4)
    for epoch in range(1, 11):
        choice.end_of_epoch(epoch)
    named = [name for name, _ in choice.classifiers(lambda: choice.method.classifier(choice.method.support_classes))]
    assert named == ["epoch 10", "epoch 9", "epoch 8", "epoch 7"]


def test_a_method_in_stages_chooses_among_the_epochs_of_its_last() -> None:
    spec = spec_of("two_stage", "oracle")
    recipe = dict(spec.recipe or {}, steps_per_shot=0, epochs=5)
    (score,) = run(spec.model_copy(update={"recipe": recipe}))[0].scores
    assert score.selected_on_test in {"epoch 4", "epoch 5"}, "0.6 of five epochs"


def test_show_tells_the_epoch_and_what_choosing_it_cost(tmp_path: Path, etl: Any) -> None:
    record, predictions = finished(spec_of("clip_adapter", "validation"))
    Shards(tmp_path).write(record, predictions)
    code, out, _ = etl("runs", "show", record.run_id, "--runs", tmp_path)
    assert code == 0
    told = dict(re.split(r"\s{2,}", line.strip(), maxsplit=1) for line in out.splitlines() if "  " in line.strip())
    assert told["epoch selection"] == "validation"
    assert told["selected epoch"] == str(record.selected_epoch)
    assert (told["fits"], told["candidate evaluations"]) == ("1", str(EPOCHS))
    assert "tuning seconds" in told
