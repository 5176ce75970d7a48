import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from patience import PATIENCE
from small_datasets import write_dataset

import bench
from bench.analysis import wilson
from bench.api import stored_run
from bench.results.database import Store
from bench.results.shards import Shards
from bench.table import as_text
from datasets_registry import DATASETS, CoopReader, UnknownNameError, get_dataset


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("data")
    write_dataset(root, "eurosat", train=3)
    return root


@pytest.fixture
def etl(etl, monkeypatch, tmp_path: Path, data: Path):
    """The command in an empty folder with data; gives exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ETL_BENCH_DATA", str(data))
    monkeypatch.setenv("ETL_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    return etl


RUN = ["run", "-m", "coop,zero_shot", "-d", "eurosat", "-b", "ViT-tiny.random", "--shots", "2", "--seeds", "1,2"]
FAKE = ["--runner", "fake_runner", "--jobs", "0"]


@pytest.fixture(scope="module")
def stored(tmp_path_factory, data: Path) -> Path:
    """The three runs of `RUN`, made once."""
    folder = tmp_path_factory.mktemp("stored")
    axes = {"backbone": "ViT-tiny.random", "shots": 2, "seeds": "1,2", "runner": "fake_runner", "jobs": 0}
    places = {"runs": folder / "runs", "cache": folder / "cache", "data_root": data, "progress": "none"}
    assert bench.run("coop,zero_shot", "eurosat", **axes, **places).failed == []
    return folder / "runs"


@pytest.fixture
def runs(stored: Path, tmp_path: Path) -> Path:
    """A copy of them in the folder of the commands."""
    return Path(shutil.copytree(stored, tmp_path / "runs"))


# --- start ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folder", "advice"),
    [("project", r"Rename \S+bench_sibling_x, or start Python in a folder"), ("site-packages", "Uninstall .* fresh")],
)
def test_a_foreign_package_of_the_same_name_is_named_with_the_remedy(folder, advice, tmp_path: Path, monkeypatch):
    foreign = tmp_path / folder
    (foreign / "bench_sibling_x").mkdir(parents=True)
    (foreign / "bench_sibling_x" / "__init__.py").touch()
    monkeypatch.syspath_prepend(foreign)
    with pytest.raises(ImportError, match=rf"bench_sibling_x is imported instead\. {advice}"):
        bench.check_siblings(tmp_path, ("bench_sibling_x",))
    with pytest.raises(ImportError, match="it was not found"):
        bench.check_siblings(tmp_path, ("bench_sibling_y",))
    bench.check_siblings(foreign, ("bench_sibling_x",))


# --- run --------------------------------------------------------------------------------------------------------------


def test_a_run_writes_shards_and_database_and_a_second_one_does_nothing(etl, tmp_path: Path):
    code, out, err = etl(*RUN, *FAKE)
    assert code == 0
    assert "3 runs: 0 done, 3 to do, 1" in err
    assert "[3/3] ok" in err
    counts, title, *_, no_ranks, _ = out.splitlines()
    assert counts == "3 finished, 0 failed; in runs"
    assert title.startswith("ViT-tiny.random, base-to-new, 2 shots, eurosat; H")
    assert "no ranks" in no_ranks
    assert len(Shards(tmp_path / "runs").scan()) == 3
    assert (tmp_path / "runs" / "results.duckdb").is_file()

    code, out, err = etl(*RUN, *FAKE)
    assert (code, out) == (0, "")
    assert err.endswith("do; nothing to do\n")


def test_stored_runs_are_listed_and_sql_is_answered_as_table_and_json(etl, runs: Path):
    found = json.loads(etl("runs", "list", "--json")[1])
    table = etl("runs")[1]
    assert len(found) == 3
    assert all(run["run_id"] in table for run in found)
    where = json.loads(etl("runs", "list", "--where", "seed = 1", "--json")[1])
    assert {run["seed"] for run in where} == {1}
    code, out, _ = etl("runs", "sql", "select method, seed, error_message from runs order by seed")
    assert code == 0
    assert re.search(r"method +seed +error message", out)
    _, out, _ = etl("runs", "sql", "select seed, error_message, created_at from runs order by seed", "--json")
    assert json.loads(out)[0] == {"seed": 0, "error_message": None, "created_at": "2026-01-02T03:04:05"}
    code, out, _ = etl("runs", "sql", "select * from runs order by seed limit 2")
    lines = out.splitlines()
    assert (code, sum(line.startswith("method  ") for line in lines)) == (0, 2), "one line per column"


def test_one_more_seed_runs_only_that_seed(etl, runs: Path):
    code, out, err = etl(*RUN[:-1], "1,2,5", *FAKE)
    assert code == 0
    assert "4 runs: 3 done, 1 to do\n" in err
    assert "seed 5" in err
    assert "shows all runs" not in out, "there are no others"
    _, out, _ = etl(*RUN[:-1], "6,", *FAKE)
    assert out.endswith("runs of the folder.\n")


def test_failures_are_listed_and_tried_again(etl, monkeypatch):
    monkeypatch.setenv("FAKE_RUNNER", json.dumps({"fail": ["seed 2"]}))
    code, out, err = etl(*RUN, *FAKE)
    assert code == 1
    assert "2 finished, 1 failed" in out
    assert re.search(r"failed  coop on eurosat.*loss became", err)
    assert re.search(r"1 failed; `etl-bench runs show RUN --runs \S+` has the trace: [0-9a-f]{16}\n", err)
    assert err.count("loss became") == 1, "reported once"
    found = json.loads(etl(*RUN, *FAKE, "--json")[1])
    assert (found["planned"], found["done_before"], found["finished"]) == (3, 2, 1)
    assert found["failed"][0]["message"].startswith("loss became nan")

    code, _, err = etl(*RUN, *FAKE, "--rerun", "missing")
    assert (code, "nothing to do" in err, "loss became nan" in err, "failed before: " in err) == (1, True, True, True)

    monkeypatch.setenv("FAKE_RUNNER", "{}")
    code, _, err = etl(*RUN, *FAKE)
    assert code == 0
    assert "3 runs: 2 done, 1 to do, 1" in err


def test_a_dry_run_writes_nothing(etl, tmp_path: Path):
    code, out, err = etl(*RUN, "--dry-run")
    assert code == 0
    assert out.count("coop on eurosat, base-to-new") == 2
    assert "3 runs: 0 done, 3 to do" in err
    assert list(tmp_path.iterdir()) == []
    _, out, _ = etl(*RUN, "--dry-run", "--json")
    assert len({row["run_id"] for row in json.loads(out)}) == 3


def test_what_a_pattern_cannot_run_is_left_out_and_said(etl):
    code, _, err = etl("run", "-m", "vp*,coop", "-d", "eurosat", "-b", "RN50.random", "--shots", "2", *FAKE)
    assert code == 0
    assert "RN50.random, vpt_text_adapter on RN50.random" in err


def test_debug_shows_the_trace_and_the_version_is_that_of_the_package(etl):
    with pytest.raises(UnknownNameError):
        etl("methods", "copo", "--debug")
    assert etl("--version") == (0, f"etl-bench {bench.__version__}\n", "")


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_done(etl, monkeypatch, tmp_path: Path):
    monkeypatch.setenv("FAKE_RUNNER", json.dumps({"journal": str(tmp_path / "journal")}))

    def read_only(*_args: object, **_kwargs: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("bench.sweep.launch.task_claims.write_atomically", read_only)
    code, _, err = etl(*RUN, *FAKE)
    assert code == 2
    assert "written: Read-only file system." in err.splitlines()[-1]
    (tmp_path / "file").touch()
    code, _, err = etl(*RUN, *FAKE, "--runs", "file")
    assert (code, "runs folder file is" in err) == (2, True)
    assert not (tmp_path / "journal").exists()


def test_events_are_all_that_stderr_holds_if_told(etl):
    _, out, err = etl(*RUN, "--runner", "fake_runner", "--jobs", "1", "--log", "json", "--json")
    events = [json.loads(line)["event"] for line in err.splitlines()]
    assert {"notice", "begin", "finished", "end"} == set(events)
    assert json.loads(out)["by_other_sweeps"] == 0


def test_a_database_held_by_another_process_does_not_cost_the_runs(etl, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(Store.__init__, "__defaults__", (0.0, None))  # no patience
    (tmp_path / "runs").mkdir()
    hold = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path / "runs" / "results.duckdb")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        code, _, err = etl(*RUN, *FAKE)
        assert code == 0
        assert f"held by process {holder.pid}" in err
        assert "next command loads these" in err
        code, _, err = etl("runs", "sql", "select 1")
        assert code == 2
        assert err.startswith("error: The results database")
    assert etl("runs", "sql", "select count(*) as n from runs", "--json") == (0, '[\n {\n  "n": 3\n }\n]\n', "")


def test_ctrl_c_is_exit_code_130_and_the_rest_runs_later(tmp_path: Path, data: Path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "FAKE_RUNNER": json.dumps({"sleep": 0.2})}
    command = [sys.executable, "-m", "bench", *RUN[:-1], "1-40", "--runner", "fake_runner", "--jobs", "1"]
    command += ["--data-root", str(data), "--cache", str(tmp_path / "cache"), "--runs", str(tmp_path / "runs")]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "ok  " in line:
            break
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    # the second where Ctrl-C arrives between two runs
    assert "Stopping after the 1 current" in err or "run is in progress." in err
    assert "finished, 0 failed" in out
    assert "other sweeps" not in err, "nobody else works here"


# --- looking ----------------------------------------------------------------------------------------------------------


def test_a_run_is_shown_by_the_beginning_of_its_id(etl, runs: Path):
    run_id = next(iter(Shards(runs).scan()))
    code, out, _ = etl("runs", "show", run_id[:10])
    assert code == 0
    assert run_id in out
    assert "task fingerprint" in out
    for score in stored_run(run_id).scores:
        assert (score["low"], score["high"]) == wilson(score["accuracy"], score["n"])
    _, out, _ = etl("runs", "show", run_id, "--json")
    assert json.loads(out)["run_id"] == run_id


def test_a_failed_run_is_shown_with_its_trace(etl, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("FAKE_RUNNER", json.dumps({"fail": ["zero_shot"]}))
    etl("run", "-m", "zero_shot", "-d", "eurosat", "-b", "ViT-tiny.random", *FAKE)
    _, out, _ = etl("runs", "show", next(iter(Shards(tmp_path / "runs").scan())))
    assert "became nan at step 3." in out
    assert "trace" in out


def test_the_database_is_built_anew(etl, runs: Path):
    (runs / "results.duckdb").write_text("no database")
    code, _, err = etl("runs", "sql", "select 1")
    assert code == 2
    assert "runs rebuild" in err
    assert etl("runs", "rebuild") == (0, "3 runs in runs/results.duckdb\n", "")


def test_the_catalogues_are_listed_and_a_method_shows_its_settings(etl):
    for command in ("methods", "datasets"):
        code, table, _ = etl(command)
        rows = json.loads(etl(command, "--json")[1])
        assert (code, bool(rows)) == (0, True)
        assert all(row["name"] in table for row in rows)
    uses = {row["name"]: row["uses"] for row in json.loads(etl("methods", "--json")[1])}
    assert "labelled" not in uses["zero_shot"]
    assert uses["coop"] == "labelled images only"
    code, out, _ = etl("methods", "coop")
    assert code == 0
    assert re.search(r"coop\.n_ctx +16 +context vectors", out)
    assert "recipe for few-shot" in out


def test_a_card_of_a_dataset_of_ones_own_file_needs_no_data_folder(etl, monkeypatch):
    monkeypatch.delenv("ETL_BENCH_DATA", raising=False)
    reader = CoopReader("my_shapes", "shapes", "split.json", "images", "", "")
    info = replace(get_dataset("dtd"), name="my_shapes", title="My shapes", reader=reader)
    monkeypatch.setitem(DATASETS.entries, "my_shapes", info)
    code, out, _ = etl("datasets", "my_shapes", "--json")
    assert (code, json.loads(out)["train_images"]) == (0, None)
    code, _, err = etl("datasets", "my_shapes", "--data-root", ".")
    assert (code, err.startswith("error: ")) == (2, True)


def test_the_doctor_finds_what_is_wrong(etl, stored: Path, tmp_path: Path, monkeypatch):
    code, out, _ = etl("doctor")
    assert code == 0
    assert re.search("database +yes +none yet; 0", out)
    shutil.copytree(stored, tmp_path / "runs")
    assert re.search(r"database +yes +3 of 3", etl("doctor")[1])
    (tmp_path / "runs" / "results.duckdb").write_text("no database")
    monkeypatch.setitem(DATASETS.unavailable, "my_shapes", "my_shapes.py, line 3 is wrong")
    code, out, _ = etl("doctor", "--data-root", "nowhere", "--json")
    assert code == 1
    wrong = {row["what"]: row["detail"] for row in json.loads(out) if not row["fine"]}
    assert set(wrong) == {"data root", "database", "datasets"}
    assert wrong["data root"] == "nowhere is not a folder"
    assert wrong["datasets"] == "my_shapes: my_shapes.py, line 3 is wrong"


# --- texts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (None, "–"), (float("nan"), "–"), (True, "yes"), (0.123456, "0.1235"), (7, "7"), ([], "–"), ({"a": 1}, "a=1"),
        ({"table": {"a": {"b": ["c", "d"]}, "e": {"f": 1}}}, "table={a = {b = [c, d]}, e = {f = 1}}"),
    ],
)  # fmt: skip
def test_values_in_cells(value: object, wanted: str):
    assert as_text(value) == wanted


def test_a_sweep_file_holds_what_was_typed_and_overrides_the_environment(etl, monkeypatch, tmp_path: Path):
    monkeypatch.setenv("ETL_BENCH_DATA", "/from/environment")
    code, text, _ = etl("run", "-m", "coop", "-d", "spectrum_basic", "--seeds", "2", "--print-toml")
    assert (code, text) == (0, 'methods = ["coop"]\ndatasets = ["spectrum_basic"]\nshots = [16]\nseeds = [1, 2]\n')
    (tmp_path / "s.toml").write_text(text + 'data-root = "/from/file"\n')
    code, text, _ = etl("run", str(tmp_path / "s.toml"), "--seeds", "1", "--print-toml")
    assert (code, 'data-root = "/from/file"' in text, "seeds = [1]" in text) == (0, True, True)
