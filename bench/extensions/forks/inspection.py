"""What a repository of official code has and lacks: trainers, published commands, packages, files.

Python, scripts and environments are read as files, and nothing of them runs. After the user has trusted the code, the
shell expands the scripts.
"""

from __future__ import annotations

import ast
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from bench.extensions.forks.environments import absent_packages
from bench.extensions.forks.fork_folder import Fork
from bench.extensions.forks.published_commands import Command, published_trainings, written_trainings
from bench.extensions.forks.trust import RunnableCode, is_trusted

_FILE = re.compile(r"""["']([\w./~ {}-]+\.(?:pth|pth\.tar|pt|pkl|npy|npz|json|safetensors|bin|ckpt)(?:-\d+)?)["']""")
_FROM_DASSL = ("dassl", "clip", "tools", "tests", "lpclip", "docs", "notebooks")
_ONLY_LOGS = frozenset(
    """gdown tabulate tensorboard tensorboardX wandb mlflow thop matplotlib seaborn wilds yagmail comet_ml nvitop
    gpustat prettytable termcolor colorama""".split()  # noqa: SIM905
)
"""Packages whose calls do nothing where they are absent."""
_TITLES = {"ot": "POT", "yaml": "pyyaml", "sklearn": "scikit-learn", "PIL": "pillow", "cv2": "opencv-python"}
"""Names of packages to install, where they differ from the names to import."""


@dataclass(frozen=True)
class InspectedCommand:
    """A published training command, with the settings that call it.

    Args:
        args: arguments of its script, with {dataset} and {seed} in their places. Before the code is trusted, the names
            that the script gives to its arguments.
        shown: the words of the command that are not of a dataset, seed or folder.
        variants: how many different trainings of one dataset the script starts with these arguments.
    """

    trainer: str
    script: str
    args: str
    shown: str
    variants: int = 1

    @property
    def settings(self) -> str:
        """What to add to `etl-bench run`: the script, or one of its commands if it starts several for a dataset."""
        if self.variants > 1:
            return f"--set {shlex.quote(f'fork.command={self.shown}')}"
        given = f" --set 'fork.args={self.args}'" if self.args else ""
        return f"--set fork.script={self.script}{given}"


@dataclass(frozen=True)
class Lack:
    """Something that a repository lacks, and what to do about it."""

    problem: str
    remedy: str


@dataclass(frozen=True)
class InspectedFork:
    """What was found in a checkout.

    Args:
        trainers: files of the trainers by name.
        datasets: names of the datasets that it knows.
        trusted: whether the user trusts the code with this Python and these imports, as it is now.
    """

    code: RunnableCode
    trusted: bool
    trainers: dict[str, str]
    commands: tuple[InspectedCommand, ...]
    datasets: tuple[str, ...]
    findings: tuple[Lack, ...]


def inspect_fork(path: Path, places: Mapping[str, str] = MappingProxyType({})) -> InspectedFork:
    """Inspect a checkout with these values of `RUNNABLE`. The Python is not started.

    Raises OfficialCodeError if there is no git repository at `path`, or another place does not exist.
    """
    fork = Fork.read(path)
    code = RunnableCode.of(fork, None, places)
    trusted = is_trusted(code)
    commands = tuple(_commands(fork) if trusted else _written(fork))
    findings = [*_submodules(fork), *_packages(code), *_files(fork)]
    if not fork.trainers:
        findings.append(
            Lack(
                "It registers no Dassl trainer.",
                "Import its predictions with `etl-bench runs import-predictions`.",
            )
        )
    elif not commands:
        findings.append(
            Lack(
                "No shell script of it has a whole training command.",
                "Give one: --set 'fork.command=train.py --config-file FILE'. Its README has it.",
            )
        )
    return InspectedFork(
        code, trusted, dict(fork.trainers), commands, tuple(sorted(fork.dataset_files)), tuple(findings)
    )


_ARGUMENT = re.compile(r"""^[ \t]*(?:export[ \t]+)?(\w+)=["']?\$\{?([1-9])\b""", re.MULTILINE)


def _written(fork: Fork) -> Iterator[InspectedCommand]:
    """The training commands as their scripts write them, one of each script and trainer."""
    seen: set[tuple[str, str]] = set()
    for one in written_trainings(fork):
        trainer = one.option("--trainer") or ""
        if (trainer, one.script) not in seen:
            seen.add((trainer, one.script))
            names = {int(number): name for name, number in reversed(_ARGUMENT.findall(fork.text(one.script)))}
            args = " ".join(names.get(number, f"ARGUMENT{number}") for number in range(1, max(names, default=0) + 1))
            yield InspectedCommand(trainer, one.script, args, shlex.join(one.settings))


