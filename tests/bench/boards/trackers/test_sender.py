"""Runs are sent from another process: whatever happens there, the sweep and its results stay as they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fake_runner import make_record, make_spec
from patience import PATIENCE, wait_until

import bench
from bench.boards.trackers.sender import Sender
from bench.boards.trackers.sending import SendResult
from bench.boards.trackers.sent_runs import SentRuns, unsent
from bench.results.shards import Shards
from bench.sweep.tracker_target import Target

Etl = Callable[..., tuple[int, str, str]]
MLFLOW = Target.parse("mlflow")
LATER = datetime(2030, 1, 1, tzinfo=UTC)
SWEEP = [
    "run", "-m", "coop", "-d", "spectrum_basic", "-b", "ViT-tiny.random", "--shots", "1", "--seeds", "3",
    "--runner", "fake_runner", "--json",
]  # fmt: skip


def stored(runs: Path, number: int = 3) -> list[str]:
    """The ids of that many finished runs."""
    records = [make_record(make_spec(seed=seed)) for seed in range(number)]
    for record in records:
        Shards(runs).write(record)
    return [record.run_id for record in records]


def received(file: Path) -> list[str]:
    return [run["params"]["run_id"] for run in json.loads(file.read_text())["runs"].values()]


class Problems(list[str]):
    """The notices about what was not sent, without the one that the end of a sweep waits on a slow machine."""

    def add(self, notice: str) -> None:
        if not notice.startswith("Sending the last runs to "):
            self.append(notice)


def send_all(
    runs: Path, run_ids: list[str], targets: list[Target], patience: float = PATIENCE
) -> tuple[Sender, Problems]:
    problems = Problems()
    with Sender(runs, targets, problems.add, patience=patience) as sender:
        for run_id in run_ids:
            sender.finished(run_id)
    return sender, problems


def test_every_run_arrives_at_every_tracker(fake_trackers: Path, tmp_path: Path) -> None:
    run_ids = stored(tmp_path / "runs")
    targets = [MLFLOW, Target.parse("trackio")]
    sender, notices = send_all(tmp_path / "runs", run_ids, targets)
    assert notices == []
    assert received(fake_trackers) == run_ids
    assert all(sender.count(target, SendResult.SENT) == 3 for target in targets)
    sender, notices = send_all(tmp_path / "runs", run_ids, [MLFLOW])
    assert (sender.count(MLFLOW, SendResult.KNOWN), sender.missing(MLFLOW), notices) == (3, 0, [])
    assert received(fake_trackers) == run_ids


def test_a_tracker_that_is_given_twice_counts_once(fake_trackers: Path, etl: Etl, tmp_path: Path) -> None:
    run_ids = stored(tmp_path / "runs")
    sender, notices = send_all(tmp_path / "runs", run_ids, [MLFLOW, MLFLOW])
    assert (sender.missing(MLFLOW), notices) == (0, [])
    sent = etl("export", "send", "mlflow", "mlflow", "--runs", str(tmp_path / "runs"))
    assert sent == (0, "mlflow: 0 runs sent, 3 already there\n", "")


def test_two_sweeps_in_one_folder_send_a_run_once(fake_trackers: Path, tmp_path: Path) -> None:
    run_ids, notices = stored(tmp_path / "runs", 12), Problems()
    first, second = (Sender(tmp_path / "runs", [MLFLOW], notices.add, patience=PATIENCE) for _ in range(2))
    with first, second:
        for run_id in run_ids:
            first.finished(run_id)
            second.finished(run_id)
    assert notices == []
    assert sorted(received(fake_trackers)) == sorted(run_ids)
    assert first.count(MLFLOW, SendResult.SENT) + second.count(MLFLOW, SendResult.SENT) == 12


def test_a_tracker_that_refuses_is_tried_three_times_and_named_once(
    fake_trackers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_TRACKER_FAULT", "refuse")
    runs, run_ids = tmp_path / "runs", stored(tmp_path / "runs", 5)
    sender, notices = send_all(runs, run_ids, [MLFLOW, Target.parse("trackio")])
    assert notices[-1:] == [
        "5 of 5 runs not sent to mlflow (MlflowException: the server of received.json does not answer); "
        f"`etl-bench export send mlflow --runs {runs}` sends what is missing there."
    ]
    assert len(notices) <= 2
    assert [item.message for item in sender.reports if item.target == "mlflow"][3:] == [
        "not tried after 3 failures in a row"
    ] * 2
    assert sender.missing(Target.parse("trackio")) == 0


def test_the_first_failure_is_reported_while_the_sweep_goes_on(
    fake_trackers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_TRACKER_FAULT", "refuse")
    run_ids, notices = stored(tmp_path / "runs"), Problems()
    with Sender(tmp_path / "runs", [MLFLOW], notices.add, patience=PATIENCE) as sender:
        sender.finished(run_ids[0])
        wait_until(lambda: sender.reports, "the first report")
        sender.finished(run_ids[1])
        sender.finished(run_ids[2])
        assert notices == [
            "mlflow: a run was not sent: MlflowException: the server of received.json does not answer. "
            "No result is lost."
        ]


def test_the_end_does_not_wait_for_a_tracker_that_hangs(
    fake_trackers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_TRACKER_FAULT", "hang")
    _, (notice,) = send_all(tmp_path / "runs", stored(tmp_path / "runs"), [MLFLOW], patience=0.2)
    assert notice.startswith("3 of 3 runs not sent to mlflow (no answer for 0 s); `etl-bench export send mlflow")


@pytest.mark.parametrize("during", ["the sweep", "the wait"])
def test_ctrl_c_ends_the_wait(
    during: str, fake_trackers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_TRACKER_FAULT", "hang")
    notices: list[str] = []

    def interrupted(sender: Sender) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Sender, "_wait", interrupted)
    with suppress(KeyboardInterrupt), Sender(tmp_path / "runs", [MLFLOW], notices.append) as sender:
        sender.finished(stored(tmp_path / "runs")[0])
        wait_until(lambda: sender._process, "the process of the trackers starts")
        if during == "the sweep":
            raise KeyboardInterrupt
    assert notices == [
        f"1 of 1 run not sent to mlflow (interrupted); `etl-bench export send mlflow --runs {tmp_path / 'runs'}` "
        "sends what is missing there."
    ]


def test_a_process_that_dies_is_named(fake_trackers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_TRACKER_FAULT", "die")
    _, (notice,) = send_all(tmp_path / "runs", stored(tmp_path / "runs"), [MLFLOW])
    assert notice.startswith("3 of 3 runs not sent to mlflow (its process ended with code 9")


def test_a_process_that_is_killed_between_runs_is_named(fake_trackers: Path, tmp_path: Path) -> None:
    run_ids, notices = stored(tmp_path / "runs", 2), Problems()
    with Sender(tmp_path / "runs", [MLFLOW], notices.add, patience=PATIENCE) as sender:
        sender.finished(run_ids[0])
        wait_until(lambda: sender.reports, "the first report")
        assert sender._process is not None
        sender._process.kill()
        sender._process.wait()
        sender.finished(run_ids[1])
    (notice,) = notices
    assert notice.startswith("1 of 2 runs not sent to mlflow (its process ended with code -9")


def test_a_run_that_cannot_be_read_is_named_and_the_others_are_sent(fake_trackers: Path, tmp_path: Path) -> None:
    runs, run_ids = tmp_path / "runs", stored(tmp_path / "runs", 2)
    sender, (notice,) = send_all(runs, [run_ids[0], "0" * 16, run_ids[1]], [MLFLOW])
    assert f"(UnknownRunError: There is no intact record of run {'0' * 16} in {runs}.)" in notice
    assert sender.missing(MLFLOW) == 1
    assert received(fake_trackers) == run_ids


def test_nothing_is_started_without_a_tracker_or_a_run(tmp_path: Path) -> None:
    sender, notices = send_all(tmp_path, ["0" * 16], [])
    assert (sender.reports, notices) == ([], [])
    sender, notices = send_all(tmp_path, [], [MLFLOW])
    assert (sender.reports, notices) == ([], [])


@pytest.mark.parametrize("jobs", ["0", "2"])
def test_a_sweep_sends_its_runs_and_its_records_are_those_of_a_sweep_without(
    jobs: str, fake_trackers: Path, etl: Etl, tmp_path: Path
) -> None:
    sweep = [*SWEEP, "--jobs", jobs, "--log", "plain"]
    code, _, err = etl(*sweep, "--runs", str(tmp_path / "sent"), "--tracker", "mlflow:http://tracking")
    assert code == 0
    assert "not sent" not in err
    assert etl(*sweep, "--runs", str(tmp_path / "plain"))[0] == 0
    shards, plain = Shards(tmp_path / "sent"), Shards(tmp_path / "plain")
    run_ids = [entry.run_id for entry in shards.scan()]
    assert sorted(received(fake_trackers)) == run_ids
    assert [shards.record(run_id) for run_id in run_ids] == [plain.record(run_id) for run_id in run_ids]
    (kept,) = (tmp_path / "sent" / "sweeps").glob("*.toml")
    assert 'tracker = ["mlflow:http://tracking"]' in kept.read_text()


def test_python_names_trackers_too(fake_trackers: Path, tmp_path: Path) -> None:
    grid: dict[str, Any] = {"backbone": "ViT-tiny.random", "shots": 1, "seeds": 1, "jobs": 0, "progress": "none"}
    done = bench.run("coop", "spectrum_basic", runs=tmp_path / "runs", trackers="mlflow", runner="fake_runner", **grid)
    assert received(fake_trackers) == list(done.run_ids)


def test_a_tracker_that_fails_changes_no_result_and_the_runs_can_be_sent_later(
    fake_trackers: Path, etl: Etl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = str(tmp_path / "runs")
    monkeypatch.setenv("FAKE_TRACKER_FAULT", "refuse")
    monkeypatch.setenv("FAKE_RUNNER", json.dumps({"fail": ["seed 2"]}))
    code, out, err = etl(*SWEEP, "--jobs", "0", "--runs", runs, "--tracker", "mlflow", "--log", "plain")
    assert code == 1  # for the run that failed
    assert len(json.loads(out)["failed"]) == 1
    assert "2 of 2 runs not sent to mlflow (MlflowException" in err
    assert etl("export", "send", "mlflow", "--runs", runs)[0] == 1
    monkeypatch.delenv("FAKE_TRACKER_FAULT")
    code, out, _ = etl("export", "send", "mlflow", "--runs", runs, "--where", "seed = 1")
    assert (code, out) == (0, "mlflow: 1 run sent, 0 already there\n")
    code, out, _ = etl("export", "send", "mlflow", "wandb", "--runs", runs)
    assert code == 0
    assert out.splitlines() == ["mlflow: 1 run sent, 1 already there", "wandb: 2 runs sent, 0 already there"]
    assert len(received(fake_trackers)) == 2


def test_results_send_needs_runs(fake_trackers: Path, etl: Etl, tmp_path: Path) -> None:
    stored(tmp_path / "runs")
    code, _, err = etl("export", "send", "mlflow", "--runs", str(tmp_path / "runs"), "--where", "seed = 77")
    assert code == 2
    assert f"No completed run in {tmp_path / 'runs'} matches --where 'seed = 77'." in err
    assert not fake_trackers.exists()


def shards_of(runs: Path) -> list[str]:
    return [entry.run_id for entry in Shards(runs).scan()]


def test_a_repeated_command_sends_what_a_killed_one_did_not(fake_trackers: Path, etl: Etl, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    sweep = [*SWEEP, "--jobs", "0", "--runs", str(runs), "--log", "plain"]
    assert etl(*sweep)[0] == 0  # nothing was sent, as by a sweep that was killed
    first, *others = shards_of(runs)
    send_all(runs, [first], [MLFLOW])
    assert received(fake_trackers) == [first]
    code, _, err = etl(*sweep, "--tracker", "mlflow")
    assert code == 0
    assert "2 runs of earlier commands were not at mlflow yet, and were sent." in err
    assert sorted(received(fake_trackers)[1:]) == others
    asked = fake_trackers.stat().st_mtime_ns
    code, _, err = etl(*sweep, "--tracker", "mlflow")
    assert (code, "earlier commands" in err, fake_trackers.stat().st_mtime_ns) == (0, False, asked)


def test_only_results_that_a_tracker_lacks_are_sent_again(
    fake_trackers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, run_ids = tmp_path / "runs", stored(tmp_path / "runs")
    monkeypatch.setenv("FAKE_TRACKER_FAULT", "refuse")
    send_all(runs, run_ids[:1], [MLFLOW])
    monkeypatch.delenv("FAKE_TRACKER_FAULT")
    send_all(runs, run_ids[1:], [MLFLOW])
    assert unsent(runs, [MLFLOW], run_ids) == run_ids[:1]  # a failure is not remembered
    assert unsent(runs, [MLFLOW, Target.parse("trackio")], run_ids) == run_ids
    send_all(runs, run_ids, [MLFLOW])
    assert unsent(runs, [MLFLOW], run_ids) == []
    Shards(runs).write(make_record(make_spec(seed=1)).model_copy(update={"created_at": LATER}))
    assert unsent(runs, [MLFLOW], run_ids) == [run_ids[1]]  # a newer result
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@elsewhere")
    assert unsent(runs, [MLFLOW], run_ids) == run_ids  # another server
    assert "secret" not in "".join(str(path) for path in runs.rglob("*"))


def test_a_damaged_memory_of_what_was_sent_only_asks_the_tracker_again(fake_trackers: Path, tmp_path: Path) -> None:
    runs, run_ids = tmp_path / "runs", stored(tmp_path / "runs")
    send_all(runs, run_ids, [MLFLOW])
    memory = SentRuns(runs, MLFLOW).path
    memory.write_bytes(memory.read_bytes()[:-5] + b"\xff\x00 torn")
    assert unsent(runs, [MLFLOW], run_ids) == run_ids[2:]
    sender, notices = send_all(runs, run_ids[2:], [MLFLOW])
    assert (sender.count(MLFLOW, SendResult.KNOWN), notices) == (1, [])


def test_a_failed_run_is_not_sent(
    fake_trackers: Path, etl: Etl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = str(tmp_path / "runs")
    monkeypatch.setenv("FAKE_RUNNER", json.dumps({"fail": ["seed 2"]}))
    assert etl(*SWEEP, "--jobs", "0", "--runs", runs)[0] == 1
    etl(*SWEEP, "--jobs", "0", "--runs", runs, "--rerun", "missing", "--tracker", "mlflow")
    assert len(received(fake_trackers)) == 2
