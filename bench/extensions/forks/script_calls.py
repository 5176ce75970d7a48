"""What the arguments of each training script become in its commands, found by calling it with marks.

The shell runs the scripts, so the user must have trusted the code.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path

from bench.extensions.forks.fork_folder import Fork
from bench.extensions.forks.published_commands import Call, Command, commands_of, shell_scripts, split_words
from bench.extensions.forks.script_arguments import (
    argument_names,
    example_value,
    examples,
    put_in,
    setting_in,
)
from datasets_registry import some

_DATASET = "eurosat"
_MARKS = ("7919", "7927", "7933", "7937", "7949", "7951", "7963", "7993", "8009")
"""Arguments that scripts are called with, to see what they become."""
_VALUES = {"dataset": _DATASET, "seed": "1", "shots": "16"}
_SHOTS, _CONFIG = "DATASET.NUM_SHOTS", "--config-file"


@dataclass(frozen=True)
class TrainingCall:
    """A call of a script that starts trainings.

    Args:
        args: its arguments, with {dataset}, {seed} and {shots} in their places, and `{NAME}` for those without a value.
        commands: what it starts for EuroSAT, seed 1 and 16 shots.
        notes: where values come from, and what becomes of arguments without one, a sentence each.
    """

    script: str
    args: str
    commands: Sequence[Command]
    notes: tuple[str, ...] = ()


def called_trainings(fork: Fork) -> Iterator[TrainingCall]:
    """The trainings of all scripts, called without arguments, and then with all arguments that they take."""
    scripts = shell_scripts(fork)
    names = {script: found for script in scripts if (found := argument_names(fork.text(script)))}
    marked: list[Call] = [(script, _marks(found)) for script, found in names.items()]
    calls = commands_of(fork, [*((script, ()) for script in scripts), *marked])
    for script, commands in zip(scripts, calls, strict=False):
        yield TrainingCall(script, "", _trainings(commands))
    read = {
        script: _Arguments(fork, script, names[script], _trainings(commands))
        for (script, _), commands in zip(marked, calls[len(scripts) :], strict=True)
    }
    used = {script: one for script, one in read.items() if one.commands}
    filled = commands_of(fork, [(script, shlex.split(put_in(one.text, _VALUES))) for script, one in used.items()])
    for (script, one), commands in zip(used.items(), filled, strict=True):
        yield TrainingCall(script, one.text, _trainings(commands), tuple(one.notes))


def _trainings(commands: Sequence[Command]) -> list[Command]:
    return [one for one in commands if one.trains]


def _marks(names: Sequence[str]) -> list[str]:
    place = _dataset_place(names)
    return [_DATASET if number == place else mark for number, (_, mark) in enumerate(zip(names, _MARKS, strict=False))]


def _dataset_place(names: Sequence[str]) -> int:
    """Which argument is the dataset: the one with that name, else the first."""
    return next((number for number, name in enumerate(names) if name.casefold().startswith("dataset")), 0)


class _Arguments:
    """The arguments of one script, from the commands that it starts with a mark in the place of each."""

    def __init__(self, fork: Fork, script: str, names: Sequence[str], commands: Sequence[Command]) -> None:
        self.fork, self.commands, self.notes = fork, commands, list[str]()
        self._examples = examples(fork, script)
        found = [self._word(number, *one) for number, one in enumerate(zip(names, _marks(names), strict=False))]
        self.text = " ".join(found)

    def _word(self, place: int, name: str, mark: str) -> str:
        """What to give for one argument: {dataset}, {seed}, {shots}, a published value, or `{NAME}`."""
        commands = self.commands
        if any(Path(one.option("--dataset-config-file") or "").stem == mark for one in commands):
            return "{dataset}"
        if any(one.option("--seed") == mark for one in commands):
            return "{seed}"
        if any(one.option("--shots") == mark or (_SHOTS, mark) in _pairs(one.argv) for one in commands):
            return "{shots}"
        if not any(mark in word for one in commands for word in one.settings):
            return "0"  # only folders and devices have it
        if (value := example_value(self._examples, place)) is not None:
            self.notes.append(f"{name} is {value}, as in the README.")
            return shlex.quote(value)
        key, value, command = next(
            (key, value, one) for one in commands for key, value in _pairs(one.settings) if mark in value
        )
        if key == _CONFIG:
            choices = self._choices(command, value, mark)
            if len(choices) == 1:
                return shlex.quote(choices[0])
            of = f": {some(choices, 6)}" if choices else ""
            self.notes.append(f"{{{name}}} names the settings file{of}.")
        elif value == mark and (stated := self._stated(command, key)) is not None:
            self.notes.append(f"{name} is {stated}, as {key} in the settings file.")
            return shlex.quote(stated)
        else:
            self.notes.append(f"{{{name}}} becomes {key}.")
        return f"{{{name}}}"

    def _choices(self, command: Command, value: str, mark: str) -> list[str]:
        """What may stand for the mark in the path of a settings file."""
        before, _, after = command.path(value).partition(mark)
        found = (name for name in self.fork.files if fnmatchcase(name, f"{before}*{after}".replace(mark, "*")))
        inner = (name[len(before) : len(name) - len(after)] for name in found)
        return sorted(name for name in inner if "/" not in name)

    def _stated(self, command: Command, key: str) -> str | None:
        """The value of a setting in the settings file of a command."""
        file = command.settings_file
        return setting_in(self.fork.text(file), key) if file in self.fork.known else None


def _pairs(argv: Sequence[str]) -> list[tuple[str, str]]:
    """Options and settings of a command with the words after them."""
    options, settings = split_words(argv)
    return [*pairwise(options), *zip(settings[::2], settings[1::2], strict=False)]
