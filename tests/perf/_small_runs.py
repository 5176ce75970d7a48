"""Three tiny runs from the command line, beside the import of the two libraries that they cannot do without."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from _table import Goal, Row

IMPORT = [sys.executable, "-c", "import torch, open_clip"]
RUNS = "run -m zero_shot,tip_adapter,linear_probe -d spectrum_basic --protocol few-shot --shots 4 --seeds 1, --log none"
"""On the demo backbone; the difficulty of the dataset is measured besides."""


def small_runs_row(*, stored: bool, repeats: int = 3) -> Row:
    """Medians over alternating turns. Frozen features are `stored` by an earlier sweep, or computed each time."""
    turns: dict[str, list[tuple[float, float]]] = {"ours": [], "import": []}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(-1, repeats):  # the first turn fills the cache of files, and does not count
            cache = Path(folder) / ("cache" if stored else f"cache-{number}")
            command = [sys.executable, "-m", "bench", *RUNS.split(), "--cache", str(cache)]
            ours, imported = _timed([*command, "--runs", str(Path(folder) / f"runs-{number}")]), _timed(IMPORT)
            if number >= 0:
                turns["ours"].append(ours)
                turns["import"].append(imported)
    seconds, cpu = (
        {name: statistics.median(turn[part] for turn in measured) for name, measured in turns.items()}
        for part in (0, 1)
    )
    return Row(
        f"three tiny runs, {'stored features' if stored else 'empty cache'}",
        Goal(at_most=1.3),
        seconds["ours"],
        seconds["import"],
        note=f"{cpu['ours']:.1f} s of CPU time, the import {cpu['import']:.1f} s",
        against="importing torch and open_clip",
    )


def _timed(command: Sequence[str]) -> tuple[float, float]:
    """Seconds of a command, and CPU seconds of it and of its children."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
