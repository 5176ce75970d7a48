"""Connects to a Ray cluster, sends the harness's code, and counts how many runs fit on the nodes."""

import hashlib
import json
import logging
import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray

import bench
from bench.errors import UsageError
from bench.results import SHIPPED_STATE, source_state
from bench.sweep.launch.ray_worker import SentFile
from datasets_registry import CUSTOM_FOLDERS_VARIABLE, METHOD_FILES_VARIABLE, BenchError, method_files
from methods import split_weights_options

AUTO, LOCAL = "auto", "local"
PROBE_SECONDS = 5.0
HEAD_SECONDS = 10.0
"""Seconds for which the head of a cluster may be silent, for example during a restart."""
_MAX_LENGTH = 300
_CODE = ("bench", *bench.SIBLINGS)


def runs_on(resources: Mapping[str, float], cpus: float, gpus: float) -> int:
    """The number of runs that fit on a node with these resources; several runs can share a GPU."""
    needs = {"CPU": cpus, "GPU": gpus}
    return min(int(resources.get(name, 0) / n + 1e-9) for name, n in needs.items() if n > 0)


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Connect to a cluster inside the block. An existing connection of this process is used and kept.

    Args:
        address: `auto` (the cluster of this machine), `local` (a new one on this machine during the block),
            `ray://HOST:PORT` (from outside) or `HOST:PORT` (from a machine of the cluster).

    Raises:
        BenchError: the address does not respond, or its cluster is not compatible.
        UsageError: Ray does not accept the address.
    """
    if ray.is_initialized():
        yield
        return
    _probe(address)
    with tempfile.TemporaryDirectory(prefix="etl-bench-code-") as folder:
        _stage(Path(folder))
        variables = {name: os.environ[name] for name in (CUSTOM_FOLDERS_VARIABLE,) if name in os.environ}
        variables[METHOD_FILES_VARIABLE] = os.pathsep.join(file.name for file in method_files())
        _init(address, {"working_dir": folder, "env_vars": variables})
    try:
        yield
    finally:
        ray.shutdown()


class ClusterHead:
    """The head of the cluster that this process is connected to.

    Without a head, calls of Ray block, and after a minute Ray ends this process. So it is checked before such calls.
    """

    def __init__(self, address: str) -> None:
        gcs_address = address if address.startswith("ray://") else ray.get_runtime_context().gcs_address
        self.address = gcs_address.removeprefix("ray://")
        self.lost = False

    def check(self) -> None:
        """Raise BenchError if the head has not responded for `HEAD_SECONDS`."""
        host, _, port = self.address.rpartition(":")
        deadline = time.monotonic() + HEAD_SECONDS
        while True:
            try:
                socket.create_connection((host.strip("[]"), int(port)), timeout=PROBE_SECONDS).close()
            except OSError as error:
                if time.monotonic() > deadline:
                    raise self.lose(str(error.strerror or error)) from error
                time.sleep(0.5)
            else:
                return

    def lose(self, reason: str) -> BenchError:
        """Note that the head is gone; returns the error that says so."""
        self.lost = True
        return BenchError(
            f"The head of the Ray cluster at {self.address} no longer answers ({' '.join(reason.split())}). "
            "Finished runs are on disk; start the cluster again and repeat the command, which resumes."
        )


def capacity(cpus: float, gpus: float) -> tuple[int, int]:
    """The number of runs that fit on all living nodes, and on the largest of them, regardless of other load."""
    fitting = [runs_on(node["Resources"], cpus, gpus) for node in ray.nodes() if node["Alive"]]
    return sum(fitting), max(fitting, default=0)


def node_is_gone(node: str | None, error: ray.exceptions.RayError) -> bool:
    """Whether a worker ended because its node was lost, preempted or disconnected."""
    if isinstance(error, ray.exceptions.ActorUnavailableError):
        return True
    if isinstance(error, ray.exceptions.RayActorError) and error.preempted:
        return True
    return node is not None and not any(item["NodeID"] == node and item["Alive"] for item in ray.nodes())


def ran_out_of_memory(error: ray.exceptions.RayError) -> bool:
    """Whether Ray ended a worker because its node ran out of memory. For actors, only the error text shows this."""
    return isinstance(error, ray.exceptions.OutOfMemoryError) or "running low on memory" in str(error)


def was_killed(error: ray.exceptions.RayError) -> bool:
    """Whether a worker ended abruptly, as by SIGKILL. For actors, only the error text shows this."""
    return "Worker unexpectedly exits" in str(error)


def short_error(error: BaseException) -> str:
    """The essential part of one of Ray's long messages, without colours and guesses about causes."""
    lines = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip().splitlines()
    line = lines[-1].strip() if lines else type(error).__name__
    text = line.rpartition("Worker exit detail: ")[2].partition(" Some common causes")[0]
    return text if len(text) <= _MAX_LENGTH else f"{text[:_MAX_LENGTH]} ..."


