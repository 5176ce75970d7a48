"""What a repository of official code has and lacks: trainers, published commands, modules, packages, files.

Python, scripts and environments are read as files, and nothing of them runs. After the user has trusted the code, the
shell expands the scripts.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path, PurePosixPath

from bench.extensions.forks.environments import absent_packages
from bench.extensions.forks.fork_folder import Fork
from bench.extensions.forks.published_commands import Command, has_files, written_trainings
from bench.extensions.forks.python_sources import PythonSources
from bench.extensions.forks.script_arguments import argument_names, open_places, placeholder, setting_in
from bench.extensions.forks.script_calls import called_trainings
from bench.extensions.forks.trust import RunnableCode, is_trusted
from datasets_registry import some

_FILE = re.compile(r"""["']([\w./~ {}-]+\.(?:pth|pth\.tar|pt|pkl|npy|npz|json|safetensors|bin|ckpt)(?:-\d+)?)["']""")
_ONLY_LOGS = frozenset(
    """gdown tabulate tensorboard tensorboardX wandb mlflow thop matplotlib seaborn wilds yagmail comet_ml nvitop
    gpustat prettytable termcolor colorama""".split()  # noqa: SIM905
)
"""Packages whose calls do nothing where they are absent."""
_GIVEN = frozenset({"pkg_resources", "clip"})
"""Packages that the runner gives, or whose name another package has on PyPI."""
_TITLES = {"ot": "POT", "yaml": "pyyaml", "sklearn": "scikit-learn", "PIL": "pillow", "cv2": "opencv-python"}
"""Names of packages to install, where they differ from the names to import."""
DASSL = "https://github.com/KaiyangZhou/Dassl.pytorch"
_OTHER_TASKS = {
    "video": r"videos?|kinetics",
    "active learning": r"active (?:\w+ )?learning",
    "object detection": r"object detection",
    "segmentation": r"segmentation",
    "federated learning": r"federated",
}
"""Tasks that are not few-shot classification of images, with what a README calls them."""
_MOST_STARTS = 20
"""Training scripts whose imports are followed."""
_MENTIONS = 3
"""How often a README names a task of its own."""


@dataclass(frozen=True)
class InspectedCommand:
    """A published training command, with the settings that call it.

    Args:
        args: arguments of its script, with {dataset}, {seed} and {shots} in their places. `{NAME}` is one that the user
            has to give.
        shown: the words of the command that are not of a dataset, seed or folder.
        backbone: OpenAI's name of the model in its settings file, such as ViT-B/16; empty if it has none.
        variants: how many different trainings of one dataset the script starts with these arguments.
        notes: where values of arguments come from, and what becomes of those without one, a sentence each.
    """

    trainer: str
    script: str
    args: str
    shown: str
    backbone: str = ""
    variants: int = 1
    notes: tuple[str, ...] = ()

    @property
    def settings(self) -> str:
        """What to add to `etl-bench run`: the script, or one of its commands if it starts several for a dataset."""
        return " ".join(f"--set {shlex.quote(text)}" for text in self.overrides)

    @property
    def overrides(self) -> tuple[str, ...]:
        """The settings as values of `--set`."""
        if self.variants > 1:
            return (f"fork.command={self.shown}",)
        return (f"fork.script={self.script}", *((f"fork.args={self.args}",) if self.args else ()))

    @property
    def is_ready(self) -> bool:
        """Whether it can be typed as it is."""
        return not open_places(" ".join(self.overrides))


@dataclass(frozen=True)
class Lack:
    """Something that a repository lacks, and what to do about it."""

    problem: str
    remedy: str = ""


_NO_DASSL = Lack("Dassl is missing, on which its trainers are built.", "The last line has the command.")


@dataclass(frozen=True)
class InspectedFork:
    """What was found in a checkout.

    Args:
        trusted: whether the user trusts the code with this Python and these imports, as it is now.
        dassl_place: where a clone of Dassl is expected, if the code needs one that it has not.
        trainers: files of the trainers by name.
        datasets: names of the datasets that it knows.
    """

    code: RunnableCode
    trusted: bool
    dassl_place: Path | None
    trainers: Mapping[str, str]
    commands: tuple[InspectedCommand, ...]
    datasets: tuple[str, ...]
    findings: tuple[Lack, ...]


def inspect_code(code: RunnableCode) -> InspectedFork:
    """Inspect a checkout. Its Python is not started; raises OfficialCodeError if it has no folder of packages."""
    fork, trusted, written = code.fork, is_trusted(code), written_trainings(code.fork)
    commands = () if code.adapter is not None else tuple(_called(fork) if trusted else _written(fork, written))
    place = fork.folder.parent / "Dassl.pytorch" if _lacks_dassl(code) else None
    findings = [_NO_DASSL] if place is not None else []
    findings += [*_of_code(code), *_of_files(fork, written), *_unregistered(fork, commands), *_other_tasks(fork)]
    if fork.trainers and not commands and code.adapter is None:
        findings.append(
            Lack(
                "No shell script of it has a whole training command.",
                "Give one: --set 'fork.command=train.py --config-file FILE'. Its README may have it.",
            )
        )
    return InspectedFork(
        code, trusted, place, fork.trainers, commands, tuple(sorted(fork.dataset_files)), tuple(findings)
    )


# --- commands ---------------------------------------------------------------------------------------------------------


def _written(fork: Fork, trainings: Sequence[Command]) -> Iterator[InspectedCommand]:
    """The training commands as their scripts write them, one of each script and trainer."""
    seen: set[tuple[str, str]] = set()
    for one in trainings:
        trainer = one.option("--trainer") or ""
        if (trainer, one.script) not in seen:
            seen.add((trainer, one.script))
            args = " ".join(map(placeholder, argument_names(fork.text(one.script))))
            yield InspectedCommand(trainer, one.script, args, shlex.join(one.settings), _backbone(fork, one))


def _called(fork: Fork) -> Iterator[InspectedCommand]:
    """The commands of all scripts, called without arguments and with all that they take."""
    unfilled: dict[tuple[str, str], set[tuple[str, ...]]] = {}
    for call in called_trainings(fork):
        by_trainer: dict[str, list[Command]] = {}
        for one in call.commands:
            if one.whole and (open_places(call.args) or has_files(fork, one)):
                by_trainer.setdefault(one.option("--trainer") or "", []).append(one)
        for trainer, commands in by_trainer.items():
            words = {one.settings for one in commands}
            if call.args and words <= unfilled.get((trainer, call.script), set()):
                continue  # the script does not use its arguments
            unfilled.setdefault((trainer, call.script), words)
            shown = shlex.join(commands[0].settings)
            yield InspectedCommand(
                trainer, call.script, call.args, shown, _backbone(fork, commands[0]), _variants(commands), call.notes
            )


def _variants(commands: Sequence[Command]) -> int:
    """The largest number of different trainings that a script starts for one dataset."""
    found: dict[str | None, set[tuple[str, ...]]] = {}
    for one in commands:
        found.setdefault(one.option("--dataset-config-file"), set()).add(one.settings)
    return max(map(len, found.values()))


def _backbone(fork: Fork, command: Command) -> str:
    """OpenAI's name of the model in the settings file of a command."""
    file = command.settings_file
    return (setting_in(fork.text(file), "MODEL.BACKBONE.NAME") or "") if file in fork.known else ""


# --- what is missing --------------------------------------------------------------------------------------------------


def _of_code(code: RunnableCode) -> Iterator[Lack]:
    """Submodules, trainers, modules, packages and files that its code uses and that are not there."""
    fork = code.fork
    if fork.empty_submodules:
        yield Lack(
            f"Its submodules {', '.join(fork.empty_submodules)} were not fetched.",
            f"git -C {shlex.quote(str(fork.folder))} submodule update --init --recursive",
        )
    if not fork.trainers:
        yield Lack("It registers no Dassl trainer.", "Write an adapter, or import its predictions.")
    for trainer, files in fork.trainer_files.items():
        if len(files) > 1:
            yield Lack(f"{len(files)} of its files register a trainer {trainer}: {some(files, 4)}.")
    if len(fork.dassl_folders) > 1:
        yield Lack(f"It has several copies of Dassl: in {', '.join(fork.dassl_folders)}. The first one is used.")
    if fork.trainers and not fork.dataset_files:
        yield Lack("It has no settings file of a dataset, as in configs/datasets/eurosat.yaml.")
    sources = _sources(fork)
    for found in sources:
        for file, absent in groupby(found.absent, key=lambda one: one.file):
            modules = [one.shown for one in absent]
            yield Lack(f"{file} imports {some(modules, 4)}, which the repository lacks.", _ignored(fork, modules))
    outside = frozenset[str]().union(*(found.outside for found in sources))
    yield from _packages(code, outside)
    yield from _data_files(fork, sources)


def _data_files(fork: Fork, sources: Sequence[PythonSources]) -> Iterator[Lack]:
    """The files of data that its code names and that are not in the repository, one sentence for each source file."""
    read: dict[str, list[str]] = {}
    for found in sources:
        for file in found.files:
            if not {"clip", "datasets", "dassl"} & {*PurePosixPath(file.casefold()).parts[:-1]}:
                read[file] = sorted({*_texts(found, file)})
    for file, texts in sorted(read.items()):
        if absent := [text for text in texts if PurePosixPath(text).name not in fork.base_names]:
            yield Lack(
                f"{file} may read {some(absent, 4)}, not in the repository.", "Its README may say where it comes from."
            )


def _sources(fork: Fork) -> list[PythonSources]:
    """The code that each of its training scripts loads; that of its trainers, if it has no such script."""
    starts = sorted({name for name in fork.files if name.endswith(".py") and "--trainer" in fork.text(name)})
    starts = [name for name in starts if "dassl" not in name.casefold()][:_MOST_STARTS]
    trainers = tuple(dict.fromkeys(file for files in fork.trainer_files.values() for file in files))
    groups: list[tuple[str, ...]] = [(start,) for start in starts] or ([trainers] if trainers else [])
    dassl = tuple("" if folder == "." else folder for folder in fork.dassl_folders[:1])
    found = [PythonSources(fork, group, dassl) for group in groups]
    reached = {file for one in found for file in one.files}
    return [
        one for one in found if not trainers or reached.isdisjoint(trainers) or not set(one.files).isdisjoint(trainers)
    ]


def _texts(found: PythonSources, file: str) -> Iterator[str]:
    """The files of data that a source file names, without the checkpoints of a training of its own."""
    for text in (*_FILE.findall(found.fork.text(file)), *found.texts_read(file)):
        if PurePosixPath(text).suffix and "model-best" not in text and "model.pth.tar" not in text:
            yield text


def _ignored(fork: Fork, modules: Sequence[str]) -> str:
    """The line of a .gitignore that leaves out a folder of one of these modules."""
    parts = {part for module in modules for part in module.split(".")}
    for name in fork.files:
        if PurePosixPath(name).name == ".gitignore":
            for line in fork.text(name).splitlines():
                if line.strip().strip("/") in parts:
                    return f"Its {name} leaves out {line.strip()}."
    return ""


def _packages(code: RunnableCode, imported: frozenset[str]) -> Iterator[Lack]:
    """Packages that are imported and that its Python does not have."""
    absent = absent_packages(sorted(imported - set(sys.stdlib_module_names)), code.python, code.imports)
    if quiet := sorted(set(absent) & _ONLY_LOGS):
        yield Lack(f"{', '.join(quiet)} missing; calls of {'it' if len(quiet) == 1 else 'them'} do nothing.")
    if "clip" in absent:
        yield Lack("OpenAI's clip is missing.", f"{_python(code)} -m pip install git+https://github.com/openai/CLIP")
    if needed := [name for name in absent if name not in {*_ONLY_LOGS, *_GIVEN, "dassl"}]:
        names = " ".join(_TITLES.get(name, name) for name in needed)
        yield Lack(f"{', '.join(needed)} missing.", f"{_python(code)} -m pip install {names}, if its trainer uses it")


def _lacks_dassl(code: RunnableCode) -> bool:
    wants = bool(code.fork.trainers) and not code.fork.dassl_folders
    return wants and bool(absent_packages(["dassl"], code.python, code.imports))


def _python(code: RunnableCode) -> str:
    return shlex.quote(str(code.python or sys.executable))


def _of_files(fork: Fork, trainings: Sequence[Command]) -> Iterator[Lack]:
    """Files that its scripts name without a variable, and that the repository lacks."""
    named: dict[str, str] = {}
    for one in trainings:
        for word in (one.argv[0], one.option("--config-file") or ""):
            if word and not re.search(r"[${}*]", word) and PurePosixPath(word).name not in fork.base_names:
                named.setdefault(word, one.script)
    for word, script in named.items():
        yield Lack(f"{script} names {word}, which is not in the repository.")


def _unregistered(fork: Fork, commands: Sequence[InspectedCommand]) -> Iterator[Lack]:
    """Trainers of its scripts that no file registers."""
    for name in sorted({one.trainer for one in commands if one.trainer.isidentifier()} - fork.trainers.keys()):
        if fork.trainers:
            scripts = sorted({one.script for one in commands if one.trainer == name})
            yield Lack(f"The trainer {name} of {some(scripts, 3)} is registered by no file of the repository.")


def _other_tasks(fork: Fork) -> Iterator[Lack]:
    """Tasks of its README that are not few-shot classification of images."""
    text = " ".join(
        fork.text(name) for name in fork.files if PurePosixPath(name).name.casefold() == "readme.md"
    ).casefold()
    for task, words in _OTHER_TASKS.items():
        if len(re.findall(rf"\b(?:{words})\b", text)) >= _MENTIONS:
            yield Lack(f"Its README speaks of {task}; the harness has few-shot classification of images.")


def trainers_text(found: InspectedFork) -> str:
    """The trainers of a checkout, those with a command first."""
    trained = {one.trainer for one in found.commands}
    return some(sorted(found.trainers, key=lambda name: (name not in trained, name)), 30) or "none"
