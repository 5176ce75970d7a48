"""One run of official code: its command on a copy of its files, with our images, draw and weights, to a record."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import re
import shlex
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.context import RunContext
from bench.errors import StaleSpecError
from bench.experiment import OPEN, external_record, gpu_facts, load_task
from bench.extensions.forks.adapter_files import read_adapter
from bench.extensions.forks.errors import OfficialCodeError
from bench.extensions.forks.failures import reason
from bench.extensions.forks.fork_commands import dataset_here, training_stages, training_words
from bench.extensions.forks.fork_folder import Fork
from bench.extensions.forks.guarded import Program, run_guarded
from bench.extensions.forks.published_commands import Command
from bench.extensions.forks.sent_checkout import read_checkout
from bench.extensions.forks.served_data import (
    ClassLists,
    backbone_of,
    class_lists,
    process_folder,
    served_weights,
    target_lists,
)
from bench.record import ExternalCode, Predictions, Provenance, RunRecord
from bench.results import collect_provenance
from bench.spec import ExperimentSpec, external_parts
from datasets_registry import EvalProtocol, FewShotTask, foreign_files, get_dataset, last_fingerprint, read_npz
from methods import Backbone

_LOG = logging.getLogger("bench.extensions.forks")
_PASSED = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "SYSTEMROOT", "TMPDIR")
"""Variables of the user's environment that official code receives."""
_STEP = re.compile(r"\{(step\d+)\}")
_NO_SCORES = 3
"""Exit code of the runner if the code ended without an evaluation of all test images."""
_LOG_READ = 2**20
"""Bytes at the end of a log that are searched for the reason of a failure."""
_TAIL = 20
"""Last lines of a log in a failed run."""
_ASKED = re.compile(r"(ViT-[BL]-\d+(?:-336px)?|RN\d+(?:x\d+)?)\.pt$")
_EPOCH_FILE = re.compile(r"model\.pth\.tar-(\d+)$")


def run_official_code(
    spec: ExperimentSpec, context: RunContext, *, epochs: int | None = None, runners: Path | None = None
) -> tuple[RunRecord, list[Predictions]]:
    """Carry out one run of official code; returns its record and predictions as `run_experiment` does.

    Args:
        epochs: the most epochs, for a trial; None for the author's.
        runners: folder with other runners in the place of `foreign/`, for comparisons that record more.

    Raises:
        StaleSpecError: if the data or the code have changed since the run was planned.
        OfficialCodeError: if the code ends without scores of all test images, or used other weights than ours.
    """
    with tempfile.TemporaryDirectory(prefix="etl-bench-run-", dir=process_folder()) as work:
        return _ForkRun(spec, context, Path(work), epochs, runners).carried_out()


@dataclass
class _Observed:
    """What the processes of a run noted: the facts of the training, and of all of them together."""

    facts: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    stand_ins: list[str] = field(default_factory=list)
    filled_in: list[str] = field(default_factory=list)


