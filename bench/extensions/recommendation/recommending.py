"""Which method to take, from Python, with the options of `etl-bench recommend`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench._util.words import counted
from bench.errors import UsageError
from bench.extensions.recommendation.request import RecommendRequest
from bench.spec import DEMO_RECIPE

if TYPE_CHECKING:
    from bench.extensions.recommendation.result import Recommendation


def recommend(dataset: str, *, progress: bool | Callable[[str], None] = True, **options: Any) -> Recommendation:
    """Recommend a method for a dataset, by a race on its labelled training images. The test part is not used.

    A repeated call resumes the race.

    Args:
        dataset: one registered dataset.
        progress: whether decisions of the race are printed on standard error, or a function that receives them.
        options: those of `RecommendRequest.build`, such as `backbone`, `shots`, `budget` or `methods`.

    Returns:
        The recommendation. Print it, show it in a notebook, or use `to_json()`.

    Raises:
        UsageError: a wrong value, a dataset with too few classes or without a test part, or too small a budget.
        ShotsError: a class has fewer training images than shots.
        ImpossibleCombinationError: no candidate can run on this backbone.
    """
    from bench.extensions.recommendation.folds import plan_folds
    from bench.extensions.recommendation.race import Race, race_request
    from bench.sweep import duration, expand
    from datasets_registry import get_dataset

    request = RecommendRequest.build(dataset, **options)

    def say(line: str) -> None:
        if callable(progress):
            progress(line)
        elif progress:
            sys.stderr.write(line + "\n")

    splits = get_dataset(request.dataset).reader(request.sweep.data_root)
    plan = plan_folds(splits, request.dataset, request.shots, request.repeats, allow_fewer=request.sweep.allow_fewer)
    possible = expand(race_request(request.sweep, request.sweep.methods, plan.folds[0], plan.shots))
    for item in possible.left_out:
        say(f"left out: {item.what}: {item.reason}")
    candidates = list(dict.fromkeys(spec.method for spec in possible.specs))
    request = replace(request, sweep=request.sweep.model_copy(update={"methods": candidates}))
    trainings = " with short trainings (--recipe demo)" if request.sweep.recipe == DEMO_RECIPE else ""
    say(
        f"Race of {counted(len(candidates), 'method')}{trainings} on {len(plan.images)} labelled training images of "
        f"{request.dataset}, at most {duration(request.budget)}; the test part is not used"
    )
    answer = Race(request, plan, say).run()
    if answer is None:
        raise UsageError(
            f"No method was scored within the budget of {duration(request.budget)}. Repeat the command with a larger "
            "--budget; finished trainings are kept."
        )
    return answer


def train_recommended(answer: Recommendation) -> Path | None:
    """Train the recommended method, evaluate it on the test images, and keep the best of its models.

    A model that was kept before is not trained again. The run appears on the leaderboard like any other.

    Returns the file of the model; None if no training finished. Raises KeyboardInterrupt if it is interrupted; finished
    trainings are kept.
    """
    from bench.experiment import MODELS, list_models, model_path
    from bench.sweep import LogStyle, carry_out, make_plan, open_log, report_failures

    request, log = answer.training_request, open_log(LogStyle.AUTO)
    plan = make_plan(request, log)
    outcome = carry_out(plan, log)
    report_failures(outcome, log)
    if outcome.summary.interrupted:
        raise KeyboardInterrupt
    planned = {model_path(request.runs, spec.run_id) for spec in plan.specs}
    return next((model.path for model in list_models(request.runs / MODELS) if model.path in planned), None)
