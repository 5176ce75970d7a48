"""Support sets: long-tailed and noisy ones, all images, lists of `datasets draw`, and a shot that is held out."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from one_case import for_each
from small_datasets import write_dataset
from sweep_requests import changed, sweep_over
from typer.testing import CliRunner

from bench.analysis.leaderboard import Setting
from bench.analysis.leaderboard_building import board_settings, build_leaderboard
from bench.api.results import load_results
from bench.cli.app import app
from bench.context import RunContext
from bench.errors import StaleSpecError, UsageError
from bench.experiment.runner import run_experiment
from bench.experiment.task import load_task
from bench.results.shards import Shards
from bench.spec import ExperimentSpec
from bench.sweep import SweepRequest, expand, named_files
from datasets_registry import DataError, EvalProtocol

RULES = ["imbalanced:4", "noisy:0.25"]


def plan(**options: Any) -> tuple[ExperimentSpec, ...]:
    axes = {"methods": "tip_adapter,zero_shot", "datasets": "spectrum_blur:test=5", "backbones": "ViT-tiny.random"}
    axes |= {"protocol": "few-shot", "shots": 8, "seeds": "1,", "recipe": "demo"}
    return expand(SweepRequest.build(**(axes | options))).specs


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
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
    for spec in (*ruled, *every):
        assert load_task(spec, RunContext()).fingerprint == spec.task_fingerprint


def test_the_record_has_the_true_labels_of_changed_images_only_where_there_are_some(runs: Path) -> None:
    shards = Shards(runs)
    records = [record for run_id in shards.scan() if (record := shards.record(run_id)) is not None]
    wrong = {record.spec.support: len(record.provenance.true_labels) for record in records}
    assert wrong == {None: 0, "all": 0, "imbalanced:4": 0, "noisy:0.25": round(0.25 * 8 * 12)}
    written = {record.spec.support for record in records if "true_labels" in record.provenance.model_dump_json()}
    assert written == {"noisy:0.25"}


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


@for_each(
    ("options", "error", "message"),
    [
        ({"support": "noizy:0.2"}, UsageError, r"'noizy:0.2' is unknown. Did you mean 'noisy'\? Write imbalanced:F"),
        ({"support": "noisy:2"}, UsageError, "--support 'noisy:2' is not understood"),
        ({"support": "all"}, UsageError, "--support all is written --shots all"),
        ({"support": "imbalanced:100"}, Exception, "imbalanced:100 with 8 shots leaves 7"),
    ],
)
def test_supports_that_cannot_be_are_refused_before_any_work(options, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        plan(methods="tip_adapter", **options)


@for_each(
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


# --- lists ------------------------------------------------------------------------------------------------------------

AXES = sweep_over(
    ["clip_adapter"], ["eurosat"], ["ViT-tiny.random"], protocol=EvalProtocol.FEW_SHOT, shots=(1,), seeds=(1, 2)
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    write_dataset(root, "eurosat")
    return root


def drawn(data: Path, out: Path, seed: int = 1) -> str:
    command = ["datasets", "draw", "eurosat", "--shots", "2", "--seed", str(seed), "--out", str(out)]
    made = CliRunner().invoke(app, [*command, "--data-root", str(data)])
    assert made.exit_code == 0, made.output
    assert "8 images of 4 classes" in made.output
    return str(out)


def test_a_drawn_list_runs_with_its_own_shots_and_seed(data: Path, tmp_path: Path) -> None:
    lists = [drawn(data, tmp_path / f"{seed}.json", seed) for seed in (1, 2)]
    specs = expand(changed(AXES, support=lists, seeds=(7,), data_root=data)).specs
    assert [(s.shots, s.seed, s.draw) for s in specs] == [(2, 1, "file"), (2, 2, "file")]
    assert len({s.support for s in specs}) == len({s.run_id for s in specs}) == 2
    plain = expand(changed(AXES, shots=(2,), seeds=(1,), data_root=data)).specs[0]
    assert plain.support is None
    context = RunContext(data_root=data, files=named_files(changed(AXES, support=lists)))
    listed, usual = (
        run_experiment(spec.model_copy(update={"recipe": spec.recipe | {"epochs": 1}}), context)[0]
        for spec in (specs[0], plain)
    )
    assert listed.provenance.support_digests == usual.provenance.support_digests
    assert listed.scores == usual.scores, "the same training"


def test_zero_shot_beside_a_list_is_the_run_it_always_is(data: Path, tmp_path: Path) -> None:
    axes = changed(AXES, methods=["zero_shot"], data_root=data)
    assert expand(changed(axes, support=[drawn(data, tmp_path / "l.json")])).specs == expand(axes).specs


def test_a_list_that_is_missing_gone_or_changed_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none.json cannot be read"):
        expand(changed(AXES, support=[str(tmp_path / "none.json")], data_root=data))
    path = drawn(data, tmp_path / "l.json")
    axes = changed(AXES, support=[path], data_root=data)
    spec = expand(axes).specs[0]
    with pytest.raises(StaleSpecError, match=r"support list \w+;.*--support FILE"):
        run_experiment(spec, RunContext(data_root=data))
    files = named_files(axes)
    Path(path).write_text(Path(path).read_text() + "\n")
    with pytest.raises(StaleSpecError, match="l.json changed since"):
        run_experiment(spec, RunContext(data_root=data, files=files))


def test_both_options_of_run_plan_the_same(data: Path, tmp_path: Path) -> None:
    path = drawn(data, tmp_path / "l.json")
    plans = []
    for option in (["--support", path], ["--draw", f"file:{path}"]):
        command = ["run", "-m", "clip_adapter", "-d", "eurosat", "-b", "ViT-tiny.random", "--protocol", "few-shot"]
        command += [*option, "--dry-run", "--json", "--data-root", str(data), "--runs", str(tmp_path / "runs")]
        made = CliRunner().invoke(app, command)
        assert made.exit_code == 0, made.output
        plans.append([row["run_id"] for row in json.loads(made.stdout)])
    assert plans[0] == plans[1]
    assert len(plans[0]) == 1


# --- `--selection hoso`: one shot of each class selects in place of validation images ---------------------------------


def spec_selected(selection: str, method: str = "coop", **changes: Any) -> ExperimentSpec:
    (spec,) = plan(methods=method, datasets="spectrum_basic:test=5", selection=selection, **{"shots": 3} | changes)
    return spec


@pytest.mark.parametrize("protocol", [EvalProtocol.FEW_SHOT, EvalProtocol.BASE_TO_NEW])
def test_the_support_set_is_that_of_the_draw_without_one_image_of_each_class(protocol: EvalProtocol) -> None:
    ways = ("validation", "hoso")
    plain, held = (load_task(spec_selected(way, protocol=protocol), RunContext()) for way in ways)
    classes = range(len(held.support.classes))
    assert Counter(held.support.labels) == dict.fromkeys(classes, 2)
    assert Counter(held.validation.labels) == dict.fromkeys(classes, 1)
    assert {*held.support.samples, *held.validation.samples} == set(plain.support.samples)
    last = {sample.label: sample for sample in plain.support.samples}
    assert set(held.validation.samples) == set(last.values())
    assert held.evals == plain.evals
    assert held.fingerprint != plain.fingerprint


def test_the_spec_of_other_rules_and_its_id_stay_what_they_were() -> None:
    other, held = spec_selected("validation"), spec_selected("hoso")
    assert "held_out_shot" not in other.model_dump()
    assert held.epoch_selection == "validation"
    assert held.held_out_shot
    assert ExperimentSpec.model_validate(held.model_dump(mode="json")) == held
    assert held.run_id != other.run_id


def test_a_method_with_a_search_of_its_own_searches_on_the_held_out_images() -> None:
    held = spec_selected("hoso", "tip_adapter")
    assert (held.config["selection"], held.epoch_selection, held.held_out_shot) == ("validation", None, True)


def test_one_shot_is_refused() -> None:
    with pytest.raises(Exception, match="24 of 24 classes"):
        spec_selected("hoso", shots=1)
