"""`make gpu`: measure what this project does on a GPU, in about five minutes, and write the table of the page.

    PYTHONPATH=.:tests/perf python tests/gpu/record.py [--device cuda] [--out tests/gpu/recorded.json]

Images a second by precision and batch, seconds and memory of training steps beside the plain way, equal bits and the
price of determinism, parity with the CPU, decoding, features from files, and one small sweep. File and page are
written after each part, and after each training step, so that an end in the middle keeps what was measured. A part that
fails is named there, and the others go on. `--tiny` tests the script on a CPU.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when torch starts; deterministic products need it

import torch
from gpu_page import PAGE, RECORDED, page_with
from gpu_parts import PARTS, Machine, described


def main() -> None:
    """Measure every part and write the file, and the page where this is a GPU."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N or cpu")
    parser.add_argument("--out", type=Path, default=RECORDED)
    parser.add_argument("--tiny", action="store_true", help="tiny backbone and few cases, to test this script")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each timing")
    options = parser.parse_args()
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        parser.error(
            "torch sees no CUDA device here; run this on a machine with a GPU, or test it by --device cpu --tiny"
        )
    if options.out == RECORDED and (device.type != "cuda" or options.tiny):
        parser.error(f"{RECORDED.name} is for numbers of a GPU; give another --out for a test")
    machine = Machine(device, options.tiny, options.seconds)
    found: dict[str, Any] = {}
    for name, part in PARTS.items():
        start = time.perf_counter()
        try:
            for found[name] in part(machine):
                write(options.out, found)
        except Exception as error:  # one part must not cost the others
            found.setdefault("errors", {})[name] = described(error)
            write(options.out, found)
        sys.stderr.write(f"{name}: {time.perf_counter() - start:.0f} s\n")
    if failed := found.get("errors"):
        sys.exit(f"failed: {failed}")


def write(out: Path, found: dict[str, Any]) -> None:
    """Write what was measured so far and, where it is that of a GPU, the page."""
    out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if out == RECORDED:
        PAGE.write_text(page_with(PAGE.read_text(encoding="utf-8"), found), encoding="utf-8")


if __name__ == "__main__":
    main()
