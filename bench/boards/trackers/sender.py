"""Hands finished runs of a sweep to the process that sends them, and waits for it only at the end."""

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Self

from bench._util.words import counted
from bench.boards.trackers.sending import SendReport, SendResult
from bench.boards.trackers.sent_runs import unsent
from bench.sweep import Target, search_path

PATIENCE = 60.0
"""Seconds without an answer after which the end of a sweep waits no longer."""
_ANNOUNCED = 2.0
_POLL = 0.1
_BOOT = (
    "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); "
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from bench.boards.trackers.sending import main; main()"
)


class Sender:
    """Sends runs to trackers from another process, which starts with the first run.

    A context manager: its end waits for runs on their way, and says which were not sent. Ctrl-C ends the wait.

    Args:
        targets: repeated ones count once.
        notice: called with one line about what was not sent, in the thread that uses the sender.
        patience: seconds without an answer after which the end waits no longer; None for no limit.
    """

    def __init__(
        self,
        runs: Path,
        targets: Sequence[Target],
        notice: Callable[[str], None],
        *,
        patience: float | None = PATIENCE,
    ) -> None:
        self.reports: list[SendReport] = []
        self._runs, self._targets = runs, list(dict.fromkeys(targets))
        self._notice, self._patience = notice, patience
        self._todo: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._handed_over = 0
        self._earlier: set[str] = set()
        self._warned: set[str] = set()
        self._problem = ""
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        if not self._handed_over:
            return
        self._todo.put(None)
        interrupted = kind is not None and issubclass(kind, KeyboardInterrupt)
        try:
            if not interrupted:
                self._wait()
        except KeyboardInterrupt:
            interrupted = True
        if interrupted:
            self._problem = self._problem or "interrupted"
        if self._thread.is_alive() and self._process is not None:
            self._process.kill()
            self._thread.join()
        for target in self._targets:
            self._sum_up(target)

    def finished_before(self, run_ids: Sequence[str]) -> None:
        """Hand over those of these finished runs that earlier commands have not sent."""
        missing = unsent(self._runs, self._targets, run_ids) if self._targets else []
        self._earlier.update(missing)
        for run_id in missing:
            self.finished(run_id)

    def finished(self, run_id: str) -> None:
        """Hand over a run whose record is stored. Returns at once."""
        if not self._targets:
            return
        if not self._handed_over:
            self._thread.start()
        self._handed_over += 1
        self._todo.put(run_id)
        for item in list(self.reports):
            if item.result is SendResult.FAILED and item.target not in self._warned:
                self._warned.add(item.target)
                self._notice(f"{item.target}: a run was not sent: {item.message.rstrip('.')}. No result is lost.")

    def count(self, target: Target, result: SendResult) -> int:
        """How many runs had this result at this tracker."""
        return sum(item.target == str(target) and item.result is result for item in self.reports)

    def missing(self, target: Target) -> int:
        """How many runs that were handed over are not at this tracker."""
        return self._handed_over - self.count(target, SendResult.SENT) - self.count(target, SendResult.KNOWN)

    def _wait(self) -> None:
        """Until all runs are reported, the process has ended, or it has not answered for long."""
        begin = changed = time.monotonic()
        seen, announced = len(self.reports), False
        while self._thread.is_alive():
            self._thread.join(_POLL)
            now = time.monotonic()
            if len(self.reports) > seen:
                seen, changed = len(self.reports), now
            if self._patience is not None and not announced and now > begin + _ANNOUNCED:
                announced = True
                names = " and ".join(map(str, self._targets))
                self._notice(f"Sending the last runs to {names}. Ctrl-C ends this; all results are stored.")
            if self._patience is not None and now > changed + self._patience:
                self._problem = f"no answer for {self._patience:.0f} s"
                return

    def _sum_up(self, target: Target) -> None:
        sent = {item.run_id for item in self.reports if item.target == str(target) and item.result is SendResult.SENT}
        if earlier := len(sent & self._earlier):
            were = "was" if earlier == 1 else "were"
            self._notice(f"{counted(earlier, 'run')} of earlier commands {were} not at {target} yet, and {were} sent.")
        if not (missing := self.missing(target)):
            return
        failed = [item.message for item in self.reports if item.target == str(target) and item.message]
        why = failed[0] if failed else self._problem
        self._notice(
            f"{missing} of {counted(self._handed_over, 'run')} not sent to {target} ({why}); "
            f"`etl-bench export send {target} --runs {self._runs}` sends what is missing there."
        )

    def _work(self) -> None:
        """Hand over runs and receive their reports, in a thread."""
        problem = ""
        with TemporaryFile() as output:
            try:
                self._exchange(output)
            except OSError as error:  # the process cannot start, or has ended
                problem = str(error)
            if self._process is not None:
                problem = _end(self._process, output) or problem
        self._problem = self._problem or problem

    def _exchange(self, output: IO[bytes]) -> None:
        arguments = [json.dumps(search_path()), str(self._runs), *map(str, self._targets)]
        self._process = process = subprocess.Popen(
            [sys.executable, "-P", "-c", _BOOT, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C in the terminal reaches the sweep alone
        )
        assert process.stdin is not None
        assert process.stdout is not None
        for run_id in iter(self._todo.get, None):
            process.stdin.write(f"{run_id}\n")
            process.stdin.flush()
            for _ in self._targets:
                if not (line := process.stdout.readline()):
                    return
                self.reports.append(SendReport.load(line))


def _end(process: subprocess.Popen[str], output: IO[bytes]) -> str:
    """Close the pipes, so that the process ends. Returns its exit code and last line, or nothing if it succeeded."""
    with suppress(OSError), process:
        pass
    if not process.returncode:
        return ""
    output.seek(0)
    lines = output.read().decode(errors="replace").strip().splitlines()
    return f"its process ended with code {process.returncode}" + (f": {lines[-1]}" if lines else "")
