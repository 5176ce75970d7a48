"""Where runs are done: the choice that the command line describes, and its launcher."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli._cluster_options import HOURS, minutes, parse_slurm_set

if TYPE_CHECKING:
    from bench.launch.protocol import Launcher, Surroundings, Task
    from bench.launch.slurm_queue import JobSettings, SlurmQueue


class LauncherName(StrEnum):
    """Where runs are done."""

    LOCAL = "local"
    INLINE = "inline"
    RAY = "ray"
    SLURM = "slurm"


@dataclass(frozen=True)
class LauncherChoice:
    """What the command line says about where runs are done; None is what was not given.

    Args:
        name: which launcher.
        ray: its options by name.
        slurm: its options by name.
    """

    name: LauncherName = LauncherName.LOCAL
    ray: Mapping[str, Any] = field(default_factory=dict)
    slurm: Mapping[str, Any] = field(default_factory=dict)

    @property
    def here(self) -> bool:
        """Whether runs are done on this machine, so that its cores and devices count."""
        return self.name in (LauncherName.LOCAL, LauncherName.INLINE)

    def threads(self) -> int:
        """Threads of a run on a cluster."""
        given = self.ray["--cpus-per-run"] if self.name is LauncherName.RAY else self.slurm["--cpus"]
        return int(given or 1)

    def cache_folder(self, given: Path | None, default: Path) -> Path:
        """Frozen features: as given, or the user's cache folder, which on a Ray node is that of the node."""
        if given is None and self.name is LauncherName.RAY:
            return Path("~/.cache/clip-etl-bench")
        return default

    def launcher(self, surroundings: Surroundings, jobs: int | None, on_notice: Callable[[str], None]) -> Launcher:
        """The launcher of a cluster.

        Raises:
            LaunchError: what it needs is not installed or not here.
            UsageError: an option that it does not take.
        """
        if self.name is LauncherName.RAY:
            return self._ray(surroundings, jobs, on_notice)
        return self._slurm(surroundings, jobs, on_notice)

    def _ray(self, surroundings: Surroundings, jobs: int | None, on_notice: Callable[[str], None]) -> Launcher:
        _require("ray", "ray")
        from bench.launch.ray import RayLauncher
        from bench.launch.ray_cluster import AUTO, RunResources, read_runtime_env

        gpus, file = self.ray["--gpus-per-run"], self.ray["--ray-env"]
        on_gpu = surroundings.context.device.startswith("cuda")
        return RayLauncher(
            surroundings,
            self.ray["--address"] or AUTO,
            RunResources(self.threads(), gpus if gpus is not None else float(on_gpu)),
            jobs,
            {} if file is None else read_runtime_env(file),
            on_notice=on_notice,
        )

    def _slurm(self, surroundings: Surroundings, jobs: int | None, on_notice: Callable[[str], None]) -> Launcher:
        queue = self.queue(surroundings.context.device, jobs)
        queue.check()
        from bench.launch.slurm import RUNS_PER_JOB, SlurmLauncher

        return SlurmLauncher(
            surroundings,
            queue,
            self.slurm["--runs-per-job"] or RUNS_PER_JOB,
            wait=not self.slurm["--no-wait"],
            on_notice=on_notice,
        )

    def scripts(self, runs: Path, device: str, jobs: int | None, tasks: Sequence[Task]) -> list[str]:
        """The scripts that would be handed to sbatch for these tasks; raises like `launcher`."""
        queue = self.queue(device, jobs)
        from bench.launch.slurm import RUNS_PER_JOB, arrays
        from bench.launch.slurm_submission import FOLDER, chunks

        portions = chunks(tasks, self.slurm["--runs-per-job"] or RUNS_PER_JOB)
        folder = runs.absolute() / FOLDER / "SUBMISSION"
        return [queue.script(folder, len(batch)) for batch in arrays(portions)]

    def queue(self, device: str, jobs: int | None) -> SlurmQueue:
        """Slurm with the settings of every job; raises like `launcher`."""
        _require("submitit", "slurm")
        from bench.launch.slurm_queue import SlurmQueue

        return SlurmQueue(self._settings(device, jobs))

    def _settings(self, device: str, jobs: int | None) -> JobSettings:
        from bench.launch.slurm_queue import JobSettings

        given = self.slurm
        gpus = given["--gpus"]
        return JobSettings(
            minutes=minutes(given["--time"] or HOURS, "--time"),
            cpus=self.threads(),
            gpus=gpus if gpus is not None else int(device.startswith("cuda")),
            partition=given["--partition"],
            memory=given["--mem"],
            parallel=jobs,
            extra=parse_slurm_set(given["--slurm-set"]),
        )


def choose(
    name: str, ray: Mapping[str, Any], slurm: Mapping[str, Any], *, jobs: int | None, device: str
) -> LauncherChoice:
    """The choice that these options describe.

    Args:
        name: of the launcher.
        ray: options that only Ray takes, by name.
        slurm: options that only Slurm takes, by name.
        jobs: the number given with --jobs.
        device: the device given with --device.

    Raises:
        UsageError: an unknown launcher, or options that do not go with it.
    """
    from bench.cli._options import parse_choice
    from bench.errors import UsageError

    chosen = LauncherChoice(parse_choice(LauncherName, name, "--launcher"), ray, slurm)
    for other, options in ((LauncherName.RAY, ray), (LauncherName.SLURM, slurm)):
        given = [option for option, value in options.items() if _was_given(option, value)]
        if given and chosen.name is not other:
            raise UsageError(f"{', '.join(given)}: only for --launcher {other}, and this is --launcher {chosen.name}.")
    if chosen.name is LauncherName.INLINE and jobs:
        raise UsageError(f"--jobs {jobs}: --launcher inline has no worker processes; use --launcher local.")
    if not chosen.here:
        if jobs == 0:
            raise UsageError(f"--jobs 0 runs in this process; with --launcher {chosen.name} give a number or nothing.")
        if device.partition(":")[2]:
            raise UsageError(
                f"--device {device!r}: with --launcher {chosen.name} the cluster picks; use --device cuda."
            )
    if chosen.name is LauncherName.SLURM:
        minutes(slurm["--time"] or HOURS, "--time")
        parse_slurm_set(slurm["--slurm-set"])
    return chosen


def _was_given(option: str, value: object) -> bool:
    if option == "--address" and value == os.environ.get("RAY_ADDRESS"):
        return False  # Ray's own variable is no wish to use Ray now
    return value not in (None, False, [])


def _require(module: str, extra: str) -> None:
    from bench.errors import LaunchError

    if find_spec(module) is None:
        raise LaunchError(
            f"--launcher {extra} needs {module}, which is not installed; run `pip install 'clip-etl-bench[{extra}]'`."
        )
