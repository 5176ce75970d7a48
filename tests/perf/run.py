"""`make perf`: how much faster this benchmark is than a plain implementation, with a check that both agree.

Seconds are medians over alternating turns (ours, other, ours, ...) of a second or more. Peak memory is measured in a
separate process for each side. FLOPs are torch's count of matrix products; the machine's rate is that of a plain
product with the shapes of a transformer block.

    python tests/perf/run.py [--only coop50,demo] [--write docs/performance.md] [--threads 2] [--repeats 5]

With `--only`, `--write` replaces the measured rows of the page and leaves the others.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

import torch
from _busy import busy_row
from _end_to_end import SWEEPS, sweep_row
from _harness import demo_and_one_more, evaluated_pixels, extraction, second_method
from _launching import ingest_row, launcher_row
from _measure import KINDS, Side, compared, efficiency, gflop, profile
from _memory import CASES, alone, memory_row
from _page import PAGES, page_row
from _prediction import prediction
from _small_runs import small_runs_row
from _start_up import COMMANDS, start_up_row
from _steps import COOP16, apex_evaluation, evaluation_after_frozen_blocks, pair, step_after_frozen_blocks
from _stores import STORES, store_row
from _table import NO_GOAL, Goal, Row, Table

from methods.vpt import VPTConfig

PAIRS: dict[str, tuple[str, Goal, Callable[[], tuple[Side, Side]]]] = {
    "coop50": ("CoOp step, 50 classes", Goal(at_least=15), lambda: pair("coop", 50, 32, config=COOP16)),
    "cocoop": ("CoCoOp step, 4 images x 50 classes", Goal(at_least=10), lambda: pair("cocoop", 50, 4)),
    "deep": (
        "deep text prompts (12 layers), 50 classes", Goal(at_least=12), lambda: pair("deep_text_prompts", 50, 4),
    ),
    "whole_coop": (
        "whole CoOp step, batch 32, stored views", Goal(at_least=30),
        lambda: pair("coop", 50, 32, warm=False, config=COOP16),
    ),
    "maple": ("MaPLe step, batch 4, 50 classes", Goal(at_least=2), lambda: pair("maple", 50, 4)),
    "apex": ("APEX step, batch 16, 50 classes", Goal(at_least=1.6), lambda: pair("apex", 50, 16)),
    "mma": ("MMA step, batch 4, 50 classes, stored views", NO_GOAL, lambda: step_after_frozen_blocks("mma", 50, 4)),
    "mma_eval": (
        "MMA evaluation, 50 classes, 16 images, stored views", NO_GOAL,
        lambda: evaluation_after_frozen_blocks("mma", 50, 16),
    ),
    "apex_eval": (
        "APEX evaluation, 50 new classes, 4 batches of 8", Goal(words="one pass per image, texts once"),
        apex_evaluation,
    ),
}  # fmt: skip
"""Steps and evaluations beside the plain implementation: work, goal and the two sides."""

SHARES: dict[str, tuple[str, Callable[[], tuple[Side, Side]]]] = {
    "share_coop50": ("CoOp step, 50 classes", lambda: pair("coop", 50, 32, config=COOP16)),
    "share_cocoop": ("CoCoOp step, 4 images x 50 classes", lambda: pair("cocoop", 50, 4)),
    "share_deep": ("deep text prompts (12 layers), 50 classes", lambda: pair("deep_text_prompts", 50, 4)),
    "share_maple": ("MaPLe step, batch 4, 50 classes", lambda: pair("maple", 50, 4)),
    "share_apex": ("APEX step, batch 16, 50 classes", lambda: pair("apex", 50, 16)),
    "share_vpt": ("VPT step, batch 8", lambda: pair("vpt", 50, 8)),
}
"""Steps whose operations are counted and profiled, and whose rate is compared with that of a plain matrix product."""


def rows(repeats: int) -> dict[str, Callable[[], Row]]:
    """The rows of the table by name."""
    steps = {
        name: lambda work=work, goal=goal, sides=sides: compared(work, goal, sides(), repeats)
        for name, (work, goal, sides) in PAIRS.items()
    }
    return {
        **steps,
        "vpt": lambda: compared(
            "VPT step, batch 8", Goal(at_most=1.10), pair("vpt", 50, 8, config=VPTConfig()), repeats,
            against="open_clip on the same tokens",
        ),
        "busy": lambda: busy_row(repeats),
        **{name: lambda name=name: memory_row(name) for name in CASES},
        **{name: (lambda name=name: sweep_row(name)) for name in SWEEPS},
        "extraction": extraction,
        "evaluated": evaluated_pixels,
        "predict": prediction,
        "second": second_method,
        "one_more": demo_and_one_more,
        **{name: lambda name=name: start_up_row(name) for name in COMMANDS},
        "small": lambda: small_runs_row(stored=True),
        "small_cold": lambda: small_runs_row(stored=False),
        "local": lambda: launcher_row("local", Goal(seconds=0.030)),
        "ray": lambda: launcher_row("ray", Goal(seconds=0.060)),
        "ingest": ingest_row,
        **{name: lambda name=name: store_row(name) for name in STORES},
        **{name: lambda name=name: page_row(name, repeats) for name in PAGES},
    }  # fmt: skip


def main() -> None:
    """Measure, print, and with `--write` replace rows of the tables in a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="*", help="names of rows or patterns, separated by commas")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--write", type=Path, help="write the tables between the marks of this file")
    parser.add_argument("--list", action="store_true", help="print the names of the rows")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.alone:
        alone(options.alone)
        return
    makers = rows(options.repeats)

    def row_cells(name: str) -> list[str]:
        return makers[name]().cells()

    def share_cells(name: str) -> list[str]:
        work, make = SHARES[name]
        ours, plain = make()
        (done, share), all_of_it = efficiency(ours, options.repeats), gflop(plain)
        kinds = [f"{100 * part:.0f} %" for part in profile(ours, options.repeats).values()]
        return [work, f"{done:.0f}", f"{all_of_it:.0f}", f"{all_of_it / done:.1f}", f"{100 * share:.0f} %", *kinds]

    if options.list:
        sys.stdout.write("\n".join([*makers, *SHARES]) + "\n")
        return
    chosen = [n for n in [*makers, *SHARES] if any(fnmatch(n, p.strip()) for p in options.only.split(","))]
    if not chosen:
        parser.error(f"--only {options.only} matches no row; --list prints their names")
    columns = ("work", "GFLOP, ours", "GFLOP, plain", "plain / ours", "rate of a plain product", *KINDS, "rest")
    measured, shares = Table("measured", Row.COLUMNS), Table("shares", columns)
    for name in chosen:
        sys.stderr.write(f"{name} ...\n")
        table, cells = (shares, share_cells) if name in SHARES else (measured, row_cells)
        sys.stderr.write(table.add(cells(name)) + "\n")
    machine = f"{platform.machine()}, {options.threads} threads, torch {torch.__version__}"
    sys.stdout.write(f"{machine}\n\n{measured.text()}\n\n{shares.text()}\n")
    if options.write:
        page = options.write.read_text(encoding="utf-8")
        for table in (measured, shares):
            page = table.written_into(page, keep=options.only != "*")
        options.write.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
