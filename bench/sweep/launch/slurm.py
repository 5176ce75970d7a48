"""Runs tasks as Slurm array jobs, which write their shards into the shared runs folder.

A job runs a chunk of tasks on each of its GPUs and keeps journals, which the command reads. A repeated command watches
the jobs that are still active and submits only runs that no job is already working on.
"""

import itertools
import sys
import time
from collections.abc import Sequence

from bench._util.words import counted
from bench.errors import WorkerDiedError, WorkerKilledError
from bench.sweep.launch.slurm_queue import SlurmQueue
from bench.sweep.launch.slurm_submission import ARRAY_SIZE, WatchedJob, active_jobs, stop, submit
from bench.sweep.launch.tasks import Surroundings, Task
from bench.sweep.launch.transport import Done, Event, Exited, Notice, Ready, Transport
from bench.sweep.launch.worker_logs import log_tail

RUNS_PER_JOB = 20


class SlurmTransport(Transport):
    """Slurm jobs.

    Args:
        surroundings: its folders must be on a file system that all nodes share.
        wait: False ends the sweep when everything is submitted.
        look_seconds: seconds between two reads of the queue and the journals.
    """

    enforce_timeout = False  # a job may wait in the queue, and ends an overdue run itself

    def __init__(
        self,
        surroundings: Surroundings,
        queue: SlurmQueue,
        runs_per_job: int = RUNS_PER_JOB,
        *,
        wait: bool = True,
        look_seconds: float = 5.0,
    ) -> None:
        self.surroundings = surroundings
        self.queue = queue
        self.tasks_per_worker = runs_per_job
        self.detached = not wait
        self.look_seconds = look_seconds
        self._numbers = itertools.count(1)
        self._jobs: dict[int, WatchedJob] = {}
        self._unsubmitted: dict[int, Sequence[Task]] = {}
        self._events: list[Event] = []
        self._next_look = 0.0

    def adopt(self, tasks: Sequence[Task]) -> dict[int, list[Task]]:
        jobs = {next(self._numbers): job for job in active_jobs(self.surroundings.runs, self.queue, tasks)}
        self._jobs |= jobs
        adopted = {number: list(job.unfinished.values()) for number, job in jobs.items()}
        if adopted:
            total = sum(map(len, adopted.values()))
            self._events.append(Notice(f"{counted(total, 'task')} already with Slurm: not submitted again."))
        return adopted

    def capacity(self) -> int:
        return sys.maxsize  # jobs wait in the queue

    def start(self) -> int:
        number = next(self._numbers)
        self._events.append(Ready(number))
        return number

    def submit(self, worker: int, tasks: Sequence[Task]) -> None:
        self._unsubmitted[worker] = tasks  # until the next `poll`, which submits all new jobs as arrays

    def poll(self, seconds: float) -> list[Event]:
        self._submit_all()
        if not self._events and not self.detached:
            time.sleep(min(seconds, self.look_seconds))
            if time.monotonic() >= self._next_look:
                self._look()
        events, self._events = self._events, []
        return events

    def _submit_all(self) -> None:
        while self._unsubmitted:
            numbers = list(self._unsubmitted)[: ARRAY_SIZE * self.queue.workers]
            chunks = [self._unsubmitted.pop(number) for number in numbers]
            jobs = submit(self.surroundings, self.queue, chunks)
            self._jobs |= dict(zip(numbers, jobs, strict=True))
            number_of_jobs = len({job.job for job in jobs})
            count = f"{number_of_jobs} jobs" if number_of_jobs > 1 else "one job"
            text = f"Submitted {counted(sum(map(len, chunks)), 'task')} as {count}, starting with {jobs[0].job}."
            self._events.append(Notice(text))

    def _look(self) -> None:
        self._next_look = time.monotonic() + self.look_seconds
        alive = self.queue.alive()  # before the journals, so that a job's last lines are not missed
        for number, job in list(self._jobs.items()):
            self._events += [Done(number, finished, last=True) for finished in job.read_journal()]
            if not job.unfinished:
                self._events.append(Exited(number))
            elif alive is not None and job.job not in alive:
                self._events.append(self._exited(number, job))
            else:
                continue
            del self._jobs[number]

    def _exited(self, number: int, job: WatchedJob) -> Exited:
        """The exit of a job that left tasks unfinished."""
        state = self.queue.final_state(job.job)
        ended = f"Slurm job {job.job} ended{f' ({state})' if state else ''}"
        if not job.started:
            tail = f"Last line of its log: {log_tail(job.log)} (full log: {job.log})."
            return Exited(number, f"{ended} before its first run. {tail}", started=False)
        kind = WorkerKilledError if state == "OUT_OF_MEMORY" else WorkerDiedError
        error = kind(
            f"{ended} during this run. OUT_OF_MEMORY needs more --resource mem, TIMEOUT more --resource time. "
            f"Log: {job.log}"
        )
        return Exited(number, ended, running=job.running, error=error)

    def dismiss(self, worker: int) -> None:
        self._events.append(Exited(worker))

    def drain(self) -> None:
        self._events += [Exited(number) for number in self._unsubmitted]
        self._unsubmitted.clear()
        stop(self._jobs.values())
        self.queue.cancel(list(dict.fromkeys(job.job for job in self._jobs.values())), waiting_only=True)

    def kill(self, workers: Sequence[int]) -> None:
        jobs = dict.fromkeys(self._jobs[number].job for number in workers if number in self._jobs)
        self.queue.cancel(list(jobs), waiting_only=False)
