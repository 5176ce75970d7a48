"""Write the golden predictions: `python -m tools.golden_predictions`.

They are a few logits of every method after a training so short that rounding does not add up. If a change of a method
gives other predictions on purpose, raise its `MethodInfo.version` and write the file. Its older runs are then stale.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from bench.extensions.conformance import Subject
from methods import METHODS, get_method

FILE = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "golden_predictions.json"
COMMAND = "python -m tools.golden_predictions"
IMAGES = 3
"""Images of the tiny task whose logits are stored."""


def golden(subject: Subject) -> dict[str, object]:
    """The version of a method and the logits `(IMAGES, classes)` of a short training on random images."""
    logits = subject.evaluation_logits(subject.finished)[:IMAGES]
    return {"version": subject.info.version, "logits": [[round(value, 7) for value in row] for row in logits.tolist()]}


def main() -> None:
    """Write the file, one line for each method."""
    argparse.ArgumentParser(prog=COMMAND, description="Write the golden predictions of all methods.").parse_args()
    torch.set_num_threads(1)
    lines = (f"{json.dumps(name)}: {json.dumps(golden(Subject(get_method(name))))}" for name in METHODS)
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
