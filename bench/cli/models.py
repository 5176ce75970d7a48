"""`etl-bench models`: lists tuned models."""

from typing import Any

from bench.api import stored_models
from bench.cli import _options as opt
from bench.cli._options_of import options_of
from bench.cli._print import print_rows, remark

_COLUMNS = (
    "model", "method", "dataset", "backbone", "classes", "shots", "seed", "accuracy", "low", "high", "images", "size",
    "path",
)  # fmt: skip

_SPARE = ("size", "seed", "classes", "shots", "low", "high", "backbone")
"""Columns that a narrow terminal leaves out first."""


@options_of(stored_models)
def models_command(as_json: opt.AsJson = False, **options: Any) -> None:
    """List the tuned models that `run --keep-models` stored.

    Accuracy is that of the run on test images, low to high its 95 % interval over images like these; --json has all
    splits. `etl-bench predict MODEL IMAGES` uses a model. MODEL is its path, the beginning of its name, or its dataset
    if that dataset has one model. A note names models of former images of your own.

    Example: etl-bench models --runs runs
    """
    found = stored_models(**options)
    print_rows(found.rows, _COLUMNS, spare=_SPARE, as_json=as_json)
    for row in found.rows:
        if row["changed_images"]:
            remark(f"note: {row['model']}: {row['changed_images']}")
    for problem in found.problems:
        remark(f"left out: {problem}")
    if not found.rows and not found.problems:
        remark(f"{found.folder} has no models; `etl-bench run ... --keep-models best` stores them.")
