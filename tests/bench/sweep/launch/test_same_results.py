"""Real runs answer the same bit for bit after a kill and on a node of Ray, and, but for rounding, in other batches."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from families_of_methods import some_fast
from launching import launch, start_python
from tiny_runs import forget_loaded, one_spec, outcome

from bench.context import RunContext
from bench.experiment import runner
from bench.results.predictions import pack_predictions
from bench.results.shards import Shards
from bench.spec import ExperimentSpec
from bench.sweep.launch.ray_worker import RayWorker
from bench.sweep.launch.tasks import RunTask, Surroundings


def spec_of(method: str, epochs: int = 3) -> ExperimentSpec:
    settings = [f"{method}.recipe.epochs={epochs}", f"{method}.recipe.views=2"] if method != "zero_shot" else []
    return one_spec(method, *settings)


# --- kills ------------------------------------------------------------------------------------------------------------

PROGRAM = """
import sys
from pathlib import Path
from bench.context import RunContext
from bench.experiment import runner
from bench.spec import ExperimentSpec
spec = ExperimentSpec.model_validate_json(Path(sys.argv[1]).read_text())
runner.run_experiment(spec, RunContext(checkpoints=Path(sys.argv[2]), checkpoint_seconds=0.0))
"""


def test_a_run_killed_in_training_goes_on_and_ends_bit_for_bit_alike(tmp_path: Path):
    """`test_checkpoints.py` cuts trainings of every method off in this process."""
    spec = spec_of("coop", epochs=4)
    (tmp_path / "spec.json").write_text(spec.model_dump_json())
    kept = tmp_path / "checkpoints" / f"{spec.run_id}.safetensors"
    process = start_python(PROGRAM, tmp_path / "spec.json", kept.parent, OMP_NUM_THREADS="1")
    while not kept.exists() and process.poll() is None:
        time.sleep(0.001)
    process.kill()
    output, _ = process.communicate()
    assert kept.exists(), output
    resumed, predictions = runner.run_experiment(spec, RunContext(checkpoints=kept.parent, checkpoint_seconds=0.0))
    whole, undisturbed = runner.run_experiment(spec, RunContext())
    for name in ("scores", "final_loss", "open"):
        assert getattr(resumed, name) == getattr(whole, name)
    assert resumed.cost.steps == whole.cost.steps
    assert pack_predictions(predictions) == pack_predictions(undisturbed)


@pytest.mark.parametrize("method", ["vpt", "coop"])
def test_the_cost_of_a_resumed_run_is_that_of_all_its_parts(method: str, tmp_path: Path, cut_off):
    spec = spec_of(method)
    context = RunContext(checkpoints=tmp_path, checkpoint_seconds=0.0, cache_dir=tmp_path / "cache")
    cut_off(spec, context, 2)
    resumed, _ = runner.run_experiment(spec, context)
    whole, _ = runner.run_experiment(spec, RunContext(cache_dir=tmp_path / "cache"))
    for name in type(whole.cost).model_fields:
        if "passes" in name or "shared" in name:
            assert getattr(resumed.cost, name) == getattr(whole.cost, name)


# --- batches ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", some_fast(["zero_shot", "coop", "vpt", "clip_adapter"], {"coop"}))
def test_answers_do_not_depend_on_the_evaluation_batch(method: str):
    answers = [runner.run_experiment(spec_of(method), RunContext(eval_batch=size)) for size in (128, 8, 3)]
    (whole, columns), *others = answers
    assert whole.provenance.eval_batch == 128
    for record, predictions in others:
        assert [score.accuracy for score in record.scores] == [score.accuracy for score in whole.scores]
        for ours, theirs in zip(predictions, columns, strict=True):
            assert ours.images == theirs.images
            for name in ("label", "predicted", "rank", "top_labels"):
                assert np.array_equal(getattr(ours, name), getattr(theirs, name))
            for name in ("true_logit", "log_sum_exp", "top_logits"):
                np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-4, atol=1e-4)


# --- nodes of Ray -----------------------------------------------------------------------------------------------------


def surroundings_in(folder: Path) -> Surroundings:
    """Every option of the context is set."""
    context = RunContext(
        data_root=folder / "data",
        cache_dir=folder / "cache",
        cache_limit=2**30,
        pixel_limit=2**20,
        eval_batch=7,
        checkpoints=folder / "runs" / "checkpoints",
        checkpoint_seconds=0.0,
    )
    # a tuned model is a file beside the record; a local weight file or a support list would change the spec
    same_as_default = {"keep_models", "weights", "files", "device", "threads"}
    unset = {name for name in RunContext.model_fields if getattr(context, name) == getattr(RunContext(), name)}
    assert unset == same_as_default, "set the new fields of RunContext here"
    return Surroundings(runs=folder / "runs", context=context)


def test_a_worker_of_ray_computes_what_this_process_computes(tmp_path: Path, monkeypatch) -> None:
    """Workers of a pool: `test_pool_process.py`."""
    monkeypatch.chdir(tmp_path)
    here, there = surroundings_in(tmp_path / "here"), surroundings_in(tmp_path / "there")
    task = RunTask(spec_of("coop", epochs=2))
    launch(here, 0, [task])
    forget_loaded()
    computed = RayWorker(str(tmp_path), there.model_dump_json(), {}, {}).execute(task)
    expected = Shards(here.runs).read(task.spec.run_id)
    assert outcome((computed.record, list(computed.predictions))) == outcome((expected.record, [*expected.predictions]))
