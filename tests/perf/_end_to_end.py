"""A sweep of whole jobs, in one command and as plain jobs in a process each: CPU seconds and equal predictions."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _commands import ROOT, cpu_seconds, in_turns
from _table import Goal, Row
from safetensors.numpy import load_file

from bench.results.shards import Shards
from bench.spec import ExperimentSpec
from bench.sweep import SweepRequest, expand

ONE_THREAD = {"OMP_NUM_THREADS": "1"}
JOBS = 2


@dataclass(frozen=True)
class Sweep:
    """A sweep over methods and seeds, as options of `etl-bench run`."""

    work: str
    goal: Goal
    options: tuple[str, ...]

    def specs(self) -> Sequence[ExperimentSpec]:
        given = dict(zip(self.options[::2], self.options[1::2], strict=True))
        request = SweepRequest.build(**{name.lstrip("-").replace("-", "_"): value for name, value in given.items()})
        return expand(request).specs


FOUR = ("--methods", "coop,kgcoop,clip_adapter,apex", "--seeds", "1,2,3")
SWEEPS = {
    "sweep_fresh": Sweep(
        "CoOp, KgCoOp, CLIP-Adapter, APEX x 3 seeds, fresh views, small CLIP", Goal(),
        (*FOUR, "--datasets", "spectrum_basic", "--shots", "4", "--protocol", "few-shot"),
    ),
    "sweep_demo": Sweep(
        "CoOp, KgCoOp, CLIP-Adapter, APEX x 3 seeds, five views, small CLIP", Goal(at_least=4),
        (*FOUR, "--datasets", "spectrum_basic", "--shots", "4", "--protocol", "few-shot", "--recipe", "demo"),
    ),
}  # fmt: skip


def sweep_row(name: str, repeats: int = 3) -> Row:
    """CPU seconds of a whole sweep in empty folders, start-up included."""
    sweep = SWEEPS[name]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for spec in sweep.specs():
            (place / f"{spec.run_id}.json").write_text(spec.model_dump_json(), encoding="utf-8")
        counts = iter(range(repeats))

        def ours() -> float:
            here = place / f"ours{next(counts)}"
            where = ("--runs", str(here / "runs"), "--cache", str(here / "cache"), "--jobs", str(JOBS))
            return cpu_seconds(["-m", "bench", "run", *sweep.options, *where], env=ONE_THREAD)

        def plain() -> float:
            with ThreadPoolExecutor(JOBS) as pool:
                return sum(pool.map(_plain_job, sorted(place.glob("*.json"))))

        seconds = in_turns([ours, plain], repeats)
        alike, worst = _compare(place, Shards(place / "ours0" / "runs"))
    return Row(sweep.work, sweep.goal, *seconds, difference=worst, note=f"CPU seconds; {alike}")


def _plain_job(spec: Path) -> float:
    job = ROOT / "tests" / "perf" / "plain_job.py"
    return cpu_seconds([str(job), str(spec), str(spec.with_suffix(".safetensors"))], env=ONE_THREAD)


def _compare(place: Path, shards: Shards) -> tuple[str, float]:
    """How many predictions of both sides are alike, and the largest relative difference of the true class's logits."""
    alike = total = 0
    worst = 0.0
    for spec in sorted(place.glob("*.json")):
        shard = shards.read(spec.stem)
        assert shard is not None
        logits = load_file(spec.with_suffix(".safetensors"))
        for ours in shard.predictions:
            theirs = logits[ours.split]
            alike += int((theirs.argmax(axis=1) == ours.predicted).sum())
            total += len(theirs)
            true = theirs[np.arange(len(theirs)), ours.label]
            worst = max(worst, float(np.abs(true - ours.true_logit).max() / np.abs(true).max()))
    return f"{alike:,} of {total:,} predictions alike", worst
