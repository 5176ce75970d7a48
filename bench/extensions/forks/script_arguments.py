"""What the arguments of a shell script are: their names in its text, the values in the README, and its constants.

Scripts and READMEs are read as text; nothing of them runs.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from bench.extensions.forks.fork_folder import Fork

_NAMED = re.compile(r"""^[ \t]*(?:export[ \t]+)?(\w+)=["']?\$\{?([1-9])\b""", re.MULTILINE)
_USED = re.compile(r"\$\{?([1-9])\b")
_CONSTANT = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?(\w+)=("[^"`\n]*"|'[^'\n]*'|[^\s"'`;|&()]+)[ \t]*(?:#.*)?$""", re.MULTILINE
)
_LOOP = re.compile(r"^[ \t]*for[ \t]+(\w+)[ \t]+in\b", re.MULTILINE)
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_CALL = re.compile(r"(?:^|[\s`])(?:bash|sh)[ \t]+(\S+\.sh)((?:[ \t]+[^\s`]+)*)", re.MULTILINE)
_DEEPEST, _LONGEST_VALUE, _LONGEST_TEXT = 5, 500, 10_000
_PLACES = {"dataset": "{dataset}", "seed": "{seed}", "shots": "{shots}"}
"""What we put in the place of an argument of that name."""
_FILLED = re.compile(r"dataset|seed|shots|classes|step\d+")
"""Names of places that a run fills."""


def argument_names(text: str) -> tuple[str, ...]:
    r"""The names that a script gives to its arguments, in order; one without a name is `ARGUMENT2`.

    Example:
        >>> argument_names("DATASET=$1\nSHOTS=${3:-16}\n")
        ('DATASET', 'ARGUMENT2', 'SHOTS')
    """
    lines = [re.sub("'[^']*'", "", line) for line in text.splitlines() if not line.lstrip().startswith("#")]
    names = {int(number): name for name, number in reversed(_NAMED.findall(text))}
    used = {int(number) for line in lines for number in _USED.findall(line)}
    return tuple(names.get(number, f"ARGUMENT{number}") for number in range(1, max({*names, *used}, default=0) + 1))


def placeholder(name: str) -> str:
    """What is given for an argument of that name before its meaning is known: `{dataset}`, `{seed}` or `{NAME}`."""
    return _PLACES.get(name.casefold(), f"{{{name}}}")


def constants(script: str) -> dict[str, str]:
    """The variables of a script that have one value, and `{NAME}` for those that are its arguments.

    Variables of loops, and those that a program computes, are not among them.
    """
    found = {name: value.strip("\"'") for name, value in _CONSTANT.findall(script) if len(value) <= _LONGEST_VALUE}
    found |= {name: placeholder(name) for name, _ in _NAMED.findall(script)}
    for name in _LOOP.findall(script):
        found.pop(name, None)
    return found


def with_constants(text: str, known: Mapping[str, str]) -> str:
    r"""A text of a script with the values of these variables in their places; others stay as they are written.

    Example:
        >>> known = constants("SEED=$1\nTRAINER=CoOp\nCFG=${TRAINER}_ep50\n")
        >>> with_constants("--trainer ${TRAINER} --config-file $CFG.yaml --seed $SEED --gpu $GPU", known)
        '--trainer CoOp --config-file CoOp_ep50.yaml --seed {seed} --gpu $GPU'
    """
    for _ in range(_DEEPEST):
        longer = _VARIABLE.sub(lambda found: known.get(found[1] or found[2], found[0]), text)
        if longer == text or len(longer) > _LONGEST_TEXT:
            break
        text = longer
    return text


def examples(fork: Fork, script: str) -> list[list[str]]:
    """The arguments with which the repository's Markdown files call a script, those for EuroSAT first."""
    found = []
    for text in _pages(fork):
        for called, rest in _CALL.findall(text):
            if script == called.removeprefix("./") or script.endswith(f"/{PurePosixPath(called).name}"):
                found.append(_words(rest))
    return sorted(filter(None, found), key=lambda words: "eurosat" not in words)


def _pages(fork: Fork) -> Iterator[str]:
    for name in fork.files:
        if name.endswith((".md", ".MD")):
            yield fork.text(name).replace("\\n", " ")


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def example_value(calls: Sequence[Sequence[str]], place: int) -> str | None:
    """The value of an argument in the first call that has a real one, not one such as `[CFG]` or `path/to/data`."""
    values = [words[place] for words in calls if len(words) > place]
    return next((value for value in values if not re.search(r"[\[\]<>{}$]|path|\.\.\.", value)), None)


def setting_in(text: str, key: str) -> str | None:
    r"""The value of a setting such as `OPTIM.MAX_EPOCH` in a YAML file of nested sections; None without it.

    Example:
        >>> setting_in("OPTIM:\n  LR: 0.002\n  MAX_EPOCH: 50  # as in CoOp\n", "OPTIM.MAX_EPOCH")
        '50'
    """
    above: list[tuple[int, str]] = []
    for line in text.splitlines():
        name, colon, value = line.partition("#")[0].partition(":")
        if not colon or not name.strip():
            continue
        depth = len(name) - len(name.lstrip())
        above = [*(one for one in above if one[0] < depth), (depth, name.strip())]
        if ".".join(one for _, one in above) == key and value.strip():
            return value.strip().strip("\"'")
    return None


def put_in(text: str, values: Mapping[str, str]) -> str:
    """A text with values in the places of `{name}`."""
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def open_places(text: str) -> list[str]:
    """Names of the places that nothing fills, such as `MAX_EPOCH` of `{dataset} {MAX_EPOCH}`."""
    return [name for name in re.findall(r"\{(\w+)\}", text) if not _FILLED.fullmatch(name)]
