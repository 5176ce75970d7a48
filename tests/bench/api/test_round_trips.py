"""Every run that can be made is exported, imported, submitted, checked, shown on a board and verified."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import bench
from bench.api import demonstration, open_progress, run_request
from bench.extensions.boards import build_board, check_submissions, submit_runs
from bench.results import RepetitionOutcome
from bench.results.predictions import pack_predictions
from bench.results.shards import Shards
from datasets_registry import EvalProtocol
from methods import list_methods

DATASET, TARGET, BACKBONE = "spectrum_basic:test=3", "spectrum_words:test=3", "ViT-tiny.random"
SHORT = {"*.recipe.epochs": 2}
SAMPLE: tuple[Mapping[str, Any], ...] = (
    {"methods": "zero_shot", "protocol": "few-shot"},
    {"methods": "apex", "protocol": "base-to-new", "settings": SHORT},
    {"methods": "coop", "protocol": "few-shot", "shots": "all", "settings": SHORT},
    {"methods": "coop", "protocol": "few-shot", "support": "noisy:0.5", "settings": SHORT},
    {"methods": "kgcoop", "protocol": "base-to-new", "selection": "oracle", "settings": SHORT},
    {"methods": "tip_adapter", "protocol": "few-shot", "support": "imbalanced:2"},
    {"methods": "coop", "protocol": "cross-dataset", "targets": TARGET, "settings": SHORT},
    {"methods": "tda", "protocol": "test-time"},
    {"methods": "linear_probe", "protocol": "few-shot", "keep_models": "best"},
    {"methods": "clip_adapter", "protocol": "few-shot", "shots": 4, "selection": "hoso", "settings": SHORT},
    {"methods": "coop", "protocol": "few-shot", "selection": "validation", "precision": "bf16", "settings": SHORT},
)
"""Each protocol, support rule, selection and option that changes what a run stores."""


def make_runs(runs: Path, cases: Iterable[Mapping[str, Any]]) -> None:
    for case in cases:
        options = {"shots": 2, "seeds": 1, "backbone": BACKBONE, **case}
        made = bench.run(datasets=DATASET, runs=runs, jobs=0, progress="none", **options)
        assert made.failed == []
        gc.freeze()  # each run collects garbage, and need not look again at what this one has imported


def check_round_trip(folder: Path, cases: Sequence[Mapping[str, Any]]) -> None:
    make_runs(folder / "runs", cases)
    check_runs(folder, len(cases))


def check_runs(folder: Path, count: int) -> None:
    """The round trip of all runs in the folder `runs`, which has so many."""
    runs, other = folder / "runs", folder / "other"
    ids = list(Shards(runs).scan())
    assert len(ids) == count

    bench.export_runs(folder / "all.zip", runs)
    assert sorted(bench.import_runs(folder / "all.zip", other).added) == ids
    assert bench.import_runs(folder / "all.zip", other).unchanged == tuple(ids)
    for run_id in ids:
        ours, theirs = Shards(runs).read(run_id), Shards(other).read(run_id)
        assert ours is not None
        assert theirs is not None
        assert ours.record == theirs.record
        assert pack_predictions(ours.predictions) == pack_predictions(theirs.predictions)

    bundle, report = submit_runs(folder / "submissions" / "lab", who="A lab", contact="lab@example.org", runs=other)
    assert (bundle.runs, report.refusals) == (len(ids), ())
    assert [report.accepted for report in check_submissions(folder / "submissions")] == [True]
    _, (built,) = build_board(folder / "submissions", folder / "site", images=False)
    assert sorted(built.added) == ids

    verified = [run.verdict for run in bench.verify_runs(ids, runs=other)]
    assert [run.run_id for run in verified] == ids
    for run in verified:  # some processors round by the place of an image in its batch
        assert run.outcome in (RepetitionOutcome.IDENTICAL, RepetitionOutcome.ROUNDING)
        assert (run.flips, run.faults) == (0, ())


@pytest.mark.parametrize(
    "cases", [SAMPLE[1::2], pytest.param(SAMPLE[::2], marks=pytest.mark.slow)], ids=["some", "others"]
)
def test_a_run_with_each_option_makes_the_round_trip(tmp_path: Path, cases: Sequence[Mapping[str, Any]]) -> None:
    check_round_trip(tmp_path, cases)


@pytest.mark.slow
@pytest.mark.parametrize("protocol", [EvalProtocol.BASE_TO_NEW, EvalProtocol.FEW_SHOT, EvalProtocol.TEST_TIME])
def test_runs_of_all_methods_make_the_round_trip(tmp_path: Path, protocol: EvalProtocol) -> None:
    """Each method in its usual protocol, and in one that it shares with others."""
    cases: list[dict[str, Any]] = []
    for info in list_methods():
        shared = EvalProtocol.TEST_TIME if info.reads_test_stream else EvalProtocol.FEW_SHOT
        if protocol in (info.usual_protocol, shared) and not info.needs_teacher:
            pool = {"unlabelled": "train"} if info.needs_pool else {}
            training = {"recipe": "demo", "settings": {"*.recipe.epochs": 1}} if info.recipes else {}
            cases.append({"methods": info.name, "protocol": protocol} | pool | training)
    check_round_trip(tmp_path, cases)


@pytest.mark.slow
def test_the_quick_demo_makes_the_round_trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demonstration, "QUICK_DATASETS", demonstration.QUICK_DATASETS[:1])
    requests = demonstration.demo_requests(quick=True, runs=tmp_path / "runs", jobs=0)
    made = [run_request(request, open_progress()) for request in requests]
    assert [one.exit_code for one in made] == [0, 0]
    check_runs(tmp_path, sum(len(one.summary.runs) for one in made))
