"""What users do with official code: see what it is and lacks, allow it to run, and try it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from bench.api import DEMO_BACKBONE
from bench.api import options as opt
from bench.extensions.forks.stated_texts import architecture

if TYPE_CHECKING:
    from bench.extensions.forks.inspection import InspectedCommand, InspectedFork

_COMMANDS = ("fork.script=", "fork.command=", "fork.steps=")
_TRIED = "spectrum_sketch:test=1"
"""Dataset of a trial: one test image of each of 12 classes."""


@dataclass(frozen=True)
class InspectedCode:
    """What official code is and lacks.

    Args:
        facts: what it is, its commit, trainers and datasets by name, and whether it is trusted.
        commands: one row for each published training command, with the settings that call it.
        findings: what it lacks, each with its remedy.
        tried: what a trial showed, one sentence each; empty without a trial.
        next: what to type next, one line.
    """

    facts: Mapping[str, object]
    commands: Sequence[Mapping[str, str]]
    findings: Sequence[Mapping[str, str]]
    tried: Sequence[str]
    next: str

    def as_json(self) -> dict[str, Any]:
        """All fields as JSON values."""
        return asdict(self)


def inspect_official_code(
    code: Annotated[
        str | Path, opt.Arg("A clone of the authors' repository, fork:PATH#Trainer, or adapter:FILE.", metavar="REPO")
    ],
    *,
    trust: Annotated[bool, opt.Opt("Allow the code to run with your rights, as it is now.")] = False,
    trial: Annotated[
        bool, opt.Opt("Train for one epoch on 12 synthetic images, twice, and compare the predictions.", "--try")
    ] = False,
    settings: Annotated[Sequence[str], opt.Opt("As in `run`, such as fork.path=FOLDER. Repeatable.", "--set")] = (),
    backbone: Annotated[
        str | None,
        opt.Opt("Of the trial, as in `run`. Default: the code's own, with random weights.", "-b"),
    ] = None,
    device: opt.Device = "auto",
) -> InspectedCode:
    """What official code is, whether it is trusted, what it lacks, and what to type next.

    Nothing of it runs before the user has trusted it, and nothing is trained without `trial`. Trust covers all that
    runs: the clone, the adapter, and what fork.python, fork.path and fork.steps name in `settings`.

    Raises OfficialCodeError for what does not exist, for an unknown setting, and for a trial that fails.
    """
    from bench.extensions.forks.fork_method import checked_settings, runnable_code
    from bench.extensions.forks.inspection import inspect_code
    from bench.extensions.forks.trust import check_trusted, trust_code

    given = checked_settings(settings)
    runnable = runnable_code(str(code), given)
    if trust:
        trust_code(runnable)
    found = inspect_code(runnable)
    asked = str(code).partition("#")[2]
    best = _best(found, asked)
    shown = _Shown(found, best, asked, [f"fork.{key}={value}" for key, value in given.items()])
    tried: list[str] = []
    if trial:
        check_trusted(runnable)
        tried = _tried(shown, backbone or _random(best), device)
    return InspectedCode(shown.facts, shown.commands, shown.findings, tried, shown.next(tried=bool(tried)))


def _best(found: InspectedFork, asked: str) -> InspectedCommand | None:
    """The command to try first: of the trainer that was asked for, or of one that is the repository's own."""
    from bench.results import known_methods, with_title

    own = known_methods().infos()
    usable = [one for one in found.commands if one.trainer in ([asked] if asked else found.trainers)]
    return min(
        usable,
        key=lambda one: (with_title(one.trainer, own) is not None, not one.is_ready, "{dataset}" not in one.args),
        default=None,
    )


def _random(best: InspectedCommand | None) -> str:
    """The backbone of a trial: that of the command's settings file, with random weights."""
    from methods import known_architectures

    arch = f"{architecture(best.backbone)}-quickgelu" if best else ""
    return f"{arch}.random" if arch in known_architectures() else DEMO_BACKBONE


