"""How the command line shows the parameters of functions of `bench.api`: marks in their annotations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from bench.errors import UsageError
from bench.sweep import parse_shots, split_list
from datasets_registry import COLLECTIONS, datasets_of

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Opt:
    """A parameter that is an option of a command.

    Args:
        help: what `--help` says.
        names: short name, or all names where the long one is not the parameter's.
        field: the field of `SweepRequest` that says all this.
        read: whether a folder is only read. It must exist, and runs may be one folder deeper.
        numbers: whether a list of numbers is typed; repeated options are joined to one text.
        pairs: an example, if the option is repeated as KEY=VALUE and the function takes a mapping.
        min: smallest number; `max` likewise.
        metavar: stands for the value in the help, instead of the name.
    """

    help: str = ""
    names: str = ""
    field: str = ""
    read: bool = False
    numbers: bool = False
    pairs: str = ""
    min: int | None = None
    max: int | None = None
    metavar: str | None = None
    positional: ClassVar[bool] = False


class Arg(Opt):
    """A parameter that is an argument of a command."""

    positional = True


DATA_ROOT = Opt(field="data_root", read=True)
DataRoot = Annotated[Path | None, DATA_ROOT]
NewDataRoot = Annotated[Path | None, Opt(field="data_root")]
"""For commands that make the folder, or say that it is missing."""
DEFAULT_RUNS = "runs"
"""The runs folder of a command that names none."""
SYNTHETIC_RUNS = "runs-synthetic"
"""That of a paper's runs on synthetic data, which are not mixed with other runs of the same methods."""
Runs = Annotated[Path | str, Opt(field="runs", read=True)]
NewRuns = Annotated[Path | str, Opt(field="runs")]
"""For commands that write runs."""
Cache = Annotated[Path | None, Opt(field="cache")]
Device = Annotated[str, Opt(field="device")]
Jobs = Annotated[int | None, Opt(field="jobs")]
Runner = Annotated[str, Opt(field="runner")]
Draw = Annotated[str, Opt(field="draw")]
ALL_OF = "all-of"
"""The word before names of collections."""
NamedDatasets = Annotated[
    Sequence[str] | str, Arg("Datasets: names or patterns, or all-of and a collection such as coop.")
]
AllowFewer = Annotated[bool, Opt(field="allow_fewer")]
Force = Annotated[bool, Opt("Replace files that exist already, even if etl-bench did not write them.")]
"""For functions that write files for the user."""
MODEL = Arg("Path, name, or dataset of a tuned model.", metavar="MODEL")
Weights = Annotated[
    str | None, Opt("The backbone's weights, as ARCH=FILE or a file; default: the recorded ones.", "-b --weights")
]
"""For functions that use a tuned model."""
Where = Annotated[str | None, Opt("Only runs that satisfy this SQL condition: \"method = 'coop'\".")]
Protocol = Annotated[str | None, Opt("Only this protocol.")]
Shots = Annotated[
    int | str | Sequence[int] | None, Opt("Only these shots, such as 16 or 1,4,16, or all.", numbers=True)
]
Convention = Annotated[
    str,
    Opt(
        "H of average rows: mean_of_h (mean of the datasets' H) or h_of_means (H of the averages, as in papers).", "--h"
    ),
]


def shot_counts(shots: int | str | Sequence[int] | None) -> Sequence[int] | None:
    """The numbers that `shots` of a function names; None for all."""
    if isinstance(shots, str):
        return parse_shots(shots)
    return [shots] if isinstance(shots, int) else shots


def named_datasets(names: Sequence[str] | str) -> list[str]:
    """The names or patterns of datasets, where `all-of` stands before names of collections."""
    listed = split_list([names] if isinstance(names, str) else names)
    if ALL_OF not in listed:
        return listed
    if listed[0] != ALL_OF or len(listed) == 1:
        raise UsageError(f"{ALL_OF} is followed by collections and nothing else: {', '.join(COLLECTIONS)}.")
    return datasets_of(listed[1:])
