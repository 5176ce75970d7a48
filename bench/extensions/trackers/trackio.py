"""Runs in trackio. The name of a run ends with its run id and is the only key, so a known name is not sent again."""

import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import trackio

from bench.extensions.trackers.tracked_run import PROJECT, TrackedRun

_CREATED_AT = "created_at"
_REMOTE = ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL")


class TrackioTracker:
    """A project of trackio: on this machine, or where `TRACKIO_SPACE_ID` or `TRACKIO_SERVER_URL` say.

    Args:
        project: its name; empty for `clip-etl-bench`.
    """

    def __init__(self, project: str) -> None:
        self._project = project or PROJECT
        self._remote = any(os.environ.get(name) for name in _REMOTE)

    def send(self, run: TrackedRun) -> bool:
        """Send a run; see `Tracker.send`. On a Space or a server, an older or incomplete result cannot be replaced."""
        name, moment = f"{run.name} ({run.run_id})", run.created_at.isoformat()
        with _warnings_as_errors():
            if self._known(name, moment):
                return False
        config = {**run.parameters, **run.tags, _CREATED_AT: moment}
        with ExitStack() as on_failure:
            if not self._remote:
                on_failure.callback(self._delete, name)  # an incomplete run would count as sent
            with _warnings_as_errors():
                opened = trackio.init(
                    self._project, name, run.group, config=config, embed=False, auto_log_gpu=False, auto_log_cpu=False
                )
                for epoch, values in run.curve:
                    opened.log({f"curve/{key}": value for key, value in values.items()}, step=epoch)
                opened.log(dict(run.metrics))
                opened.finish()
            on_failure.pop_all()
        return True

    def _known(self, name: str, moment: str) -> bool:
        """Whether this result is there; an older one on this machine is deleted."""
        if self._remote:
            with suppress(ValueError):  # no run of this name
                trackio.init(self._project, name, resume="must", embed=False).finish()
                return True
            return False
        for item in self._runs_here(name):
            if (item.config or {}).get(_CREATED_AT) == moment:
                return True
            item.delete()
        return False

    def _delete(self, name: str) -> None:
        for item in self._runs_here(name):
            item.delete()

    def _runs_here(self, name: str) -> list[Any]:
        """The runs of this name on this machine."""
        with suppress(ValueError):  # no such project yet
            return [item for item in trackio.Api().runs(self._project) if item.name == name]
        return []


@contextmanager
def _warnings_as_errors() -> Iterator[None]:
    """Raise OSError if trackio warns, which it does where a server does not answer or nothing can be stored."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        yield
    for item in found:
        if "trackio" in item.filename:
            raise OSError(str(item.message))