_MARK = "7919"
"""Second argument that scripts are called with, to see what it means."""


def _commands(fork: Fork) -> Iterator[InspectedCommand]:
    """The published commands, with the arguments of their scripts, which are called with none and with two."""
    unfilled: dict[tuple[str, str], set[tuple[str, ...]]] = {}
    for filled in ([], ["eurosat", _MARK]):
        calls: dict[tuple[str, str, str], list[Command]] = {}
        for one in published_trainings(fork, filled):
            args = _arguments(one) if filled else ""
            if args is not None:
                calls.setdefault((one.option("--trainer") or "", one.script, args), []).append(one)
        for (trainer, script, args), commands in calls.items():
            words = {one.settings for one in commands}
            if filled and words <= unfilled.get((trainer, script), set()):
                continue  # the script does not use its arguments
            unfilled.setdefault((trainer, script), words)
            shown = shlex.join(commands[0].settings).replace(_MARK, "VALUE")
            yield InspectedCommand(trainer, script, args, shown, _variants(commands))


def _variants(commands: Sequence[Command]) -> int:
    """The largest number of different trainings that a script starts for one dataset."""
    found: dict[str | None, set[tuple[str, ...]]] = {}
    for one in commands:
        found.setdefault(one.option("--dataset-config-file"), set()).add(one.settings)
    return max(map(len, found.values()))


def _arguments(command: Command) -> str | None:
    """What the two arguments of a script mean in its command; None if the first is not the dataset.

    The second argument is the seed in some repositories and the weight of a penalty in others, which must not be
    guessed. It is VALUE here, unless it is the seed or is not used.
    """
    if Path(command.option("--dataset-config-file") or "").stem != "eurosat":
        return None
    if command.option("--seed") == _MARK:
        return "{dataset} {seed}"
    return "{dataset} VALUE" if any(_MARK in word for word in command.settings) else "{dataset}"


def _submodules(fork: Fork) -> Iterator[Lack]:
    if fork.empty_submodules:
        yield Lack(
            f"Its submodules {', '.join(fork.empty_submodules)} were not fetched.",
            f"git -C {shlex.quote(str(fork.folder))} submodule update --init --recursive",
        )


def _packages(code: RunnableCode) -> Iterator[Lack]:
    """Packages that are imported and that its Python does not have."""
    fork = code.fork
    own = {PurePosixPath(name).parts[0] for name in fork.files} | {
        PurePosixPath(name).name.removesuffix(".py") for name in fork.files
    }
    own |= {part for name in fork.files for part in PurePosixPath(name).parts[:-1]}
    wanted = sorted(_imported(fork) - own - set(sys.stdlib_module_names))
    absent = absent_packages(wanted, code.python, code.imports)
    if "dassl" in absent:
        yield Lack(
            "Dassl is missing, on which its trainers are built.",
            "git clone https://github.com/KaiyangZhou/Dassl.pytorch and add --set fork.path=Dassl.pytorch",
        )
    if quiet := sorted(set(absent) & _ONLY_LOGS):
        yield Lack(f"{', '.join(quiet)} missing; calls of {'it' if len(quiet) == 1 else 'them'} do nothing.", "")
    if needed := [name for name in absent if name not in {*_ONLY_LOGS, "dassl"}]:
        names = " ".join(_TITLES.get(name, name) for name in needed)
        python = code.python or "python"
        yield Lack(f"{', '.join(needed)} missing.", f"{python} -m pip install {names}, if its trainer uses it")


def _imported(fork: Fork) -> set[str]:
    """The top names of packages that the repository's code imports, without its copy of Dassl and its tools."""
    found: set[str] = set()
    for name in fork.files:
        parts = PurePosixPath(name).parts
        if not name.endswith(".py") or any(part.casefold().startswith(_FROM_DASSL) for part in parts[:-1]):
            continue
        try:
            tree = ast.parse(fork.text(name))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found | ({"dassl"} if fork.trainers and fork.vendored_dassl is None else set())


def _files(fork: Fork) -> Iterator[Lack]:
    """Files that its trainers name and that are not in the repository: teachers, texts, results of first stages."""
    tracked = {PurePosixPath(name).name for name in fork.files}
    found: dict[str, list[str]] = {}
    for trainer, file in fork.trainers.items():
        for path in _FILE.findall(fork.text(file)):
            if PurePosixPath(path).name not in tracked and "model-best" not in path and "model.pth.tar" not in path:
                found.setdefault(path, []).append(trainer)
    for path, trainers in sorted(found.items()):
        names = ", ".join(sorted(set(trainers)))
        yield Lack(f"{names} may read {path}, which is not in the repository.", "Its README says where it comes from.")
