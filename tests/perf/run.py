"""`make perf`: how much faster this benchmark is than a plain implementation, with a check that both agree.

Seconds are medians over alternating turns (ours, plain, ours, ...) of a second or more in one process. Peak memory is
measured in a separate process for each side. FLOPs are torch's count of matrix products; the machine's rate is that of
a plain product with the shapes of a transformer block.

    python tests/perf/run.py [--only PATTERN] [--write docs/performance.md] [--threads 2] [--repeats 5]
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable
from datetime import date
from fnmatch import fnmatch
from pathlib import Path

import torch
from _harness import demo_and_one_more, extraction, second_method
from _launching import ingest_row, launcher_row
from _measure import Row, Side, compared, efficiency, table
from _memory import CASES, alone, memory_row
from _steps import COOP16, apex_evaluation, evaluation_after_frozen_blocks, pair, step_after_frozen_blocks

from methods.vpt import VPTConfig


def rows(repeats: int) -> dict[str, Callable[[], Row]]:
    """The rows of the table by name."""

    def step(work: str, goal: str, sides: Callable[[], tuple[Side, Side]]) -> Callable[[], Row]:
        return lambda: compared(work, goal, sides(), repeats)

    return {
        "coop50": step("CoOp step, 50 classes", ">= 15x", lambda: pair("coop", 50, 32, config=COOP16)),
        "cocoop": step("CoCoOp step, 4 images x 50 classes", ">= 10x", lambda: pair("cocoop", 50, 4)),
        "deep": step(
            "deep text prompts (12 layers), 50 classes", ">= 12x", lambda: pair("deep_text_prompts", 50, 4)
        ),
        "whole_coop": step(
            "whole CoOp step, batch 32, warm views", ">= 30x", lambda: pair("coop", 50, 32, warm=False, config=COOP16)
        ),
        "maple": step("MaPLe step, batch 4, 50 classes", ">= 2x", lambda: pair("maple", 50, 4)),
        "apex": step("APEX step, batch 16, 50 classes", ">= 1.6x", lambda: pair("apex", 50, 16)),
        "mma": step("MMA step, batch 4, 50 classes, stored views", "", lambda: step_after_frozen_blocks("mma", 50, 4)),
        "mma_eval": step(
            "MMA evaluation, 50 classes, 16 images, stored views", "",
            lambda: evaluation_after_frozen_blocks("mma", 50, 16),
        ),
        "vpt": step(
            "VPT step, batch 8, against open_clip on the same tokens", "at most 1.10x of it",
            lambda: pair("vpt", 50, 8, config=VPTConfig()),
        ),
        "apex_eval": step(
            "APEX evaluation, 50 new classes, 4 batches of 8", "one pass per image, texts once", apex_evaluation
        ),
        **{name: (lambda name=name: memory_row(name)) for name in CASES},
        "extraction": extraction,
        "second": second_method,
        "one_more": demo_and_one_more,
        "local": lambda: launcher_row("local", "<= 0.030 s"),
        "ray": lambda: launcher_row("ray", "<= 0.060 s"),
        "ingest": ingest_row,
    }  # fmt: skip


def limits(repeats: int) -> str:
    """The rate of steps as a share of the machine's rate."""
    lines = ["| work | GFLOP | share of a plain product's FLOP/s |", "|---|---|---|"]
    for work, make in (
        ("CoOp step, 50 classes", lambda: pair("coop", 50, 32, config=COOP16)),
        ("CoCoOp step, 4 images x 50 classes", lambda: pair("cocoop", 50, 4)),
        ("deep text prompts (12 layers), 50 classes", lambda: pair("deep_text_prompts", 50, 4)),
        ("MaPLe step, batch 4, 50 classes", lambda: pair("maple", 50, 4)),
        ("APEX step, batch 16, 50 classes", lambda: pair("apex", 50, 16)),
        ("VPT step, batch 8", lambda: pair("vpt", 50, 8)),
    ):
        gflop, share = efficiency(make()[0], repeats)
        lines.append(f"| {work} | {gflop:.1f} | {100 * share:.0f} % |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and with `--write` replace the tables in a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="*", help="rows to run, a pattern")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--write", type=Path, help="write the tables between the marks of this file")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.alone:
        alone(options.alone)
        return
    measured = []
    for name, make in rows(options.repeats).items():
        if fnmatch(name, options.only):
            sys.stderr.write(f"{name} ...\n")
            measured.append(make())
            sys.stderr.write(table(measured[-1:]).splitlines()[-1] + "\n")
    text = f"{table(measured)}\n\n{limits(options.repeats)}\n" if options.only == "*" else table(measured) + "\n"
    machine = f"{platform.machine()}, {options.threads} threads, torch {torch.__version__}, {date.today().isoformat()}"
    sys.stdout.write(f"{machine}\n\n{text}")
    if options.write:
        page = options.write.read_text()
        start, end = "<!-- measured -->\n", "<!-- end -->"
        head, tail = page.split(start)[0], page.split(end)[1]
        options.write.write_text(f"{head}{start}{machine}\n\n{text}{end}{tail}")


if __name__ == "__main__":
    main()
