"""The command `runs import-predictions`."""

from pathlib import Path
from typing import Any

from bench._util.words import counted
from bench.api import scores_table
from bench.cli import AsJson, options_of, print_line, print_table, remark
from bench.extensions.predictions.predictions_import import import_predictions


@options_of(import_predictions)
def import_command(runs: Path, as_json: AsJson = False, **options: Any) -> None:
    """Check predictions that were computed elsewhere against the dataset, and add them as runs.

    Nothing in a file is believed: class names, test images, labels, training images and scores are checked. With any
    error, nothing is added. Give the files of base and of new classes of a run together. The runs are called
    external:METHOD and marked as imported predictions.

    Example: etl-bench runs import-predictions base.npz new.npz
    """
    imported = import_predictions(runs=runs, **options)
    for note in imported.notes:
        remark(note)
    for run_id in imported.kept:
        remark(f"run {run_id} exists here with other predictions; those were kept")
    print_table(scores_table(imported.added), as_json=as_json)
    if not as_json:
        print_line(f"{counted(len(imported.added), 'run')} added, {len(imported.unchanged)} already known; in {runs}")
