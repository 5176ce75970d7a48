"""`run --keep-models`: which models a sweep leaves in the folder, and which finished runs it repeats for them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_runner import make_spec
from launching import launch
from sweep_requests import sweep_over

from bench.context import RunContext
from bench.errors import ImpossibleCombinationError
from bench.experiment.model_file import list_models, model_path
from bench.record import Score
from bench.results.shards import Shards
from bench.sweep import expand
from bench.sweep.launch.tasks import RunTask, Surroundings
from bench.sweep.models_of_sweep import check_keepable

Etl = Callable[..., tuple[int, str, str]]
SMALL = ["-d", "spectrum_basic:test=5", "-b", "ViT-tiny.random", "--jobs", "0"]
QUICK = [*SMALL, "--protocol", "few-shot", "--shots", "2"]
GDA = ["run", "-m", "gda", *QUICK, "--seeds", "3"]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def kept(runs: str) -> dict[int, float]:
    """The validation accuracy of the tuned models, by seed."""
    models = [model.info for model in list_models(Path(runs) / "models")]
    return {info.spec.seed: info.validation_accuracy or 0 for info in models if info is not None}


def results(runs: str) -> dict[str, list[Score]]:
    shards = Shards(Path(runs))
    return {run_id: shards.record(run_id).scores for run_id in shards.scan()}


def test_best_keeps_the_seed_with_the_best_validation_score_and_all_keeps_each(etl: Etl) -> None:
    code, _, err = etl(*GDA, "--keep-models", "all")
    assert code == 0
    assert "3 tuned models of these" in err
    everything = kept("runs")
    assert sorted(everything) == [1, 2, 3]
    assert etl(*GDA, "--keep-models", "best", "--runs", "other")[0] == 0
    assert [*kept("other").values()] == [max(everything.values())]
    assert sorted(path.suffix for path in Path("other/models").iterdir()) == [".md", ".safetensors"]
    assert len(results("other")) == 3
    assert "nothing to do" in etl(*GDA, "--keep-models", "best", "--runs", "other")[2]


def test_finished_runs_without_a_model_run_again_with_the_same_result_and_the_sweep_says_so(etl: Etl) -> None:
    etl(*GDA)
    plain = results("runs")
    assert not Path("runs/models").exists()
    code, out, err = etl(*GDA, "--keep-models", "all", "--dry-run", "--json")
    assert (code, len(json.loads(out))) == (0, 3)
    assert "3 finished runs without a tuned" in err
    etl(*GDA, "--keep-models", "all")
    assert sorted(kept("runs")) == [1, 2, 3]
    assert results("runs") == plain
    assert "0 to do; nothing" in etl(*GDA, "--keep-models", "all")[2]


def test_a_method_that_cannot_be_kept_is_named_and_its_run_is_done(etl: Etl, monkeypatch: pytest.MonkeyPatch) -> None:
    from methods import get_method

    monkeypatch.setattr(get_method("gda"), "calibrate", lambda self, _: setattr(self, "scale", 3.0))
    code, _, err = etl(*GDA, "--keep-models", "all", "--log", "plain")
    assert code == 0
    assert "loaded again, it gives" in err
    assert len(results("runs")) == 3
    assert not Path("runs/models").exists()


def test_a_model_on_imported_features_is_refused() -> None:
    spec = expand(sweep_over(["gda"], ["spectrum_basic"], ["ViT-tiny.random"])).specs[0]
    check_keepable([spec])
    with pytest.raises(ImpossibleCombinationError, match=r"features\.toy has imported features"):
        check_keepable([spec, spec.model_copy(update={"backbone": "features.toy"})])


def test_workers_keep_models_too(tmp_path: Path) -> None:
    task = RunTask(make_spec())
    around = Surroundings(runs=tmp_path, context=RunContext(keep_models="all"), runner="fake_runner")
    launch(around, 1, [task])
    assert model_path(tmp_path, task.spec.run_id).read_bytes() == b"a tuned model"
