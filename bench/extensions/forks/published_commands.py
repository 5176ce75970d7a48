"""The training commands in the shell scripts of a repository: read as text, or expanded by the shell itself.

Before the user trusts the code, scripts are read as text, and variables stay as they are written. Afterwards the shell
runs them on a copy, with a PATH of stand-ins: `python` notes its arguments and trains nothing, and programs such as rm
and wget do nothing. Loops, variables and `$1` are those of the author. Stand-ins are no sandbox, so this must not
happen before.
"""

from __future__ import annotations

import posixpath
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bench.extensions.forks.fork_folder import Fork
from bench.extensions.forks.guarded import Program, run_guarded
from bench.extensions.forks.script_arguments import constants, with_constants

_LOG = "ETL_BENCH_CALLS"
"""Variable with the file in which the stand-in of Python notes its arguments."""
_NOTE = f"""#!/bin/sh
for word in "$@"; do printf '%s\\037' "$word" >> "${_LOG}"; done; printf '\\036' >> "${_LOG}"
"""
_PYTHONS = ("python", "python3", "torchrun", "accelerate")
_IDLE = """rm mkdir rmdir sleep cp mv ln touch chmod nvidia-smi gpustat awk sed grep tee nohup date cat head tail cut tr
find ls conda source wget curl git pip pip3 tar unzip srun sbatch kill pkill hostname""".split()  # noqa: SIM905
_REAL = ("bash", "sh", "seq", "basename", "dirname", "expr", "echo", "test", "true", "false")
_SECONDS, _SECONDS_IN_ALL = 5, 60
"""After which one script is ended, and all scripts of one call."""
_LARGEST_LOG = 2**24
_MOST_PROCESSES = 200
_LONGEST_LINE = 10_000
_MOST_LINES, _MOST_COMMANDS = 500, 5_000
"""Calls of Python that are read of one script, and commands of all scripts."""
_OF_RUN = (
    "--root", "--seed", "--shots", "--output-dir", "--dataset-config-file", "DATASET.NUM_SHOTS",
    "DATASET.SUBSAMPLE_CLASSES",
)  # fmt: skip
_FLAGS = ("--eval-only", "--no-train")
"""Options without a value, with which nothing is trained."""
_SWITCH = re.compile(r"""add_argument\(\s*["'](--[\w-]+)["'][^()]*store_(?:true|false)""")
CONFIG_FILES = ("--config-file", "--dataset-config-file")


@dataclass(frozen=True)
class Command:
    """One call of a script of the repository.

    Args:
        script: the shell script that it comes from; empty for one that the user wrote.
        folder: where it is started, relative to the repository; empty for the repository itself.
        argv: the Python file, then its arguments.
        switches: options of that file that take no value.
    """

    script: str
    folder: str
    argv: tuple[str, ...]
    switches: frozenset[str] = frozenset()

    def option(self, name: str) -> str | None:
        """The value of an option such as `--trainer`; None if it is absent or has no value."""
        for word, value in zip(self.argv, self.argv[1:], strict=False):
            if word == name:
                return value
            if word.startswith(f"{name}="):
                return word.partition("=")[2]
        return None

    def path(self, file: str) -> str:
        """A file that the command names, relative to the repository."""
        return posixpath.normpath(posixpath.join(self.folder, file))

    @property
    def settings_file(self) -> str:
        """Its settings file, relative to the repository; its folder without one."""
        return self.path(self.option("--config-file") or "")

    @property
    def trains(self) -> bool:
        """Whether it starts a training."""
        return bool(self.argv) and self.option("--trainer") is not None and not {*_FLAGS} & {*self.argv}

    @property
    def settings(self) -> tuple[str, ...]:
        """The words that do not belong to one dataset, seed, folder or number of shots."""
        return tuple(without(self.argv, _OF_RUN))

    @property
    def whole(self) -> bool:
        """Whether options have values, and settings come in pairs; a variable of its script may be empty otherwise."""
        return not self.gap

    @property
    def gap(self) -> str:
        """What has no value, in words; empty if nothing lacks one."""
        (_, *options), pairs = split_words(self.argv)
        for word, value in zip(options, (*options[1:], ""), strict=True):
            bare = word.startswith("--") and "=" not in word and (not value or value.startswith("--"))
            if bare and word not in {*_FLAGS, *self.switches}:
                return f"{word} has no value"
        names = pairs[::2]
        for name, value in zip(names, (*pairs[1::2], ""), strict=False):
            if not _is_name(name):
                return f"{name!r} stands where the name of a setting is expected"
            if not value or _is_key(value):
                return f"{name} has no value"
        return ""


def without(words: Iterable[str], options: Sequence[str]) -> Iterator[str]:
    """The words without these options and their values, written as two words or with `=`."""
    rest = iter(words)
    for word in rest:
        if word in options:
            next(rest, None)
        elif not any(word.startswith(f"{name}=") for name in options):
            yield word


