"""Trains the recommended method and keeps its model, like the printed command."""

from pathlib import Path

from bench.recommendation.result import Recommendation
from bench.sweep import SweepLog, carry_out, make_plan, report_failures
from bench.tuned import list_models, model_path


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
    kept = [model.path for model in list_models(model_path(request.runs, "x").parent) if model.path in planned]
    return kept[0] if kept else None
