"""`etl-bench predict`: predicts labels, probabilities and novelty of new images with a tuned model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from bench._util.words import counted
from bench.api import predict_images
from bench.cli._options_of import options_of
from bench.cli._print import remark


@options_of(predict_images)
def predict(out: Path | None, quiet: bool = False, **options: Any) -> None:
    """Predict images with a tuned model: classes with calibrated probabilities, and a mark for unfamiliar images.

    An image is marked if it is unlike the training images. Images are streamed, so their number is not limited. An
    image that cannot be read gets a row with an error. The table is written as rows come: standard output has those of
    a killed prediction, and --out a whole file or none. Exit code: 0 all done, 1 some images could not be read, 2 wrong
    usage or no images.

    Example: etl-bench predict birds new_images/ --out predictions.csv
    """
    outcome = predict_images(out=out, quiet=quiet, **options)
    for change in outcome.code_changes:
        remark(f"note: {change} since this model was tuned; its predictions may differ from those of its run")
    if outcome.changed_images:
        remark(f"note: {outcome.changed_images}. Repeat `recommend` or `run` to train on today's")
    if not quiet:
        for note in outcome.notes:
            remark(note)
        where = f"; in {out}" if out else ""
        unreadable = f", {outcome.unreadable} could not be read" if outcome.unreadable else ""
        unlike = f", {outcome.unlike} unlike the training images" if outcome.unlike else ""
        remark(f"{counted(outcome.images, 'image')}{unreadable}{unlike}{where}")
    raise typer.Exit(1 if outcome.unreadable else 0)
