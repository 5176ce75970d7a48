"""Tuned models that `run --keep-models` stored: list them, and predict with one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from bench.api.options import MODEL, Arg, Cache, Device, Force, Opt, Runs, Weights
from bench.api.stored_runs import check_is_there
from bench.errors import UsageError
from bench.sweep import cache_folder, cores
from bench.table import Table
from datasets_registry import LARGEST_CLASS_LIST, foreign_files

if TYPE_CHECKING:
    from bench.experiment import ListedModel, ModelInfo
    from bench.tuned_models import PredictionSummary, Row


_COLUMNS = (
    "model", "method", "dataset", "backbone", "classes", "shots", "seed", "accuracy", "low", "high", "images", "size",
    "path",
)  # fmt: skip


def models_table(runs: Runs = "runs") -> Table:
    """The tuned models of a runs folder, with the accuracy of each run on its test images (0..1).

    Raises UsageError if there is no such folder.
    """
    from bench.experiment import MODELS, changed_images, list_models

    check_is_there(Path(runs))
    folder = Path(runs) / MODELS
    files = list_models(folder)
    models = [(model, model.info) for model in files if model.info is not None]
    changes = changed_images([info for _, info in models])
    rows = [_row(model, info, change) for (model, info), change in zip(models, changes, strict=True)]
    notes = [f"note: {row['model']}: {row['changed_images']}" for row in rows if row["changed_images"]]
    notes += [f"left out: {model.problem}" for model in files if model.info is None]
    if not files:
        notes.append(f"{folder} has no models; `etl-bench run ... --keep-models best` stores them.")
    spare = ("size", "seed", "classes", "shots", "low", "high", "backbone")
    return Table(rows, _COLUMNS, spare=spare, notes=notes)


def _row(model: ListedModel, info: ModelInfo, changed_images: str) -> dict[str, object]:
    from bench.analysis import wilson

    scores = {score.split: round(score.accuracy, 4) for score in info.scores}
    first = next(iter(info.scores), None)
    ends = None if first is None else wilson(first.accuracy, first.n)
    return {
        "model": info.run_id,
        "method": info.spec.method,
        "dataset": info.spec.dataset,
        "backbone": info.spec.backbone,
        "classes": len(info.classes.names),
        "shots": info.spec.shots,
        "seed": info.spec.seed,
        "accuracy": None if first is None else round(first.accuracy, 4),
        "low": None if ends is None else round(ends[0], 4),
        "high": None if ends is None else round(ends[1], 4),
        "images": None if first is None else first.n,
        "size": f"{model.size / 1e6:.2f} MB",
        "path": str(model.path),
        "bytes": model.size,
        "scores": scores,
        "validation_accuracy": info.validation_accuracy,
        "open_vocabulary": info.open_vocabulary,
        "temperature": info.calibration.temperature,
        "calibrated": info.calibration.source == "validation",
        "changed_images": changed_images,
    }


def predict_images(
    model: Annotated[str, MODEL],
    images: Annotated[
        Sequence[str],
        Arg("Images, folders, or tables with a column of paths.", metavar="IMAGES..."),
    ],
    out: Annotated[Path | None, Opt("CSV file to write. Default: standard output.")] = None,
    *,
    backbone: Weights = None,
    classes: Annotated[
        Path | None, Opt("File of additional class names, one per line, for open-vocabulary methods.")
    ] = None,
    top: Annotated[int, Opt("Number of most probable classes in each row.", min=1)] = 5,
    batch: Annotated[int, Opt("Images per pass of the tower.", min=1)] = 32,
    runs: Runs = "runs",
    device: Device = "auto",
    cache: Cache = None,
    force: Force = False,
    quiet: Annotated[bool, Opt("No progress bar and no summary.")] = True,
) -> PredictionSummary:
    """Predict images with a tuned model and write CSV, to the file `out` or to standard output.

    Raises UsageError before torch is imported, also for files that are not to be replaced, unless `force`, and
    ModelFileError for a damaged model.
    """
    from bench.experiment import changed_images, read_model_info
    from bench.results import check_output_file
    from bench.sweep import resolve_device
    from bench.tuned_models import check_sources, find_model

    if out is not None:
        if out.suffix.lower() != ".csv":
            raise UsageError(f"--out {out}: predictions are written as CSV; name a .csv file.")
        check_output_file(out, "--out", force=force)
    file = find_model(model, Path(runs))
    info = read_model_info(file)
    check_sources(images)
    more = [] if classes is None else _class_names(classes)
    device = resolve_device(device, info.spec.precision)

    import torch
    from tqdm import tqdm

    from bench.tuned_models import code_changes, load_model, predict_files, write_csv_rows

    torch.set_num_threads(cores())
    tuned = load_model(file, backbone, device=device, cache_dir=cache_folder(cache))
    tuned = tuned.with_classes(more) if more else tuned
    with tqdm(unit="image", file=sys.stderr, disable=True if quiet else None) as bar:

        def on_rows(columns: list[str], rows: Sequence[Row]) -> None:
            if out is None:
                write_csv_rows(sys.stdout, columns, iter(rows), header=bar.n == 0)
            bar.n += len(rows)
            bar.refresh()

        summary = predict_files(tuned, images, out, on_rows=on_rows, top=top, batch=batch, force=force)
    (change,) = changed_images([tuned.info])
    return replace(summary, code_changes=tuple(code_changes(tuned.info)), changed_images=change)


def _class_names(path: Path) -> list[str]:
    try:
        lines = foreign_files.read_bytes(path, LARGEST_CLASS_LIST).decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--classes {path} cannot be read: {error}.") from None
    names = [line.strip() for line in lines]
    while names and not names[-1]:
        names.pop()
    if not names or "" in names:
        where = f"line {names.index('') + 1} is empty" if names else "it is empty"
        raise UsageError(f"--classes {path} lacks a class name: {where}. Write one name per line.")
    return names
