"""`etl-bench predict`: predicts labels, probabilities and novelty of new images with a tuned model."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench._util.words import counted
from bench.cli import _options as opt
from bench.cli._print import remark
from bench.errors import UsageError
from bench.results import check_output_file

if TYPE_CHECKING:
    from bench.tuned_models import PredictionSummary


def predict(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Path, name, or dataset of a tuned model.")],
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGES...", help="Images, folders, tables with a path column, tar files, or - (list on stdin)."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Table to write: .csv, .jsonl or .parquet. Default: CSV on standard output."),
    ] = None,
    page: Annotated[
        bool, typer.Option("--page", help="Also write an offline page of the least certain images.")
    ] = False,
    backbone: opt.ModelWeights = None,
    classes: Annotated[
        Path | None,
        typer.Option("--classes", help="File of additional class names, one per line, for open-vocabulary methods."),
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="Number of most probable classes in each row.")] = 5,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Images per pass of the tower.")] = 32,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted prediction.")] = False,
    runs: opt.Runs = opt.DEFAULT_RUNS,
    device: opt.Device = "auto",
    cache: opt.Cache = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar and no summary.")] = False,
) -> None:
    """Predict images with a tuned model: classes with calibrated probabilities, and a mark for unfamiliar images.

    An image is marked if it is unlike the training images. Images are streamed, so their number is not limited. An
    image that cannot be read gets a row with an error. With --out, finished rows are stored in a partial file, so
    --resume can continue a killed prediction. Exit code: 0 all done, 1 some images could not be read, 2 wrong usage or
    no images.

    Example: etl-bench predict birds new_images/ --out predictions.csv --page
    """
    from bench.experiment import read_model_info
    from bench.sweep import resolve_device
    from bench.tuned_models import check_format, check_sources, find_model

    if out is None and (page or resume):
        raise UsageError(f"{'--page' if page else '--resume'} needs --out FILE, because it writes next to that file.")
    if out is not None:
        check_output_file(out, "--out")
        check_format(out)
    info = read_model_info(find_model(model, runs))
    check_sources(images)
    more = [] if classes is None else _class_names(classes)
    device = resolve_device(device, info.spec.precision)
    html = out.with_suffix(".html") if page and out else None
    summary = _predict(
        model, images, out, backbone, more, runs=runs, device=device, cache=cache, quiet=quiet,
        options={"with_gallery": html is not None, "resume": resume, "top": top, "batch": batch},
    )  # fmt: skip
    if html is not None and summary.gallery is not None:
        from reports import render_gallery

        render_gallery(summary.gallery, html)
    if not quiet:
        _report(summary, [str(path) for path in (out, html) if path])
    raise typer.Exit(1 if summary.unreadable else 0)


def _predict(
    name: str,
    images: Sequence[str],
    out: Path | None,
    backbone: str | None,
    more: list[str],
    *,
    runs: Path,
    device: str,
    cache: Path | None,
    quiet: bool,
    options: dict[str, Any],
) -> PredictionSummary:
    import torch
    from tqdm import tqdm

    from bench.tuned_models import Row, code_changes, load_model, predict_files, write_csv_rows

    torch.set_num_threads(opt.cores())
    tuned = load_model(name, backbone, runs=runs, device=device, cache_dir=opt.cache_folder(cache))
    tuned = tuned.with_classes(more) if more else tuned
    for change in code_changes(tuned.info):
        remark(f"note: {change} since this model was tuned; its predictions may differ from those of its run")
    with tqdm(unit="image", file=sys.stderr, disable=True if quiet else None) as bar:

        def on_rows(columns: list[str], rows: Sequence[Row]) -> None:
            if out is None:
                write_csv_rows(sys.stdout, columns, iter(rows), header=bar.n == 0)
            bar.n += len(rows)
            bar.refresh()

        return predict_files(tuned, images, out, on_rows=on_rows, **options)


def _class_names(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--classes {path} cannot be read: {error}.") from None
    names = [line.strip() for line in lines]
    while names and not names[-1]:
        names.pop()
    if not names or "" in names:
        where = f"line {names.index('') + 1} is empty" if names else "it is empty"
        raise UsageError(f"--classes {path} lacks a class name: {where}. Write one name per line.")
    return names


def _report(summary: PredictionSummary, written: Sequence[str]) -> None:
    where = f"; in {' and '.join(written)}" if written else ""
    resumed = f", {summary.resumed} of them earlier" if summary.resumed else ""
    unreadable = f", {summary.unreadable} could not be read" if summary.unreadable else ""
    unlike = f", {summary.unlike} unlike the training images" if summary.unlike else ""
    remark(f"{counted(summary.images, 'image')}{resumed}{unreadable}{unlike}{where}")
