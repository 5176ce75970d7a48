"""Kinds of runs whose code is not ours: how they are planned, sent to other machines and carried out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Protocol

from bench.errors import UsageError
from bench.spec import ExperimentSpec, external_parts

if TYPE_CHECKING:
    from bench.context import RunContext
    from bench.record import Predictions, RunRecord
    from methods import MethodFacts


class RunPlanner(Protocol):
    """How runs of a kind are planned and sent to other machines: a module or an object that loads no torch.

    `settings` are what `--set` gives for a method, as text.
    """

    def facts(self, text: str) -> MethodFacts:
        """The facts of a method as it was requested, such as `fork:PATH#Trainer`."""
        ...

    def check(self, facts: MethodFacts, settings: Mapping[str, str]) -> None:
        """Raise BenchError unless the user allows what would run."""
        ...

    def conflict(self, facts: MethodFacts, config: Mapping[str, Any], dataset: str, class_text: str) -> str | None:
        """Why a run cannot work, and what to change; None if it can. `class_text` is empty for the dataset's own."""
        ...

    def files(self, facts: MethodFacts, settings: Mapping[str, str]) -> dict[str, Path]:
        """What workers need of this machine, by the key under which the runner finds it in `RunContext.files`."""
        ...

    def packed(self, path: Path) -> bytes | None:
        """A folder of `files` as bytes for another machine; None if it is none of this kind."""
        ...

    def unpack(self, content: bytes, path: Path) -> None:
        """Write what `packed` returned to a folder."""
        ...

    def stays(self, key: str) -> bool:
        """Whether a key of `files` names what every machine must have at the same path."""
        ...


class Runner(Protocol):
    """Carries out a run of a kind, in a worker."""

    def __call__(self, spec: ExperimentSpec, context: RunContext) -> tuple[RunRecord, list[Predictions]]:
        """The record and the predictions, as `run_experiment` returns them."""
        ...


@dataclass(frozen=True)
class RunKind:
    """Runs whose method's name has a prefix. What a stored prefix means is part of the format, see `bench.spec`.

    Args:
        prefix: of the names of methods, such as `fork:`.
        requested: beginnings of what `run -m` takes, such as `adapter:`.
        planner: module or object that follows `RunPlanner`, as `package.module` or `package.module:name`.
        runner: function that follows `Runner`, as `package.module:name`.
    """

    prefix: str
    requested: tuple[str, ...]
    planner: str
    runner: str

    @property
    def patterns(self) -> tuple[str, ...]:
        """Names that stand for all methods of this kind in `--set`; their settings are words, not lists."""
        return tuple(one.rstrip(":") for one in self.requested)

    @property
    def plan(self) -> RunPlanner:
        """The planner, imported when it is first used."""
        found: RunPlanner = resolve_name(self.planner)
        return found

    @property
    def run(self) -> Runner:
        """The runner, imported when it is first used."""
        found: Runner = resolve_name(self.runner)
        return found


@cache
def run_kinds() -> Mapping[str, RunKind]:
    """The kinds of runs by prefix."""
    kind: RunKind = resolve_name("bench.extensions.forks.extension:KIND")
    return {kind.prefix: kind}


def kind_of(method: str) -> RunKind | None:
    """The kind of the runs of a method by its name; None for a method of the harness, also around another one.

    Raises UsageError for stored runs of a kind that no extension carries out; they can be listed and compared.
    """
    if (parts := external_parts(method)) is None:
        return None
    prefix = method.removesuffix(parts[0])
    if (found := run_kinds().get(prefix)) is None:
        raise UsageError(
            f"Runs of {prefix}NAME ({parts[1]}) can be listed and compared, but no installed extension carries them "
            "out."
        )
    return found


def requested_kind(text: str) -> RunKind | None:
    """The kind of the runs that `run -m` asks for with a text; None for methods of the harness."""
    return next((kind for kind in run_kinds().values() if text.startswith(kind.requested)), None)


def kind_of_pattern(pattern: str) -> RunKind | None:
    """The kind whose methods a pattern of `--set` selects; None for methods of the harness."""
    kinds = run_kinds().values()
    return next((one for one in kinds if pattern in one.patterns or pattern.startswith(one.prefix)), None)
