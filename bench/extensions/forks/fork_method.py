"""Official code as a method of a sweep: `-m fork:PATH#Trainer`. Finds the trainer and the settings; loads no torch."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bench.extensions.forks.adapter_files import read_adapter
from bench.extensions.forks.errors import OfficialCodeError
from bench.extensions.forks.extension import ADAPTER
from bench.extensions.forks.fork_commands import dataset_here, training_stages
from bench.extensions.forks.fork_folder import Fork
from bench.extensions.forks.trust import RunnableCode
from bench.results import known_methods
from bench.spec import FORK
from datasets_registry import EvalProtocol, did_you_mean, foreign_files, get_dataset, some
from methods import CheckedSettings, MethodFacts, MethodSetting

PLACES = ("python", "path")
"""Settings that say where something is on this machine. They are no part of a run's identity."""
RUNNABLE = (*PLACES, "steps")
"""Settings that name files of others, to which the user has to agree."""
_SETTINGS = {
    "script": "shell script of the repository with the published command",
    "args": "arguments of the script; {dataset}, {seed}, {shots} and {classes} are replaced, in command and opts too",
    "command": "training command without a script, such as 'train.py --trainer T --config-file F'",
    "opts": "words that are added to the command",
    "steps": "TOML file with a list [[step]] of script, args, command and opts, or run: a training in several stages",
    "dataset": "name by which the code knows the dataset, such as EuroSAT; by default the one that fits",
    "python": "Python of the code's own environment; by default that of the harness",
    "path": "folders from which it imports besides its own, separated by colons, such as a clone of Dassl",
}


@dataclass(frozen=True, kw_only=True)
class ForkFacts(MethodFacts):
    """The facts of official code as a method.

    Args:
        fork: the checkout.
        trainer: the Dassl trainer, or the name that an adapter gives.
        adapter: the user's adapter, for code that is not built on Dassl.
    """

    fork: Fork
    trainer: str
    adapter: Path | None = None

    @property
    def adapter_digest(self) -> str:
        """Hex SHA-256 of the adapter, 32 digits; empty without one."""
        return "" if self.adapter is None else hashlib.sha256(self.adapter.read_bytes()).hexdigest()[:32]

    def runnable(self, places: Mapping[str, str]) -> RunnableCode:
        """All code that a run with these values of `RUNNABLE` starts; raises OfficialCodeError for an absent place."""
        return RunnableCode.of(self.fork, self.adapter, places)

    def settled(self, protocol: EvalProtocol, changes: Mapping[str, Any] | None = None) -> CheckedSettings:
        """The settings and the identity of the code, whose values nothing checks."""
        return self.unchecked(protocol, changes)

    def unchecked(self, protocol: EvalProtocol, changes: Mapping[str, Any] | None = None) -> CheckedSettings:  # noqa: ARG002
        """The settings and the identity of the code; where things are on this machine is left out."""
        given = changes or {}
        kept = {key: given[key] for key in self.settings if given.get(key) and key not in PLACES}
        if "steps" in kept:
            kept["steps"] = read_steps(Path(kept["steps"]))
        code = {"trainer": self.trainer, "commit": self.fork.commit, "tree": self.fork.tree}
        code |= {"adapter": self.adapter_digest} if self.adapter else {}
        return CheckedSettings(code | kept)


def fork_facts(text: str) -> ForkFacts:
    """The facts of `fork:PATH#Trainer`, as it was requested; the trainer may be left out where there is only one.

    Nothing of it is run. Raises OfficialCodeError for a folder that is no git repository, or without this trainer.
    """
    adapter = None
    if text.startswith(ADAPTER):
        adapter = Path(text.removeprefix(ADAPTER)).expanduser().absolute()
        written = read_adapter(adapter)
        trainer, fork = written.name, Fork.read(written.folder)
    else:
        path, _, wanted = text.removeprefix(FORK).partition("#")
        if not path:
            raise OfficialCodeError(f"{text} names no folder; write {FORK}PATH, a clone of the authors' repository.")
        fork = Fork.read(Path(path))
        trainer = _trainer(fork, wanted)
    own = trainer.casefold() == fork.name.casefold() or adapter is not None
    name = re.sub(r"[^A-Za-z0-9_.+/-]+", "_", trainer if own else f"{fork.name}/{trainer}")
    known = known_methods().get(f"{FORK}{name}")
    settings = {
        key: MethodSetting({"type": "string", "default": "", "description": what}) for key, what in _SETTINGS.items()
    }
    same = known_methods().get(f"{FORK}{trainer}")
    shared = {key: getattr(same, key) for key in ("family", "summary", "citation", "paper", "code", "needs")}
    return ForkFacts(
        name=known.name,
        title=known.title,
        open_vocabulary=True,
        settings=settings,
        fork=fork,
        trainer=trainer,
        adapter=adapter,
        **shared,
    )


