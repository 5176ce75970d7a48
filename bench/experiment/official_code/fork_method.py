"""Official code as a method of a sweep: `-m fork:PATH#Trainer`. Finds the trainer and the settings; loads no torch."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bench.errors import OfficialCodeError
from bench.experiment.official_code.fork_folder import Fork
from bench.experiment.official_code.published_commands import (
    CONFIG_FILES,
    Command,
    commands_of,
    published_trainings,
    shell_scripts,
)
from bench.experiment.official_code.trust import check_trusted
from bench.results import known_methods
from bench.spec import FORK
from datasets_registry import DatasetInfo, EvalProtocol, did_you_mean, get_dataset, read_text, read_toml, some
from methods import CheckedSettings, MethodFacts, Setting

ADAPTER = "adapter:"
"""Beginning of the requested name of code that is run by the user's adapter."""
_LARGEST_ADAPTER = 2**20
PLACES = ("python", "path")
"""Settings that say where something is on this machine. They are no part of a run's identity."""
_SETTINGS = {
    "script": "shell script of the repository with the published command",
    "args": "arguments of the script, in which {dataset}, {seed} and {shots} are replaced; scripts have no convention",
    "command": "training command without a script, such as 'train.py --trainer T --config-file F'",
    "opts": "words that are added to the command",
    "steps": "TOML file with a list [[step]] of script, args, command and opts, for a training in several stages",
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

    def settled(self, protocol: EvalProtocol, changes: Mapping[str, Any] | None = None) -> CheckedSettings:  # noqa: ARG002
        """The settings and the identity of the code; where things are on this machine is left out.

        Raises pydantic's ValidationError for a value that is not text.
        """
        values = self._model.model_validate(dict(changes or {})).model_dump(mode="json")
        kept = {key: value for key, value in values.items() if value and key not in PLACES}
        if "steps" in kept:
            kept["steps"] = read_steps(Path(kept["steps"]))
        code = {"trainer": self.trainer, "commit": self.fork.commit, "tree": self.fork.tree}
        code |= {"adapter": self.adapter_digest} if self.adapter else {}
        return CheckedSettings(code | kept)


def is_fork(text: str) -> bool:
    """Whether a requested method is official code."""
    return text.startswith((FORK, ADAPTER))


def fork_facts(text: str) -> ForkFacts:
    """The facts of `fork:PATH#Trainer`, as it was requested; the trainer may be left out where there is only one.

    Raises OfficialCodeError for a folder that is no git repository, that nobody has trusted, or without this trainer.
    """
    adapter = None
    if text.startswith(ADAPTER):
        adapter = Path(text.removeprefix(ADAPTER)).expanduser().absolute()
        folder, trainer = read_adapter(adapter)
        fork = Fork.read(folder)
    else:
        path, _, wanted = text.removeprefix(FORK).partition("#")
        fork = Fork.read(Path(path))
        trainer = _trainer(fork, wanted)
    check_trusted(fork)
    own = trainer.casefold() == fork.name.casefold() or adapter is not None
    name = re.sub(r"[^A-Za-z0-9_.+/-]+", "_", trainer if own else f"{fork.name}/{trainer}")
    known = known_methods().get(f"{FORK}{name}")
    settings = {key: Setting({"type": "string", "default": "", "description": what}) for key, what in _SETTINGS.items()}
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


def read_adapter(path: Path) -> tuple[Path, str]:
    """The repository of an adapter and the name of its method; the adapter is not run.

    They are its constants REPOSITORY (relative to its folder) and NAME, by default the clone that it lies in and the
    name of the file. Raises OfficialCodeError if it cannot be read or has no function `train`.
    """
    try:
        tree = ast.parse(read_text(path, _LARGEST_ADAPTER))
    except (OSError, ValueError, SyntaxError) as error:
        raise OfficialCodeError(f"The adapter {path} cannot be read: {error}.") from error
    if not any(isinstance(node, ast.FunctionDef) and node.name == "train" for node in tree.body):
        raise OfficialCodeError(f"The adapter {path} has no function train(task); docs/forks.md has an example.")
    texts = {
        node.targets[0].id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    if "REPOSITORY" in texts:
        folder = path.parent / str(texts["REPOSITORY"])
    else:
        folder = next((one for one in path.parents if (one / ".git").exists()), path.parent)
    return folder, str(texts.get("NAME", path.stem))


def read_steps(path: Path) -> list[dict[str, str]]:
    """The stages of a training. Raises OfficialCodeError for a file that is not such a list."""
    allowed = ("script", "args", "command", "opts", "trainer")
    try:
        found = read_toml(path)["step"]
        steps = [{key: str(value) for key, value in step.items()} for step in found]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise OfficialCodeError(f"The steps {path} cannot be read: {error}. The file has tables [[step]].") from error
    if unknown := sorted({key for step in steps for key in step} - set(allowed)):
        raise OfficialCodeError(f"The steps {path} have the key {unknown[0]!r}. Allowed: {', '.join(allowed)}.")
    return steps


def training_stages(
    fork: Fork, trainer: str, config: Mapping[str, Any], *, dataset: str, seed: int, shots: int
) -> list[tuple[Command, str]]:
    """The commands of a training, one after the other, each with the words that are added to it."""
    found = []
    for step in config.get("steps") or [{}]:
        merged = {key: value for key, value in config.items() if key != "steps"} | step
        command = training_command(fork, step.get("trainer", trainer), merged, dataset=dataset, seed=seed, shots=shots)
        words = [config.get("opts", ""), step.get("opts", "")]
        found.append((command, " ".join(filter(None, words))))
    return found


def _trainer(fork: Fork, wanted: str) -> str:
    known = fork.trainers
    if wanted in known or (wanted and wanted in {"ZeroshotCLIP"}):
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


def fork_folders(methods: Iterable[str], overrides: Mapping[str, str]) -> dict[str, Path]:
    """Where workers find official code: the folder by the tree's digest, and what `overrides` say about its places.

    Args:
        methods: the methods as they were requested.
        overrides: values of the settings in `PLACES`.
    """
    found: dict[str, Path] = {}
    for text in filter(is_fork, methods):
        facts = fork_facts(text)
        found[facts.fork.tree] = facts.fork.folder
        if facts.adapter is not None:
            found[facts.adapter_digest] = facts.adapter
        for key, value in overrides.items():
            for number, part in enumerate(value.split(":") if key == "path" else [value]):
                found[f"{facts.fork.tree}.{key}.{number}"] = Path(part).expanduser()
    return found


def training_command(
    fork: Fork, trainer: str, config: Mapping[str, str], *, dataset: str, seed: int, shots: int
) -> Command:
    """The author's training command for a dataset: from a script, or as the user gave it.

    Args:
        config: the settings of the run.
        dataset: name of the dataset in the repository.

    Raises OfficialCodeError, listing what there is, if no command or more than one fits.
    """
    if config.get("command"):
        words = shlex.split(config["command"])
        if "--trainer" not in words:
            words += ["--trainer", trainer]
        folder = _folder_of(fork, words)
        return Command("", folder, tuple(words))
    stem = Path(fork.dataset_files.get(dataset, dataset)).stem
    if config.get("script"):
        return _scripted(fork, trainer, config["script"], config.get("args", ""), stem, seed, shots)
    raise OfficialCodeError(
        f"{fork.name}#{trainer} has no command: a script's arguments have no convention, so they are given, not "
        f"guessed. {_advice(fork, trainer, stem)}"
    )


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
        training_stages(fork, trainer, config, dataset=known, seed=1, shots=16)
    except OfficialCodeError as error:
        return str(error)
    return None


def dataset_here(fork: Fork, info: DatasetInfo, wanted: str = "") -> str:
    """The name by which a repository knows a dataset; `wanted` is one that the user gave. Raises OfficialCodeError."""
    coop_name = (info.split_file or info.name).removeprefix("split_zhou_").removesuffix(".json")
    return known_dataset(fork, info.name.partition(":")[0], info.title, coop_name, wanted)


def _scripted(fork: Fork, trainer: str, script: str, args: str, stem: str, seed: int, shots: int) -> Command:
    if script not in fork.files:
        hint = did_you_mean(script, shell_scripts(fork))
        raise OfficialCodeError(f"{fork.name} has no file {script!r}.{hint}")
    filled = args.replace("{dataset}", stem).replace("{seed}", str(seed)).replace("{shots}", str(shots))
    called = f"{script} {filled}".rstrip()
    found = [one for one in commands_of(fork, script, shlex.split(filled)) if one.trains]
    of_trainer = [one for one in found if one.option("--trainer") == trainer]
    if not of_trainer:
        others = sorted({one.option("--trainer") or "" for one in found})
        what = f"trains {', '.join(others)}" if others else "starts no training"
        raise OfficialCodeError(f"{called} {what}, not {trainer}.")
    whole = [one for one in of_trainer if one.whole]
    if not whole:
        raise OfficialCodeError(
            f"{called} leaves a variable empty: {shlex.join(of_trainer[0].argv)}. Give its "
            "arguments with --set 'fork.args=...'."
        )
    here = [one for one in whole if Path(one.option("--dataset-config-file") or "").stem == stem] or whole
    variants: dict[tuple[str, ...], Command] = {}
    for one in here:
        variants.setdefault(_settings_of(one), one)
    if len(variants) > 1:
        shown = "; ".join(shlex.join(words) for words in list(variants)[:2])
        raise OfficialCodeError(f"{called} starts {len(variants)} different trainings, such as {shown}. Give others.")
    return next(iter(variants.values()))


_OF_RUN = (
    "--root",
    "--seed",
    "--output-dir",
    "--dataset-config-file",
    "DATASET.NUM_SHOTS",
    "DATASET.SUBSAMPLE_CLASSES",
)


def _settings_of(command: Command) -> tuple[str, ...]:
    """The words of a command that do not belong to one dataset, seed or number of shots."""
    words, found = list(command.argv), []
    while words:
        word = words.pop(0)
        if word in _OF_RUN:
            words[:1] = []
        elif not any(word.startswith(f"{name}=") for name in _OF_RUN):
            found.append(word)
    return tuple(found)


def _advice(fork: Fork, trainer: str, stem: str) -> str:
    """The commands that the scripts of a repository have for a trainer, as settings."""
    for arguments in ([], [stem, "1"]):
        if any(one.option("--trainer") == trainer for one in published_trainings(fork, arguments)):
            return f"`etl-bench methods inspect {fork.folder}` lists its published commands with their settings."
    return "No script of it has one; give --set 'fork.command=train.py --config-file FILE ...'."


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
    command: Command, fork: Fork, *, dataset_file: str, seed: int, output: str, opts: Iterable[str]
) -> list[str]:
    """The words of a command with our dataset, seed and output folder, and with more settings at its end."""
    words = list(_without(command.argv, ("--root", "--seed", "--output-dir", "--dataset-config-file")))
    first = next(
        (i for i, word in enumerate(words) if i and "." in word and word.partition(".")[0].isupper()), len(words)
    )
    file = str((fork.folder / dataset_file).relative_to(fork.folder)) if dataset_file else ""
    depth = "/".join([".."] * len(Path(command.folder).parts))
    named = ["--dataset-config-file", f"{depth}/{file}" if depth else file] if file else []
    ours = ["--root", output, "--seed", str(seed), "--output-dir", output, *named]
    return [*words[:first], *ours, *words[first:], *opts]


def _without(words: Iterable[str], options: tuple[str, ...]) -> Iterable[str]:
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in options:
            skip = True
        elif not any(word.startswith(f"{name}=") for name in options):
            yield word


def known_dataset(fork: Fork, name: str, title: str, coop_name: str, wanted: str = "") -> str:
    """The name by which a repository knows a dataset; raises OfficialCodeError, listing its names, if none fits."""
    from bench.results import simplified

    known = {simplified(key): key for key in fork.dataset_files} | {
        simplified(Path(file).stem): key for key, file in fork.dataset_files.items()
    }
    for text in [wanted] if wanted else [name, coop_name, title]:
        if (found := known.get(simplified(text))) is not None:
            return found
    listed = some(sorted(fork.dataset_files), 15)
    what = f"knows no dataset {wanted!r}" if wanted else f"does not know {name}"
    first = min(fork.dataset_files, default="EuroSAT")
    raise OfficialCodeError(
        f"{fork.name} {what}; it looks up templates and texts by the dataset's name. Give one of its names, as in "
        f"--set fork.dataset={first}: {listed or 'it has none'}."
    )
