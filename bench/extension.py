"""What an extension adds to the harness: commands, what happens after a run, and outputs.

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

if TYPE_CHECKING:
    from bench.spec import ExperimentSpec
    from datasets_registry import DatasetSplits, FewShotTask
    from methods import Backbone

_GROUP = "etl_bench.extensions"
_FOLDER = "bench.extensions"
_LOG = logging.getLogger("bench.extension")


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
class Extension:
    """What a folder adds.

    Args:
        commands: the place of a table `{"models explain": function}`, as `package.module:NAME`. Two words are a command
            of a group. One word is a command or a group of its own, whose panel of `--help` is in `panels`.
        panels: panel by the name of a command or a group of one word, in the order of `--help`.
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
