"""The part of trackio that is used here, with its rules: runs by project, in the memory of this process."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

problem = ""
"""What it warns of."""
projects: dict[str, list[SimpleNamespace]] = {}


class Run(SimpleNamespace):
    """A run in a project, and what is logged to it."""

    def log(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.logs.append((step, metrics))

    def finish(self) -> None:
        """Everything is stored by now."""

    def delete(self) -> None:
        projects[self.project].remove(self)


def init(
    project: str, name: str, group: str | None = None, config: Any = None, resume: str = "never", **options: Any
) -> Run:
    assert options.keys() <= {"embed", "auto_log_gpu", "auto_log_cpu"}
    if problem:
        warnings.warn(problem, UserWarning, stacklevel=1)
    runs = projects.setdefault(project, [])
    found = [item for item in runs if item.name == name]
    if resume == "must":
        if not found:
            raise ValueError(f"Run '{name}' does not exist in project '{project}'")
        return found[-1]
    run = Run(project=project, name=name, group=group, config=config, logs=[])
    runs.append(run)
    return run


class Api:
    """Reads runs."""

    def runs(self, project: str) -> list[SimpleNamespace]:
        if project not in projects:
            raise ValueError(f"Project '{project}' does not exist")
        return list(projects[project])
