"""Runs tasks as Slurm array jobs that write their shards into the shared runs folder; the command watches, or leaves.

A job does a chunk of tasks and keeps a journal. Whoever watches reads the journals, so a command that was ended, or
that did not wait, can be given again: it finds the jobs that are still under way and adds only what nobody does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench._util.interrupts import counted_interrupts
from bench.errors import LaunchError, WorkerDiedError, WorkerKilledError
from bench.launch.execute import failed_result, store_result
from bench.launch.protocol import FinishedTask, LaunchSummary, Outcome, Surroundings, Task, load_runner
from bench.launch.slurm_queue import Queue
from bench.launch.slurm_submission import WatchedJob, active_jobs, chunks, submit

RUNS_PER_JOB = 20
_BATCH = 1000
"""Jobs of one array; Slurm's usual limit, MaxArraySize, is 1001."""


@dataclass(frozen=True)
class SlurmLauncher:
    """A launcher whose workers are Slurm jobs.

    Args:
        surroundings: its folders are those of every node, on a shared file system.
        queue: where jobs go.
        runs_per_job: tasks of one job, done one after the other.
        wait: False returns once everything is submitted.
        look_seconds: how often journals are read and the queue is asked.
        on_notice: told in one line about submissions, Ctrl-C and jobs that died.
    """

    surroundings: Surroundings
    queue: Queue
    runs_per_job: int = RUNS_PER_JOB
    wait: bool = True
    look_seconds: float = 5.0
    on_notice: Callable[[str], None] = lambda _text: None

    def launch(self, tasks: Sequence[Task], *, on_finished: Callable[[FinishedTask], None]) -> LaunchSummary:
        """Submit what no job under way does already, then watch until all has ended.

        The first Ctrl-C takes waiting jobs out of the queue and lets current runs finish; the second ends the jobs, and
        what they were at counts as not done.

        Raises:
            LaunchError: Slurm refuses a job, or no job could start.
        """
        sweep = _Sweep(self, tasks, on_finished)
        if not self.wait:
            return LaunchSummary((), interrupted=False)
        with counted_interrupts(sweep.interrupt):
            sweep.watch()
        return LaunchSummary(tuple(sweep.finished), sweep.interrupts > 0)


def arrays(portions: Sequence[Sequence[Task]]) -> list[Sequence[Sequence[Task]]]:
    """The portions of single jobs in groups that Slurm takes as one array."""
    return [portions[begin : begin + _BATCH] for begin in range(0, len(portions), _BATCH)]


class _Sweep:
    """The state of one `launch`: the jobs that are watched, what is done, and whether to stop."""

    def __init__(
        self, launcher: SlurmLauncher, tasks: Sequence[Task], on_finished: Callable[[FinishedTask], None]
    ) -> None:
        self.launcher = launcher
        self.on_finished = on_finished
        self.finished: list[FinishedTask] = []
        self.interrupts = 0
        self._acted = 0
        self.parts = active_jobs(launcher.surroundings.runs, launcher.queue, tasks)
        adopted = {id(task) for part in self.parts for task in part.wanted.values()}
        if adopted:
            launcher.on_notice(f"{len(adopted)} tasks are with Slurm already; they are not submitted again.")
        self._submit([task for task in tasks if id(task) not in adopted])

    def interrupt(self, count: int) -> None:
        """Take note of Ctrl-C; the next look acts on it."""
        self.interrupts = count

    def watch(self) -> None:
        """Look at journals and queue until no part is left, or Ctrl-C came twice."""
        while self.parts:
            if self.interrupts > self._acted:
                self._stop()
            if self.interrupts > 1:
                return
            self._look()
            if self.parts:
                self._sleep()

    def _look(self) -> None:
        alive = self.launcher.queue.alive()  # before the journals, so that what a job wrote last is seen
        self._read()
        if alive is None:
            return
        for part in [part for part in self.parts if part.job not in alive]:
            self.parts.remove(part)
            if part.wanted and not self.interrupts:
                self._bury(part)

    def _read(self) -> None:
        for part in self.parts:
            for done in part.news():
                self.finished.append(done)
                self.on_finished(done)
        self.parts = [part for part in self.parts if part.wanted]

    def _bury(self, part: WatchedJob) -> None:
        """A job ended before its tasks did. What it was at has failed; what it had not begun is submitted again."""
        fate = self.launcher.queue.fate(part.job)
        ended = f"Slurm job {part.job} ended{f' ({fate})' if fate else ''}"
        current = part.current()
        if current is None and not part.progressed:
            problem = f"{ended} before its first run. Its last words: {part.log_tail()} (all of them: {part.log})."
            if not self.parts:
                raise LaunchError(problem)
            self.launcher.on_notice(problem)
            return
        if current is not None:
            self.launcher.on_notice(f"{ended} during {current.label}.")
            surroundings = self.launcher.surroundings
            runner = load_runner(surroundings.runner)
            kind = WorkerKilledError if fate == "OUT_OF_MEMORY" else WorkerDiedError
            died = kind(
                f"{ended} during this run; OUT_OF_MEMORY asks for more --mem, TIMEOUT for more --time. Log: {part.log}"
            )
            given = failed_result(current, died, runner, surroundings.context, seconds=part.seconds())
            self.finished.append(store_result(given, runner, surroundings))
            self.on_finished(self.finished[-1])
        if any(item.outcome is Outcome.UNWRITTEN for item in self.finished):
            return
        self._submit([task for task in part.wanted.values() if task is not current])

    def _submit(self, tasks: Sequence[Task]) -> None:
        launcher = self.launcher
        for batch in arrays(chunks(tasks, launcher.runs_per_job)):
            added = submit(launcher.surroundings, launcher.queue, batch)
            self.parts += added
            jobs = f"{len(batch)} jobs" if len(batch) > 1 else "one job"
            launcher.on_notice(f"Submitted {sum(map(len, batch))} tasks as {jobs}, from {added[0].job} on.")

    def _stop(self) -> None:
        self._acted = self.interrupts
        jobs = [part.job for part in self.parts]
        if self.interrupts == 1:
            for part in self.parts:
                part.stop()
            self.launcher.queue.cancel(jobs, waiting_only=True)
            self.launcher.on_notice("Jobs stop after their current runs; Ctrl-C again to end them at once.")
        else:
            self.launcher.queue.cancel(jobs, waiting_only=False)

    def _sleep(self) -> None:
        end, asked = time.monotonic() + self.launcher.look_seconds, self.interrupts
        while time.monotonic() < end and self.interrupts == asked:
            time.sleep(min(0.2, self.launcher.look_seconds))
