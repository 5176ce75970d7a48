"""What is seen of a sweep while it runs, and what is missing of one that was interrupted, with its runs named."""

import io
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fake_runner import make_record, make_spec
from left_behind import OTHER_MACHINE, dead_process, write_living
from rich.console import Console

from bench.cli.status import status
from bench.errors import UsageError
from bench.results.shards import Shards
from bench.sweep import LogStyle, SweepRequest, carry_out, make_plan, open_log, progress
from bench.sweep.launch.task_claims import Claims, living
from bench.sweep.launch.tasks import DifficultyTask, FinishedTask, LaunchSummary, Outcome, RunTask
from bench.sweep.progress import JsonLog, LiveLog, PlainLog, SweepLog, duration, view, worker_rows
from bench.sweep.sweep_files import SWEEPS, missing_specs, unfinished_sweeps

FAKE = {"runner": "fake_runner", "jobs": 0}
TASK = RunTask(make_spec())
OK = FinishedTask(TASK, Outcome.OK, 1.25)
FAILED = FinishedTask(TASK, Outcome.FAILED, 2.0, "loss became nan")


def counting(log: SweepLog, total: int) -> SweepLog:
    log.begin(total)
    return log


def test_an_attempt_that_is_tried_again_does_not_count():
    log = counting(SweepLog(), 3)
    assert log.seconds_left is None
    log.finished(FAILED, again=True)
    log.finished(FAILED, again=False)
    log.finished(FinishedTask(TASK, Outcome.OK, 0.0, here=False), again=False)
    assert (log.done, log.failed, log.elsewhere) == (2, 1, 1)
    assert log.seconds_left is not None
    assert "1 failed, " in log.pace()
    assert json.loads(json.dumps(log.facts()))["total"] == 3


def test_the_pace_begins_when_workers_compute(monkeypatch):
    now = 1000.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    log = counting(SweepLog(), 101)
    assert (log.rate, log.seconds_left) == (0.0, None)
    now += 3600  # features of every dataset are computed first
    log.finished(FinishedTask(TASK, Outcome.OK, 2.0), again=False)
    assert log.rate == pytest.approx(30)
    assert log.seconds_left == pytest.approx(200)
    now += 1
    log.finished(FinishedTask(TASK, Outcome.OK, 2.0), again=False)
    assert log.rate == pytest.approx(40), "two workers"


def test_durations():
    assert [duration(seconds) for seconds in (5, 65, 3700)] == ["5 s", "1 min 05 s", "1 h 01 min"]


MEASURED = FinishedTask(DifficultyTask("b", "d"), Outcome.OK, 1.0)
UNMEASURED = replace(MEASURED, outcome=Outcome.FAILED, message="no test image")


def test_lines_count_runs_down_but_not_difficulties(capsys, tmp_path: Path):
    log = counting(PlainLog(), 2)
    with log.during(tmp_path, "s"):
        log.finished(MEASURED, again=False)
        log.finished(OK, again=False)
        log.finished(FAILED, again=True)
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"[1/2] ok      {TASK.label} (1.2 s; ")
    assert f"failed  {TASK.label}: loss became nan" in second
    summary = LaunchSummary((MEASURED, UNMEASURED, OK, FAILED), interrupted=False)
    assert (summary.runs, summary.failures, summary.unmeasured) == ([OK, FAILED], [FAILED], [UNMEASURED])


def test_a_tenth_of_the_runs_has_one_line(capsys, tmp_path: Path):
    log = counting(PlainLog(), 95)
    for _ in range(95):
        log.finished(OK, again=False)
    counts = [line.partition("/")[0] for line in capsys.readouterr().err.splitlines()]
    assert counts == [f"[{done}" for done in (*range(1, 95, 9), 95)]


def test_a_problem_has_one_message_and_a_difficulty_is_no_failed_run():
    log = counting(SweepLog(), 3)
    log.finished(UNMEASURED, again=False)
    assert (log.done, log.failed) == (0, 0)
    items = FAILED, FAILED, UNMEASURED, replace(OK, here=False)
    assert [log.outcome_line(item, again=False) for item in items] == [
        f"failed  {TASK.label}: loss became nan",
        f"failed  {TASK.label}: the same problem again",
        "not measured difficulty of d for b: no test image",
        f"ok      {TASK.label}, by another sweep",
    ]


