"""`make perf`: how much faster this benchmark is than a plain implementation, with a check that both agree.

    PYTHONPATH=.:tests/support python -m tools.perf [--only coop50,start_*] [--write docs/performance.md]

Seconds are medians over alternating turns (ours, other, ours, ...) of a second or more. With `--only`, `--write`
replaces the measured rows of the page and leaves the others. `--gpu` measures on a GPU (`make gpu`).
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

import torch

from tools.perf.commands import LAUNCHERS, START_UPS, launcher_row, start_up_row
from tools.perf.gpu import gpu_table
from tools.perf.page import PAGES, page_row
from tools.perf.steps import CASES, alone, step_row
from tools.perf.stores import STORES, store_row
from tools.perf.table import Row, Table
from tools.perf.whole_jobs import sweep_row


def rows(repeats: int) -> dict[str, Callable[[], Row]]:
    """The rows of the table by name."""
    return {
        **{name: partial(step_row, name, repeats) for name in CASES},
        "whole_jobs": sweep_row,
        **{name: partial(start_up_row, name) for name in START_UPS},
        **{name: partial(launcher_row, name) for name in LAUNCHERS},
        **{name: partial(store_row, name) for name in STORES},
        **{name: partial(page_row, name, repeats) for name in PAGES},
    }


def main() -> None:
    """Measure, print, and with `--write` replace rows of the table in a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="*", help="names of rows or patterns, separated by commas")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--write", type=Path, help="write the table between the marks of this file")
    parser.add_argument("--list", action="store_true", help="print the names of the rows")
    parser.add_argument("--gpu", metavar="DEVICE", help="measure on this device instead, such as cuda")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.alone:
        return alone(options.alone)
    makers = rows(options.repeats)
    if options.list:
        sys.stdout.write("\n".join(makers) + "\n")
        return None
    if options.gpu:
        table = gpu_table(torch.device(options.gpu))
    else:
        chosen = [name for name in makers if any(fnmatch(name, p.strip()) for p in options.only.split(","))]
        if not chosen:
            parser.error(f"--only {options.only} matches no row; --list prints their names")
        table = Table("measured", Row.COLUMNS)
        for name in chosen:
            sys.stderr.write(f"{name} ...\n{table.add(makers[name]().cells())}\n")
    machine = f"{platform.machine()}, {options.threads} threads, torch {torch.__version__}"
    sys.stdout.write(f"{machine}\n\n{table.text()}\n")
    if options.write:
        page = options.write.read_text(encoding="utf-8")
        options.write.write_text(table.written_into(page, keep=options.only != "*"), encoding="utf-8")
    return None


if __name__ == "__main__":
    main()