class _ForkRun:
    """A run in a folder of its own, with a copy of the code; `command` and `opts` are those of the last stage."""

    def __init__(
        self, spec: ExperimentSpec, context: RunContext, work: Path, epochs: int | None, runners: Path | None
    ) -> None:
        self.spec, self.context, self.config, self.epochs = spec, context, spec.config, epochs
        self.runners = runners or resources.files(__package__).joinpath("foreign")
        self.work, self.copy, self.output = work, work / "repository", work / "output"
        parts = external_parts(spec.method)
        self.title = parts[0] if parts else spec.method
        self.fork = self._fork()
        self.task: FewShotTask = load_task(spec, context)
        self.backbone: Backbone = backbone_of(spec, context)
        self.weights = served_weights(spec, self.backbone)
        self.info = get_dataset(spec.dataset)
        self.observed = _Observed()
        self.log = self._log_path()
        self.command: list[str] = []
        self.opts = ""

    def _fork(self) -> Fork:
        tree = self.config["tree"]
        folder = self.context.files.get(tree)
        if folder is None:
            raise StaleSpecError(f"This run needs the code of {self.title}; give it again with -m fork:PATH.")
        fork = read_checkout(folder)
        if fork.tree != tree:
            raise StaleSpecError(f"The code in {folder} changed since this run was planned; plan it again.")
        return fork

    def _log_path(self) -> Path:
        place = self.context.checkpoints
        folder = process_folder() if place is None else place.parent / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{self.spec.run_id}.official.log"

    def _place(self, key: str) -> list[str]:
        start = f"{self.config['tree']}.{key}."
        found = {name: path for name, path in self.context.files.items() if name.startswith(start)}
        return [str(found[name]) for name in sorted(found)]

    def carried_out(self) -> tuple[RunRecord, list[Predictions]]:
        """Train, evaluate on every split, and make the record."""
        self.log.write_text("")
        self.fork.copy_to(self.copy)
        self._add_vocabulary()
        self.output.mkdir()
        lists = class_lists(self.task, self.spec, self.context)
        scores = self._adapted(lists) if "adapter" in self.config else self._trained(lists)
        loss = self.observed.facts.get("last_loss")
        final = loss if loss is not None and math.isfinite(loss) else None
        return external_record(self.spec, self.task, scores, self._provenance(), final)

    def _add_vocabulary(self) -> None:
        """CLIP's vocabulary beside each copy of its tokenizer, since some authors do not commit it."""
        for module in self.copy.rglob("simple_tokenizer.py"):
            place = module.with_name("bpe_simple_vocab_16e6.txt.gz")
            if place.name in module.read_text(errors="replace") and not place.exists():
                place.write_bytes(resources.files("open_clip").joinpath(place.name).read_bytes())
                self.observed.filled_in.append(place.relative_to(self.copy).as_posix())

    def _trained(self, lists: Mapping[str, ClassLists]) -> dict[str, NDArray[np.float64]]:
        """The scores of a Dassl trainer on every split."""
        halves = self.spec.protocol is EvalProtocol.BASE_TO_NEW
        first = "base" if halves else "all"
        dataset = dataset_here(self.fork, self.info, self.config.get("dataset", ""))
        stages = training_stages(
            self.fork,
            self.config["trainer"],
            self.config,
            dataset=dataset,
            seed=self.spec.seed,
            shots=self.spec.shots,
            classes=len(self.task.support.classes.names),
        )
        for number, step in enumerate(stages[:-1], 1):
            place = self.work / f"step{number}"
            place.mkdir()
            for one in step:
                words = self._words(one.command, dataset, first, one.opts, place) if one.trains else one.command.argv
                words = [self._with_steps(word) for word in words]
                self._process(one.command, words, lists, f"step {number}", stage=True)
        ((last,),) = stages[-1:]
        command, self.opts = last.command, last.opts
        words = self._words(command, dataset, first, self.opts, self.output)
        scores = {self.task.evals[0].name: self._process(command, words, lists, "train")}
        self.command = words
        if halves:
            scores["new"] = self._evaluated(command, dataset, "new", lists)
            if (found := self._open(command, dataset, lists)) is not None:
                scores[OPEN] = found
        for split in self.task.evals[1:] if self.spec.targets else ():
            target = dataset_here(self.fork, get_dataset(split.name))
            lists = target_lists(split, split.name, self.context)
            scores[split.name] = self._evaluated(command, target, "all", lists)
        return scores

    def _words(
        self, command: Command, dataset: str, part: str, added: str, output: Path, more: Sequence[str] = ()
    ) -> list[str]:
        """The words of a training; {step1} is the output folder of the first step."""
        size = self.backbone.image_size
        opts = ["DATASET.NUM_SHOTS", str(self.spec.shots), "DATASET.SUBSAMPLE_CLASSES", part]
        opts += [] if size == 224 else ["INPUT.SIZE", f"({size}, {size})"]
        opts += shlex.split(added)
        opts += [] if self.epochs is None else ["OPTIM.MAX_EPOCH", str(self.epochs)]
        words = training_words(
            command,
            dataset_file=self.fork.dataset_files[dataset],
            seed=self.spec.seed,
            shots=self.spec.shots,
            output=str(output),
            opts=opts,
        )
        return [self._with_steps(word) for word in (words[0], *more, *words[1:])]

    def _with_steps(self, word: str) -> str:
        """A word with the folder of a step in the place of {step1}."""
        return _STEP.sub(lambda found: str(self.work / found[1]), word)

    def _evaluated(
        self, command: Command, dataset: str, part: str, lists: Mapping[str, ClassLists]
    ) -> NDArray[np.float64]:
        """The scores of the trained model on other classes or data: the repository's own evaluation."""
        epochs = [
            int(match[1]) for file in self.output.rglob("model.pth.tar-*") if (match := _EPOCH_FILE.search(file.name))
        ]
        more = ["--eval-only", "--model-dir", str(self.output)]
        more += ["--load-epoch", str(max(epochs))] if epochs else []
        elsewhere = self.work / f"evaluation-{part}-{dataset}"
        words = self._words(command, dataset, part, self.opts, elsewhere, more)
        return self._process(command, words, lists, f"{part}-{dataset}", part=part)

    def _open(self, command: Command, dataset: str, lists: Mapping[str, ClassLists]) -> NDArray[np.float64] | None:
        """The scores of all images among all names; None if the repository cannot give them."""
        try:
            return self._evaluated(command, dataset, "all", lists)
        except OfficialCodeError as error:  # such as a vocabulary that is tied to one half
            _LOG.warning("%s has no open score: %s", self.spec.label(), error)
            return None

    def _process(
        self,
        command: Command,
        words: Sequence[str],
        lists: Mapping[str, ClassLists],
        name: str,
        part: str | None = None,
        *,
        stage: bool = False,
    ) -> NDArray[np.float64]:
        """The scores that a command gives for the test images of a class set; optional for an earlier stage."""
        scores_file = self.work / f"{name}.npz"
        more = {"folder": command.folder, "argv": list(words), "scores": str(scores_file)}
        code, facts = self._ran("fork_side.py", lists, name, more)
        if part is None:
            self.observed.facts = facts
        if stage and code == _NO_SCORES and "error" not in facts:
            return np.zeros((0, 0))
        if code or not scores_file.exists():
            raise self._failure(code, name, facts)
        self._check(facts)
        return self._read_scores(scores_file, lists[part or next(iter(lists))], name)

    def _adapted(self, lists: dict[str, ClassLists]) -> dict[str, NDArray[np.float64]]:
        """The scores of the user's adapter on every split."""
        adapter = self.context.files.get(self.config["adapter"])
        if adapter is None:
            raise StaleSpecError(f"This run needs the adapter of {self.title}; give it again with -m adapter:FILE.")
        if hashlib.sha256(adapter.read_bytes()).hexdigest()[:32] != self.config["adapter"]:
            raise StaleSpecError(f"The adapter {adapter} changed since this run was planned; plan it again.")
        for split in self.task.evals[1:] if self.spec.targets else ():
            lists |= {split.name: target_lists(split, split.name, self.context)["all"]}
        place = self.work / "scores"
        place.mkdir()
        more = {
            "folder": "",
            "argv": [],
            "adapter": str(adapter),
            "parts": list(lists),
            "optional": ["all"] if self.spec.protocol is EvalProtocol.BASE_TO_NEW else [],
            "seed": self.spec.seed,
            "shots": self.spec.shots,
            "size": self.backbone.image_size,
            "template": self.info.template,
            "scores": str(place),
        }
        self.command = [f"adapter {adapter.name}"]
        code, facts = self._ran("adapter_side.py", lists, "adapter", more)
        self.observed.facts = facts
        if code:
            raise self._failure(code, "adapter", facts)
        self._check(facts)
        found = {}
        for part in lists:
            if (file := place / f"{part}.npz").exists():
                optional = part == "all" and self.spec.protocol is EvalProtocol.BASE_TO_NEW
                found[OPEN if optional else part] = self._read_scores(file, lists[part], part)
        return found

    def _ran(
        self, runner: str, lists: Mapping[str, ClassLists], name: str, more: Mapping[str, Any]
    ) -> tuple[int, dict[str, Any]]:
        """Run a job in the code's own Python; returns the exit code and what the runner noted."""
        files = {key: self.work / f"{name}.{key}.json" for key in ("images", "job", "facts")}
        files["images"].write_text(json.dumps(lists))
        job = {
            "repo": str(self.copy),
            "path": self._imports(),
            "fill": self._place("path"),
            "images": str(files["images"]),
            "weights": str(self.weights),
            "cuda": self.context.device.startswith("cuda"),
            "threads": self.context.threads,
            "facts": str(files["facts"]),
        }
        job |= {} if self.epochs is None else {"epochs": self.epochs}
        files["job"].write_text(json.dumps(job | dict(more)))
        code = self._started(files["job"], runner)
        facts: dict[str, Any] = foreign_files.read_json(files["facts"]) if files["facts"].exists() else {}
        self.observed.seconds += facts.get("seconds", 0.0)
        for noted, kept in (("stand_ins", self.observed.stand_ins), ("filled_in", self.observed.filled_in)):
            kept += [one for one in facts.get(noted, ()) if one not in kept]
        return code, facts

    def _read_scores(self, file: Path, lists: ClassLists, name: str) -> NDArray[np.float64]:
        try:
            scores = read_npz(file)["scores"].astype(np.float64)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise OfficialCodeError(f"{self.title} ({name}) wrote scores that cannot be read: {error}.") from error
        return self._fitting(scores, lists, name)

    def _imports(self) -> list[str]:
        own = self.fork.vendored_dassl
        return [*([str(self.copy / own)] if own is not None else []), *self._place("path")]

    def _started(self, job: Path, name: str) -> int:
        """Run the runner in the code's own Python; its output goes to the log. Returns the exit code."""
        runner = self.runners.joinpath(name)
        python = next(iter(self._place("python")), sys.executable)
        environment = {name: os.environ[name] for name in _PASSED if name in os.environ}
        environment |= {
            "HOME": str(self.work),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPYCACHEPREFIX": str(self.work / "compiled"),  # compiled files beside the sources are not read
            "PYTHONUNBUFFERED": "1",  # the log can be read while the code runs
            "OMP_NUM_THREADS": str(self.context.threads),
        }
        with resources.as_file(runner) as file:
            command = [python, "-W", "ignore", str(file), str(job)]
            (code,) = run_guarded([Program(command, str(self.copy), environment, log=str(self.log))])
        if isinstance(code, str):
            raise OfficialCodeError(f"{python} cannot be started: {code}. Give another --set fork.python.")
        assert code is not None
        return code

    def _failure(self, code: int, name: str, facts: Mapping[str, Any]) -> OfficialCodeError:
        text = _end_of(self.log)
        why = reason(facts, code, text, self.fork.files, self.fork.empty_submodules)
        error = OfficialCodeError(f"{self.title} ({name}): {why} Its log: {self.log}")
        error.__cause__ = EndOfLogError("\n".join(text.splitlines()[-_TAIL:]))
        return error

    def _check(self, facts: Mapping[str, Any]) -> None:
        """Raise OfficialCodeError if the code used other weights than ours."""
        asked = facts["weights_asked"]
        if not asked:
            raise OfficialCodeError(
                f"{self.title} never asked for CLIP's weights as OpenAI's code does, so its weights are unknown."
            )
        arch = (self.spec.backbone.rpartition(".")[0] or self.spec.backbone).removesuffix("-quickgelu")
        wanted = {match[1].removesuffix("px") for name in asked if (match := _ASKED.search(name))}
        if arch.startswith(("ViT-B-", "ViT-L-", "RN")) and wanted - {arch}:
            other = sorted(wanted - {arch})[0]
            raise OfficialCodeError(
                f"{self.title} asks for {other}, and the run is on {self.spec.backbone}. Use -b {other}.openai, or set "
                "MODEL.BACKBONE.NAME with --set 'fork.opts=...'."
            )

    def _fitting(self, scores: NDArray[np.float64], lists: ClassLists, name: str) -> NDArray[np.float64]:
        n, classes = len(lists["test"]), len({label for _, label, _ in lists["train"]})
        if scores.shape != (n, classes):
            raise OfficialCodeError(
                f"{self.title} ({name}) gave scores of shape {scores.shape} for {n} images of {classes} classes."
            )
        if not np.isfinite(scores).all():
            bad = int((~np.isfinite(scores).all(axis=1)).sum())
            raise OfficialCodeError(f"{self.title} ({name}): the scores of {bad} of {n} images are not finite.")
        return scores

    def _provenance(self) -> Provenance:
        facts, support = self.observed.facts, self.task.support
        made = collect_provenance(
            method=self.spec.method,
            backbone_digest=self.backbone.digest,
            support_digests=[support.images.digest(sample.key) for sample in support.samples],
            true_labels=self.task.relabelled,
            device=self.context.device,
            threads=self.context.threads,
            dataset_check=last_fingerprint(self.spec.dataset, self.context.data_root),
            gpu=gpu_facts(self.backbone.device),
        )
        described = ExternalCode(
            title=self.title,
            repository=self.fork.repository,
            commit=self.fork.commit,
            changed_files=list(self.fork.changed_files),
            command=self._public(self.command),
            torch=facts.get("torch", ""),
            weights_asked=sorted(set(facts["weights_asked"])),
            weights_proved=True,
            images_proved=not facts["own_draw"] and not facts["other_images"],
            stand_ins=self.observed.stand_ins,
            filled_in=self.observed.filled_in,
            test_evaluations=sum(one["is_test"] for one in facts["evaluations"]),
            own_draw=bool(facts["own_draw"]) if facts["own_draw"] is not None else None,
            trained_values=facts["trained_values"],
            uses=self._uses(),
            seconds=self.observed.seconds,
            full_precision=facts["full_precision"],
        )
        return made.model_copy(update={"external": described})

    def _uses(self) -> list[str] | None:
        """What the adapter states that it sees besides the labelled images; None if it states nothing."""
        if "adapter" not in self.config:
            return None
        stated = read_adapter(self.context.files[self.config["adapter"]]).uses
        return None if stated is None else list(stated)

    def _public(self, words: Sequence[str]) -> str:
        """The command without folders of this machine."""
        text = " ".join(words)
        for folder, name in ((self.output, "OUTPUT"), (self.copy, "REPOSITORY"), (self.work, "WORK")):
            text = text.replace(str(folder), name)
        return text


def _end_of(log: Path) -> str:
    """The end of a log, at most 1 MiB."""
    with log.open("rb") as file:
        file.seek(max(log.stat().st_size - _LOG_READ, 0))
        return file.read(_LOG_READ).decode(errors="replace")


class EndOfLogError(Exception):
    """The last lines of the log of official code."""
