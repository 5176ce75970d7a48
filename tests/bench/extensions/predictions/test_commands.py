"""Predictions of others from the command line: the import, and everything that reads runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from outside_predictions import outside, task_of
from small_datasets import write_dataset

from bench import run
from bench.extensions.predictions import import_predictions
from bench.results import Shards
from datasets_registry import EvalProtocol

BACKBONE = "ViT-tiny.random"


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with data."""
    folder = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ETL_BENCH_CACHE", str(folder / "cache"))
        patch.setenv("ETL_BENCH_DATA", str(folder / "data"))
        patch.setenv("COLUMNS", "250")
        patch.chdir(folder)
        write_dataset(folder / "data", "eurosat")
        yield folder


@pytest.fixture(scope="module")
def ids(place: Path) -> dict[str, str]:
    """Runs of the harness and of a file, in `runs`; gives their ids by method."""
    axes = {"backbone": BACKBONE, "protocol": "few-shot", "shots": 2, "seeds": 1, "jobs": 0, "progress": "none"}
    axes["data_root"] = place / "data"
    found = run("tip_adapter", "eurosat", **axes)
    assert found.failed == []
    task = task_of("eurosat", place / "data", protocol=EvalProtocol.FEW_SHOT)
    file = outside(task, task.evals[0], backbone_sha256=None).npz(place / "theirs.npz")
    import_predictions([file], backbone=BACKBONE, data_root=place / "data")
    shards = Shards(place / "runs")
    records = [shards.record(run_id) for run_id in shards.scan()]
    return {record.spec.method: record.run_id for record in records if record is not None}


# --- files of others --------------------------------------------------------------------------------------------------


def test_import_reports_scores_and_what_is_not_proved(etl, ids, place: Path, tmp_path: Path) -> None:
    words = ["runs", "import-predictions", place / "theirs.npz", "-b", BACKBONE, "--runs", tmp_path]
    code, out, err = etl(*words)
    assert (code, err) == (0, f"theirs.npz: nothing proves that its weights are those of {BACKBONE}.\n")
    assert "external:Their_Method" in out
    assert out.endswith(f"1 run added, 0 already known; in {tmp_path}\n")
    code, out, _ = etl(*words, "--json")
    assert (code, json.loads(out)) == (0, [])
    assert "0 runs added, 1 already known" in etl(*words)[1]


# --- everything that reads runs ---------------------------------------------------------------------------------------


def test_compare_pairs_their_images_with_ours(etl, ids) -> None:
    compare = ("compare", "external:Their_Method", "tip_adapter", "--protocol", "few-shot")
    assert json.loads(etl(*compare, "--json")[1])
    code, out, _ = etl(*compare)
    assert (code, "(A) minus Tip-Adapter (B)" in out, "1 of 1    1 of 1" in out) == (0, True, True)


def test_a_run_of_other_code_cannot_be_repeated(etl, ids) -> None:
    code, out, err = etl("runs", "verify", ids["external:Their_Method"])
    assert (code != 0, out, err.count("\n")) == (True, "", 1)
    assert "part of this harness" in err


def test_the_report_names_them(etl, ids, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert etl("report", "--out", page, "--no-images")[0] == 0
    assert "(imported predictions)" in page.read_text()


def test_a_bundle_brings_them_to_the_leaderboard_of_another_folder(etl, ids, tmp_path: Path) -> None:
    bundle, there = tmp_path / "b.zip", tmp_path / "there"
    assert etl("runs", "export", bundle)[0] == 0
    code, _, err = etl("runs", "import", bundle, "--runs", there)
    assert (code, err) == (0, "")
    record = Shards(there).record(ids["external:Their_Method"])
    assert record == Shards(Path("runs")).record(ids["external:Their_Method"])
    code, out, _ = etl("leaderboard", "--protocol", "few-shot", "--runs", there)
    titles = ("Their_Method (imported predictions)", "Tip-Adapter")
    assert (code, [title in out for title in titles]) == (0, [True, True])


def test_a_submission_with_them_is_checked_like_others(etl, ids, tmp_path: Path) -> None:
    who = ["--who", "A lab", "--contact", "lab@example.org"]
    code, out, err = etl("board", "submit", tmp_path / "lab", *who)
    assert (code, err) == (0, "")
    checked = ("predictions: 2 of 2", "declared draw: 2 of 2", "published settings: 1 of 2", "external:Their_Method")
    assert [text for text in checked if text not in out] == []
