"""`etl-bench explain`: shows what a tuned model learned, on one offline page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench._util.words import counted
from bench.cli import _options as opt
from bench.cli._print import remark
from bench.results import check_output_file


def explain(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Path, name, or dataset of a tuned model.")],
    images: Annotated[
        list[str] | None,
        typer.Argument(metavar="[IMAGES]...", help="Images or folders. Default: test images of the model's dataset."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Page to write.")] = Path("explanation.html"),
    limit: Annotated[int, typer.Option("--limit", min=1, help="Largest number of images to use.")] = 500,
    backbone: opt.ModelWeights = None,
    data_root: opt.DataRoot = None,
    runs: opt.Runs = opt.DEFAULT_RUNS,
    as_json: opt.AsJson = False,
) -> None:
    """Show what a tuned model learned, on one offline page or as JSON.

    The page shows words near learned context tokens, weights of the adaptive ensemble, learned tensors, images whose
    prediction differs from zero-shot, similarity maps, and class texts before and after. It names the sections that do
    not apply, with a reason. An image in a folder with the name of a class has that label.

    Example: etl-bench explain birds new_images/ --out birds.html
    """
    from bench.experiment import read_model_info
    from bench.tuned_models import check_sources, find_model

    check_output_file(out, "--out")
    source = find_model(model, runs)
    read_model_info(source)
    check_sources(images or [])
    import torch

    from bench.api import explain as explained

    torch.set_num_threads(opt.cores())
    view = explained(
        source, images or (), backbone=backbone, limit=limit, data_root=data_root, cache_dir=opt.cache_folder(None)
    )
    if as_json:
        from bench.cli._print import print_json

        print_json(view)
        return
    from reports import render_explanation

    render_explanation(view, out)
    shown = counted(view.changes.images, "image") if view.changes else "no images"
    remark(f"{view.title}, with {shown}; in {out}")
