"""The process that imports once and forks workers: what it shares, what it does not, and what happens if it dies."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import launching
import numpy as np
import pytest
from fake_runner import make_spec

from bench.context import RunContext
from bench.errors import BenchError, NoWorkerError
from bench.record import RunStatus
from bench.results.shards import Shards
from bench.sweep.launch import pool_process
from bench.sweep.launch.pool import worker_environment
from bench.sweep.launch.pool_process import PoolProcess
from bench.sweep.launch.tasks import Outcome, RunTask, Surroundings

pytestmark = pytest.mark.skipif(not pool_process.CAN_FORK, reason="workers are forked on Linux only")


def tasks(n: int) -> list[RunTask]:
    return [RunTask(make_spec(seed=seed)) for seed in range(1, n + 1)]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], str]:
    """Write a module that workers can import."""
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    (tmp_path / "modules").mkdir()

    def write(name: str, text: str) -> str:
        (tmp_path / "modules" / f"{name}.py").write_text(text)
        return name

    return write


def run_in(
    around: Surroundings, modules: list[str], todo: list[RunTask], jobs: int = 1, on_finished=lambda _i, _a: None
):
    finished = []

    def told(item, again) -> None:
        finished.append(item)
        on_finished(item, again)

    with PoolProcess(worker_environment(around.context.threads), modules) as process:
        process.run(
            todo, around=around, jobs=jobs, on_finished=told, on_notice=lambda _text: None, interrupts=lambda: 0
        )
    return finished


def test_all_workers_of_a_sweep_share_one_import(surroundings: Surroundings, tmp_path: Path, module, behave):
    imported = tmp_path / "imported"
    count = f"import os\nwith open({str(imported)!r}, 'a') as file:\n    file.write(f'{{os.getpid()}} ')\n"
    around = surroundings.model_copy(update={"runner": module("counted_runner", f"{count}from fake_runner import *\n")})
    behave(die=["seed 2"])  # its worker is replaced, and its run is tried on another worker
    finished = run_in(around, [around.runner, module("counted_library", count)], tasks(6), jobs=2)
    assert [item.outcome for item in finished].count(Outcome.OK) == 5
    processes = imported.read_text().split()
    assert len(processes) == 2
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
             threads=np.array(torch.get_num_threads()))
    return fake_runner.run_experiment(spec, context)
"""


def test_a_forked_worker_computes_like_this_process_with_its_number_of_threads(tmp_path: Path, module):
    """torch and numpy are imported before the fork, and compute after it."""
    computed = {}
    for jobs in (0, 1):
        folder = tmp_path / str(jobs)
        folder.mkdir()
        runner = module(f"arithmetic_{jobs}", f"{ARITHMETIC}\nFOLDER = Path({str(folder)!r})\n")
        around = Surroundings(runs=folder, context=RunContext(threads=2), runner=runner)
        assert launching.launch(around, jobs, tasks(1)).failures == []
        (file,) = folder.glob("*.npz")
        computed[jobs] = dict(np.load(file))
        assert (file.stem == str(os.getpid())) == (not jobs)
    for name in ("product", "gradient", "threads"):
        assert computed[0][name].tobytes() == computed[1][name].tobytes()
    assert computed[1]["threads"] == 2


PRELOAD = """
from fake_runner import *
import os, sys
THREADS = len(os.listdir("/proc/self/task"))
CUDA = "torch" in sys.modules and sys.modules["torch"].cuda.is_initialized()
ADDRESSES = int(open("/proc/self/statm").read().split()[0])
def run_experiment(spec, context):
    raise ValueError(f"{THREADS} threads, CUDA {CUDA}")
"""


def test_the_imports_start_no_threads_and_touch_no_gpu(surroundings: Surroundings, module, monkeypatch):
    """Threads would not survive a fork. Those of OpenBLAS end by themselves, and are left out here."""
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    runner = module("last_import", PRELOAD)
    around = surroundings.model_copy(update={"runner": runner, "context": RunContext(threads=2)})
    (item,) = run_in(around, ["bench.experiment.runner", "open_clip", runner], tasks(1))
    assert item.message == "1 threads, CUDA False"


def test_the_death_of_the_process_ends_the_sweep_and_the_same_command_resumes(
    surroundings: Surroundings, behave, tmp_path: Path
):
    behave(sleep=0.2, processes=str(tmp_path / "processes"))
    todo = tasks(6)

    def kill(_item, _again) -> None:
        worker = int((tmp_path / "processes").read_text().split()[-1])
        status = Path(f"/proc/{worker}/status").read_text()
        os.kill(int(status.partition("PPid:")[2].split()[0]), 9)

    with pytest.raises(NoWorkerError, match="died with signal 9"):
        run_in(surroundings, ["fake_runner"], todo, jobs=2, on_finished=kill)
    shards = Shards(surroundings.runs)
    left = [task for task in todo if shards.status(task.spec.run_id) is None]
    assert 0 < len(left) < 6
    from bench.sweep.launch.claims import remove_leftovers

    remove_leftovers(surroundings.runs)
    assert len(run_in(surroundings, ["fake_runner"], left)) == len(left)
    assert {shards.status(task.spec.run_id) for task in todo} == {RunStatus.OK}


