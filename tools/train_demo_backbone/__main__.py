"""Trains the demo backbone on the synthetic world: `python -m tools.train_demo_backbone --out FILE`.

The loss is CLIP's, with equal captions in a batch as positives of one another, plus caption tasks: each step also
classifies every image among a complete list of captions (such as every shape in every colour), so hard negatives are
never missing from a batch. Texts are truncated after the longest caption, which is exact because the text tower is
causal. Equal arguments give equal weights on one machine.
"""

import argparse
import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

from safetensors.torch import save_file

from tools.train_demo_backbone.plan import TrainingPlan
from tools.train_demo_backbone.training import log, train


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the arguments, train, write the weights and log their digest."""
    plan = TrainingPlan()
    parser = argparse.ArgumentParser(prog="python -m tools.train_demo_backbone", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the safetensors file to write")
    parser.add_argument("--steps", type=int, default=plan.steps, help="optimiser steps (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=plan.batch, help="images per step (default: %(default)s)")
    parser.add_argument(
        "--pool", type=int, default=plan.pool, help="images painted before training (default: %(default)s)"
    )
    parser.add_argument("--first-lesson", type=float, default=plan.first_lesson, help="share (default: %(default)s)")
    parser.add_argument("--lr", type=float, default=plan.lr, help="peak learning rate (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=plan.seed, help="(default: %(default)s)")
    parser.add_argument("--report-every", type=int, default=plan.report_every, help="steps (default: %(default)s)")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    plan = TrainingPlan(
        steps=given.steps, batch=given.batch, pool=given.pool, lr=given.lr, seed=given.seed,
        first_lesson=given.first_lesson,        report_every=given.report_every,
    )  # fmt: skip
    train(plan, lambda tensors: save_file(tensors, given.out))
    log.info("wrote %s; DEMO_SHA256 = %r", given.out, hashlib.sha256(given.out.read_bytes()).hexdigest())


if __name__ == "__main__":
    main()
