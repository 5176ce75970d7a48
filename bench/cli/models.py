"""`etl-bench models`: lists, exports and explains tuned models."""

from pathlib import Path
from typing import Annotated

import typer

from bench._util.words import counted
from bench.cli import _options as opt
from bench.cli._commands import Commands
from bench.cli._groups import LIST, ListsByDefault
from bench.cli._print import print_json, print_rows, remark

_COLUMNS = (
    "model", "method", "dataset", "backbone", "classes", "shots", "seed", "accuracy", "low", "high", "images", "size",
    "path",
)  # fmt: skip

models_app = Commands(
    cls=ListsByDefault,
    help="List the tuned models that `run --keep-models` stored, and export or explain one.",
)


@models_app.command(LIST)
def _list_command(runs: opt.Runs = opt.DEFAULT_RUNS, as_json: opt.AsJson = False) -> None:
    """List the tuned models that `run --keep-models` stored.

    Accuracy is that of the run on test images, low to high its 95 % interval over images like these; --json has all
    splits. `etl-bench predict MODEL IMAGES` uses a model. MODEL is its path, the beginning of its name, or its dataset
    if that dataset has one model.

    Example: etl-bench models --runs runs
    """
    from bench.api import stored_models

    found = stored_models(runs)
    print_rows(found.rows, _COLUMNS, as_json=as_json)
    for problem in found.problems:
        remark(f"left out: {problem}")
    if not found.rows and not found.problems:
        remark(f"{found.folder} has no models; `etl-bench run ... --keep-models best` stores them.")


@models_app.command("export")
def _export_command(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Path, name, or dataset of a tuned model.")],
    form: Annotated[str, typer.Option("--format", help="onnx or hf-folder.")],
    out: Annotated[Path, typer.Option("--out", help="File to write, or the folder for hf-folder.")],
    force: opt.Force = False,
    backbone: opt.ModelWeights = None,
    runs: opt.Runs = opt.DEFAULT_RUNS,
) -> None:
    """Write a tuned model for use elsewhere.

    onnx contains the adapted image tower: preprocessed pixels (n, 3, h, w) to logits and probabilities, in fp32. It is
    compared with the model's logits first, and a method that it cannot represent is refused. hf-folder contains the
    model file, a card, the class names and the preprocessing.

    Example: etl-bench models export birds --format onnx --out birds.onnx
    """
    from bench.api import export_tuned_model

    method, classes = export_tuned_model(model, form, out, force=force, backbone=backbone, runs=runs)
    remark(f"{method} with {classes} classes as {form}; in {out}")


@models_app.command("explain")
def _explain(
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
    force: opt.Force = False,
    device: opt.Device = "auto",
    as_json: opt.AsJson = False,
) -> None:
    """Show what a tuned model learned, on one offline page or as JSON.

    The page shows words near learned context tokens, weights of the adaptive ensemble, learned tensors, images whose
    prediction differs from zero-shot, similarity maps, and class texts before and after. It names the sections that do
    not apply, with a reason. An image in a folder with the name of a class has that label.

    Example: etl-bench models explain birds new_images/ --out birds.html
    """
    from bench.api import write_explanation

    page = None if as_json else out
    found = write_explanation(
        model,
        images or (),
        page,
        limit=limit,
        backbone=backbone,
        data_root=data_root,
        runs=runs,
        device=device,
        force=force,
    )
    if as_json:
        print_json(found)
    for name, problem in found.unreadable:
        remark(f"{name} {problem}")
    for note in found.notes:
        remark(note)
    if as_json:
        return
    shown = counted(found.changes.images, "image") if found.changes else "no images"
    remark(f"{found.title}, with {shown}; in {out}")
