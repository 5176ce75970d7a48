"""Official code and predictions of others from the command line: inspect, trust, run, import, and reading runs."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from fork_runs import BACKBONE, own_home, trust
from outside_predictions import outside, task_of
from patience import wait_until
from small_datasets import write_dataset
from stand_in_forks import SCRIPT, apply, commit, make_fork

from bench import run
from bench.extensions.forks import import_predictions
from bench.results import Shards
from datasets_registry import EvalProtocol

FORK = "fork:stand-in/OffsetText"


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with data, a checkout that is trusted, and a home."""
    folder = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        own_home(patch, folder)
        patch.setenv("ETL_BENCH_CACHE", str(folder / "cache"))
        patch.setenv("ETL_BENCH_DATA", str(folder / "data"))
        patch.setenv("COLUMNS", "250")
        patch.chdir(folder)
        write_dataset(folder / "data", "eurosat")
        trust(make_fork(folder / "stand-in"))
        yield folder


@pytest.fixture(scope="module")
def ids(place: Path) -> dict[str, str]:
    """Runs of official code, of the harness, and of a file, in `runs`; gives their ids by method."""
    settings = dict(text.split("=", 1) for text in SCRIPT)
    axes = {"backbone": BACKBONE, "protocol": "few-shot", "shots": 2, "seeds": 1, "jobs": 0, "progress": "none"}
    axes["data_root"] = place / "data"
    found = run([f"fork:{place}/stand-in", "tip_adapter"], "eurosat", settings=settings, **axes)
    assert found.failed == []
    task = task_of("eurosat", place / "data", protocol=EvalProtocol.FEW_SHOT)
    file = outside(task, task.evals[0], backbone_sha256=None).jsonl(place / "theirs.jsonl")
    import_predictions([file], backbone=BACKBONE, data_root=place / "data")
    shards = Shards(place / "runs")
    records = [shards.record(entry.run_id) for entry in shards.scan()]
    return {record.spec.method: record.run_id for record in records if record is not None}


# --- before a run -----------------------------------------------------------------------------------------------------


def test_inspect_says_what_to_do_next(etl, tmp_path: Path) -> None:
    made = make_fork(tmp_path / "fork", "teacher")
    code, out, err = etl("methods", "inspect", str(made))
    assert (code, err) == (0, "")
    assert "https://example.org/lab/stand-in.git" in out
    assert "secret" not in out
    assert "--set fork.script=scripts/train.sh" in out
    assert "scripts are read" in out
    assert "may read teachers/ViT-L-14_eurosat.pth" in out
    assert out.endswith(f": etl-bench methods inspect {made} --trust\n")
    code, out, _ = etl("methods", "inspect", str(made), "--trust", "--json")
    found = json.loads(out)
    assert (code, found["facts"]["trusted"], found["facts"]["trainers"]) == (0, "yes", "OffsetText")
    assert f": etl-bench methods inspect 'fork:{made}#OffsetText' --set fork.script=" in found["next"]
    assert "{WEIGHT}:" in found["next"]
    assert "--try" in found["next"]


@pytest.mark.slow  # two trainings on 24 classes, and one that is refused
def test_what_inspect_prints_can_be_typed_until_the_run(etl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_fork(tmp_path / "a folder", "no Dassl")
    shutil.copytree(make_fork(tmp_path / "whole"), tmp_path / "Dassl.pytorch")
    apply(made, ("README.md", "", "Train with `bash scripts/train.sh dtd 8.0`.\n"))
    commit(made)
    words = ["methods", "inspect", str(made)]
    for added in ("--trust", "--try"):
        code, out, _ = etl(*words)
        assert code == 0
        words = shlex.split(out.splitlines()[-1].partition("etl-bench ")[2])
        assert words[-1] == added
    code, out, _ = etl(*words, "-b", "ViT-demo.drawn")
    assert code == 0
    assert "It runs: scores of all 12 test images" in out
    words = shlex.split(out.splitlines()[-1].partition("etl-bench ")[2])
    assert etl(*words, "-b", BACKBONE, "--dry-run", "--protocol", "few-shot", "--shots", "2")[0] == 0


def test_code_that_nobody_trusts_is_not_planned(etl, tmp_path: Path) -> None:
    made = make_fork(tmp_path / "fork", "two trainers")
    request = ["run", "-m", f"fork:{made}#OffsetText", "-d", "eurosat", "-b", BACKBONE, "--dry-run", "--shots", "2"]
    request += ["--protocol", "few-shot", *(word for one in SCRIPT for word in ("--set", one))]
    code, out, err = etl(*request)
    assert (code, out) == (2, "") or (code, out) == (1, "")
    assert err.count("\n") == 1
    assert f"etl-bench methods inspect {made} --trust" in err
    assert etl("methods", "inspect", str(made), "--trust")[0] == 0
    assert etl(*request)[0] == 0
    apply(made, ("train.py", "import argparse\n", "import argparse\n\n"))
    assert etl(*request)[0] == code


@pytest.mark.slow  # programs that end with their time, in test_guarded.py
def test_a_run_that_hangs_ends_with_the_time_limit(etl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_fork(tmp_path / "fork", "hang")
    trust(made)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    words = ["run", "-m", f"fork:{made}", "-d", "eurosat", "-b", BACKBONE, "--protocol", "few-shot", "--shots", "2"]
    words += [*(word for one in SCRIPT for word in ("--set", one)), "--seeds", "1", "--jobs", "1"]
    code, _, err = etl(*words, "--timeout", "3", "--runs", str(tmp_path / "runs"))
    assert code == 1
    assert "3 s" in err
    wait_until(lambda: not _processes_with(tmp_path), "ends with its worker")


def _processes_with(folder: Path) -> list[str]:
    """Command lines of running processes that name a folder."""
    lines = [" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"])]
    return [line for line in lines if str(folder) in line and "fork_side" in line]