def no_capacity(cpus: float, gpus: float) -> str:
    """The message if no run fits."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    capacities = [f"{held.get('CPU', 0):g} CPUs and {held.get('GPU', 0):g} GPUs" for held in nodes]
    share = f"{cpus:g} CPUs" + (f" and {gpus:g} GPUs" if gpus else "")
    return (
        f"No node of the Ray cluster can hold a run with {share}; its nodes have {'; '.join(capacities) or 'nothing'}. "
        "If the cluster grows on demand, --jobs N waits for new nodes."
    )


def send_files(files: Mapping[str, Path]) -> dict[str, SentFile]:
    """Put files of this machine into Ray's object store.

    The options after a weights file, such as `,quickgelu`, are sent as `suffix`. Raises BenchError if one cannot be
    read, or is another folder.
    """
    sent = {}
    for key, weights in files.items():
        file, suffix = split_weights_options(str(weights))
        path = Path(file)
        if path.is_dir():
            raise BenchError(
                f"{path} is a folder, and only files are sent to Ray nodes; give a model as hf-hub:ORG/NAME."
            )
        try:
            content = path.read_bytes()
        except OSError as error:
            raise BenchError(f"{path} cannot be read to be sent to the Ray nodes: {error.strerror}.") from error
        name = f"{hashlib.sha256(content).hexdigest()[:32]}{path.suffix}"
        sent[key] = SentFile(name, ray.put(content), suffix)
    return sent


def _probe(address: str) -> None:
    """Fail within seconds if no server listens at the address; Ray itself would try for minutes."""
    if address in (AUTO, LOCAL):
        return
    match = re.fullmatch(r"(?:ray://)?(\[[^\]]+\]|[^:/\s]+):(\d+)", address)
    if match is None:
        raise UsageError(f"RAY_ADDRESS={address!r} is unknown; use auto, local, ray://HOST:PORT or HOST:PORT.")
    host, port = match.group(1).strip("[]"), int(match.group(2))
    try:
        socket.create_connection((host, port), timeout=PROBE_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise BenchError(
            f"RAY_ADDRESS={address!r}: nothing answers there ({error}). `ray status` on the cluster's head shows "
            "whether it runs; ray:// takes the port of its client server, usually 10001."
        ) from error


def _init(address: str, runtime_env: dict[str, Any]) -> None:
    logging.getLogger("ray.util.client").setLevel(logging.CRITICAL)  # its errors are raised as well
    options: dict[str, Any] = {"runtime_env": runtime_env, "log_to_driver": False, "logging_level": "ERROR"}
    if address == LOCAL:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # send nothing unless a command requires it
        options["include_dashboard"] = False
    try:
        ray.init(address=address, **options)
    except ConnectionError as error:
        if address != AUTO:
            raise BenchError(f"RAY_ADDRESS={address!r}: {short_error(error)}") from error
        raise BenchError(
            "No Ray cluster runs on this machine. Start one with `ray start --head`, or set RAY_ADDRESS to "
            "ray://HOST:PORT of another, or to local for a new one here."
        ) from error
    except (RuntimeError, ValueError, TypeError, ray.exceptions.RayError) as error:
        raise BenchError(f"The Ray cluster at {address!r} cannot be used: {short_error(error)}") from error


def _stage(folder: Path) -> None:
    """Copy the packages of this process, with their commit, so that every node runs the same code."""
    root = Path(bench.__file__).resolve().parent.parent
    for name in _CODE:
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file in method_files():  # beside the packages, where the workers' working folder is
        shutil.copy(file, folder / file.name)
    (folder / SHIPPED_STATE).write_text(json.dumps(source_state(root)))
