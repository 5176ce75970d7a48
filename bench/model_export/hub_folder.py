"""A folder ready to upload to the Hugging Face Hub: model file, card with front matter, classes, preprocessing."""

import json
from pathlib import Path
from typing import Any

from bench.model_export.description import description, preprocessing
from bench.tuned import ModelInfo, model_card

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
            "metrics": [{"type": "accuracy", "value": round(score.accuracy, 6)}],
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
