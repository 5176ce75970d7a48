"""Official code of methods: inspect a repository, and allow it to run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


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
    path: str | Path, *, python: str | Path | None = None, imports: Sequence[str | Path] = ()
) -> InspectedCode:
    """What a clone of the authors' repository has and lacks; trains nothing.

    Args:
        python: the Python of the code's own environment; by default this one.
        imports: folders from which it imports, such as a clone of Dassl.

    Raises OfficialCodeError if there is no git repository at `path`.
    """
    from bench.experiment.official_code import inspect_fork, is_trusted
    from datasets_registry import some

    found = inspect_fork(Path(path), None if python is None else Path(python), [Path(one) for one in imports])
    fork = found.fork
    changed = f", {len(fork.changed_files)} changed files" if fork.changed_files else ""
    trained = {one.trainer for one in found.commands}
    trainers = sorted(found.trainers, key=lambda name: (name not in trained, name))
    facts = {
        "repository": fork.repository or fork.name,
        "commit": f"{fork.commit[:12]}{changed}",
        "trainers": ", ".join(trainers) or "none",
        "datasets": some(found.datasets, 30) or "none",
        "trusted": "yes" if is_trusted(fork) else "no",
    }
    commands = [{"trainer": one.trainer, "settings": one.settings, "command": one.shown} for one in found.commands]
    findings = [{"problem": one.problem, "remedy": one.remedy} for one in found.findings]
    if not trainers:
        step = "Without a trainer it cannot be run."
    elif not is_trusted(fork):
        step = f"next: read the code, then etl-bench methods trust {path}"
    else:
        step = (
            f"next: etl-bench run -m fork:{path}#{trainers[0]} -d DATASET --shots 16 --seeds 3 and the settings above"
        )
    return InspectedCode(facts, commands, findings, step)


def trust_official_code(path: str | Path) -> str:
    """Allow the code in a checkout to run with the user's rights, as it is now; returns a line that says so."""
    from bench.experiment.official_code import trust

    fork = trust(Path(path))
    return f"{fork.name} at {fork.commit[:12]} may run with your rights."
