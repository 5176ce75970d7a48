"""Writes a tuned model in another format: whole, or not at all."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench._util.atomic_write import write_atomically
from bench._util.output_paths import check_output_file, check_output_folder
from bench.errors import UsageError
from bench.model_export.description import description

if TYPE_CHECKING:
    from bench.tuned import ModelInfo
    from methods import Method

FORMATS = {
    "onnx": ".onnx",
    "torchscript": ".pt",
    "linear": ".safetensors",
    "hf-folder": "",
}
"""Formats with the usual suffix of their file; a folder has none."""


def check_export(form: str, out: Path, *, force: bool = False) -> None:
    """Raise UsageError for an unknown format, or a place where nothing can be written; creates nothing."""
    if form not in FORMATS:
        raise UsageError(f"--format {form} is unknown; choose {', '.join(FORMATS)}.")
    if form == "hf-folder":
        check_output_folder(out, "--out")
        if out.exists() and not out.is_dir():
            raise UsageError(f"--out {out} is a file; --format hf-folder writes a folder.")
        taken = out.is_dir() and any(out.iterdir())
    else:
        check_output_file(out, "--out")
        taken = out.exists()
    if taken and not force:
        raise UsageError(f"--out {out} exists already; choose another place, or replace it with --force.")


def export_model(
    info: "ModelInfo", method: "Method[Any] | None", form: str, out: Path, *, source: Path, force: bool = False
) -> None:
    """Export a model and compare it with its own logits.

    Args:
        method: the restored method; `hf-folder` needs none.
        source: the model file, which `hf-folder` copies.

    Raises:
        UsageError: as `check_export` does.
        ExportError: the format cannot represent the method, or a package is missing.
    """
    check_export(form, out, force=force)
    if form == "hf-folder":
        from bench.model_export.hub_folder import hub_files
        from bench.tuned import read_model

        read_model(source)  # raises for a damaged file
        _write_folder(out, hub_files(info, source.read_bytes()))
        return
    assert method is not None, "only the folder needs no method"
    if form == "linear":
        content = _linear(info, method)
    else:
        from bench.model_export import graph_files

        content = graph_files.onnx(info, method) if form == "onnx" else graph_files.torchscript(info, method)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, content)


def _linear(info: "ModelInfo", method: "Method[Any]") -> bytes:
    """`weight` and `bias` as safetensors; class names and the kind of feature are in its header."""
    import safetensors.torch

    from bench.model_export.linear_head import linear_head

    head = linear_head(info, method)
    facts = description(info) | {
        "feature": head.feature,
        "formula": "logits = weight @ feature + bias; probabilities = softmax(logits / temperature)",
    }
    header = {key: value if isinstance(value, str) else json.dumps(value) for key, value in facts.items()}
    return safetensors.torch.save({"weight": head.weight, "bias": head.bias}, header)


def _write_folder(out: Path, files: Mapping[str, bytes]) -> None:
    """Write the files into a new folder that then takes the place of `out`."""
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        draft.mkdir()
        for name, content in files.items():
            (draft / name).write_bytes(content)
        if out.is_dir():
            old = out.with_name(f".{out.name}.{os.getpid()}.old")
            out.rename(old)
            draft.rename(out)
            shutil.rmtree(old)
        else:
            draft.rename(out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