@dataclass(frozen=True)
class _Shown:
    """What is shown of a repository; `asked` is the trainer that was asked for, `given` the values of `--set`."""

    found: InspectedFork
    best: InspectedCommand | None
    asked: str
    given: Sequence[str]

    @property
    def facts(self) -> dict[str, object]:
        from bench.extensions.forks.inspection import trainers_text
        from datasets_registry import some

        code = self.found.code
        fork = code.fork
        changed = f", {len(fork.changed_files)} changed files" if fork.changed_files else ""
        if code.adapter is not None:
            what = f"an adapter, {code.adapter.name}"
        else:
            what = "code on Dassl" if self.found.trainers else "code without a Dassl trainer"
        return {
            "what": what,
            "repository": fork.repository or fork.name,
            "commit": f"{fork.commit[:12]}{changed}",
            "trainers": trainers_text(self.found),
            "datasets": some(self.found.datasets, 30) or "none",
            "trusted": "yes" if self.found.trusted else "no, so its scripts are read as text",
        }

    @property
    def commands(self) -> list[dict[str, str]]:
        return [{"trainer": one.trainer, "settings": one.settings, "command": one.shown} for one in self.found.commands]

    @property
    def findings(self) -> list[dict[str, str]]:
        found = [{"problem": one.problem, "remedy": one.remedy} for one in self.found.findings]
        if self.best is None or self.best.overrides[0] not in self.overrides:
            return found
        return [*found, *({"problem": f"{self.best.script}: {note}", "remedy": ""} for note in self.best.notes)]

    @property
    def method(self) -> str:
        """The code as `run -m` takes it."""
        code = self.found.code
        if code.adapter is not None:
            return f"adapter:{code.adapter}"
        trainer = self.asked or (self.best.trainer if self.best else next(iter(self.found.trainers), ""))
        return f"fork:{code.fork.folder}#{trainer}"

    @property
    def overrides(self) -> list[str]:
        """The settings of a run: those that were given, and those of the command where none was."""
        named = any(one.startswith(_COMMANDS) for one in self.given)
        added = () if named or self.best is None or self.found.code.adapter is not None else self.best.overrides
        return [*added, *self.given]

    def next(self, *, tried: bool) -> str:
        """What to type next."""
        from bench.extensions.forks.script_arguments import open_places

        code, fork = self.found.code, self.found.code.fork
        if code.adapter is None and not (self.found.trainers and self.found.datasets):
            return "next: write an adapter, or import predictions: etl-bench doctor docs forks"
        if (place := self.found.dassl_place) is not None:
            from bench.extensions.forks.inspection import DASSL

            clone = "" if place.exists() else f"git clone {DASSL} {shlex.quote(str(place))} && "
            path = shlex.join(["--set", f"fork.path={place}"])
            return f"next, after you have read the code: {clone}etl-bench methods inspect {code.words} {path} --trust"
        if not self.found.trusted:
            return f"next, after you have read the code: etl-bench methods inspect {code.words} --trust"
        overrides, first = list(self.overrides), "next"
        if code.adapter is None and not any(one.startswith(_COMMANDS) for one in overrides):
            overrides, first = ["fork.command=COMMAND", *overrides], "next, with its training command for COMMAND"
        elif open_ := dict.fromkeys(open_places(" ".join(overrides))):
            first = f"next, with a value for {', '.join(f'{{{name}}}' for name in open_)}"
        words = [self.method, *(word for one in overrides for word in ("--set", one))]
        if not tried:
            return f"{first}: {shlex.join(['etl-bench', 'methods', 'inspect', *words, '--try'])}"
        backbone = f"{architecture((self.best and self.best.backbone) or 'ViT-B/16')}.openai"
        here = ["-d", _dataset(fork.dataset_files), "--shots", "16", "--seeds", "3", "-b", backbone]
        return f"next: {shlex.join(['etl-bench', 'run', '-m', *words, *here])}"


def _dataset(known: Mapping[str, str]) -> str:
    """The name here of a dataset that a repository knows, EuroSAT if it is one."""
    from bench.results import simplified
    from datasets_registry import list_datasets

    here = {simplified(text): info.name for info in list_datasets() for text in (info.coop_name, info.title, info.name)}
    found = [here[simplified(name)] for name in known if simplified(name) in here]
    return "eurosat" if "eurosat" in found or not found else found[0]


def _tried(shown: _Shown, backbone: str, device: str) -> list[str]:
    """Train twice with the same seed, and say what was observed; raises OfficialCodeError, with the reason."""
    import numpy as np

    from bench.extensions.forks.fork_run import run_official_code
    from bench.sweep import SweepRequest, context_of, expand

    known = shown.found.code.fork.dataset_files
    named = any(text.startswith("fork.dataset=") for text in shown.given)
    as_known = [] if named or not known else [f"fork.dataset={'EuroSAT' if 'EuroSAT' in known else min(known)}"]
    request = SweepRequest.build(
        methods=[shown.method], datasets=[_TRIED], shots=["1"], seeds=["1"], protocol="few-shot", backbones=[backbone],
        overrides=[*shown.overrides, *as_known], device=device,
    )  # fmt: skip
    spec, context = expand(request).specs[0], context_of(request, 1)
    record, first = run_official_code(spec, context, epochs=1)
    _, second = run_official_code(spec, context, epochs=1)
    found = record.provenance.external
    assert found is not None
    images, differing = len(first[0].images), int(np.sum(first[0].predicted != second[0].predicted))
    same = "agree" if not differing else f"differ on {differing} of {images} images"
    lines = [
        f"It runs: scores of all {images} test images after {found.seconds or 0.0:.0f} seconds on {backbone}.",
        f"Two repetitions with one seed {same}.",
    ]
    if found.own_draw:
        lines.append("It trains on other images or labels than our draw, which its runs will say.")
    if found.test_evaluations > 1:
        lines.append(f"It evaluates the test images {found.test_evaluations} times, which its runs will say.")
    if found.stand_ins:
        lines.append(f"Absent and replaced: {', '.join(found.stand_ins)}.")
    return lines
