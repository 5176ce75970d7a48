"""Kills a sweep again and again while it runs, and compares what is left with an undisturbed one, byte for byte.

Two sweeps with two workers each share one folder, and a third process loads the shards into the database all the time.
At random moments one of these is killed by SIGKILL: a sweep with its workers, a sweep alone, a worker, the loader. What
was killed is started again. Runs are `tests/support/fake_runner.py`'s: short, and equal whenever they are done, so
that every byte must come out the same.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from fake_runner import make_spec  # noqa: E402
from launching import launch  # noqa: E402

from bench.context import RunContext  # noqa: E402
from bench.record import RunStatus  # noqa: E402
from bench.results.database import Store  # noqa: E402
from bench.results.shards import Shards  # noqa: E402
from bench.spec import ExperimentSpec  # noqa: E402
from bench.sweep.launch.task_claims import living, remove_leftovers  # noqa: E402
from bench.sweep.launch.tasks import RunTask, Surroundings  # noqa: E402

METHODS = ("coop", "apex", "vpt")
DATASETS = ("spectrum_basic", "spectrum_blur", "spectrum_words", "spectrum_faint")
WEIGHTS = {"sweep and workers": 2, "sweep": 2, "worker": 4, "loader": 2}
"""How often each is killed, relative to the others."""
LAST = 120.0
"""Seconds that the sweeps get to finish once nobody kills them any more."""


def specs(n: int) -> list[ExperimentSpec]:
    """The first n runs of a grid of methods, datasets and seeds."""
    grid = (
        make_spec(method=method, dataset=dataset, seed=seed)
        for seed in range(1, n + 1)
        for dataset in DATASETS
        for method in METHODS
    )
    return [spec for spec, _ in zip(grid, range(n), strict=False)]


# --- the processes ----------------------------------------------------------------------------------------------------


def sweep(runs: Path, n: int, jobs: int) -> None:
    """What `etl-bench run` does after planning: compute every missing run, with retries."""
    shards = Shards(runs)
    remove_leftovers(runs)
    seen = {spec.run_id: shards.stamp(spec.run_id) for spec in specs(n)}
    tasks = [RunTask(s, seen[s.run_id]) for s in specs(n) if shards.status(s.run_id) is not RunStatus.OK]
    launch(Surroundings(runs=runs, context=RunContext(), runner="fake_runner"), jobs, tasks, retries=3)


def load(runs: Path) -> None:
    """Bring the database up to date, again and again."""
    while True:
        Store(runs).ingest()
        time.sleep(0.05)


@dataclass
class Process:
    """One process that is started again whenever it is gone, in a session of its own."""

    role: str
    arguments: list[str]
    again: bool
    process: subprocess.Popen[bytes] | None = None

    def keep(self) -> None:
        """Start it if it is not there; one that has ended by itself only if there is always more to do."""
        if self.process is None or (self.process.poll() is not None and (self.again or self.process.returncode != 0)):
            self.process = subprocess.Popen(
                [sys.executable, __file__, self.role, *self.arguments], start_new_session=True
            )

    @property
    def pid(self) -> int | None:
        """Its number, while it lives."""
        return self.process.pid if self.process is not None and self.process.poll() is None else None

    def kill(self, *, whole: bool) -> None:
        """Kill it, with all of its session or alone."""
        if self.process is None or self.pid is None:
            return
        if whole:
            os.killpg(self.process.pid, signal.SIGKILL)
        else:
            self.process.kill()
        self.process.wait()


# --- the kills --------------------------------------------------------------------------------------------------------


@dataclass
class Outcome:
    """The outcome of a disturbed sweep.

    Args:
        runs: how many runs there were.
        kills: SIGKILLs that met a living process, by kind.
        losses: finished runs that were gone later; must be none.
        set_aside: shards found damaged; must be none.
        differences: files and tables that differ from the undisturbed sweep's; must be none.
    """

    runs: int
    kills: Counter[str] = field(default_factory=Counter)
    losses: int = 0
    set_aside: int = 0
    differences: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether nothing was lost, damaged or different."""
        return not (self.losses or self.set_aside or self.differences)


