"""A sweep of whole jobs, in one command and as plain jobs in a process each: CPU seconds and equal predictions."""

from __future__ import annotations

import statistics
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from bench.results.shards import Shards
from bench.sweep import SweepRequest, expand
from tools.perf.commands import use
from tools.perf.table import Goal, Row

SWEEP = {
    "methods": "coop,kgcoop,clip_adapter,apex", "seeds": "1,2,3", "datasets": "spectrum_basic", "shots": "4",
    "protocol": "few-shot", "recipe": "demo",
}  # fmt: skip
JOBS = 2


def sweep_row(repeats: int = 3) -> Row:
    """CPU seconds of a whole sweep in empty folders, start-up included."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        specs = expand(SweepRequest.build(**SWEEP)).specs
        jobs = [place / f"{spec.run_id}.json" for spec in specs]
        for spec, job in zip(specs, jobs, strict=True):
            job.write_text(spec.model_dump_json(), encoding="utf-8")
        options = [text for name, value in SWEEP.items() for text in (f"--{name}", value)]

        def plain_job(job: Path) -> float:
            return use(["-m", "tools.perf.plain_job", str(job), str(job.with_suffix(".safetensors"))]).cpu

        turns = []
        for turn in range(repeats):
            where = ["--runs", str(place / f"runs{turn}"), "--cache", str(place / f"cache{turn}"), "--jobs", str(JOBS)]
            with ThreadPoolExecutor(JOBS) as pool:
                turns.append((use(["-m", "bench", "run", *options, *where]).cpu, sum(pool.map(plain_job, jobs))))
        alike, total, worst = compared(jobs, Shards(place / "runs0"))
    ours, plain = (statistics.median(side) for side in zip(*turns, strict=True))
    return Row(
        "CoOp, KgCoOp, CLIP-Adapter, APEX x 3 seeds, five views, small CLIP", Goal(at_least=4), ours, plain,
        difference=worst, note=f"CPU seconds; {alike:,} of {total:,} predictions alike",
    )  # fmt: skip


def compared(jobs: list[Path], shards: Shards) -> tuple[int, int, float]:
    """How many predictions of both sides are alike, of how many, and the largest difference of a true class's logit."""
    alike = total = 0
    worst = 0.0
    for job in jobs:
        shard = shards.read(job.stem)
        assert shard is not None
        logits = load_file(job.with_suffix(".safetensors"))
        for ours in shard.predictions:
            theirs = logits[ours.split]
            alike += int((theirs.argmax(axis=1) == ours.predicted).sum())
            total += len(theirs)
            true = theirs[np.arange(len(theirs)), ours.label]
            worst = max(worst, float(np.abs(true - ours.true_logit).max() / np.abs(true).max()))
    return alike, total, worst