def test_a_sweep_that_ends_during_the_imports_does_not_wait_for_them(module):
    endless = module("endless_import", "import time\ntime.sleep(10**6)\n")
    with PoolProcess(worker_environment(1), [endless]) as process:
        assert process._process.poll() is None
    assert process._process.poll() is not None


def test_a_module_that_cannot_be_imported_is_reported_by_the_runs_that_need_it(surroundings: Surroundings):
    finished = run_in(surroundings, ["no_such_library"], tasks(2))
    assert [item.outcome for item in finished] == [Outcome.OK] * 2


def test_a_crash_during_the_imports_is_shown(surroundings: Surroundings, module):
    text = "import os, sys\nprint('a library that crashes', file=sys.stderr, flush=True)\nos.abort()\n"
    with pytest.raises(BenchError, match=r"died with signal 6.*a library that crashes"):
        run_in(surroundings, [module("crashing_library", text)], tasks(2))


def test_imports_are_shared_where_runs_need_them():
    from sweep_requests import sweep_over

    from bench.sweep.launchers import worker_imports

    tower = sweep_over(["zero_shot"], ["spectrum_basic"], ["ViT-tiny.random"])
    assert worker_imports(tower) == ["bench.experiment.runner", "open_clip"]
    assert worker_imports(tower.model_copy(update={"runner": "fake_runner"})) == ["fake_runner"]
    assert worker_imports(tower.model_copy(update={"backbones": ["features.mine"]})) == ["bench.experiment.runner"]


@pytest.mark.parametrize("tasks_per_worker", [1, 0])
def test_the_imports_begin_before_the_plan(tasks_per_worker: int, tmp_path: Path, monkeypatch):
    """The early process serves a sweep with more tasks than workers; another environment needs another process."""
    from sweep_requests import sweep_over

    from bench.sweep import LogStyle, carry_out, early_process, make_plan, open_log

    started = []
    real = PoolProcess.__init__

    def counted(self, *made_for) -> None:
        started.append(self)
        real(self, *made_for)

    monkeypatch.setattr(PoolProcess, "__init__", counted)
    monkeypatch.setattr("bench.sweep.launchers.cores", lambda: 4)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    request = sweep_over(
        ["zero_shot"] if tasks_per_worker == 0 else ["zero_shot", "coop"],
        ["spectrum_basic"], ["ViT-tiny.random"], runs=tmp_path, runner="fake_runner",
    )  # fmt: skip
    log = open_log(LogStyle.NONE)
    with early_process(request) as process:
        assert started == [process]
        assert carry_out(make_plan(request, log), log, process).exit_code == 0
    assert len(started) == (1 if tasks_per_worker else 2)
    assert all(one._process.poll() is not None for one in started)


def test_no_process_starts_early_where_it_would_not_be_used(tmp_path: Path, monkeypatch):
    from sweep_requests import sweep_over

    from bench.sweep import early_process

    request = sweep_over(["zero_shot"], ["spectrum_basic"], ["ViT-tiny.random"], runs=tmp_path, runner="fake_runner")
    for other in ({"jobs": 0}, {"launcher": "ray"}):
        with early_process(request.model_copy(update=other)) as process:
            assert process is None
    monkeypatch.setattr("bench.sweep.launchers.cores", lambda: 1)
    with early_process(request) as process:
        assert process is None


LOADER = """
from fake_runner import *
import fake_runner
import torch
from torch.utils.data import DataLoader, TensorDataset

def run_experiment(spec, context):
    loader = DataLoader(TensorDataset(torch.arange(6.0)), batch_size=2, num_workers=1)
    if sum(float(batch.sum()) for (batch,) in loader) != 15:
        raise ValueError("the loader lost a batch")
    return fake_runner.run_experiment(spec, context)
"""


def test_a_method_may_load_batches_in_processes_of_its_own(surroundings: Surroundings, module):
    around = surroundings.model_copy(update={"runner": module("loader", LOADER)})
    summary = launching.launch(around, 1, tasks(2))
    assert [item.message for item in summary.failures] == []


OWN_FORKSERVER = """
import multiprocessing, sys, time
from pathlib import Path
from launching import launch
from bench.context import RunContext
from bench.sweep.launch.tasks import RunTask, Surroundings
from fake_runner import make_spec

if __name__ == "__main__":
    context = multiprocessing.get_context("forkserver")
    mine = context.Process(target=time.sleep, args=(600,))
    mine.start()
    around = Surroundings(runs=Path(sys.argv[1]), context=RunContext(), runner="fake_runner")
    for method in ("fork", "spawn"):
        todo = [RunTask(make_spec(seed=seed, method=method)) for seed in range(4)]
        print(len(launch(around, 2, todo, method=method).finished), mine.is_alive())
    other = context.Process(target=print, args=("still forks",))
    other.start()
    other.join()
    mine.kill()
    mine.join()
"""


def test_a_fork_server_of_the_users_own_is_left_alone(tmp_path: Path):
    import subprocess

    (tmp_path / "script.py").write_text(OWN_FORKSERVER)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, str(tmp_path / "script.py"), str(tmp_path / "runs")],
        env=environment, capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if "chatty" not in line]
    assert lines == ["4 True", "4 True", "still forks"]