def test_events_are_one_json_object_a_line(capsys, tmp_path: Path):
    log = counting(JsonLog(), 1)
    log.notice("left out: x")
    with log.during(tmp_path, "s"):
        log.finished(FAILED, again=False)
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [event["event"] for event in events] == ["notice", "begin", "finished", "end"]
    assert events[2]["run_id"] == TASK.spec.run_id
    assert (events[2]["outcome"], events[2]["message"], events[2]["again"]) == ("failed", "loss became nan", False)
    assert events[3]["failed"] == 1


def test_the_live_view_has_counts_and_a_line_for_each_worker(tmp_path: Path):
    log = counting(SweepLog(), 10)
    log.finished(OK, again=False)
    with Claims(tmp_path, "worker", {"sweep": "s", "task": None}) as idle, Claims(tmp_path, "worker") as busy:
        busy.update(sweep="s", task="coop on [red]eurosat", attempt=2, since=time.monotonic() - 65)
        rows = worker_rows(tmp_path, "s")
        assert worker_rows(tmp_path, "other") == []
        assert len({idle.name, busy.name}) == 2
    console = Console(file=io.StringIO(), width=100)
    console.print(view(log, rows))
    shown = console.file.getvalue()
    assert "1/10 done, 1 running" in shown
    assert "coop on [red]eurosat, attempt 2" in shown, "no markup"
    assert "1 min 05 s" in shown


def test_the_live_log_draws_itself_and_failures_scroll_by(tmp_path: Path):
    log = counting(LiveLog(), 2)
    log._console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with log.during(tmp_path, "s"):
        log.finished(OK, again=False)
        log.finished(FAILED, again=True)
    shown = log._console.file.getvalue()
    assert "loss became nan" in shown
    assert "1/2 done" in shown
    with log.during(tmp_path, "s"):
        pass


# --- from another shell -----------------------------------------------------------------------------------------------


