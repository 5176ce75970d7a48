"""`etl-bench models export`: writes a tuned model in another format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import _options as opt
from bench.cli._print import remark


def export_command(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Path, name, or dataset of a tuned model.")],
    form: Annotated[str, typer.Option("--format", help="onnx, torchscript, linear or hf-folder.")],
    out: Annotated[Path, typer.Option("--out", help="File to write, or the folder for hf-folder.")],
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file or folder.")] = False,
    backbone: opt.ModelWeights = None,
    runs: opt.Runs = opt.DEFAULT_RUNS,
) -> None:
    """Write a tuned model for use without this package, after comparing the export with the model's logits.

    onnx and torchscript contain the adapted image tower: preprocessed pixels (n, 3, h, w) to logits and probabilities,
    in fp32. linear contains weights and biases on the frozen feature. hf-folder contains the model file, a card, the
    class names and the preprocessing. A method that a format cannot represent is refused.

    Example: etl-bench models export birds --format onnx --out birds.onnx
    """
    from bench.experiment import read_model_info
    from bench.tuned_models import check_export, export_model, find_model

    check_export(form, out, force=force)
    source = find_model(model, runs)
    info, method = read_model_info(source), None
    if form != "hf-folder":
        import torch

        from bench.tuned_models import load_model

        torch.set_num_threads(opt.cores())
        tuned = load_model(source, backbone, cache_dir=opt.cache_folder(None))
        info, method = tuned.info, tuned.method
    export_model(info, method, form, out, source=source, force=force)
    remark(f"{info.spec.method} with {len(info.classes.names)} classes as {form}; in {out}")
