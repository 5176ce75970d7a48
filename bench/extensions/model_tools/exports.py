"""Exports of a tuned model: an ONNX file, or a folder for the Hugging Face Hub."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.analysis import score_texts
from bench.errors import UsageError
from bench.experiment import ModelInfo, model_card
from bench.extensions.model_tools.description import description, preprocessing
from bench.results import check_output_file, check_own_folder, write_listed, write_output

if TYPE_CHECKING:
    from methods import Method


MODEL = "model.safetensors"


def hub_files(info: ModelInfo, model_file: bytes) -> dict[str, bytes]:
    """The files of the folder by name."""
    card = model_card(info, Path(MODEL))
    note = (
        "## Classes and preprocessing\n\n`classes.json` lists the class names in the order of the logits, and "
        "`preprocessing.json` says how an image becomes pixels. The model file holds what was learned, without the "
        f"frozen backbone {info.spec.backbone}: its weights must have the digest `{info.backbone_digest}`.\n"
    )
    return {
        MODEL: model_file,
        "README.md": f"{front_matter(info)}\n{card}\n{note}".encode(),
        "classes.json": _json(list(info.classes.names)),
        "preprocessing.json": _json(preprocessing(info)),
        "config.json": _json(description(info) | {"settings": info.spec.config, "recipe": info.spec.recipe}),
    }


def front_matter(info: ModelInfo) -> str:
    """The header of the card, as YAML; every value is JSON, which is YAML too."""
    results = [
        {
            "task": {"type": "image-classification"},
            "dataset": {"name": info.spec.dataset, "type": info.spec.dataset, "split": score.split},
            "metrics": [
                {
                    "type": "accuracy",
                    "name": score_texts.accuracy_text(score.accuracy, score.n),
                    "value": round(score.accuracy, 6),
                }
            ],
        }
        for score in info.scores
    ]
    name = f"{info.spec.method} on {info.spec.dataset}"
    values: dict[str, Any] = {
        "library_name": "clip-etl-bench",
        "pipeline_tag": "image-classification",
        "tags": ["clip", "few-shot", "efficient-transfer-learning", info.spec.method, info.spec.backbone],
        "metrics": ["accuracy"],
        "model-index": [{"name": name, "results": results}],
    }
    lines = [f"{key}: {json.dumps(value)}" for key, value in values.items()]
    return "\n".join(["---", *lines, "---", ""])


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


FORMATS = ("onnx", "hf-folder")


def check_export(form: str, out: Path, *, force: bool = False) -> None:
    """Raise UsageError for an unknown format, or a place where nothing can be written; creates nothing."""
    if form not in FORMATS:
        raise UsageError(f"--format {form} is unknown; choose {', '.join(FORMATS)}.")
    if form == "hf-folder":
        if out.exists() and not out.is_dir():
            raise UsageError(f"--out {out} is a file; --format hf-folder writes a folder.")
        check_own_folder(out, "--out", force=force)
    else:
        check_output_file(out, "--out", force=force, suffixes=(".onnx",))


def export_model(
    info: "ModelInfo", method: "Method[Any] | None", form: str, out: Path, *, source: Path, force: bool = False
) -> None:
    """Export a model; an ONNX file is compared with the model's own logits before it is written.

    Args:
        method: the restored method; `hf-folder` needs none.
        source: the model file, which `hf-folder` copies.

    Raises:
        UsageError: as `check_export` does.
        ExportError: the format cannot represent the method, or a package is missing.
    """
    check_export(form, out, force=force)
    if form == "hf-folder":
        from bench.experiment import read_model

        read_model(source)  # raises for a damaged file
        write_listed(out, hub_files(info, source.read_bytes()), force=force)
        return
    assert method is not None, "only the folder needs no method"
    from bench.extensions.model_tools.onnx_file import onnx_file

    write_output(out, onnx_file(info, method), force=force)
