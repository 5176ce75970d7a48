"""Writes the file with which a repository that is built on Dassl writes its own predictions."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated

from bench.api import options as opt
from bench.results import check_output_file, write_output


def write_drop_in(
    out: Annotated[Path | str, opt.Arg("File to write, beside train.py.")] = Path("etl_predictions.py"),
    *,
    force: opt.Force = False,
) -> Path:
    """Write the file that makes a Dassl repository write its predictions; raises UsageError if the file exists."""
    path = Path(out)
    check_output_file(path, "OUT", force=force, suffixes=(".py",))
    content = resources.files(__package__).joinpath("foreign/etl_predictions.py").read_bytes()
    return write_output(path, content, force=force)
