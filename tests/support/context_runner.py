"""A runner that writes down the context it was given: `<data_root>/<run id>.json`."""

from __future__ import annotations

from fake_runner import failed_record, make_predictions, make_record, measure_difficulty

from bench.context import RunContext
from bench.record import Predictions, RunRecord
from bench.spec import ExperimentSpec
from datasets_registry import BenchError

__all__ = ["failed_record", "measure_difficulty", "run_and_keep", "run_experiment"]


def run_experiment(spec: ExperimentSpec, context: RunContext) -> tuple[RunRecord, list[Predictions]]:
    assert context.data_root is not None
    (context.data_root / f"{spec.run_id}.json").write_text(context.model_dump_json())
    return make_record(spec), [make_predictions("base"), make_predictions("new")]


def run_and_keep(spec: ExperimentSpec, context: RunContext) -> tuple[RunRecord, list[Predictions], BenchError]:
    record, predictions = run_experiment(spec, context)
    return record, predictions, BenchError("a runner of tests keeps no model")
