"""`etl-bench models`: lists tuned models."""

from typing import Any

from bench.api import models_table
from bench.cli import _options as opt
from bench.cli._options_of import options_of
from bench.cli._print import print_table


@options_of(models_table)
def models_command(as_json: opt.AsJson = False, **options: Any) -> None:
    """List the tuned models that `run --keep-models` stored.

    Accuracy is that of the run on test images, low to high its 95 % interval over images like these; --json has all
    splits. `etl-bench predict MODEL IMAGES` uses a model. MODEL is its path, the beginning of its name, or its dataset
    if that dataset has one model. A note names models of former images of your own.

    Example: etl-bench models --runs runs
    """
    print_table(models_table(**options), as_json=as_json)
