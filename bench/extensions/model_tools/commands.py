"""The commands `models export` and `models explain`."""

from pathlib import Path
from typing import Any

from bench._util.words import counted
from bench.cli import AsJson, options_of, print_json, remark
from bench.extensions.model_tools.explaining import explain
from bench.extensions.model_tools.exporting import export_tuned_model


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


@options_of(explain)
def _explain(out: Path = Path("explanation.html"), as_json: AsJson = False, **options: Any) -> None:
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


COMMANDS = {"models export": _export_command, "models explain": _explain}
