"""The process that imports once and forks workers: what it shares, what it does not, and what happens if it dies."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from launching import launch, run_tasks, statuses
from sweep_requests import changed, sweep_over

from bench.context import RunContext
from bench.errors import BenchError, NoWorkerError
from bench.record import RunStatus
from bench.sweep import LogStyle, SweepRequest, carry_out, early_process, make_plan, open_log
from bench.sweep.launch import pool_process
from bench.sweep.launch.pool import worker_environment
from bench.sweep.launch.pool_process import PoolProcess
from bench.sweep.launch.task_claims import remove_leftovers
from bench.sweep.launch.tasks import DEFAULT_RUNNER, Outcome, Surroundings
from bench.sweep.launchers import worker_imports

pytestmark = pytest.mark.skipif(not pool_process.CAN_FORK, reason="workers are forked on Linux only")


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], str]:
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
    behave(die=["seed 2"])  # its worker is replaced, and its run is tried on another worker
    modules = ["no_such_library", around.runner, module("counted_library", count)]
    finished = launch(around, 2, run_tasks(6), modules=modules).finished
    assert [item.outcome for item in finished].count(Outcome.OK) == 5
    processes = imported.read_text().split()
    assert len(processes) == 2
    assert len(set(processes)) == 1
    assert list((surroundings.runs / "logs").glob("worker-*")) == [], "nobody complained"


TORCH = """
from fake_runner import *
import fake_runner
import os, sys
import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

THREADS = len(os.listdir("/proc/self/task"))
CUDA = torch.cuda.is_initialized()

def run_experiment(spec, context):
    torch.set_num_threads(context.threads)
    a = np.random.default_rng(0).normal(size=(400, 400)).astype(np.float32)
    weight = torch.from_numpy(a.copy()).requires_grad_()
    torch.relu(weight @ weight).softmax(-1)[:, 0].log().mean().backward()
    loader = DataLoader(TensorDataset(torch.arange(6.0)), batch_size=2, num_workers=spec.seed - 1)
    np.savez(context.cache_dir / f"{spec.seed}.npz", product=a @ a, gradient=weight.grad.numpy(),
             threads=np.array(torch.get_num_threads()), loaded=np.array([float(batch.sum()) for (batch,) in loader]))
    print(THREADS, "threads, CUDA", CUDA, "process", os.getpid())
    return fake_runner.run_experiment(spec, context)
"""


def test_a_forked_worker_computes_like_this_process(surroundings: Surroundings, tmp_path: Path, module, monkeypatch):
    """With its number of threads, also in loaders with processes of their own. The imports themselves start no threads,
    which would not survive a fork (those of OpenBLAS end by themselves), and touch no GPU."""
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    computed = {}
    runner = module("computing_runner", TORCH)
    for jobs in (0, 1):
        context = RunContext(threads=2, cache_dir=tmp_path / str(jobs))
        context.cache_dir.mkdir()
        around = Surroundings(runs=context.cache_dir / "runs", context=context, runner=runner)
        todo = run_tasks(2)
        summary = launch(around, jobs, todo, modules=["bench.experiment.runner", "open_clip", runner])
        assert [item.message for item in summary.finished] == ["", ""]
        computed[jobs] = [dict(np.load(context.cache_dir / f"{seed}.npz")) for seed in (1, 2)]
    for here, forked in zip(*computed.values(), strict=True):
        assert {name: here[name].tobytes() for name in here} == {name: forked[name].tobytes() for name in forked}
        assert forked["threads"] == 2
        assert sum(forked["loaded"]) == 15
    log = (around.runs / "logs" / f"{todo[0].key}.log").read_text()
    assert "1 threads, CUDA False" in log
    assert f"process {os.getpid()}" not in log


def test_the_death_of_the_process_ends_the_sweep_and_the_same_command_resumes(
    surroundings: Surroundings, behave, tmp_path: Path
):
    behave(sleep=0.2, processes=str(tmp_path / "processes"))
    todo = run_tasks(6)

    def kill(_item) -> None:
        worker = int((tmp_path / "processes").read_text().split()[-1])
        status = Path(f"/proc/{worker}/status").read_text()
        os.kill(int(status.partition("PPid:")[2].split()[0]), 9)

    with pytest.raises(NoWorkerError, match="died with signal 9"):
        launch(surroundings, 2, todo, on_finished=kill)
    left = [task for task, status in zip(todo, statuses(surroundings.runs, todo), strict=True) if status is None]
    assert 0 < len(left) < 6
    remove_leftovers(surroundings.runs)
    assert len(launch(surroundings, 1, left).finished) == len(left)
    assert set(statuses(surroundings.runs, todo)) == {RunStatus.OK}


def test_a_sweep_that_ends_during_the_imports_does_not_wait_for_them(module):
    endless = module("endless_import", "import time\ntime.sleep(10**6)\n")
    with PoolProcess(worker_environment(1), [endless]) as process:
        assert process._process.poll() is None
    assert process._process.poll() is not None


def test_a_crash_during_the_imports_is_shown(surroundings: Surroundings, module):
    text = "import os, sys\nprint('a library that crashes', file=sys.stderr, flush=True)\nos.abort()\n"
    with pytest.raises(BenchError, match=r"died with signal 6.*a library that crashes"):
        launch(surroundings, 1, run_tasks(2), modules=[module("crashing_library", text)])


# --- what starts it ---------------------------------------------------------------------------------------------------


@pytest.fixture
def zero_shot(tmp_path: Path) -> SweepRequest:
    """A sweep of a run and a difficulty."""
    return sweep_over(["zero_shot"], ["spectrum_basic"], ["ViT-tiny.random"], runs=tmp_path, runner="fake_runner")


def test_imports_are_shared_where_runs_need_them(zero_shot: SweepRequest):
    tower = changed(zero_shot, runner=DEFAULT_RUNNER)
    assert worker_imports(tower) == ["bench.experiment.runner", "open_clip"]
    assert worker_imports(zero_shot) == ["fake_runner"]
    assert worker_imports(changed(tower, backbones=["features.mine"])) == ["bench.experiment.runner"]


@pytest.mark.parametrize(("methods", "processes"), [(["zero_shot", "coop"], 1), (["zero_shot"], 2)])
def test_the_imports_begin_before_the_plan(methods: list[str], processes: int, zero_shot: SweepRequest, monkeypatch):
    """The early process serves a sweep with more tasks than workers; another environment needs another process."""
    started = []
    real = PoolProcess.__init__

    def counted(self, *made_for) -> None:
        started.append(self)
        real(self, *made_for)

    monkeypatch.setattr(PoolProcess, "__init__", counted)
    monkeypatch.setattr("bench.sweep.launchers.cores", lambda: 4)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    request, log = changed(zero_shot, methods=methods), open_log(LogStyle.NONE)
    with early_process(request) as process:
        assert started == [process]
        assert carry_out(make_plan(request, log), log, process).exit_code == 0
    assert len(started) == processes
    assert all(one._process.poll() is not None for one in started)


@pytest.mark.parametrize(("options", "cores"), [({"jobs": 0}, 4), ({"launcher": "ray"}, 4), ({}, 1)])
def test_no_process_starts_early_where_it_would_not_be_used(
    options: dict[str, object], cores: int, zero_shot: SweepRequest, monkeypatch
):
    monkeypatch.setattr("bench.sweep.launchers.cores", lambda: cores)
    with early_process(changed(zero_shot, **options)) as process:
        assert process is None
