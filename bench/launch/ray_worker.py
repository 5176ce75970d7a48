"""The actor that does tasks on a node of a Ray cluster and hands their answers back; it writes no shard.

Nothing of the harness is imported above: the catalogue looks for a person's own datasets when it is imported, and that
has to happen in the folder where the command was given.
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
    from bench.launch.execute import ComputedResult


@dataclass(frozen=True)
class SentFile:
    """A file of the driver's machine on its way to the nodes.

    Args:
        name: file name on the node, made of the content's digest.
        content: reference to its bytes in Ray's object store; a node that has the file does not ask for them.
        tail: what follows the path where it is named (`,quickgelu` behind weights), or nothing.
    """

    name: str
    content: Any
    tail: str = ""


class RayWorker:
    """Does one task after the other. Frozen features stay on its node, in the cache folder there.

    Args:
        home: the folder of the command; entered where the node has it too.
        surroundings: as JSON; the folders of cache and data may begin with `~`.
        files: files that specs name, by digest.
        weights: local weights, by backbone slug.
    """

    def __init__(
        self,
        home: str,
        surroundings: str,
        files: Mapping[str, SentFile],
        weights: Mapping[str, SentFile],
    ) -> None:
        if Path(home).is_dir():
            os.chdir(home)
        from bench.launch.limits import limit_memory
        from bench.launch.protocol import Surroundings, load_runner

        around = Surroundings.model_validate_json(surroundings)
        cache, data = _own_folder(around.context.cache_dir), _own_folder(around.context.data_root)
        place = cache or Path(tempfile.gettempdir()) / "clip-etl-bench"
        self.context = around.context.model_copy(
            update={
                "cache_dir": cache,
                "data_root": data,
                "files": {digest: _unpack(place, sent) for digest, sent in files.items()},
                "weights": {slug: _unpack(place, sent) for slug, sent in weights.items()},
            }
        )
        self.limits = around.limits
        limit_memory(around.limits)
        self.runner = load_runner(around.runner)

    def ready(self) -> str:
        """The id of the node that this worker is on; answered once it can take a task."""
        import ray

        return str(ray.get_runtime_context().get_node_id())

    def execute(self, task: dict[str, object]) -> ComputedResult:
        """The answer of one dumped task. What a method prints goes to the worker's log."""
        from bench.launch.execute import execute
        from bench.launch.limits import deadline
        from bench.launch.protocol import load_task

        with redirect_stdout(sys.stderr), deadline(self.limits, end_process=None):
            return execute(load_task(task), self.runner, self.context)


def _own_folder(path: Path | None) -> Path | None:
    """A folder on this node: `~` is the home folder here, not that of the driver."""
    return path.expanduser() if path else None


def _unpack(place: Path, sent: SentFile) -> Path:
    """Where the file of a sent is on this node, with its tail; written unless it is there."""
    import ray

    from bench._util.atomic_write import write_atomically

    path = place / "sent" / sent.name
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, ray.get(sent.content))
    return Path(f"{path}{sent.tail}")
