"""`recommend`: checks the request, runs the race, assembles the answer, and trains the chosen method."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench._util.words import counted
from bench.analysis import BASELINE
from bench.errors import UsageError
from bench.experiment import MODELS, changed_images, list_models, model_path
from bench.extensions.recommendation.answer import Decision, Doubling, decide, doubling
from bench.extensions.recommendation.folds import FoldPlan, RaceOutcomes, groups_of, plan_folds
from bench.extensions.recommendation.prior import PublishedNumbers, earlier_costs, own_runs, priors
from bench.extensions.recommendation.race import Race, RaceResult, race_request, read_runs
from bench.extensions.recommendation.request import RecommendRequest, duration, whole_minutes
from bench.extensions.recommendation.result import Recommendation
from bench.sweep import AfterRun, SweepLog, carry_out, expand, make_plan, report_failures
from datasets_registry import get_dataset, held_out, some
from methods import parse_backbone


def train_choice(found: Recommendation, log: SweepLog) -> Path | None:
    """Train the recommended method, evaluate it on the test images, and keep the best of its models.

    A model that was kept before is not trained again. The run appears on the leaderboard like any other.

    Returns:
        The model file; None if no training finished.
    """
    request = found.training_request
    made = make_plan(request, log)
    outcome = carry_out(made, request, log)
    report_failures(outcome, log)
    if outcome.summary.interrupted:
        raise KeyboardInterrupt
    planned = {model_path(request.runs, spec.run_id) for spec in made.specs}
    kept = [model.path for model in list_models(request.runs / MODELS) if model.path in planned]
    return kept[0] if kept else None


def carry_out_recommendation(
    request: RecommendRequest,
    say: Callable[[str], None],
    published: PublishedNumbers,
    after_run: Sequence[AfterRun] = (),
) -> Recommendation:
    """Run or resume the race that the request describes, and return the answer.

    Args:
        say: receives one line for every decision of the race.
        published: prior knowledge besides own runs.
        after_run: each is called after every finished run of the race, whose folder is `request.race_runs`.

    Raises:
        UsageError: the budget is too small for one method, or the dataset has too few classes or no test part.
        ShotsError: a class has fewer training images than shots.
        ImpossibleCombinationError: no candidate can run on this backbone.
    """
    info = get_dataset(request.dataset)
    splits = info.reader(request.sweep.data_root)
    for line in _former_models(request):
        say(line)
    plan = plan_folds(splits, request.dataset, request.shots, request.repeats, allow_fewer=request.sweep.allow_fewer)
    possible = expand(race_request(request.sweep, request.sweep.methods, plan.folds[:1], plan.shots))
    for item in possible.rejected:
        say(f"left out: {item.what}: {item.reason}")
    candidates = list(dict.fromkeys(spec.method for spec in possible.specs))
    request = _with_methods(request, candidates)
    slug = parse_backbone(request.sweep.backbones[0]).slug
    images = held_out.labelled_images(splits, plan.folds[0].most, dataset=request.dataset)
    outcomes = RaceOutcomes(tuple(image.key for image in images), request.repeats, groups_of(images))
    race = Race(request, plan, outcomes, earlier_costs(own_runs(request), slug), say, after_run=after_run)
    race.check_budget()
    groups = "" if outcomes.groups is None else f" in {counted(len(set(outcomes.groups.tolist())), 'group')}"
    say(
        f"Race of {counted(len(candidates), 'method')} on {plan.images} labelled training images{groups} of "
        f"{request.dataset}, at most {duration(request.budget)}; the test part is not used"
    )
    if request.budget < race.needed:
        say(
            f"--budget {request.budget:.0f}s is probably too small for all of them; about {whole_minutes(race.needed)} "
            "would do (an estimate). The answer names methods that were not tried."
        )
    result = race.run()
    if not result.left:
        raise UsageError(
            f"No method finished a run within the budget of {request.budget:.0f} s. Repeat the command with "
            f"--budget {whole_minutes(result.needed)} (an estimate); finished runs are kept."
        )
    decision = decide(outcomes, result.left, result.last, plan, margin=request.margin)
    curve, why = _doubling(race, plan, decision)
    zero_shot = outcomes.tables([BASELINE]).get(BASELINE)
    accuracy = None if zero_shot is None else float(np.nanmean(zero_shot))
    difficulty = 1 / plan.classes / accuracy if accuracy else None
    known = tuple(priors(request, published, difficulty, accuracy))
    return Recommendation(request, plan, result, decision, known, curve, why)


def _former_models(request: RecommendRequest) -> Iterator[str]:
    """A line that names the kept models of former own images, if there are any."""
    models = [m.info for m in list_models(request.runs / MODELS) if m.info and m.info.spec.dataset == request.dataset]
    former = [info for info, change in zip(models, changed_images(models), strict=True) if change]
    if former:
        listed = some([f"{info.run_id} ({info.spec.method})" for info in former])
        yield f"{counted(len(former), 'kept model')} of former images of {request.dataset}, not used here: {listed}"


def _doubling(race: Race, plan: FoldPlan, decision: Decision) -> tuple[Doubling | None, str]:
    """The learning curve of the chosen method, from runs on a half and a quarter of the shots, or why there is none."""
    if decision.pick == BASELINE:
        return None, "zero-shot learns from no labels"
    levels = [count for count in (plan.shots // 4, plan.shots // 2) if count >= 1]
    if not levels:
        return None, "there is no smaller number of shots to compare with"
    outcomes = race.outcomes
    found: dict[int, NDArray[np.float64]] = {plan.shots: outcomes.tables([decision.pick])[decision.pick][:1]}
    for count in levels:
        smaller = RaceOutcomes(outcomes.images, outcomes.repeats, outcomes.groups)
        for fold in plan.folds[: plan.per_repeat]:
            run_id = race.train(decision.pick, fold, count)
            if run_id is None:
                return None, "the budget is used up"
            for method, shard in read_runs(race.request, {decision.pick: run_id}):
                smaller.add(method, fold, shard)
        if smaller.failed:
            return None, f"a run with {counted(count, 'shot')} failed: {smaller.failed[decision.pick]}"
        found[count] = smaller.tables([decision.pick])[decision.pick][:1]
    curve = doubling(found, outcomes.folds[:1], outcomes.groups)
    return curve, "" if curve else "there are no errors to reduce"


def _with_methods(request: RecommendRequest, methods: list[str]) -> RecommendRequest:
    return replace(request, sweep=request.sweep.model_copy(update={"methods": methods}))


__all__ = ["RaceResult", "carry_out_recommendation"]
