"""The process that imports once and forks workers: what it shares, what it does not, and what happens if it dies."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import launching
import numpy as np
import pytest
from fake_runner import make_spec

from bench.context import RunContext
from bench.errors import LaunchError
from bench.sweep.launch import fork_server
from bench.sweep.launch.processes import ProcessTransport
from bench.sweep.launch.tasks import Outcome, RunTask, Surroundings

pytestmark = pytest.mark.skipif(not fork_server.CAN_FORK, reason="workers are forked on Linux only")


def tasks(n: int) -> list[RunTask]:
    return [RunTask(make_spec(seed=seed)) for seed in range(1, n + 1)]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Write a module that workers can import."""
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    (tmp_path / "modules").mkdir()

    def write(name: str, text: str) -> str:
        (tmp_path / "modules" / f"{name}.py").write_text(text)
        return name

    return write


def test_all_workers_of_a_sweep_share_one_import(surroundings: Surroundings, tmp_path: Path, module, behave):
    imported = tmp_path / "imported"
    count = f"import os\nwith open({str(imported)!r}, 'a') as file:\n    file.write(f'{{os.getpid()}} ')\n"
    around = surroundings.model_copy(update={"runner": module("counted_runner", f"{count}from fake_runner import *\n")})
    behave(die=["seed 2"])  # its worker is replaced, and its run is tried on two more workers
    summary = launching.launch(ProcessTransport(around, 2, [around.runner, module("counted_library", count)]), tasks(6))
    assert [item.outcome for item in summary.finished].count(Outcome.OK) == 5
    processes = [pid for pid in imported.read_text().split() if pid != str(os.getpid())]
    assert len(processes) == 2, "imported to record"
    assert len(set(processes)) == 1
    assert list((surroundings.runs / "logs").glob("worker-*")) == [], "nobody complained"


