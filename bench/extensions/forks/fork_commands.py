"""The training commands of official code: the author's, with our dataset, seed and output folder in their places."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.extensions.forks.errors import OfficialCodeError
from bench.extensions.forks.fork_folder import Fork
from bench.extensions.forks.published_commands import (
    CONFIG_FILES,
    Command,
    commands_of,
    shell_scripts,
    split_words,
    without,
)
from bench.extensions.forks.script_arguments import open_places, put_in
from bench.results import simplified
from datasets_registry import DatasetInfo, did_you_mean, some


@dataclass(frozen=True)
class Stage:
    """One command of a run.

    Args:
        opts: the words that are added to a training.
        trains: whether it is a training; another script of the repository gets its own words only.
    """

    command: Command
    opts: str = ""
    trains: bool = True


def training_stages(
    fork: Fork, trainer: str, config: Mapping[str, Any], *, dataset: str, seed: int, shots: int, classes: int
) -> list[list[Stage]]:
    """The commands of each step of a training, the last of which is evaluated.

    Args:
        config: the settings of the run. {dataset}, {seed}, {shots} and {classes} are replaced in their texts.
        dataset: name of the dataset in the repository.
        classes: number of training classes.
    """
    stem = Path(fork.dataset_files.get(dataset, dataset)).stem
    values = {"dataset": stem, "seed": str(seed), "shots": str(shots), "classes": str(classes)}
    found = []
    for step in config.get("steps") or [{}]:
        if "run" in step:
            found.append([Stage(one, trains=False) for one in _scripts(fork, shlex.split(put_in(step["run"], values)))])
            continue
        merged = {key: value for key, value in config.items() if key not in ("steps", "opts")} | step
        filled = {key: put_in(value, values) for key, value in merged.items()}
        command = training_command(fork, step.get("trainer", trainer), filled, dataset=dataset)
        words = [put_in(config.get("opts", ""), values), filled.get("opts", "")]
        found.append([Stage(command, " ".join(filter(None, words)))])
    return found


def _scripts(fork: Fork, words: list[str]) -> list[Command]:
    """The calls of Python of a step that does not train: a Python file, or all calls of a shell script."""
    if not words[0].endswith(".sh"):
        return [Command("", _folder_of(fork, words), tuple(words))]
    if words[0] not in fork.files:
        raise OfficialCodeError(f"{fork.name} has no file {words[0]!r}.{did_you_mean(words[0], shell_scripts(fork))}")
    (found,) = commands_of(fork, [(words[0], words[1:])])
    if not found:
        raise OfficialCodeError(f"{shlex.join(words)} calls no Python.")
    return found


def training_command(fork: Fork, trainer: str, config: Mapping[str, str], *, dataset: str) -> Command:
    """The author's training command for a dataset: from a script, or as the user gave it.

    Args:
        config: the settings of the run, without places to fill.
        dataset: name of the dataset in the repository.

    Raises OfficialCodeError, listing what there is, if no command or more than one fits.
    """
    for key in ("args", "command"):
        if places := open_places(config.get(key, "")):
            raise OfficialCodeError(
                f"fork.{key} has {{{places[0]}}}. Put a value in its place; only {{dataset}}, {{seed}}, {{shots}} and "
                "{classes} are filled in here."
            )
    if config.get("command"):
        words = shlex.split(config["command"])
        if "--trainer" not in words:
            words[1:1] = ["--trainer", trainer]  # before the settings, which come last
        folder = _folder_of(fork, words)
        return Command("", folder, tuple(words))
    stem = Path(fork.dataset_files.get(dataset, dataset)).stem
    if config.get("script"):
        return _scripted(fork, trainer, config["script"], config.get("args", ""), stem)
    raise OfficialCodeError(
        f"{fork.name}#{trainer} has no command: a script's arguments have no convention, so they are given, not "
        f"guessed. `etl-bench methods inspect {fork.folder}` lists its published commands with their settings."
    )


def dataset_here(fork: Fork, info: DatasetInfo, wanted: str = "") -> str:
    """The name by which a repository knows a dataset; `wanted` is one that the user gave.

    Raises OfficialCodeError, listing the names of the repository, if none fits.
    """
    known = {simplified(key): key for key in fork.dataset_files} | {
        simplified(Path(file).stem): key for key, file in fork.dataset_files.items()
    }
    name = info.name.partition(":")[0]
    for text in [wanted] if wanted else [name, info.coop_name, info.title]:
        if (found := known.get(simplified(text))) is not None:
            return found
    if not fork.dataset_files:
        raise OfficialCodeError(
            f"{fork.name} has no settings file of a dataset, as in configs/datasets/eurosat.yaml, so our images cannot "
            "take the place of one. Import its predictions: `etl-bench runs import-predictions`."
        )
    listed = some(sorted(fork.dataset_files), 15)
    what = f"knows no dataset {wanted!r}" if wanted else f"does not know {name}"
    first = min(fork.dataset_files)
    raise OfficialCodeError(
        f"{fork.name} {what}; it looks up templates and texts by the dataset's name. Give one of its names, as in "
        f"--set fork.dataset={first}: {listed}."
    )


def _scripted(fork: Fork, trainer: str, script: str, args: str, stem: str) -> Command:
    if script not in fork.files:
        hint = did_you_mean(script, shell_scripts(fork))
        raise OfficialCodeError(f"{fork.name} has no file {script!r}.{hint}")
    called = f"{script} {args}".rstrip()
    (calls,) = commands_of(fork, [(script, shlex.split(args))])
    found = [one for one in calls if one.trains]
    of_trainer = [one for one in found if one.option("--trainer") == trainer]
    if not of_trainer:
        others = sorted({one.option("--trainer") or "" for one in found})
        what = f"trains {', '.join(others)}" if others else "starts no training"
        raise OfficialCodeError(f"{called} {what}, not {trainer}.")
    whole = [one for one in of_trainer if one.whole]
    if not whole:
        raise OfficialCodeError(
            f"{called} gives a command in which {of_trainer[0].gap}: {shlex.join(of_trainer[0].argv)}. Give the "
            "arguments of the script with --set 'fork.args=...'."
        )
    here = [one for one in whole if Path(one.option("--dataset-config-file") or "").stem == stem] or whole
    variants: dict[tuple[str, ...], Command] = {}
    for one in here:
        variants.setdefault(one.settings, one)
    if len(variants) > 1:
        shown = "; ".join(shlex.join(words) for words in list(variants)[:2])
        raise OfficialCodeError(f"{called} starts {len(variants)} different trainings, such as {shown}. Give others.")
    return next(iter(variants.values()))


def _folder_of(fork: Fork, words: list[str]) -> str:
    """The folder, relative to the repository, in which the files of a command exist; raises OfficialCodeError."""
    command = Command("", "", tuple(words))
    files = [words[0], *(value for option in CONFIG_FILES if (value := command.option(option)))]
    ends = [name for name in fork.files if name == files[0] or name.endswith(f"/{files[0]}")]
    folders = sorted((name.removesuffix(files[0]).rstrip("/") for name in ends), key=len)
    known = set(fork.files)
    for folder in folders:
        if all((f"{folder}/{file}" if folder else file) in known for file in files):
            return folder
    missing = next((file for file in files if not any(name.endswith(file) for name in fork.files)), files[0])
    raise OfficialCodeError(f"{fork.name} has no file {missing!r}, which the command names.")


def training_words(
    command: Command, *, dataset_file: str, seed: int, shots: int, output: str, opts: Iterable[str]
) -> list[str]:
    """The words of a command with our dataset, seed, shots and output folder, and with more settings at its end.

    The number of shots replaces only an option `--shots`, which some authors have; others have a setting for it.

    Args:
        dataset_file: the dataset's settings file, relative to the repository.
    """
    kept = [*without(command.argv, ("--root", "--seed", "--shots", "--output-dir", "--dataset-config-file"))]
    options, settings = split_words(kept)
    options = [*options, *(("--shots", str(shots)) if command.option("--shots") is not None else ())]
    file = os.path.relpath(dataset_file, command.folder or ".")
    ours = ["--root", output, "--seed", str(seed), "--output-dir", output, "--dataset-config-file", file]
    return [*options, *ours, *settings, *opts]
