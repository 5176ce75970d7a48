"""The ONNX file of a tuned model, from its recorded computation."""

import builtins
import io
import json
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from bench.experiment import ModelInfo
from bench.extensions.model_tools.description import ExportError, description
from methods import Backbone, Batch, Classifier, Method, Precision

_TracerWarning: type[Warning] = vars(torch.jit)["TracerWarning"]
RECORDED = 13
"""Images in the recorded batch. Lengths of 13 become the batch size of the graph."""
CHECKED = (1, 5, RECORDED)
"""Batch sizes for which the exported model is compared with the model."""
TOLERANCE = 1e-4
"""Largest difference of a logit, as a share of the largest logit: kernels round in another order."""


class ImageClassifier(nn.Module):
    """Preprocessed pixels `(n, 3, h, w)` to logits and probabilities, `(n, n_cls)` each."""

    def __init__(self, info: ModelInfo, method: Method[Any]) -> None:
        super().__init__()
        self._backbone: Backbone = method.backbone
        self._needs = method.info.needs
        self._classify: Classifier = method.classifier(info.classes.class_set)
        self._temperature = info.calibration.temperature

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and `softmax(logits / temperature)`."""
        tower = self._backbone
        batch = Batch(
            None,
            features=lambda: tower.encode_image(pixels),
            pooled=lambda: tower.encode_image(pixels, project=False),
            pixels=lambda: pixels,
            hidden=lambda first: tower.image_hidden(pixels, first),
            needs=self._needs,
        )
        logits = self._classify(batch)
        return logits, (logits / self._temperature).softmax(dim=1)


def image_classifier(info: ModelInfo, method: Method[Any]) -> ImageClassifier:
    """The model in fp32 on the CPU, without gradients.

    Raises ExportError for a model on another device, whose recording would stay there.
    """
    if method.backbone.device.type != "cpu":
        raise ExportError("Load the model on the CPU to export it.")
    method = copy(method)
    method.backbone = replace(method.backbone, precision=Precision.FP32)
    if isinstance(trained := getattr(method, "trainable", None), nn.Module):
        trained.requires_grad_(False)
    with torch.no_grad():
        return ImageClassifier(info, method).eval()


@torch.no_grad()
def record(info: ModelInfo, method: Method[Any]) -> tuple[torch.jit.ScriptModule, ImageClassifier]:
    """The recorded model, and the model that it was recorded from. Raises ExportError if it cannot be recorded."""
    model = image_classifier(info, method)
    (pixels,) = check_pixels(info, (RECORDED,))
    with traceable_lengths(method), warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        try:
            graph: torch.jit.ScriptModule = torch.jit.trace(model, (pixels,), check_trace=False)  # type: ignore[no-untyped-call]
        except RuntimeError as error:
            raise ExportError(
                f"{info.spec.method} cannot be exported as onnx: {' '.join(str(error).split())[:200]}"
            ) from None
    steps = sorted({_place(one) for one in found if _depends_on_images(one)})
    if steps:
        raise ExportError(
            f"{info.spec.method} cannot be exported as onnx, because its computation depends on the images "
            f"({', '.join(steps[-2:])}): the number of its steps is not fixed. Use `etl-bench predict`, or another "
            "method."
        )
    return graph, model


def check_pixels(info: ModelInfo, sizes: tuple[int, ...] = CHECKED) -> list[Tensor]:
    """Random pixels of each batch size, by which an export is compared with its model."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(n, 3, info.image_size, info.image_size, generator=generator) for n in sizes]


def _compare(info: ModelInfo, found: list[Tensor], model: ImageClassifier) -> float:
    """The largest difference of a logit, as a share of the largest. Raises ExportError if it is not small."""
    with torch.no_grad():
        expected = [model(pixels)[0] for pixels in check_pixels(info)]
    scale = max(float(one.abs().max()) for one in expected)
    difference = max(float((a - b).abs().max()) for a, b in zip(found, expected, strict=True)) / max(scale, 1e-12)
    if not difference <= TOLERANCE:
        raise ExportError(
            f"{info.spec.method} cannot be exported as onnx: the exported model gives other logits (largest "
            f"difference {difference:.2g} of the largest logit, allowed is {TOLERANCE:g}). Nothing was written."
        )
    return difference


@contextmanager
def traceable_lengths(method: Method[Any]) -> Iterator[None]:
    """Let `len(tensor)` in the method's packages give the batch size of the graph instead of a constant.

    The module of `Backbone` is left out: it takes lengths only to count passes.
    """
    packages = {cls.__module__.partition(".")[0] for cls in type(method).__mro__} | {"methods"}
    modules = [
        module
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] in packages - {"builtins", "abc", "typing", "torch"} and name != Backbone.__module__
    ]
    shadowed = [module for module in modules if module is not None and "len" not in vars(module)]
    for module in shadowed:
        vars(module)["len"] = _length
    try:
        yield
    finally:
        for module in shadowed:
            del vars(module)["len"]


def _length(value: Any) -> Any:
    if not isinstance(value, Tensor):
        return builtins.len(value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", _TracerWarning)
        n = builtins.len(value)
    return value.shape[0] if n == RECORDED else n


def _depends_on_images(one: warnings.WarningMessage) -> bool:
    """Whether a warning says that a value of a tensor decided a step; lengths are left out, see `_length`."""
    if not issubclass(one.category, _TracerWarning) or "Using len" in str(one.message):
        return False
    return not {"jaxtyping", "beartype"} & set(one.filename.replace("\\", "/").split("/"))  # checks of shapes


def _place(one: warnings.WarningMessage) -> str:
    return f"{one.filename.replace(chr(92), '/').rpartition('/')[2]} line {one.lineno}"


INPUT = "pixels"
OUTPUTS = ("logits", "probabilities")
OPSET = 17
"""The ONNX operator set: the first with layer norm, so that old runtimes can read the file."""


def onnx_file(info: ModelInfo, method: Method[Any]) -> bytes:
    """The content of an ONNX file for any batch size, with the description of the model as metadata."""
    modules = onnx_modules()
    graph, model = record(info, method)
    buffer = io.BytesIO()
    names = (INPUT, *OUTPUTS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter works on a recording, which torch calls legacy
        torch.onnx.export(
            graph,
            (check_pixels(info)[-1],),
            buffer,  # type: ignore[arg-type]  # the legacy exporter takes files in memory
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=list(OUTPUTS),
            dynamic_axes={name: {0: "batch"} for name in names},
        )
    made = modules["onnx"].load_from_string(buffer.getvalue())
    for key, value in _facts(info).items():
        made.metadata_props.add(key=key, value=value if isinstance(value, str) else json.dumps(value))
    content: bytes = made.SerializeToString()
    session = modules["onnxruntime"].InferenceSession(content, providers=["CPUExecutionProvider"])
    found = [torch.from_numpy(session.run([OUTPUTS[0]], {INPUT: p.numpy()})[0]) for p in check_pixels(info)]
    _compare(info, found, model)
    return content


def onnx_modules() -> dict[str, Any]:
    """Onnx and onnxruntime. Raises ExportError if they are not installed."""
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise ExportError(f"--format onnx needs {error.name}. Run `pip install 'clip-etl-bench[onnx]'`.") from None
    return {"onnx": onnx, "onnxruntime": onnxruntime}


def _facts(info: ModelInfo) -> dict[str, Any]:
    size = info.image_size
    return description(info) | {
        "input": f"{INPUT}: float32 (n, 3, {size}, {size}): resized, cropped, scaled to 0..1, (value - mean) / std",
        "outputs": "logits: float32 (n, classes); probabilities: softmax(logits / temperature)",
    }
