"""Weights are fetched once, before the runs; a backbone is loaded once per process."""

from __future__ import annotations

from pathlib import Path

import open_clip
import pytest
import requests
from sweep_requests import sweep_over
from teachers import student_request, teacher_file
from tiny_runs import forget_loaded

from bench.context import RunContext
from bench.errors import ImpossibleCombinationError
from bench.experiment.features import inputs
from bench.experiment.features.inputs import shared_inputs
from bench.results.shards import Shards
from bench.sweep import LogStyle, RerunPolicy, SweepRequest, carry_out, make_plan, open_log, weights
from bench.sweep.launch.tasks import Outcome
from bench.sweep.weights import without_missing_weights
from methods import BackboneSpec, Precision, WeightsError, fetch_weights

MISSING, PRESENT = "ViT-B-32.openai", "ViT-tiny.random"


@pytest.fixture
def tries(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What was to be fetched from a hub that answers, and sends nothing."""
    found: list[object] = []

    def no_network(config: object, *_: object, **__: object) -> str:
        found.append(config)
        raise ConnectionError("no route to host")

    monkeypatch.setattr(requests, "head", lambda *_, **__: None)
    monkeypatch.setattr(open_clip, "download_pretrained", no_network)
    return found


def requested(runs: Path, backbones: list[str], **options: object) -> SweepRequest:
    return sweep_over(
        ["zero_shot", "linear_probe"],
        ["spectrum_basic", "spectrum_blur"],
        backbones,
        **{"runs": runs, "jobs": 0, "runner": "fake_runner", "protocol": "few-shot", "shots": [2], **options},
    )


def test_weights_that_cannot_be_fetched_are_tried_once_and_refuse_all_their_runs_in_one_line(
    tmp_path: Path, tries: list[object], capsys
) -> None:
    request = requested(tmp_path, [MISSING, PRESENT])
    log = open_log(LogStyle.PLAIN)
    made = make_plan(request, log)
    assert len(made.pending) == 16
    assert tries == [], "a plan fetches nothing"
    outcome = carry_out(made, log)
    assert len(tries) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if "could not be fetched" in line]
    assert len(lines) == 1
    assert lines[0].startswith(f"left out: {MISSING} (8 runs): ")
    assert "ConnectionError: no route to host" in lines[0]
    assert [item.outcome for item in outcome.summary.finished] == [Outcome.OK] * 10, "two and eight"
    assert {spec.backbone for spec in outcome.plan.specs} == {PRESENT}
    assert outcome.exit_code == 3
    assert outcome.failed == []
    assert set(Shards(tmp_path).scan()) == {spec.run_id for spec in outcome.plan.specs}


def test_a_sweep_of_nothing_but_missing_weights_is_refused(tmp_path: Path, tries: list[object]) -> None:
    request = requested(tmp_path, [MISSING])
    log = open_log(LogStyle.NONE)
    with pytest.raises(ImpossibleCombinationError, match=r"Cannot run ViT-B-32.openai \(8 runs\)"):
        carry_out(make_plan(request, log), log)
    assert len(tries) == 1
    assert Shards(tmp_path).scan() == {}


def test_finished_runs_of_missing_weights_are_kept(tmp_path: Path, tries: list[object], monkeypatch) -> None:
    request = requested(tmp_path, [MISSING])
    log = open_log(LogStyle.NONE)
    with monkeypatch.context() as patch:
        patch.setattr(open_clip, "download_pretrained", lambda *_: "weights.bin")
        assert carry_out(make_plan(request, log), log).exit_code == 0
    more = requested(tmp_path, [MISSING], seeds=[1, 2, 3, 4])
    outcome = carry_out(make_plan(more, log), log)
    assert (outcome.exit_code, len(outcome.plan.done), len(outcome.summary.finished)) == (3, 8, 0)
    assert tries
    again = carry_out(make_plan(request, log), log)
    assert again.exit_code == 0, "nothing to fetch"
    assert len(tries) == 1


def test_the_weights_of_a_teacher_are_fetched_before_its_runs(
    tmp_path: Path, tries: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    request = student_request(teacher_file(tmp_path), runs=tmp_path, jobs=0)
    made, log = make_plan(request, open_log(LogStyle.PLAIN)), open_log(LogStyle.PLAIN)
    assert without_missing_weights(made, log) == made
    assert tries == []
    monkeypatch.setattr(weights, "teacher_backbone", lambda _: [MISSING])
    with pytest.raises(WeightsError, match=MISSING):
        without_missing_weights(made, log)


def test_other_weights_are_not_fetched(tmp_path: Path, tries: list[object]) -> None:
    for spec in (
        BackboneSpec("ViT-demo", "drawn"),
        BackboneSpec("ViT-B-32", "random"),
        BackboneSpec("features", "mine"),
        BackboneSpec("ViT-B-32", "local-1", tmp_path / "weights", "gelu"),
    ):
        assert fetch_weights(spec) is None
    assert tries == []


# --- loads ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch):
    """Slugs of the backbones that this process loads."""
    found: list[str] = []
    real = inputs.load_backbone

    def counted(spec: BackboneSpec, **options: object):
        found.append(spec.slug)
        return real(spec, **options)

    forget_loaded()
    monkeypatch.setattr(inputs, "load_backbone", counted)
    monkeypatch.setattr("methods.load_backbone", counted, raising=False)
    yield found
    forget_loaded()


def test_every_precision_and_cache_shares_one_load(tmp_path: Path, loads: list[str]) -> None:
    first = shared_inputs(PRESENT, RunContext())
    second = shared_inputs(PRESENT, RunContext(), Precision.BF16)
    third = shared_inputs(PRESENT, RunContext(cache_dir=tmp_path))
    assert loads == [PRESENT]
    backbones = [one.backbone for one in (first, second, third)]
    assert len({id(one.model) for one in backbones}) == 1
    assert [one.precision for one in backbones] == [Precision.FP32, Precision.BF16, Precision.FP32]
    assert len({id(one.passes) for one in backbones}) == 3, "own passes only"


def test_weights_that_are_compared_are_not_loaded_again_for_the_runs(tmp_path: Path, loads: list[str]) -> None:
    options = {"runner": "bench.experiment.runner", "cache": tmp_path / "cache", "methods": ["zero_shot"]}
    options["datasets"] = ["spectrum_basic:test=5"]
    log = open_log(LogStyle.NONE)
    for runs, rerun in (("runs", RerunPolicy.MISSING), ("runs", RerunPolicy.STALE), ("other", RerunPolicy.ALL)):
        request = requested(tmp_path / runs, [PRESENT], rerun=rerun).model_copy(update=options)
        assert carry_out(make_plan(request, log), log).exit_code == 0
    assert loads == [PRESENT]
