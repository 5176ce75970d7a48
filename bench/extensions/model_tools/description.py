"""The description that every exported model contains, and the error of an export."""

from dataclasses import asdict
from typing import Any

from bench.experiment import ModelInfo
from datasets_registry import BenchError


def description(info: ModelInfo) -> dict[str, Any]:
    """Classes, temperature, preprocessing and origin of a model."""
    return {
        "classes": list(info.classes.names),
        "temperature": info.calibration.temperature,
        "calibrated": info.calibration.source == "validation",
        "preprocessing": preprocessing(info),
        "method": info.spec.method,
        "dataset": info.spec.dataset,
        "backbone": info.spec.backbone,
        "backbone_digest": info.backbone_digest,
        "run_id": info.run_id,
        "made_with": f"clip-etl-bench {info.provenance.package_version}",
    }


def preprocessing(info: ModelInfo) -> dict[str, Any]:
    """The preprocessing from an image to the tower's pixels."""
    return {"image_size": info.image_size, "channels": "RGB", "scale": "0..1"} | asdict(info.preprocessing)


class ExportError(BenchError, ValueError):
    """A model that a format cannot represent, or an export that does not give the model's own logits."""
