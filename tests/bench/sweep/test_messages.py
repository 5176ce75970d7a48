"""One message for each problem, with everything that it concerns."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import fake_runner
import pytest
from sweep_requests import sweep_over

from bench.errors import ImpossibleCombinationError
from bench.results.shards import Shards
from bench.sweep import LogStyle, RerunPolicy, SweepOutcome, carry_out, expand, make_plan, open_log, report_failures
from datasets_registry import DataError

RESNET = "RN50.openai"


@pytest.fixture
def said(tmp_path: Path, capsys) -> Callable[..., list[str]]:
    """What the plan of a sweep says, by line."""

    def said(methods: list[str], datasets: list[str], backbone: str = "ViT-tiny.random", **options) -> list[str]:
        request = sweep_over(methods, datasets, [backbone], runs=tmp_path, shots=[1], seeds=[1], jobs=0, **options)
        make_plan(request, open_log(LogStyle.PLAIN))
        return capsys.readouterr().err.splitlines()

    return said


def test_a_reason_to_refuse_is_one_line_with_everything_that_it_concerns(said):
    stream, pool, teacher, line = said(["all"], ["spectrum_basic"], RESNET, protocol="few-shot")
    assert stream.startswith("left out: boost_adapter, c_tpt,")
    assert "it learns from unlabelled test images " in stream
    assert "out: promptkd, rehark, ss_text_u" in pool
    assert teacher.startswith("left out: promptkd: it")
    assert line.startswith(f"left out: apex on {RESNET}, clip_fit on {RESNET}, ")
    assert re.search(r" and \d+ more: it works inside the image tower, which must be ", line)
    six = sweep_over(["vpt", "maple", "mma", "rpo", "ivlp", "prolip"], ["spectrum_basic"], [RESNET])
    with pytest.raises(ImpossibleCombinationError) as refused:
        expand(six)
    assert str(refused.value).count("this one is a ResNet") == 1
    assert " and 1 more: it works inside" in str(refused.value)


def test_a_method_without_a_score_on_new_classes_is_left_out_once():
    request = sweep_over(["coop", "tip_adapter", "tip_adapter_f"], ["spectrum_basic"], ["ViT-tiny.random"])
    assert [item.what for item in expand(request).left_out] == ["tip_adapter", "tip_adapter_f"]


@pytest.mark.parametrize("given", [False, True])
def test_datasets_that_are_not_here_are_one_line_with_their_names(tmp_path: Path, said, given: bool):
    root = tmp_path if given else None
    together, alone, *_ = said(["coop"], ["spectrum_basic", "imagenet*", "dtd", "cub*"], data_root=root)
    names = "cub, imagenet, imagenet_a, imagenet_r, imagenet_sketch, imagenet_v2"
    found = re.fullmatch(r"left out: 6 datasets \((.*?)\): (.*)", together)
    assert ", ".join(sorted(found[1].split(", "))) == names
    assert found[2].startswith(f"not in {tmp_path}." if given else "no data folder was given. Pass --data-root")
    folder = tmp_path if given else "FOLDER"
    assert found[2].endswith(f"`etl-bench datasets check NAME --data-root {folder}` says what a dataset needs.")
    assert alone.startswith("left out: dtd: "), "the whole reason"
    assert "dtd/split_zhou_DescribableTextures.json" in alone


# --- of runs ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def sweep(tmp_path: Path) -> Callable[..., SweepOutcome]:
    """Carry out a sweep of the fake runner."""

    def sweep(method: str = "coop", log: LogStyle = LogStyle.PLAIN, **options) -> SweepOutcome:
        given = {"runs": tmp_path, "jobs": 0, "runner": "fake_runner", "shots": [1]} | options
        opened = open_log(log)
        request = sweep_over([method], ["spectrum_basic"], ["ViT-tiny.random"], **given)
        outcome = carry_out(make_plan(request, opened), opened)
        report_failures(outcome, opened)
        return outcome

    return sweep


@pytest.fixture
def coop_fails(monkeypatch) -> Callable[[], None]:
    return lambda: monkeypatch.setenv("FAKE_RUNNER", '{"fail": ["coop"]}')


def test_a_difficulty_that_cannot_be_measured_is_no_failed_run(sweep, monkeypatch, capsys):
    def unmeasurable(*_: object) -> None:
        raise DataError("images cannot be compared")

    monkeypatch.setattr(fake_runner, "measure_difficulty", unmeasurable)
    outcome = sweep("zero_shot")
    assert (outcome.failed, outcome.exit_code, len(outcome.summary.unmeasured)) == ([], 0, 1)
    said = capsys.readouterr().err
    assert "spectrum_basic for ViT-tiny.random" in said
    assert "1 difficulty not measured" in said


def test_failures_of_earlier_sweeps_are_one_line_for_each_reason(sweep, coop_fails, capsys):
    coop_fails()
    sweep()
    assert capsys.readouterr().err.count(": the same problem again") == 2
    sweep(rerun=RerunPolicy.MISSING)
    lines = [line for line in capsys.readouterr().err.splitlines() if "failed before" in line]
    assert len(lines) == 1
    assert lines[0].count("seed ") == 3


def test_a_rerun_that_fails_counts_as_failed_and_keeps_the_earlier_success(sweep, coop_fails, tmp_path: Path, capsys):
    (spec,) = sweep(seeds=[1]).plan.specs
    kept = Shards(tmp_path).stamp(spec.run_id)
    coop_fails()
    outcome = sweep(seeds=[1], log=LogStyle.NONE, rerun=RerunPolicy.ALL)
    assert (outcome.exit_code, [item["run_id"] for item in outcome.failed]) == (1, [spec.run_id])
    assert Shards(tmp_path).stamp(spec.run_id) == kept
    capsys.readouterr()
    report_failures(outcome, open_log(LogStyle.PLAIN))
    assert spec.run_id not in capsys.readouterr().err


def test_runs_that_differ_in_a_setting_are_told_apart(sweep, coop_fails):
    coop_fails()
    failed = sweep(seeds=[1, 2], overrides=["coop.recipe.lr=0.001,0.01", "coop.n_ctx=4"]).failed
    assert sorted(str(item["what"]).partition(", seed ")[2] for item in failed) == [
        "1 [recipe.lr=0.001]", "1 [recipe.lr=0.01]", "2 [recipe.lr=0.001]", "2 [recipe.lr=0.01]"
    ]  # fmt: skip