# --- files of others --------------------------------------------------------------------------------------------------


def test_import_reports_scores_and_what_is_not_proved(etl, ids, place: Path, tmp_path: Path) -> None:
    words = ["runs", "import-predictions", str(place / "theirs.jsonl"), "-b", BACKBONE, "--runs"]
    code, out, err = etl(*words, str(tmp_path / "new"))
    assert code == 0
    assert "external:Their_Method" in out
    assert out.endswith(f"1 run added, 0 already known; in {tmp_path / 'new'}\n")
    assert err == f"theirs.jsonl: nothing proves that its weights are those of {BACKBONE}.\n"
    code, out, _ = etl(*words, str(tmp_path / "new"), "--json")
    assert (code, json.loads(out)) == (0, [])
    assert "0 runs added, 1 already known" in etl(*words, str(tmp_path / "new"))[1]


def test_a_wrong_file_is_one_line_and_adds_nothing(etl, place: Path, tmp_path: Path) -> None:
    path = tmp_path / "wrong.jsonl"
    path.write_text("{}\n")
    code, out, err = etl("runs", "import-predictions", str(path), "--runs", str(tmp_path / "new"))
    assert (code != 0, out, err.count("\n")) == (True, "", 1)
    assert f"{path}: " in err
    assert not (tmp_path / "new").exists()


def test_the_drop_in_replaces_itself_and_no_file_of_the_user(etl, tmp_path: Path) -> None:
    path = tmp_path / "etl_predictions.py"
    code, out, _ = etl("runs", "drop-in", str(path))
    assert (code, "import etl_predictions" in out) == (0, True)
    compile(path.read_text(), str(path), "exec")
    assert etl("runs", "drop-in", str(path))[0] == 0
    path.write_text("mine")
    code, _, err = etl("runs", "drop-in", str(path))
    assert (code != 0, "--force" in err, path.read_text()) == (True, True, "mine")
    assert etl("runs", "drop-in", str(path), "--force")[0] == 0


# --- everything that reads runs ---------------------------------------------------------------------------------------


def test_the_leaderboard_has_official_code_beside_our_methods(etl, ids) -> None:
    code, out, _ = etl("leaderboard", "--protocol", "few-shot")
    assert code == 0
    for title in ("stand-in/OffsetText (official code)", "Their_Method (imported predictions)", "Tip-Adapter"):
        assert title in out


@pytest.mark.parametrize("other", [FORK, "external:Their_Method"])
def test_compare_pairs_their_images_with_ours(other: str, etl, ids) -> None:
    code, out, _ = etl("compare", other, "tip_adapter", "--protocol", "few-shot", "--json")
    assert code == 0
    assert json.loads(out)
    code, out, _ = etl("compare", other, "tip_adapter", "--protocol", "few-shot")
    assert (code, "(A) minus Tip-Adapter (B)" in out, "1 of 1    1 of 1" in out) == (0, True, True)


def test_show_has_the_origin_of_a_run(etl, ids) -> None:
    code, out, _ = etl("runs", "show", ids[FORK])
    assert code == 0
    assert "https://example.org/lab/stand-in.git" in out
    assert "TRAINER.OFFSET.W 0.5" in out
    assert "comet_ml" in out
    assert "secret" not in out


@pytest.mark.parametrize("method", [FORK, "external:Their_Method"])
def test_a_run_of_other_code_cannot_be_repeated(method: str, etl, ids) -> None:
    code, out, err = etl("runs", "verify", ids[method])
    assert (code != 0, out, err.count("\n")) == (True, "", 1)
    assert "part of this harness" in err


def test_the_report_names_official_code(etl, ids, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    code, _, err = etl("report", "--out", str(page), "--no-images")
    assert (code, "Traceback" in err) == (0, False)
    text = page.read_text()
    assert "(official code)" in text
    assert "(imported predictions)" in text
    assert "secret" not in text


def test_a_bundle_brings_them_to_another_folder(etl, ids, tmp_path: Path) -> None:
    bundle, there = tmp_path / "b.zip", tmp_path / "there"
    assert etl("runs", "export", str(bundle))[0] == 0
    code, out, err = etl("runs", "import", str(bundle), "--runs", str(there))
    assert (code, err) == (0, "")
    record = Shards(there).record(ids[FORK])
    assert record == Shards(Path("runs")).record(ids[FORK])
    code, out, _ = etl("leaderboard", "--protocol", "few-shot", "--runs", str(there))
    assert (code, "(official code)" in out) == (0, True)


def test_a_submission_with_them_is_checked_like_others(etl, ids, tmp_path: Path) -> None:
    who = ["--who", "A lab", "--contact", "lab@example.org"]
    code, out, err = etl("board", "submit", str(tmp_path / "lab"), *who)
    assert (code, err) == (0, "")
    assert "predictions: 3 of 3 runs" in out
    assert "declared draw: 3 of 3 runs" in out
    assert "published settings: 1 of 3 runs" in out
    assert "fork:stand-in/OffsetText" in out