def kill_around_a_sweep(folder: Path, *, runs: int, kills: int, seed: int, sweeps: int = 2, jobs: int = 2) -> Outcome:
    """Run a sweep under SIGKILLs and an undisturbed one, below `folder`, and compare them."""
    outcome = Outcome(runs)
    calm, disturbed = folder / "calm", folder / "disturbed"
    sweep(calm, runs, jobs=sweeps * jobs)
    arguments = [str(disturbed), str(runs), str(jobs)]
    victims = [Process("sweep", arguments, again=False) for _ in range(sweeps)]
    victims.append(Process("load", [str(disturbed)], again=True))
    try:
        _kill_around(disturbed, victims, outcome, kills, random.Random(seed))
        _let_finish(disturbed, victims, runs)
    finally:
        for victim in victims:
            victim.kill(whole=True)
    outcome.set_aside = len(list(disturbed.rglob("*.damaged-*")))
    ours, theirs = contents(disturbed), contents(calm)
    outcome.differences = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    return outcome


def _kill_around(runs: Path, victims: list[Process], outcome: Outcome, kills: int, chance: random.Random) -> None:
    """Kill at random moments, so that the last kill comes when nine tenths of the runs are done."""
    shards, done = Shards(runs), set[str]()
    while sum(outcome.kills.values()) < kills:
        for victim in victims:
            victim.keep()
        ahead = sum(outcome.kills.values()) / kills > len(done) / (0.9 * outcome.runs)
        time.sleep(chance.uniform(0.3, 1.5) if ahead else chance.uniform(0.0, 0.2))
        kind = chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        outcome.kills[kind] += _kill_one(kind, runs, victims, chance)
        now = {run_id for run_id in shards.scan() if shards.status(run_id) is RunStatus.OK}
        outcome.losses += len(done - now)
        done = now
        if len(done) == outcome.runs:
            return


def _kill_one(kind: str, runs: Path, victims: list[Process], chance: random.Random) -> int:
    """One SIGKILL; 0 if there was nobody of that kind."""
    sweeps = [victim for victim in victims if victim.role == "sweep" and victim.pid is not None]
    if kind == "worker":
        workers = [item.process.pid for item in living(runs) if item.kind == "worker"]
        if not workers:
            return 0
        try:
            os.kill(chance.choice(workers), signal.SIGKILL)
        except ProcessLookupError:
            return 0
        return 1
    chosen = [victims[-1]] if kind == "loader" else sweeps
    running = [victim for victim in chosen if victim.pid is not None]
    if not running:
        return 0
    chance.choice(running).kill(whole=kind == "sweep and workers")
    return 1


def _let_finish(runs: Path, victims: list[Process], n: int) -> None:
    """Let the sweeps end; what failed is tried again by a new one, as a person repeats a command."""
    shards = Shards(runs)
    deadline = time.monotonic() + LAST
    while time.monotonic() < deadline:
        if all(shards.status(spec.run_id) is RunStatus.OK for spec in specs(n)):
            break
        for victim in victims:
            if victim.role == "sweep" and victim.pid is None:
                victim.process = None
            victim.keep()
        time.sleep(0.2)
    for victim in victims:
        if victim.role == "sweep" and victim.process is not None:
            victim.process.wait(timeout=LAST)


def contents(runs: Path) -> dict[str, bytes]:
    """All that counts: the shards' files, and the tables of a database brought up to date by one more loading."""
    files = {str(path.relative_to(runs)): path.read_bytes() for path in (runs / "shards").glob("*/*") if path.is_file()}
    store = Store(runs)
    store.ingest()
    tables = {
        "runs": store.runs_frame(),
        "scores": store.query("select * from scores order by all"),
        "predictions": store.query("select * from predictions order by all"),
        "count": store.query("select count(*), count(distinct run_id) from runs"),
    }
    return files | {f"table {name}": frame.to_csv(index=False).encode() for name, frame in tables.items()}


if __name__ == "__main__":
    _, role, folder, *numbers = sys.argv
    if role == "sweep":
        sweep(Path(folder), *map(int, numbers))
    else:
        load(Path(folder))
