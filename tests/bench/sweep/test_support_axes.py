"""Long-tailed and noisy supports and all images: their specs, runs, boards and refusals."""

from __future__ import annotations

from pathlib import Path

import pytest
from sweep_requests import sweep_over
from typer.testing import CliRunner

from bench.analysis.leaderboard import Setting
from bench.analysis.leaderboard_building import board_settings, build_leaderboard
from bench.api.results import load_results
from bench.cli.app import app
from bench.context import RunContext
from bench.errors import UsageError
from bench.experiment.runner import run_experiment
from bench.experiment.task import load_task
from bench.results.shards import Shards
from bench.spec import ExperimentSpec
from bench.sweep import SweepRequest, expand
from datasets_registry import EvalProtocol

RULES = ["imbalanced:4", "noisy:0.25"]


def plan(**options) -> tuple[ExperimentSpec, ...]:
    axes = {"methods": "tip_adapter,zero_shot", "datasets": "spectrum_blur", "backbones": "ViT-tiny.random"}
    axes |= {"protocol": "few-shot", "shots": 8, "seeds": "1,", "recipe": "demo"}
    return expand(SweepRequest.build(**(axes | options))).specs


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    shards = Shards(folder)
    for spec in {spec.run_id: spec for spec in (*plan(shots="8,all"), *plan(support=RULES))}.values():
        shards.write(*run_experiment(spec, RunContext()))
    return folder


def test_each_support_is_another_run_and_zero_shot_is_the_run_it_always_is() -> None:
    plain, ruled, every = plan(), plan(support=RULES), plan(shots="all")
    assert [spec.support for spec in ruled] == [*RULES, None]
    assert len({spec.run_id for spec in (*plain, *ruled, *every)}) == 5
    assert plain[-1] == ruled[-1] == every[-1]
    assert [spec.label().split(", ", 2)[2] for spec in (*ruled[:2], every[0])] == [
        "8 shots, imbalanced:4, seed 1",
        "8 shots, noisy:0.25, seed 1",
        "all training images, seed 1",
    ]
    assert (every[0].shots, every[0].support) == (24, "all")


def test_a_spec_gives_its_task_again() -> None:
    for spec in (*plan(support=RULES), *plan(shots="all")):
        assert load_task(spec, RunContext()).fingerprint == spec.task_fingerprint


def test_the_record_has_the_true_labels_of_changed_images_only_where_there_are_some(runs: Path) -> None:
    shards = Shards(runs)
    records = [record for run_id in shards.scan() if (record := shards.record(run_id)) is not None]
    wrong = {record.spec.support: len(record.provenance.true_labels) for record in records}
    assert wrong == {None: 0, "all": 0, "imbalanced:4": 0, "noisy:0.25": round(0.25 * 8 * 12)}
    assert all(
        ("true_labels" in record.provenance.model_dump_json()) == (record.spec.support == "noisy:0.25")
        for record in records
    )


def test_supports_are_never_averaged(runs: Path) -> None:
    frame = load_results(runs).to_frame(all_columns=True)
    found = board_settings(frame)
    facts = {(one.facts()["shots"], one.facts()["support"]) for one in found}
    assert facts == {(8, ""), (8, "imbalanced:4"), (8, "noisy:0.25"), ("all", "")}
    for one in found:
        board = build_leaderboard(frame, one)
        assert {entry.method: entry.n for entry in board.entries} == {"tip_adapter": 1, "zero_shot": 1}
        assert not board.excluded
    titles = [Setting.title.fget(one) for one in found]
    assert "ViT-tiny.random, few-shot, all training" in titles[-1]
    assert "ViT-tiny.random, few-shot, 8 shots, noisy:0.25" in titles


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"support": "noizy:0.2"}, r"--support 'noizy:0.2' is unknown. Did you mean 'noisy'\? Write imbalanced:FACTOR"),
        ({"support": "noisy:2"}, "--support 'noisy:2' is not understood"),
        ({"support": ["noisy:0.2", "noisy:.2"]}, "noisy:0.2 gives the same rule twice"),
        ({"support": "all"}, "--support all is written --shots all"),
        ({"support": "noisy:0.2", "shots": "all"}, "--shots all draws nothing"),
    ],
)
def test_supports_that_cannot_be_are_refused_in_one_line(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plan(**options)


def test_a_factor_that_empties_a_class_is_refused_before_any_work() -> None:
    request = sweep_over(
        ["tip_adapter"], ["spectrum_blur"], ["ViT-tiny.random"], protocol=EvalProtocol.FEW_SHOT, shots=(8,), seeds=(1,)
    )
    with pytest.raises(Exception, match="imbalanced:100 with 8 shots leaves 7"):
        expand(request.model_copy(update={"support": ["imbalanced:100"]}))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--support", "x.json"], "--support 'x.json' is not"),
        (["--shots", "all", "--support", "noisy:0.2"], "--support noisy:0.2 changes a draw, and --shots all takes all"),
        (["--shots", "1,2"], "--shots '1,2' is not"),
    ],
)
def test_draw_refuses_what_is_no_single_support(option: list[str], message: str) -> None:
    made = CliRunner().invoke(app, ["datasets", "draw", "spectrum_blur", *option])
    assert isinstance(made.exception, UsageError)
    assert message in str(made.exception)