def checked_settings(texts: Sequence[str]) -> dict[str, str]:
    """The values of `--set` by the name of their setting; raises OfficialCodeError for one that is none of a fork."""
    given = dict(text.partition("=")[::2] for text in texts)
    allowed = {f"fork.{key}": key for key in _SETTINGS}
    if unknown := [name for name in given if name not in allowed]:
        hint = did_you_mean(unknown[0], list(allowed))
        raise OfficialCodeError(
            f"--set {unknown[0]} is no setting of official code.{hint} Allowed: {', '.join(allowed)}."
        )
    return {allowed[name]: value for name, value in given.items()}


def runnable_code(text: str, places: Mapping[str, str]) -> RunnableCode:
    """All code of a clone, `fork:PATH` or `adapter:FILE` with these values of `RUNNABLE`, whether or not it is trusted.

    Raises OfficialCodeError for what does not exist.
    """
    if text.startswith(ADAPTER):
        adapter = Path(text.removeprefix(ADAPTER)).expanduser().absolute()
        return RunnableCode.of(Fork.read(read_adapter(adapter).folder), adapter, places)
    return RunnableCode.of(Fork.read(Path(text.removeprefix(FORK).partition("#")[0])), None, places)


def read_steps(path: Path) -> list[dict[str, str]]:
    """The stages of a training. Raises OfficialCodeError for a file that is not such a list."""
    allowed = ("script", "args", "command", "opts", "trainer", "run")
    try:
        found = foreign_files.read_toml(path)["step"]
        steps = [{key: str(value) for key, value in step.items()} for step in found]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise OfficialCodeError(f"The steps {path} cannot be read: {error}. The file has tables [[step]].") from error
    if unknown := sorted({key for step in steps for key in step} - set(allowed)):
        raise OfficialCodeError(f"The steps {path} have the key {unknown[0]!r}. Allowed: {', '.join(allowed)}.")
    if not steps or "run" in steps[-1]:
        raise OfficialCodeError(f"The steps {path} do not end with a training, which is what is evaluated.")
    if mixed := next((step for step in steps if "run" in step and (len(step) > 1 or not step["run"].split())), None):
        raise OfficialCodeError(
            f"The steps {path} have a step with {', '.join(mixed)}: `run` stands alone and names a file."
        )
    return steps


def _trainer(fork: Fork, wanted: str) -> str:
    known = fork.trainers
    if wanted in known:
        return wanted
    listed = some(sorted(known), 12)
    if not known:
        raise OfficialCodeError(
            f"{fork.folder} has no Dassl trainer (no class below @TRAINER_REGISTRY.register()). For other code, "
            "write an adapter, or import its predictions with `etl-bench runs import-predictions`."
        )
    if wanted:
        raise OfficialCodeError(
            f"{fork.folder} has no trainer {wanted!r}.{did_you_mean(wanted, sorted(known))} It has {listed}."
        )
    if (same := next((name for name in known if name.casefold() == fork.name.casefold()), None)) is not None:
        return same
    if len(known) > 1:
        raise OfficialCodeError(
            f"{fork.folder} has several trainers; add one of them, as in #{sorted(known)[0]}: {listed}."
        )
    return next(iter(known))


def fork_folders(facts: ForkFacts, code: RunnableCode) -> dict[str, Path]:
    """Where workers find official code: the clone and the adapter by their digests, the interpreter and the imports."""
    found = {facts.fork.tree: facts.fork.folder}
    if code.adapter is not None:
        found[facts.adapter_digest] = code.adapter
    if code.python is not None:
        found[f"{facts.fork.tree}.python.0"] = code.python
    return found | {f"{facts.fork.tree}.path.{number}": folder for number, folder in enumerate(code.imports)}


def is_interpreter(key: str) -> bool:
    """Whether a key of `fork_folders` is that of an interpreter, which every machine must have at the same path."""
    return ".python." in key


def official_conflict(facts: ForkFacts, config: Mapping[str, Any], dataset: str) -> str | None:
    """Why official code cannot train on a dataset with these settings, and what to set; None if it can."""
    fork = facts.fork
    return None if facts.adapter else _conflict(fork, fork.tree, facts.trainer, json.dumps(config), dataset)


@cache
def _conflict(fork: Fork, tree: str, trainer: str, settings: str, dataset: str) -> str | None:  # noqa: ARG001
    """As `official_conflict`, for each tree of the code."""
    config = json.loads(settings)
    try:
        known = dataset_here(fork, get_dataset(dataset), config.get("dataset", ""))
        training_stages(fork, trainer, config, dataset=known, seed=1, shots=16, classes=10)
    except OfficialCodeError as error:
        return str(error)
    return None
