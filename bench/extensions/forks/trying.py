"""What users do with official code: inspect a repository, allow it to run, and try it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from bench.api import DEMO_BACKBONE
from bench.api import options as opt

Places = Annotated[
    Sequence[str], opt.Opt("fork.python, fork.path or fork.steps, as you will give them to `run`. Repeatable.", "--set")
]


@dataclass(frozen=True)
class InspectedCode:
    """What official code has and lacks.

    Args:
        facts: the commit, trainers and datasets by name.
        commands: one row for each published training command, with the settings that call it.
        findings: what it lacks, each with its remedy.
        next: the next step, one line.
    """

    facts: Mapping[str, object]
    commands: Sequence[Mapping[str, str]]
    findings: Sequence[Mapping[str, str]]
    next: str

    def as_json(self) -> dict[str, Any]:
        """All fields as JSON values."""
        return asdict(self)


def inspect_official_code(
    path: Annotated[Path | str, opt.Arg("A clone of the authors' repository.")],
    *,
    settings: Places = (),
) -> InspectedCode:
    """What a clone of the authors' repository has and lacks; nothing of it runs before it is trusted.

    `settings` as of `trust_official_code`; the Python is not started.

    Raises OfficialCodeError if there is no git repository at `path`.
    """
    from bench.extensions.forks.inspection import inspect_fork
    from datasets_registry import some

    found = inspect_fork(Path(path), _places(settings))
    fork = found.code.fork
    changed = f", {len(fork.changed_files)} changed files" if fork.changed_files else ""
    trained = {one.trainer for one in found.commands}
    trainers = sorted(found.trainers, key=lambda name: (name not in trained, name))
    facts = {
        "repository": fork.repository or fork.name,
        "commit": f"{fork.commit[:12]}{changed}",
        "trainers": ", ".join(trainers) or "none",
        "datasets": some(found.datasets, 30) or "none",
        "trusted": "yes" if found.trusted else "no, so scripts are read as text",
    }
    commands = [{"trainer": one.trainer, "settings": one.settings, "command": one.shown} for one in found.commands]
    findings = [{"problem": one.problem, "remedy": one.remedy} for one in found.findings]
    if not trainers:
        step = "Without a trainer it cannot be run."
    elif not found.trusted:
        step = f"next: read the code, then etl-bench methods trust {found.code.words}"
    else:
        step = (
            f"next: etl-bench run -m fork:{fork.folder}#{trainers[0]} -d DATASET --shots 16 --seeds 3 and the settings "
            "above"
        )
    return InspectedCode(facts, commands, findings, step)


@dataclass(frozen=True)
class TriedCode:
    """A short training of official code on synthetic images, done twice.

    Args:
        seconds: of the first one, with the start of its Python.
        images: test images.
        differing: images that the two repetitions predict differently.
        notes: what was observed, one sentence each.
    """

    seconds: float
    images: int
    differing: int
    notes: Sequence[str]


def try_official_code(
    method: Annotated[str, opt.Arg("fork:PATH#Trainer, or adapter:FILE.")],
    *,
    settings: Annotated[Sequence[str], opt.Opt("As in `run`, such as fork.script=FILE. Repeatable.", "--set")] = (),
    backbone: Annotated[
        str, opt.Opt("As in `run`. Code with the sizes of ViT-B/16 in it needs that one.", "-b")
    ] = DEMO_BACKBONE,
    device: opt.Device = "auto",
) -> TriedCode:
    """Train official code for one epoch on synthetic images, twice with the same seed, and compare its predictions.

    Raises OfficialCodeError, with the reason, if it does not run.
    """
    import numpy as np

    from bench.extensions.forks.fork_method import fork_facts
    from bench.extensions.forks.fork_run import run_official_code
    from bench.sweep import SweepRequest, context_of, expand

    known = fork_facts(method).fork.dataset_files
    named = any(text.startswith("fork.dataset=") for text in settings)
    as_known = [] if named or not known else [f"fork.dataset={'EuroSAT' if 'EuroSAT' in known else min(known)}"]
    request = SweepRequest.build(
        methods=[method], datasets=[_TRIED], shots=["1"], seeds=["1"], protocol="few-shot", backbones=[backbone],
        overrides=[*settings, *as_known], device=device,
    )  # fmt: skip
    spec, context = expand(request).specs[0], context_of(request, 1)
    record, first = run_official_code(spec, context, epochs=1)
    _, second = run_official_code(spec, context, epochs=1)
    found = record.provenance.external
    assert found is not None
    notes = []
    if found.own_draw:
        notes.append("It trains on other images or labels than our draw, which its runs will say.")
    if found.test_evaluations > 1:
        notes.append(f"It evaluates the test images {found.test_evaluations} times, which its runs will say.")
    if found.stand_ins:
        notes.append(f"Absent and replaced: {', '.join(found.stand_ins)}.")
    differing = int(np.sum(first[0].predicted != second[0].predicted))
    return TriedCode(found.seconds or 0.0, len(first[0].images), differing, notes)


_TRIED = "spectrum_basic:test=2"
"""Dataset of a trial: two test images of each of 24 classes."""


def trust_official_code(
    code: Annotated[str | Path, opt.Arg("A clone of the authors' repository, or adapter:FILE.")],
    *,
    settings: Places = (),
) -> str:
    """Allow code of others to run with the user's rights, as it is now; returns a line that says so.

    Raises OfficialCodeError for what does not exist, or a setting that names no code.
    """
    from bench.extensions.forks.fork_method import runnable_code
    from bench.extensions.forks.trust import trust_code

    trusted = runnable_code(str(code), _places(settings))
    trust_code(trusted)
    return f"{trusted.what} may run with your rights."


def _places(settings: Sequence[str]) -> dict[str, str]:
    """What `--set` gives for the settings of `RUNNABLE`; raises OfficialCodeError for another one."""
    from bench.extensions.forks.errors import OfficialCodeError
    from bench.extensions.forks.fork_method import RUNNABLE

    places = dict(text.partition("=")[::2] for text in settings)
    allowed = {f"fork.{key}": key for key in RUNNABLE}
    if unknown := [name for name in places if name not in allowed]:
        raise OfficialCodeError(
            f"--set {unknown[0]} names no code that would run. Give these of `run`: {', '.join(allowed)}."
        )
    return {allowed[name]: value for name, value in places.items()}
