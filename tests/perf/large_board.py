"""Time and memory of a board of 30 submissions with 5,010 runs, and of one check.

The runs have random logits on the tasks of the eleven synthetic datasets: 167 runs of one method each. CPU seconds are
printed beside wall-clock seconds, which other work on the machine lengthens.

    PYTHONPATH=.:tests/support python tests/perf/large_board.py [--images 5] [--place FOLDER]
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from simulated_submissions import FACTS, Draft, simulated_run

from bench.results import known_methods
from datasets_registry import EvalProtocol, list_datasets

SUBMISSIONS, SEEDS = 30, 15
"""Of each submission: all synthetic datasets with these seeds, and two datasets with one seed more."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5, help="test images per class, 1 to 30")
    parser.add_argument("--place", type=Path, help="folder of the board, kept; default: a temporary one")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        measure(given.place or Path(folder), given.images)


def measure(place: Path, images: int) -> None:
    """Make the board at `place` and print a table of its commands."""
    methods = submitted_methods()
    for number, method in enumerate(methods):
        write_submission(place, number, method, images=images)
    sys.stdout.write("| work | seconds | CPU seconds | GB |\n|---|---|---|---|\n")
    timed("board", "board", "build", str(place / "submissions"), "-o", str(place / "site"))
    timed("check of one submission", "board", "check", str(place / "submissions" / "lab-07"))


def submitted_methods() -> list[str]:
    """The first methods of the catalogue that train for few-shot and have published settings."""
    infos = known_methods().infos()
    trained = [info.name for info in infos if info.recipe_for(EvalProtocol.FEW_SHOT) is not None]
    return trained[:SUBMISSIONS]


def write_submission(
    place: Path, number: int, method: str, *, images: int, salt: int = 0, seeds: int = SEEDS, datasets: int = 11
) -> Path:
    """Write one submission of a board; another `salt` gives other predictions."""
    names = [info.name for info in list_datasets() if info.name.startswith("spectrum_")][:datasets]
    cells = [(name, seed) for name in names for seed in range(1, seeds + 1)] + [(name, seeds + 1) for name in names[:2]]
    runs = [
        simulated_run(method, seed, dataset=f"{name}:test={images}", skill=1.5 + number / 20, salt=salt)
        for name, seed in cells
    ]
    facts = FACTS.model_copy(update={"who": f"Lab {number}", "submitted": FACTS.submitted + timedelta(hours=number)})
    folder = Draft(runs, facts).write(place / "submissions" / f"lab-{number:02d}")
    shutil.rmtree(place / "runs-of")
    return folder


def timed(work: str, *arguments: str) -> None:
    """Run a command of etl-bench and print a row of the table; a command that fails ends the measurement."""
    start = time.perf_counter()
    command = subprocess.Popen([sys.executable, "-m", "bench", *arguments], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(command.pid, 0)
    command.returncode = os.waitstatus_to_exitcode(status)
    if command.returncode != 0:
        sys.exit(f"error: `etl-bench {' '.join(arguments)}` failed")
    seconds, cpu = time.perf_counter() - start, used.ru_utime + used.ru_stime
    sys.stdout.write(f"| {work} | {seconds:.1f} | {cpu:.1f} | {used.ru_maxrss / 2**20:.2f} |\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