ARITHMETIC = """
from fake_runner import *
import fake_runner
import os
import numpy as np
import torch
from pathlib import Path

def run_experiment(spec, context):
    torch.set_num_threads(context.threads)
    draw = np.random.default_rng(0)
    a = draw.normal(size=(400, 400)).astype(np.float32)
    weight = torch.from_numpy(a.copy()).requires_grad_()
    torch.relu(weight @ weight).softmax(-1)[:, 0].log().mean().backward()
    np.savez(FOLDER / f"{os.getpid()}.npz", product=a @ a, gradient=weight.grad.numpy(),
             threads=np.array([torch.get_num_threads(), os.getppid()]))
    return fake_runner.run_experiment(spec, context)
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_forked_workers_compute_like_others_with_their_number_of_threads(
    threads: int, surroundings: Surroundings, tmp_path: Path, module, monkeypatch
):
    """torch and numpy are imported before the fork, and compute after it."""
    found = {}
    for fork in (True, False):
        monkeypatch.setattr("bench.sweep.launch.processes.CAN_FORK", fork)
        folder = tmp_path / f"fork-{fork}"
        folder.mkdir()
        text = f"{ARITHMETIC}\nFOLDER = Path({str(folder)!r})\n"
        around = Surroundings(
            runs=folder, context=RunContext(threads=threads), runner=module(f"arithmetic_{fork}_{threads}", text)
        )
        summary = launching.launch(ProcessTransport(around, 1), tasks(1))
        assert summary.failures == []
        (file,) = folder.glob("*.npz")
        found[fork] = dict(np.load(file))
    assert found[True]["threads"][0] == found[False]["threads"][0] == threads
    assert (found[True]["threads"][1] == os.getpid(), found[False]["threads"][1] == os.getpid()) == (False, True)
    for name in ("product", "gradient"):
        assert found[True][name].tobytes() == found[False][name].tobytes()


def test_no_thread_runs_in_the_server_when_it_forks(surroundings: Surroundings, monkeypatch):
    """Threads would not survive. Those of OpenBLAS end by themselves, and are left out here."""
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    around = surroundings.model_copy(update={"runner": "bench.experiment.runner", "context": RunContext(threads=2)})
    with ProcessTransport(around, 1, [around.runner, "open_clip"]) as transport:
        transport.start()
        while not (events := transport.poll(1.0)):
            pass
        assert type(events[0]).__name__ == "Ready"
        assert transport._server is not None
        assert len(list(Path(f"/proc/{transport._server._process.pid}/task").iterdir())) == 1


def test_a_server_that_is_killed_is_replaced_and_costs_the_current_runs_one_attempt(
    surroundings: Surroundings, tmp_path: Path, behave
):
    behave(sleep=0.3)
    transport = ProcessTransport(surroundings, 2)
    attempts: list = []

    def finished(item) -> None:
        attempts.append(item)
        if len(attempts) == 1:
            assert transport._server is not None
            transport._server.kill()

    summary = launching.launch(transport, tasks(6), on_finished=finished)
    assert [item.outcome for item in summary.finished] == [Outcome.OK] * 6
    failed = [item for item in attempts if item.outcome is Outcome.FAILED]
    assert 1 <= len(failed) <= 2
    assert all("died with signal 9" in item.message and item.killed and not item.memory for item in failed)


def test_a_sweep_that_ends_during_the_imports_does_not_wait_for_them(surroundings: Surroundings, module):
    endless = module("endless_import", "import time\ntime.sleep(10**6)\n")
    with ProcessTransport(surroundings, 1, [endless]) as transport:
        transport.start()
        assert transport.poll(0.5) == []
        server = transport._server
    assert server is not None
    assert not server.alive


def test_a_module_that_cannot_be_imported_is_reported_by_the_runs_that_need_it(surroundings: Surroundings):
    summary = launching.launch(ProcessTransport(surroundings, 1, ["no_such_library"]), tasks(2))
    assert [item.outcome for item in summary.finished] == [Outcome.OK] * 2


def test_a_worker_that_the_system_refuses_has_a_reason_in_its_log(tmp_path: Path, monkeypatch):
    def no_fork() -> int:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", no_fork)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ended: list[bool] = []
    thread = threading.Thread(target=lambda: ended.append(fork_server._serve(theirs)))
    thread.start()
    with (tmp_path / "log").open("w") as log, open(os.devnull) as null:  # noqa: PTH123
        socket.send_fds(ours, [b"fork 1"], [null.fileno(), null.fileno(), log.fileno()])
        ours.send(b"kill 1")
        ours.send(b"wait 1")
        assert int(ours.recv(64)) == fork_server.NO_PROCESS
    ours.close()
    thread.join()
    theirs.close()
    assert ended == [False]
    assert "started: Resource temporarily unavailable." in (tmp_path / "log").read_text()


def test_imports_are_shared_where_runs_need_them():
    from sweep_requests import sweep_over

    from bench.sweep.launchers import worker_imports

    tower = sweep_over(["zero_shot"], ["spectrum_basic"], ["ViT-tiny.random"])
    assert worker_imports(tower) == ["bench.experiment.runner", "open_clip"]
    assert worker_imports(tower.model_copy(update={"runner": "fake_runner"})) == ["fake_runner"]
    assert worker_imports(tower.model_copy(update={"backbones": ["features.mine"]})) == ["bench.experiment.runner"]


@pytest.mark.parametrize("tasks_per_worker", [1, 0])
def test_the_imports_begin_before_the_plan(tasks_per_worker: int, tmp_path: Path, monkeypatch):
    """The early server serves a sweep with more tasks than workers; another environment needs another server."""
    from sweep_requests import sweep_over

    from bench.sweep import LogStyle, carry_out, early_server, make_plan, open_log

    started = []
    real = fork_server.ForkServer.__init__

    def counted(self, *made_for) -> None:
        started.append(self)
        real(self, *made_for)

    monkeypatch.setattr(fork_server.ForkServer, "__init__", counted)
    monkeypatch.setattr("bench.sweep.launchers.cores", lambda: 4)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    request = sweep_over(
        ["zero_shot"] if tasks_per_worker == 0 else ["zero_shot", "coop"],
        ["spectrum_basic"], ["ViT-tiny.random"], runs=tmp_path, runner="fake_runner",
    )  # fmt: skip
    log = open_log(LogStyle.NONE)
    with early_server(request) as server:
        assert started == [server]
        assert carry_out(make_plan(request, log), request, log, server).exit_code == 0
    assert len(started) == (1 if tasks_per_worker else 2)
    assert not any(one.alive for one in started)


def test_no_server_starts_early_where_it_would_not_be_used(tmp_path: Path, monkeypatch):
    from sweep_requests import sweep_over

    from bench.sweep import early_server

    request = sweep_over(["zero_shot"], ["spectrum_basic"], ["ViT-tiny.random"], runs=tmp_path, runner="fake_runner")
    for other in ({"jobs": 0}, {"launcher": "ray"}):
        with early_server(request.model_copy(update=other)) as server:
            assert server is None
    monkeypatch.setattr("bench.sweep.launchers.cores", lambda: 1)
    with early_server(request) as server:
        assert server is None


def test_a_crash_during_the_imports_is_shown(surroundings: Surroundings, module):
    text = "import os, sys\nprint('a library that crashes', file=sys.stderr, flush=True)\nos.abort()\n"
    transport = ProcessTransport(surroundings, 1, [module("crashing_library", text)])
    with pytest.raises(LaunchError, match=r"\(died with signal 6.*a library"):
        launching.launch(transport, tasks(2))
