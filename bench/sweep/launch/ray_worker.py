"""The actor that computes results on a node of a Ray cluster; the driver writes the shards.

The harness is imported inside functions: importing the catalogue reads the custom datasets of the current folder, which
`RayWorker` first changes to the folder of the command.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.sweep.launch.tasks import FinishedTask, Task


@dataclass(frozen=True)
class SentFile:
    """A file of the driver's machine that is sent to the nodes.

    `name` contains the digest of the content, which is in Ray's object store and fetched only by nodes without the
    file. `suffix` is appended to the path, such as `,quickgelu` for weights.
    """

    name: str
    content: Any
    suffix: str = ""


class RayWorker:
    """Runs tasks one after the other. Frozen features stay in the cache folder of its node.

    Args:
        home: the folder of the command, which becomes the current folder if the node has it.
        surroundings: JSON, with the files that each node has at the same path. The folders of cache and data may begin
            with `~`, the home folder on the node.
        files: files that specs need, by digest.
        weights: local weights, by backbone slug.
    """

    def __init__(
        self, home: str, surroundings: str, files: Mapping[str, SentFile], weights: Mapping[str, SentFile]
    ) -> None:
        if Path(home).is_dir():
            os.chdir(home)
        from bench.sweep.launch.task_executor import load_runner
        from bench.sweep.launch.tasks import Surroundings
        from bench.sweep.launch.worker_limits import limit_memory, set_device_variables

        around = Surroundings.model_validate_json(surroundings)
        folders = around.context.cache_dir, around.context.data_root
        cache, data = (folder and folder.expanduser() for folder in folders)
        place = cache or Path(tempfile.gettempdir()) / "clip-etl-bench"
        self.context = around.context.model_copy(
            update={
                "cache_dir": cache,
                "data_root": data,
                "files": around.context.files | {digest: _unpack(place, sent) for digest, sent in files.items()},
                "weights": {slug: _unpack(place, sent) for slug, sent in weights.items()},
            }
        )
        self.timeout = around.timeout
        limit_memory(around.memory_bytes)
        set_device_variables(around.context)
        self.runner = load_runner(around.runner)

    def node(self) -> str:
        """The id of this worker's node."""
        import ray

        return str(ray.get_runtime_context().get_node_id())

    def execute(self, task: Task) -> FinishedTask:
        """Run one task. Output of a method goes to the worker's log."""
        from bench.sweep.launch.task_executor import execute
        from bench.sweep.launch.worker_limits import deadline

        with redirect_stdout(sys.stderr), deadline(self.timeout, end_process=None):
            return execute(task, self.runner, self.context)


def _unpack(place: Path, sent: SentFile) -> Path:
    """The path of a sent file on this node, with its suffix; the file is written if it is missing."""
    import ray

    from bench.results import write_atomically

    path = place / "sent" / sent.name
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, ray.get(sent.content))
    return Path(f"{path}{sent.suffix}")
