"""Three seeds of a method that trains a head on frozen features: together, and one by one."""

from __future__ import annotations

import statistics
import time

import torch
from _table import Goal, Row

SEEDS = (1, 2, 3)
HEADS = ("clip_adapter", "task_res", "cross_modal", "clap")


def seeds_row(method: str, repeats: int) -> Row:
    """CPU seconds of three seeds: demo backbone and recipe, 16 shots of 24 classes, stored features."""
    from bench.context import RunContext
    from bench.experiment import runner
    from bench.sweep import SweepRequest, expand

    request = SweepRequest.build(
        methods=method, datasets="spectrum_basic", seeds=SEEDS, shots=[16], recipe="demo", protocol="few-shot"
    )
    specs, context = expand(request).specs, RunContext(threads=torch.get_num_threads())
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for repeat in range(1 + repeats):
        for together in (True, False):
            start = time.process_time()
            if together:
                runs = runner.train_stack(specs, context)
            else:
                runs = [runner.train_alone(runner.PreparedRun(spec, context)) for spec in specs]
            if repeat:  # the first stores the features
                seconds[together].append(time.process_time() - start)
            if len(runs) != len(SEEDS):
                raise RuntimeError(f"{method} did not train as a stack")
    ours, plain = (statistics.median(seconds[together]) for together in (True, False))
    work = f"three seeds of {method} prepared and trained (demo recipe)"
    return Row(work, Goal(at_least=3), ours, plain, against="one by one")
