"""What an extension adds to the harness: commands, kinds of runs, what happens after a run, and outputs.

An extension is a package with a constant `EXTENSION`: a folder of `bench/extensions`, or another distribution with an
entry point of the group `etl_bench.extensions`. The harness finds it here and imports no extension by its name.
Whatever an extension names as text is imported when it is used, so a listing loads neither torch nor jinja2.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from pkgutil import iter_modules, resolve_name
from typing import TYPE_CHECKING, Any, Protocol

from bench.errors import UsageError
from bench.spec import ExperimentSpec, external_parts

if TYPE_CHECKING:
    from bench.context import RunContext
    from bench.record import Predictions, RunRecord
    from datasets_registry import DatasetSplits, FewShotTask
    from methods import Backbone, MethodFacts

_GROUP = "etl_bench.extensions"
_FOLDER = "bench.extensions"
_LOG = logging.getLogger("bench.extension")


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


class AfterRunMaker(Protocol):
    """Makes what is called after each run that finished without error."""

    def __call__(self, runs: Path, tracker: str, notice: Callable[[str], None]) -> Callable[[str], None]:
        """The call for a folder of runs and a value of `run --tracker`, usually a `bench.sweep.AfterRun`.

        `notice` receives a line about a failure. Raises BenchError for a tracker that cannot be used on this machine.
        It connects to nothing.
        """
        ...


class FigureDrawer(Protocol):
    """Draws the figures of `papers reproduce`: a module or an object, the output `papers reproduce figures`."""

    NAMES: Sequence[str]

    def draw(self, folder: Path, names: Sequence[str], run_ids: Collection[str], *, printed: bool) -> Sequence[Any]:
        """Figures from some runs of a folder, with `printed` with the paper's values over ours.

        Each has `name`, and `missing`, a line for each thing that it lacks.
        """
        ...

    def write(self, figures: Mapping[str, Any], folder: Path, *, force: bool) -> list[Path]:
        """Write figures, by the name of their files without its ending, to a folder and return the files."""
        ...


class FeaturePack(Protocol):
    """An open file of `run --pack`: features of datasets in place of their images and of a backbone's towers."""

    digest: str
    slug: str
    """The backbone of the features."""
    backbone_digest: str

    def check(self) -> None:
        """Raise BenchError if anything in the pack is damaged or altered."""
        ...

    def splits(self, dataset: str) -> DatasetSplits:
        """The splits of a dataset; raises DataError for one that the pack lacks."""
        ...

    def lacks(self, spec: ExperimentSpec, task: FewShotTask) -> str | None:
        """Why a run cannot be made from the pack, and what to change; None if it can. Loads no torch."""
        ...

    def backbone(self, device: str) -> Backbone:
        """The backbone without towers."""
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


@dataclass(frozen=True)
class Extension:
    """What a folder adds.

    Args:
        commands: the place of a table `{"models explain": function}`, as `package.module:NAME`. Two words are a command
            of a group. One word is a command or a group of its own, whose panel of `--help` is in `panels`.
        panels: panel by the name of a command or a group of one word, in the order of `--help`.
        kinds: the runs that it carries out.
        after_run: the place of a function that follows `AfterRunMaker`, by what `run --tracker` takes, such as
            `mlflow[:URI]`.
        pack: the place of a function that opens a file of `run --pack` and gives a `FeaturePack`.
        outputs: the place of what a command also writes, by its words: `papers reproduce figures` (a `FigureDrawer`) or
            a format such as `export hf`: a function of leaderboards that gives the texts of files by name. Its further
            parameters are options of the command. `report published`: a function of a protocol, or None for all, that
            gives parts of the page of published numbers.
    """

    commands: str = ""
    panels: Mapping[str, str] = field(default_factory=dict)
    kinds: tuple[RunKind, ...] = ()
    after_run: Mapping[str, str] = field(default_factory=dict)
    pack: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)

    def command_table(self) -> Mapping[str, Any]:
        """The functions and groups by the words that call them."""
        return resolve_name(self.commands) if self.commands else {}


@cache
def extensions() -> Mapping[str, Extension]:
    """The extensions by name: those of the harness, and those of other packages.

    One of another package is left out with a warning if it, its commands or its outputs cannot be imported.
    """
    found: dict[str, Extension] = {}
    for module in iter_modules(import_module(_FOLDER).__path__):
        found[module.name] = import_module(f"{_FOLDER}.{module.name}").EXTENSION
    for point in entry_points(group=_GROUP):
        try:
            extension = point.load()
            extension.command_table()
            for place in extension.outputs.values():
                resolve_name(place)
        except Exception as error:
            _LOG.warning("The extension %s is left out: %s: %s", point.name, type(error).__name__, error)
        else:
            found.setdefault(point.name, extension)
    return found


@cache
def run_kinds() -> Mapping[str, RunKind]:
    """The kinds of runs by prefix."""
    return {kind.prefix: kind for one in extensions().values() for kind in one.kinds}


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


def tracker_maker(text: str) -> str:
    """The place of the `AfterRunMaker` of a value of `run --tracker`; raises UsageError if no extension offers it."""
    known = {form: place for one in extensions().values() for form, place in one.after_run.items()}
    name = text.partition(":")[0]
    for form, place in known.items():
        if form.partition("[")[0] == name:
            return place
    allowed = f"Allowed: {', '.join(known)}." if known else "No installed extension sends runs to a tracker."
    raise UsageError(f"The tracker {text!r} is unknown. {allowed}")


def open_pack(path: Path) -> FeaturePack:
    """The pack in a file, opened once per process; raises BenchError for another or a damaged file."""
    place = next((one.pack for one in extensions().values() if one.pack), "")
    if not place:
        raise UsageError(f"--pack {path}: no installed extension reads feature packs.")
    found: FeaturePack = resolve_name(place)(path)
    return found


def outputs(command: str) -> dict[str, str]:
    """The places of what extensions add to the outputs of a command, by the word after the command's."""
    given = ((words.rpartition(" "), place) for one in extensions().values() for words, place in one.outputs.items())
    return {name: place for (before, _, name), place in given if before == command}


def figure_drawer() -> FigureDrawer | None:
    """What draws the figures of papers; None if no extension does."""
    place = outputs("papers reproduce").get("figures")
    return resolve_name(place) if place else None