def test_status_shows_the_living_here_and_elsewhere_but_not_the_dead(tmp_path: Path, capsys):
    write_living(tmp_path, "dead", dead_process())
    write_living(tmp_path, "far", OTHER_MACHINE)
    Shards(tmp_path).write(make_record(TASK.spec))
    with Claims(tmp_path, "sweep", counting(SweepLog(), 7).facts()), Claims(tmp_path, "worker") as busy:
        busy.update(task=TASK.label, attempt=1, since=time.monotonic())
        status(runs=tmp_path, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert [(sweep["total"], sweep["done"]) for sweep in told["sweeps"]] == [(7, 0)]
    far, here = f"{OTHER_MACHINE.host}:{OTHER_MACHINE.pid}", f"{busy.process.host}:{busy.process.pid}"
    doing = {(worker["worker"], worker["doing"]) for worker in told["workers"]}
    assert doing == {(far, "-"), (here, TASK.label)}
    assert told["on_disk"] == 1


def test_a_sweep_tells_others_how_far_it_is(tmp_path: Path):
    class Watching(SweepLog):
        def finished(self, item: FinishedTask, *, again: bool) -> None:
            super().finished(item, again=again)
            seen.extend((one.facts["done"], one.facts["total"]) for one in living(tmp_path) if one.kind == "sweep")

    seen: list[tuple[int, int]] = []
    axes = {"methods": "coop", "datasets": "spectrum_basic", "shots": 1, "seeds": 2}
    request, log = SweepRequest.build(**axes, **FAKE, runs=tmp_path), Watching()
    carry_out(make_plan(request, log), log)
    assert seen == [(0, 2), (0, 2), (1, 2)], "after a difficulty and two runs"


# --- sweeps that were interrupted -------------------------------------------------------------------------------------

AXES = {"methods": "zero_shot,coop", "datasets": "spectrum_basic,spectrum_blur", "shots": 1, "seeds": 2}


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """The folder of a sweep of 6 runs."""
    runs = tmp_path_factory.mktemp("finished") / "runs"
    request = SweepRequest.build(**AXES, **FAKE, runs=runs)
    log = open_log(LogStyle.NONE)
    assert carry_out(make_plan(request, log), log).exit_code == 0
    return runs


@pytest.fixture
def lacking(finished: Path, tmp_path: Path) -> Callable[..., Path]:
    """A copy of the folder without the runs of a method, as if the sweep had not reached them."""

    def lacking(method: str, *datasets: str) -> Path:
        runs = shutil.copytree(finished, tmp_path / "runs")
        for run_id in Shards(runs).scan():
            spec = Shards(runs).record(run_id).spec
            if spec.method == method and spec.dataset in datasets:
                for file in (runs / "shards").glob(f"??/{run_id}*"):
                    file.unlink()
        return runs

    return lacking


@pytest.fixture
def interrupted(lacking) -> Path:
    """Lacks CoOp on Blur with both seeds."""
    return lacking("coop", "spectrum_blur")


def test_a_finished_sweep_is_not_unfinished(finished: Path, tmp_path: Path):
    assert unfinished_sweeps(tmp_path) == []
    assert unfinished_sweeps(finished) == []


def test_missing_runs_are_named_and_the_command_completes_them(etl, interrupted):
    (sweep,) = unfinished_sweeps(interrupted)
    assert (sweep.done, sweep.planned) == (4, 6)
    assert sorted((s.method, s.dataset, s.seed) for s in missing_specs([sweep])) == [
        ("coop", "spectrum_blur", 1),
        ("coop", "spectrum_blur", 2),
    ]
    assert str(sweep).startswith("Incomplete sweep: 4 of 6 planned")
    assert etl(*sweep.command.split()[1:])[0] == 0
    assert unfinished_sweeps(interrupted) == []


def test_runs_of_a_method_that_is_gone_are_counted(interrupted):
    (file,) = (interrupted / SWEEPS).glob("*.toml")
    file.write_text(file.read_text().replace('"coop"', '"gone"'))
    (sweep,) = unfinished_sweeps(interrupted)
    assert (sweep.done, sweep.planned, sweep.missing) == (4, 6, ())
    assert "2 are missing. To complete" in str(sweep)


def test_a_damaged_plan_is_named(interrupted):
    (file,) = (interrupted / SWEEPS).glob("*.toml")
    file.write_text("methods = [")
    with pytest.raises(UsageError, match=f"The plan of a sweep, {file}, cannot be read"):
        unfinished_sweeps(interrupted)


def test_status_lists_failed_runs(etl, monkeypatch, tmp_path: Path):
    monkeypatch.setenv("FAKE_RUNNER", json.dumps({"fail": ["seed 2"]}))
    options = [word for key, value in (AXES | FAKE).items() for word in (f"--{key}", str(value))]
    etl("run", *options, "--runs", str(tmp_path))
    _, out, _ = etl("status", "--runs", str(tmp_path))
    assert "6 runs on disk" in out
    assert "2 of them failed" in out
    assert out.count("became nan at step 3") == 2
    facts = json.loads(etl("status", "--runs", str(tmp_path), "--json")[1])
    assert [one["what"].partition(" on ")[0] for one in facts["failures"]] == ["coop", "coop"]
    assert facts["last_result_s"] >= 0


def test_status_leaderboard_and_page_call_it_incomplete(etl, interrupted, tmp_path: Path):
    _, out, _ = etl("status", "--runs", str(interrupted))
    assert "Incomplete sweep: 4 of 6 planned" in out
    code, out, err = etl("leaderboard", "--strict", "--runs", str(interrupted))
    assert code == 3
    assert "2/4 *" in out
    assert "2 seeds that all 2 methods" in out
    assert "Incomplete sweep: 4 of 6 planned" in err
    etl("report", "--runs", str(interrupted), "--out", str(tmp_path / "page.html"))
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "Incomplete sweep: 4 of 6 planned" in page
    assert "CoOp on Blur (seed 2)." in page


def test_a_method_that_no_run_has_reached_is_a_row(etl, lacking):
    runs = lacking("zero_shot", "spectrum_basic", "spectrum_blur")
    _, out, _ = etl("leaderboard", "--runs", str(runs))
    assert "–  Zero-shot CLIP" in out
    assert "0/2 *" in out


def test_a_run_that_several_sweeps_planned_is_missing_from_the_newest_alone(interrupted):
    (file,) = (interrupted / SWEEPS).glob("*.toml")
    older = shutil.copy(file, file.with_name("older.toml"))
    os.utime(older, (1, 1))
    assert [sweep.file for sweep in unfinished_sweeps(interrupted)] == [file]
