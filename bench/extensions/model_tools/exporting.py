"""A tuned model for use elsewhere, from Python."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from bench.api import options
from bench.sweep import cache_folder, cores


def export_tuned_model(
    model: Annotated[str, options.MODEL],
    form: Annotated[str, options.Opt("onnx or hf-folder.", "--format")],
    out: Annotated[Path, options.Opt("File to write, or the folder for hf-folder.")],
    *,
    force: options.Force = False,
    backbone: options.Weights = None,
    runs: options.Runs = "runs",
) -> tuple[str, int]:
    """Write a tuned model for use elsewhere; returns its method and its number of classes."""
    from bench.experiment import read_model_info
    from bench.extensions.model_tools.exports import check_export, export_model
    from bench.tuned_models import find_model

    check_export(form, out, force=force)
    source = find_model(model, Path(runs))
    info, method = read_model_info(source), None
    if form != "hf-folder":
        import torch

        from bench.tuned_models import load_model

        torch.set_num_threads(cores())
        tuned = load_model(source, backbone, cache_dir=cache_folder(None))
        info, method = tuned.info, tuned.method
    export_model(info, method, form, out, source=source, force=force)
    return info.spec.method, len(info.classes.names)
