"""What a sweep calls after each run that finished, such as an experiment tracker: it can neither stop nor delay it."""

import queue
import re
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from textwrap import shorten

from bench.errors import UsageError
from bench.extension import tracker_maker

LIMIT = 60.0
"""Seconds after which a call is left behind."""
MOST_FAILURES = 3
"""After so many failures in a row, or one call that was left behind, nothing more is called."""
_LONGEST_REASON = 200


@dataclass
class AfterRun:
    """Called with the id of each run that finished without error, once its record is stored.

    Args:
        name: of the work, such as "sending a run to mlflow".
        call: does the work, in another thread; any exception means that it failed. What it prints goes to standard
            error.
        advice: what to do after a failure.
        notice: receives one line about the first failure.
        limit: seconds that a call may take; None for no limit.
    """

    name: str
    call: Callable[[str], object]
    advice: str
    notice: Callable[[str], None]
    limit: float | None = LIMIT
    _failures: int = 0
    _noticed: bool = False

    def __call__(self, run_id: str) -> None:
        """Do the work for a run. Raises nothing but KeyboardInterrupt."""
        if self._failures >= MOST_FAILURES:
            return
        try:
            problem = self._problem(run_id)
        except queue.Empty:
            problem, self._failures = f"no answer for {self.limit:.0f} s", MOST_FAILURES
        self._failures = self._failures + 1 if problem else 0
        if problem and not self._noticed:
            self._noticed = True
            self.notice(f"{self.name} failed ({problem}); {self.advice}")

    def _problem(self, run_id: str) -> str:
        """Why the call failed; empty if it succeeded. Raises queue.Empty at the time limit."""
        problems: queue.SimpleQueue[str] = queue.SimpleQueue()

        def work() -> None:
            try:
                self.call(run_id)
            except (Exception, SystemExit) as error:
                text = f"{type(error).__name__}: {error}".rstrip(".")
                problems.put(shorten(text, _LONGEST_REASON, placeholder=" ..."))
            else:
                problems.put("")

        with redirect_stdout(sys.stderr):
            threading.Thread(target=work, daemon=True).start()
            return problems.get(timeout=self.limit)


def trackers_after_run(trackers: Sequence[str], runs: Path, notice: Callable[[str], None]) -> list[AfterRun]:
    """What sends the finished runs of a folder to trackers; raises BenchError for one that cannot be used here."""
    return [resolve_name(tracker_maker(text))(runs, text, notice) for text in trackers]


def check_tracker(text: str) -> str:
    """The text that names a tracker, such as `mlflow:sqlite:///mlflow.db`; raises UsageError if none has its name."""
    name, _, place = text.partition(":")
    if found := re.search(r"://[^/]*:[^/]*@", place):
        raise UsageError(
            f"The tracker {name}:{place[: found.start()]}://... holds a password, which the sweep file would keep. "
            "Leave it out; `etl-bench doctor docs trackers` names the environment variables that hold it."
        )
    tracker_maker(text)
    return text if place else name
