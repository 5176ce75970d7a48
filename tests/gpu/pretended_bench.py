"""`etl-bench` on a pretended GPU, for runs in one process; prints the lines that wait for the device at the end.

PYTHONPATH=. python tests/gpu/pretended_bench.py run -m coop -d spectrum_basic --device cuda --jobs 0
"""

from __future__ import annotations

import sys

from pretended_device.counts import COUNTS
from pretended_device.installation import install


def main() -> None:
    """Install the device, then run the command."""
    install()
    import torch

    torch.set_num_threads(1)
    from bench.cli.app import main as etl_bench

    sys.argv[0] = "etl-bench"
    try:
        etl_bench()
    finally:
        sys.stderr.write(f"{COUNTS.totals()}\n")
        for kind, counter in (("wait", COUNTS.waits), ("pageable", COUNTS.pageable)):
            for place, count in counter.most_common(20):
                sys.stderr.write(f"{kind} {count} {place}\n")


if __name__ == "__main__":
    main()
