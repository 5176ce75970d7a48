"""A sweep in one call: a transport with its supervisor."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.sweep.coordination.heartbeat import Heartbeat
from bench.sweep.coordination.leases import Leases
from bench.sweep.launch.supervisor import Supervisor
from bench.sweep.launch.tasks import FinishedTask, LaunchSummary, Task
from bench.sweep.launch.transport import Transport


def launch(
    transport: Transport,
    tasks: Sequence[Task],
    *,
    on_finished: Callable[[FinishedTask], None] = lambda _item: None,
    on_notice: Callable[[str], None] = lambda _text: None,
    retries: int = 0,
) -> LaunchSummary:
    """Run tasks as `etl-bench run` does."""
    runs = transport.surroundings.runs
    with Heartbeat(runs, "sweep") as heartbeat:
        supervisor = Supervisor(
            transport,
            Leases(runs, heartbeat),
            retries=retries,
            on_finished=lambda item, _again: on_finished(item),
            on_notice=on_notice,
        )
        return supervisor.run(tasks)
