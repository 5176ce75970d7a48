"""`etl-bench suggest-labels`: suggests which unlabelled images to label next."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench._util.words import counted
from bench.cli import _options as opt
from bench.cli._print import print_line, remark
from bench.errors import UsageError
from bench.results import check_output_file, write_atomically

if TYPE_CHECKING:
    from bench.tuned_models import Suggestions

COLUMNS = ("rank", "image", "label", "probability", "margin", "distance")


def suggest_labels(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="The dataset of labelled images.")],
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Path, name, or dataset of a tuned model.")],
    images: Annotated[list[str], typer.Argument(metavar="IMAGES...", help="Unlabelled images, as for `predict`.")],
    n: Annotated[int, typer.Option("-n", "--number", min=1, help="Images to suggest.")] = 20,
    by: Annotated[
        str, typer.Option("--by", help="margin (the model is unsure), coverage (far from labelled images), or both.")
    ] = "both",
    out: Annotated[Path | None, typer.Option("--out", help="CSV file. Default: standard output.")] = None,
    page: Annotated[bool, typer.Option("--page", help="Also write an offline page with the images.")] = False,
    backbone: opt.ModelWeights = None,
    data_root: opt.DataRoot = None,
    runs: opt.Runs = opt.DEFAULT_RUNS,
) -> None:
    """List unlabelled images in the order in which to label them, each with the model's prediction.

    Images that the dataset contains and repeated images are left out. A distance is one minus the cosine of two frozen
    features.

    Example: etl-bench suggest-labels birds birds new_images/ -n 50 --out next.csv --page
    """
    from bench.experiment import read_model_info
    from bench.tuned_models import RULES, check_sources, find_model
    from datasets_registry import get_dataset

    if by not in RULES:
        raise UsageError(f"--by {by} is unknown; choose {', '.join(RULES)}.")
    if page and out is None:
        raise UsageError("--page needs --out FILE, because it writes next to that file.")
    if out is not None:
        check_output_file(out, "--out")
    get_dataset(dataset)
    source = find_model(model, runs)
    read_model_info(source)
    check_sources(images)
    import torch

    from bench.api import suggest_labels as suggested

    torch.set_num_threads(opt.cores())
    found = suggested(
        dataset, source, images, n=n, by=by, data_root=data_root, backbone=backbone, cache_dir=opt.cache_folder(None)
    )
    text = _csv(found)
    if out is None:
        print_line(text.rstrip("\n"))
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out, text.encode())
    if page and out is not None:
        _write_page(found, f"{dataset}, images to label next (--by {by})", out.with_suffix(".html"))
    remark(
        f"{len(found.images)} of {counted(found.pool, 'image')}; left out: {found.labelled} in {dataset} already, "
        f"{found.repeated} repeated, {found.unreadable} unreadable"
    )


def _csv(found: Suggestions) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for rank, one in enumerate(found.images, 1):
        numbers = (f"{value:.6f}" for value in (one.probability, one.margin, one.distance))
        writer.writerow([rank, one.image, one.label, *numbers])
    return buffer.getvalue()


def _write_page(found: Suggestions, title: str, out: Path) -> None:
    from bench.tuned_models import suggestions_view
    from reports import render_gallery

    render_gallery(suggestions_view(found, title), out)
