"""`etl-bench models`: lists, exports and explains tuned models."""

from pathlib import Path
from typing import Any

from bench._util.words import counted
from bench.api import explain, export_tuned_model, stored_models
from bench.cli import _options as opt
from bench.cli._commands import Commands
from bench.cli._groups import LIST, ListsByDefault
from bench.cli._options_of import options_of
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
@options_of(stored_models)
def _list_command(as_json: opt.AsJson = False, **options: Any) -> None:
    """List the tuned models that `run --keep-models` stored.

    Accuracy is that of the run on test images, low to high its 95 % interval over images like these; --json has all
    splits. `etl-bench predict MODEL IMAGES` uses a model. MODEL is its path, the beginning of its name, or its dataset
    if that dataset has one model.

    Example: etl-bench models --runs runs
    """
    found = stored_models(**options)
    print_rows(found.rows, _COLUMNS, as_json=as_json)
    for problem in found.problems:
        remark(f"left out: {problem}")
    if not found.rows and not found.problems:
        remark(f"{found.folder} has no models; `etl-bench run ... --keep-models best` stores them.")


@models_app.command("export")
@options_of(export_tuned_model)
def _export_command(form: str, out: Path, **options: Any) -> None:
    """Write a tuned model for use elsewhere.

    onnx contains the adapted image tower: preprocessed pixels (n, 3, h, w) to logits and probabilities, in fp32. It is
    compared with the model's logits first, and a method that it cannot represent is refused. hf-folder contains the
    model file, a card, the class names and the preprocessing.

    Example: etl-bench models export birds --format onnx --out birds.onnx
    """
    method, classes = export_tuned_model(form=form, out=out, **options)
    remark(f"{method} with {classes} classes as {form}; in {out}")


@models_app.command("explain")
@options_of(explain)
def _explain(out: Path = Path("explanation.html"), as_json: opt.AsJson = False, **options: Any) -> None:
    """Show what a tuned model learned, on one offline page or as JSON.

    The page shows words near learned context tokens, weights of the adaptive ensemble, learned tensors, images whose
    prediction differs from zero-shot, similarity maps, and class texts before and after. It names the sections that do
    not apply, with a reason. An image in a folder with the name of a class has that label.

    Example: etl-bench models explain birds new_images/ --out birds.html
    """
    found = explain(out=None if as_json else out, **options)
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