def split_words(words: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """The script with its options, and the settings after them, such as `TRAINER.COOP.N_CTX 4`."""
    first = next((place for place, word in enumerate(words) if place and _is_key(word)), len(words))
    return words[:first], words[first:]


def _is_name(word: str) -> bool:
    """Whether a word may be the name of a setting; those of the first level have no dot."""
    return word.partition(".")[0].isupper()


def _is_key(word: str) -> bool:
    """Whether a word is the name of a setting, such as TRAINER.COOP.N_CTX."""
    first, dot, _ = word.partition(".")
    return bool(dot) and first.isupper() and first.isidentifier()


Call = tuple[str, Sequence[str]]
"""A script and its arguments."""


def commands_of(fork: Fork, calls: Sequence[Call]) -> list[list[Command]]:
    """For each call, the calls of Python in that script, in order, started where its files are found.

    The shell runs the scripts, so the user must have trusted the code.
    """
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / "repository"
        fork.copy_to(copy)
        return _commands(copy, calls)


def has_files(fork: Fork, command: Command) -> bool:
    """Whether the repository has the Python file and the settings files of a command."""
    files = (command.argv[0], *(value for option in CONFIG_FILES if (value := command.option(option))))
    return all(command.path(file) in fork.known for file in files)


def written_trainings(fork: Fork) -> list[Command]:
    """The training commands in the text of all shell scripts, with constants in their places; nothing is run."""
    found: dict[tuple[str, tuple[str, ...]], Command] = {}
    for script in shell_scripts(fork):
        text = fork.text(script)
        known = constants(text)
        lines = [line[:_LONGEST_LINE] for line in text.replace("\\\n", " ").splitlines() if ".py" in line]
        for line in lines[:_MOST_LINES]:
            command = Command(script, "", _written_call(with_constants(line, known)))
            if command.trains:
                found.setdefault((script, command.argv), command)
        if len(found) > _MOST_COMMANDS:
            break
    return list(found.values())


def _written_call(line: str) -> tuple[str, ...]:
    """The words of a line from its Python file on; none if it is no call of Python."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        words = line.split()
    called = any(PurePosixPath(word).name in _PYTHONS for word in words)
    return _python_file(tuple(words)) if called and any(word.endswith(".py") for word in words) else ()


def shell_scripts(fork: Fork) -> list[str]:
    """The shell scripts of the repository, without those of a copy of Dassl."""
    return [
        name
        for name in fork.files
        if name.endswith(".sh") and not any("dassl" in part.casefold() for part in PurePosixPath(name).parts)
    ]


def _commands(copy: Path, calls: Sequence[Call]) -> list[list[Command]]:
    """The calls of Python in scripts that the shell runs, each from the first folder in which it calls Python."""
    places = [
        (call, script, arguments, start)
        for call, (script, arguments) in enumerate(calls)
        for start in _starts(copy, script)
    ]
    with tempfile.TemporaryDirectory() as folder:
        tools = _stand_ins(Path(folder) / "bin")
        runs = []
        for number, (_, script, arguments, start) in enumerate(places):
            command = [shutil.which("bash") or "/bin/sh", str(copy / script), *arguments]
            environment = {"PATH": str(tools), "HOME": folder, _LOG: f"{folder}/{number}.log"}
            runs.append(
                Program(
                    command,
                    str(start),
                    environment,
                    seconds=_SECONDS,
                    processes=_MOST_PROCESSES,
                    file_size=_LARGEST_LOG,
                )
            )
        run_guarded(runs, _SECONDS_IN_ALL)
        found: list[list[Command]] = [[] for _ in calls]
        for number, (call, script, _, start) in enumerate(places):
            if not found[call]:
                found[call] = [_placed(copy, script, start, argv) for argv in _calls(Path(folder, f"{number}.log"))]
    return found


def _starts(copy: Path, script: str) -> list[Path]:
    """The folders from which authors start a script: the repository, and the script's own."""
    return list(dict.fromkeys((copy, (copy / script).parent)))


def _stand_ins(tools: Path) -> Path:
    """A folder with the programs that scripts find."""
    tools.mkdir()
    for name in (*_PYTHONS, *_IDLE):
        (tools / name).write_text(_NOTE if name in _PYTHONS else "#!/bin/sh\n")
        (tools / name).chmod(0o755)
    for name in _REAL:
        if (real := shutil.which(name)) is not None:
            (tools / name).symlink_to(real)
    return tools


def _calls(log: Path) -> list[tuple[str, ...]]:
    """The calls of Python that a script noted."""
    text = log.read_text(errors="replace") if log.exists() else ""
    calls = [tuple(call.split("\x1f")[:-1]) for call in text.split("\x1e")[:-1]]
    return [_python_file(call) for call in calls[:_MOST_COMMANDS] if any(word.endswith(".py") for word in call)]


def _python_file(call: tuple[str, ...]) -> tuple[str, ...]:
    """The call from its Python file on, without the options of a launcher such as torchrun."""
    first = next(i for i, word in enumerate(call) if word.endswith(".py"))
    return call[first:]


def _placed(copy: Path, script: str, start: Path, argv: tuple[str, ...]) -> Command:
    """The command with the folder in which its files exist: that of the script, one above it, or the repository."""
    files = [argv[0], *(value for option in CONFIG_FILES if (value := Command(script, "", argv).option(option)))]
    above = [folder for folder in (start, *start.parents, *(copy / script).parents) if folder.is_relative_to(copy)]
    folder = next((one for one in dict.fromkeys(above) if all((one / file).is_file() for file in files)), None)
    folder = folder or next((one for one in dict.fromkeys(above) if (one / argv[0]).is_file()), start)
    return Command(
        script, "" if folder == copy else folder.relative_to(copy).as_posix(), argv, _switches(folder / argv[0])
    )


def _switches(file: Path) -> frozenset[str]:
    """The options without a value in the argparse of a Python file."""
    text = file.read_text(errors="replace") if file.is_file() and file.stat().st_size <= _LARGEST_LOG else ""
    return frozenset(_SWITCH.findall(text))
